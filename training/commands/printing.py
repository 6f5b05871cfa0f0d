"""Metrics as tables for the terminal."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from catalog import FEW_GROUPS, TOO_FEW, aligned, counted, format_bytes
from training.evaluation.findings import (
    Score,
    baseline_names,
    decimals,
    learnt,
    predictor_name,
)
from training.evaluation.intervals import Interval, with_interval
from training.evaluation.saved_head import (
    CLASS_FAMILY,
    RETRIEVAL_FAMILY,
    VALUE_FAMILY,
    SavedHead,
    copies_head,
    metric_name,
    saved_heads,
)
from training.evaluation.tasks.retrieval_table import recall_table

if TYPE_CHECKING:
    from training.evaluation.leaderboard import Board
    from training.evaluation.model_comparison import Comparison
    from training.studies.effect_comparison import Effect
    from training.studies.exif_check import CheckResult

PREDICTORS = {
    CLASS_FAMILY: ("majority", "prior", "metadata", "tiny_features"),
    VALUE_FAMILY: ("median", "metadata", "tiny_features"),
}
OF_FILES = (
    "clock",
    *("file", "file_seen", "bytes_seen"),
    *("colours_only", "exif_only", "software_only", "trip_only"),
)
"""Predictors that some heads and data sets have, too."""
BESIDE = {CLASS_FAMILY: "accuracy", VALUE_FAMILY: "r2"}
"""The metric of the model that stands beside the main one."""
NO_BASELINE = "no baseline was saved, so no figure"
EFFECT_COLUMNS = (
    "left out",
    "setting",
    "trained on",
    "balanced accuracy",
    "effect of the rules",
    "n",
    "groups",
)


def summary(models: Mapping[str, Path]) -> str:
    """Return tables of the main metric of finished models and baselines, by split policy, one for each family."""
    metrics = {name: pl.read_parquet(folder / "metrics.parquet") for name, folder in models.items()}
    heads = next((model_heads(folder) for folder in models.values()), ())
    return table(metrics, heads)


def model_heads(folder: Path) -> tuple[SavedHead, ...]:
    """Return the heads of a model folder; one without `config.json` is an embedder of older code."""
    config = folder / "config.json"
    if not config.is_file():
        return (copies_head(),)
    return saved_heads(json.loads(config.read_text("utf-8")))


def effects_table(effects: "Sequence[Effect]") -> str:
    """Return a table of what each group of rules adds to the balanced accuracy, by setting and on average."""
    rows = []
    for each in effects:
        effect = "" if each.effect is None else with_interval(vars(each.effect), sign="+")
        if each.effect and each.effect.low is None:
            effect += f" ({TOO_FEW})"
        score = _cell(vars(each.score))
        sizes = str(each.score.n), str(each.score.n_groups)
        rows.append((each.left_out, each.setting, str(each.n_train), score, effect, *sizes))
    return "\n".join(aligned(EFFECT_COLUMNS, rows, numbers={"trained on", "n", "groups"}))


def check_lines(result: "CheckResult") -> list[str]:
    """Say what a check of EXIF against pixels has learnt, what it finds of planted swaps, and what follows."""
    lines = [
        "rank correlation with the labels, each picture judged by a model that saw nothing of its group:"
    ]
    for name, each in result.residuals.ranks.items():
        lines.append(f"  {name:<14} {with_interval(vars(each), digits=2):<20} {_learnt(each)}")
    for found, which in (
        (result.top_share, ""),
        (result.top_share_large, " that move the light by 3 EV or more"),
    ):
        if found.n:
            lines.append(
                f"of {found.n} planted swaps{which}, the share ranked in the top 5 %: "
                f"{with_interval(vars(found), digits=2)} (chance 0.05)"
            )
    if result.is_borne:
        lines.append(
            f"issues of kind implausible_settings: {result.n_issues}, the least plausible 5 %"
        )
    elif result.top_share.n_groups < FEW_GROUPS:
        lines.append(f"{TOO_FEW}: no issue is written")
    else:
        lines.append("not shown to find more than chance: no issue is written")
    return lines


def quantised_lines(facts: Mapping[str, Any]) -> list[str]:
    """Describe a quantised model: how it was made, what it saves and what it loses."""
    size, spent = facts["bytes"], facts["ms_a_picture"]
    lines = [
        f"{facts['way']}: {format_bytes(size['quantised'])} in place of {format_bytes(size['float'])}, "
        f"{spent['quantised']:.1f} ms of CPU a picture in place of {spent['float']:.1f} ms"
    ]
    for head, row in facts["heads"].items():
        before, after, change = (
            with_interval(
                {
                    "value": row[name],
                    "low": row[f"{name}_low"],
                    "high": row[f"{name}_high"],
                    "n_groups": row["n_groups"],
                },
                sign=sign,
            )
            for name, sign in (("float", ""), ("quantised", ""), ("change", "+"))
        )
        lines.append(
            f"{head}: {metric_name(row['metric'])} {after} in place of {before}, change {change}, "
            f"on {row['n']} test pictures"
        )
    return lines


def _learnt(each: Interval) -> str:
    return learnt(Score(**vars(each)))


def table(metrics: Mapping[str, pl.DataFrame], heads: Sequence[SavedHead] = ()) -> str:
    """Return one row for each split policy and head from tables of `metrics`, with 95 % intervals.

    Without `heads` their families are those of the saved metrics. A head without a baseline has no figures.
    """
    heads = heads or _measured_heads(metrics)
    families = dict.fromkeys(head.family for head in heads)
    blocks = [
        _retrieval(metrics, heads)
        if family == RETRIEVAL_FAMILY
        else _family(metrics, heads, family)
        for family in families
    ]
    return "\n\n".join(filter(None, blocks))


def _measured_heads(metrics: Mapping[str, pl.DataFrame]) -> list[SavedHead]:
    """Return one head for each task, of the family whose main metric was saved."""
    by_task: dict[str, set[str]] = {}
    for frame in metrics.values():
        for task, metric in frame.select("task", "metric").unique(maintain_order=True).rows():
            by_task.setdefault(task, set()).add(metric)
    return [_measured_head(task, names) for task, names in by_task.items()]


def _measured_head(task: str, metrics: set[str]) -> SavedHead:
    if "mae" in metrics:
        return SavedHead(task, "", VALUE_FAMILY, task, metric="mae", higher_is_better=False)
    if copies_head().metric in metrics:
        return replace(copies_head(), name=task)
    return SavedHead(task, "", CLASS_FAMILY, task)


def _family(metrics: Mapping[str, pl.DataFrame], heads: Sequence[SavedHead], family: str) -> str:
    chosen = [head for head in heads if head.family == family]
    measured = {name for frame in metrics.values() for name in frame["predictor"].unique()}
    names = [*PREDICTORS[family], *(name for name in OF_FILES if name in measured)]
    rows = [row for name, frame in metrics.items() for row in _rows(name, frame, chosen, names)]
    if not rows:
        return ""
    beside = metric_name(BESIDE[family])
    things = "pictures" if chosen[0].subject == "photo" else f"{chosen[0].subject}s"
    columns = ("split", "head", "model", *names, beside, things, "groups")
    lines = aligned(columns, rows, numbers={things, "groups"})
    better = "" if chosen[0].higher_is_better else ", less is better"
    text = [f"{chosen[0].metric_name}{better} ({beside}: of the model)", *lines]
    if any(row[-1].isdigit() and int(row[-1]) < FEW_GROUPS for row in rows):
        text.append(f"under {FEW_GROUPS} groups there is no interval and no verdict: {TOO_FEW}")
    return "\n".join(text)


def _rows(
    policy: str, metrics: pl.DataFrame, heads: Sequence[SavedHead], names: Sequence[str]
) -> list[tuple[str, ...]]:
    whole = metrics.filter(pl.col("slice") == "all")
    rows = []
    for head in heads:
        of_head = whole.filter(pl.col("task") == head.name)
        by_key = {(row["predictor"], row["metric"]): row for row in of_head.iter_rows(named=True)}
        if ("model", head.metric) in by_key:
            rows.append((policy, _title(head), *_cells(metrics, head, by_key, names)))
    return rows


def _title(head: SavedHead) -> str:
    return f"{head.name} ({head.unit})" if head.unit else head.name


def _cells(
    metrics: pl.DataFrame,
    head: SavedHead,
    by_key: Mapping[tuple[str, str], Mapping[str, Any]],
    names: Sequence[str],
) -> list[str]:
    """Return the figures of one head; without a baseline a remark in place of them."""
    model = by_key["model", head.metric]
    counts = [str(model["n"]), str(model["n_groups"])]
    measured = (name for name, metric in by_key if metric == head.metric)
    if not baseline_names(head, measured):
        return [NO_BASELINE, *["-"] * len(names), "-", *counts]
    digits = max(decimals(metrics, head, head.metric), 3 if head.family == CLASS_FAMILY else 0)
    cells = [_cell(by_key.get((name, head.metric)), digits) for name in ("model", *names)]
    return [*cells, _cell(by_key.get(("model", BESIDE[head.family]))), *counts]


def _retrieval(metrics: Mapping[str, pl.DataFrame], heads: Sequence[SavedHead]) -> str:
    """Lay out recall by number of edits, of the first split policy."""
    names = [head.name for head in heads if head.family == RETRIEVAL_FAMILY]
    frame = next(iter(metrics.values()))
    header, *lines = recall_table(frame.filter(pl.col("task").is_in(names)).to_dicts())
    if len(header) <= 3:  # only the model
        return f"recall of edited copies: {NO_BASELINE}"
    text = aligned(header, lines, numbers={"precision"})
    return "\n".join(["recall of edited copies of held-out groups", *text])


def _cell(row: Mapping[str, Any] | None, digits: int = 3) -> str:
    return "-" if row is None or math.isnan(row["value"]) else with_interval(row, digits=digits)


def trials_table(trials: pl.DataFrame, most: int = 12) -> str:
    """Return the best trials of a search: validation loss, epoch, seconds and hyperparameters."""
    names = [name for name in trials.columns if name.startswith("set_")]
    columns = (
        "trial",
        "validation loss",
        "epoch",
        "seconds",
        *(n.removeprefix("set_") for n in names),
    )
    rows = [
        (
            str(row["trial"]), f"{row['validation_loss']:.4f}", str(row["best_epoch"]),
            f"{row['seconds']:.1f}", *(row[name] for name in names),
        )
        for row in trials.head(most).iter_rows(named=True)
    ]  # fmt: skip
    return "\n".join(aligned(columns, rows, numbers=set(columns)))


def limits_lines(table: pl.DataFrame, limits: Mapping[str, Any]) -> list[str]:
    """Return the table of the study of limits, and the limits in words."""
    changes = {"low": "change_low", "high": "change_high", "value": "change"}
    cells = []
    for row in table.iter_rows(named=True):
        change = {name: row[column] for name, column in changes.items()} | {
            "n_groups": row["n_groups"]
        }
        paired = "" if row["kind"] == "unchanged" else with_interval(change, sign="+")
        cells.append(
            [row["head"], row["kind"], row["name"], row["metric"], with_interval(row), paired]
        )
    lines = [*aligned(["head", "kind", "edit", "metric", "value", "change"], cells)]
    for head, levels in limits["by_head"].items():
        if not levels:
            return [*lines, f"{head}: {TOO_FEW}, so there is no limit"]
        borne = ", ".join(
            f"{kind} {'nothing' if level is None else f'to {level:g}'}"
            for kind, level in levels.items()
        )
        lines.append(f"{head} shows no clear loss with: {borne}")
    if limits["smallest_side_px"]:
        lines.append(f"train predict refuses pictures below {limits['smallest_side_px']:g} px")
    return lines


def complexity_lines(table: pl.DataFrame) -> list[str]:
    """Return the table of the study of complexity, and for each head the smallest model that is enough."""
    cells: list[list[str]] = []
    enough = []
    for row in table.iter_rows(named=True):
        if row["baseline"] and (not cells or cells[-1][0] != row["head"]):
            name, level = predictor_name(row["baseline"]), f"{row['baseline_figure']:.3f}"
            cells.append([row["head"], name, "", row["metric"], level, "", "baseline"])
        figure = with_interval({**row, "value": row["figure"]})
        is_low = row["above_baseline"] is False
        marks = ["front"] * row["front"] + ["enough"] * (row["enough"] and not is_low)
        marks += ["not above the baseline"] * is_low
        size, seconds = f"{row['parameters']:,}", f"{row['seconds']:.0f}"
        cells.append(
            [row["head"], row["value"], size, row["metric"], figure, seconds, ", ".join(marks)]
        )
        if row["enough"] and is_low:
            than = f"the {predictor_name(row['baseline'])}, {row['baseline_figure']:.3f}"
            enough.append(f"{row['head']}: {figure} of {size} parameters is not above {than}")
        elif row["enough"]:
            enough.append(
                f"{row['head']}: {size} parameters ({row['value']}) are enough for {figure}"
            )
    header = ["head", "value", "parameters", "metric", "figure", "training s", "remark"]
    return [*aligned(header, cells, numbers={"parameters", "training s"}), *enough]


def comparison_lines(result: "Comparison") -> list[str]:
    """Return a table for each head of a comparison, and what differs between the models."""
    lines = []
    for name in dict.fromkeys(each.head.name for each in result.heads):
        compared = [each for each in result.heads if each.head.name == name]
        head = compared[0].head
        less = "" if head.higher_is_better else ", less is better"
        columns = ("model", f"{head.metric_name}{less}", "difference to the first", "verdict")
        rows = [
            (
                each.model_id, head.with_unit(str(each.score)),
                "-" if each.lead is None else each.lead.signed, each.verdict,
            )
            for each in compared
        ]  # fmt: skip
        score = compared[0].score
        lines += [
            f"{head.title}, {counted(score.n, 'picture')} in {counted(score.n_groups, 'group')}",
            *aligned(columns, rows),
            "",
        ]
    for name, values in result.unequal.items():
        lines.append(f"unequal {name}: {' / '.join(values)}")
    return lines


def leaderboard_lines(board: "Board") -> list[str]:
    """Return the table of one list of models."""
    head = board.head
    less = "" if head.higher_is_better else ", less is better"
    columns = ("model", "recipe", f"{head.metric_name}{less}", "best baseline", "verdict")
    rows = [
        (
            each.model_id, each.recipe, head.with_unit(str(each.finding.model)),
            f"{each.finding.baseline} ({predictor_name(each.finding.baseline_name)})",
            each.finding.verdict, f"{each.parameters:,}", f"{each.examples_seen:,}",
        )
        for each in board.entries
    ]  # fmt: skip
    numbers = ("parameters", "examples seen")
    title = f"{board.dataset}, {board.policy}, {head.title}"
    return [title, *aligned((*columns, *numbers), rows, numbers=set(numbers))]
