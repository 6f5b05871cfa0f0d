"""A searcher without vectors: pictures lie in the order of the made home, each a step from the next."""

import hashlib
from collections.abc import Sequence

import numpy as np

from catalog import (
    EmbeddingMap,
    EmbeddingMethod,
    MissingPartError,
    NearestPictures,
    Neighbour,
    NoVectorError,
    PictureRefusedError,
    Workspace,
)
from tests.catalog.web.made_home import SHAS

GONE = "0" * 64
"""A picture that the searcher still has, but the catalog no longer: rows of it must not be shown."""
WITHOUT = SHAS[4]
"""A picture without a vector."""
STEP = 0.02
ORDER = [*(sha for sha in SHAS if sha != WITHOUT), GONE]


class MadeSearcher:
    """Answers from `ORDER`: the cosine falls by `STEP` from place to place."""

    def __init__(self, _workspace: Workspace) -> None:
        self.closed = False

    def nearest(self, sha256: str, limit: int) -> NearestPictures:
        if sha256 not in ORDER:
            raise NoVectorError("this picture has no vector yet")
        return self._around(ORDER.index(sha256), limit)

    def nearest_to(self, picture: bytes, limit: int) -> NearestPictures:
        if picture == b"bad":
            raise PictureRefusedError("truncated", "the file is cut off: <b>3 bytes</b>")
        if picture == b"network":
            raise MissingPartError("torch", "curate")
        sha256 = hashlib.sha256(picture).hexdigest()
        place = ORDER.index(sha256) if sha256 in ORDER else 0
        nearest = self._around(place, limit - 1)
        own = Neighbour(ORDER[place], 1.0, sha256 in ORDER)
        return NearestPictures(nearest.model_id, nearest.searched, (own, *nearest.pictures))

    def methods(self) -> Sequence[EmbeddingMethod]:
        return ("pca", "umap")

    def embedding_map(self, method: EmbeddingMethod) -> EmbeddingMap:
        names = sorted(ORDER[:-1])
        places = np.array([ORDER.index(name) for name in names], np.float32)
        sign = 1 if method == "pca" else -1
        explained = (0.5, 0.25) if method == "pca" else ()
        key = f"{method}-key"
        return EmbeddingMap(
            key, "made@1", method, tuple(names), sign * places, places % 5, 240_000, explained, 0.5
        )

    def close(self) -> None:
        self.closed = True

    def _around(self, place: int, limit: int) -> NearestPictures:
        others = sorted((n for n in range(len(ORDER)) if n != place), key=lambda n: abs(n - place))
        pictures = [Neighbour(ORDER[n], 1 - STEP * abs(n - place)) for n in others[:limit]]
        return NearestPictures("made@1", len(ORDER), tuple(pictures))
