import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
import pytest

from catalog import rows
from curation.duplicates.index import Descriptors, SimilarityIndex
from curation.duplicates.limits import CandidateLimits
from curation.similarity.neighbours import Compact, NeighbourLists, compact, nearest_vectors
from curation.splits.closest_pairs import ClosestPair, Vectors, find_closest_pairs, sides_of
from curation.splits.leaks import LeakAudit, audit as audit_rows

ITEMS = pl.DataFrame(
    {
        "asset_sha256": ["a", "b", "c", "d"],
        "group_id": ["a", "a", "c", "d"],
        "scene_id": ["a", "b", "c", "d"],
        "camera": ["one", "one", "two", None],
        "photographer": [None, None, None, None],
        "session": ["one", "one", None, "two"],
        "person": ["p", "q", "q", None],
        "split": ["train", "train", "test", "validation"],
        "random_split": ["train", "test", "test", "train"],
    },
    schema_overrides={"photographer": pl.String},
)
VECTORS = Vectors(
    ("a", "b", "c"), compact(np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]], np.float32))
)
NOTHING = pl.DataFrame(pl.from_arrow(rows("split_leaks", [])))


def audit(policy: str) -> LeakAudit:
    return audit_rows(ITEMS, NOTHING, policy)


def test_a_group_split_shares_nothing_that_its_groups_were_made_of() -> None:
    leaks = audit("split")
    shared = {key for key, n in leaks.shared_values.items() if n}
    assert shared == {"person"}, "person q was not a key of these groups"
    assert leaks.pictures_in_shared["person"] == 1
    assert leaks.n == {"train": 2, "validation": 1, "test": 1}


def test_a_random_split_is_counted_where_it_leaks() -> None:
    leaks = audit("random_split")
    assert leaks.shared_values == {
        "group_id": 1,
        "scene_id": 0,
        "camera": 1,
        "photographer": 0,
        "session": 1,
        "person": 0,
    }
    assert leaks.pictures_in_shared["camera"] == 1


@pytest.mark.parametrize(
    ("policy", "pair", "cosine"), [("split", "cb", 0.6), ("random_split", "ba", 0.8)]
)
def test_the_closest_pair_is_found(policy: str, pair: str, cosine: float) -> None:
    near = find_closest_pairs(VECTORS, sides_of(ITEMS, policy))
    assert near.pairs[0].test + near.pairs[0].train == pair
    assert math.isclose(near.greatest, cosine, abs_tol=0.01)


def test_the_closest_are_those_of_a_plain_search() -> None:
    rng = np.random.default_rng(0)
    whole = rng.normal(size=(300, 64)).astype(np.float32)
    whole /= np.linalg.norm(whole, axis=1, keepdims=True)
    names = tuple(f"{number:03d}" for number in range(300))
    split = {name: "test" if number < 60 else "train" for number, name in enumerate(names)}
    near = find_closest_pairs(Vectors(names, compact(whole)), split)
    plain = (whole[:60] @ whole[60:].T).max(axis=1)
    assert math.isclose(near.greatest, plain.max(), abs_tol=0.01)
    assert math.isclose(near.p99, np.quantile(plain, 0.99), abs_tol=0.01)
    assert [pair.cosine for pair in near.pairs] == sorted(
        (pair.cosine for pair in near.pairs), reverse=True
    )


def clouds(n: int, dim: int) -> tuple[tuple[str, ...], Compact]:
    """Vectors around a few middles: lists of nearest are full here and nearly empty there."""
    rng = np.random.default_rng(1)
    middles = rng.normal(size=(12, dim))[rng.integers(0, 24, n) % 12]
    vectors = middles * rng.uniform(0, 1.5, (n, 1)) + 0.6 * rng.normal(size=(n, dim))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return tuple(f"{number:04d}" for number in range(n)), compact(vectors.astype(np.float32))


def indexed(names: tuple[str, ...], vectors: Compact, limits: CandidateLimits) -> SimilarityIndex:
    plain = np.zeros(len(names), np.int8)
    described = Descriptors(list(names), vectors, np.zeros((len(names), 32), np.uint8), plain)
    return SimilarityIndex.empty(limits).updated(described)


@pytest.mark.parametrize("cosine", [0.3, 0.5, 0.8])
def test_the_lists_of_an_index_lead_to_what_a_whole_search_finds(cosine: float) -> None:
    names, vectors = clouds(600, 32)
    lists = indexed(names, vectors, CandidateLimits(nearest=6, cosine=cosine)).by_vector
    split = {name: "test" if number % 5 == 0 else "train" for number, name in enumerate(names)}
    split |= dict.fromkeys(names[40:90], "test")  # several full lists hold test pictures only
    whole = find_closest_pairs(Vectors(names, vectors), split)
    assert find_closest_pairs(Vectors(names, vectors, lists), split) == whole


def test_a_sample_stands_for_pictures_that_nothing_is_close_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names, vectors = clouds(3000, 16)
    lists = indexed(names, vectors, CandidateLimits(nearest=6, cosine=0.85)).by_vector
    split = {name: "test" if number % 3 == 0 else "train" for number, name in enumerate(names)}
    whole = find_closest_pairs(Vectors(names, vectors), split)
    monkeypatch.setattr("curation.splits.closest_pairs.MAX_SAMPLE", 100)
    sought = []
    plain = nearest_vectors

    def counted(queries: Compact, *more: Any) -> NeighbourLists:
        sought.append(len(queries))
        return plain(queries, *more)

    monkeypatch.setattr("curation.splits.closest_pairs.nearest_vectors", counted)
    some = find_closest_pairs(Vectors(names, vectors, lists), split)
    assert sum(sought) < 500, "of 1,000 test pictures"
    assert some.pairs == whole.pairs
    assert some.n == whole.n
    assert math.isclose(some.p99, whole.p99, abs_tol=0.01)


def test_without_embeddings_there_is_no_cosine() -> None:
    empty = Vectors((), np.zeros((0, 256), np.int8))
    assert math.isnan(find_closest_pairs(empty, sides_of(ITEMS, "split")).greatest)
    assert math.isnan(audit("split").max_cosine)


def test_what_is_not_known_is_not_counted_as_apart() -> None:
    leaks = audit("split")
    assert leaks.known_shares["photographer"] == 0.0
    assert leaks.shared("photographer") == "photographer unknown"
    assert leaks.known_shares["group_id"] == 1.0
    assert leaks.shared("group_id") == "0 group_id"
    table = pl.concat([ITEMS] * 10).with_columns(
        photographer=pl.Series(["ann"] * 6 + [None] * (10 * ITEMS.height - 6), dtype=pl.String)
    )
    some = audit_rows(table, NOTHING, "split")
    assert "known of " in some.shared("photographer")


def test_rows_of_older_code_claim_nothing_either() -> None:
    guess = {"check": "camera_majority", "task": "iso", "value": 0.7, "majority": 0.7, "detail": ""}
    guess |= {"low": 0.0, "high": 0.0, "n": 9, "n_groups": 20}
    old: list[dict[str, object]] = [
        {"policy": policy, **guess} for policy in ("split", "random_split")
    ]
    old += [
        {"policy": "split", "check": "max_cosine", "task": "", "value": 0.856, "n": 9},
        {"policy": "split", "check": "p99_cosine", "task": "", "value": 0.866, "n": 9},
    ]
    measured = pl.DataFrame(pl.from_arrow(rows("split_leaks", old)))
    leaks = audit_rows(ITEMS, measured, "split")
    assert leaks.baselines == (), "no test camera is in train"
    assert (leaks.max_cosine, leaks.p99_cosine) == (0.856, 0.856)
    assert len(audit_rows(ITEMS, measured, "random_split").baselines) == 1


def test_the_greatest_cosine_and_the_99_percent_point_come_from_one_source() -> None:
    rng = np.random.default_rng(3)
    whole = rng.normal(size=(900, 32)).astype(np.float32)
    whole /= np.linalg.norm(whole, axis=1, keepdims=True)
    names = tuple(f"{number:03d}" for number in range(900))
    split = {name: "test" if number < 300 else "train" for number, name in enumerate(names)}
    exact = whole.astype(np.float64) @ whole[300:].T.astype(np.float64)

    def measure(pairs: Sequence[ClosestPair]) -> list[ClosestPair]:
        return [
            ClosestPair(p.test, p.train, float(exact[int(p.test), int(p.train) - 300]) - 0.02)
            for p in pairs
        ]

    near = find_closest_pairs(Vectors(names, compact(whole)), split, measure)  # type: ignore[arg-type]  # as Exact
    assert near.p99 <= near.greatest
    expected = np.sort(exact[:300].max(axis=1) - 0.02)
    assert math.isclose(near.p99, float(np.quantile(expected, 0.99)), abs_tol=0.004)
