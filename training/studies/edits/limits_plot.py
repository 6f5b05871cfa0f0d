"""Draw the study of limits: one row of panels for each head, one panel for each scale, and the filters."""

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from training.studies.edits.picture_edits import SCALES

BLUE, GREY = "#0072b2", "#999999"
PANEL = (3.4, 2.6)  # inches


def draw_limits(table: pl.DataFrame) -> Figure:
    """Draw limits.parquet; the grey band is the interval of the unchanged pictures."""
    heads = list(dict.fromkeys(table["head"].to_list()))
    kinds = [kind for kind in dict.fromkeys(table["kind"].to_list()) if kind != "unchanged"]
    size = (PANEL[0] * max(1, len(kinds)), PANEL[1] * len(heads))
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(len(heads), max(1, len(kinds)), squeeze=False)
    for row, head in enumerate(heads):
        own = table.filter(pl.col("head") == head)
        whole = own.row(0, named=True)
        for column, kind in enumerate(kinds):
            axes = panels[row][column]
            _draw_scale(axes, own.filter(pl.col("kind") == kind), kind)
            if whole["low"] is not None:
                span = axes.axhspan if kind in SCALES else axes.axvspan
                span(whole["low"], whole["high"], color=GREY, alpha=0.3, lw=0)
            if column == 0:
                axes.set_ylabel(f"{head}: {whole['metric']}")
    return figure


def _draw_scale(axes: Axes, rows: pl.DataFrame, kind: str) -> None:
    values = rows["value"].to_numpy()
    bounds = rows.select(
        pl.col("low").fill_null(pl.col("value")), pl.col("high").fill_null(pl.col("value"))
    )
    low, high = (bounds[name].to_numpy() for name in ("low", "high"))
    errors = [(values - low).clip(0), (high - values).clip(0)]
    if kind in SCALES:
        axes.errorbar(rows["level"].to_numpy(), values, yerr=errors, color=BLUE, marker="o", ms=3)
        axes.set_xlabel(f"{SCALES[kind].title}, {SCALES[kind].unit}", fontsize=8)
        if kind == "resolution":
            axes.set_xscale("log", base=2)
        return
    places = range(len(rows))
    axes.errorbar(values, places, xerr=errors, color=BLUE, marker="o", ms=3, ls="")
    axes.set_yticks(list(places), rows["name"].to_list(), fontsize=6)
    axes.invert_yaxis()
