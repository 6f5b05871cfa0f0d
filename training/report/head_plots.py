"""Draw the figures of one head from saved predictions: confusion, reliability, scatter, balance of labels.

Of many classes the most frequent ones are drawn, the others as one class, which the figure names.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from catalog import CHART_INK, CHART_SOFT, add_legend, make_axes
from training.evaluation.confusion import RELIABILITY_BINS, labelled, largest_classes, merged
from training.evaluation.saved_head import SavedHead
from training.report.colours import PALETTE, REST, class_colours
from training.report.plots import plain_text

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

POINTS = 4_000  # of a scatter plot
_NAME = 18  # characters of a class name on an axis


def class_names(head: SavedHead, numbers: Sequence[int], n_classes: int) -> list[str]:
    """Return the names of the classes, escaped and cut for an axis, and one for the others if there are any."""
    names = [plain_text(shorten(head.class_name(number))) for number in numbers]
    others = n_classes - len(numbers)
    return [*names, f"other ({others})"] if others else names


def shorten(text: str) -> str:
    """Cut a long name at its end."""
    return text if len(text) <= _NAME else f"{text[: _NAME - 1]}…"


def confusion(head: SavedHead, predictions: pl.DataFrame) -> Figure:
    """Draw the confusion matrix of a head: share of each true class, counts below."""
    rows = labelled(head, predictions)
    whole = np.zeros((len(head.classes), len(head.classes)), dtype=int)
    np.add.at(whole, (rows["target"].to_numpy(), rows["predicted"].to_numpy()), 1)
    numbers = largest_classes(whole.sum(axis=1).tolist())
    counts = merged(whole, numbers)
    count = len(counts)
    side = max(3.6, 1.6 + 0.52 * count)
    figure, axes = make_axes(side, side, plain_text(head.title))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    size = 10 if count <= 4 else 7.5
    for (row, column), share in np.ndenumerate(shares):
        if count > 4 and not counts[row, column]:
            continue
        axes.text(column, row, f"{share:.0%}\n{counts[row, column]}", ha="center", va="center",
                  color="white" if share > 0.55 else CHART_INK, fontsize=size)  # fmt: skip
    names, is_small = class_names(head, numbers, len(whole)), count <= 4
    axes.set_xticks(range(count), names)
    axes.set_yticks(range(count), names)
    if is_small:
        axes.tick_params(axis="y", labelrotation=90)
        _align(axes.get_yticklabels(), va="center")
    else:
        axes.tick_params(labelsize=8)
        axes.tick_params(axis="x", labelrotation=45)
        _align(axes.get_xticklabels(), ha="right", rotation_mode="anchor")
    axes.set(xlabel="predicted", ylabel="true")
    axes.grid(visible=False)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return figure


def _align(labels: Sequence[Text], **where: str) -> None:
    for label in labels:
        label.set(**where)


def reliability(
    head: SavedHead, predictions: pl.DataFrame, shares: Sequence[float] | None = None
) -> Figure:
    """Draw a reliability diagram: the share of right predictions against the confidence.

    With the class `shares` of training, a second line shows the probabilities for a population of those
    shares. The area of a dot is proportional to the number of pictures in its tenth of confidence.
    """
    rows, count = labelled(head, predictions), max(len(head.classes), 2)
    stated = np.array(rows["probabilities"].to_list(), dtype=float).reshape(-1, count)
    target = rows["target"].to_numpy()
    figure, axes = make_axes(3.6, 3.6, plain_text(head.title))
    lowest = max(0.0, 1 / count - 1 / 30)
    axes.plot([lowest, 1], [lowest, 1], color=CHART_SOFT, linestyle=":", linewidth=1.4)
    _reliability(axes, stated, target, ("#d55e00", "--", "as stated"))
    if shares is not None:
        natural = stated * np.asarray(shares)
        natural /= natural.sum(axis=1, keepdims=True)
        _reliability(axes, natural, target, ("#0072b2", "-", "with class shares"))
    axes.set(xlabel="confidence", ylabel="share right", xlim=(lowest, 1.02), ylim=(-0.03, 1.04))
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


def scatter(head: SavedHead, predictions: pl.DataFrame) -> Figure:
    """Draw predicted against true values; on the dotted line they are equal. At most `POINTS` pictures."""
    rows = labelled(head, predictions)
    if rows.height > POINTS:
        rows = rows.sort("asset_sha256").gather_every(-(-rows.height // POINTS))
    true, predicted = rows["target_value"].to_numpy(), rows["value"].to_numpy()
    figure, axes = make_axes(4.0, 4.0, plain_text(head.title))
    both = np.concatenate([true, predicted])
    ends = [float(both.min()), float(both.max())] if len(both) else [0.0, 1.0]
    axes.plot(
        ends, ends, color=CHART_SOFT, linestyle=":", linewidth=1.4, label="prediction = truth"
    )
    axes.plot(true, predicted, "o", color="#0072b2", markersize=3.5, alpha=0.45, markeredgewidth=0)
    unit = f" ({head.unit})" if head.unit else ""
    axes.set(xlabel=plain_text(f"true value{unit}"), ylabel=plain_text(f"predicted value{unit}"))
    add_legend(figure)
    return figure


def class_counts(head: SavedHead, before: Sequence[float], after: Sequence[float] | None) -> Figure:
    """Draw the share of each class before weighting and, if there are weights, after it.

    Up to four classes are columns, more are rows.
    """
    numbers = largest_classes(before)
    series = [("unweighted", "", before), *([("weighted", "///", after)] if after else [])]
    rows = [
        (name, hatch, [shares[n] for n in numbers], 1 - sum(shares[n] for n in numbers))
        for name, hatch, shares in series
    ]
    draw = _class_columns if len(before) <= 4 else _class_rows
    return draw(head, numbers, rows)


_Series = tuple[str, str, list[float], float]


def _class_columns(head: SavedHead, numbers: Sequence[int], series: Sequence[_Series]) -> Figure:
    figure, axes = make_axes(3.6, 3.2, plain_text(head.title))
    places, width = np.arange(len(numbers)), 0.38 if len(series) > 1 else 0.6
    colours = class_colours(head)
    for place, (name, hatch, shares, _) in enumerate(series):
        shift = (place - (len(series) - 1) / 2) * 0.4
        bars = axes.bar(
            places + shift, shares, width, color=colours, edgecolor="white", hatch=hatch
        )
        axes.bar_label(bars, [f"{share:.0%}" for share in shares], fontsize=8.5, padding=1)
        axes.bar([0], [0], color="#7d8896", edgecolor="white", hatch=hatch, label=name)
    axes.axhline(1 / len(numbers), color=CHART_SOFT, linestyle=":", linewidth=1.2)
    axes.set_xticks(places, [_broken(head.describe_class(n)) for n in numbers], fontsize=9)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_ylim(0, max(*(max(shares) for _, _, shares, _ in series), 0.4) * 1.12)
    axes.grid(visible=False, axis="x")
    if len(series) > 1:
        add_legend(figure)
    return figure


def _broken(text: str) -> str:
    """Break a description such as "up to ISO 200" in two lines."""
    text = plain_text(text if " to " in text or text.startswith("from") else shorten(text))
    if text.startswith("up to "):
        return text.replace("up to ", "up to\n")
    return text.replace(" to ", "\nto ", 1)


def _class_rows(head: SavedHead, numbers: Sequence[int], series: Sequence[_Series]) -> Figure:
    n_classes = len(head.classes)
    names = class_names(head, numbers, n_classes)
    figure, axes = make_axes(4.2, 1.2 + 0.34 * len(names), plain_text(head.title))
    places, height = np.arange(len(names))[::-1], 0.38 if len(series) > 1 else 0.66
    own = class_colours(head) or (PALETTE[0],) * n_classes
    colours = [*(own[number] for number in numbers), REST][: len(names)]
    for place, (name, hatch, shares, others) in enumerate(series):
        widths = [*shares, others][: len(names)]
        shift = ((len(series) - 1) / 2 - place) * 0.4
        bars = axes.barh(
            places + shift, widths, height, color=colours, edgecolor="white", hatch=hatch
        )
        axes.bar_label(bars, [f"{share:.0%}" for share in widths], fontsize=7.5, padding=2)
        axes.barh([0], [0], color="#7d8896", edgecolor="white", hatch=hatch, label=name)
    axes.axvline(1 / n_classes, color=CHART_SOFT, linestyle=":", linewidth=1.2)
    axes.set_yticks(places, names, fontsize=8)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_ylim(-0.7, len(names) - 0.3)
    axes.margins(x=0.12)
    axes.grid(visible=False, axis="y")
    if len(series) > 1:
        add_legend(figure)
    return figure


def value_counts(head: SavedHead, values: Floats, weights: Floats | None) -> Figure:
    """Draw the distribution of the values of the training pictures, before and after weighting."""
    figure, axes = make_axes(3.9, 3.2, plain_text(head.title))
    edges = np.histogram_bin_edges(values, bins=min(30, max(5, len(values) // 10))).tolist()
    total = max(len(values), 1)
    axes.hist(
        values, edges, weights=np.full(len(values), 1 / total), color="#a9d1f5", label="unweighted"
    )
    if weights is not None:
        axes.hist(values, edges, weights=weights / weights.sum(), histtype="step", color="#0a3470",
                  linewidth=1.5, label="weighted")  # fmt: skip
        add_legend(figure)
    axes.set_xlabel(plain_text(head.unit or head.title))
    axes.set_ylabel("share of the pictures")
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    return figure
