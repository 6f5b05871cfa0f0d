import math
from datetime import datetime

import pytest
from hypothesis import given, settings, strategies as st

from crawler.exif.values import camera_name, iso_speed, moment, number, ratio


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("f/2.8", 2.8),
        ("F2.8", 2.8),
        ("2.8", 2.8),
        ("2,8", 2.8),
        ("1/250", 0.004),
        ("1/250 s", 0.004),
        ("0.004", 0.004),
        ("4e-3", 0.004),
        ("ISO 400", 400.0),
        ("50 mm", 50.0),
        ("-1/125", -0.008),
        (400, 400.0),
        (2.8, 2.8),
    ],
)
def test_reads_settings_as_people_and_sites_write_them(text: object, expected: float) -> None:
    assert number(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "auto", "0/0", "1/2/3", "f/", None, True, float("nan")])
def test_what_is_no_number_is_none(text: object) -> None:
    assert number(text) is None


def test_dividing_by_zero_is_infinite_and_zero_by_zero_unknown() -> None:
    assert ratio(1, 0) == math.inf
    assert ratio(-1, 0) == -math.inf
    assert ratio(0, 0) is None
    assert number("1/0") == math.inf
    assert number(10**400) is None


@settings(deadline=None)
@given(st.text("0123456789.,/-+eEfISO s\0é٣", max_size=20) | st.integers() | st.floats())
def test_no_value_makes_it_raise(value: object) -> None:
    result = number(value)
    assert result is None or isinstance(result, float)


@settings(deadline=None)
@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_a_rational_as_text_equals_the_division(top: int, bottom: int) -> None:
    assert number(f"{top}/{bottom}") == top / bottom


@pytest.mark.parametrize(
    ("ratings", "precise", "expected"),
    [
        ([400.0], [], 400.0),
        ([0.0, 200.0], [], 200.0),
        ([65535.0], [None, 102400.0], 102400.0),
        ([65535.0], [None], 65535.0),
        ([0.0], [800.0], 800.0),
        ([0.0], [], 0.0),
        ([], [None, 320.0], 320.0),
        ([None], [], None),
        ([], [], None),
    ],
)
def test_iso_prefers_a_possible_value(
    ratings: list[float | None], precise: list[float | None], expected: float | None
) -> None:
    assert iso_speed(ratings, precise) == expected


@pytest.mark.parametrize(
    ("make", "model", "expected"),
    [
        ("NIKON CORPORATION", "NIKON D90", "nikon d90"),
        ("Canon", "Canon  EOS 6D ", "canon eos 6d"),
        ("Apple", "iPhone XS", "apple iphone xs"),
        ("EASTMAN KODAK COMPANY", "KODAK DX4900 ZOOM", "kodak dx4900 zoom"),
        ("Minolta Co., Ltd.", "DiMAGE X", "minolta dimage x"),
        ("SANYO Electric Co.,Ltd.", "S1", "sanyo s1"),
        ("Camera", "One", "camera one"),
        ("Acme", None, "acme"),
        (None, "One", "one"),
        (None, None, None),
    ],
)
def test_camera_names_do_not_repeat_the_maker(
    make: str | None, model: str | None, expected: str | None
) -> None:
    assert camera_name(make, model) == expected


def test_dates_without_a_meaning_are_none() -> None:
    assert moment("2099:12:31 23:59:59") == datetime.fromisoformat("2099-12-31T23:59:59")
    assert moment("2020-01-31 12:00:00") == datetime.fromisoformat("2020-01-31T12:00:00")
    for text in ("0000:00:00 00:00:00", "2020:13:01 00:00:00", "", None):
        assert moment(text) is None
