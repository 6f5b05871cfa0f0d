"""Write the report of a training run: one HTML file with results, evidence and the command to repeat the run.

All input comes from the run folder, its model folders and the release, so a report can be made again
at any time; the same files give the same report.
"""

import dataclasses
import logging
import os
from pathlib import Path
from typing import Any

import polars as pl
from PIL import Image

from catalog import Workspace, figure_uri, find_release
from training.evaluation.findings import chance, scores
from training.recipes import RECIPES
from training.report import plots, tables
from training.report.page import picture_uri, render
from training.report.panel import write_panel
from training.report.saved_run import POLICY_NAMES, SavedModel, SavedRun, read_run
from training.report.tiles import PictureSource

_MODEL_FILES = (
    "README.md", "config.json", "metrics.parquet", "predictions.parquet", "history.parquet",
    "weights.safetensors", "model.onnx", "parity.json",
)  # fmt: skip
_log = logging.getLogger(__name__)


def write_report(run_folder: Path, workspace: Workspace) -> Path:
    """Write `report.html`, `panel.png` and `panel.html` into a run folder; return the report's path.

    Raises RunIncompleteError when a file of the run is missing, ReleaseNotFoundError when its release
    does not exist.
    """
    run = read_run(run_folder, workspace.models)
    return report_on(run, find_release(workspace, run.release))


def write_table(run_folder: Path) -> str:
    """Return the main results as a Markdown table, one row per split policy and head.

    The models are in `models/` of the workspace, three folders above the run's.
    """
    return tables.markdown(read_run(run_folder, run_folder.resolve().parents[2] / "models"))


def report_on(run: SavedRun, release: PictureSource) -> Path:
    """Write the report of a run with pictures from `release`."""
    panel = write_panel(run, release)
    context = {
        "run": run,
        "title": f"Report: recipe {run.facts['recipe']} on {run.release}",
        "policies": POLICY_NAMES,
        **tables.conclusions(run),
        "table": tables.predictors(run),
        "gaps": tables.gaps(run),
        "leads": tables.leads(run),
        "leaks": tables.leaks(run.facts.get("leak_audit") or {}),
        "panel": _panel(panel.png),
        "calibration": tables.calibration(run),
        "slices": tables.slices(run),
        "balance": _balance(run, pl.DataFrame(release.index())),
        "models": [_model(run, model) for model in run.models.values()],
        "command": command(run),
        **_figures(run),
    }
    path = run.folder / "report.html"
    path.write_text(render("report.html", context), encoding="utf-8")
    _log.info("report of run %s: %d heads", run.facts["run_id"], len(run.tasks))
    return path


def command(run: SavedRun) -> str:
    """Return the command that repeats the run; it names the preset if one matches the configuration."""
    name = run.facts["recipe"]
    words = ["safelight", "train", "run", name, "--dataset", run.release]
    words += _preset(name, run.main.config.get("config") or {})
    if len(run.models) == 1:
        words += ["--policies", run.main.policy]
    return " ".join(words)


def _preset(recipe: str, config: dict[str, Any]) -> list[str]:
    presets = RECIPES[recipe].presets if recipe in RECIPES else {}
    for preset, usual in presets.items():
        settings = dataclasses.asdict(usual)
        changed = {key for key, value in config.items() if settings.get(key) != value}
        if config and changed <= {"epochs", "seed"}:
            options = [f"--{key} {config[key]}" for key in sorted(changed)]
            return [f"--preset {preset}", *options]
    return []


def _panel(png: Path) -> str:
    with Image.open(png) as picture:
        return picture_uri(picture.convert("RGB"), quality=92)


def _figures(run: SavedRun) -> dict[str, list[str]]:
    """Draw the figures of which there is one for each head."""
    predictions, shares = run.main.predictions, run.main.config.get("prior") or {}
    return {
        "comparisons": [_comparison(run, task) for task in run.tasks],
        "confusions": [figure_uri(plots.confusion(task, predictions)) for task in run.tasks],
        "reliabilities": [
            figure_uri(plots.reliability(task, predictions, shares.get(task))) for task in run.tasks
        ],
    }


def _comparison(run: SavedRun, task: str) -> str:
    by_policy = {policy: scores(run.metrics, policy, task) for policy in run.models}
    return figure_uri(plots.comparison(task, by_policy, chance(run.main.predictions, task)))


def _balance(run: SavedRun, index: pl.DataFrame) -> list[dict[str, Any]]:
    heads = [tables.class_balance(run, index, task) for task in run.tasks]
    return [
        {
            **head,
            "figure": figure_uri(
                plots.class_counts(
                    head["name"],
                    [ranges for _, ranges, _ in head["classes"]],
                    head["before"],
                    head["after"],
                )
            ),
        }
        for head in heads
    ]


def _model(run: SavedRun, model: SavedModel) -> dict[str, Any]:
    history, name = model.history, POLICY_NAMES[model.policy]
    seconds = float(history["seconds"].sum())
    examples = int(history["examples_seen"].tail(1).sum())
    place = Path(os.path.relpath(model.folder, run.folder))
    return {
        "id": model.model_id,
        "policy": name,
        "curves": figure_uri(plots.training_curves(history, name)),
        "epochs": history.height,
        "seconds": seconds,
        "examples": examples,
        "speed": examples / max(seconds, 1e-9),
        "parameters": model.config.get("parameters"),
        "files": [
            (file, (place / file).as_posix())
            for file in _MODEL_FILES
            if (model.folder / file).is_file()
        ],
        "config": tables.flatten(model.config),
    }
