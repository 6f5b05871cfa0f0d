"""Write a run into the catalog as one segment, so that its rows appear together or not at all."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from catalog import Catalog, __version__, rows, write_segment
from curation.duplicates.search import Duplicates
from curation.run.catalog_duplicates import issue_rows
from curation.run.inputs import Inputs
from curation.run.items import Items
from curation.run.plan import CurationPlan
from curation.run.stage_results import Stages
from curation.splits.balance import class_table, thin_classes
from curation.splits.labels import label_rows
from curation.splits.strata import label_parts


@dataclass(frozen=True)
class RunResult:
    """Everything that one run writes; `leaks` are rows of `split_leaks` without run, `notes` are for people."""

    run_id: str
    plan: CurationPlan
    stages: Stages
    inputs: Inputs
    input_snapshot: int
    started_at: datetime
    finished_at: datetime
    decisions: pl.DataFrame
    duplicates: Duplicates
    items: Items
    leaks: Sequence[dict[str, object]]
    notes: Sequence[str]


def write_run(catalog: Catalog, result: RunResult) -> None:
    """Write all rows of a run as one segment, and commit it."""
    items = result.items.table
    tables = {
        "decisions": result.decisions,
        "duplicate_edges": result.duplicates.edges,
        "duplicate_groups": result.duplicates.groups,
        "curated_items": items,
        "curated_labels": label_rows(items, result.plan.all_labels),
    }
    segment = {"curation_runs": rows("curation_runs", [_run_row(result)])}
    segment |= {name: _typed(name, table, result.run_id) for name, table in tables.items()}
    leaks = [row | {"run_id": result.run_id} for row in result.leaks]
    segment["split_leaks"] = rows("split_leaks", leaks)
    issues = issue_rows(result.duplicates, result.run_id, result.started_at)
    segment["issues"] = rows("issues", issues)
    write_segment(catalog.workspace, segment, job=f"curate:{result.run_id}")
    catalog.commit()


def _run_row(result: RunResult) -> dict[str, object]:
    return {
        "run_id": result.run_id,
        "plan_json": _plan_json(result),
        "code_version": __version__,
        "input_snapshot": result.input_snapshot,
        "input_sha256": CurationPlan(find_labels=False).run_id(result.inputs.lines(), ()),
        "started_at": result.started_at,
        "finished_at": result.finished_at,
        "n_input": result.inputs.pictures.height,
        "n_kept": result.items.table.height,
    }


def _typed(
    name: str, table: pl.DataFrame, run_id: str
) -> Any:  # a pyarrow.Table, which has no types
    """Give the columns of the contract of table `name`, with the run id."""
    with_run = table.with_columns(run_id=pl.lit(run_id))
    columns = [column for column in rows(name, []).schema.names if column in with_run.columns]
    return with_run.select(columns).to_arrow(compat_level=pl.CompatLevel.oldest())


def _plan_json(result: RunResult) -> str:
    """Write the plan with the results that belong to it: stages, keys of the groups, notes, parts of labels."""
    items, splits, strata = result.items.table, result.items.splits, result.items.strata
    thin = thin_classes(class_table(items, strata)) if items.height else []
    details: dict[str, object] = {
        "stages": result.stages.ids(),
        "model_id": result.stages.model_id(),
        "grouped_by": ["duplicates", "same_scene", *splits.grouped_by],
        "n_inherited": splits.n_inherited,
        "notes": [*result.notes, *splits.warnings, *thin],
    }
    if parts := label_parts(items, strata):
        details["label_parts"] = parts
    return json.dumps({**json.loads(result.plan.to_json()), **details}, sort_keys=True)
