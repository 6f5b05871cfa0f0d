import faiss
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from curation.similarity import neighbours
from curation.similarity.neighbours import (
    closeness_of,
    compact,
    cosines,
    nearest_vectors,
    products,
)


def unit(rows: int, seed: int, dim: int = 32) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(rows, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize(("dim", "error"), [(64, 0.01), (256, 0.01), (1280, 0.12)])
def test_compact_vectors_keep_the_cosine(dim: int, error: float) -> None:
    vectors = unit(60, 1, dim)
    vectors[30:] = 0.8 * vectors[:30] + 0.6 * unit(30, 2, dim)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    short = compact(vectors)
    assert short.shape == (60, 256)
    real = vectors @ vectors.T
    off = np.abs(cosines(products(short)) - real)
    assert off[real > 0.6].max() < error
    assert off.mean() < 0.06


@given(st.integers(0, 40), st.integers(0, 10_000), st.floats(-0.5, 0.9))
@settings(max_examples=30, deadline=None)
def test_all_vectors_above_the_limit_are_found_closest_first(
    rows: int, seed: int, cosine: float
) -> None:
    vectors = compact(unit(rows, seed))
    close = products(vectors)
    nearest = nearest_vectors(vectors, vectors, rows + 1, closeness_of(cosine))
    for row in range(rows):
        ids = nearest.ids[row][nearest.ids[row] >= 0].tolist()
        expected = sorted(range(rows), key=lambda other: (-close[row, other], other))
        assert ids == [other for other in expected if close[row, other] >= closeness_of(cosine)]


def test_each_picture_asks_only_for_its_nearest_and_places_settle_ties() -> None:
    vectors = compact(np.tile(unit(1, 0), (9, 1)))
    assert nearest_vectors(vectors, vectors, 3, 0).ids.tolist() == [[0, 1, 2]] * 9


def test_blocks_do_not_change_what_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = compact(unit(300, 3))
    whole = nearest_vectors(vectors, vectors, 5, 0)
    monkeypatch.setattr(neighbours, "BLOCK", 64)
    monkeypatch.setattr(neighbours, "QUERIES", 37)
    parts = nearest_vectors(vectors, vectors, 5, 0)
    assert (whole.ids == parts.ids).all()
    assert (whole.closeness == parts.closeness).all()


def test_an_inverted_file_finds_nearly_all(monkeypatch: pytest.MonkeyPatch) -> None:
    middle = unit(40, 5)
    spread = 0.5 * unit(2000, 4)
    vectors = compact(np.repeat(middle, 50, 0) + spread)
    least = closeness_of(0.5)
    exact = nearest_vectors(vectors, vectors, 5, least)
    monkeypatch.setattr(neighbours, "IVF_MIN_BASE", 1000)
    monkeypatch.setattr(neighbours, "IVF_MIN_QUERIES", 1000)
    monkeypatch.setattr(neighbours, "IVF_PROBES", 40)
    assert faiss.get_num_gpus() == 0, "on a GPU the inverted file is not used"
    some = nearest_vectors(vectors, vectors, 5, least)
    assert (some.closeness == exact.closeness).mean() > 0.9
