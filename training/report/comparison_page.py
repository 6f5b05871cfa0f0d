"""The page of a comparison of models, made from the files of their folders."""

import json
from pathlib import Path

from catalog import Workspace, figure_uri
from training.evaluation.findings import BETTER, WORSE
from training.evaluation.model_comparison import Comparison
from training.fit.task import short_hash
from training.report import plots
from training.report.page import render
from training.report.saved_run import SavedModel, read_model

CLASS_OF = {BETTER: "better", WORSE: "worse"}


def read_models(folders: list[Path]) -> list[SavedModel]:
    """Read finished models; raises RunIncompleteError when a file is missing."""
    policies = [
        json.loads((folder / "config.json").read_text("utf-8"))["split_policy"]
        for folder in folders
    ]
    return [read_model(folder, policy) for folder, policy in zip(folders, policies, strict=True)]


def write_comparison(workspace: Workspace, models: list[SavedModel], result: Comparison) -> Path:
    """Write `reports/comparison/<id>/index.html` and return its path."""
    folder = workspace.reports / "comparison" / short_hash({"models": list(result.models)})
    folder.mkdir(parents=True, exist_ok=True)
    context = {
        "title": f"{len(models)} models compared",
        "models": list(zip(result.models, result.sizes, strict=True)),
        "conditions": result.conditions,
        "options": result.options,
        "unequal": result.unequal,
        "heads": list(dict.fromkeys(each.head.name for each in result.heads)),
        "compared": result.heads,
        "class_of": CLASS_OF,
        "curves": [
            figure_uri(plots.training_curves(model.history, model.model_id[:12]))
            for model in models
        ],
    }
    path = folder / "index.html"
    path.write_text(render("comparison.html", context), encoding="utf-8")
    return path
