"""Judge a trained network: calibrate it, set it beside its baselines, score all on the test part."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from training.evaluation import baselines
from training.evaluation.calibration import Calibration, calibrate, class_shares
from training.evaluation.evaluate import (
    HeldOut,
    Predictor,
    answering,
    guessing,
    majority,
    prediction_rows,
    score,
)
from training.evaluation.metrics import Floats
from training.fit.examples import Parts
from training.fit.trainer import VIEWS, Examples, Run, predict
from training.models.networks import HeadsNetwork

BASELINE_ROWS = 20_000  # pictures that the simple features are learned from, at most


@dataclass(frozen=True)
class Assessment:
    """Calibration of the network, rows of `metrics` and rows of `predictions` (test part)."""

    calibration: Calibration
    metrics: list[dict[str, Any]]
    predictions: list[dict[str, Any]]


def assess(
    network: HeadsNetwork, parts: Parts, run: Run, heads: tuple[str, ...], model_id: str
) -> Assessment:
    """Calibrate on validation, then score the network, its single views and the baselines on test."""
    prior = class_shares(parts.train.coarse, parts.train.weight)
    ours = {view: _answers(network, parts, run, view) for view in VIEWS}
    calibration = calibrate(ours["full"][0], parts.validation.coarse, prior)
    model = answering("model", ours["full"][1], calibration)
    views = [_calibrated(name, both, parts, prior) for name, both in ours.items() if name != "full"]
    test = _held_out(parts.test, heads)
    metrics = score(test, [model, *_baselines(parts, prior), *views])
    predictions = prediction_rows(test, model.stated[""], {"model_id": model_id, "split": "test"})
    return Assessment(calibration, metrics, predictions)


def _answers(network: HeadsNetwork, parts: Parts, run: Run, view: str) -> tuple[Floats, Floats]:
    return predict(network, parts.validation, run, view), predict(network, parts.test, run, view)


def _calibrated(
    name: str, answers: tuple[Floats, Floats], parts: Parts, prior: Floats
) -> Predictor:
    """Make a predictor with its own temperature from its answers on validation and test."""
    validation, test = answers
    return answering(name, test, calibrate(validation, parts.validation.coarse, prior))


def _baselines(parts: Parts, prior: Floats) -> list[Predictor]:
    n = len(parts.test)
    knowing = {"metadata": _metadata(parts), **_simple(parts)}
    learned = [_calibrated(name, answers, parts, prior) for name, answers in knowing.items()]
    return [majority(prior, n), guessing(prior, n), *learned]


def _metadata(parts: Parts) -> tuple[Floats, Floats]:
    train, *others = (
        part.loader.index[part.rows] for part in (parts.train, parts.validation, parts.test)
    )
    validation, test = baselines.metadata_answers(train, parts.train.coarse, others)
    return validation, test


def _simple(parts: Parts) -> dict[str, tuple[Floats, Floats]]:
    """Answer from simple features on validation and test: with statistics, and the scene alone."""
    train = _features(parts.train, BASELINE_ROWS)
    target = parts.train.coarse[: len(train)]
    others = [_features(part, len(part)) for part in (parts.validation, parts.test)]
    answers = baselines.simple_answers(train, target, others)
    return {name: (validation, test) for name, (validation, test) in answers.items()}


def _features(part: Examples, most: int) -> Floats:
    rows = part.rows[:most]
    return np.stack([baselines.simple_features(part.loader.sample(int(row))) for row in rows])


def _held_out(test: Examples, heads: tuple[str, ...]) -> HeldOut:
    index: pl.DataFrame = test.loader.index[test.rows]
    _, groups = np.unique(index["group_id"].to_numpy().astype(str), return_inverse=True)
    return HeldOut(heads, test.coarse, groups, index)
