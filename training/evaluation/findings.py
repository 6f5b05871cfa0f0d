"""Turn saved figures into answers: each score with its interval, beside the best baseline.

Verdicts are careful: a model is called better only if the 95 % interval of its lead over the best
baseline, paired on the same resampled groups, lies above 0. Where no lead was saved, the two intervals
must not touch. With fewer than ten groups there is no verdict, only "too few groups to tell". Everything else is called
not distinguishable, whatever the middle says.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from catalog import FEW_GROUPS, TOO_FEW

MIN_SLICE = 20  # photos; a slice with fewer says nothing and is not shown

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
    """A figure with its 95 % interval and the pictures and groups it rests on."""

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
        """Write a difference with its signs.

        >>> Score(0.05, -0.01, 0.11, 9, 3).signed
        '+0.05 [-0.01, +0.11]'
        """
        if self.low is None or self.high is None:
            return f"{self.value:+.2f}"
        return f"{self.value:+.2f} [{self.low:+.2f}, {self.high:+.2f}]"

    @property
    def lower(self) -> float:
        """Give the lower end, or the value itself without an interval."""
        return self.value if self.low is None else self.low

    @property
    def upper(self) -> float:
        """Give the upper end, or the value itself without an interval."""
        return self.value if self.high is None else self.high


@dataclass(frozen=True)
class Finding:
    """What one head reached under one split policy, beside its best baseline; `lead` is paired."""

    task: str
    policy: str
    model: Score
    baseline_name: str
    baseline: Score
    lead: Score | None

    @property
    def verdict(self) -> str:
        """Judge the model's lead over the best baseline."""
        return compare(self.model, self.baseline, self.lead)


def predictor_name(predictor: str) -> str:
    """Name a predictor for people; an unknown one keeps its own name."""
    return PREDICTORS.get(predictor, predictor.replace("_", " "))


def compare(one: Score, other: Score, lead: Score | None = None) -> str:
    """Say whether `one` is better than, worse than or not distinguishable from `other`.

    With fewer than ten groups behind `one`, or behind `other` where it is a measured figure, there are too few to tell.

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
    """Collect the scores on all test pictures, by predictor, best known order first."""
    rows = metrics.filter(
        (pl.col("split") == f"{policy}:test")
        & (pl.col("task") == task)
        & (pl.col("metric") == metric)
        & (pl.col("slice") == "all")
        & pl.col("value").is_not_nan()
    )
    found = {row["predictor"]: as_score(row) for row in rows.iter_rows(named=True)}
    return {name: found[name] for name in sorted(found, key=_place)}


def _place(predictor: str) -> tuple[int, str]:
    known = list(PREDICTORS)
    return (
        known.index(predictor) if predictor in known else len(known) - len(BASELINES)
    ), predictor


def as_score(row: dict[str, object]) -> Score:
    """Read a row of the `metrics` table; over too few groups to tell its interval is left out."""
    value, low, high = (row[name] for name in ("value", "low", "high"))
    assert isinstance(value, float), "the metrics table holds floats"
    n_groups = int(str(row["n_groups"] or 0))
    if not isinstance(low, float) or not isinstance(high, float) or n_groups < FEW_GROUPS:
        low = high = None
    return Score(value, low, high, int(str(row["n"] or 0)), n_groups)


def baseline_names(found: Iterable[str]) -> list[str]:
    """Keep the predictors a model has to beat: neither the model nor its own partial views."""
    return [name for name in found if name != "model" and name not in VIEWS]


def find(metrics: pl.DataFrame, policy: str, task: str) -> Finding | None:
    """Judge one head; None when the model or every baseline is missing."""
    found = scores(metrics, policy, task)
    rivals = baseline_names(found)
    if "model" not in found or not rivals:
        return None
    best = max(rivals, key=lambda name: found[name].value)
    return Finding(
        task, policy, found["model"], best, found[best], lead(metrics, policy, task, best)
    )


def lead(metrics: pl.DataFrame, policy: str, task: str, other: str) -> Score | None:
    """Give the model's balanced accuracy minus that of another predictor, paired; None if not saved."""
    return scores(metrics, policy, task, f"balanced_accuracy_minus_{other}").get("model")


def chance(predictions: pl.DataFrame, task: str) -> float:
    """Give the balanced accuracy of blind guessing: 1 by the number of classes that occur, 1/3 with all.

    >>> chance(pl.DataFrame({"task": ["iso"] * 3, "target": [0, 2, None]}), "iso")
    0.5
    """
    known = predictions.filter((pl.col("task") == task) & pl.col("target").is_not_null())
    return 1 / max(known["target"].n_unique(), 1)


def beats_chance(
    metrics: pl.DataFrame, policy: str, task: str, predictor: str, level: float
) -> bool:
    """Tell whether a predictor is shown to do better than blind guessing at `level`."""
    return against_chance(metrics, policy, task, predictor, level) == BETTER


def against_chance(
    metrics: pl.DataFrame, policy: str, task: str, predictor: str, level: float
) -> str:
    """Compare a predictor with blind guessing at `level`.

    The constant predictor is the measure where it is known, because in a resample that misses a
    class guessing is easier for everybody.
    """
    found = scores(metrics, policy, task)
    blind = found.get("majority")
    if blind is None or blind.value < level - 1e-9:  # its class does not occur among these pictures
        return compare(found[predictor], Score(level, level, level, 0, 0))
    paired = lead(metrics, policy, task, "majority") if predictor == "model" else None
    return compare(found[predictor], blind, paired)


def shown_slices(metrics: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Give the model's slices with at least MIN_SLICE photos, and how many smaller ones exist."""
    rows = metrics.filter(
        (pl.col("predictor") == "model")
        & (pl.col("slice") != "all")
        & (pl.col("metric") == "balanced_accuracy")
        & pl.col("split").str.ends_with(":test")
    )
    large = rows.filter((pl.col("n") >= MIN_SLICE) & pl.col("value").is_not_nan())
    return large.sort("slice", "task"), rows.height - large.height
