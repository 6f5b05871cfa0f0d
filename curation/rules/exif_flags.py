"""Flag values of an EXIF record that are unusual but may be true, with the values as evidence.

A flag never voids a setting. Each is a polars expression over the columns of `rules.apply_rules`. Flags that compare
many records (copied EXIF blocks, values that no other picture of a model has) are in `cross_checks.py`.
"""

from functools import reduce
from typing import Final

import polars as pl

from curation.rules.bin_edges import SETTINGS
from curation.rules.numbers import (
    APEX_TOLERANCE_EV,
    apex,
    digital_zoom,
    exif_date,
    f_number_from_apex,
    finite,
    lens_range_mm,
    number,
)

# Ranges of ordinary cameras; a value outside is kept and flagged.
USUAL_RANGES: Final = {
    "f_number": (0.95, 45.0),
    "iso": (12.0, 409_600.0),  # telephones go down to ISO 12
    "exposure_time": (0.0, 300.0),
}
# Bv = Av + Tv - Sv (Exif 2.32, annex C). Makers add offsets of their own, flash and bias the rest.
BRIGHTNESS_TOLERANCE_EV: Final = 3.0
PHONE_BRIGHTNESS_EV: Final = (
    8.0  # telephones merge exposures; up to 6.7 EV in photographs that are sound
)
PHONES: Final = (
    r"(?i)^(apple|samsung|google|motorola|realme|xiaomi|redmi|poco|huawei|honor|oneplus|oppo|vivo|lge?|htc|nokia|"
    r"hmd|sony ericsson|itel|tecno|infinix|asus|zte|lenovo|meizu|nothing|blackberry|wiko|alcatel|tcl|micromax)\b"
)
BRIGHTNESS_VALUES: Final = (
    -12.0,
    16.0,
)  # starlight to the sun's disc; values outside are placeholders
LENS_FOCAL_TOLERANCE: Final = 0.05  # share: makers round, and internal zooms breathe
CROP_FACTORS: Final = (0.5, 16.0)  # large format to the smallest phone sensors
PHONE_ZOOM: Final = (
    10.0  # digital zoom raises FocalLengthIn35mmFilm; many telephones do not write its ratio
)
BIAS_EV: Final = 16.0  # cameras offer up to 6
# Bytes that are no text were read as Latin-1: control characters, or few of the signs that names have.
_NOT_TEXT: Final = r"[\x00-\x08\x0e-\x1f\x7f-\x9f\x{FFFD}]"
_NAME_SIGNS: Final = r"[\p{L}\p{N} .,_()/&+'-]"
_LONGEST_NAME: Final = 80
FIRST_YEAR: Final = 1990  # no digital camera with EXIF is older
MAX_AHEAD_S: Final = (
    86_400  # clocks may be a time zone ahead, of ours and of the editing computer's
)
EDITORS: Final = (
    r"(?i)photoshop|lightroom|gimp|snapseed|affinity|luminar|capture one|darktable|rawtherapee|"
    r"picasa|pixelmator|paint\.net|paintshop|vsco|dxo|aperture \d|aviary|photoscape|imagemagick"
)
_UNSET_CLOCKS = ("1970:01:01 00:00", "1980:01:01 00:00", "2000:01:01 00:00")

_DATES = ("taken_at_raw", "modified_at_raw")
EVIDENCE: Final[dict[str, tuple[str, ...]]] = {
    **{f"{setting}_unusual": (setting, f"{setting}_raw") for setting in SETTINGS},
    "brightness_contradicts": ("brightness_value", *SETTINGS, "exposure_bias"),
    "focal_length_implausible": ("focal_mm", "focal_35mm"),
    "focal_length_outside_lens": ("focal_mm", "lens"),
    "max_aperture_contradicts": ("f_number", "aperture_value", "max_aperture_value"),
    "f_number_from_apex": ("aperture_value",),
    "exposure_bias_implausible": ("exposure_bias",),
    "camera_name_garbled": ("make", "model", "lens"),
    "gps_implausible": ("error",),
    "maker_note_garbled": ("error",),
    "orientation_invalid": ("orientation",),
    "was_resized": ("exif_width", "exif_height", "stored_width", "stored_height"),
    "clock_unset": _DATES,
    "date_implausible": _DATES,
    "edited_software": ("software",),
    "readers_disagree": ("readers_disagree",),
    "exif_structure_damaged": ("error",),
    "exif_duplicated": ("exif_blocks",),
}
"""Flag -> the columns that raise it; their values are its evidence."""


def flag_rules() -> dict[str, pl.Expr]:
    """Map each flag to the expression that is true where it applies."""
    return {
        **_unusual_settings(),
        "brightness_contradicts": _brightness_contradicts(),
        **_focal_rules(),
        "max_aperture_contradicts": _max_aperture_contradicts(),
        "f_number_from_apex": f_number_from_apex().is_not_null(),
        "exposure_bias_implausible": pl.col("exposure_bias").cast(pl.Float64).abs() > BIAS_EV,
        "camera_name_garbled": pl.any_horizontal(map(_is_garbled, ("make", "model", "lens"))),
        "gps_implausible": pl.col("error").str.contains("GPS position"),
        "maker_note_garbled": pl.col("error").str.contains("MakerNote is noise"),
        "orientation_invalid": ~pl.col("orientation").is_between(1, 8),
        "was_resized": _was_resized(),
        "clock_unset": pl.col("taken_at_raw").str.slice(0, 16).is_in(_UNSET_CLOCKS),
        "date_implausible": _date_is_implausible(),
        "edited_software": pl.col("software").str.contains(EDITORS),
        "readers_disagree": pl.col("readers_disagree").list.len() > 0,
        "exif_structure_damaged": pl.col("status") == "partial",
        "exif_duplicated": pl.col("exif_blocks") > 1,
    }


def _unusual_settings() -> dict[str, pl.Expr]:
    """Flag settings that are possible but rare; impossible settings are voided."""
    return {
        f"{setting}_unusual": pl.col(f"{setting}_void").is_null()
        & ~number(setting).is_between(*USUAL_RANGES[setting])
        for setting in SETTINGS
    }


def _brightness_contradicts() -> pl.Expr:
    """Compare BrightnessValue with the exposure of the settings; null when a part is missing."""
    n, iso, t = (number(setting) for setting in SETTINGS)
    are_sound = reduce(
        lambda a, b: a & b, ((value > 0) & value.is_finite() for value in (n, iso, t))
    )
    expected = 2 * n.log(2.0) - t.log(2.0) - (iso / 3.125).log(2.0)
    recorded = apex("brightness_value", BRIGHTNESS_VALUES)
    difference = (expected - recorded).abs()
    biased = (expected + finite("exposure_bias").fill_null(0) - recorded).abs()
    allowed = pl.when(_is_phone()).then(PHONE_BRIGHTNESS_EV).otherwise(BRIGHTNESS_TOLERANCE_EV)
    return are_sound & (pl.min_horizontal(difference, biased) > allowed)


def _is_phone() -> pl.Expr:
    return pl.col("make").str.contains(PHONES).fill_null(value=False)


def _is_garbled(name: str) -> pl.Expr:
    """Say whether a name holds what is not text, or is longer than any name."""
    text = pl.col(name)
    signs = text.str.count_matches(_NAME_SIGNS)
    is_odd = text.str.contains(_NOT_TEXT) | (signs < 0.75 * text.str.len_chars())
    return (is_odd | (text.str.len_chars() > _LONGEST_NAME)).fill_null(value=False)


def _focal_rules() -> dict[str, pl.Expr]:
    focal, equivalent = finite("focal_mm"), finite("focal_35mm")
    shortest, longest = lens_range_mm()
    is_short = focal < shortest * (1 - LENS_FOCAL_TOLERANCE)
    is_long = focal > longest * (1 + LENS_FOCAL_TOLERANCE)
    has_both = (focal > 0) & (equivalent > 0)
    low, high = CROP_FACTORS
    highest = high * pl.when(_is_phone()).then(PHONE_ZOOM).otherwise(1.0) * digital_zoom()
    return {
        "focal_length_implausible": has_both & ~(equivalent / focal).is_between(low, highest),
        "focal_length_outside_lens": (focal > 0) & (is_short | is_long),
    }


def _max_aperture_contradicts() -> pl.Expr:
    """Flag an f-number wider than MaxApertureValue allows while ApertureValue agrees with it."""
    av = 2 * number("f_number").log(2.0)
    agrees = (av - apex("aperture_value", (-1.1, 12.1))).abs() <= APEX_TOLERANCE_EV
    return agrees & (av < finite("max_aperture_value") - APEX_TOLERANCE_EV)


def _was_resized() -> pl.Expr:
    """Compare the size in EXIF with the stored size, in either orientation."""
    width, height = pl.col("exif_width"), pl.col("exif_height")
    stored_width, stored_height = pl.col("stored_width"), pl.col("stored_height")
    same = (width == stored_width) & (height == stored_height)
    turned = (width == stored_height) & (height == stored_width)
    return (width > 0) & (height > 0) & ~(same | turned)


def _date_is_implausible() -> pl.Expr:
    """Flag a DateTimeOriginal that is not a date, too early, after the crawl or after DateTime."""
    raw = pl.col("taken_at_raw").str.strip_chars(" \x00")
    taken, modified = (exif_date(name) for name in _DATES)
    is_unset_clock = raw.str.slice(0, 16).is_in(_UNSET_CLOCKS)
    ahead = pl.duration(seconds=MAX_AHEAD_S)
    is_wrong = pl.any_horizontal(
        taken.is_null(),
        taken.dt.year() < FIRST_YEAR,
        (taken > pl.col("fetched_at").cast(pl.Datetime("us")) + ahead).fill_null(value=False),
        (taken > modified + ahead).fill_null(value=False),
    )
    return (raw.str.len_chars() > 0) & is_wrong & ~is_unset_clock
