"""Folds that share no value, planted swaps, and residuals."""

import doctest

import numpy as np
import polars as pl
import pytest
from hypothesis import given, strategies as st

from training.studies import cross_fit, exif_check
from training.studies.cross_fit import cut_folds, group_numbers
from training.studies.exif_check import class_residual, swaps, value_residual

rows = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 14)), min_size=12, max_size=60)


def table(pairs: list[tuple[int, int]]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "asset_sha256": [f"{number:064d}" for number in range(len(pairs))],
            "source": [f"s{source}" for source, _ in pairs],
            "group_id": [f"g{group}" for _, group in pairs],
        }
    )


@given(rows, st.integers(2, 6))
def test_every_row_is_judged_once_by_a_model_that_saw_neither_its_source_nor_its_group(
    pairs: list[tuple[int, int]], count: int
) -> None:
    index = table(pairs)
    keys = [group_numbers(index, column) for column in ("source", "group_id")]
    folds = list(cut_folds(index, ["source", "group_id"], count))
    judged = np.concatenate([fold.test for fold in folds])
    assert sorted(judged.tolist()) == list(range(len(index)))
    for fold in folds:
        for key in keys:
            assert not np.isin(key[fold.train], key[fold.test]).any()
            assert not np.isin(key[fold.validation], key[fold.test]).any()


def test_a_row_without_a_group_is_alone() -> None:
    index = pl.DataFrame({"asset_sha256": ["a", "b", "c"], "group_id": [None, None, "c"]})
    assert len(np.unique(group_numbers(index, "group_id"))) == 3


def test_swaps_pair_rows_of_different_groups_and_change_nothing_else() -> None:
    keys = [np.arange(200) // 8, np.arange(200) % 5]
    of = swaps(keys, np.arange(20, 200), seed=3)
    swapped = np.flatnonzero(of != np.arange(200))
    assert len(swapped) == 10  # 5 % of the 180 usable rows, in pairs
    assert (of[of] == np.arange(200)).all()
    assert swapped.min() >= 20
    assert all((key[swapped] != key[of[swapped]]).all() for key in keys)
    assert (of == swaps(keys, np.arange(20, 200), seed=3)).all()
    assert (of != swaps(keys, np.arange(20, 200), seed=4)).any()
    assert (swaps([np.zeros(9, np.int64)], np.arange(9), seed=0) == np.arange(9)).all()


def test_a_label_that_the_picture_contradicts_has_a_large_residual() -> None:
    natural, prior = np.array([[0.98, 0.02], [0.5, 0.5], [0.1, 0.9]]), np.array([0.5, 0.5])
    wrong, level, right = class_residual(natural, prior, np.array([1, 1, 1]))
    assert wrong > 3
    assert level == pytest.approx(0)
    assert right < -0.5
    train = np.array([-4.0, 0.0, 4.0, np.nan])
    said, errors = np.array([3.0, 3.0, 3.0]), np.array([1.0, -1.0, np.nan])
    wrong, right, missing = value_residual(said, np.array([-3.0, 3.0, np.nan]), train, errors)
    assert wrong > 10
    assert right < 0
    assert missing == 0


@pytest.mark.parametrize("module", [cross_fit, exif_check])
def test_examples_in_the_documentation_run(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]  # a module
