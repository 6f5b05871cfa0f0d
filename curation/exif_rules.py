"""Void settings that no camera could have written, and flag what is odd but may be true.

A *void* reason makes one setting of one EXIF record unusable (or all three); a *flag* only notes. Each rule is
a polars expression over the columns of the `exif` table plus `fetched_at` and `thumbnail_correlation` (of the `health`
table). No rule raises on null, NaN or infinity, and none drops a picture: a picture falls only when no setting is left.
"""

from functools import reduce
from typing import Final

import polars as pl

from curation.bins import SETTINGS

VERSION: Final = "1"

# Widest values on sale: f/0.7 (a Zeiss Planar) to f/64 (large format); 1/64000 s (electronic shutters) to an
# hour (astronomy); ISO 3 (copy film) to four million (Canon ME20). Closed on both ends.
HARD_RANGES: Final = {
    "f_number": (0.7, 64.0),
    "iso": (3.0, 4_100_000.0),
    "exposure_time": (1 / 64_001, 3600.0),
}
# What ordinary cameras do; beyond it the value is kept and flagged.
USUAL_RANGES: Final = {
    "f_number": (0.95, 45.0),
    "iso": (25.0, 409_600.0),
    "exposure_time": (0.0, 60.0),
}
ISO_SATURATED: Final = (
    65_535.0  # largest value of the 16-bit tag: the true ISO is this or more (Exif 2.3)
)

# APEX (Exif 2.32, annex C): Av = 2 log2 N, Tv = -log2 t. Nominal stops are rounded by up to 1/6 EV, long
# exposures more: cameras write 30 s for 32 s, bulb times are rounded to a second.
APEX_TOLERANCE_EV: Final = 0.5
APEX_TOLERANCE_LOOSE_EV: Final = 1.0
LONG_EXPOSURE_S: Final = 1.0
# What the APEX fields can mean within the hard ranges; a value outside says nothing about the setting.
APERTURE_VALUES: Final = (-1.1, 12.1)
SHUTTER_SPEED_VALUES: Final = (-11.9, 16.1)

LENS_TOLERANCE: Final = 0.1  # in f-numbers, against LensSpecification
LENS_TOLERANCE_EV: Final = 0.3  # against MaxApertureValue
CROP_FACTORS: Final = (0.5, 12.0)  # large format to the smallest phone sensors

FIRST_YEAR: Final = 1990  # no digital camera with EXIF is older
MAX_AHEAD_S: Final = (
    86_400  # clocks may be a time zone ahead, of ours and of the editing computer's
)

# Measured on 861 camera files with thumbnails: 0.7 voids 5 of them and finds 98 % of swapped thumbnails (0.5: 3, 91 %).
THUMBNAIL_CORRELATION: Final = 0.7

EDITORS: Final = (
    r"(?i)photoshop|lightroom|gimp|snapseed|affinity|luminar|capture one|darktable|rawtherapee|"
    r"picasa|pixelmator|paint\.net|paintshop|vsco|dxo|aperture \d|aviary|photoscape|imagemagick"
)

_RATIONAL = r"^\s*[\[(]?\s*(-?\d+)\s*/\s*(-?\d+)"
_PLAIN = r"^\s*[\[(]?\s*(-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)\s*(?:[,\])]|$)"
_UNSET_CLOCKS = ("1970:01:01 00:00", "1980:01:01 00:00", "2000:01:01 00:00")


def number(setting: str) -> pl.Expr:
    """Give the value of a setting as a number: the typed column, else what its raw text says.

    Division by zero gives infinity or NaN. A raw value below zero wins over the typed one, and so does one whose
    unsigned rational has the top bit set: that is a negative number read without its sign.
    """
    raw = _raw_number(f"{setting}_raw")
    typed = pl.col(setting).cast(pl.Float64)
    return pl.when(raw < 0).then(raw).otherwise(pl.coalesce(typed, raw))


def _raw_number(name: str) -> pl.Expr:
    top, bottom = (_signed(pl.col(name).str.extract(_RATIONAL, group)) for group in (1, 2))
    plain = pl.col(name).str.extract(_PLAIN, 1).cast(pl.Float64, strict=False)
    return pl.coalesce(top / bottom, plain)


def _signed(digits: pl.Expr) -> pl.Expr:
    value = digits.cast(pl.Float64, strict=False)
    return pl.when(value >= 2**31).then(value - 2**32).otherwise(value)


def void_rules(setting: str) -> dict[str, pl.Expr]:
    """Map each void reason of one setting to the expression that is true where it applies, in order."""
    value = number(setting)
    low, high = HARD_RANGES[setting]
    rules = {
        f"{setting}_not_finite": value.is_nan() | value.is_infinite(),
        f"{setting}_not_positive": value <= 0,
    }
    if setting == "iso":
        rules["iso_saturated"] = value == ISO_SATURATED
    rules[f"{setting}_out_of_range"] = ~value.is_between(low, high)
    if setting == "f_number":
        rules["f_number_contradicts_apex"] = _f_number_contradicts(value)
        rules["f_number_below_lens_minimum"] = _is_below_lens_minimum(value)
    if setting == "exposure_time":
        rules["exposure_time_contradicts_apex"] = _exposure_time_contradicts(value)
    return rules


def _f_number_contradicts(value: pl.Expr) -> pl.Expr:
    """Compare with ApertureValue; a field that literally holds its Av is wrong even where both come close."""
    apex = _apex("aperture_value", APERTURE_VALUES)
    difference = (2 * value.log(2.0) - apex).abs()
    holds_apex = ((value - apex).abs() < 0.02) & (difference > 0.1) & (value >= 3)
    return holds_apex | (difference > _tolerance(apex))


def _exposure_time_contradicts(value: pl.Expr) -> pl.Expr:
    """Compare with ShutterSpeedValue, unless that is a known slip: Tv without its sign, or seconds."""
    apex = _apex("shutter_speed_value", SHUTTER_SPEED_VALUES)
    is_short = value < LONG_EXPOSURE_S
    is_turned = (
        value.log(2.0) - apex
    ).abs() < APEX_TOLERANCE_EV  # Nexus 5X writes -9.9 for 1/960 s
    is_seconds = (value - apex).abs() < 0.01 * value  # Galaxy A40 writes 0.02 for 1/50 s
    tolerance = pl.when(is_short).then(_tolerance(apex)).otherwise(APEX_TOLERANCE_LOOSE_EV)
    return ((value.log(2.0) + apex).abs() > tolerance) & ~(is_short & (is_turned | is_seconds))


def _apex(name: str, possible: tuple[float, float]) -> pl.Expr:
    """Give an APEX value; null when impossible, or 0, which writers use for 'unknown'."""
    value = _finite(name)
    return pl.when(value.is_between(*possible) & (value != 0)).then(value)


def _tolerance(apex: pl.Expr) -> pl.Expr:
    """Allow more where the writer cut the value to a whole number (DJI writes 2 for the 2.97 of f/2.8)."""
    is_whole = apex == apex.round()
    return pl.when(is_whole).then(APEX_TOLERANCE_LOOSE_EV).otherwise(APEX_TOLERANCE_EV)


def _is_below_lens_minimum(value: pl.Expr) -> pl.Expr:
    by_lens = value < _finite("lens_min_f_number") - LENS_TOLERANCE
    by_maximum = 2 * value.log(2.0) < _finite("max_aperture_value") - LENS_TOLERANCE_EV
    return by_lens.fill_null(value=False) | by_maximum.fill_null(value=False)


def _finite(name: str) -> pl.Expr:
    value = pl.col(name).cast(pl.Float64)
    return pl.when(value.is_finite()).then(value)


def record_rules(thumbnail_correlation: float = THUMBNAIL_CORRELATION) -> dict[str, pl.Expr]:
    """Map each reason that voids all three settings of a record to its expression, in order."""
    has_setting = reduce(
        lambda a, b: a | b,
        (pl.col(f"{s}{end}").is_not_null() for s in SETTINGS for end in ("", "_raw")),
    )
    has_camera = pl.col("make").is_not_null() | pl.col("model").is_not_null()
    is_partial = (pl.col("status") == "partial") & ~has_setting & ~has_camera
    has_software = pl.col("software").is_not_null()
    return {
        "exif_unreadable": (pl.col("status") == "unreadable") | is_partial,
        "exif_software_only": has_software & ~has_setting & ~has_camera,
        "thumbnail_mismatch": _finite("thumbnail_correlation") < thumbnail_correlation,
    }


def flag_rules() -> dict[str, pl.Expr]:
    """Map each flag to the expression that is true where it applies."""
    crop_factor = _finite("focal_35mm") / _finite("focal_mm")
    has_both = (_finite("focal_35mm") > 0) & (_finite("focal_mm") > 0)
    unusual = {
        f"{setting}_unusual": number(setting).is_between(*HARD_RANGES[setting])
        & ~number(setting).is_between(*USUAL_RANGES[setting])
        for setting in SETTINGS
    }
    return {
        **unusual,
        "focal_length_implausible": has_both & ~crop_factor.is_between(*CROP_FACTORS),
        "clock_unset": pl.col("taken_at_raw").str.slice(0, 16).is_in(_UNSET_CLOCKS),
        "date_implausible": _date_is_implausible(),
        "edited_software": pl.col("software").str.contains(EDITORS),
        "readers_disagree": pl.col("readers_disagree").list.len() > 0,
    }


def _date_is_implausible() -> pl.Expr:
    """Say whether DateTimeOriginal is no date, too early, after the crawl or after DateTime."""
    raw = pl.col("taken_at_raw").str.strip_chars(" \x00")
    taken, modified = _date("taken_at_raw"), _date("modified_at_raw")
    is_unset_clock = raw.str.slice(0, 16).is_in(_UNSET_CLOCKS)
    ahead = pl.duration(seconds=MAX_AHEAD_S)
    is_wrong = pl.any_horizontal(
        taken.is_null(),
        taken.dt.year() < FIRST_YEAR,
        (taken > pl.col("fetched_at").cast(pl.Datetime("us")) + ahead).fill_null(value=False),
        (taken > modified + ahead).fill_null(value=False),
    )
    return (raw.str.len_chars() > 0) & is_wrong & ~is_unset_clock


def _date(name: str) -> pl.Expr:
    text = pl.col(name).str.strip_chars(" \x00").str.slice(0, 19).str.replace_all("[-/.]", ":")
    return text.str.to_datetime("%Y:%m:%d %H:%M:%S", strict=False, time_unit="us")


def judge(
    records: pl.DataFrame, thumbnail_correlation: float = THUMBNAIL_CORRELATION
) -> pl.DataFrame:
    """Add to each EXIF record its void reasons, flags and usable settings.

    New columns: `record_void` (reason or null), `<setting>_void` (reason or null), `flags` (list), `<setting>_valid`
    (number or null). A null setting without raw text has neither reason nor value.

    >>> import catalog
    >>> from curation.exif_rules import judge
    >>> found = catalog.rows("exif", [{"asset_sha256": "a", "iso": 0.0, "f_number": 2.8}])
    >>> judged = judge(pl.from_arrow(found).with_columns(fetched_at=None, thumbnail_correlation=None))
    >>> judged.select("iso_void", "iso_valid", "f_number_valid").rows()
    [('iso_not_positive', None, 2.8)]
    """
    judged = records.with_columns(
        _first_true(record_rules(thumbnail_correlation)).alias("record_void"),
        *(_first_true(void_rules(s)).alias(f"{s}_void") for s in SETTINGS),
        _all_true(flag_rules()).alias("flags"),
    )
    return judged.with_columns(_valid(setting) for setting in SETTINGS)


def _valid(setting: str) -> pl.Expr:
    is_usable = pl.col(f"{setting}_void").is_null() & pl.col("record_void").is_null()
    return pl.when(is_usable).then(number(setting)).alias(f"{setting}_valid")


def _first_true(rules: dict[str, pl.Expr]) -> pl.Expr:
    return pl.coalesce(pl.when(rule).then(pl.lit(name)) for name, rule in rules.items())


def _all_true(rules: dict[str, pl.Expr]) -> pl.Expr:
    names = [pl.when(rule).then(pl.lit(name)) for name, rule in rules.items()]
    return pl.concat_list(names).list.drop_nulls()
