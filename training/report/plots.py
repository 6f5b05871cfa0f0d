"""Draw the figures of a report from saved tables.

Colours are those of Okabe and Ito, which colour-blind readers can distinguish; shapes differ too.
Every function returns a matplotlib Figure, small enough that a page can show several in a row.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from catalog import CHART_INK, CHART_SOFT, add_legend, make_axes, make_stacked_axes
from training.data.photo_settings import CLASSES, task_name
from training.evaluation.findings import Score, predictor_name
from training.report.prediction_plot import BLUES
from training.report.saved_run import POLICY_NAMES

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

POLICY_COLOURS = {"split": "#0072b2", "random_split": "#d55e00"}
POLICY_MARKS = {"split": "o", "random_split": "D"}
RELIABILITY_BINS = 10


def training_curves(history: pl.DataFrame, title: str) -> Figure:
    """Draw training and validation loss by epoch, marking the epoch of the lowest validation loss.

    Each has its own scale, because a recipe may use different losses for training and validation.
    """
    figure, (upper, lower) = make_stacked_axes(4.6, 3.7, title, 2)
    epochs = history["epoch"].to_numpy()
    for axes, name, colour in ((upper, "training", "#0072b2"), (lower, "validation", "#d55e00")):
        losses = history["train_loss" if name == "training" else "validation_loss"].to_numpy()
        axes.plot(epochs, losses, color=colour, marker="o", markersize=3.5)
        axes.set_ylabel(f"{name}\nloss (nats)")
    best = history.drop_nulls("validation_loss").sort("validation_loss", "epoch").head(1)
    for row in best.iter_rows(named=True):
        lower.plot(
            row["epoch"], row["validation_loss"], "o", color="none", markersize=11,
            markeredgecolor="#d55e00", label=f"lowest validation loss: epoch {row['epoch']}",
        )  # fmt: skip
    lower.set_xlabel("epoch")
    lower.xaxis.set_major_locator(MaxNLocator(integer=True))
    add_legend(figure)
    return figure


def comparison(
    task: str, by_policy: Mapping[str, Mapping[str, Score]], chance: float = 1 / 3
) -> Figure:
    """Draw balanced accuracy of model and baselines with whiskers, one mark per split policy."""
    names = list(dict.fromkeys(name for scores in by_policy.values() for name in scores))
    figure, axes = make_axes(4.0, 1.5 + 0.34 * len(names), task_name(task))
    places = np.arange(len(names))[::-1]
    for number, (policy, scores) in enumerate(by_policy.items()):
        shift = 0.16 - 0.32 * number if len(by_policy) > 1 else 0.0
        for place, name in zip(places, names, strict=True):
            if name in scores:
                _whisker(axes, scores[name], place + shift, policy)
        axes.plot([], [], POLICY_MARKS[policy], color=POLICY_COLOURS[policy], markersize=6,
                  label=POLICY_NAMES[policy])  # fmt: skip
    axes.axvline(chance, color=CHART_SOFT, linestyle=":", linewidth=1.4, label="chance")
    axes.set_yticks(places, [predictor_name(name) for name in names])
    for label, name in zip(axes.get_yticklabels(), names, strict=True):
        label.set(fontweight="bold" if name == "model" else "normal", color=CHART_INK)
    axes.grid(visible=False, axis="y")
    axes.set(xlabel="balanced accuracy, 95 % interval", ylim=(-0.6, len(names) - 0.4))
    low, high = axes.get_xlim()
    axes.set_xlim(min(low, 0.25), max(high, 0.6))
    add_legend(figure, columns=3)
    return figure


def _whisker(axes: Axes, score: Score, place: float, policy: str) -> None:
    colour = POLICY_COLOURS[policy]
    axes.plot([score.lower, score.upper], [place, place], color=colour, linewidth=2, alpha=0.75)
    axes.plot(score.value, place, POLICY_MARKS[policy], color=colour, markersize=6)


def confusion(task: str, predictions: pl.DataFrame) -> Figure:
    """Draw the confusion matrix of a head: share of each true class, counts below."""
    labelled = predictions.filter((pl.col("task") == task) & pl.col("target").is_not_null())
    counts = np.zeros((3, 3), dtype=int)
    np.add.at(counts, (labelled["target"].to_numpy(), labelled["predicted"].to_numpy()), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure, axes = make_axes(3.6, 3.4, task_name(task))
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (true, predicted), share in np.ndenumerate(shares):
        axes.text(predicted, true, f"{share:.0%}\n{counts[true, predicted]}", ha="center", va="center",
                  color="white" if share > 0.55 else CHART_INK, fontsize=10)  # fmt: skip
    axes.set_xticks(range(3), CLASSES)
    axes.set_yticks(range(3), CLASSES, rotation=90, va="center")
    axes.set(xlabel="predicted", ylabel="true")
    axes.grid(visible=False)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return figure


def reliability(
    task: str, predictions: pl.DataFrame, shares: Sequence[float] | None = None
) -> Figure:
    """Draw a reliability diagram: the share of right predictions against the confidence.

    With the class `shares` of training, a second line shows the probabilities for a population of those
    shares. The area of a dot is proportional to the number of pictures in its tenth of confidence.
    """
    labelled = predictions.filter((pl.col("task") == task) & pl.col("target").is_not_null())
    stated = np.array(labelled["probabilities"].to_list()).reshape(-1, 3)
    target = labelled["target"].to_numpy()
    figure, axes = make_axes(3.6, 3.6, task_name(task))
    axes.plot([0.3, 1], [0.3, 1], color=CHART_SOFT, linestyle=":", linewidth=1.4)
    _reliability(axes, stated, target, ("#d55e00", "--", "as stated"))
    if shares is not None:
        natural = stated * np.asarray(shares)
        natural /= natural.sum(axis=1, keepdims=True)
        _reliability(axes, natural, target, ("#0072b2", "-", "with class shares"))
    axes.set(xlabel="confidence", ylabel="share right", xlim=(0.3, 1.02), ylim=(-0.03, 1.04))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=0))
    add_legend(figure)
    return figure


def _reliability(
    axes: Axes, probabilities: Floats, target: Ints, look: tuple[str, str, str]
) -> None:
    colour, dash, name = look
    sure, right = probabilities.max(axis=1, initial=0), probabilities.argmax(axis=1) == target
    places = np.minimum((sure * RELIABILITY_BINS).astype(int), RELIABILITY_BINS - 1)
    inside = [places == place for place in np.unique(places)]
    x, y = ([float(values[rows].mean()) for rows in inside] for values in (sure, right))
    axes.plot(x, y, dash, color=colour, linewidth=1.4, label=name)
    axes.scatter(x, y, s=[220 * float(rows.mean()) + 12 for rows in inside], color=colour, zorder=3)


def class_counts(
    title: str, ranges: Sequence[str], before: Sequence[float], after: Sequence[float]
) -> Figure:
    """Draw the share of each class in the training part before and after weighting."""
    figure, axes = make_axes(3.6, 3.2, title)
    places = np.arange(3)
    for shares, shift, hatch, name in (
        (before, -0.2, "", "unweighted"),
        (after, 0.2, "///", "weighted"),
    ):
        bars = axes.bar(places + shift, shares, 0.38, color=BLUES, edgecolor="white", hatch=hatch)
        axes.bar_label(bars, [f"{share:.0%}" for share in shares], fontsize=8.5, padding=1)
        axes.bar([0], [0], color="#7d8896", edgecolor="white", hatch=hatch, label=name)
    axes.axhline(1 / 3, color=CHART_SOFT, linestyle=":", linewidth=1.2)
    axes.set_xticks(
        places,
        [
            text.replace(" to ", "\nto ", 1)
            if not text.startswith("up")
            else text.replace("up to ", "up to\n")
            for text in ranges
        ],
        fontsize=9,
    )
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_ylim(0, max(*before, *after, 0.4) * 1.12)
    axes.grid(visible=False, axis="x")
    add_legend(figure)
    return figure


def recall_and_precision(curves: Mapping[str, pl.DataFrame]) -> Figure:
    """Draw precision by recall of several predictors; tables have both columns, highest score first."""
    figure, axes = make_axes(4.6, 3.7, "Copies found")
    colours = ("#0072b2", "#d55e00", "#009e73")
    for (name, curve), colour, way in zip(curves.items(), colours, ("-", "--", ":"), strict=True):
        axes.plot(curve["recall"], curve["precision"], way, color=colour, label=name)
    axes.set_xlabel("share of the copies found")
    axes.set_ylabel("share of what is found\nthat are copies")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.03)
    add_legend(figure)
    return figure
