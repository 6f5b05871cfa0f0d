"""Find how close test pictures come to training pictures, by the cosine of their embeddings."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from catalog import Catalog
from curation.duplicates.index import SimilarityIndex
from curation.reading import frame
from curation.similarity.neighbours import Compact, NeighbourLists, cosines, nearest_vectors
from curation.similarity.read_vectors import VECTORS, read_compact

SHOWN = 12  # closest pairs that are kept for people to look at
EXACT_PERCENT = 2  # of the test pictures, the closest: the 99 % point lies among them
SAMPLED = 2048  # pictures that stand for all that nothing is close to
_ANY = -(2**20)  # below any product

Rows = NDArray[np.int64]


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
    """Embeddings in 256 whole numbers each, by picture: a hundred thousand take 26 MB.

    `near` has the closest pictures of each (rows of `names`), where an index has found them already.
    """

    names: tuple[str, ...]
    compact: Compact
    near: NeighbourLists | None = None

    @classmethod
    def read(cls, catalog: Catalog, model_id: str, names: Sequence[str]) -> "Vectors":
        """Read the embeddings of these pictures; pictures without one are left out."""
        found, vectors = read_compact(catalog, model_id, names)
        return cls(tuple(found), vectors)

    @classmethod
    def of_items(
        cls, catalog: Catalog, model_id: str, names: Sequence[str], index: SimilarityIndex
    ) -> "Vectors":
        """Take the vectors of an index with what it knows; read them where it lacks one of the pictures."""
        known = index.pictures
        if set(names) <= set(known.names):
            return cls(tuple(known.names), known.vectors, index.by_vector)
        return cls.read(catalog, model_id, names)


def closest(vectors: Vectors, split: dict[str, str], exact: "Exact | None" = None) -> Closeness:
    """Hold each test picture against all of train; `split` names the side of each picture.

    The compact vectors tell the cosine to about 0.01 where it is high; `exact` measures the closest
    pairs again, those from which the greatest cosine and the 99 % point come.
    Where `vectors` has lists, only what they leave open is sought: a list without a training picture that is full. Of
    pictures that nothing in the list's reach is close to, 2,048 stand for all. So the closest pairs are those of a
    whole search if any pair is within reach, and so is the percentile where a hundredth of the pictures is.
    """
    sides = np.array([split.get(name, "") for name in vectors.names])
    (test,), (train,) = np.nonzero(sides == "test"), np.nonzero(sides == "train")
    if not (len(test) and len(train)):
        return Closeness((), float("nan"), 0)
    found = _known(vectors.near, test, sides == "train")
    is_open, weight = _open(vectors.near, test, found)
    asked = nearest_vectors(vectors.compact[test[is_open]], vectors.compact[train], 1, _ANY)
    found.ids[is_open], found.closeness[is_open] = train[asked.ids], asked.closeness
    (rows,) = np.nonzero(found.ids[:, 0] >= 0)
    cosine, other = cosines(found.closeness[rows, 0]), found.ids[rows, 0]
    names = vectors.names
    order = np.lexsort((rows, -cosine))[: max(SHOWN, len(rows) * EXACT_PERCENT // 100)]
    pairs = [Pair(names[test[rows[n]]], names[other[n]], float(cosine[n])) for n in order.tolist()]
    if exact:
        pairs = exact(pairs)
        cosine[order] = [pair.cosine for pair in pairs]
    shown = tuple(sorted(pairs, key=lambda pair: -pair.cosine)[:SHOWN])
    greatest = shown[0].cosine if shown else float("nan")
    return Closeness(shown, min(greatest, _p99(cosine, weight[rows])), len(test))


def _known(near: NeighbourLists | None, test: Rows, is_train: NDArray[np.bool_]) -> NeighbourLists:
    """Give for each test picture the first training picture of its list, (test, 1); -1 where there is none."""
    found = NeighbourLists.empty(len(test), 1)
    if near is None:
        return found
    ids = near.ids[test]
    fits = (ids >= 0) & np.append(is_train, np.False_)[ids]
    (rows,) = np.nonzero(fits.any(axis=1))
    first = fits[rows].argmax(axis=1)
    found.ids[rows, 0] = ids[rows, first]
    found.closeness[rows, 0] = near.closeness[test[rows], first]
    return found


def _open(
    near: NeighbourLists | None, test: Rows, found: NeighbourLists
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Mark the test pictures to hold against all of train, and say how many pictures each stands for."""
    is_open, weight = found.ids[:, 0] < 0, np.ones(len(test))
    if near is None:
        return is_open, weight
    (alone,) = np.nonzero(is_open & (near.ids[test, -1] < 0))  # a list with room has all in reach
    if len(alone) > SAMPLED:
        # Names are hashes of the files, so the first are a fair sample, and the same one every time.
        is_open[alone[SAMPLED:]] = False
        weight[alone] = len(alone) / SAMPLED
    return is_open, weight


def _p99(cosine: NDArray[np.float64], weight: NDArray[np.float64]) -> float:
    if (weight == 1).all():
        return float(np.quantile(cosine, 0.99))
    return float(np.quantile(cosine, 0.99, weights=weight, method="inverted_cdf"))


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
