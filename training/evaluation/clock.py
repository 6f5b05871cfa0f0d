"""The clock: a baseline that knows nothing but when a picture was collected, as the name of its file says.

A collection that was gathered class by class gives its labels away by time. A picture is predicted from the labels of
the ten training pictures that are nearest in time.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from catalog import KNOWN_SHARE
from training.data.arrays import MISSING, Floats, Ints

By = dict[str, dict[str, Floats]]
NEAREST = 10
FLOOR = 1e-3  # added to each share, as for the other baselines
OTHERS = ("validation", "test")
STAMP = re.compile(r"(?<!\d)((?:19|20)\d{6})[-_T]?(\d{6})\d{0,6}(?!\d)")


def seconds_in_name(name: str | None) -> float:
    """Read the time in the name of a file, in seconds; NaN without one.

    >>> seconds_in_name("26_1_3_20170117174136694.jpg") - seconds_in_name("day/IMG_20170117_174100.jpg")
    36.0
    >>> seconds_in_name("20179917174136.jpg"), seconds_in_name(None)
    (nan, nan)
    """
    found = STAMP.search((name or "").rpartition("/")[2])
    if not found:
        return float("nan")
    try:
        when = datetime.strptime("".join(found.groups()), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return float("nan")
    return when.timestamp()


def clock_times(indexes: Mapping[str, pl.DataFrame]) -> dict[str, Floats]:
    """Return the time of each row by part of the data, (N,); nothing where names state it for fewer than 95 %."""
    times = {}
    for part, index in indexes.items():
        if "source_photo_id" not in index.columns or index.is_empty():
            return {}
        names = index["source_photo_id"].cast(pl.String).to_list()
        times[part] = np.array([seconds_in_name(name) for name in names])
        if np.isfinite(times[part]).mean() < KNOWN_SHARE:
            return {}
    return times


def classes_by_clock(times: Mapping[str, Floats], target: Ints, classes: int) -> By:
    """Return natural log-probabilities (N, C) of `clock` for validation and test; nothing without times or labels."""
    teaches = _teaching(times, target != MISSING)
    if not teaches.any():
        return {}
    trained_at, each = times["train"][teaches], np.eye(classes)[target[teaches]]
    shares = {part: _means(trained_at, each, times[part]) + FLOOR for part in OTHERS}
    return {
        "clock": {part: np.log(own / own.sum(1, keepdims=True)) for part, own in shares.items()}
    }


def values_by_clock(times: Mapping[str, Floats], target: Floats) -> By:
    """Return values (N,) of `clock` for validation and test; nothing without times or labels."""
    teaches = _teaching(times, ~np.isnan(target))
    if not teaches.any():
        return {}
    trained_at, each = times["train"][teaches], target[teaches]
    return {"clock": {part: _medians(trained_at, each, times[part]) for part in OTHERS}}


def _teaching(times: Mapping[str, Floats], labelled: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which training rows have a time and a label, (N,)."""
    return np.isfinite(times["train"]) & labelled if times else np.zeros(1, bool)


def _nearest(trained_at: Floats, asked_at: Floats) -> Ints:
    """Return the training pictures that are nearest in time, (N, K); rows without a time ask for the middle one."""
    search = NearestNeighbors(n_neighbors=min(NEAREST, len(trained_at))).fit(trained_at[:, None])
    asked = np.nan_to_num(asked_at, nan=float(np.median(trained_at)))
    return np.asarray(search.kneighbors(asked[:, None], return_distance=False), np.int64)


def _medians(trained_at: Floats, target: Floats, asked_at: Floats) -> Floats:
    medians = np.median(target[_nearest(trained_at, asked_at)], axis=1)
    return np.asarray(np.where(np.isfinite(asked_at), medians, np.median(target)))


def _means(trained_at: Floats, shares: Floats, asked_at: Floats) -> Floats:
    means = shares[_nearest(trained_at, asked_at)].mean(1)
    return np.asarray(np.where(np.isfinite(asked_at)[:, None], means, shares.mean(0)))
