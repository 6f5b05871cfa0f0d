"""Expressions that read the numbers of EXIF rows: settings as typed or as written, APEX values, dates."""

from typing import Final

import polars as pl

APEX_TOLERANCE_EV: Final = 0.5
APEX_TOLERANCE_LOOSE_EV: Final = 1.0

APERTURE_VALUES: Final = (-1.1, 12.1)
"""Possible Av within f/0.7 to f/64; a value outside is not evidence about the f-number."""
F_NUMBERS: Final = (0.7, 64.0)  # their ends, rounded: an Av of -1.06 is f/0.7

_RATIONAL = r"^\s*[\[(]?\s*(-?\d+)\s*/\s*(-?\d+)"
_PLAIN = r"^\s*[\[(]?\s*(-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)\s*(?:[,\])]|$)"


def number(setting: str) -> pl.Expr:
    """Give the value of a setting as a number: the typed column, else its raw text.

    Division by zero gives infinity or NaN. A raw value below zero wins over the typed one, and so does one whose
    unsigned rational has the top bit set: that is a negative number read as unsigned.
    """
    raw = _raw_number(f"{setting}_raw")
    typed = pl.col(setting).cast(pl.Float64)
    return pl.when(raw < 0).then(raw).otherwise(pl.coalesce(typed, raw))


def _raw_number(name: str) -> pl.Expr:
    numerator, denominator = (
        _signed(pl.col(name).str.extract(_RATIONAL, group)) for group in (1, 2)
    )
    plain = pl.col(name).str.extract(_PLAIN, 1).cast(pl.Float64, strict=False)
    return pl.coalesce(numerator / denominator, plain)


def _signed(digits: pl.Expr) -> pl.Expr:
    value = digits.cast(pl.Float64, strict=False)
    return pl.when(value >= 2**31).then(value - 2**32).otherwise(value)


def finite(name: str) -> pl.Expr:
    """Give a column as a number; null when it is infinite or NaN."""
    value = pl.col(name).cast(pl.Float64)
    return pl.when(value.is_finite()).then(value)


def apex(name: str, possible: tuple[float, float]) -> pl.Expr:
    """Give an APEX value; null when impossible, or 0, which cameras write for 'unknown'."""
    value = finite(name)
    return pl.when(value.is_between(*possible) & (value != 0)).then(value)


def f_number_from_apex() -> pl.Expr:
    """Give the f-number of ApertureValue, N = 2^(Av/2), to two digits; null where FNumber is written in any form."""
    is_missing = pl.col("f_number").is_null() & pl.col("f_number_raw").is_null()
    n = pl.lit(2.0).pow(apex("aperture_value", APERTURE_VALUES) / 2)
    return pl.when(is_missing).then(n.round_sig_figs(2).clip(*F_NUMBERS))


def tolerance(value: pl.Expr) -> pl.Expr:
    """Allow a larger difference where an APEX value is a whole number (DJI writes 2 for the 2.97 of f/2.8)."""
    is_whole = value == value.round()
    return pl.when(is_whole).then(APEX_TOLERANCE_LOOSE_EV).otherwise(APEX_TOLERANCE_EV)


def exif_date(name: str) -> pl.Expr:
    """Parse an EXIF date; null when the text is not a date."""
    text = pl.col(name).str.strip_chars(" \x00").str.slice(0, 19).str.replace_all("[-/.]", ":")
    return text.str.to_datetime("%Y:%m:%d %H:%M:%S", strict=False, time_unit="us")


def lens_range_mm() -> tuple[pl.Expr, pl.Expr]:
    """Give the shortest and longest focal length of LensSpecification; null when it is 0/0 or missing."""
    specification = pl.col("raw_json").str.json_path_match("$.LensSpecification")
    parts = specification.str.extract_all(r"\d+/\d+")
    lengths = []
    for place in (0, 1):
        pair = parts.list.get(place, null_on_oob=True).str.split("/")
        numerator, denominator = (
            pair.list.get(k, null_on_oob=True).cast(pl.Float64, strict=False) for k in (0, 1)
        )
        lengths.append(pl.when((numerator > 0) & (denominator > 0)).then(numerator / denominator))
    return lengths[0], lengths[1]


def digital_zoom() -> pl.Expr:
    """Give DigitalZoomRatio, 1 to 200; 1 where it is missing or 0, which cameras write for 'not used'."""
    text = pl.col("raw_json").str.json_path_match("$.DigitalZoomRatio")
    top, bottom = (text.str.extract(_RATIONAL, k).cast(pl.Float64, strict=False) for k in (1, 2))
    ratio = pl.coalesce(top / bottom, text.str.extract(_PLAIN, 1).cast(pl.Float64, strict=False))
    return pl.when(ratio.is_between(1, 200)).then(ratio).otherwise(1.0)
