import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.balance import MAX_WEIGHT, class_table, thin_classes, weigh
from curation.errors import BadPlanError

bins = st.none() | st.sampled_from([0, 0, 0, 0, 1, 2])
row = st.tuples(st.sampled_from(["train", "train", "validation", "test"]), bins, bins, bins)


def items(rows: list[tuple[str, int | None, int | None, int | None]]) -> pl.DataFrame:
    names = ["split", "f_number_bin", "iso_bin", "exposure_time_bin"]
    kinds = dict.fromkeys(names[1:], pl.Int32)
    table = pl.DataFrame(rows, schema={"split": pl.String} | kinds, orient="row")
    return table.with_columns(scene_id=pl.int_range(pl.len()).cast(pl.String))


@settings(deadline=None, max_examples=30)
@given(st.lists(row, min_size=1, max_size=60), st.sampled_from(["none", "sqrt", "inverse"]))
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
    found = class_table(table.with_columns(weight=pl.Series(weigh(table, "inverse"))))
    assert found["weight_share"].to_list() == pytest.approx([1 / 3] * 9, abs=0.02)


def test_sqrt_lifts_rare_classes_by_the_root_of_their_share() -> None:
    table = skewed()
    found = class_table(table.with_columns(weight=pl.Series(weigh(table, "sqrt"))))
    for _, part in found.group_by("setting"):
        roots = np.sqrt(part["n"].to_numpy())
        assert part["weight_share"].to_numpy() == pytest.approx(roots / roots.sum(), abs=0.01)
    assert (found["effective_n"] <= found["n"] + 1e-9).all()


def test_a_burst_does_not_make_its_class_common() -> None:
    rows: list[tuple[str, int | None, int | None, int | None]]
    rows = [("train", 0, None, None)] * 90 + [("train", 1, None, None)] * 10
    burst = items(rows).with_columns(
        scene_id=pl.when(pl.col("f_number_bin") == 0).then(pl.lit("burst")).otherwise("scene_id")
    )
    found = class_table(burst.with_columns(weight=pl.Series(weigh(burst, "sqrt"))))
    low = found.filter((pl.col("setting") == "f_number") & (pl.col("class") == "low"))
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
