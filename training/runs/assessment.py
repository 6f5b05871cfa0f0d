"""Evaluate a trained network: calibrate it, fit the baselines, score all of them on the test pictures."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from catalog import track
from training.evaluation import baselines
from training.evaluation.calibration import Calibration, calibrate, class_shares
from training.evaluation.evaluate import (
    EvaluationSet,
    Predictor,
    majority_predictor,
    prediction_rows,
    prior_predictor,
    probability_predictor,
    score,
)
from training.evaluation.metrics import Floats
from training.fit.examples import DatasetParts
from training.fit.trainer import VIEWS, Examples, Run, predict
from training.models.networks import HeadsNetwork

BASELINE_ROWS = 20_000  # training pictures of the simple features, at most


@dataclass(frozen=True)
class Assessment:
    """Calibration of the network, rows of `metrics` and rows of `predictions` (test part)."""

    calibration: Calibration
    metrics: list[dict[str, Any]]
    predictions: list[dict[str, Any]]


def assess(
    network: HeadsNetwork, parts: DatasetParts, run: Run, heads: tuple[str, ...], model_id: str
) -> Assessment:
    """Calibrate on validation, then score the network, its single views and the baselines on test."""
    prior = class_shares(parts.train.coarse, parts.train.weight)
    ours = {view: _log_probabilities(network, parts, run, view) for view in VIEWS}
    calibration = calibrate(ours["full"][0], parts.validation.coarse, prior)
    model = probability_predictor("model", ours["full"][1], calibration)
    views = [_calibrated(name, both, parts, prior) for name, both in ours.items() if name != "full"]
    test = _held_out(parts.test, heads)
    metrics = score(test, [model, *_baselines(parts, prior), *views])
    predictions = prediction_rows(test, model.stated[""], {"model_id": model_id, "split": "test"})
    return Assessment(calibration, metrics, predictions)


def _log_probabilities(
    network: HeadsNetwork, parts: DatasetParts, run: Run, view: str
) -> tuple[Floats, Floats]:
    return predict(network, parts.validation, run, view), predict(network, parts.test, run, view)


def _calibrated(
    name: str, log_probabilities: tuple[Floats, Floats], parts: DatasetParts, prior: Floats
) -> Predictor:
    """Make a predictor with its own temperature from its log-probabilities on validation and test."""
    validation, test = log_probabilities
    return probability_predictor(name, test, calibrate(validation, parts.validation.coarse, prior))


def _baselines(parts: DatasetParts, prior: Floats) -> list[Predictor]:
    n = len(parts.test)
    by_name = {"metadata": _metadata(parts), **_simple(parts)}
    learned = [
        _calibrated(name, log_probabilities, parts, prior)
        for name, log_probabilities in by_name.items()
    ]
    return [majority_predictor(prior, n), prior_predictor(prior, n), *learned]


def _metadata(parts: DatasetParts) -> tuple[Floats, Floats]:
    train, *others = (
        part.loader.index[part.rows] for part in (parts.train, parts.validation, parts.test)
    )
    validation, test = baselines.metadata_log_probabilities(train, parts.train.coarse, others)
    return validation, test


def _simple(parts: DatasetParts) -> dict[str, tuple[Floats, Floats]]:
    """Predict validation and test from simple features: with statistics, and from the scene alone."""
    train = _features(parts.train, BASELINE_ROWS)
    target = parts.train.coarse[: len(train)]
    others = [_features(part, len(part)) for part in (parts.validation, parts.test)]
    log_probabilities = baselines.simple_log_probabilities(train, target, others)
    return {name: (validation, test) for name, (validation, test) in log_probabilities.items()}


def _features(part: Examples, most: int) -> Floats:
    rows = part.rows[:most]
    tracked = track(rows.tolist(), "features of the baselines", unit="pictures")
    return np.stack([baselines.simple_features(part.loader.sample(row)) for row in tracked])


def _held_out(test: Examples, heads: tuple[str, ...]) -> EvaluationSet:
    index: pl.DataFrame = test.loader.index[test.rows]
    _, groups = np.unique(index["group_id"].to_numpy().astype(str), return_inverse=True)
    return EvaluationSet(heads, test.coarse, groups, index)
