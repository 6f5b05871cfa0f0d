import math

import numpy as np
import polars as pl

from curation.leaks import audit

ITEMS = pl.DataFrame(
    {
        "asset_sha256": ["a", "b", "c", "d"],
        "group_id": ["a", "a", "c", "d"],
        "scene_id": ["a", "b", "c", "d"],
        "camera": ["one", "one", "two", None],
        "photographer": [None, None, None, None],
        "split": ["train", "train", "test", "validation"],
        "random_split": ["train", "test", "test", "train"],
    },
    schema_overrides={"photographer": pl.String},
)
VECTORS = {
    "a": np.array([1.0, 0.0], np.float32),
    "b": np.array([0.8, 0.6], np.float32),
    "c": np.array([0.0, 1.0], np.float32),
}


def test_a_group_split_shares_nothing() -> None:
    found = audit(ITEMS, VECTORS, "split")
    assert set(found.shared_values.values()) == {0}
    assert found.n == {"train": 2, "validation": 1, "test": 1}
    assert math.isclose(found.max_cosine, 0.6, abs_tol=1e-6)


def test_a_random_split_is_counted_where_it_leaks() -> None:
    found = audit(ITEMS, VECTORS, "random_split")
    assert found.shared_values == {"group_id": 1, "scene_id": 0, "camera": 1, "photographer": 0}
    assert found.pictures_in_shared["camera"] == 1
    assert math.isclose(found.max_cosine, 0.8, abs_tol=1e-6)


def test_without_embeddings_there_is_no_cosine() -> None:
    assert math.isnan(audit(ITEMS, {}, "split").max_cosine)
