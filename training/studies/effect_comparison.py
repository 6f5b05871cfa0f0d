"""Turn the confusion tables of all ablations into effects: what each rule group adds to balanced accuracy."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from catalog import FEW_GROUPS
from curation import SETTINGS
from training.data.arrays import MISSING, Floats, Ints
from training.evaluation import metrics
from training.evaluation.intervals import Interval, group_bootstrap
from training.studies.ablations import ALL_RULES

CELLS = 9  # of one confusion table


@dataclass(frozen=True)
class Effect:
    """One row of the table: balanced accuracy without a rule group, and what the rule group adds to it.

    `setting` is one of the three settings, or `mean`. `effect` is the figure with all rules minus the figure without
    the group, paired on the same resampled groups. It is None for the model with all rules.
    """

    left_out: str
    setting: str
    n_train: int
    score: Interval
    effect: Interval | None


def compare(
    sums: dict[str, Floats], sizes: dict[str, int], coarse: Ints, groups: NDArray[np.int64]
) -> list[Effect]:
    """Turn confusion sums (pictures, heads x 9) of each ablation into effects with 95 % group intervals.

    `sums` must contain `nothing`. All sums are of the same pictures, so differences are paired. With fewer than
    `FEW_GROUPS` groups the intervals are None.
    """
    whole = sums[ALL_RULES]
    effects = []
    for left_out, own in sums.items():
        for setting, heads in (
            *((s, (i,)) for i, s in enumerate(SETTINGS)),
            ("mean", range(len(SETTINGS))),
        ):
            columns = np.array([CELLS * head + cell for head in heads for cell in range(CELLS)])
            labelled = np.flatnonzero((coarse[:, list(heads)] != MISSING).any(axis=1))
            if not len(labelled):
                continue
            ours, theirs = whole[np.ix_(labelled, columns)], own[np.ix_(labelled, columns)]
            score = _bootstrapped(theirs, groups[labelled], _BalancedAccuracy(theirs))
            both = np.concatenate([ours, theirs], axis=1)
            effect = None
            if left_out != ALL_RULES:
                effect = _bootstrapped(both, groups[labelled], _BalancedAccuracy(ours))
            effects.append(Effect(left_out, setting, sizes[left_out], score, effect))
    return effects


def _bootstrapped(sums: Floats, groups: NDArray[np.int64], figure: "_BalancedAccuracy") -> Interval:
    interval = group_bootstrap(sums, groups, figure)
    return replace(interval, low=None, high=None) if interval.n_groups < FEW_GROUPS else interval


class _BalancedAccuracy:
    """Mean balanced accuracy of some heads; with twice the columns, that of the first half minus the second.

    The figure is NaN for a resample that lacks a class.
    """

    def __init__(self, first: Floats) -> None:
        self._width = first.shape[1]
        self._whole = first.sum(0)

    def __call__(self, sums: Floats) -> Floats:
        value = self._mean(sums[:, : self._width])
        if sums.shape[1] > self._width:
            value = value - self._mean(sums[:, self._width :])
        return value

    def _mean(self, sums: Floats) -> Floats:
        heads = range(0, self._width, CELLS)
        figures = []
        for start in heads:
            part, whole = sums[:, start : start + CELLS], self._whole[start : start + CELLS]
            usable = metrics.where_every_class_occurs(part, whole)
            figures.append(np.where(usable, metrics.balanced_accuracy(part), np.nan))
        return np.asarray(np.mean(figures, axis=0))


def table(effects: Sequence[Effect]) -> pl.DataFrame:
    """Return effects as a table: left_out, setting, n_train, score and effect with low and high, n, n_groups."""
    rows = [
        {
            "left_out": each.left_out,
            "setting": each.setting,
            "n_train": each.n_train,
            "balanced_accuracy": each.score.value,
            "low": each.score.low,
            "high": each.score.high,
            "effect": each.effect.value if each.effect else None,
            "effect_low": each.effect.low if each.effect else None,
            "effect_high": each.effect.high if each.effect else None,
            "n": each.score.n,
            "n_groups": each.score.n_groups,
        }
        for each in effects
    ]
    return pl.DataFrame(rows, infer_schema_length=None)
