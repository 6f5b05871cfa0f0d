from pathlib import Path

import numpy as np
import pytest

from curation.duplicates.index import Descriptors, IndexFolder, SimilarityIndex
from curation.duplicates.limits import CandidateLimits
from curation.similarity.neighbours import compact
from curation.similarity.pdq import turned

LIMITS = CandidateLimits(nearest=5, cosine=0.5)
N = 150


@pytest.fixture(scope="module")
def pictures() -> Descriptors:
    """Clouds of near vectors and hashes, some plain pictures among them; names say nothing about the order."""
    rng = np.random.default_rng(0)
    middle = rng.normal(size=(25, 256))
    vectors = middle[rng.integers(0, 25, N)] + 0.7 * rng.normal(size=(N, 256))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    hashes = rng.integers(0, 256, (40, 32), np.uint8)[rng.integers(0, 40, N)]
    hashes[:, :3] ^= rng.integers(0, 256, (N, 3), np.uint8)
    hashes[::4, 3:10] ^= rng.integers(0, 256, (len(hashes[::4]), 7), np.uint8)  # beyond 31 bits
    quality = rng.integers(0, 100, N).astype(np.int8)
    names = sorted(f"{number:04x}" for number in rng.permutation(9 * N)[:N])
    return Descriptors(names, compact(vectors.astype(np.float32)), hashes, quality)


@pytest.fixture(scope="module")
def whole(pictures: Descriptors) -> SimilarityIndex:
    return SimilarityIndex.empty(LIMITS).updated(pictures)


def take(pictures: Descriptors, rows: np.ndarray) -> Descriptors:
    return pictures.take(np.sort(rows))


def assert_equal(one: SimilarityIndex, two: SimilarityIndex) -> None:
    assert one.pictures.names == two.pictures.names
    for kind in ("by_vector", "by_hash"):
        left, right = getattr(one, kind), getattr(two, kind)
        assert (left.ids == right.ids).all()
        assert (left.closeness == right.closeness).all()


@pytest.mark.parametrize("seed", range(5))
def test_batches_in_any_order_make_the_same_index(
    pictures: Descriptors, whole: SimilarityIndex, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    order, index, start = rng.permutation(N), SimilarityIndex.empty(LIMITS), 0
    while start < N:
        step = int(rng.integers(20, 90))
        index = index.updated(take(pictures, order[start : start + step]))
        start += step
    assert_equal(index, whole)


def test_taking_pictures_out_leaves_the_index_of_the_others(
    pictures: Descriptors, whole: SimilarityIndex
) -> None:
    rows = np.random.default_rng(1).permutation(N)
    removed = {pictures.names[row] for row in rows[:30]}
    smaller = whole.updated(Descriptors.empty(), removed)
    assert_equal(smaller, SimilarityIndex.empty(LIMITS).updated(take(pictures, rows[30:])))
    assert_equal(smaller.updated(take(pictures, rows[:30])), whole)


def test_plain_pictures_are_near_by_hash_only_where_they_nearly_agree(
    pictures: Descriptors, whole: SimilarityIndex
) -> None:
    rows, columns = np.nonzero(whole.by_hash.ids >= 0)
    others, bits = whole.by_hash.ids[rows, columns], -whole.by_hash.closeness[rows, columns]
    plainest = np.minimum(pictures.quality[rows], pictures.quality[others])
    is_plain = plainest < 50
    assert is_plain.any()
    assert bits[is_plain].max() <= 10
    assert 31 < bits[~is_plain].max() <= 64
    assert plainest.min() >= 10


def test_a_turned_copy_of_a_plain_picture_is_near_by_hash() -> None:
    rng = np.random.default_rng(3)
    hashes = rng.integers(0, 256, (1, 32), np.uint8)
    vectors = np.eye(3, 256, dtype=np.float32)  # a network that knows nothing of turns
    both = np.concatenate([hashes, turned(hashes)[4], turned(hashes)[5]])
    quality = np.array([30, 30, 9], np.int8)
    index = SimilarityIndex.empty(LIMITS).updated(
        Descriptors(["a", "b", "blank"], compact(vectors), both, quality)
    )
    pairs = index.pairs()
    assert (pairs.left.tolist(), pairs.right.tolist()) == ([0], [1])
    assert pairs.by_hash.all()


def test_pairs_come_closest_first_and_once(whole: SimilarityIndex) -> None:
    pairs = whole.pairs()
    keys = list(zip(pairs.left.tolist(), pairs.right.tolist(), strict=True))
    assert len(keys) == len(set(keys))
    assert (pairs.left < pairs.right).all()
    is_near = pairs.by_hash & (pairs.bits <= LIMITS.pdq)
    n = int(is_near.sum())
    assert 0 < n < pairs.by_hash.sum() < len(keys)
    assert is_near[:n].all()
    assert (np.diff(pairs.cosine[n:]) <= 0).all()
    assert (pairs.bits[pairs.by_hash] <= LIMITS.far_pdq).all()


def test_the_index_is_stored_and_a_damaged_one_is_not_used(
    whole: SimilarityIndex, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = IndexFolder(tmp_path, LIMITS.key("model", "pdq@1"), LIMITS)
    assert folder.load().pictures.names == []
    older = folder.save(whole.updated(Descriptors.empty(), whole.pictures.names[:3]))
    path = folder.save(whole)
    assert not older.exists()
    assert_equal(folder.load(), whole)
    other = IndexFolder(tmp_path, LIMITS.key("other model", "pdq@1"), LIMITS)
    assert other.load().pictures.names == []
    body = bytearray(path.read_bytes())
    body[len(body) // 2] ^= 1
    path.write_bytes(body)
    assert folder.load().pictures.names == []
    assert "damaged" in caplog.text
