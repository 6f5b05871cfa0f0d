"""Settings on stops and in three bins: the one place where photographs become classes.

A stop doubles or halves the light. f_number lies on 2 log2 N, iso on log2(ISO / 100), exposure_time on log2(t / 1 s),
so that a larger number is a larger value of the setting. Edges lie between third-stop nominal values, because cameras
write nominal values: rounding never puts a photograph on an edge. Bins are half-open, [low, high).
"""

import numpy as np
import numpy.typing as npt
import polars as pl

from curation.rules.bin_edges import BINS

Reals = npt.NDArray[np.float64]


def to_stops(setting: str, values: npt.ArrayLike) -> Reals:
    """Convert valid values (finite, above 0; exposure_time in s) to stops; anything else becomes NaN.

    >>> to_stops("iso", [100, 400, 0]).round(3).tolist()
    [0.0, 2.0, nan]
    """
    numbers = np.asarray(values, dtype=np.float64)
    is_valid = np.isfinite(numbers) & (numbers > 0)
    logs = np.log2(np.where(is_valid, numbers, 1.0))
    factor, offset = _SCALES[setting]
    return np.where(is_valid, factor * logs - offset, np.nan)


def to_bin(setting: str, stops: npt.ArrayLike) -> npt.NDArray[np.int32]:
    """Give 0 (low), 1 (medium) or 2 (high) for values on stops, and -1 for NaN.

    >>> to_bin("f_number", to_stops("f_number", [1.8, 4.0, 11.0, float("nan")])).tolist()
    [0, 1, 2, -1]
    """
    numbers = np.asarray(stops, dtype=np.float64)
    bins = np.searchsorted(np.asarray(BINS[setting]), numbers, side="right")
    return np.where(np.isnan(numbers), -1, bins).astype(np.int32)


def stops_of(setting: str) -> pl.Expr:
    """Express `to_stops` over the column of a setting; null and invalid values give null."""
    value = pl.col(setting)
    factor, offset = _SCALES[setting]
    is_valid = value.is_finite() & (value > 0)
    logs = pl.when(is_valid).then(value).log(2.0)
    return (factor * logs - offset).alias(f"{setting}_stops")


def bin_of(setting: str) -> pl.Expr:
    """Express `to_bin` over the column of a setting on stops; null stays null."""
    stops = pl.col(f"{setting}_stops")
    low, high = BINS[setting]
    number = (stops >= low).cast(pl.Int32) + (stops >= high).cast(pl.Int32)
    return number.alias(f"{setting}_bin")


_SCALES = {"f_number": (2.0, 0.0), "iso": (1.0, float(np.log2(100.0))), "exposure_time": (1.0, 0.0)}
