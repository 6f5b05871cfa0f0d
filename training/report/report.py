"""Write the report of a training run: one HTML file with results, evidence and the command to repeat the run.

All input comes from the run folder, its model folders and the release, so a report can be made again
at any time; the same files give the same report. There is one template: a section whose heads a run does not have is
left out.
"""

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
from PIL import Image

from catalog import MissingPartError, Workspace, figure_uri, find_release
from training.errors import RecipeNotFoundError
from training.evaluation.confusion import MANY, labelled
from training.evaluation.findings import chance, scores
from training.evaluation.saved_head import (
    CLASS_FAMILY,
    RETRIEVAL_FAMILY,
    VALUE_FAMILY,
    SavedHead,
    subject_of,
)
from training.evaluation.tasks.retrieval_table import named_curves
from training.fit.repeat import preset_words
from training.recipes import find_recipe
from training.report import head_plots, plots, tables
from training.report.balance import TEST, label_balance
from training.report.binary.biases import biased_heads, biases
from training.report.binary.grid import write_grid
from training.report.binary.pixelate import face_finder
from training.report.markdown import markdown
from training.report.page import picture_uri, render
from training.report.panels.panel import panel_heads, ranking_measure, write_panel
from training.report.panels.tiles import PictureSource
from training.report.saved_run import POLICY_NAMES, SavedModel, SavedRun, read_run

_MODEL_FILES = (
    "README.md", "config.json", "model.json", "metrics.parquet", "predictions.parquet", "curves.parquet",
    "history.parquet", "steps.parquet", "changes.parquet", "weights.safetensors", "model.onnx", "parity.json",
)  # fmt: skip
_log = logging.getLogger(__name__)


def write_report(run_folder: Path, workspace: Workspace) -> Path:
    """Write `report.html`, and with predictions `panel.png` and `panel.html`, into a run folder; return its path.

    Raises RunIncompleteError when a file of the run is missing, ReleaseNotFoundError when its release
    does not exist.
    """
    run = read_run(run_folder, workspace.models)
    return report_on(run, find_release(workspace, run.release))


def write_table(run_folder: Path) -> str:
    """Return the main results as Markdown tables, one row per split policy and head.

    The models are in `models/` of the workspace, three folders above the run's.
    """
    return markdown(read_run(run_folder, run_folder.resolve().parents[2] / "models"))


def report_on(run: SavedRun, release: PictureSource) -> Path:
    """Write the report of a run with pictures from `release`."""
    measured = tables.measured_heads(run)
    index = pl.DataFrame(release.index())
    classes = [head for head in measured if head.family == CLASS_FAMILY]
    values = [head for head in measured if head.family == VALUE_FAMILY]
    context = {
        "run": run,
        "title": f"Report: recipe {run.facts['recipe']} on {run.release}",
        "policies": POLICY_NAMES,
        **tables.conclusions(run),
        "table": tables.predictors(run),
        "gaps": tables.gaps(run),
        "leads": tables.leads(run),
        "ablation": tables.ablation(run),
        "natives": _natives(run, index),
        "lead_metrics": list(dict.fromkeys(head.metric_name for head in measured)),
        "has_errors": any(not head.higher_is_better for head in measured),
        "subject": subject_of(run.main.config),
        "views_note": views_note([*classes, *values]),
        "n_allowed": len(index) - run.facts.get("rows_excluded", 0),
        "leaks": tables.leaks(run.facts.get("leak_audit") or {}),
        "panel": _panel(run, release),
        "heat_maps": _heat_maps(run),
        "heat_maps_note": run.heat_maps.get("note", ""),
        "measure": ranking_measure(panel_heads(measured)),
        "retrieval": _retrieval(run),
        "calibration": tables.calibration(run),
        "zones": tables.zones(run),
        "biases": biases(run),
        **_grid(run, release),
        "slices": tables.slices(run),
        **_balance(run, [*classes, *values], index),
        "merges_classes": any(len(head.classes) > MANY for head in classes),
        "many": MANY,
        "models": [_model(run, model) for model in run.models.values()],
        "command": command(run),
        "comparisons": [_comparison(run, head) for head in measured],
        "confusions": [
            figure_uri(head_plots.confusion(head, run.main.predictions)) for head in classes
        ],
        "reliabilities": [_reliability(run, head) for head in classes],
        "scatters": [_scatter(run, head) for head in values],
    }
    path = run.folder / "report.html"
    path.write_text(render("report.html", context), encoding="utf-8")
    _log.info("report of run %s: %d heads", run.facts["run_id"], len(run.heads))
    return path


def command(run: SavedRun) -> str:
    """Return the command that repeats the run: the saved one, or with the preset nearest to the configuration."""
    if saved := run.facts.get("command"):
        return str(saved)
    name = run.facts["recipe"]
    words = ["safelight", "train", "run", name, "--dataset", run.release]
    words += preset_words(_presets(name), run.main.config.get("config") or {})
    if len(run.models) == 1 and run.main.predictions.height:
        words += ["--policies", run.main.policy]
    return " ".join(words)


def _presets(recipe: str) -> Mapping[str, Any]:
    """Return the presets of a recipe; none for a recipe that this code does not have."""
    try:
        return find_recipe(recipe).presets
    except RecipeNotFoundError:
        return {}


def _natives(run: SavedRun, index: pl.DataFrame) -> str:
    """Say how many test pictures are of native resolution, where a model sees native patches; else nothing."""
    if "native_resolution" not in index.columns or not any(
        "patches_only" in h.parts for h in run.heads
    ):
        return ""
    tested = index.filter(
        pl.col("asset_sha256").is_in(run.main.predictions["asset_sha256"].to_list())
    )
    native = int(tested["native_resolution"].fill_null(value=False).sum())
    return (
        f"{native:,} of {len(tested):,} test photos are known to be of native resolution; in resized ones the native "
        "patches show what resizing and compression left of noise and sharpness."
    )


def _panel(run: SavedRun, release: PictureSource) -> str:
    """Write the panel and return its picture as a data URI; empty for a run without predictions."""
    if not run.main.predictions.height:
        return ""
    with Image.open(write_panel(run, release).png) as picture:
        return picture_uri(picture.convert("RGB"), quality=92)


def _heat_maps(run: SavedRun) -> dict[str, str]:
    """Return the sheets of heat maps by title as data URIs; empty for a run without."""
    sheets = {}
    for title, name in (run.heat_maps.get("sheets") or {}).items():
        with Image.open(run.folder / name) as picture:
            sheets[title] = picture_uri(picture.convert("RGB"), quality=88)
    return sheets


def _grid(run: SavedRun, release: PictureSource) -> dict[str, str]:
    """Write the grid of the head that asks what is good; without a face detector there is a note in its place."""
    heads = biased_heads(run)
    if not heads:
        return {"grid": "", "grid_note": ""}
    try:
        path = write_grid(run, release, heads[0], face_finder())
    except MissingPartError as error:
        return {"grid": "", "grid_note": f"Not drawn, because faces could not be hidden: {error}"}
    if path is None:
        return {"grid": "", "grid_note": "No test picture has a label."}
    with Image.open(path) as picture:
        return {"grid": picture_uri(picture.convert("RGB"), quality=90), "grid_note": ""}


def _comparison(run: SavedRun, head: SavedHead) -> str:
    by_policy = {policy: scores(run.metrics, policy, head) for policy in run.models}
    level = chance(run.main.predictions, head)
    return figure_uri(plots.comparison(head, by_policy, level))


def _reliability(run: SavedRun, head: SavedHead) -> str:
    shares = run.main.calibrated(head.name, "prior")
    return figure_uri(head_plots.reliability(head, run.main.predictions, shares))


def _scatter(run: SavedRun, head: SavedHead) -> dict[str, Any]:
    """Draw predicted against true values; count those inside their 90 % interval, if intervals are saved."""
    rows = labelled(head, run.main.predictions)
    bounded = rows.drop_nulls(["low", "high"])
    inside = bounded.filter(pl.col("target_value").is_between("low", "high"))
    return {
        "name": head.title,
        "figure": figure_uri(head_plots.scatter(head, run.main.predictions)),
        "n": bounded.height,
        "inside": inside.height / bounded.height if bounded.height else None,
    }


def _retrieval(run: SavedRun) -> list[dict[str, Any]]:
    curves = named_curves(run.main.curves)
    figure = figure_uri(plots.recall_and_precision(curves)) if curves else ""
    return [
        {
            **section,
            "curve": figure,
            "n_pictures": run.main.calibrated(section["task"], "rows_judged"),
            "cosine": run.main.calibrated(section["task"], "candidate_cosine"),
        }
        for section in tables.retrieval(run)
    ]


def views_note(heads: list[SavedHead]) -> str:
    """Say what the predictors with fewer inputs tell about where the information is."""
    is_sound = any(head.subject == "sound" for head in heads)
    texts = [
        "the simple features are mean and spread of the bands, duration and level"
        if is_sound
        else "the 32-px scene contains only the subject"
    ]
    if any("patches_only" in head.parts for head in heads):
        texts.append("native patches contain noise and sharpness")
    if any(head.family == CLASS_FAMILY for head in heads):
        texts.append(
            f"the class frequencies do not depend on the {'sound' if is_sound else 'picture'}"
        )
    if any(head.family == VALUE_FAMILY for head in heads):
        texts.append(
            f"the training median does not depend on the {'sound' if is_sound else 'picture'}"
        )
    return f"Predictors with fewer inputs than the full model show where the information is: {', '.join(texts)}."


def _balance(run: SavedRun, heads: list[SavedHead], index: pl.DataFrame) -> dict[str, Any]:
    """Return the balance of each head, and the heads whose test pictures are counted."""
    sections = [_balance_section(label_balance(run, head, index)) for head in heads]
    tested = [section["name"] for section in sections if section["part"] == TEST]
    return {"balance": sections, "counts_test_pictures": tested}


def _balance_section(balance: dict[str, Any]) -> dict[str, Any]:
    head = balance["head"]
    if head.family == CLASS_FAMILY:
        figure = head_plots.class_counts(head, balance["before"], balance["after"])
    else:
        figure = head_plots.value_counts(head, balance["values"], balance["weights"])
    return {**balance, "is_classes": head.family == CLASS_FAMILY, "figure": figure_uri(figure)}


def _model(run: SavedRun, model: SavedModel) -> dict[str, Any]:
    history, name = model.history, POLICY_NAMES[model.policy]
    seconds = float(history["seconds"].sum())
    examples = int(history["examples_seen"].tail(1).sum())
    place = Path(os.path.relpath(model.folder, run.folder))
    is_likelihood = all(head.family == CLASS_FAMILY for head in run.heads)
    title = name if any(head.family != RETRIEVAL_FAMILY for head in run.heads) else "Losses"
    return {
        "id": model.model_id,
        "policy": name,
        "curves": figure_uri(
            plots.training_curves(
                history, title, "nats" if is_likelihood else "", steps=model.steps
            )
        ),
        "changes": _changes(model, name),
        "near_zero": [] if model.changes is None else plots.began_near_zero(model.changes),
        "epochs": history.height,
        "seconds": seconds,
        "examples": examples,
        "speed": examples / max(seconds, 1e-9),
        "wait_share": _wait_share(history),
        "parameters": model.config.get("parameters"),
        "encoders": model.config.get("encoders") or [],
        "files": [
            (file, (place / file).as_posix())
            for file in _MODEL_FILES
            if (model.folder / file).is_file()
        ],
        "config": tables.flatten({k: v for k, v in model.config.items() if k != "encoders"}),
    }


def _changes(model: SavedModel, title: str) -> str:
    """Draw how much each layer changed; empty if it was not saved."""
    if model.changes is None or not model.changes.height:
        return ""
    return figure_uri(plots.weight_changes(model.changes, title))


def _wait_share(history: pl.DataFrame) -> float | None:
    """Return the share of the training time in which the network waited for data; None if it was not saved."""
    if "wait_share" not in history.columns or not float(history["seconds"].sum()):
        return None
    waited = (history["wait_share"].fill_null(0) * history["seconds"]).sum()
    return float(waited) / float(history["seconds"].sum())
