"""Axes for the charts of reports, in one style, and the finished chart as a data URI.

Reports are files without scripts, so their charts are SVG drawn by matplotlib. The pages of the console use plotly.
"""

from io import BytesIO
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from catalog.reports.page import data_uri

CHART_INK, CHART_SOFT, _GRID = "#17212e", "#566475", "#e3e8ee"
_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": "#aab4c0",
    "axes.labelcolor": CHART_SOFT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": _GRID,
    "text.color": CHART_INK,
    "xtick.color": CHART_SOFT,
    "ytick.color": CHART_SOFT,
    "legend.frameon": False,
    "legend.fontsize": 9,
}


def make_axes(width: float, height: float, title: str) -> tuple[Figure, Axes]:
    """Make a figure (width and height in inches) with one titled pair of axes."""
    figure, axes = make_stacked_axes(width, height, title, 1)
    return figure, axes[0]


def make_stacked_axes(
    width: float, height: float, title: str, count: int
) -> tuple[Figure, list[Axes]]:
    """Make a figure (width and height in inches) with `count` stacked axes that share their x axis."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained", dpi=100)
        axes = list(figure.subplots(count, sharex=True, squeeze=False)[:, 0])
        axes[0].set_title(title)
    return figure, axes


def add_legend(figure: Figure, columns: int = 2) -> None:
    """Put the legend below the axes, so that it does not cover the plot."""
    handles = [line for axes in figure.axes for line in axes.get_legend_handles_labels()[0]]
    figure.legend(
        handles=handles, loc="outside lower center", ncols=columns, frameon=False, fontsize=8.5,
        handletextpad=0.5, columnspacing=1.2,
    )  # fmt: skip


def figure_uri(figure: Figure) -> str:
    """Encode a figure as a data URI, as SVG; the same figure gives the same text."""
    out = BytesIO()
    with mpl.rc_context({"svg.hashsalt": "safelight"}):
        # Figure.savefig would draw everything twice.
        FigureCanvasSVG(figure).print_svg(  # type: ignore[no-untyped-call]  # matplotlib types only a part
            out, metadata={"Date": None}
        )
    return data_uri(out.getvalue(), "image/svg+xml")
