"""Lists of the nearest pictures of each picture, whatever the order in which they came, and the search by vectors.

Compact vectors are whole numbers, so their products are exact however they are cut into blocks, and equal closeness
is settled by place. That makes lists of nearest a function of the set of pictures: lists that grow batch by
batch come out as if all pictures had been there at once.

Here vectors are compared with all others, in blocks, on GPUs if FAISS has any; where few are close,
`close_vectors.py` is faster. Beyond a million pictures either costs hours for a bulk load, so large batches
then go through an inverted file, which misses some. For hashes see `close_hashes.py`.
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

DIM, SCALE = 256, 400  # of compact vectors; 127 / SCALE is five times the spread of one part
MANY, BULK = 1_000_000, 20_000  # vectors beyond which, for so many queries, IVF is used
PROBES, SAMPLES = 48, 40  # lists searched per query, vectors trained on per list
BLOCK = 65_536  # rows of the base at work at once: 64 MB of floats
QUERIES = 4096  # rows that are compared with them at once
SPARE = 2  # times more are asked for than kept, so that places settle ties
MISSING = -(2**30)

Ids = NDArray[np.int32]
Compact = NDArray[np.int8]
Hashes = NDArray[np.uint8]


@dataclass(frozen=True)
class Nearest:
    """Per picture its nearest: places (N, K), -1 for none, and closeness (N, K), higher is closer.

    Rows are sorted closest first, equals by place.
    """

    ids: Ids
    closeness: Ids

    @classmethod
    def none(cls, rows: int, width: int) -> "Nearest":
        """Give lists without entries."""
        shape = (rows, width)
        return cls(np.full(shape, -1, np.int32), np.full(shape, MISSING, np.int32))

    @classmethod
    def stacked(cls, parts: Iterable["Nearest"]) -> "Nearest":
        """Put the lists of some pictures below those of others; at least one part."""
        found = list(parts)
        ids = np.concatenate([part.ids for part in found])
        return cls(ids, np.concatenate([part.closeness for part in found]))

    def best(self, width: int) -> "Nearest":
        """Sort the rows and keep the closest `width` of each; a place counts once, at its closest."""
        order = np.lexsort((-self.closeness, self.ids))
        ids, closeness = (np.take_along_axis(each, order, 1) for each in (self.ids, self.closeness))
        again = np.zeros(ids.shape, bool)
        again[:, 1:] = (ids[:, 1:] == ids[:, :-1]) & (ids[:, 1:] >= 0)
        ids, closeness = np.where(again, -1, ids), np.where(again, MISSING, closeness)
        order = np.lexsort((ids, -closeness))[:, :width]
        return Nearest(np.take_along_axis(ids, order, 1), np.take_along_axis(closeness, order, 1))

    def merged(self, other: "Nearest", width: int) -> "Nearest":
        """Put the lists of the same pictures together."""
        ids = np.concatenate([self.ids, other.ids], 1)
        return Nearest(ids, np.concatenate([self.closeness, other.closeness], 1)).best(width)

    def improve(
        self, rows: NDArray[np.integer], ids: NDArray[np.integer], closeness: NDArray[np.integer]
    ) -> None:
        """Let single entries into the lists of some rows, in place."""
        width = self.ids.shape[1]
        is_better = closeness >= self.closeness[rows, -1]
        rows, ids, closeness = rows[is_better], ids[is_better], closeness[is_better]
        order = np.lexsort((ids, -closeness, rows))
        rows, ids, closeness = rows[order], ids[order], closeness[order]
        changed, starts, of_row = np.unique(rows, return_index=True, return_inverse=True)
        nth = np.arange(len(rows)) - starts[of_row]
        new, kept = Nearest.none(len(changed), width), nth < width
        new.ids[of_row[kept], nth[kept]] = ids[kept]
        new.closeness[of_row[kept], nth[kept]] = closeness[kept]
        mine = Nearest(self.ids[changed], self.closeness[changed]).merged(new, width)
        self.ids[changed], self.closeness[changed] = mine.ids, mine.closeness

    def without(self, bad: NDArray[np.bool_]) -> "Nearest":
        """Blank the marked entries."""
        return Nearest(np.where(bad, -1, self.ids), np.where(bad, MISSING, self.closeness))


def compact(vectors: NDArray[np.float32]) -> Compact:
    """Bring L2-normalised vectors (N, D) to (N, 256) whole numbers whose products still tell the cosine.

    The vectors are turned by random signs and a Hadamard matrix, of which 256 rows are kept: nothing is learnt
    from data, so vectors of all times compare. Up to D = 256 the cosine is exact to 0.005; at 1,280 the
    standard error is 0.03 at 0.7 and 0.01 at 0.9.

    >>> cosines(products(compact(np.eye(3, dtype=np.float32)))).round(2).tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    turned_round = vectors @ _turn(vectors.shape[1])
    norm = np.linalg.norm(turned_round, axis=1, keepdims=True)
    scaled = turned_round * (SCALE / np.maximum(norm, 1e-9))
    return np.asarray(np.clip(np.rint(scaled), -127, 127), np.int8)


@cache
def _turn(dim: int) -> NDArray[np.float32]:
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
    """Turn products of compact vectors into cosines, -1 to 1."""
    return np.clip(closeness / SCALE**2, -1, 1)


def closeness_of(cosine: float) -> int:
    """Give the product of compact vectors that stands for a cosine."""
    return round(cosine * SCALE**2)


def is_bulk(n_queries: int, n_base: int) -> bool:
    """Say whether a search is so large that an inverted file answers it."""
    return n_base > MANY and n_queries >= BULK and not faiss.get_num_gpus()


def nearest_vectors(queries: Compact, base: Compact, width: int, least: int) -> Nearest:
    """Find for each query (Q, 256) the closest of the base (N, 256) with at least this product."""
    if not len(queries) or not len(base):
        return Nearest.none(len(queries), width)
    if is_bulk(len(queries), len(base)):
        return _by_ivf(queries, base, width, least)
    parts = (
        _among_blocks(queries[first : first + QUERIES].astype(np.float32), base, width, least)
        for first in range(0, len(queries), QUERIES)
    )
    return Nearest.stacked(parts)


def _among_blocks(queries: NDArray[np.float32], base: Compact, width: int, least: int) -> Nearest:
    found = Nearest.none(len(queries), width)
    for start in range(0, len(base), BLOCK):
        block = base[start : start + BLOCK].astype(np.float32)
        close, who = _knn(queries, block, min(SPARE * width, len(block)))
        found = found.merged(_kept(who + start, close, least), width)
    return found


def _knn(
    queries: NDArray[np.float32], base: NDArray[np.float32], width: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Multiply and select, on a GPU if FAISS was built for one (extra `faiss-gpu`)."""
    if faiss.get_num_gpus() > 0:
        resources = faiss.StandardGpuResources()
        close, who = faiss.knn_gpu(
            resources, queries, base, width, metric=faiss.METRIC_INNER_PRODUCT
        )
    else:
        close, who = faiss.knn(queries, base, width, metric=faiss.METRIC_INNER_PRODUCT)
    return close, who


def _kept(who: NDArray[np.int64], close: NDArray[np.floating], least: int) -> Nearest:
    found = Nearest(who.astype(np.int32), close.astype(np.int32))
    return found.without((close < least) | (who < 0))


def _by_ivf(queries: Compact, base: Compact, width: int, least: int) -> Nearest:
    """Search an inverted file with 4 sqrt(N) lists of half floats, which hold compact vectors exactly."""
    n_lists = int(4 * math.sqrt(len(base)))
    quantizer = faiss.IndexFlatIP(DIM)
    kind = faiss.ScalarQuantizer.QT_fp16
    index = faiss.IndexIVFScalarQuantizer(
        quantizer, DIM, n_lists, kind, faiss.METRIC_INNER_PRODUCT, False
    )
    step = max(1, len(base) // (SAMPLES * n_lists))
    index.train(base[::step].astype(np.float32))
    for start in range(0, len(base), BLOCK):
        index.add(base[start : start + BLOCK].astype(np.float32))
    index.nprobe = min(PROBES, n_lists)
    parts = []
    for start in range(0, len(queries), QUERIES):
        asked = queries[start : start + QUERIES].astype(np.float32)
        close, who = index.search(asked, SPARE * width)
        parts.append(_kept(who, np.where(who < 0, MISSING, close), least).best(width))
    return Nearest.stacked(parts)


def best_distance(left: Hashes, right: Hashes) -> NDArray[np.int32]:
    """Count the bits in which hashes differ pair by pair, (N, 32) each, in the best of 8 orientations: (N,).

    >>> best_distance(np.zeros((1, 32), np.uint8), np.zeros((1, 32), np.uint8)).tolist()
    [0]
    """
    views = turned(left)  # (8, N, 32)
    counts = np.bitwise_count(views ^ right[None]).sum(axis=2, dtype=np.int32)
    return np.asarray(counts.min(axis=0), np.int32)
