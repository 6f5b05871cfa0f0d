"""The main results of a run as Markdown tables, one for each family of heads."""

from collections.abc import Iterable
from typing import NamedTuple

from training.evaluation.findings import Finding, predictor_name, scores
from training.evaluation.saved_head import (
    CLASS_FAMILY,
    RETRIEVAL_FAMILY,
    VALUE_FAMILY,
)
from training.report.saved_run import POLICY_NAMES, SavedRun
from training.report.tables import findings


class _Column(NamedTuple):
    """A column with a score of one predictor."""

    title: str
    metric: str
    predictor: str


_COLUMNS = {
    CLASS_FAMILY: (
        _Column("majority", "balanced_accuracy", "majority"),
        _Column("prior", "balanced_accuracy", "prior"),
        _Column("accuracy", "accuracy", "model"),
        _Column("accuracy with class shares", "accuracy_with_prior", "model"),
        _Column("majority's accuracy", "accuracy", "majority"),
    ),
    VALUE_FAMILY: (
        _Column("median", "mae", "median"),
        _Column("RMSE", "rmse", "model"),
        _Column("R²", "r2", "model"),
        _Column("Spearman correlation", "spearman", "model"),
    ),
    RETRIEVAL_FAMILY: (_Column("at precision 0.99", "recall_at_precision_0.99", "model"),),
}
_COUNTED = {RETRIEVAL_FAMILY: "queries"}


def markdown(run: SavedRun) -> str:
    """Return the main results, one row per split policy and head; heads without a baseline have none."""
    rows = [one for policy in run.models for one in findings(run, policy)]
    families = dict.fromkeys(one.head.family for one in rows)
    return "\n".join(
        _table(run, [one for one in rows if one.head.family == family]) for family in families
    )


def _table(run: SavedRun, rows: list[Finding]) -> str:
    head = rows[0].head
    columns = [column.title for column in _COLUMNS.get(head.family, ())]
    counts = _COUNTED.get(head.family, "photos"), "groups"
    names = (
        "split",
        "head",
        head.metric_name,
        "best baseline",
        "lead over it",
        "verdict",
        *columns,
        *counts,
    )
    lines = [names, ["---"] * len(names), *(_row(run, one) for one in rows)]
    return "".join(_line(line) for line in lines)


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _row(run: SavedRun, one: Finding) -> list[str]:
    head = one.head
    return [
        POLICY_NAMES[one.policy],
        head.title,
        f"**{head.with_unit(str(one.model))}**",
        f"{head.with_unit(str(one.baseline))} ({predictor_name(one.baseline_name)})",
        "-" if one.lead is None else one.lead.signed,
        one.verdict,
        *(
            str(scores(run.metrics, one.policy, head, column.metric).get(column.predictor, "-"))
            for column in _COLUMNS.get(head.family, ())
        ),
        str(one.model.n),
        str(one.model.n_groups),
    ]
