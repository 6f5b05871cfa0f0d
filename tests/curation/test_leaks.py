import math

import numpy as np
import polars as pl
import pytest

from catalog import rows
from curation.closest import Vectors, closest, sides_of
from curation.leaks import LeakAudit
from curation.leaks import audit as audit_rows
from curation.neighbours import compact

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
    found = audit("split")
    shared = {key for key, n in found.shared_values.items() if n}
    assert shared == {"person"}, "person q was not a key of these groups"
    assert found.pictures_in_shared["person"] == 1
    assert found.n == {"train": 2, "validation": 1, "test": 1}


def test_a_random_split_is_counted_where_it_leaks() -> None:
    found = audit("random_split")
    assert found.shared_values == {
        "group_id": 1,
        "scene_id": 0,
        "camera": 1,
        "photographer": 0,
        "session": 1,
        "person": 0,
    }
    assert found.pictures_in_shared["camera"] == 1


@pytest.mark.parametrize(
    ("policy", "pair", "cosine"), [("split", "cb", 0.6), ("random_split", "ba", 0.8)]
)
def test_the_closest_pair_is_found(policy: str, pair: str, cosine: float) -> None:
    near = closest(VECTORS, sides_of(ITEMS, policy))
    assert near.pairs[0].test + near.pairs[0].train == pair
    assert math.isclose(near.greatest, cosine, abs_tol=0.01)


def test_the_closest_are_those_of_a_plain_search() -> None:
    rng = np.random.default_rng(0)
    whole = rng.normal(size=(300, 64)).astype(np.float32)
    whole /= np.linalg.norm(whole, axis=1, keepdims=True)
    names = tuple(f"{number:03d}" for number in range(300))
    split = {name: "test" if number < 60 else "train" for number, name in enumerate(names)}
    near = closest(Vectors(names, compact(whole)), split)
    plain = (whole[:60] @ whole[60:].T).max(axis=1)
    assert math.isclose(near.greatest, plain.max(), abs_tol=0.01)
    assert math.isclose(near.p99, np.quantile(plain, 0.99), abs_tol=0.01)
    assert [pair.cosine for pair in near.pairs] == sorted(
        (pair.cosine for pair in near.pairs), reverse=True
    )


def test_without_embeddings_there_is_no_cosine() -> None:
    empty = Vectors((), np.zeros((0, 256), np.int8))
    assert math.isnan(closest(empty, sides_of(ITEMS, "split")).greatest)
    assert math.isnan(audit("split").max_cosine)
