"""Batches in which small origins count for more."""

import numpy as np
import polars as pl

from training.data.sampling.origin_batches import (
    LEAST,
    expected_draws,
    origin_batches,
    origins_of,
)


def test_classes_keep_their_shares_and_small_origins_are_drawn_more_often() -> None:
    origins = np.repeat([0, 1, 2, 3], [400, 100, 60, 40])
    classes = np.repeat([0, 1, -1], [500, 60, 40])
    batches = origin_batches(origins, classes, np.random.default_rng(3), 64)
    drawn = np.concatenate(batches)
    assert {len(batch) for batch in batches[:-1]} == {64}
    assert np.bincount(classes[drawn] + 1).tolist() == [0, 500, 60], "without a class: not drawn"
    counts = np.bincount(drawn, minlength=len(classes))
    assert counts[400:500].sum() / 100 > 1.8 * counts[:400].sum() / 400
    assert counts[500:560].tolist() == [1] * 60, "the only origin of its class"


def test_origins_of_a_few_pictures_count_as_one() -> None:
    many = np.concatenate([np.zeros(200, np.int64), np.arange(1, 201)])
    expected = expected_draws(many, np.zeros(400, np.int64))
    np.testing.assert_allclose(
        expected, 1.0, err_msg="200 people with one picture each are like one origin"
    )
    large = expected_draws(np.repeat([0, 1], [200, LEAST]), np.zeros(200 + LEAST, np.int64))
    assert large[-1] > 3 * large[0]


def test_an_origin_is_the_source_and_its_folders_where_they_are_there() -> None:
    assert origins_of(pl.DataFrame({"asset_sha256": ["a", "b"]})).tolist() == [0, 0]
    assert origins_of(pl.DataFrame({"source": ["a", None, "a"]})).tolist() == [1, 0, 1]
