"""Figures: what is drawn equals what is saved."""

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from matplotlib.figure import Figure

from catalog import figure_uri
from tests.training import saved_files
from training.evaluation.findings import scores
from training.report import plots


@pytest.fixture(scope="module")
def predictions(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    index: pa.Table = saved_files.release(tmp_path_factory.mktemp("release")).table
    return saved_files.predictions(index, "split", "m").filter(pl.col("split") == "test")


def texts(figure: Figure) -> list[str]:
    axes = figure.axes[0]
    legend = [text.get_text() for one in figure.legends for text in one.get_texts()]
    return [text.get_text() for text in axes.texts] + legend


def test_training_curves_draw_both_losses_and_mark_the_lowest() -> None:
    history = saved_files.history(6)
    upper, lower = plots.training_curves(history, "model").axes
    (train,), (validation, lowest) = upper.lines, lower.lines
    assert np.allclose(train.get_ydata(), history["train_loss"])
    assert np.allclose(validation.get_ydata(), history["validation_loss"])
    best = history.sort("validation_loss").row(0, named=True)
    assert (lowest.get_xdata()[0], lowest.get_ydata()[0]) == (
        best["epoch"],
        best["validation_loss"],
    )


def test_curves_without_validation_are_drawn_without_a_mark() -> None:
    history = saved_files.history(2).with_columns(validation_loss=pl.lit(None, pl.Float64))
    assert len(plots.training_curves(history, "model").axes[1].lines) == 1


def test_the_comparison_draws_each_predictor_with_its_interval_and_the_chance_line() -> None:
    metrics = pl.concat([saved_files.metrics(p, p) for p in ("split", "random_split")])
    by_policy = {p: scores(metrics, p, "iso") for p in ("split", "random_split")}
    figure = plots.comparison("iso", by_policy)
    axes = figure.axes[0]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels[0] == "full model"
    assert labels[-1] == "majority class"
    whisker = axes.lines[0].get_xdata()
    model = by_policy["split"]["model"]
    assert list(whisker) == [model.low, model.high]
    assert any(list(line.get_xdata()) == [1 / 3, 1 / 3] for line in axes.lines)
    assert {"groups kept apart", "random split", "chance"} <= set(texts(figure))


def test_a_predictor_known_to_one_policy_only_is_drawn_once() -> None:
    by_predictor = scores(saved_files.metrics("split", "m"), "split", "iso")
    figure = plots.comparison(
        "iso", {"split": by_predictor, "random_split": {"model": by_predictor["model"]}}
    )
    assert len(figure.axes[0].get_yticklabels()) == len(by_predictor)


def test_the_confusion_matrix_counts_every_known_picture_once(predictions: pl.DataFrame) -> None:
    figure = plots.confusion("iso", predictions)
    counts = [int(text.get_text().split("\n")[1]) for text in figure.axes[0].texts]
    labelled = predictions.filter((pl.col("task") == "iso") & pl.col("target").is_not_null())
    assert sum(counts) == labelled.height
    right = labelled.filter(pl.col("predicted") == pl.col("target")).height
    assert counts[0] + counts[4] + counts[8] == right


def test_reliability_puts_the_share_right_against_confidence() -> None:
    rows = [([0.9, 0.1, 0.0], 0, 0), ([0.94, 0.03, 0.03], 0, 1), ([0.5, 0.3, 0.2], 0, 0)]
    table = pl.DataFrame([
        {"task": "iso", "probabilities": shares, "predicted": predicted, "target": true}
        for shares, predicted, true in rows
    ])  # fmt: skip
    _, stated, natural = plots.reliability("iso", table, [0.2, 0.6, 0.2]).axes[0].lines
    assert list(stated.get_xdata()) == pytest.approx([0.5, 0.92])
    assert list(stated.get_ydata()) == pytest.approx([1.0, 0.5])
    assert max(natural.get_xdata()) == pytest.approx(0.94 * 0.2 / (0.94 * 0.2 + 0.03 * 0.8))


def test_a_head_without_any_known_truth_is_still_drawn(predictions: pl.DataFrame) -> None:
    unknown = predictions.with_columns(target=pl.lit(None, pl.Int64))
    assert plots.confusion("iso", unknown).axes[0].texts[0].get_text() == "0%\n0"
    assert plots.reliability("iso", unknown).axes[0].lines


def test_class_counts_draw_shares_before_and_after() -> None:
    figure = plots.class_counts(
        "iso", ("up to ISO 200", "b", "c"), (0.6, 0.3, 0.1), (0.4, 0.3, 0.3)
    )
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts == ["60%", "30%", "10%", "40%", "30%", "30%"]


def test_the_same_figure_gives_the_same_bytes() -> None:
    history = saved_files.history(3)
    one, two = (figure_uri(plots.training_curves(history, "m")) for _ in range(2))
    assert one == two
    assert one.startswith("data:image/svg+xml;base64,")
