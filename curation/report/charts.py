"""The report's charts of numbers: quality scores, classes before and after balancing, effects of rules."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from matplotlib.figure import Figure

from catalog import CHART_SOFT, Catalog, ConsoleLinks, figure_uri, make_axes
from curation.reading import frame
from curation.report.console_queries import DECISIONS
from curation.splits.groups import SPLITS
from curation.stages.quality import FLAG_ABOVE, flag_limit

HISTOGRAM_BINS = 20  # bins of a histogram over [0, 1]
_OVER = "#c2571a"
_SCORES = """
    SELECT q.*, greatest(i.width, i.height) AS longest_side
    FROM quality q JOIN curated_items i USING (asset_sha256) WHERE i.run_id = ?
    QUALIFY row_number() OVER (PARTITION BY q.asset_sha256 ORDER BY q.stage DESC) = 1
"""


@dataclass(frozen=True)
class QualityChart:
    """The histogram of one score over `n` kept pictures, `n_above` of them above `limit`; `link` lists those."""

    name: str
    limit: float
    n: int
    n_above: int
    uri: str
    link: str


def quality_charts(catalog: Catalog, run_id: str, links: ConsoleLinks) -> list[QualityChart]:
    """Draw the distribution of each quality score over the kept pictures, with its limit; none without scores."""
    scores = frame(catalog, _SCORES, (run_id,))
    if scores.is_empty():
        return []
    charts = []
    for name, limit in FLAG_ABOVE.items():
        values = [value for value in scores[name].drop_nulls() if math.isfinite(value)]
        n_above = scores.filter(pl.col(name) > flag_limit(name)).height
        uri = figure_uri(histogram(values, limit, name))
        link = links.query(DECISIONS, [run_id, "flag", f"quality_{name}"])
        charts.append(QualityChart(name, limit, len(values), n_above, uri, link))
    return charts


def histogram(values: Sequence[float], limit: float, title: str) -> Figure:
    """Draw values in [0, 1] as shares in `HISTOGRAM_BINS` equal bins, with a line at `limit`.

    Values outside fall into the first or last bin. All histograms have the same scale, 0 to 1.
    """
    inside = np.clip(np.asarray(values, dtype=float), 0, 1)
    counts, edges = np.histogram(inside, bins=HISTOGRAM_BINS, range=(0, 1))
    colours = [_OVER if edge >= limit else CHART_SOFT for edge in edges[:-1].round(9)]
    figure, axes = make_axes(2.9, 1.5, title.replace("_", " "))
    axes.bar(
        edges[:-1], counts / max(len(values), 1), 0.9 / HISTOGRAM_BINS, align="edge", color=colours
    )
    axes.axvline(limit, color=_OVER, linestyle="--", linewidth=1.2)
    axes.set(xlim=(0, 1), ylim=(0, 1), yticks=(0, 0.5, 1))
    return figure


def train_balance(classes: pl.DataFrame) -> list[dict[str, object]]:
    """Give the classes of train: `share` of the pictures, and `weight_share`, what a sampler by weight draws."""
    return classes.filter(pl.col("split") == "train").to_dicts()


def evaluation_slices(classes: pl.DataFrame) -> list[dict[str, object]]:
    """Give the classes of validation and test: `share` of the natural slice, `balanced_share` of the balanced one."""
    totals = pl.col("n_balanced").sum().over("split", "setting").clip(lower_bound=1)
    rows = classes.with_columns(balanced_share=pl.col("n_balanced") / totals)
    return [row for split in SPLITS[1:] for row in rows.filter(pl.col("split") == split).to_dicts()]


def effects(folder: Path) -> list[dict[str, object]]:
    """Read the results of `safelight train effects` for this run; empty without them."""
    path = folder / "effects.csv"
    if not path.exists():
        return []
    return [
        {
            **row,
            "n_groups": row.get("n_groups", ""),
            "accuracy_text": _interval(row, "balanced_accuracy", "low", "high", ""),
            "effect_text": _interval(row, "effect", "effect_low", "effect_high", "+"),
        }
        for row in pl.read_csv(path).iter_rows(named=True)
    ]


def _interval(row: Mapping[str, object], value: str, low: str, high: str, sign: str) -> str:
    numbers = [row[name] for name in (value, low, high)]
    if not isinstance(numbers[0], float):
        return ""
    written = [f"{each:{sign}.3f}" for each in numbers if isinstance(each, float)]
    return written[0] if len(written) < 3 else f"{written[0]} [{written[1]}, {written[2]}]"
