"""What the commands of training write with `--json`: scores with their intervals, verdicts, and where files lie.

Names are those of the HTTP API (`catalog.web.models.model_library`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from catalog import Workspace

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from training.evaluation.findings import Finding, Score
    from training.evaluation.leaderboard import Board
    from training.evaluation.model_comparison import Comparison
    from training.evaluation.saved_head import SavedHead
    from training.fit.run_request import TrainingResult

Document = dict[str, Any]


def head_document(head: SavedHead) -> Document:
    """Name a head as the tables do (`task`), with its main metric and the unit of its values."""
    return {
        "task": head.name,
        "title": head.title,
        "metric": head.metric,
        "unit": head.unit,
        "higher_is_better": head.higher_is_better,
    }


def score_document(score: Score | None) -> Document | None:
    """Return value, 95 % interval, pictures and groups; None without a score."""
    if score is None:
        return None
    interval = {name: getattr(score, name) for name in ("value", "low", "high")}
    return {**interval, "pictures": score.n, "groups": score.n_groups}


def finding_document(finding: Finding) -> Document:
    """Return the score of one head beside its best baseline, the paired difference, and the verdict."""
    return {
        **head_document(finding.head),
        "split_policy": finding.policy,
        "model": score_document(finding.model),
        "baseline_name": finding.baseline_name,
        "baseline": score_document(finding.baseline),
        "lead": score_document(finding.lead),
        "verdict": finding.verdict,
    }


def board_document(board: Board) -> Document:
    """Return one list of the leaderboard, the best model first."""
    entries = [
        {
            "model_id": each.model_id,
            "recipe": each.recipe,
            "parameters": each.parameters,
            "examples_seen": each.examples_seen,
            "figure": finding_document(each.finding),
        }
        for each in board.entries
    ]
    dataset, _, version = board.dataset.partition("@")
    return {
        "dataset": dataset,
        "version": version,
        "split_policy": board.policy,
        **head_document(board.head),
        "entries": entries,
    }


def comparison_document(result: Comparison, page: Path) -> Document:
    """Return each head of each model with its paired difference to the first model."""
    heads = [
        {
            "model_id": each.model_id,
            **head_document(each.head),
            "model": score_document(each.score),
            "lead": score_document(each.lead),
            "verdict": each.verdict,
        }
        for each in result.heads
    ]
    return {"models": result.models, "heads": heads, "unequal": result.unequal, "page": page}


def training_document(workspace: Workspace, result: TrainingResult) -> Document:
    """Return the models of a training run by split policy, their findings, the warnings and the report."""
    from training.predict.saved_model import embedder_of
    from training.report.binary.biases import biases
    from training.report.saved_run import read_run
    from training.report.tables import conclusions, findings

    run = read_run(result.folder, workspace.models)
    embedders = [name for folder in result.models.values() if (name := embedder_of(folder))]
    return {
        "models": _names(result.models),
        "existed": result.existed,
        "headline": conclusions(run)["headline"],
        "findings": [
            finding_document(each) for policy in result.models for each in findings(run, policy)
        ],
        "warnings": [text for section in biases(run) for text in section["warnings"]],
        "embedders": embedders,
        "report": result.folder / "report.html",
    }


def _names(models: Mapping[str, Path]) -> dict[str, str]:
    return {policy: folder.name for policy, folder in models.items()}
