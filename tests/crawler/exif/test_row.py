import hashlib
import json
import math
from datetime import datetime

import pytest

from catalog.tables.tables_by_name import TABLES
from crawler.exif.reader import read_exif
from crawler.exif.row import exif_row
from tests.factories import Value, exif_block

SETTINGS: dict[str, Value] = {"FNumber": (28, 10), "ISO": 400, "ExposureTime": (1, 250)}


def row(**tags: Value) -> dict[str, object]:
    return dict(exif_row("ab", read_exif(exif_block(tags))))


def test_every_column_of_the_contract_is_filled_or_comes_from_the_thumbnail() -> None:
    later = {"thumbnail_offset", "thumbnail_length", "photo_id"}  # the last is of datasets
    assert set(row(**SETTINGS)) | later == set(TABLES["exif"].schema.names)


def test_a_file_without_exif_has_a_row_that_says_so() -> None:
    empty = exif_row("ab", None)
    assert (empty["status"], empty["exif_source"], empty["gps_present"]) == ("none", "file", False)


def test_camera_lens_dates_and_sizes_are_typed() -> None:
    found = row(
        Make="NIKON CORPORATION",
        Model="NIKON D90",
        LensModel="18-105mm",
        LensSpecification=((18, 1), (105, 1), (35, 10), (56, 10)),
        DateTimeOriginal="2020:01:31 12:00:00",
        DateTime="2021:02:03 04:05:06",
        Orientation=6,
        PixelXDimension=4288,
        PixelYDimension=2848,
        FocalLength=(50, 1),
        FocalLengthIn35mmFilm=75,
        ShutterSpeedValue=(7965784, 1000000),
        ApertureValue=(2970854, 1000000),
        BrightnessValue=(-5, 2),
        ExposureBiasValue=(-2, 6),
        MaxApertureValue=(36, 10),
        Flash=16,
        Software="Ver.1.00",
    )
    expected = {
        "camera": "nikon d90",
        "lens": "18-105mm",
        "lens_min_f_number": 3.5,
        "taken_at": datetime.fromisoformat("2020-01-31T12:00:00"),
        "taken_at_raw": "2020:01:31 12:00:00",
        "modified_at_raw": "2021:02:03 04:05:06",
        "orientation": 6,
        "exif_width": 4288,
        "exif_height": 2848,
        "focal_mm": 50.0,
        "focal_35mm": 75.0,
        "shutter_speed_value": pytest.approx(7.965784),
        "aperture_value": pytest.approx(2.970854),
        "brightness_value": -2.5,
        "exposure_bias": pytest.approx(-1 / 3),
        "max_aperture_value": 3.6,
        "flash": 16,
        "software": "Ver.1.00",
    }
    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("tag", "written", "column", "value", "raw"),
    [
        ("ISO", 0, "iso", 0.0, "0"),
        ("ISO", 65535, "iso", 65535.0, "65535"),
        ("FNumber", (0, 10), "f_number", 0.0, "0/10"),
        ("FNumber", (0, 0), "f_number", None, "0/0"),
        ("ExposureTime", (1, 0), "exposure_time", math.inf, "1/0"),
        ("ExposureTime", (-1, 125), "exposure_time", -0.008, "-1/125"),
        ("ExposureTime", (125, 1), "exposure_time", 125.0, "125/1"),
    ],
)
def test_impossible_settings_stay_visible_for_curation(
    tag: str, written: Value, column: str, value: float | None, raw: str
) -> None:
    found = row(**(SETTINGS | {tag: written}))
    assert (found[column], found[f"{column}_raw"], found["status"]) == (value, raw, "ok")


def test_a_saturated_iso_gives_way_to_the_recommended_index() -> None:
    assert row(ISO=65535, RecommendedExposureIndex=102400)["iso"] == 102400.0


def test_software_alone_is_a_sound_block_without_settings() -> None:
    found = row(Software="Editor 1.0")
    assert found["status"] == "ok"
    assert [found[name] for name in ("camera", "f_number", "iso", "exposure_time")] == [None] * 4


def test_an_unreadable_block_says_why() -> None:
    found = exif_row("ab", read_exif(b"II*\0\xff\xff\0\0"))
    assert (found["status"], found["error"]) == (
        "unreadable",
        "first directory lies outside the block",
    )


def test_names_serials_and_places_are_not_kept() -> None:
    secrets: dict[str, Value] = {
        "Artist": "Jo Artist",
        "Copyright": "Jo Rights",
        "CameraOwnerName": "Jo Owner",
        "BodySerialNumber": "SN-12345",
        "GPSLatitude": ((48, 1), (51, 1), (29, 1)),
        "MakerNote": b"Jo Note",
    }
    found = row(**(SETTINGS | secrets))
    kept = json.dumps(found, default=str)
    assert "Jo" not in kept
    assert "SN-12345" not in kept
    assert "GPS" not in str(found["raw_json"])
    assert found["serial_sha256"] == hashlib.sha256(b"SN-12345").hexdigest()
    assert json.loads(str(found["raw_json"]))["FNumber"] == "28/10"
