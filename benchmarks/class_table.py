"""Rows of the tables of bench_digits and bench_sounds: an accuracy with its interval, and what it cost."""

from collections.abc import Callable
from dataclasses import dataclass
from time import process_time

import numpy as np
from numpy.typing import NDArray

from training.evaluation.intervals import group_bootstrap

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Answers:
    """The predicted class of each test file, (N,), and the CPU seconds of fitting and predicting."""

    predicted: Ints
    cpu_s: float


def timed(predict: Callable[[], Ints]) -> Answers:
    """Run what fits and predicts, and measure it."""
    started = process_time()
    predicted = predict()
    return Answers(predicted, process_time() - started)


def accuracy(predicted: Ints, truth: Ints) -> str:
    """Write the accuracy with its 95 % interval from a bootstrap over files."""
    return mean_share((predicted == truth).astype(float))


def mean_share(right: NDArray[np.float64]) -> str:
    """Write the mean of how right each file is, (N,), with its 95 % interval from a bootstrap over files."""
    sums = np.stack([right, np.ones(len(right))], 1)
    one = group_bootstrap(sums, np.arange(len(right)), lambda s: s[:, 0] / s[:, 1])
    return f"{one.value:.4f} [{one.low:.4f}, {one.high:.4f}]"
