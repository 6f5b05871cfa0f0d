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

MAX_PAIRS = 12  # closest pairs that are stored for people to review
EXACT_PERCENT = 2  # of the test pictures, the closest: the 99th percentile lies among them
MAX_SAMPLE = 2048  # sample of the pictures without a listed neighbour
_ANY = -(2**20)  # below any product

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class ClosestPair:
    """A test picture, the training picture closest to it, and their cosine."""

    test: str
    train: str
    cosine: float


@dataclass(frozen=True)
class ClosestPairs:
    """The closest pairs, closest first, and the 99th percentile of the largest cosine of each test picture.

    Without embeddings on both sides all fields are empty or NaN.
    """

    pairs: tuple[ClosestPair, ...]
    p99: float
    n: int

    @property
    def greatest(self) -> float:
        """The greatest cosine of a test picture to a training picture."""
        return self.pairs[0].cosine if self.pairs else float("nan")


@dataclass(frozen=True)
class Vectors:
    """Embeddings in 256 whole numbers each, by picture: a hundred thousand take 26 MB.

    `near` has the neighbour lists (rows of `names`) of a similarity index, if there is one.
    """

    names: tuple[str, ...]
    compact: Compact
    near: NeighbourLists | None = None

    @classmethod
    def read(cls, catalog: Catalog, model_id: str, names: Sequence[str]) -> "Vectors":
        """Read the embeddings of these pictures; pictures without one are left out."""
        names_read, vectors = read_compact(catalog, model_id, names)
        return cls(tuple(names_read), vectors)

    @classmethod
    def of_items(
        cls, catalog: Catalog, model_id: str, names: Sequence[str], index: SimilarityIndex
    ) -> "Vectors":
        """Use the vectors and lists of an index; read the vectors where the index lacks one of the pictures."""
        pictures = index.pictures
        if set(names) <= set(pictures.names):
            return cls(tuple(pictures.names), pictures.vectors, index.by_vector)
        return cls.read(catalog, model_id, names)


def find_closest_pairs(
    vectors: Vectors, split: dict[str, str], exact: "ExactCosines | None" = None
) -> ClosestPairs:
    """Find for each test picture the closest training picture; `split` maps each picture to its side.

    The compact vectors give the cosine to about 0.01 where it is high; `exact` measures the closest pairs again, from
    which the greatest cosine and the 99th percentile come.
    Where `vectors` has neighbour lists, only test pictures are searched whose full list has no training picture. Of the
    pictures with a list that is not full and has no training picture, a sample of 2,048 is searched. So the closest
    pairs equal those of a full search if any pair is in the lists, and so does the percentile if a hundredth of the
    pictures is.
    """
    sides = np.array([split.get(name, "") for name in vectors.names])
    (test,), (train,) = np.nonzero(sides == "test"), np.nonzero(sides == "train")
    if not (len(test) and len(train)):
        return ClosestPairs((), float("nan"), 0)
    neighbours = _listed_neighbours(vectors.near, test, sides == "train")
    is_unresolved, weight = _unresolved(vectors.near, test, neighbours)
    nearest = nearest_vectors(vectors.compact[test[is_unresolved]], vectors.compact[train], 1, _ANY)
    neighbours.ids[is_unresolved], neighbours.closeness[is_unresolved] = (
        train[nearest.ids],
        nearest.closeness,
    )
    (rows,) = np.nonzero(neighbours.ids[:, 0] >= 0)
    cosine, other = cosines(neighbours.closeness[rows, 0]), neighbours.ids[rows, 0]
    names = vectors.names
    order = np.lexsort((rows, -cosine))[: max(MAX_PAIRS, len(rows) * EXACT_PERCENT // 100)]
    pairs = [
        ClosestPair(names[test[rows[n]]], names[other[n]], float(cosine[n])) for n in order.tolist()
    ]
    if exact:
        pairs = exact(pairs)
        cosine[order] = [pair.cosine for pair in pairs]
    first_pairs = tuple(sorted(pairs, key=lambda pair: -pair.cosine)[:MAX_PAIRS])
    greatest = first_pairs[0].cosine if first_pairs else float("nan")
    return ClosestPairs(first_pairs, min(greatest, _p99(cosine, weight[rows])), len(test))


def _listed_neighbours(
    lists: NeighbourLists | None, test: Rows, is_train: NDArray[np.bool_]
) -> NeighbourLists:
    """Give for each test picture the first training picture of its list, (test, 1); -1 without one."""
    neighbours = NeighbourLists.empty(len(test), 1)
    if lists is None:
        return neighbours
    ids = lists.ids[test]
    is_train_id = (ids >= 0) & np.append(is_train, np.False_)[ids]
    (rows,) = np.nonzero(is_train_id.any(axis=1))
    first = is_train_id[rows].argmax(axis=1)
    neighbours.ids[rows, 0] = ids[rows, first]
    neighbours.closeness[rows, 0] = lists.closeness[test[rows], first]
    return neighbours


def _unresolved(
    lists: NeighbourLists | None, test: Rows, neighbours: NeighbourLists
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Mark the test pictures to compare with all of train, and give each its weight in the sample."""
    is_unresolved, weight = neighbours.ids[:, 0] < 0, np.ones(len(test))
    if lists is None:
        return is_unresolved, weight
    # A list that is not full has every picture within its limit.
    (isolated,) = np.nonzero(is_unresolved & (lists.ids[test, -1] < 0))
    if len(isolated) > MAX_SAMPLE:
        # Names are hashes of the files, so the first ones are a fair and repeatable sample.
        is_unresolved[isolated[MAX_SAMPLE:]] = False
        weight[isolated] = len(isolated) / MAX_SAMPLE
    return is_unresolved, weight


def _p99(cosine: NDArray[np.float64], weight: NDArray[np.float64]) -> float:
    if (weight == 1).all():
        return float(np.quantile(cosine, 0.99))
    return float(np.quantile(cosine, 0.99, weights=weight, method="inverted_cdf"))


@dataclass(frozen=True)
class ExactCosines:
    """Measure pairs by the whole embeddings."""

    catalog: Catalog
    model_id: str

    def __call__(self, pairs: Sequence[ClosestPair]) -> list[ClosestPair]:
        """Give the pairs with their exact cosines."""
        names = sorted({name for pair in pairs for name in (pair.test, pair.train)})
        table = frame(self.catalog, VECTORS, (self.model_id, names))
        vector = {sha: np.asarray(values, np.float64) for sha, values in table.iter_rows()}
        return [
            ClosestPair(pair.test, pair.train, _cosine(vector[pair.test], vector[pair.train]))
            for pair in pairs
        ]


def _cosine(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    lengths = float(np.linalg.norm(one)) * float(np.linalg.norm(other))
    return float(one @ other) / max(lengths, 1e-12)


def sides_of(items: pl.DataFrame, policy: str) -> dict[str, str]:
    """Map each item to its side according to the column `policy`."""
    return dict(items.select("asset_sha256", policy).iter_rows())
