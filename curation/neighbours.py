"""Candidate pairs: pictures whose hashes or embeddings are close enough to be worth a closer look.

Exact search: FAISS inner products over all vectors, and a bit count of all hashes in 8 orientations. Both look
at every pair, in blocks; that is right up to some 100,000 pictures and wasteful beyond.
"""

import faiss
import numpy as np
from numpy.typing import NDArray

from curation.pdq import hamming, turned

MIN_QUALITY = 50  # plainer pictures all match each other by hash
BLOCK = 512
Pairs = dict[tuple[int, int], float]
"""(i, j) with i < j -> the closeness that made it a candidate."""


def embedding_pairs(vectors: NDArray[np.float32], cosine: float, nearest: int) -> Pairs:
    """Find pairs of L2-normalised vectors (N, D) with at least this cosine among each one's `nearest`.

    >>> embedding_pairs(np.eye(2, dtype=np.float32)[[0, 1, 0]], 0.9, 5)
    {(0, 2): 1.0}
    """
    if len(vectors) < 2:
        return {}
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(np.ascontiguousarray(vectors))
    close, who = index.search(np.ascontiguousarray(vectors), min(nearest + 1, len(vectors)))
    rows, columns = np.nonzero((close >= cosine) & (who >= 0))
    pairs: Pairs = {}
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        other = int(who[row, column])
        if other != row:
            pairs[min(row, other), max(row, other)] = round(float(close[row, column]), 6)
    return dict(sorted(pairs.items()))


def pdq_pairs(bits: NDArray[np.uint8], quality: NDArray[np.int32], limit: int) -> Pairs:
    """Find pairs of hashes (N, 32) that differ in at most `limit` bits in the best of 8 orientations.

    Pictures below quality 50 match nothing.
    """
    pairs: Pairs = {}
    rich = np.nonzero(quality >= MIN_QUALITY)[0]
    views = turned(bits[rich])  # (8, N, 32)
    for start in range(0, len(rich), BLOCK):
        block = views[:, start : start + BLOCK]
        distance = np.min([hamming(view, bits[rich]) for view in block], axis=0)
        for row, column in zip(*np.nonzero(distance <= limit), strict=True):
            left, right = int(rich[start + row]), int(rich[column])
            if left < right:
                pairs[left, right] = float(distance[row, column])
    return dict(sorted(pairs.items()))


def best_distance(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> int:
    """Count the bits in which two hashes (32,) differ, in the best of 8 orientations."""
    return int(min(hamming(view, right[None])[0, 0] for view in turned(left[None])))
