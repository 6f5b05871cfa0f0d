"""Void settings that no camera could have written. Unusual but possible values are flagged in `flags.py`.

A *void* reason makes one setting of one EXIF record unusable (or all three); a *flag* only notes. Each rule is
a polars expression over the columns of the `exif` table and of `CONTEXT`. No rule raises on null, NaN or infinity,
and no rule drops a picture: a picture is dropped only when no setting is left.
"""

from functools import reduce
from typing import Final

import polars as pl

from curation.rules.bin_edges import SETTINGS
from curation.rules.exif_flags import flag_rules
from curation.rules.limits import THUMBNAIL_CORRELATION
from curation.rules.numbers import (
    APERTURE_VALUES,
    APEX_TOLERANCE_EV,
    APEX_TOLERANCE_LOOSE_EV,
    apex,
    f_number_from_apex,
    finite,
    number,
    tolerance,
)

CONTEXT: Final = {
    "fetched_at": pl.Datetime("us"),
    "thumbnail_correlation": pl.Float64(),
    "exif_blocks": pl.Int32(),
    "stored_width": pl.Int32(),
    "stored_height": pl.Int32(),
}
"""Columns of other tables that rules use; where they are missing, those rules do not apply."""

# Widest values on sale: f/0.7 (a Zeiss Planar) to f/64 (large format); 1/64000 s (electronic shutters) to an
# hour (astronomy); ISO 3 (copy film) to four million (Canon ME20). Closed on both ends.
HARD_RANGES: Final = {
    "f_number": (0.7, 64.0),
    "iso": (3.0, 4_100_000.0),
    "exposure_time": (1 / 64_001, 3600.0),
}
ISO_SATURATED: Final = (
    65_535.0  # largest value of the 16-bit tag: the true ISO is this or more (Exif 2.3)
)

# APEX (Exif 2.32, annex C): Av = 2 log2 N, Tv = -log2 t. Nominal stops are rounded by up to 1/6 EV, long
# exposures more: cameras write 30 s for 32 s, bulb times are rounded to a second.
LONG_EXPOSURE_S: Final = 1.0
# Possible Tv within the hard range; a value outside is not evidence about the setting.
SHUTTER_SPEED_VALUES: Final = (-11.9, 16.1)

# Two errors that cameras make in ShutterSpeedValue while ExposureTime is right: Tv without its sign (LG Nexus 5X writes
# -9.9 for 1/960 s), seconds in place of Tv (Samsung Galaxy A40 writes 0.02 for 1/50 s). For other makers they are
# accepted only where the alternative is implausible: an exposure of a minute or more, or a Tv near 0.
SIGNLESS_MAKERS: Final = r"(?i)^lge?\b"
SECONDS_MAKERS: Final = r"(?i)^samsung\b"
SIGNLESS_BELOW_S: Final = 1 / 62
SECONDS_BELOW_S: Final = 0.1

LOST_DIRECTORY: Final = "Exif directory"  # in `error`: the camera settings cannot be reached

LENS_TOLERANCE: Final = 0.1  # in f-numbers, against LensSpecification
LENS_TOLERANCE_EV: Final = 0.3  # against MaxApertureValue


def void_rules(setting: str) -> dict[str, pl.Expr]:
    """Map each void reason of one setting to the expression that is true where it applies, in order."""
    value = number(setting)
    low, high = HARD_RANGES[setting]
    rules = {
        f"{setting}_not_a_number": value.is_null() & (pl.col(f"{setting}_raw").str.len_chars() > 0),
        f"{setting}_not_finite": value.is_nan() | value.is_infinite(),
        f"{setting}_not_positive": value <= 0,
    }
    if setting == "iso":
        rules["iso_saturated"] = value == ISO_SATURATED
    if setting == "exposure_time":  # before the range: the inverse of 1/4000 s is 4000 s
        rules["exposure_time_contradicts_apex"] = _exposure_time_contradicts(value)
    rules[f"{setting}_out_of_range"] = ~value.is_between(low, high)
    if setting == "f_number":
        rules["f_number_contradicts_apex"] = _f_number_contradicts(value)
        rules["f_number_below_lens_minimum"] = _is_below_lens_minimum(value)
    return rules


def _f_number_contradicts(value: pl.Expr) -> pl.Expr:
    """Compare with ApertureValue; an f-number field that contains the Av itself is wrong even where both are close."""
    recorded = apex("aperture_value", APERTURE_VALUES)
    difference = (2 * value.log(2.0) - recorded).abs()
    holds_apex = ((value - recorded).abs() < 0.02) & (difference > 0.1) & (value >= 3)
    return holds_apex | (difference > tolerance(recorded))


def _exposure_time_contradicts(value: pl.Expr) -> pl.Expr:
    """Compare with ShutterSpeedValue, unless that has a known error: Tv without its sign, or seconds."""
    recorded = apex("shutter_speed_value", SHUTTER_SPEED_VALUES)
    is_short = value < LONG_EXPOSURE_S
    allowed = pl.when(is_short).then(tolerance(recorded)).otherwise(APEX_TOLERANCE_LOOSE_EV)
    is_known_error = is_short & (_lacks_sign(value, recorded) | _is_in_seconds(value, recorded))
    return ((value.log(2.0) + recorded).abs() > allowed) & ~is_known_error


def _lacks_sign(value: pl.Expr, recorded: pl.Expr) -> pl.Expr:
    is_known_maker = pl.col("make").str.contains(SIGNLESS_MAKERS).fill_null(value=False)
    is_equal = (value.log(2.0) - recorded).abs() < APEX_TOLERANCE_EV
    return is_equal & (is_known_maker | (value <= SIGNLESS_BELOW_S))


def _is_in_seconds(value: pl.Expr, recorded: pl.Expr) -> pl.Expr:
    is_known_maker = pl.col("make").str.contains(SECONDS_MAKERS).fill_null(value=False)
    return ((value - recorded).abs() < 0.01 * value) & (is_known_maker | (value <= SECONDS_BELOW_S))


def _is_below_lens_minimum(value: pl.Expr) -> pl.Expr:
    """Compare with LensSpecification, and with MaxApertureValue unless ApertureValue agrees with the f-number.

    HP PhotoSmart 618 writes 4 there for its f/2.7.
    """
    av = 2 * value.log(2.0)
    agrees = (av - apex("aperture_value", APERTURE_VALUES)).abs() <= APEX_TOLERANCE_EV
    by_lens = value < finite("lens_min_f_number") - LENS_TOLERANCE
    by_maximum = av < finite("max_aperture_value") - LENS_TOLERANCE_EV
    is_wider = by_maximum.fill_null(value=False) & ~agrees.fill_null(value=False)
    return by_lens.fill_null(value=False) | is_wider


def record_rules(thumbnail_correlation: float = THUMBNAIL_CORRELATION) -> dict[str, pl.Expr]:
    """Map each reason that voids all three settings of a record to its expression, in order."""
    has_setting = reduce(
        lambda a, b: a | b,
        (pl.col(f"{s}{end}").is_not_null() for s in SETTINGS for end in ("", "_raw")),
    )
    has_camera = pl.col("make").is_not_null() | pl.col("model").is_not_null()
    is_partial = (pl.col("status") == "partial") & ~has_setting & ~has_camera
    has_software = pl.col("software").is_not_null()
    is_lost = pl.col("error").str.contains(LOST_DIRECTORY).fill_null(value=False)
    return {
        "exif_unreadable": (pl.col("status") == "unreadable") | is_partial,
        "exif_pointer_broken": is_lost & ~has_setting,
        "exif_software_only": has_software & ~has_setting & ~has_camera,
        "thumbnail_mismatch": finite("thumbnail_correlation") < thumbnail_correlation,
    }


def apply_rules(
    records: pl.DataFrame, thumbnail_correlation: float = THUMBNAIL_CORRELATION
) -> pl.DataFrame:
    """Add to each EXIF record its void reasons, flags and usable settings.

    New columns: `record_void` (reason or null), `<setting>_void` (reason or null), `flags` (list), `<setting>_valid`
    (number or null). A null setting without raw text has neither reason nor value.

    >>> import catalog
    >>> from curation.rules.exif_rules import apply_rules
    >>> records = catalog.tables.rows("exif", [{"asset_sha256": "a", "iso": 0.0, "f_number": 2.8}])
    >>> checked = apply_rules(pl.from_arrow(records))
    >>> checked.select("iso_void", "iso_valid", "f_number_valid").rows()
    [('iso_not_positive', None, 2.8)]
    """
    missing = [name for name in CONTEXT if name not in records.columns]
    complete = records.with_columns(pl.lit(None, CONTEXT[name]).alias(name) for name in missing)
    with_voids = complete.with_columns(
        _first_true(record_rules(thumbnail_correlation)).alias("record_void"),
        *(_first_true(void_rules(s)).alias(f"{s}_void") for s in SETTINGS),
    )
    return with_voids.with_columns(
        _all_true(flag_rules()).alias("flags"), *(_valid(setting) for setting in SETTINGS)
    )


def _valid(setting: str) -> pl.Expr:
    is_usable = pl.col(f"{setting}_void").is_null() & pl.col("record_void").is_null()
    value = number(setting)
    if setting == "f_number":
        value = value.fill_null(f_number_from_apex())
    return pl.when(is_usable).then(value).alias(f"{setting}_valid")


def _first_true(rules: dict[str, pl.Expr]) -> pl.Expr:
    return pl.coalesce(pl.when(rule).then(pl.lit(name)) for name, rule in rules.items())


def _all_true(rules: dict[str, pl.Expr]) -> pl.Expr:
    names = [pl.when(rule).then(pl.lit(name)) for name, rule in rules.items()]
    return pl.concat_list(names).list.drop_nulls()
