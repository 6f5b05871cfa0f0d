"""Compare the saved scores of a model with its best baseline and give a verdict.

A model is "better" only if the 95 % interval of its lead over the best baseline, paired on the same resampled groups,
is above 0. Without a saved lead, the two intervals must not overlap. With fewer than ten groups the verdict is "too few
groups to tell". In all other cases the verdict is "not distinguishable", whatever the two values are.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from catalog import FEW_GROUPS, TOO_FEW

MIN_SLICE = 20  # photos; a smaller slice is hidden

BASELINES = {
    "majority": "majority class",
    "prior": "training prior",
    "metadata": "metadata only",
    "tiny_features": "simple features",
}
VIEWS = {
    "scene_only": "32-px scene only",
    "thumbnail_only": "thumbnail only",
    "patches_only": "native patches only",
}
PREDICTORS = {"model": "full model", **VIEWS, **dict(reversed(BASELINES.items()))}

BETTER, LEVEL, WORSE = "better", "not distinguishable", "worse"  # or TOO_FEW


@dataclass(frozen=True)
class Score:
    """A metric with its 95 % interval and the number of its pictures and groups."""

    value: float
    low: float | None
    high: float | None
    n: int
    n_groups: int

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return f"{self.value:.2f}"
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"

    @property
    def signed(self) -> str:
        """The value and its interval with signs, for a difference.

        >>> Score(0.05, -0.01, 0.11, 9, 3).signed
        '+0.05 [-0.01, +0.11]'
        """
        if self.low is None or self.high is None:
            return f"{self.value:+.2f}"
        return f"{self.value:+.2f} [{self.low:+.2f}, {self.high:+.2f}]"

    @property
    def lower(self) -> float:
        """The lower end of the interval; without an interval the value."""
        return self.value if self.low is None else self.low

    @property
    def upper(self) -> float:
        """The upper end of the interval; without an interval the value."""
        return self.value if self.high is None else self.high


@dataclass(frozen=True)
class Finding:
    """The score of one head under one split policy beside its best baseline; `lead` is the paired difference."""

    task: str
    policy: str
    model: Score
    baseline_name: str
    baseline: Score
    lead: Score | None

    @property
    def verdict(self) -> str:
        """The verdict on the model's lead over the best baseline."""
        return compare(self.model, self.baseline, self.lead)


def predictor_name(predictor: str) -> str:
    """Return the display name of a predictor; an unknown predictor keeps its own name."""
    return PREDICTORS.get(predictor, predictor.replace("_", " "))


def compare(one: Score, other: Score, lead: Score | None = None) -> str:
    """Return whether `one` is better than, worse than or not distinguishable from `other`.

    With fewer than ten groups in `one`, or in `other` unless it is a constant, the verdict is `TOO_FEW`.

    >>> compare(Score(0.5, 0.45, 0.55, 90, 30), Score(0.4, 0.38, 0.44, 90, 30))
    'better'
    >>> compare(Score(0.5, 0.45, 0.55, 90, 2), Score(0.4, 0.38, 0.44, 90, 2))
    'too few groups to tell'
    """
    if lead is not None:
        one, other = lead, Score(0.0, 0.0, 0.0, lead.n, lead.n_groups)
    if one.n_groups < FEW_GROUPS or (other.n and other.n_groups < FEW_GROUPS):
        return TOO_FEW
    if one.low is None or one.high is None:
        return LEVEL
    if one.low > other.upper:
        return BETTER
    return WORSE if one.high < other.lower else LEVEL


def scores(
    metrics: pl.DataFrame, policy: str, task: str, metric: str = "balanced_accuracy"
) -> dict[str, Score]:
    """Return the scores on all test pictures by predictor, in the order of `PREDICTORS`."""
    rows = metrics.filter(
        (pl.col("split") == f"{policy}:test")
        & (pl.col("task") == task)
        & (pl.col("metric") == metric)
        & (pl.col("slice") == "all")
        & pl.col("value").is_not_nan()
    )
    by_predictor = {row["predictor"]: as_score(row) for row in rows.iter_rows(named=True)}
    return {name: by_predictor[name] for name in sorted(by_predictor, key=_place)}


def _place(predictor: str) -> tuple[int, str]:
    order = list(PREDICTORS)
    return (
        order.index(predictor) if predictor in order else len(order) - len(BASELINES)
    ), predictor


def as_score(row: dict[str, object]) -> Score:
    """Read a row of the `metrics` table; with fewer than `FEW_GROUPS` groups its interval is left out."""
    value, low, high = (row[name] for name in ("value", "low", "high"))
    assert isinstance(value, float), "the metrics table holds floats"
    n_groups = int(str(row["n_groups"] or 0))
    if not isinstance(low, float) or not isinstance(high, float) or n_groups < FEW_GROUPS:
        low = high = None
    return Score(value, low, high, int(str(row["n"] or 0)), n_groups)


def baseline_names(names: Iterable[str]) -> list[str]:
    """Select the predictors that a model has to beat: all but the model and its single views."""
    return [name for name in names if name != "model" and name not in VIEWS]


def best_baseline_finding(metrics: pl.DataFrame, policy: str, task: str) -> Finding | None:
    """Compare one head with its best baseline; None when the model or every baseline is missing."""
    by_predictor = scores(metrics, policy, task)
    baselines = baseline_names(by_predictor)
    if "model" not in by_predictor or not baselines:
        return None
    best = max(baselines, key=lambda name: by_predictor[name].value)
    return Finding(
        task,
        policy,
        by_predictor["model"],
        best,
        by_predictor[best],
        paired_lead(metrics, policy, task, best),
    )


def paired_lead(metrics: pl.DataFrame, policy: str, task: str, other: str) -> Score | None:
    """Return the model's balanced accuracy minus that of another predictor, paired; None if not saved."""
    return scores(metrics, policy, task, f"balanced_accuracy_minus_{other}").get("model")


def chance(predictions: pl.DataFrame, task: str) -> float:
    """Return the balanced accuracy of random guessing: 1 / number of classes that occur, 1/3 with all three.

    >>> chance(pl.DataFrame({"task": ["iso"] * 3, "target": [0, 2, None]}), "iso")
    0.5
    """
    labelled = predictions.filter((pl.col("task") == task) & pl.col("target").is_not_null())
    return 1 / max(labelled["target"].n_unique(), 1)


def beats_chance(
    metrics: pl.DataFrame, policy: str, task: str, predictor: str, level: float
) -> bool:
    """Return whether a predictor is significantly better than random guessing, whose accuracy is `level`."""
    return against_chance(metrics, policy, task, predictor, level) == BETTER


def against_chance(
    metrics: pl.DataFrame, policy: str, task: str, predictor: str, level: float
) -> str:
    """Compare a predictor with random guessing, whose accuracy is `level`.

    Where the majority baseline was saved, the comparison is paired with it, because random guessing is more accurate
    in a resample that lacks a class.
    """
    by_predictor = scores(metrics, policy, task)
    blind = by_predictor.get("majority")
    if blind is None or blind.value < level - 1e-9:  # its class does not occur among these pictures
        return compare(by_predictor[predictor], Score(level, level, level, 0, 0))
    paired = paired_lead(metrics, policy, task, "majority") if predictor == "model" else None
    return compare(by_predictor[predictor], blind, paired)


def shown_slices(metrics: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Return the model's slices with at least MIN_SLICE photos, and the number of smaller ones."""
    rows = metrics.filter(
        (pl.col("predictor") == "model")
        & (pl.col("slice") != "all")
        & (pl.col("metric") == "balanced_accuracy")
        & pl.col("split").str.ends_with(":test")
    )
    large = rows.filter((pl.col("n") >= MIN_SLICE) & pl.col("value").is_not_nan())
    return large.sort("slice", "task"), rows.height - large.height
