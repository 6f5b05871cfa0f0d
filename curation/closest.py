"""Find how close test pictures come to training pictures, by the cosine of their embeddings."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from catalog import Catalog
from curation.inputs import frame
from curation.known_copies import VECTORS
from curation.neighbours import Compact, compact, cosines, nearest_vectors

CHUNK = 8192  # vectors read at once: 40 MB at 1,280 dimensions
SHOWN = 12  # closest pairs that are kept for people to look at
_ANY = -(2**20)  # below any product


@dataclass(frozen=True)
class Pair:
    """A test picture, the training picture closest to it, and their cosine."""

    test: str
    train: str
    cosine: float


@dataclass(frozen=True)
class Closeness:
    """The closest pairs, closest first, and the 99th percentile of what each test picture has as its closest.

    All is empty or NaN without embeddings on both sides.
    """

    pairs: tuple[Pair, ...]
    p99: float
    n: int

    @property
    def greatest(self) -> float:
        """The greatest cosine of a test picture to a training picture."""
        return self.pairs[0].cosine if self.pairs else float("nan")


@dataclass(frozen=True)
class Vectors:
    """Embeddings in 256 whole numbers each, by picture: a hundred thousand take 26 MB."""

    names: tuple[str, ...]
    compact: Compact

    @classmethod
    def read(cls, catalog: Catalog, model_id: str, names: Sequence[str]) -> "Vectors":
        """Read the embeddings of these pictures, a chunk at a time; pictures without one are left out."""
        found: list[str] = []
        parts: list[Compact] = []
        for start in range(0, len(names), CHUNK):
            some = frame(catalog, VECTORS, (model_id, list(names[start : start + CHUNK])))
            if some.is_empty():
                continue
            some = some.sort("asset_sha256")
            found += some["asset_sha256"].to_list()
            parts.append(compact(np.array(some["vector"].to_list(), np.float32)))
        return cls(tuple(found), np.concatenate(parts) if parts else np.zeros((0, 256), np.int8))


def closest(vectors: Vectors, split: dict[str, str], exact: "Exact | None" = None) -> Closeness:
    """Hold each test picture against all of train; `split` names the side of each picture.

    The compact vectors tell the cosine to about 0.01 where it is high; `exact` measures the pairs that are shown again.
    """
    sides = np.array([split.get(name, "") for name in vectors.names])
    (test,), (train,) = np.nonzero(sides == "test"), np.nonzero(sides == "train")
    if not (len(test) and len(train)):
        return Closeness((), float("nan"), 0)
    near = nearest_vectors(vectors.compact[test], vectors.compact[train], 1, _ANY)
    cosine = cosines(near.closeness[:, 0])
    order = np.lexsort((test, -cosine))[:SHOWN]
    names = vectors.names
    pairs = [
        Pair(names[test[row]], names[train[near.ids[row, 0]]], float(cosine[row])) for row in order
    ]
    shown = exact(pairs) if exact else pairs
    return Closeness(
        tuple(sorted(shown, key=lambda pair: -pair.cosine)),
        float(np.quantile(cosine, 0.99)),
        len(test),
    )


@dataclass(frozen=True)
class Exact:
    """Measure pairs by the whole embeddings."""

    catalog: Catalog
    model_id: str

    def __call__(self, pairs: Sequence[Pair]) -> list[Pair]:
        """Give the pairs with their cosines to the last digit."""
        names = sorted({name for pair in pairs for name in (pair.test, pair.train)})
        found = frame(self.catalog, VECTORS, (self.model_id, names))
        vector = {sha: np.asarray(said, np.float64) for sha, said in found.iter_rows()}
        return [
            Pair(pair.test, pair.train, _cosine(vector[pair.test], vector[pair.train]))
            for pair in pairs
        ]


def _cosine(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    lengths = float(np.linalg.norm(one)) * float(np.linalg.norm(other))
    return float(one @ other) / max(lengths, 1e-12)


def sides_of(items: pl.DataFrame, policy: str) -> dict[str, str]:
    """Name the side of each item by the column `policy`."""
    return dict(items.select("asset_sha256", policy).iter_rows())
