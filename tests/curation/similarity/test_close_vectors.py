import numpy as np
import pytest

from curation.similarity import close_vectors as module
from curation.similarity.close_vectors import PrefixSearch
from curation.similarity.neighbours import closeness_of, compact, products

LEAST = closeness_of(0.6)


def clouds(n: int, noise: float = 0.5) -> np.ndarray:
    """Vectors around many middles in a part of the space, as embeddings are."""
    rng = np.random.default_rng(0)
    spread = 0.97 ** np.arange(200)
    middles = rng.normal(size=(n // 2, 200)) * spread
    vectors = middles[rng.integers(0, len(middles), n)] + noise * rng.normal(size=(n, 200)) * spread
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return compact(vectors.astype(np.float32))


def close_pairs(
    vectors: np.ndarray, rows: np.ndarray, others: np.ndarray
) -> list[tuple[int, int, int]]:
    search = PrefixSearch.of(vectors, LEAST)
    assert search is not None
    parts = list(search.pairs(vectors, rows, others))
    return sorted(tuple(row) for part in parts for row in np.stack(part, axis=1).tolist())


@pytest.mark.parametrize("size", [1, 50, 10_000])
def test_all_pairs_are_those_of_a_whole_search(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    vectors = clouds(400 if size == 1 else 900)
    for name in ("STEP", "BLOCK", "PAIRS_AT_ONCE"):
        monkeypatch.setattr(module, name, size)
    everyone, whole = np.arange(len(vectors)), products(vectors)
    left, right = np.nonzero(np.triu(whole >= LEAST, 1))
    expected = zip(left.tolist(), right.tolist(), whole[left, right].tolist(), strict=True)
    assert close_pairs(vectors, everyone, everyone) == sorted(expected)
    assert len(left) > len(vectors) // 3


def test_some_against_all_gives_each_pair_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STEP", 16)
    monkeypatch.setattr(module, "BLOCK", 40)
    vectors = clouds(900)
    rows = np.sort(np.random.default_rng(1).permutation(900)[:200])
    pairs = [(a, b) for a, b, _ in close_pairs(vectors, rows, np.arange(900))]
    assert len({frozenset(pair) for pair in pairs}) == len(pairs)
    whole, is_row = products(vectors) >= LEAST, np.isin(np.arange(900), rows)
    left, right = np.nonzero(np.triu(whole, 1) & (is_row[:, None] | is_row[None, :]))
    assert {frozenset(pair) for pair in pairs} == set(
        map(frozenset, zip(left.tolist(), right.tolist(), strict=True))
    )


def test_where_everything_is_close_there_is_no_prefix_search() -> None:
    assert PrefixSearch.of(clouds(900, noise=0.1)[:4].repeat(100, axis=0), LEAST) is None
