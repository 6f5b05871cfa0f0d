"""The report's figures: quality scores as histograms, classes before and after balancing, effects of rules."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from catalog import FEW_GROUPS, TOO_FEW, format_share
from curation.report.pages import bar, section, table, text
from curation.run.summary import CurationSummary
from curation.splits.groups import SPLITS
from curation.stages.quality import FLAG_ABOVE

HISTOGRAM_BINS = 20  # bins of a histogram over [0, 1]
WIDTH, HEIGHT = 260, 90  # px


def quality_section(scores: pl.DataFrame) -> str:
    """Draw the distribution of each quality score over the kept pictures, with its limit."""
    if scores.is_empty():
        return ""
    figures = []
    for name, limit in FLAG_ABOVE.items():
        values = [value for value in scores[name].drop_nulls() if math.isfinite(value)]
        n_above = sum(value > limit for value in values)
        caption = f"{text(name)}: {n_above} of {len(values)} above {limit:g}"
        figures.append(
            f"<figure>{histogram(values, limit)}<figcaption>{caption}</figcaption></figure>"
        )
    about = (
        "<p>Scores of the kept pictures, 0 on the left to 1 on the right; what lies right of the line is flagged, "
        "never dropped. Heights are shares of the pictures, on one scale.</p>"
    )
    return section("Quality", f"{about}<div class='row charts'>{''.join(figures)}</div>")


def histogram(values: Sequence[float], limit: float) -> str:
    """Draw values in [0, 1] as columns of `HISTOGRAM_BINS` equal bins, with a line at `limit`, as SVG."""
    counts = [0] * HISTOGRAM_BINS
    for value in values:
        counts[min(HISTOGRAM_BINS - 1, max(0, int(value * HISTOGRAM_BINS)))] += 1
    step, total = WIDTH / HISTOGRAM_BINS, max(len(values), 1)
    columns = "".join(
        f"<rect x='{place * step:.1f}' y='{HEIGHT * (1 - n / total):.1f}' width='{step - 1:.1f}' "
        f"height='{HEIGHT * n / total:.1f}' class='{'over' if place / HISTOGRAM_BINS >= limit else 'under'}'/>"
        for place, n in enumerate(counts)
    )
    at = f"{limit * WIDTH:.1f}"
    line = f"<line x1='{at}' x2='{at}' y1='0' y2='{HEIGHT}' class='limit'/>"
    floor = f"<line x1='0' x2='{WIDTH}' y1='{HEIGHT}' y2='{HEIGHT}' class='floor'/>"
    size = f"viewBox='0 0 {WIDTH} {HEIGHT}' width='{WIDTH}' height='{HEIGHT}'"
    return f"<svg {size} role='img'>{columns}{floor}{line}</svg>"


def balance_section(summary: CurationSummary) -> str:
    """Show train before and after weighting, then the natural and the balanced slice of validation and test."""
    classes = summary.classes
    about = (
        "<p>Train is weighted: the upper bar is its share of the pictures, the lower one what a sampler by weight "
        "draws. <i>Worth</i> is how many unweighted pictures the weighted ones stand for. "
        f"Rebalancing: {text(summary.plan['rebalance'])}.</p>"
    )
    train = classes.filter(pl.col("split") == "train")
    rows = [[*_named(row), *_weighted(row)] for row in train.iter_rows(named=True)]
    names = ["setting", "class", "pictures", "scenes", "before", "after", "worth", ""]
    parts = [section("Class balance", about + table(names, rows))]
    slices = [_slice_rows(classes, name) for name in SPLITS[1:]]
    if any(slices):
        names = ["split", "setting", "class", "natural", "", "balanced slice", "", ""]
        about_slices = (
            "<p>Validation and test keep their natural distribution (upper bar). Beside it each has a slice in which "
            "no class of a setting is larger than its rarest (lower bar; column <i>in_balanced_slice</i>).</p>"
        )
        parts.append(
            section(
                "Evaluation slices",
                about_slices + table(names, [r for part in slices for r in part]),
            )
        )
    return "".join(parts)


def _named(row: Mapping[str, object]) -> list[str]:
    return [text(row[name]) for name in ("setting", "class", "n", "scenes")]


def _weighted(row: Mapping[str, float]) -> list[str]:
    before, after = row["share"], row["weight_share"]
    bars = bar([(before, "ink")]) + bar([(after, "accent")])
    return [format_share(before), format_share(after), f"{row['effective_n']:.0f}", bars]


def _slice_rows(classes: pl.DataFrame, split: str) -> list[list[str]]:
    part = classes.filter(pl.col("split") == split)
    totals = dict(part.group_by("setting").agg(pl.col("n_balanced").sum()).iter_rows())
    rows = []
    for row in part.iter_rows(named=True):
        share = row["n_balanced"] / max(totals[row["setting"]], 1)
        bars = bar([(row["share"], "ink")]) + bar([(share, "accent")])
        cells = [split, row["setting"], row["class"], row["n"], format_share(row["share"])]
        rows.append([*map(text, cells), text(row["n_balanced"]), format_share(share), bars])
    return rows


def effects_section(folder: Path) -> str:
    """Show the results of `safelight train effects` for this run; empty without them."""
    path = folder / "effects.csv"
    if not path.exists():
        return ""
    effects = pl.read_csv(path)
    rows = [
        [
            text(row["left_out"]),
            text(row["setting"]),
            text(row["n_train"]),
            _interval(row, "balanced_accuracy", "low", "high", ""),
            _interval(row, "effect", "effect_low", "effect_high", "+"),
            text(row.get("n_groups", "")),
        ]
        for row in effects.iter_rows(named=True)
    ]
    about = (
        "<p>A model trained without a group of rules, on the same test pictures. The effect is the figure with all "
        "rules less that without; in brackets the 95 % interval over groups. One that holds 0 shows "
        f"nothing. With fewer than {FEW_GROUPS} groups there is no interval: {TOO_FEW}.</p>"
    )
    names = [
        "left out",
        "setting",
        "trained on",
        "balanced accuracy",
        "effect of the rules",
        "groups",
    ]
    return section("What the rules do to a model", about + table(names, rows))


def _interval(row: Mapping[str, object], value: str, low: str, high: str, sign: str) -> str:
    numbers = [row[name] for name in (value, low, high)]
    if not isinstance(numbers[0], float):
        return ""
    written = [f"{each:{sign}.3f}" for each in numbers if isinstance(each, float)]
    return written[0] if len(written) < 3 else f"{written[0]} [{written[1]}, {written[2]}]"
