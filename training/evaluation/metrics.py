"""Metrics as sums over rows, so that a group bootstrap is one matrix product.

Each metric has two functions: `*_sums` turns rows into columns that are additive, and a function of
those sums, shape (B, columns), returns the metric of each of B resamples, shape (B,).
Classes are 0 to C - 1; `decision` (N, C) is one-hot, or class shares for a random predictor.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from training.data.arrays import Floats, Ints

BINS = 15  # equal bins of confidence for the expected calibration error


def confusion_sums(target: Ints, decision: Floats) -> Floats:
    """Spread each row over the cells of target x decision; shape (N, C * C)."""
    n, classes = decision.shape
    return (np.eye(classes)[target][:, :, None] * decision[:, None, :]).reshape(n, classes**2)


def accuracy(sums: Floats) -> Floats:
    """Return the share of right decisions."""
    return np.asarray(_diagonal(sums).sum(1) / sums.sum(1))


def balanced_accuracy(sums: Floats) -> Floats:
    """Return the mean recall over the classes that occur (as scikit-learn does)."""
    rows = _tables(sums).sum(2)
    return _mean_where(_diagonal(sums), rows, rows > 0)


def macro_f1(sums: Floats) -> Floats:
    """Return the mean F1 over the classes that occur or are predicted."""
    table = _tables(sums)
    both = table.sum(1) + table.sum(2)
    return _mean_where(2 * _diagonal(sums), both, both > 0)


def where_every_class_occurs(sums: Floats, whole: Floats) -> NDArray[np.bool_]:
    """Return which resamples (B, C * C) contain every class that occurs in `whole` (C * C,).

    Without one class, a mean over classes is another quantity, often a much higher one.
    """
    occurs = _tables(sums).sum(2) > 0
    return np.asarray((occurs >= (_tables(whole)[0].sum(1) > 0)).all(1))


def _diagonal(sums: Floats) -> Floats:
    return np.asarray(_tables(sums).diagonal(axis1=1, axis2=2))


def _tables(sums: Floats) -> Floats:
    """Turn confusion sums (..., C * C) into tables (B, C, C)."""
    classes = math.isqrt(sums.shape[-1])
    return sums.reshape(-1, classes, classes)


def _mean_where(part: Floats, whole: Floats, counts: NDArray[np.bool_]) -> Floats:
    ratios = np.divide(part, whole, out=np.zeros_like(part), where=counts)
    return np.asarray(ratios.sum(1) / np.maximum(counts.sum(1), 1))


def nll_sums(target: Ints, probabilities: Floats) -> Floats:
    """Put negative log-likelihood and count of each row side by side; shape (N, 2)."""
    loss = negative_log_likelihood(target, probabilities)
    return np.stack([loss, np.ones_like(loss)], axis=1)


def negative_log_likelihood(target: Ints, probabilities: Floats) -> Floats:
    """Return -log p of the true class of each row, in nats; p is floored at 1e-6."""
    return -np.log(np.maximum(probabilities[np.arange(len(target)), target], 1e-6))


def mean(sums: Floats) -> Floats:
    """Return the mean of the sums of `nll_sums`."""
    return np.asarray(sums[:, 0] / np.maximum(sums[:, 1], 1e-12))


def calibration_sums(target: Ints, probabilities: Floats) -> Floats:
    """Put confidence minus correctness into 15 bins, followed by the counts of the bins; shape (N, 30)."""
    confidence = probabilities.max(1)
    right = probabilities.argmax(1) == target
    place = np.minimum((confidence * BINS).astype(int), BINS - 1)
    cells = np.eye(BINS)[place]
    return np.concatenate([cells * (confidence - right)[:, None], cells], axis=1)


def calibration_error(sums: Floats) -> Floats:
    """Return the expected calibration error: mean absolute gap per bin, weighted by count."""
    return np.asarray(np.abs(sums[:, :BINS]).sum(1) / sums[:, BINS:].sum(1))


def rank_sums(said: Floats, truth: Floats) -> Floats:
    """Return the columns from which `correlation` gives Spearman's rank correlation of two (N,); shape (N, 6)."""
    return np.stack(moments(rankdata(said), rankdata(truth)), axis=1)


def standardised(values: Floats) -> tuple[Floats, float]:
    """Return values around 0 in standard deviations, and the standard deviation: squares then keep their digits."""
    unit = float(values.std()) or 1.0
    return (values - values.mean()) / unit, unit


def moments(one: Floats, other: Floats) -> list[Floats]:
    """Return x, y, xy, xx, yy and ones of two (N,), standardised."""
    one, other = standardised(one)[0], standardised(other)[0]
    return [one, other, one * other, one**2, other**2, np.ones(len(one))]


def correlation(sums: Floats) -> Floats:
    """Return the correlation from sums of `moments`, (B, 6); NaN where one of both is constant."""
    n = np.maximum(sums[:, 5], 1e-12)
    both = sums[:, 2] - sums[:, 0] * sums[:, 1] / n
    spread = (sums[:, 3] - sums[:, 0] ** 2 / n) * (sums[:, 4] - sums[:, 1] ** 2 / n)
    return ratio(both, np.sqrt(np.maximum(spread, 0.0)))


def ratio(part: Floats, whole: Floats) -> Floats:
    """Return part / whole, NaN where the whole is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(whole > 1e-9, part / whole, np.nan))
