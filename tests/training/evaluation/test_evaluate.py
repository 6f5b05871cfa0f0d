import numpy as np
import polars as pl
import pytest

from training.evaluation.calibration import Calibration
from training.evaluation.evaluate import (
    EvaluationSet,
    majority_predictor,
    one_hot,
    prediction_rows,
    prior_predictor,
    probability_predictor,
    score,
)
from training.models.losses import MISSING

PRIOR = np.array([[0.5, 0.3, 0.2]] * 2)
N = 60


def held_out() -> EvaluationSet:
    rng = np.random.default_rng(0)
    target = rng.integers(0, 3, (N, 2))
    target[::10, 1] = MISSING
    index = pl.DataFrame(
        {
            "asset_sha256": [f"{i:064d}" for i in range(N)],
            "group_id": [f"g{i % 12}" for i in range(N)],
            "camera": [
                ("big", "rare", None)[0 if i < 40 else 1 if i < 45 else 2] for i in range(N)
            ],
            "native_resolution": [(True, False, None)[i % 3] for i in range(N)],
        }
    )
    return EvaluationSet(("f_number", "iso"), target, np.arange(N) % 12, index)


def scored() -> pl.DataFrame:
    tests = held_out()
    knowing = np.log(np.eye(3)[tests.target.clip(0)] * 0.7 + 0.1)
    model = probability_predictor("model", knowing, Calibration(np.ones(2), PRIOR))
    return pl.DataFrame(
        score(tests, [model, majority_predictor(PRIOR, N), prior_predictor(PRIOR, N)]),
        infer_schema_length=None,
    )


def value(table: pl.DataFrame, predictor: str, metric: str, **where: str) -> float:
    filters = {"predictor": predictor, "metric": metric, "task": "f_number", "slice": "all"} | where
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
        assert len(table.filter(predictor="model", metric=metric, slice="all")) == 2


def test_rows_without_a_label_are_not_counted() -> None:
    table = scored().filter(predictor="model", metric="accuracy", slice="all")
    assert table["n"].to_list() == [60, 54]
    assert table["n_groups"].to_list() == [12, 12]


def test_small_and_unknown_cameras_get_no_slice() -> None:
    slices = scored().filter(task="f_number")["slice"].unique().sort().to_list()
    assert slices == ["all", "camera=big", "native_resolution=false", "native_resolution=true"]


def test_figures_lie_inside_their_intervals() -> None:
    table = scored().drop_nulls("low").filter(~pl.col("metric").str.starts_with("ece"))
    assert (table["low"] - 1e-9 <= table["value"]).all()
    assert (table["value"] <= table["high"] + 1e-9).all()


def test_a_head_without_labels_has_no_figure() -> None:
    tests = held_out()
    unknown = EvaluationSet(tests.heads, np.full((N, 2), MISSING), tests.groups, tests.index)
    assert score(unknown, [majority_predictor(PRIOR, N)]) == []


def test_predictions_hold_probabilities_that_sum_to_one() -> None:
    stated = np.random.default_rng(0).dirichlet(np.ones(3), (N, 2))
    table = prediction_rows(held_out(), stated, {"model_id": "m", "split": "test"})
    assert len(table) == 2 * N
    assert all(sum(row["probabilities"]) == pytest.approx(1.0) for row in table)
    assert all(row["predicted"] == int(np.argmax(row["probabilities"])) for row in table)
    unknown = [row for row in table if row["target"] is None]
    assert len(unknown) == 6
    assert all(row["nll"] is None for row in unknown)
    assert one_hot(stated).sum() == 2 * N
