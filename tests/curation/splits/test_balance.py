from typing import get_args

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings, strategies as st

from curation.errors import BadPlanError, ThinClassError
from curation.splits.balance import (
    EFFECTIVE_BETA,
    MAX_WEIGHT,
    balanced_slice,
    check_support,
    class_table,
    target_shares,
    thin_classes,
    weigh,
)
from curation.splits.rebalance import Rebalance

bins = st.none() | st.sampled_from([0, 0, 0, 0, 1, 2])
row = st.tuples(st.sampled_from(["train", "train", "validation", "test"]), bins, bins, bins)


def items(rows: list[tuple[str, int | None, int | None, int | None]]) -> pl.DataFrame:
    names = ["split", "f_number_bin", "iso_bin", "exposure_time_bin"]
    kinds = dict.fromkeys(names[1:], pl.Int32)
    table = pl.DataFrame(rows, schema={"split": pl.String} | kinds, orient="row")
    names = pl.int_range(pl.len()).cast(pl.String)
    return table.with_columns(scene_id=names, asset_sha256=names)


@settings(deadline=None, max_examples=30)
@given(st.lists(row, min_size=1, max_size=60), st.sampled_from(get_args(Rebalance)))
def test_weights_have_mean_1_over_train_and_are_1_elsewhere(
    rows: list[tuple[str, int | None, int | None, int | None]], rebalance: str
) -> None:
    table = items(rows)
    weights = weigh(table, rebalance)
    is_train = (table["split"] == "train").to_numpy()
    assert np.all(weights[~is_train] == 1)
    if is_train.any():
        assert weights[is_train].mean() == pytest.approx(1, abs=1e-6)
        assert weights[is_train].max() <= MAX_WEIGHT + 1e-9
        assert weights[is_train].min() > 0


def skewed() -> pl.DataFrame:
    rng = np.random.default_rng(0)
    rows = [
        ("train", *(int(number) for number in rng.choice(3, 3, p=[0.6, 0.25, 0.15])))
        for _ in range(800)
    ]
    return items(rows)


def test_inverse_makes_all_three_settings_even_at_once() -> None:
    table = skewed()
    classes = class_table(table.with_columns(weight=pl.Series(weigh(table, "inverse"))))
    assert classes["weight_share"].to_list() == pytest.approx([1 / 3] * 9, abs=0.02)


def test_sqrt_lifts_rare_classes_by_the_root_of_their_share() -> None:
    table = skewed()
    classes = class_table(table.with_columns(weight=pl.Series(weigh(table, "sqrt"))))
    for _, part in classes.group_by("setting"):
        roots = np.sqrt(part["n"].to_numpy())
        assert part["weight_share"].to_numpy() == pytest.approx(roots / roots.sum(), abs=0.01)
    assert (classes["effective_n"] <= classes["n"] + 1e-9).all()


def test_a_burst_does_not_make_its_class_common() -> None:
    rows: list[tuple[str, int | None, int | None, int | None]]
    rows = [("train", 0, None, None)] * 90 + [("train", 1, None, None)] * 10
    burst = items(rows).with_columns(
        scene_id=pl.when(pl.col("f_number_bin") == 0).then(pl.lit("burst")).otherwise("scene_id")
    )
    classes = class_table(burst.with_columns(weight=pl.Series(weigh(burst, "sqrt"))))
    low = classes.filter((pl.col("setting") == "f_number") & (pl.col("class") == "low"))
    assert low["scenes"].item() == 1
    assert low["weight_share"].item() < 0.3


def test_thin_classes_are_named() -> None:
    rows: list[tuple[str, int | None, int | None, int | None]]
    rows = [("train", 0, 0, 0)] * 9 + [("train", 2, 0, 0)]
    table = items(rows).with_columns(weight=1.0)
    assert thin_classes(class_table(table)) == ["f_number high rests on 1 scenes in train"]


def test_an_unknown_way_to_rebalance_is_refused() -> None:
    with pytest.raises(BadPlanError, match="none, sqrt, inverse"):
        weigh(skewed(), "cube")


def test_effective_number_lies_between_even_and_natural_and_is_the_published_formula() -> None:
    counts = np.array([10.0, 2000.0, 40_000.0])
    weight = (1 - EFFECTIVE_BETA) / (1 - EFFECTIVE_BETA**counts)  # of one picture, Cui et al. 2019
    expected = counts * weight / (counts * weight).sum()
    assert target_shares(counts, "effective") == pytest.approx(expected)
    natural, even = target_shares(counts, "none"), target_shares(counts, "inverse")
    assert natural[0] < expected[0] < even[0]
    few = target_shares(np.array([3.0, 30.0]), "effective")
    assert few == pytest.approx([0.5, 0.5], abs=0.01)


def test_any_column_can_be_balanced_over_together_with_settings() -> None:
    rng = np.random.default_rng(1)
    cameras = rng.choice(["a", "b", "c", "d"], 800, p=[0.7, 0.2, 0.05, 0.05])
    table = skewed().with_columns(camera=pl.Series(cameras))
    weights = weigh(table, "inverse", ("f_number_bin", "camera"))
    weighed = table.with_columns(weight=pl.Series(weights))
    for name, even in (("camera", 1 / 4), ("f_number_bin", 1 / 3)):
        shares = weighed.group_by(name).agg(pl.col("weight").sum() / 800)["weight"]
        assert shares.to_list() == pytest.approx([even] * len(shares), abs=0.02)


@settings(deadline=None, max_examples=30)
@given(st.lists(row, min_size=1, max_size=60))
def test_no_class_of_the_balanced_slice_is_larger_than_the_rarest_of_its_split(
    rows: list[tuple[str, int | None, int | None, int | None]],
) -> None:
    table = items(rows)
    chosen = table.with_columns(chosen=pl.Series(balanced_slice(table, 3)))
    assert not chosen.filter(pl.col("split") == "train")["chosen"].any()
    for (name,), part in chosen.filter(pl.col("split") != "train").group_by("split"):
        for column in ("f_number_bin", "iso_bin", "exposure_time_bin"):
            sizes = part[column].drop_nulls().value_counts()["count"]
            taken = part.filter("chosen")[column].drop_nulls().value_counts()["count"]
            assert (taken.max() or 0) <= (sizes.min() or 0), name
    again = table.sample(fraction=1, shuffle=True, seed=1)
    same = dict(zip(again["asset_sha256"], balanced_slice(again, 3), strict=True))
    assert same == dict(zip(table["asset_sha256"], chosen["chosen"], strict=True))


def test_a_skewed_test_split_has_an_even_slice_worth_reading() -> None:
    table = skewed().with_columns(split=pl.lit("test"))
    classes = class_table(
        table.with_columns(weight=1.0, in_balanced_slice=pl.Series(balanced_slice(table, 0)))
    )
    for _, part in classes.group_by("setting"):
        assert part["n_balanced"].max() - part["n_balanced"].min() <= 0.25 * part["n"].min()
    assert classes["n_balanced"].sum() / 3 > 280  # pictures; 3 x 114 would be all that can be even


def test_a_class_on_few_scenes_is_not_lifted_unless_asked() -> None:
    rows: list[tuple[str, int | None, int | None, int | None]]
    rows = [("train", 0, 0, 0)] * 9 + [("train", 2, 0, 0)]
    table = items(rows).with_columns(weight=1.0)
    for rebalance in ("inverse", "effective"):
        with pytest.raises(ThinClassError, match=r"f_number high rests on 1 scenes.*--allow-thin"):
            check_support(table, rebalance)
    check_support(table, "sqrt")
    check_support(table.filter(pl.col("f_number_bin") == 0), "inverse")
