"""Compare the saved scores of a model with its best baseline and give a verdict.

A model is "better" only if the 95 % interval of its lead over the best baseline, paired on the same resampled groups,
is above 0 (below 0 for an error). Without a saved lead, the two intervals must not overlap. With fewer than ten groups
the verdict is "too few groups to tell". In all other cases the verdict is "not distinguishable", whatever the two
values are. A head without a baseline has no finding, and pages and tables show figures of findings only.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import polars as pl

from catalog import FEW_GROUPS, TOO_FEW
from training.evaluation.saved_head import (
    CLASS_FAMILY,
    RETRIEVAL_FAMILY,
    VALUE_FAMILY,
    SavedHead,
)

MIN_SLICE = 20  # photos; a smaller slice is hidden

BASELINES = {
    "majority": "majority class",
    "prior": "training prior",
    "median": "training median",
    "file": "size, JPEG quality and bytes of the stored file",
    "file_seen": "size and JPEG tables of what the model sees",
    "bytes_seen": "JPEG bytes (detail) of what the model sees",
    "metadata": "metadata only",
    "clock": "time in the file name only",
    "tiny_features": "simple features",
    "colours_only": "colours only",
    "exif_only": "camera and settings only",
    "software_only": "name of the program only",
    "trip_only": "trip and photographer only",
    "pdq": "PDQ",
    "efficientnet_lite0": "EfficientNet-Lite0",
}
SCENE = "scene_only"
VIEWS = {
    SCENE: "32-px scene only",
    "thumbnail_only": "thumbnail only",
    "patches_only": "native patches only",
}
PREDICTORS = {"model": "full model", **VIEWS, **dict(reversed(BASELINES.items()))}
OF_SOUNDS = {SCENE: "mean and spread of the bands only"}
CONSTANTS = {CLASS_FAMILY: "majority", VALUE_FAMILY: "median"}
"""The baseline of each family whose prediction does not depend on the picture."""

BETTER, LEVEL, WORSE = "better", "not distinguishable", "worse"  # or TOO_FEW
_OPPOSITE = {BETTER: WORSE, WORSE: BETTER}
_IN_UNITS = ("mae", "rmse", "median_absolute_error")


@dataclass(frozen=True)
class Score:
    """A metric with its 95 % interval and the number of its pictures and groups; texts have `digits` decimals."""

    value: float
    low: float | None
    high: float | None
    n: int
    n_groups: int
    digits: int = 2

    def __str__(self) -> str:
        return f"{self.text} {self.interval}".rstrip()

    @property
    def text(self) -> str:
        """The value alone."""
        return f"{self.value:,.{self.digits}f}"

    @property
    def interval(self) -> str:
        """The interval in brackets; empty without one."""
        if self.low is None or self.high is None:
            return ""
        return f"[{self.low:,.{self.digits}f}, {self.high:,.{self.digits}f}]"

    @property
    def signed(self) -> str:
        """The value and its interval with signs, for a difference.

        >>> Score(0.05, -0.01, 0.11, 9, 3).signed
        '+0.05 [-0.01, +0.11]'
        """
        form = f"+,.{self.digits}f"
        if self.low is None or self.high is None:
            return f"{self.value:{form}}"
        return f"{self.value:{form}} [{self.low:{form}}, {self.high:{form}}]"

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

    head: SavedHead
    policy: str
    model: Score
    baseline_name: str
    baseline: Score
    lead: Score | None

    @property
    def verdict(self) -> str:
        """The verdict on the model's lead over the best baseline."""
        higher = self.head.higher_is_better
        return compare(self.model, self.baseline, self.lead, higher_is_better=higher)


def predictor_name(predictor: str, subject: str = "photo") -> str:
    """Return the display name of a predictor of photos or sounds; an unknown predictor keeps its own name."""
    if subject == "sound" and predictor in OF_SOUNDS:
        return OF_SOUNDS[predictor]
    return PREDICTORS.get(predictor, predictor.replace("_", " "))


def compare(
    one: Score, other: Score, lead: Score | None = None, *, higher_is_better: bool = True
) -> str:
    """Return whether `one` is better than, worse than or not distinguishable from `other`.

    With fewer than ten groups in `one`, or in `other` unless it is a constant, the verdict is `TOO_FEW`.

    >>> compare(Score(0.5, 0.45, 0.55, 90, 30), Score(0.4, 0.38, 0.44, 90, 30))
    'better'
    >>> compare(Score(5.1, 4.5, 5.5, 90, 30), Score(4, 3.8, 4.4, 90, 30), higher_is_better=False)
    'worse'
    >>> compare(Score(0.5, 0.45, 0.55, 90, 2), Score(0.4, 0.38, 0.44, 90, 2))
    'too few groups to tell'
    """
    if lead is not None:
        one, other = lead, Score(0.0, 0.0, 0.0, lead.n, lead.n_groups)
    if one.n_groups < FEW_GROUPS or (other.n and other.n_groups < FEW_GROUPS):
        return TOO_FEW
    higher = _higher(one, other)
    return higher if higher_is_better else _OPPOSITE.get(higher, higher)


def _higher(one: Score, other: Score) -> str:
    """Compare two scores of which the higher one is better."""
    if one.low is None or one.high is None:
        return LEVEL
    if one.low > other.upper:
        return BETTER
    return WORSE if one.high < other.lower else LEVEL


def scores(
    metrics: pl.DataFrame, policy: str, head: SavedHead, metric: str = ""
) -> dict[str, Score]:
    """Return the scores on all test pictures by predictor, in the order of `PREDICTORS`.

    `metric` is the main metric of the head if it is empty.
    """
    metric = metric or head.metric
    rows = metrics.filter(
        (pl.col("split") == f"{policy}:test")
        & (pl.col("task") == head.name)
        & (pl.col("metric") == metric)
        & (pl.col("slice") == "all")
        & pl.col("value").is_not_nan()
    )
    digits = decimals(metrics, head, metric)
    by_predictor = {row["predictor"]: as_score(row, digits) for row in rows.iter_rows(named=True)}
    return {name: by_predictor[name] for name in sorted(by_predictor, key=reading_order)}


def decimals(metrics: pl.DataFrame, head: SavedHead, metric: str) -> int:
    """Return the number of decimals of a metric: for an error in units of the head three significant digits.

    >>> table = pl.DataFrame({"task": ["price"], "metric": ["mae"], "value": [41.7]})
    >>> decimals(table, SavedHead("price", "regression", "values", "Price", metric="mae"), "rmse")
    1
    """
    if not metric.startswith(_IN_UNITS):
        return 3 if head.family == RETRIEVAL_FAMILY else 2
    main = metrics.filter((pl.col("task") == head.name) & (pl.col("metric") == head.metric))
    largest = main["value"].drop_nans().abs().max()
    assert largest is None or isinstance(largest, float), "the metrics table holds floats"
    return max(0, 2 - math.floor(math.log10(largest))) if largest else 2


def reading_order(predictor: str) -> tuple[float, str]:
    """Return the sort key of a predictor: the order of `PREDICTORS`, unknown ones before the baselines."""
    order = list(PREDICTORS)
    unknown = len(order) - len(BASELINES) - 0.5
    return order.index(predictor) if predictor in order else unknown, predictor


def as_score(row: dict[str, object], digits: int = 2) -> Score:
    """Read a row of the `metrics` table; with fewer than `FEW_GROUPS` groups its interval is left out."""
    value, low, high = (row[name] for name in ("value", "low", "high"))
    assert isinstance(value, float), "the metrics table holds floats"
    n_groups = int(str(row["n_groups"] or 0))
    if not isinstance(low, float) or not isinstance(high, float) or n_groups < FEW_GROUPS:
        low = high = None
    return Score(value, low, high, int(str(row["n"] or 0)), n_groups, digits)


def baseline_names(head: SavedHead, names: Iterable[str]) -> list[str]:
    """Select the predictors that a model has to beat: all but the model and its parts."""
    return [name for name in names if name not in {"model", SCENE, *head.parts}]


def best_baseline_finding(metrics: pl.DataFrame, policy: str, head: SavedHead) -> Finding | None:
    """Compare one head with its best baseline; None when the model or every baseline is missing."""
    by_predictor = scores(metrics, policy, head)
    best = best_baseline(head, by_predictor)
    if "model" not in by_predictor or best is None:
        return None
    return Finding(
        head,
        policy,
        by_predictor["model"],
        best,
        by_predictor[best],
        paired_lead(metrics, policy, head, best),
    )


def best_baseline(head: SavedHead, by_predictor: dict[str, Score]) -> str | None:
    """Return the baseline with the best score of the main metric, the first of equal ones; None without one."""
    names = baseline_names(head, by_predictor)
    sign = 1 if head.higher_is_better else -1
    return max(names, key=lambda name: sign * by_predictor[name].value) if names else None


def paired_lead(metrics: pl.DataFrame, policy: str, head: SavedHead, other: str) -> Score | None:
    """Return the model's main metric minus that of another predictor, paired; None if not saved."""
    return scores(metrics, policy, head, f"{head.metric}_minus_{other}").get("model")


def chance(predictions: pl.DataFrame, head: SavedHead) -> float | None:
    """Return the balanced accuracy of random guessing: 1 / number of classes that occur, 1/3 with all three.

    Heads without classes have None.

    >>> iso = SavedHead("iso", "ordinal", "classes", "ISO", ("low", "medium", "high"))
    >>> chance(pl.DataFrame({"task": ["iso"] * 3, "target": [0, 2, None]}), iso)
    0.5
    """
    if head.family != CLASS_FAMILY:
        return None
    labelled = predictions.filter((pl.col("task") == head.name) & pl.col("target").is_not_null())
    return 1 / max(labelled["target"].n_unique(), 1)


def learnt(rank_correlation: Score | None) -> str:
    """Say by rule whether a head was learnt: the interval of its rank correlation with the truth lies above 0.

    >>> learnt(Score(0.1, -0.1, 0.3, 90, 30)), learnt(Score(0.4, 0.2, 0.5, 90, 30))
    ('not learnt', 'learnt')
    """
    if rank_correlation is None:
        return ""
    if rank_correlation.n_groups < FEW_GROUPS or rank_correlation.low is None:
        return TOO_FEW
    return "learnt" if rank_correlation.low > 0 else "not learnt"


def beats_chance(
    metrics: pl.DataFrame, policy: str, head: SavedHead, predictor: str, level: float | None
) -> bool:
    """Return whether a predictor is significantly better than one that does not look at the picture."""
    return against_chance(metrics, policy, head, predictor, level) == BETTER


def against_chance(
    metrics: pl.DataFrame, policy: str, head: SavedHead, predictor: str, level: float | None
) -> str:
    """Compare a predictor with random guessing, whose score is `level`, or with the training median of a value.

    Where the majority baseline was saved, the comparison is paired with it, because random guessing is more accurate
    in a resample that lacks a class.
    """
    by_predictor, constant = scores(metrics, policy, head), CONSTANTS.get(head.family, "")
    blind = by_predictor.get(constant)
    # A lower score means that the majority class does not occur among these pictures.
    if blind is None or (level is not None and blind.value < level - 1e-9):
        blind = Score(level, level, level, 0, 0) if level is not None else None
        constant = ""
    if blind is None:
        return LEVEL
    is_paired = predictor == "model" and constant
    paired = paired_lead(metrics, policy, head, constant) if is_paired else None
    higher = head.higher_is_better
    return compare(by_predictor[predictor], blind, paired, higher_is_better=higher)


def shown_slices(metrics: pl.DataFrame, heads: Sequence[SavedHead]) -> tuple[pl.DataFrame, int]:
    """Return the model's slices with at least MIN_SLICE photos, and the number of smaller ones.

    Rows are of the main metric of each head; those of retrieval have their own table.
    """
    measured = pl.any_horizontal(
        pl.lit(value=False),
        *(
            (pl.col("task") == head.name) & (pl.col("metric") == head.metric)
            for head in heads
            if head.family != RETRIEVAL_FAMILY
        ),
    )
    rows = metrics.filter(
        measured
        & (pl.col("predictor") == "model")
        & (pl.col("slice") != "all")
        & pl.col("split").str.ends_with(":test")
    )
    large = rows.filter((pl.col("n") >= MIN_SLICE) & pl.col("value").is_not_nan())
    return large, rows.height - large.height
