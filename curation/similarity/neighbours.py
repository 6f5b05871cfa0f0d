"""Nearest-neighbour lists of pictures, independent of the order in which pictures are added, and search by vector.

Compact vectors are whole numbers, so their products are exact for any block size, and ties are broken by place. The
lists are therefore a function of the set of pictures: lists that grow batch by batch equal those of one search over all
pictures.

This file compares vectors with all others, in blocks, on GPUs where FAISS supports them; where few pairs are close,
`close_vectors.py` is faster. Beyond a million pictures both take hours for a bulk load, so large batches are then
searched with an inverted file (IVF), which misses some neighbours. For hashes see `close_hashes.py`.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import faiss
import numpy as np
from numpy.typing import NDArray
from scipy.linalg import hadamard

from curation.similarity.pdq import turned

DIM, SCALE = 256, 400  # of compact vectors; 127 / SCALE is five standard deviations of one number
IVF_MIN_BASE, IVF_MIN_QUERIES = 1_000_000, 20_000  # vectors and queries from which on IVF is used
IVF_PROBES, IVF_SAMPLES = 48, 40  # lists searched per query, training vectors per list
BLOCK = 65_536  # rows of the base in memory at once: 64 MB of floats
QUERIES = 4096  # queries that are compared with them at once
OVERSAMPLING = (
    2  # times as many neighbours are searched as kept, so that ties can be broken by place
)
MISSING = -(2**30)

Ids = NDArray[np.int32]
Compact = NDArray[np.int8]
Hashes = NDArray[np.uint8]


@dataclass(frozen=True)
class NeighbourLists:
    """The nearest pictures of each picture: places (N, K), -1 for none, and closeness (N, K), higher is closer.

    Rows are sorted closest first, ties by place.
    """

    ids: Ids
    closeness: Ids

    @classmethod
    def empty(cls, rows: int, width: int) -> "NeighbourLists":
        """Make lists without entries."""
        shape = (rows, width)
        return cls(np.full(shape, -1, np.int32), np.full(shape, MISSING, np.int32))

    @classmethod
    def stacked(cls, parts: Iterable["NeighbourLists"]) -> "NeighbourLists":
        """Concatenate the lists of different pictures; needs at least one part."""
        lists = list(parts)
        ids = np.concatenate([part.ids for part in lists])
        return cls(ids, np.concatenate([part.closeness for part in lists]))

    def best(self, width: int) -> "NeighbourLists":
        """Sort the rows and keep the closest `width` of each; of repeated places the closest entry is kept."""
        order = np.lexsort((-self.closeness, self.ids))
        ids, closeness = (np.take_along_axis(each, order, 1) for each in (self.ids, self.closeness))
        is_repeated = np.zeros(ids.shape, bool)
        is_repeated[:, 1:] = (ids[:, 1:] == ids[:, :-1]) & (ids[:, 1:] >= 0)
        ids, closeness = np.where(is_repeated, -1, ids), np.where(is_repeated, MISSING, closeness)
        order = np.lexsort((ids, -closeness))[:, :width]
        return NeighbourLists(
            np.take_along_axis(ids, order, 1), np.take_along_axis(closeness, order, 1)
        )

    def merged(self, other: "NeighbourLists", width: int) -> "NeighbourLists":
        """Merge two lists of the same pictures."""
        ids = np.concatenate([self.ids, other.ids], 1)
        return NeighbourLists(ids, np.concatenate([self.closeness, other.closeness], 1)).best(width)

    def improve(
        self, rows: NDArray[np.integer], ids: NDArray[np.integer], closeness: NDArray[np.integer]
    ) -> None:
        """Insert single entries into the lists of some rows, in place."""
        width = self.ids.shape[1]
        is_better = closeness >= self.closeness[rows, -1]
        rows, ids, closeness = rows[is_better], ids[is_better], closeness[is_better]
        order = np.lexsort((ids, -closeness, rows))
        rows, ids, closeness = rows[order], ids[order], closeness[order]
        changed, starts, group = np.unique(rows, return_index=True, return_inverse=True)
        nth = np.arange(len(rows)) - starts[group]
        added, is_nearest = NeighbourLists.empty(len(changed), width), nth < width
        added.ids[group[is_nearest], nth[is_nearest]] = ids[is_nearest]
        added.closeness[group[is_nearest], nth[is_nearest]] = closeness[is_nearest]
        improved = NeighbourLists(self.ids[changed], self.closeness[changed]).merged(added, width)
        self.ids[changed], self.closeness[changed] = improved.ids, improved.closeness

    def without(self, is_removed: NDArray[np.bool_]) -> "NeighbourLists":
        """Remove the marked entries."""
        return NeighbourLists(
            np.where(is_removed, -1, self.ids), np.where(is_removed, MISSING, self.closeness)
        )


def compact(vectors: NDArray[np.float32]) -> Compact:
    """Project L2-normalised vectors (N, D) to (N, 256) whole numbers whose products approximate the cosine.

    The projection is a randomised Hadamard transform of which 256 rows are kept. Nothing is learnt from data, so
    vectors of different runs can be compared. Up to D = 256 the cosine is exact to 0.005; at 1,280 the standard error
    is 0.03 at 0.7 and 0.01 at 0.9.

    >>> cosines(products(compact(np.eye(3, dtype=np.float32)))).round(2).tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    projected = vectors @ _projection(vectors.shape[1])
    norm = np.linalg.norm(projected, axis=1, keepdims=True)
    scaled = projected * (SCALE / np.maximum(norm, 1e-9))
    return np.asarray(np.clip(np.rint(scaled), -127, 127), np.int8)


@cache
def _projection(dim: int) -> NDArray[np.float32]:
    rng = np.random.default_rng(0)
    side = max(DIM, 2 ** math.ceil(math.log2(dim)))
    signs = rng.choice([-1.0, 1.0], side)
    rows = np.sort(rng.permutation(side)[:DIM])
    matrix = hadamard(side)[rows] * signs / math.sqrt(DIM)
    return np.ascontiguousarray(matrix[:, :dim].T, np.float32)


def products(vectors: Compact) -> Ids:
    """Multiply compact vectors (N, 256) with each other: (N, N)."""
    wide = vectors.astype(np.int32)
    return np.asarray(wide @ wide.T, np.int32)


def cosines(closeness: NDArray[np.integer]) -> NDArray[np.float64]:
    """Convert products of compact vectors to cosines, -1 to 1."""
    return np.clip(closeness / SCALE**2, -1, 1)


def closeness_of(cosine: float) -> int:
    """Convert a cosine to the product of compact vectors."""
    return round(cosine * SCALE**2)


def uses_ivf(n_queries: int, n_base: int) -> bool:
    """Say whether a search is so large that it uses an inverted file."""
    return n_base > IVF_MIN_BASE and n_queries >= IVF_MIN_QUERIES and not faiss.get_num_gpus()


def nearest_vectors(
    queries: Compact, base: Compact, width: int, min_product: int
) -> NeighbourLists:
    """Find for each query (Q, 256) the closest of the base (N, 256) with at least this product."""
    if not len(queries) or not len(base):
        return NeighbourLists.empty(len(queries), width)
    if uses_ivf(len(queries), len(base)):
        return _by_ivf(queries, base, width, min_product)
    parts = (
        _among_blocks(queries[first : first + QUERIES].astype(np.float32), base, width, min_product)
        for first in range(0, len(queries), QUERIES)
    )
    return NeighbourLists.stacked(parts)


def _among_blocks(
    queries: NDArray[np.float32], base: Compact, width: int, min_product: int
) -> NeighbourLists:
    nearest = NeighbourLists.empty(len(queries), width)
    for start in range(0, len(base), BLOCK):
        block = base[start : start + BLOCK].astype(np.float32)
        products, ids = _knn(queries, block, min(OVERSAMPLING * width, len(block)))
        nearest = nearest.merged(_above(ids + start, products, min_product), width)
    return nearest


def _knn(
    queries: NDArray[np.float32], base: NDArray[np.float32], width: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Find the largest products, on a GPU if FAISS was built for one (extra `faiss-gpu`)."""
    if faiss.get_num_gpus() > 0:
        resources = faiss.StandardGpuResources()
        products, ids = faiss.knn_gpu(
            resources, queries, base, width, metric=faiss.METRIC_INNER_PRODUCT
        )
    else:
        products, ids = faiss.knn(queries, base, width, metric=faiss.METRIC_INNER_PRODUCT)
    return products, ids


def _above(
    ids: NDArray[np.int64], products: NDArray[np.floating], min_product: int
) -> NeighbourLists:
    lists = NeighbourLists(ids.astype(np.int32), products.astype(np.int32))
    return lists.without((products < min_product) | (ids < 0))


def _by_ivf(queries: Compact, base: Compact, width: int, min_product: int) -> NeighbourLists:
    """Search an inverted file with 4 sqrt(N) lists of half floats, which hold compact vectors exactly."""
    n_lists = int(4 * math.sqrt(len(base)))
    quantizer = faiss.IndexFlatIP(DIM)
    kind = faiss.ScalarQuantizer.QT_fp16
    index = faiss.IndexIVFScalarQuantizer(
        quantizer, DIM, n_lists, kind, faiss.METRIC_INNER_PRODUCT, False
    )
    step = max(1, len(base) // (IVF_SAMPLES * n_lists))
    index.train(base[::step].astype(np.float32))
    for start in range(0, len(base), BLOCK):
        index.add(base[start : start + BLOCK].astype(np.float32))
    index.nprobe = min(IVF_PROBES, n_lists)
    parts = []
    for start in range(0, len(queries), QUERIES):
        batch = queries[start : start + QUERIES].astype(np.float32)
        products, ids = index.search(batch, OVERSAMPLING * width)
        parts.append(_above(ids, np.where(ids < 0, MISSING, products), min_product).best(width))
    return NeighbourLists.stacked(parts)


def best_distance(left: Hashes, right: Hashes) -> NDArray[np.int32]:
    """Count the bits in which hashes differ pair by pair, (N, 32) each, in the best of 8 orientations: (N,).

    >>> best_distance(np.zeros((1, 32), np.uint8), np.zeros((1, 32), np.uint8)).tolist()
    [0]
    """
    views = turned(left)  # (8, N, 32)
    counts = np.bitwise_count(views ^ right[None]).sum(axis=2, dtype=np.int32)
    return np.asarray(counts.min(axis=0), np.int32)
