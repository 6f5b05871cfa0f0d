"""Figures: what is drawn equals what is saved."""

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from matplotlib.figure import Figure

from catalog import figure_uri
from tests.training import made_runs, saved_files
from training.evaluation.confusion import labelled
from training.evaluation.findings import scores
from training.evaluation.saved_head import saved_heads, setting_head
from training.fit.loss_curve import add_step, curve_table
from training.report import head_plots, plots

ISO = setting_head("iso", saved_files.BINS)


@pytest.fixture(scope="module")
def predictions(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    index: pa.Table = saved_files.release(tmp_path_factory.mktemp("release")).table
    return saved_files.predictions(index, "split", "m").filter(pl.col("split") == "test")


def texts(figure: Figure) -> list[str]:
    axes = figure.axes[0]
    legend = [text.get_text() for one in figure.legends for text in one.get_texts()]
    return [text.get_text() for text in axes.texts] + legend


def test_moving_averages_of_steps_are_thin_lines() -> None:
    points: list[list[float]] = []
    for step in range(60):
        add_step(points, step / 30, 60.0 - step, 2.0 if step % 2 else None)
    history = pl.DataFrame({"epoch": [1, 2], "train_loss": [2.0, 1.0], "validation_loss": [2, 3]})
    figure = plots.training_curves(history, "model", steps=curve_table(points))
    for axes in figure.axes:
        x, y = axes.lines[1].get_data()
        assert len(x) == len(y) > 20
    assert figure.axes[0].lines[1].get_ydata()[0] == 59.5  # type: ignore[index]  # the mean of the first two


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
    by_policy = {p: scores(metrics, p, ISO) for p in ("split", "random_split")}
    figure = plots.comparison(ISO, by_policy)
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
    by_predictor = scores(saved_files.metrics("split", "m"), "split", ISO)
    figure = plots.comparison(
        ISO, {"split": by_predictor, "random_split": {"model": by_predictor["model"]}}
    )
    assert len(figure.axes[0].get_yticklabels()) == len(by_predictor)


def test_the_confusion_matrix_counts_every_known_picture_once(predictions: pl.DataFrame) -> None:
    figure = head_plots.confusion(ISO, predictions)
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
    _, stated, natural = head_plots.reliability(ISO, table, [0.2, 0.6, 0.2]).axes[0].lines
    assert list(stated.get_xdata()) == pytest.approx([0.5, 0.92])
    assert list(stated.get_ydata()) == pytest.approx([1.0, 0.5])
    assert max(natural.get_xdata()) == pytest.approx(0.94 * 0.2 / (0.94 * 0.2 + 0.03 * 0.8))


def test_a_head_without_any_known_truth_is_still_drawn(predictions: pl.DataFrame) -> None:
    unknown = predictions.with_columns(target=pl.lit(None, pl.Int64))
    assert head_plots.confusion(ISO, unknown).axes[0].texts[0].get_text() == "0%\n0"
    assert head_plots.reliability(ISO, unknown).axes[0].lines


def test_class_counts_draw_shares_before_and_after() -> None:
    figure = head_plots.class_counts(ISO, (0.6, 0.3, 0.1), (0.4, 0.3, 0.3))
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts == ["60%", "30%", "10%", "40%", "30%", "30%"]


def test_the_same_figure_gives_the_same_bytes() -> None:
    history = saved_files.history(3)
    one, two = (figure_uri(plots.training_curves(history, "m")) for _ in range(2))
    assert one == two
    assert one.startswith("data:image/svg+xml;base64,")


BREED, SPECIES, AGE = saved_heads({"heads": [made_runs.BREED, made_runs.SPECIES, made_runs.AGE]})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    heads = [made_runs.BREED, made_runs.SPECIES, made_runs.AGE]
    index = made_runs.release(tmp_path_factory.mktemp("made"), heads, n=60).table
    rows = made_runs.predictions(index, heads, "split", "m").filter(pl.col("split") == "test")
    return rows.sample(fraction=1, shuffle=True, seed=1)


def test_the_matrix_of_many_classes_has_twelve_and_one_of_all_others(made: pl.DataFrame) -> None:
    axes = head_plots.confusion(SPECIES, made).axes[0]
    names = [label.get_text() for label in axes.get_xticklabels()]
    assert len(names) == 13
    assert names[-1] == "other (18)"
    counts = [int(text.get_text().split("\n")[1]) for text in axes.texts]
    rows = labelled(SPECIES, made)
    assert sum(counts) == rows.height
    assert 0 not in counts, "an empty cell of a large matrix has no text"
    shown = rows["target"].value_counts(sort=True).sort("count", descending=True)["count"]
    others = [int(t.get_text().split("\n")[1]) for t in axes.texts if round(t.get_position()[1]) == 12]  # fmt: skip
    assert sum(others) == rows.height - sum(shown[:12])


def test_class_names_with_dollar_signs_are_no_formulas(made: pl.DataFrame) -> None:
    axes = head_plots.confusion(BREED, made).axes[0]
    assert r"\$10 to \$20" in [label.get_text() for label in axes.get_yticklabels()]
    uri = figure_uri(head_plots.confusion(BREED, made))
    assert uri.startswith("data:image/svg+xml;base64,")


def test_the_scatter_has_one_point_for_each_true_value(made: pl.DataFrame) -> None:
    line, points = head_plots.scatter(AGE, made).axes[0].lines
    rows = labelled(AGE, made)
    assert len(points.get_xdata()) == rows.height
    drawn = set(zip(points.get_xdata(), points.get_ydata(), strict=True))
    assert drawn == set(rows.select("target_value", "value").rows())
    assert list(line.get_xdata()) == list(line.get_ydata())


def test_a_scatter_of_many_pictures_draws_a_part_of_them() -> None:
    n = 3 * head_plots.POINTS
    rows = pl.DataFrame({"task": ["age"] * n, "value": [1.0] * n, "target_value": [2.0] * n})
    rows = rows.with_row_index("asset_sha256")
    points = head_plots.scatter(AGE, rows).axes[0].lines[1]
    assert len(points.get_xdata()) == head_plots.POINTS


def test_reliability_of_many_classes_begins_below_their_chance(made: pl.DataFrame) -> None:
    axes = head_plots.reliability(SPECIES, made).axes[0]
    assert axes.get_xlim()[0] < 1 / 30 < 0.05
    assert head_plots.reliability(BREED, made, [0.2] * 5).axes[0].get_xlim()[0] == pytest.approx(
        1 / 6
    )


def test_balance_of_many_classes_is_rows_with_a_last_one_of_all_others() -> None:
    before = [1 / 30] * 30
    axes = head_plots.class_counts(SPECIES, before, None).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()][-1] == "other (18)"
    assert axes.texts[-1].get_text() == "60%"


def test_values_are_counted_before_and_after_weighting() -> None:
    values, weights = np.array([1.0, 1.0, 9.0]), np.array([1.0, 1.0, 6.0])
    figure = head_plots.value_counts(AGE, values, weights)
    *bars, outline = figure.axes[0].patches
    assert bars[0].get_height() == pytest.approx(2 / 3)
    assert max(outline.get_xy()[:, 1]) == pytest.approx(0.75)


def test_the_comparison_of_an_error_has_its_unit_and_no_chance() -> None:
    table = made_runs.metrics(made_runs.MadeRun([made_runs.AGE]), "split", "m")
    axes = plots.comparison(AGE, {"split": scores(table, "split", AGE)}, None).axes[0]
    assert axes.get_xlabel() == "mean absolute error (years)\n95 % interval, less is better"
    assert [label.get_text() for label in axes.get_yticklabels()][-1] == "training median"
    assert len(axes.get_figure().legends[0].get_texts()) == 1


def test_weight_changes_keep_the_order_of_the_network() -> None:
    changes = made_runs.changes(60).with_columns(pl.col("change") / 1e4)
    axes = plots.weight_changes(changes, "m").axes[0]
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert len(names) == plots.LAYERS
    assert names == changes["layer"].to_list()[-plots.LAYERS :], "those that changed most"
    drawn = [patch.get_width() for patch in axes.patches]
    assert drawn == pytest.approx(changes["change"].to_list()[-plots.LAYERS :])


def test_layers_that_began_near_zero_are_named_and_not_drawn() -> None:
    changes = made_runs.changes(3).vstack(pl.DataFrame({"layer": ["bias"], "change": [1e6]}))
    axes = plots.weight_changes(changes, "m").axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == changes["layer"].to_list()[:3]
    assert plots.began_near_zero(changes) == ["bias"]
