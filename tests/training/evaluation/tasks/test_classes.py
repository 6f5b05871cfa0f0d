import dataclasses

import numpy as np
import polars as pl
import pytest

from training.data.arrays import MISSING
from training.evaluation.baselines import BaselineInputs, metadata_table
from training.evaluation.calibration import ClassCalibration
from training.evaluation.evidence import Evidence, Labelled
from training.evaluation.tasks import classes
from training.evaluation.tasks.classes import (
    evaluate,
    majority_predictor,
    one_hot,
    prediction_rows,
    prior_predictor,
    probability_predictor,
    score,
)
from training.heads import SoftmaxHead

PRIOR = np.array([0.5, 0.3, 0.2])
N = 60
HEAD = SoftmaxHead(name="breed", column="breed", classes=("a", "b", "c"))


def made_pictures(*, some_missing: bool = False) -> classes.TestSet:
    target = np.random.default_rng(0).integers(0, 3, N)
    if some_missing:
        target[::10] = MISSING
    index = pl.DataFrame(
        {
            "asset_sha256": [f"{i:064d}" for i in range(N)],
            "group_id": [f"g{i % 12}" for i in range(N)],
            "camera": [
                ("big", "rare", None)[0 if i < 40 else 1 if i < 45 else 2] for i in range(N)
            ],
            "native_resolution": [(True, False, None)[i % 3] for i in range(N)],
            "width": [400] * N,
            "height": [300] * N,
            "jpeg_quality": [90] * N,
        }
    )
    return classes.TestSet("breed", target, np.arange(N) % 12, index)


def scored(*, some_missing: bool = False) -> pl.DataFrame:
    tests = made_pictures(some_missing=some_missing)
    right = np.log(np.eye(3)[tests.target.clip(0)] * 0.7 + 0.1)
    model = probability_predictor("model", right, ClassCalibration(1.0, PRIOR))
    predictors = [model, majority_predictor(PRIOR, N), prior_predictor(PRIOR, N)]
    return pl.DataFrame(score(tests, predictors), infer_schema_length=None)


def value(table: pl.DataFrame, predictor: str, metric: str, **where: str) -> float:
    filters = {"predictor": predictor, "metric": metric, "task": "breed", "slice": "all"} | where
    return float(table.filter(**filters)["value"].item())


def test_every_figure_stands_beside_its_baselines() -> None:
    table = scored()
    assert value(table, "model", "balanced_accuracy") == 1.0
    assert value(table, "majority", "balanced_accuracy") == pytest.approx(1 / 3)
    assert value(table, "prior", "balanced_accuracy") == pytest.approx(1 / 3)
    assert value(table, "model", "balanced_accuracy_minus_majority") == pytest.approx(2 / 3)
    for metric in (
        "accuracy",
        "macro_f1",
        "nll",
        "ece",
        "nll_uncalibrated",
        "ece_uncalibrated",
        "nll_with_prior",
    ):
        assert len(table.filter(predictor="model", metric=metric, slice="all")) == 1


def test_rows_without_a_label_are_not_counted() -> None:
    for some_missing, n in ((False, 60), (True, 54)):
        table = scored(some_missing=some_missing)
        row = table.row(
            by_predicate=(pl.col("predictor") == "model")
            & (pl.col("metric") == "accuracy")
            & (pl.col("slice") == "all"),
            named=True,
        )
        assert (row["n"], row["n_groups"], row["value"]) == (n, 12, 1.0)


def test_small_and_unknown_cameras_get_no_slice() -> None:
    slices = scored()["slice"].unique().sort().to_list()
    assert slices == ["all", "camera=big", "native_resolution=false", "native_resolution=true"]


def test_figures_lie_inside_their_intervals() -> None:
    table = scored(some_missing=True).drop_nulls("low")
    table = table.filter(~pl.col("metric").str.starts_with("ece"))
    assert (table["low"] - 1e-9 <= table["value"]).all()
    assert (table["value"] <= table["high"] + 1e-9).all()


def test_a_head_without_labels_has_no_figure() -> None:
    unknown = dataclasses.replace(made_pictures(), target=np.full(N, MISSING))
    assert score(unknown, [majority_predictor(PRIOR, N)]) == []


def test_predictions_hold_probabilities_that_sum_to_one() -> None:
    stated = np.random.default_rng(0).dirichlet(np.ones(3), N)
    tests = made_pictures(some_missing=True)
    table = prediction_rows(HEAD, tests, stated, {})
    assert len(table) == N
    assert all(sum(row["probabilities"]) == pytest.approx(1.0) for row in table)
    for row, probabilities in zip(table, stated, strict=True):
        number = int(probabilities.argmax())
        assert row["predicted"] == row["value"] == number
        assert row["answer"]["class"] == HEAD.classes[number]
        assert list(row["answer"]["probabilities"]) == list(HEAD.classes)
    unlabelled = [row for row in table if row["target"] is None]
    assert len(unlabelled) == 6
    assert all(row["nll"] is row["target_value"] is None for row in unlabelled)
    losses = [-np.log(p[t]) for p, t in zip(stated, tests.target, strict=True) if t != MISSING]
    assert [row["nll"] for row in table if row["nll"] is not None] == pytest.approx(losses)
    assert one_hot(stated).sum() == N


def evidence(rng: np.random.Generator) -> Evidence:
    """A network that is right in 70 % of the cases, and a part of its inputs that says nothing."""
    tests = made_pictures()
    truth = {part: rng.integers(0, 3, N) for part in ("train", "validation")}
    truth["test"] = tests.target

    def raw(skill: float) -> dict[str, np.ndarray]:
        logits = {p: rng.normal(0, 1, (N, 3)) + skill * np.eye(3)[t] for p, t in truth.items()}
        return {p: x - np.log(np.exp(x).sum(1, keepdims=True)) for p, x in logits.items()}

    tables = {part: metadata_table(tests.index) for part in truth}
    features = {"tiny_features": {part: rng.normal(0, 1, (N, 4)) for part in truth}}
    return Evidence(
        {part: Labelled(labels, np.ones(N)) for part, labels in truth.items()},
        {"": raw(2.5), "half": raw(0.0)},
        BaselineInputs(tables, features, np.arange(N)),
        tests.groups,
        tests.index,
    )


def test_a_head_is_scored_beside_its_baselines_and_its_parts() -> None:
    result = evaluate(HEAD, evidence(np.random.default_rng(0)))
    table = pl.DataFrame(result.metrics, infer_schema_length=None)
    names = set(table["predictor"])
    assert {"model", "half", *HEAD.baselines} == names
    assert value(table, "model", "balanced_accuracy") > value(table, "half", "balanced_accuracy")
    leads = {m.removeprefix("balanced_accuracy_minus_") for m in table["metric"] if "_minus_" in m}
    assert leads == names - {"model"}
    assert sum(result.calibration["prior"]) == pytest.approx(1)
    assert result.calibration["temperature"] > 0
    assert len(result.predictions) == N
