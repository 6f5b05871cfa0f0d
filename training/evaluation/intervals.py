"""Confidence intervals from a bootstrap over groups.

Pictures of one photographer or one camera are similar, so resampling single pictures would give
intervals that are too narrow. Whole groups are resampled instead.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog import FEW_GROUPS

Floats = NDArray[np.float64]

FOLDS = 1000
LEVEL = (2.5, 97.5)  # 95 %
CHUNK = 100  # resamples drawn at a time: 100 x groups x 8 bytes of memory


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % interval; `low` and `high` are None with fewer than two groups."""

    value: float
    low: float | None
    high: float | None
    n: int
    n_groups: int


def with_interval(figure: Mapping[str, Any], *, digits: int = 3, sign: str = "") -> str:
    """Format a figure (`value`, `low`, `high`, `n_groups`) with its 95 % interval.

    With fewer than `FEW_GROUPS` groups the interval is left out, because it depends too much on the choice of groups.

    >>> with_interval({"value": 0.5, "low": 0.4, "high": 0.6, "n_groups": 12}, digits=2)
    '0.50 [0.40, 0.60]'
    >>> with_interval({"value": 0.5, "low": 0.4, "high": 0.6, "n_groups": 2}, sign="+")
    '+0.500'
    """
    value, low, high = (
        None if figure[name] is None else f"{figure[name]:{sign}.{digits}f}"
        for name in ("value", "low", "high")
    )
    has_few_groups = figure["n_groups"] < FEW_GROUPS
    return str(value) if has_few_groups or low is None else f"{value} [{low}, {high}]"


def group_bootstrap(
    sums: Floats,
    groups: NDArray[np.int64],
    figure: Callable[[Floats], Floats],
    *,
    folds: int = FOLDS,
    seed: int = 0,
    level: tuple[float, float] = LEVEL,
) -> Interval:
    """Resample whole groups and return the figure of all rows with its interval.

    `sums` (N, columns) are additive over rows; `figure` maps (B, columns) to (B,). The resamples depend
    on the number of groups and the seed only, so two predictors on the same rows are paired.
    A resample for which `figure` is NaN is ignored. `level` has the two percentiles of the interval.
    """
    _, codes = np.unique(groups, return_inverse=True)
    count = int(codes.max()) + 1 if len(codes) else 0
    if count == 0:
        return Interval(float("nan"), None, None, 0, 0)
    per_group = np.zeros((count, sums.shape[1]))
    np.add.at(per_group, codes, sums)
    value = float(figure(per_group.sum(0, keepdims=True))[0])
    if count < 2:
        return Interval(value, None, None, len(codes), count)
    rng = np.random.default_rng(seed)
    draws = [_resample(rng, per_group, figure, size) for size in _chunks(folds)]
    figures = np.concatenate(draws)
    figures = figures[~np.isnan(figures)]
    if not len(figures):
        return Interval(value, None, None, len(codes), count)
    low, high = np.percentile(figures, level)
    return Interval(value, float(low), float(high), len(codes), count)


def _chunks(folds: int) -> list[int]:
    return [min(CHUNK, folds - start) for start in range(0, folds, CHUNK)]


def _resample(
    rng: np.random.Generator, per_group: Floats, figure: Callable[[Floats], Floats], size: int
) -> Floats:
    count = len(per_group)
    times = rng.multinomial(count, np.full(count, 1 / count), size=size)
    return figure(times @ per_group)
