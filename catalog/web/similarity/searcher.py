"""The contract of a searcher: which pictures of a workspace look like one, and where all of them lie on a map.

The vectors belong to curation, which the catalog may not import: the command `safelight` passes a searcher in.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import click
import numpy as np
from numpy.typing import NDArray

from catalog.workspace.workspace import Workspace

OPENER = "safelight.open_searcher"
"""Key of the opener in `meta` of the root context of the command."""

MOST_POINTS = 100_000
"""Pictures of one map; of more, those with the smallest SHA-256, which is a sample at random."""

EmbeddingMethod = Literal["pca", "umap"]


@dataclass(frozen=True)
class Neighbour:
    """A picture and the cosine of its vector with that of the query, -1 to 1; `is_equal` says equal pixels."""

    sha256: str
    cosine: float
    is_equal: bool = False


@dataclass(frozen=True)
class NearestPictures:
    """The nearest of `searched` pictures by the vectors of `model_id`, most similar first."""

    model_id: str
    searched: int
    pictures: tuple[Neighbour, ...]


@dataclass(frozen=True)
class EmbeddingMap:
    """A map of pictures in two dimensions: SHA-256 and x, y (N,) of each picture, sorted by SHA-256.

    `total` counts the pictures with a vector, of which more than `MOST_POINTS` are sampled. `explained` are the shares
    of the variance on both axes, 0 to 1, empty for a method without axes. `key` is another one for other pictures,
    vectors or methods. `seconds` is how long the projection took.
    """

    key: str
    model_id: str
    method: EmbeddingMethod
    pictures: tuple[str, ...]
    x: NDArray[np.float32]
    y: NDArray[np.float32]
    total: int
    explained: tuple[float, ...]
    seconds: float


class Searcher(Protocol):
    """The stored vectors of a workspace. Its methods block, and may be called by several threads."""

    def nearest(self, sha256: str, limit: int) -> NearestPictures:
        """Find the pictures nearest to one of the catalog, which is left out; raises `NoVectorError`."""

    def nearest_to(self, picture: bytes, limit: int) -> NearestPictures:
        """Find the pictures nearest to an encoded picture.

        Raises `NoVectorError`, `MissingPartError` where the network that embeds cannot run here, and
        `PictureRefusedError` for a file that cannot be decoded or is beyond the limits.
        """

    def methods(self) -> Sequence[EmbeddingMethod]:
        """Name the methods of projection that are installed here, the default one first."""

    def embedding_map(self, method: EmbeddingMethod) -> EmbeddingMap:
        """Project the vectors, or read the projection that was made before; raises `NoVectorError`.

        Raises `MissingPartError` for a method that is not installed.
        """

    def close(self) -> None:
        """End the processes that decode."""


OpenSearcher = Callable[[Workspace], Searcher]


def searcher_opener() -> OpenSearcher | None:
    """Return what the command `safelight` was given to open a searcher with."""
    opener: OpenSearcher | None = click.get_current_context().meta.get(OPENER)
    return opener
