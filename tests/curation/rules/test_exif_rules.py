from datetime import datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings, strategies as st

from catalog import rows
from curation.rules.bin_edges import SETTINGS
from curation.rules.exif_rules import HARD_RANGES, apply_rules

GOOD: dict[str, Any] = {
    "asset_sha256": "a",
    "exif_source": "file",
    "status": "ok",
    "make": "Acme",
    "model": "One",
    "f_number": 8.0,
    "iso": 400.0,
    "exposure_time": 1 / 125,
    "aperture_value": 6.0,
    "shutter_speed_value": 6.97,
    "taken_at_raw": "2024:05:01 10:00:00",
    "modified_at_raw": "2024:05:01 10:00:00",
}


def checked(*, thumbnail_correlation: object = None, **changes: object) -> dict[str, Any]:
    table = pl.from_arrow(rows("exif", [GOOD | changes]))
    assert isinstance(table, pl.DataFrame)
    joined = table.with_columns(
        fetched_at=pl.lit(datetime(2025, 1, 1)),  # noqa: DTZ001 - the catalog keeps UTC without a zone
        thumbnail_correlation=pl.lit(thumbnail_correlation, pl.Float64),
    )
    return apply_rules(joined).row(0, named=True)


def test_a_sound_record_keeps_all_settings() -> None:
    row = checked()
    assert [row[f"{s}_valid"] for s in SETTINGS] == [8.0, 400.0, 1 / 125]
    assert row["record_void"] is None
    assert row["flags"] == []


@pytest.mark.parametrize(
    ("setting", "changes", "reason"),
    [
        ("iso", {"iso": 0.0}, "iso_not_positive"),
        ("iso", {"iso": None, "iso_raw": "0"}, "iso_not_positive"),
        ("iso", {"iso": 65535.0}, "iso_saturated"),
        ("iso", {"iso": 1.0}, "iso_out_of_range"),
        ("f_number", {"f_number": 0.0}, "f_number_not_positive"),
        ("f_number", {"f_number": None, "f_number_raw": "0/1"}, "f_number_not_positive"),
        ("f_number", {"f_number": 200.0, "aperture_value": None}, "f_number_out_of_range"),
        ("f_number", {"f_number": None, "f_number_raw": "0/0"}, "f_number_not_finite"),
        ("f_number", {"f_number": 5.6}, "f_number_contradicts_apex"),
        ("f_number", {"f_number": 4.97, "aperture_value": 4.97}, "f_number_contradicts_apex"),
        ("f_number", {"f_number": 6.0, "aperture_value": 6.0}, "f_number_contradicts_apex"),
        ("f_number", {"lens_min_f_number": 11.0}, "f_number_below_lens_minimum"),
        (
            "f_number",
            {"max_aperture_value": 7.0, "aperture_value": None},
            "f_number_below_lens_minimum",
        ),
        ("exposure_time", {"exposure_time": float("inf")}, "exposure_time_not_finite"),
        ("exposure_time", {"exposure_time": float("nan")}, "exposure_time_not_finite"),
        (
            "exposure_time",
            {"exposure_time": None, "exposure_time_raw": "1/0"},
            "exposure_time_not_finite",
        ),
        ("exposure_time", {"exposure_time": -1 / 125}, "exposure_time_not_positive"),
        (
            "exposure_time",
            {"exposure_time": None, "exposure_time_raw": "-1/125"},
            "exposure_time_not_positive",
        ),
        (
            "exposure_time",
            {"exposure_time": 34359738.36, "exposure_time_raw": "4294967295/125"},
            "exposure_time_not_positive",
        ),
        (
            "exposure_time",
            {"exposure_time": 9000.0, "shutter_speed_value": None},
            "exposure_time_out_of_range",
        ),
        ("exposure_time", {"exposure_time": 4000.0}, "exposure_time_contradicts_apex"),
        (  # 2 s turned over, from a maker that does not forget the sign of Tv
            "exposure_time",
            {"exposure_time": 0.5, "shutter_speed_value": -1.0},
            "exposure_time_contradicts_apex",
        ),
        ("exposure_time", {"exposure_time": 125.0}, "exposure_time_contradicts_apex"),
        ("exposure_time", {"exposure_time": 1 / 30}, "exposure_time_contradicts_apex"),
    ],
)
def test_says_why_a_setting_is_unusable(
    setting: str, changes: dict[str, object], reason: str
) -> None:
    row = checked(**changes)
    assert row[f"{setting}_void"] == reason
    assert row[f"{setting}_valid"] is None
    others = [name for name in SETTINGS if name != setting]
    assert all(row[f"{name}_valid"] is not None for name in others)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"thumbnail_correlation": 0.1}, "thumbnail_mismatch"),
        ({"status": "unreadable"}, "exif_unreadable"),
        (
            {"status": "partial", "make": None, "model": None} | dict.fromkeys(SETTINGS),
            "exif_unreadable",
        ),
        (
            {"make": None, "model": None, "software": "Some Editor"} | dict.fromkeys(SETTINGS),
            "exif_software_only",
        ),
    ],
)
def test_a_record_that_is_not_the_files_own_loses_all_settings(
    changes: dict[str, object], reason: str
) -> None:
    row = checked(**changes)
    assert row["record_void"] == reason
    assert [row[f"{s}_valid"] for s in SETTINGS] == [None] * 3


@pytest.mark.parametrize(
    "changes",
    [
        {"f_number": 1.8, "aperture_value": 1.8},  # a telephone that writes N where Av belongs
        {"f_number": 2.8, "aperture_value": 2.0},  # a drone that cuts Av to whole numbers
        {"exposure_time": 1 / 960, "shutter_speed_value": -9.9},  # Tv without its sign
        {"exposure_time": 0.02, "shutter_speed_value": 0.02},  # seconds where Tv belongs
        {"make": "LGE", "exposure_time": 0.125, "shutter_speed_value": -3.0},
        {"make": "samsung", "exposure_time": 0.4, "shutter_speed_value": 0.4},
        {"f_number": 7.0, "max_aperture_value": 7.0, "aperture_value": 5.6},  # Av takes N's side
        {"exposure_time": 30.0, "shutter_speed_value": -5.0},  # 30 s is nominal for 32 s
        {"f_number": 2.7, "aperture_value": 29.7},  # no aperture at all
        {"aperture_value": 0.0, "shutter_speed_value": 0.0},
        {"aperture_value": float("nan"), "shutter_speed_value": float("inf")},
        {"thumbnail_correlation": 0.9},
        {"thumbnail_correlation": float("nan")},
    ],
)
def test_slips_that_real_cameras_make_elsewhere_do_not_cost_a_setting(
    changes: dict[str, object],
) -> None:
    row = checked(**changes)
    assert None not in [row[f"{s}_valid"] for s in SETTINGS]


@pytest.mark.parametrize(
    ("changes", "flag"),
    [
        ({"taken_at_raw": "2099:05:01 10:00:00"}, "date_implausible"),
        ({"taken_at_raw": "2024:05:03 10:00:00"}, "date_implausible"),
        ({"taken_at_raw": "0000:00:00 00:00:00"}, "date_implausible"),
        ({"taken_at_raw": "yesterday"}, "date_implausible"),
        ({"taken_at_raw": "1985:05:03 10:00:00"}, "date_implausible"),
        ({"taken_at_raw": "2000:01:01 00:00:12"}, "clock_unset"),
        ({"software": "Adobe Photoshop Lightroom 5.7"}, "edited_software"),
        ({"iso": 6.0}, "iso_unusual"),
        ({"exposure_bias": -600.0}, "exposure_bias_implausible"),
        ({"make": "\x81\x92q\x03"}, "camera_name_garbled"),
        ({"error": "GPS position is impossible"}, "gps_implausible"),
        ({"focal_mm": 5.0, "focal_35mm": 500.0}, "focal_length_implausible"),
        ({"readers_disagree": ["iso"]}, "readers_disagree"),
    ],
)
def test_odd_things_are_flagged_but_cost_nothing(changes: dict[str, object], flag: str) -> None:
    row = checked(**changes)
    assert row["flags"] == [flag]
    assert None not in [row[f"{s}_valid"] for s in SETTINGS]


def test_a_missing_setting_has_neither_value_nor_reason() -> None:
    row = checked(iso=None)
    assert row["iso_void"] is None
    assert row["iso_valid"] is None


def test_a_setting_known_only_as_text_is_used() -> None:
    row = checked(exposure_time=None, exposure_time_raw="1/125", iso=None, iso_raw="[400, 800]")
    assert row["exposure_time_valid"] == 1 / 125
    assert row["iso_valid"] == 400


numbers = st.none() | st.floats(width=64)


@settings(deadline=None, max_examples=15)
@given(
    st.fixed_dictionaries(
        dict.fromkeys((*SETTINGS, "aperture_value", "shutter_speed_value"), numbers)
        | {f"{name}_raw": st.none() | st.text(max_size=8) for name in SETTINGS}
        | {"thumbnail_correlation": numbers, "taken_at_raw": st.none() | st.text(max_size=20)}
    )
)
def test_whatever_a_file_says_a_valid_setting_is_within_its_hard_range(
    changes: dict[str, object],
) -> None:
    row = checked(**changes)
    for setting in SETTINGS:
        value = row[f"{setting}_valid"]
        low, high = HARD_RANGES[setting]
        assert value is None or low <= value <= high
        assert value is None or row[f"{setting}_void"] is None


def test_a_missing_f_number_is_taken_from_the_aperture_value() -> None:
    row = checked(f_number=None, aperture_value=2.97)
    assert (row["f_number_valid"], row["flags"]) == (2.8, ["f_number_from_apex"])
    assert checked(f_number=None, aperture_value=0.0)["f_number_valid"] is None
    assert checked(f_number=None, aperture_value=-1.0625)["f_number_valid"] == 0.7  # not 0.69
    assert checked(f_number=None, aperture_value=12.05)["f_number_valid"] == 64
    text = checked(f_number=None, f_number_raw="unknown", aperture_value=2.97)
    assert (text["f_number_valid"], text["f_number_void"]) == (None, "f_number_not_a_number")


def test_digital_zoom_is_not_an_implausible_focal_length() -> None:
    zoomed = {"focal_mm": 4.0, "focal_35mm": 280.0, "raw_json": '{"DigitalZoomRatio": "10/1"}'}
    assert checked(**zoomed)["flags"] == []
    assert checked(focal_mm=4.0, focal_35mm=280.0, make="Apple")["flags"] == []
    assert checked(focal_mm=4.0, focal_35mm=280.0)["flags"] == ["focal_length_implausible"]


def test_settings_that_a_broken_pointer_hides_have_a_reason() -> None:
    hidden = dict.fromkeys(SETTINGS) | {"status": "partial", "aperture_value": None}
    row = checked(**hidden, error="Exif directory lies outside the block")
    assert row["record_void"] == "exif_pointer_broken"
    assert checked(error="Exif directory is cut or is not a directory")["record_void"] is None
