import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from curation.similarity import close_hashes as module
from curation.similarity.close_hashes import close_hashes
from curation.similarity.neighbours import best_distance
from curation.similarity.pdq import luma_of, pdq, turned
from tests.curation.made_pictures import encoded, scene


def close_pairs(queries: np.ndarray, base: np.ndarray, limit: int) -> list[tuple[int, int, int]]:
    parts = close_hashes(queries, base, limit)
    return sorted(tuple(row) for part in parts for row in np.stack(part, axis=1).tolist())


def by_counting(queries: np.ndarray, base: np.ndarray, limit: int) -> list[tuple[int, int, int]]:
    rows, others = (each.ravel() for each in np.indices((len(queries), len(base))))
    bits = best_distance(queries[rows], base[others])
    near = bits <= limit
    return sorted(zip(rows[near].tolist(), others[near].tolist(), bits[near].tolist(), strict=True))


def copies(seed: int, n: int, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Hashes, and each of them in one of 8 orientations with up to `most` bits flipped."""
    rng = np.random.default_rng(seed)
    base = rng.integers(0, 256, (n, 32), np.uint8)
    views = turned(base)[rng.integers(0, 8, n), np.arange(n)]
    flips = np.zeros((n, 256), np.uint8)
    for row, count in enumerate(rng.integers(0, most + 1, n)):
        flips[row, rng.choice(256, count, replace=False)] = 1
    return base, views ^ np.packbits(flips, axis=1)


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), limit=st.integers(0, 31))
def test_what_is_found_is_what_counting_all_bits_finds(seed: int, limit: int) -> None:
    base, queries = copies(seed, 60, 40)
    assert close_pairs(queries, base, limit) == by_counting(queries, base, limit)


def test_no_pair_at_the_limit_is_missed() -> None:
    """The hardest to find: 31 bits that are two in every part but one."""
    n, rng = 500, np.random.default_rng(2)
    single = np.packbits(np.eye(256, dtype=np.uint8), axis=1)
    part_of_bit = module._parts_of(module._words(single)[0]).astype(bool).argmax(axis=1)
    flips = np.zeros((n, 256), np.uint8)
    for row, spared in enumerate(rng.integers(0, 16, n)):
        for part in range(16):
            bits = np.flatnonzero(part_of_bit == part)
            flips[row, rng.choice(bits, 1 if part == spared else 2, replace=False)] = 1
    assert (flips.sum(axis=1) == 31).all()
    base = rng.integers(0, 256, (n, 32), np.uint8)
    queries = turned(base ^ np.packbits(flips, axis=1))[rng.integers(0, 8, n), np.arange(n)]
    pairs = {(one, other) for one, other, _ in close_pairs(queries, base, 31)}
    assert {(row, row) for row in range(n)} <= pairs


@pytest.mark.parametrize("pairs_at_once", [1, 50, 10**6])
def test_a_placeholder_comes_in_smaller_steps(
    monkeypatch: pytest.MonkeyPatch, pairs_at_once: int
) -> None:
    base, queries = copies(3, 40, 20)
    base[5:30] = base[5]
    queries[10:35] = base[5]
    monkeypatch.setattr(module, "PAIRS_AT_ONCE", pairs_at_once)
    monkeypatch.setattr(module, "MANY_PAIRS", 20)
    monkeypatch.setattr(module, "FIRST_BATCH", 8)
    assert close_pairs(queries, base, 31) == by_counting(queries, base, 31)


def test_mirrored_and_turned_copies_are_close() -> None:
    picture = scene(1, 300, 300)
    views = [picture, encoded(picture[:, ::-1], 60), np.rot90(picture), scene(2, 300, 300)]
    bits = np.stack([pdq(luma_of(each)).bits[0] for each in views])
    pairs = {(one, other) for one, other, _ in close_pairs(bits, bits, 31)}
    assert {(0, 1), (1, 0), (0, 2), (2, 0)} <= pairs
    assert [pair for pair in pairs if 3 in pair] == [(3, 3)]


def far_pairs(queries: np.ndarray, base: np.ndarray) -> set[tuple[int, int, int]]:
    parts = close_hashes(queries, base, 31, 64)
    return {tuple(row) for part in parts for row in np.stack(part, axis=1).tolist()}


def test_most_pairs_beyond_the_exact_limit_are_found_from_both_sides() -> None:
    rng = np.random.default_rng(4)
    base = rng.integers(0, 256, (200, 32), np.uint8)
    flips = np.zeros((200, 256), np.uint8)
    for row in range(200):
        flips[row, rng.choice(256, 50, replace=False)] = 1
    mirrored = turned(base)[rng.integers(0, 4, 200), np.arange(200)]
    queries = mirrored ^ np.packbits(flips, axis=1)
    found = far_pairs(queries, base)
    assert len({(row, row, 50) for row in range(200)} & found) > 150
    assert far_pairs(base, queries) == {(other, row, bits) for row, other, bits in found}
    transposed = turned(base)[4] ^ np.packbits(flips, axis=1)
    assert not far_pairs(transposed, base)


def test_limits_beyond_the_parts_are_refused() -> None:
    one = np.zeros((1, 32), np.uint8)
    with pytest.raises(ValueError, match="within 0 to 31 bits, not 32"):
        list(close_hashes(one, one, 32))
    assert list(close_hashes(one[:0], one, 31)) == []
    assert list(close_hashes(one, one[:0], 31)) == []
