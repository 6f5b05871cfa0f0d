import numpy as np
import polars as pl
import pytest
from hypothesis import given, strategies as st

from curation.rules.bin_edges import BIN_NAMES, BINS, SETTINGS
from curation.rules.bins import bin_of, stops_of, to_bin, to_stops

valid = st.floats(min_value=1e-6, max_value=1e7, allow_nan=False)


@pytest.mark.parametrize(
    ("setting", "low", "medium", "high"),
    [
        ("f_number", [0.95, 1.4, 2.8], [3.2, 3.5, 4, 5.6], [6.3, 8, 22]),
        ("iso", [50, 100, 200], [250, 400, 800], [1000, 1250, 102400]),
        ("exposure_time", [1 / 8000, 1 / 320, 1 / 250], [1 / 200, 1 / 60], [1 / 50, 1, 30]),
    ],
)
def test_nominal_values_fall_where_photographers_expect_them(
    setting: str, low: list[float], medium: list[float], high: list[float]
) -> None:
    bins = to_bin(setting, to_stops(setting, [*low, *medium, *high]))
    assert bins.tolist() == [0] * len(low) + [1] * len(medium) + [2] * len(high)


@given(st.sampled_from(SETTINGS), valid)
def test_every_valid_value_falls_in_exactly_one_bin(setting: str, value: float) -> None:
    stops = float(to_stops(setting, value))
    low, high = BINS[setting]
    is_in = [stops < low, low <= stops < high, high <= stops]
    assert sum(is_in) == 1
    assert int(to_bin(setting, stops)) == is_in.index(True)


@given(st.sampled_from(SETTINGS), st.sampled_from([0, 1]))
def test_an_edge_belongs_to_the_bin_above_it(setting: str, number: int) -> None:
    edge = BINS[setting][number]
    assert int(to_bin(setting, edge)) == number + 1
    assert int(to_bin(setting, np.nextafter(edge, -np.inf))) == number


@given(st.sampled_from(SETTINGS), st.lists(st.none() | st.floats()))
def test_polars_and_numpy_agree_on_any_value(setting: str, values: list[float | None]) -> None:
    rows = pl.DataFrame({setting: values}, schema={setting: pl.Float64})
    table = rows.with_columns(stops_of(setting)).with_columns(bin_of(setting))
    numbers = [float("nan") if value is None else value for value in values]
    expected = to_bin(setting, to_stops(setting, numbers))
    assert table[f"{setting}_bin"].fill_null(-1).to_list() == expected.tolist()


def test_three_bins_have_three_names() -> None:
    assert BIN_NAMES == ("low", "medium", "high")
    assert set(BINS) == set(SETTINGS)
