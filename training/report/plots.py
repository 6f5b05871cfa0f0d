"""Draw the figures of a run from saved tables: training, comparison of predictors, retrieval, weight changes.

Colours are those of Okabe and Ito, which colour-blind readers can distinguish; shapes differ too.
Every function returns a matplotlib Figure, small enough that a page can show several in a row.
"""

from collections.abc import Mapping

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from catalog import CHART_INK, CHART_SOFT, add_legend, make_axes, make_stacked_axes
from training.evaluation.findings import Score, predictor_name
from training.evaluation.saved_head import CLASS_FAMILY, SavedHead
from training.fit.loss_curve import moving_average
from training.report.saved_run import POLICY_NAMES

POLICY_COLOURS = {"split": "#0072b2", "random_split": "#d55e00"}
POLICY_MARKS = {"split": "o", "random_split": "D"}
LARGEST_CHANGE = 10.0  # of the weights of a layer, in units of their norm at the start
LAYERS = 40  # layers of the figure of weight changes; of more, those that changed most


def plain_text(text: str) -> str:
    """Escape a text for matplotlib, which reads what is between two dollar signs as a formula."""
    return text.replace("$", r"\$")


def training_curves(
    history: pl.DataFrame, title: str, unit: str = "", steps: pl.DataFrame | None = None
) -> Figure:
    """Draw training and validation loss by epoch, marking the epoch of the lowest validation loss.

    Each has its own scale, because a recipe may use different losses for training and validation. `unit` is that of
    the losses, if they have one; `steps` are losses by step, whose moving averages are thin lines.
    """
    figure, (upper, lower) = make_stacked_axes(4.6, 3.7, title, 2)
    epochs = history["epoch"].to_numpy()
    for axes, name, colour in ((upper, "training", "#0072b2"), (lower, "validation", "#d55e00")):
        losses = history["train_loss" if name == "training" else "validation_loss"].to_numpy()
        axes.plot(epochs, losses, color=colour, marker="o", markersize=3.5)
        _add_moving_average(axes, steps, name, colour)
        axes.set_ylabel(f"{name}\nloss ({unit})" if unit else f"{name}\nloss")
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


def _add_moving_average(axes: Axes, steps: pl.DataFrame | None, name: str, colour: str) -> None:
    """Draw the moving average of the losses of steps, or of validation batches, in epochs; nothing without any."""
    column = "train_loss" if name == "training" else "validation_loss"
    curve = None if steps is None else moving_average(steps, column)
    if curve is not None and len(curve) > 1:
        axes.plot(curve["place"], curve[column], color=colour, linewidth=1, alpha=0.55,
                  label=f"{name} by step, moving average")  # fmt: skip


def comparison(
    head: SavedHead, by_policy: Mapping[str, Mapping[str, Score]], chance: float | None = 1 / 3
) -> Figure:
    """Draw the main metric of model and baselines with whiskers, one mark per split policy.

    A dotted line marks `chance`, the score of random guessing.
    """
    names = list(dict.fromkeys(name for scores in by_policy.values() for name in scores))
    figure, axes = make_axes(4.0, 1.5 + 0.34 * len(names), plain_text(head.title))
    places = np.arange(len(names))[::-1]
    for number, (policy, scores) in enumerate(by_policy.items()):
        shift = 0.16 - 0.32 * number if len(by_policy) > 1 else 0.0
        for place, name in zip(places, names, strict=True):
            if name in scores:
                _whisker(axes, scores[name], place + shift, policy)
        axes.plot([], [], POLICY_MARKS[policy], color=POLICY_COLOURS[policy], markersize=6,
                  label=POLICY_NAMES[policy])  # fmt: skip
    if chance is not None:
        axes.axvline(chance, color=CHART_SOFT, linestyle=":", linewidth=1.4, label="chance")
    axes.set_yticks(places, [plain_text(predictor_name(name, head.subject)) for name in names])
    for label, name in zip(axes.get_yticklabels(), names, strict=True):
        label.set(fontweight="bold" if name == "model" else "normal", color=CHART_INK)
    axes.grid(visible=False, axis="y")
    axes.set(xlabel=_metric_label(head), ylim=(-0.6, len(names) - 0.4))
    if head.family == CLASS_FAMILY:
        low, high = axes.get_xlim()
        axes.set_xlim(min(low, 0.25), max(high, 0.6))
    add_legend(figure, columns=3)
    return figure


def _metric_label(head: SavedHead) -> str:
    unit = f" ({head.unit})" if head.unit else ""
    if head.higher_is_better and not unit:
        return plain_text(f"{head.metric_name}, 95 % interval")
    better = "" if head.higher_is_better else ", less is better"
    return plain_text(f"{head.metric_name}{unit}\n95 % interval{better}")


def _whisker(axes: Axes, score: Score, place: float, policy: str) -> None:
    colour = POLICY_COLOURS[policy]
    axes.plot([score.lower, score.upper], [place, place], color=colour, linewidth=2, alpha=0.75)
    axes.plot(score.value, place, POLICY_MARKS[policy], color=colour, markersize=6)


def recall_and_precision(curves: Mapping[str, pl.DataFrame], title: str = "Copies found") -> Figure:
    """Draw precision by recall of several predictors; tables have both columns, highest score first."""
    figure, axes = make_axes(4.6, 3.7, plain_text(title))
    colours, ways = ("#0072b2", "#d55e00", "#009e73", "#cc79a7"), ("-", "--", ":", "-.")
    for number, (name, curve) in enumerate(curves.items()):
        colour, way = colours[number % len(colours)], ways[number % len(ways)]
        axes.plot(curve["recall"], curve["precision"], way, color=colour, label=plain_text(name))
    axes.set_xlabel("recall: share of the copies found")
    axes.set_ylabel("precision: share of what is\nfound that are copies")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.03)
    add_legend(figure)
    return figure


def weight_changes(changes: pl.DataFrame, title: str) -> Figure:
    """Draw the relative change of the weights of each layer (columns layer, change), in the order of the network.

    Layers that began near zero are left out, see `began_near_zero`.
    """
    rows = changes.with_row_index("place").filter(pl.col("change") <= LARGEST_CHANGE)
    if rows.height > LAYERS:
        rows = rows.sort("change", descending=True).head(LAYERS).sort("place")
    figure, axes = make_axes(5.2, 1.1 + 0.19 * rows.height, plain_text(title))
    places = np.arange(rows.height)[::-1]
    axes.barh(places, rows["change"].to_numpy(), 0.7, color="#0072b2")
    axes.set_yticks(places, [plain_text(name) for name in rows["layer"]], fontsize=7.5)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.set_xlabel("change of the weights,\nshare of their norm at the start")
    axes.set_ylim(-0.6, rows.height - 0.4)
    axes.grid(visible=False, axis="y")
    return figure


def began_near_zero(changes: pl.DataFrame) -> list[str]:
    """Return the layers whose weights were so small at the start that their relative change has no meaning."""
    return changes.filter(~(pl.col("change") <= LARGEST_CHANGE))["layer"].to_list()
