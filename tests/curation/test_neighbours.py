import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.neighbours import best_distance, embedding_pairs, pdq_pairs
from curation.pdq import luma_of, pdq
from tests.curation.made_pictures import encoded, scene


def unit(rows: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(rows, 4)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@given(st.integers(0, 40), st.integers(0, 10_000), st.floats(-0.5, 0.9))
@settings(max_examples=30, deadline=None)
def test_all_pairs_above_the_cosine_are_found(rows: int, seed: int, cosine: float) -> None:
    vectors = unit(rows, seed)
    close = vectors @ vectors.T
    expected = {
        (i, j) for i in range(rows) for j in range(i + 1, rows) if close[i, j] > cosine + 1e-5
    }
    found = embedding_pairs(vectors, cosine, rows)
    assert expected <= set(found)
    assert all(i < j and close[i, j] >= cosine - 1e-5 for i, j in found)


def test_each_picture_asks_only_for_its_nearest() -> None:
    vectors = np.tile(np.array([[1, 0]], np.float32), (30, 1))
    assert len(embedding_pairs(vectors, 0.9, 3)) <= 30 * 4  # itself counts


def test_equal_vectors_beyond_the_nearest_do_not_pair_a_picture_with_itself() -> None:
    vectors = np.tile(np.array([[1, 0]], np.float32), (5, 1))
    assert all(i != j for i, j in embedding_pairs(vectors, 0.5, 1))


def test_hashes_pair_mirrored_and_turned_copies_but_never_plain_pictures() -> None:
    picture = scene(1, 300, 300)
    views = [picture, encoded(picture[:, ::-1], 60), np.rot90(picture), scene(2, 300, 300)]
    blank = [np.full((300, 300, 3), tone, np.uint8) for tone in (250, 255)]
    found = [pdq(luma_of(each)) for each in (*views, *blank)]
    bits = np.stack([each.bits[0] for each in found])
    quality = np.array([each.quality for each in found], np.int32)
    pairs = pdq_pairs(bits, quality, 31)
    assert set(pairs) == {(0, 1), (0, 2), (1, 2)}
    assert pairs[0, 1] == best_distance(bits[0], bits[1]) <= 31


def test_pairs_are_found_across_blocks() -> None:
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 256, (700, 32), np.uint8)
    bits[690] = bits[3]
    assert set(pdq_pairs(bits, np.full(700, 99, np.int32), 10)) == {(3, 690)}
