"""Select example photographs by their loss: best, worst, most confidently wrong, most typical.

A photo is ranked by its loss averaged over heads (the same order as the sum), among photos with labels for all heads;
if no photo has them all, among those with a label. The loss of a class is its negative log-likelihood, that of a value
its absolute error divided by the mean absolute error of the head, so that heads of different units count alike. Each
group contributes one photo before any group contributes a second; otherwise a burst would fill a row with one scene.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl


@dataclass(frozen=True)
class ClassPrediction:
    """One head of classes of one photo: probabilities of the classes, true and predicted class, NLL in nats."""

    probabilities: tuple[float, ...]
    target: int
    predicted: int
    loss: float

    @property
    def is_right(self) -> bool:
        """Whether the most probable class is the true one."""
        return self.predicted == self.target

    @property
    def wrong_confidence(self) -> float:
        """The probability of the predicted class if it is wrong, else 0."""
        return 0.0 if self.is_right else max(self.probabilities)


@dataclass(frozen=True)
class ValuePrediction:
    """One head of values of one photo: prediction, truth, 90 % interval, error relative to the mean error."""

    value: float
    target: float
    low: float | None
    high: float | None
    loss: float

    @property
    def error(self) -> float:
        """The absolute error, in the unit of the head."""
        return abs(self.value - self.target)

    @property
    def is_right(self) -> bool:
        """Whether the truth is inside the interval; True without an interval."""
        return (self.low is None or self.low <= self.target) and (
            self.high is None or self.target <= self.high
        )

    @property
    def wrong_confidence(self) -> float:
        """How far outside the interval the truth is, 0 (inside, or at its end) to 1 (an interval without width)."""
        if self.is_right or self.low is None or self.high is None:
            return 0.0
        return max(0.0, 1 - (self.high - self.low) / (2 * self.error))


HeadPrediction = ClassPrediction | ValuePrediction


@dataclass(frozen=True)
class RankedPhoto:
    """One ranked photo with its heads by task and its mean loss over them."""

    asset_sha256: str
    group_id: str
    loss: float
    heads: dict[str, HeadPrediction]

    @property
    def wrong_confidence(self) -> float:
        """The largest confidence of a wrong head; 0 when all heads are right."""
        return max((head.wrong_confidence for head in self.heads.values()), default=0.0)


@dataclass(frozen=True)
class PanelSelection:
    """The four rows of a panel, most extreme first, and the number of ranked photos.

    `has_all_labels` is False when no photo has labels for all heads.
    """

    best: tuple[RankedPhoto, ...]
    worst: tuple[RankedPhoto, ...]
    confident_wrong: tuple[RankedPhoto, ...]
    typical: tuple[RankedPhoto, ...]
    n_ranked: int
    has_all_labels: bool = True


def select_photos(predictions: pl.DataFrame, count: int = 5) -> PanelSelection:
    """Select `count` photos for each row from prediction rows (one per photo and head).

    Photos without a label for some head are left out; ties are broken by asset_sha256. A photo is not both
    best and worst, so with fewer than 2 x `count` photos the worst row is shorter.
    """
    photos = _photos(predictions)
    best = _take(sorted(photos, key=_by(lambda photo: photo.loss)), count)
    others = [photo for photo in photos if photo not in best]
    wrong = [photo for photo in photos if photo.wrong_confidence > 0]
    middle = _median([photo.loss for photo in photos])
    return PanelSelection(
        best=best,
        worst=_take(sorted(others, key=_by(lambda photo: -photo.loss)), count),
        confident_wrong=_take(sorted(wrong, key=_by(lambda photo: -photo.wrong_confidence)), count),
        typical=_take(sorted(photos, key=_by(lambda photo: abs(photo.loss - middle))), count),
        n_ranked=len(photos),
        has_all_labels=all(len(photo.heads) == predictions["task"].n_unique() for photo in photos),
    )


def _by(score: Callable[[RankedPhoto], float]) -> Callable[[RankedPhoto], tuple[float, str]]:
    return lambda photo: (score(photo), photo.asset_sha256)


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2] if values else 0.0


def _take(ranked: Iterable[RankedPhoto], count: int) -> tuple[RankedPhoto, ...]:
    """Take the first photo of each group, in order, then further photos of the groups."""
    firsts: list[RankedPhoto] = []
    seconds: list[RankedPhoto] = []
    groups: set[str] = set()
    for photo in ranked:
        (seconds if photo.group_id in groups else firsts).append(photo)
        groups.add(photo.group_id)
    return tuple((firsts + seconds)[:count])


def _photos(predictions: pl.DataFrame) -> list[RankedPhoto]:
    n_heads = predictions["task"].n_unique()
    labelled = _with_loss(predictions).drop_nulls("loss").sort("asset_sha256", "task")
    whole = labelled.filter(pl.len().over("asset_sha256") == n_heads)
    return list(_grouped(whole if whole.height else labelled))


def with_value_columns(predictions: pl.DataFrame) -> pl.DataFrame:
    """Add the columns of values, all null, that rows of older code lack."""
    missing = {name for name in VALUE_COLUMNS if name not in predictions.columns}
    empty = [pl.lit(None, pl.Float64).alias(name) for name in VALUE_COLUMNS if name in missing]
    return predictions.with_columns(empty)


VALUE_COLUMNS = ("value", "target_value", "low", "high")


def _with_loss(predictions: pl.DataFrame) -> pl.DataFrame:
    """Add the column `loss`, null without a label."""
    is_value = pl.col("probabilities").is_null()
    error = pl.when(is_value).then((pl.col("value") - pl.col("target_value")).abs())
    mean = error.mean().over("task")
    relative = pl.when(mean > 0).then(error / mean).otherwise(error)
    loss = pl.when(is_value).then(relative).when(pl.col("target").is_not_null()).then("nll")
    return with_value_columns(predictions).with_columns(loss=loss)


def _grouped(rows: pl.DataFrame) -> Iterator[RankedPhoto]:
    for (sha,), heads in rows.group_by("asset_sha256", maintain_order=True):
        yield RankedPhoto(
            asset_sha256=str(sha),
            group_id=str(heads["group_id"][0]),
            loss=sum(heads["loss"]) / heads.height,
            heads={row["task"]: _head(row) for row in heads.iter_rows(named=True)},
        )


def _head(row: Mapping[str, Any]) -> HeadPrediction:
    if row["probabilities"] is None:
        low, high = row["low"], row["high"]
        return ValuePrediction(row["value"], row["target_value"], low, high, row["loss"])
    return ClassPrediction(
        probabilities=tuple(row["probabilities"]),
        target=int(row["target"]),
        predicted=int(row["predicted"]),
        loss=float(row["loss"]),
    )
