import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings, strategies as st
from scipy import stats
from sklearn import metrics as reference

from training.evaluation.baselines import BaselineInputs, metadata_table
from training.evaluation.evidence import Evidence, Labelled
from training.evaluation.tasks.values import evaluate, half_width
from training.heads import RegressionHead

HEAD = RegressionHead(name="age", column="age", unit="years", centre=30.0, scale=8.0)
N = 90


def index(n: int = N) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "asset_sha256": [f"{i:064d}" for i in range(n)],
            "group_id": [f"g{i % 15}" for i in range(n)],
            "camera": [("big", "rare")[i % 30 == 0] for i in range(n)],
            "native_resolution": [(True, False, None)[i % 3] for i in range(n)],
            "width": [400] * n,
            "height": [300] * n,
            "jpeg_quality": [90] * n,
        }
    )


def evidence(
    truth: np.ndarray,
    values: np.ndarray,
    part: np.ndarray | None = None,
    train: np.ndarray | None = None,
) -> Evidence:
    """Take the same rows for all three parts, unless `train` has labels of its own."""
    n, rng = len(truth), np.random.default_rng(0)
    labels = {
        "train": truth if train is None else train, "validation": truth, "test": truth,
    }  # fmt: skip
    raw = {"": values} if part is None else {"": values, "half": part}
    features = {name: rng.normal(0, 1, (n, 3)) for name in labels}
    return Evidence(
        {name: Labelled(each, np.ones(n)) for name, each in labels.items()},
        {name: {"validation": each, "test": each} for name, each in raw.items()},
        BaselineInputs(
            dict.fromkeys(labels, metadata_table(index(n))), {"tiny_features": features}, np.arange(n)
        ),
        np.arange(n) % 15,
        index(n),
    )  # fmt: skip


def figures(truth: np.ndarray, values: np.ndarray, predictor: str = "model") -> dict[str, float]:
    rows = evaluate(HEAD, evidence(truth, values)).metrics
    chosen = (row for row in rows if (row["predictor"], row["slice"]) == (predictor, "all"))
    return {row["metric"]: row["value"] for row in chosen}


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.01, 3), st.booleans())
def test_figures_equal_those_of_scikit_learn_and_scipy(
    seed: int, noise: float, has_ties: bool
) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.normal(40, 12, 40)
    truth = truth.round(-1) if has_ties else truth
    values = truth + rng.normal(0, 12 * noise, 40)
    result = figures(truth, values)
    expected = {
        "mae": reference.mean_absolute_error(truth, values),
        "rmse": reference.root_mean_squared_error(truth, values),
        "r2": reference.r2_score(truth, values),
        "pearson": stats.pearsonr(truth, values).statistic,
        "spearman": stats.spearmanr(truth, values).statistic,
        "median_absolute_error": reference.median_absolute_error(truth, values),
    }
    assert {name: result[name] for name in expected} == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (1e-7, 0.0), (1.0, 1.7e9), (1e8, -3e12)])
def test_figures_follow_the_unit_of_the_values(scale: float, shift: float) -> None:
    """Micrometres in metres and seconds since 1970 are numbers like any others."""
    rng = np.random.default_rng(0)
    truth = rng.normal(0, 1, 60)
    values = truth + rng.normal(0, 0.5, 60)
    plain, other = figures(truth, values), figures(truth * scale + shift, values * scale + shift)
    for name in ("mae", "rmse", "median_absolute_error"):
        assert other[name] == pytest.approx(plain[name] * scale, rel=1e-5)
    for name in ("r2", "pearson", "spearman"):
        assert other[name] == pytest.approx(plain[name], abs=1e-5)


def test_a_constant_has_no_correlation_and_no_share_of_the_variance() -> None:
    truth = np.random.default_rng(0).normal(40, 12, N)
    constant = figures(truth, truth, "median")
    assert constant["mae"] == pytest.approx(np.abs(truth - np.median(truth)).mean())
    assert constant["r2"] <= 0
    assert np.isnan([constant["pearson"], constant["spearman"]]).all()
    same = figures(np.full(N, 7.0), truth)
    assert np.isnan([same["r2"], same["pearson"], same["spearman"]]).all()


def test_figures_lie_inside_their_intervals_over_groups() -> None:
    rng = np.random.default_rng(1)
    truth = rng.normal(40, 12, N)
    for row in evaluate(HEAD, evidence(truth, truth + rng.normal(0, 5, N))).metrics:
        if row["low"] is not None:
            assert row["low"] - 1e-9 <= row["value"] <= row["high"] + 1e-9
        assert (row["low"] is None) == (
            row["metric"] == "median_absolute_error" or np.isnan(row["value"])
        )
        assert row["n_groups"] == 15 or row["slice"] != "all"


def test_a_head_is_scored_beside_its_baselines_and_its_parts() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(40, 12, N)
    result = evaluate(HEAD, evidence(truth, truth + rng.normal(0, 3, N), np.full(N, 99.0)))
    rows = {(r["predictor"], r["slice"], r["metric"]): r for r in result.metrics}
    predictors = {name for name, _, _ in rows}
    assert predictors == {"model", "half", *HEAD.baselines}
    for name in predictors - {"model"}:
        lead = rows["model", "all", f"mae_minus_{name}"]
        ours, theirs = (rows[each, "all", "mae"]["value"] for each in ("model", name))
        assert lead["value"] == pytest.approx(ours - theirs)
        assert lead["low"] < lead["high"] < 0, "below 0 the model is better"
    slices = {part for _, part, _ in rows}
    assert slices == {"all", "camera=big", "native_resolution=true", "native_resolution=false"}
    assert {metric for _, part, metric in rows if part != "all"} == {"mae", "spearman"}


def test_a_model_that_is_worse_has_a_lead_above_zero() -> None:
    truth = np.random.default_rng(0).normal(40, 3, N)
    rows = evaluate(HEAD, evidence(truth, truth[::-1] * 3)).metrics
    [lead] = [row for row in rows if row["metric"] == "mae_minus_median"]
    assert lead["low"] > 0


def test_rows_without_a_value_are_predicted_and_not_scored() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(40, 12, N)
    truth[::6] = np.nan
    values = np.where(np.isnan(truth), 1e9, truth + rng.normal(0, 3, N))
    result = evaluate(HEAD, evidence(truth, values))
    rows = {(r["predictor"], r["metric"]): r for r in result.metrics if r["slice"] == "all"}
    known = ~np.isnan(truth)
    assert rows["model", "mae"]["n"] == known.sum()
    assert rows["model", "mae"]["value"] == pytest.approx(np.abs(values - truth)[known].mean())
    assert rows["median", "mae"]["value"] == pytest.approx(
        np.abs(np.median(truth[known]) - truth[known]).mean()
    )
    assert result.calibration["half_width_90"] < 20
    assert len(result.predictions) == N
    for row, value, target in zip(result.predictions, values, truth, strict=True):
        assert row["value"] == value
        assert row["target_value"] == (None if np.isnan(target) else target)
        assert row["high"] - row["value"] == pytest.approx(row["value"] - row["low"])
        assert row["answer"]["unit"] == "years"
        assert row["probabilities"] is row["predicted"] is row["target"] is None


def test_a_head_without_labels_has_no_figure() -> None:
    nothing = np.full(N, np.nan)
    result = evaluate(HEAD, evidence(nothing, np.zeros(N), train=np.arange(N) * 1.0))
    assert result.metrics == []
    assert result.calibration == {"half_width_90": None}
    assert {row["low"] for row in result.predictions} == {None}


@pytest.mark.parametrize("n", [20, 33, 99])
def test_the_stated_interval_holds_nine_of_ten_new_values(n: int) -> None:
    rng, shares = np.random.default_rng(n), []
    for _ in range(400):
        errors = rng.standard_t(3, n + 200)  # heavy tails: no assumption on the shape
        half = half_width(errors[:n], np.zeros(n))
        assert half is not None
        shares.append((np.abs(errors[n:]) <= half).mean())
    assert 0.9 - 0.01 <= np.mean(shares) <= 0.9 + 1 / (n + 1) + 0.01


def test_too_few_validation_values_give_no_interval() -> None:
    values = np.arange(30.0)
    truth = np.where(np.arange(30) < 19, 0.0, np.nan)
    assert half_width(values, truth) is None
    truth[19] = 0.0
    assert half_width(values, truth) == 18.0
