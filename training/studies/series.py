"""Forecast series of prices by walk-forward, and say whether anything beats yesterday's price.

What is predicted is the change of the logarithm of the price from one trading day to the next; "yesterday's price" is
the change 0. From half of the days on, every model learns from the days before a piece of `STEP` days and predicts that
piece. The lead of a model is the absolute error of yesterday's price minus that of the model, with an interval from a
bootstrap over pieces, because days that follow each other are alike. The interval is widened for the number of
comparisons (Bonferroni), so that many series and models do not bring a winner by chance.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from catalog import Workspace, command_name, open_catalog
from training.errors import SeriesError
from training.evaluation.intervals import Interval, group_bootstrap

Floats = NDArray[np.float64]
Learn = Callable[[Floats, Floats], Callable[[Floats], Floats]]

PAST = 5  # changes that a model sees, of each series
STEP = 20  # trading days between two fits, and in a piece of the bootstrap
FEWEST_DAYS = 250  # with half of them tested there are six pieces
RESAMPLES = 4000
_PRICES = """
SELECT series, day, coalesce(adjusted_close, close) AS price FROM prices
WHERE coalesce(adjusted_close, close) > 0 ORDER BY series, day
"""


@dataclass(frozen=True)
class Forecast:
    """A model on one series: mean absolute error and lead over yesterday's price, as changes of the logarithm."""

    model: str
    error: float
    lead: Interval


@dataclass(frozen=True)
class SeriesResult:
    """What walk-forward gave on one series; `naive_error` is that of yesterday's price."""

    series: str
    n_days: int
    n_tested: int
    naive_error: float
    forecasts: tuple[Forecast, ...]

    @property
    def better(self) -> tuple[str, ...]:
        """The models whose lead over yesterday's price lies above 0 with its whole interval."""
        return tuple(
            each.model for each in self.forecasts if each.lead.low is not None and each.lead.low > 0
        )


def forecast_series(workspace: Workspace, names: Sequence[str] = ()) -> list[SeriesResult]:
    """Forecast the named series of the table `prices`, or all; raises `SeriesError`."""
    with open_catalog(workspace) as catalog:
        prices = pl.DataFrame(catalog.query(_PRICES))
    by_name = {str(key[0]): frame for key, frame in prices.group_by("series", maintain_order=True)}
    if not by_name:
        raise SeriesError(
            f"there are no prices; import some: {command_name()} crawl run table prices/"
        )
    if missing := [name for name in names if name not in by_name]:
        raise SeriesError(f"no series {', '.join(missing)}; known: {', '.join(by_name)}")
    chosen = list(names) or list(by_name)
    for name in chosen:
        if (days := len(by_name[name])) < FEWEST_DAYS:
            raise SeriesError(f"{name} has {days} days with a price; a verdict needs {FEWEST_DAYS}")
    n_models = 2 + (len(by_name) > 1)
    return [_compare(name, by_name, n_models * len(chosen)) for name in chosen]


def _compare(name: str, by_name: Mapping[str, pl.DataFrame], n_comparisons: int) -> SeriesResult:
    """Compare the models on one series; `n_comparisons` widens the intervals."""
    own = changes_of([by_name[name]])
    days = by_name[name].select("day")
    others = [
        joined
        for other, frame in by_name.items()
        if other != name
        and len(joined := days.join(frame, on="day", how="left").drop_nulls()) == len(days)
    ]
    models = {"drift": (drift, own), "linear": (linear, own)}
    if others:
        models["linear_all"] = (linear, changes_of([by_name[name], *others]))
    targets = own[PAST:, 0]
    tested = targets[len(targets) // 2 :]
    naive = np.abs(tested)
    forecasts = []
    for model, (learn, changes) in models.items():
        error = np.abs(walk_forward(learn, windows(changes), targets) - tested)
        forecasts.append(Forecast(model, float(error.mean()), _lead(naive - error, n_comparisons)))
    return SeriesResult(name, len(days), len(tested), float(naive.mean()), tuple(forecasts))


def changes_of(frames: Sequence[pl.DataFrame]) -> Floats:
    """Return the daily changes of the logarithm of `price`, (days - 1, series)."""
    prices = np.stack([frame["price"].cast(pl.Float64).to_numpy() for frame in frames], axis=1)
    return np.diff(np.log(prices), axis=0)


def windows(changes: Floats) -> Floats:
    """Return the `PAST` changes before each day from number `PAST` on, (days - PAST, PAST x series)."""
    parts = np.lib.stride_tricks.sliding_window_view(changes, PAST, axis=0)[:-1]
    return parts.reshape(len(parts), -1)


def drift(_inputs: Floats, targets: Floats) -> Callable[[Floats], Floats]:
    """Predict the mean change of the past."""
    return lambda new: np.full(len(new), targets.mean())


def linear(inputs: Floats, targets: Floats) -> Callable[[Floats], Floats]:
    """Predict by least squares on the past changes and a constant."""
    weights, *_ = np.linalg.lstsq(_with_ones(inputs), targets)
    return lambda new: _with_ones(new) @ weights


def walk_forward(learn: Learn, inputs: Floats, targets: Floats) -> Floats:
    """Predict the second half of `targets` in pieces of `STEP` days, each from the days before it alone."""
    pieces = []
    for begin in range(len(targets) // 2, len(targets), STEP):
        predict = learn(inputs[:begin], targets[:begin])
        pieces.append(predict(inputs[begin : begin + STEP]))
    return np.concatenate(pieces)


def _with_ones(rows: Floats) -> Floats:
    return np.hstack([rows, np.ones((len(rows), 1))])


def _lead(leads: Floats, n_comparisons: int) -> Interval:
    """Return the mean lead with an interval that holds for all comparisons at once."""
    tail = 2.5 / n_comparisons
    sums = np.stack([leads, np.ones(len(leads))], axis=1)
    return group_bootstrap(
        sums,
        np.arange(len(leads)) // STEP,
        lambda totals: totals[:, 0] / totals[:, 1],
        folds=RESAMPLES,
        level=(tail, 100 - tail),
    )
