"""Baselines that predict labels of test pictures from metadata alone: the time, or the camera model.

Such a baseline uses no pixel. Where it beats the majority class by more than its interval, the test set rewards
knowledge of the time or camera of training pictures. A model cannot see the time, but it sees what pictures of one hour
share. Intervals come from a bootstrap over groups, because pictures of one group are similar.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from catalog import FEW_GROUPS, TOO_FEW, counted
from curation.splits.strata import Stratum

NEIGHBOURS: Final = 5  # training pictures nearest in time that vote
RESAMPLES: Final = 1000
BATCH: Final = 100  # resamples at a time

Ints = NDArray[np.int64]
Reals = NDArray[np.float64]


@dataclass(frozen=True)
class MetadataBaseline:
    """How often a prediction by `check` (timestamp_knn or camera_majority) is right on test pictures, for one task.

    `value` and `majority` are shares of the `n` test pictures of which label and time (or camera) are known; `low` and
    `high` bound their difference at 95 % (NaN with fewer than two groups). `detail` explains why the baseline works, if
    it does.
    """

    check: str
    task: str
    value: float
    majority: float
    low: float
    high: float
    n: int
    n_groups: int
    detail: str = ""

    @property
    def is_decided(self) -> bool:
        """Whether there are enough groups for a verdict."""
        return self.n_groups >= FEW_GROUPS

    @property
    def leaks(self) -> bool:
        """Whether the baseline beats the majority class by more than its interval, with enough groups."""
        return self.is_decided and self.low > 0

    @property
    def verdict(self) -> str:
        """The result in a few words: tells, does not tell, or too few groups."""
        if not self.is_decided:
            return TOO_FEW
        return "tells" if self.leaks else "does not tell"

    @property
    def reason(self) -> str:
        """Why the verdict is what it is."""
        if not self.is_decided:
            return f"{counted(self.n_groups, 'group')}; a verdict needs {FEW_GROUPS}"
        if not self.leaks:
            return "the difference may be 0 or less"
        return (
            self.detail
            or f"pictures of one camera model have a similar {self.task} in train and in test"
        )


def metadata_baselines(
    items: pl.DataFrame, strata: tuple[Stratum, ...], policy: str
) -> list[MetadataBaseline]:
    """Predict every setting or label of the test pictures of the column `policy`.

    Predictions by camera are made only for models that train has: a split that separates cameras gives no such row.

    `items` has asset_sha256, group_id, camera, time (null where unknown) and the columns of the strata. A task that
    no test picture has with a time (or camera) gives no row.
    """
    baselines = []
    for stratum in strata:
        labelled = items.filter(pl.col(stratum.column).is_not_null()).select(
            "group_id", "camera", "time", label=pl.col(stratum.column), side=pl.col(policy)
        )
        for check, column, predict in (
            ("timestamp_knn", "time", _by_time),
            ("camera_majority", "camera", _by_camera),
        ):
            placed = labelled.filter(pl.col(column).is_not_null())
            train, test = (placed.filter(pl.col("side") == side) for side in ("train", "test"))
            if column == "camera":  # there is no prediction for a model that train lacks
                test = test.join(train.select("camera").unique(), on="camera", how="semi")
            if train.is_empty() or test.is_empty():
                continue
            baseline = _scored(check, stratum.name, train, test, predict(train, test))
            baselines.append(
                _with_detail(baseline, train, test) if check == "timestamp_knn" else baseline
            )
    return baselines


def _by_time(train: pl.DataFrame, test: pl.DataFrame) -> Ints:
    """Predict by a vote of the training pictures nearest in time; ties go to the most common class of train."""
    train = train.sort("time", "label")
    labels, near = train["label"].to_numpy().astype(np.int64), _nearest(train, test)
    n_classes = int(labels.max()) + 1
    votes = np.zeros((test.height, n_classes))
    for column in near.T:
        np.add.at(votes, (np.arange(test.height), labels[column]), 1.0)
    shares = np.bincount(labels, minlength=n_classes) / len(labels)
    return np.asarray((votes + 0.5 * shares).argmax(axis=1), np.int64)


def _nearest(train: pl.DataFrame, test: pl.DataFrame) -> Ints:
    """Give the rows of train (sorted by time) nearest in time to each test picture, shape (test, up to 5)."""
    times, test_times = _seconds(train), _seconds(test)
    k = min(NEIGHBOURS, len(times))
    candidate = np.searchsorted(times, test_times)[:, None] + np.arange(-k, k)[None, :]
    rows = np.clip(candidate, 0, len(times) - 1)
    distance = np.where(rows == candidate, np.abs(times[rows] - test_times[:, None]), np.inf)
    order = np.argsort(distance, axis=1, kind="stable")[:, :k]
    return np.asarray(np.take_along_axis(rows, order, axis=1), np.int64)


def _seconds(table: pl.DataFrame) -> Reals:
    return np.asarray(table["time"].dt.epoch("us").to_numpy() / 1e6, np.float64)


def _by_camera(train: pl.DataFrame, test: pl.DataFrame) -> Ints:
    """Predict the most common class of the camera model in train, or of all of train."""
    common = train.group_by("camera").agg(prediction=pl.col("label").mode().min())
    joined = test.join(common, on="camera", how="left", maintain_order="left")
    return joined["prediction"].fill_null(_majority(train)).to_numpy().astype(np.int64)


def _majority(train: pl.DataFrame) -> int:
    return int(train["label"].mode().min())  # type: ignore[arg-type]  # there is a row


def _scored(
    check: str, task: str, train: pl.DataFrame, test: pl.DataFrame, predictions: Ints
) -> MetadataBaseline:
    truth = test["label"].to_numpy()
    is_right, is_majority = predictions == truth, truth == _majority(train)
    codes = np.unique(test["group_id"].to_numpy(), return_inverse=True)[1]
    gain = np.bincount(codes, weights=is_right.astype(float) - is_majority).astype(np.float64)
    low, high = _interval(gain, np.bincount(codes).astype(np.float64))
    return MetadataBaseline(
        check,
        task,
        float(is_right.mean()),
        float(is_majority.mean()),
        low,
        high,
        len(truth),
        len(gain),
    )


def _interval(gain: Reals, size: Reals) -> tuple[float, float]:
    """Bound the mean gain a picture at 95 %, drawing whole groups."""
    from scipy.stats import bootstrap  # half a second of imports

    if len(gain) < 2:
        return float("nan"), float("nan")
    interval = bootstrap(
        (gain, size),
        lambda gain, size, axis: gain.sum(axis=axis) / size.sum(axis=axis),
        paired=True,
        method="percentile",
        n_resamples=RESAMPLES,
        batch=BATCH,
        rng=0,
    ).confidence_interval
    return float(interval.low), float(interval.high)


def _with_detail(
    baseline: MetadataBaseline, train: pl.DataFrame, test: pl.DataFrame
) -> MetadataBaseline:
    """Describe the time to the nearest training pictures, and how often labels agree over it."""
    if not baseline.leaks:
        return baseline
    train = train.sort("time", "label")
    near = _nearest(train, test)[:, 0]
    pauses = np.abs(_seconds(train)[near] - _seconds(test))
    same = float((train["label"].to_numpy()[near] == test["label"].to_numpy()).mean())
    shares = [
        np.bincount(part["label"].to_numpy(), minlength=64) / part.height for part in (train, test)
    ]
    width = min(map(len, shares))
    chance = float((shares[0][:width] * shares[1][:width]).sum())
    detail = (
        f"half of the test pictures lie {_pause(float(np.median(pauses)))} or more from the next training picture in "
        f"time, and {same:.0%} share its {baseline.task} (by chance {chance:.0%}): "
    )
    if set(train["group_id"]) & set(test["group_id"]):
        detail += "this split cuts groups"
    else:
        detail += f"{baseline.task} was taken or gathered in stretches longer than a session"
    return MetadataBaseline(**{**baseline.__dict__, "detail": detail})


def _pause(seconds: float) -> str:
    for size, name in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {name}"
    return f"{seconds:.0f} s"
