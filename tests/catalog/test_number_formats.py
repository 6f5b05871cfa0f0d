"""Numbers as people read them: the same in pages, reports, messages and predictions."""

import re
import struct
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import pytest

from catalog import (
    format_bytes,
    format_count,
    format_duration,
    format_exposure,
    format_share,
    format_time,
)

ROOT = Path(__file__).parents[2]
ROOMS = ("catalog", "crawler", "curation", "training", "photosite")


def test_numbers_are_written_for_people() -> None:
    assert [format_share(part) for part in (None, 0, 0.00001, 0.5, 0.99999, 1)] == [
        "-",
        "0 %",
        "0.1 %",
        "50.0 %",
        "99.9 %",
        "100 %",
    ]
    assert [format_duration(s) for s in (None, 0.0001, 0.25, 59.9, 61, 7384)] == [
        "-",
        "< 1 ms",
        "250 ms",
        "59.9 s",
        "1 min 1 s",
        "2 h 3 min",
    ]
    assert [format_bytes(n) for n in (None, 999, 1000, 3_812_000, 2.5e12)] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "3.8 MB",
        "2.5 TB",
    ]
    assert [format_exposure(s) for s in (None, -1, 0.004, 2.5)] == ["", "", "1/250 s", "2.5 s"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.000625, "1/1600 s"),
        (1 / 32_000, "1/32000 s"),
        (0.25, "1/4 s"),
        (0.3, "0.3 s"),
        (1 / 3, "0.333 s"),
        (99.6, "99.6 s"),
        (1234.0, "1234 s"),
        (0.0, ""),
        (None, ""),
        (float("nan"), ""),
        (float("inf"), ""),
        (-0.5, ""),
    ],
)
def test_an_exposure_time_is_written_as_on_a_camera(seconds: float | None, text: str) -> None:
    assert format_exposure(seconds) == text


def test_every_shutter_speed_survives_a_32_bit_float() -> None:
    """The tables keep REAL: what is read back must be written as what a camera shows."""
    for n in (4, 5, 6, 8, 10, 13, 15, 60, 125, 1000, 1600, 3200, 8000, 32_000):
        (stored,) = struct.unpack("f", struct.pack("f", float(Fraction(1, n))))
        assert format_exposure(stored) == f"1/{n} s"
    (stored,) = struct.unpack("f", struct.pack("f", 0.3))
    assert format_exposure(stored) == "0.3 s"


def test_a_unit_is_never_followed_by_its_next() -> None:
    assert format_bytes(999_960) == "1.0 MB"
    assert format_duration(0.9999) == "1.0 s"
    assert format_duration(59.97) == "1 min 0 s"
    assert format_duration(3599.8) == "1 h 0 min"


def test_what_is_missing_is_a_dash() -> None:
    values = (format_count(None), format_share(None), format_duration(None), format_time(None))
    assert values == ("-",) * 4
    assert format_time(datetime(2026, 1, 2, 3, 4, 5, 999, UTC)) == "2026-01-02 03:04:05"


_OWN_FORMATS = re.compile(
    r"/ ?(1e6|1e9|2 ?\*\* ?[23]0|1_000_000)[^}]*:[^}]*f\}|1 ?/ ?[a-z_]+:\.0f\} s"
)


def test_no_module_writes_bytes_or_exposure_times_in_its_own_way() -> None:
    own = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for room in ROOMS
        for path in sorted((ROOT / room).rglob("*.py"))
        if path.name != "number_formats.py"
        for line in path.read_text("utf-8").splitlines()
        if _OWN_FORMATS.search(line)
    ]
    assert own == []
