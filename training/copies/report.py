"""Describe an embedder for people: model card, table for the terminal, HTML report.

Everything comes from the files of the model folder, so the page can be made again at any time.
"""

import json
import os
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import polars as pl

from catalog import FEW_GROUPS, TOO_FEW, aligned, figure_uri
from curation import EmbedderCard
from training.copies.retrieval import PRECISIONS
from training.evaluation.intervals import with_interval
from training.report import plots
from training.report.page import render

NAMES = {"model": "this embedder", "efficientnet_lite0": "EfficientNet-Lite0", "pdq": "PDQ"}
FILES = (
    "README.md", "model.onnx", "model.json", "parity.json", "weights.safetensors", "metrics.parquet",
    "history.parquet", "curves.parquet",
)  # fmt: skip


def table(metrics: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """Return recall by predictor and number of edits as rows of text; the first row names the columns."""
    by_key = {(m["slice"], m["predictor"], m["metric"]): m for m in metrics}
    parts = dict.fromkeys(m["slice"] for m in metrics)
    head = ("copies", "precision", *NAMES.values())
    lines = [head]
    for part, precision in product(parts, PRECISIONS):
        metric = f"recall_at_precision_{precision}"
        cells = [with_interval(by_key[part, name, metric]) for name in NAMES]
        lines.append((_slice(part), f"{precision}", *cells))
    return lines


def verdict(metrics: Sequence[Mapping[str, Any]]) -> str:
    """Say in one sentence whether the embedder finds more copies than the default, by the intervals."""
    metric = f"recall_at_precision_{PRECISIONS[0]}"
    both = {m["predictor"]: m for m in metrics if (m["slice"], m["metric"]) == ("all", metric)}
    ours, default = both["model"], both["efficientnet_lite0"]
    shares = f"{with_interval(ours)} of the copies against {with_interval(default)}"
    if min(ours["n_groups"], default["n_groups"]) < FEW_GROUPS:
        return f"It finds {shares}: {TOO_FEW} how sure that is. Keep the default."
    if ours["low"] > default["high"]:
        return f"It finds more than EfficientNet-Lite0: {shares}."
    if ours["high"] < default["low"]:
        return f"It finds less than EfficientNet-Lite0: {shares}. Keep the default."
    return f"It cannot be told from EfficientNet-Lite0: {shares}. Keep the default, or train on more pictures."


def terminal(folder: Path) -> str:
    """Lay out the table of a model folder for the terminal, with the verdict below."""
    metrics = pl.read_parquet(folder / "metrics.parquet").to_dicts()
    header, *rows = table(metrics)
    lines = aligned(header, rows, numbers={"precision"})
    return "\n".join(["recall of edited copies of held-out groups", *lines, verdict(metrics)])


def write_card(
    folder: Path, card: EmbedderCard, facts: Mapping[str, Any], metrics: Sequence[Mapping[str, Any]]
) -> None:
    """Write README.md, the model card: training data, recall, limits."""
    head, *lines = (f"| {' | '.join(line)} |" for line in table(metrics))
    rows = "\n".join([head, "| --- | --- |" + " ---: |" * len(NAMES), *lines])
    figures = {"rows": rows, "verdict": verdict(metrics), "cosine": card.candidate_cosine}
    text = _CARD.format(**{**facts["config"], **facts, **figures})
    (folder / "README.md").write_text(text, "utf-8")


def write_report(folder: Path, run_folder: Path) -> Path:
    """Write `report.html` about a model folder into a run folder; return its path."""
    run_folder.mkdir(parents=True, exist_ok=True)
    card = json.loads((folder / "model.json").read_text("utf-8"))
    metrics = pl.read_parquet(folder / "metrics.parquet").to_dicts()
    history = pl.read_parquet(folder / "history.parquet")
    place = Path(os.path.relpath(folder, run_folder))
    head, *lines = table(metrics)
    first = metrics[0]
    context = {
        "title": f"Report: recipe {card['name']} on {card['about']['dataset']}@{card['about']['version']}",
        "card": card,
        "facts": card["about"],
        "verdict": verdict(metrics),
        "head": head,
        "lines": lines,
        "n_copies": first["n"],
        "n_groups": first["n_groups"],
        "curve": figure_uri(plots.recall_and_precision(_named_curves(folder))),
        "losses": figure_uri(plots.training_curves(history, "Losses")),
        "files": [(name, (place / name).as_posix()) for name in FILES],
        "config": sorted(card["about"]["config"].items()),
    }
    path = run_folder / "report.html"
    path.write_text(render("embedder.html", context), encoding="utf-8")
    return path


def _named_curves(folder: Path) -> dict[str, pl.DataFrame]:
    curves = pl.read_parquet(folder / "curves.parquet")
    return {name: curves.filter(pl.col("predictor") == key) for key, name in NAMES.items()}


def _slice(part: str) -> str:
    return "all" if part == "all" else f"with {part.removeprefix('edits=')} edits"


_CARD = """# Embedder {model_id}

Recipe `{recipe}`, trained by Safelight {code_version} on `{dataset}@{version}` (digest `{dataset_digest}`), without
labels: {rows_train} pictures to train, {rows_validation} to choose the epoch and the limit, {rows_judged} of
{rows_test} to test; {rows_excluded} more have no training permission or no split.
{parameters} trained parameters, best epoch {best_epoch} of {epochs}, {examples_seen} training examples
of two views each.

## Output

It maps a picture, resized to {input_px} x {input_px} px, to a unit vector of {dim} numbers. The higher the cosine of
two vectors, the more likely the pictures are copies of one photograph. Pairs with a cosine of at least {cosine} are
candidates: verify them on their pixels.

## Scores

Recall of edited copies of the test groups at the given precision, with one threshold for all pairs and 95 % intervals
from a bootstrap over groups. The edits are those of training with other random numbers.

{rows}

{verdict}

## Limits

Two shots of one scene also have a high cosine: only their pixels distinguish them from copies. The embedder may miss
copies with edits that training did not contain. It is less reliable for pictures unlike those of the data set.
"""
