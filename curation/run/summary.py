"""The summary of a curation run, read from the catalog: the numbers that the command and the report print."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from catalog import Catalog, Permission, given_up, known_text, of_run
from curation.errors import RunNotFoundError
from curation.reading import frame
from curation.run.plan import PICTURES
from curation.splits.balance import class_table
from curation.splits.connected_groups import component_ids
from curation.splits.leaks import POLICIES, LeakAudit, audit
from curation.splits.strata import Stratum, strata_of, with_label_classes


@dataclass(frozen=True)
class LabelCount:
    """One label of a run: its column, the task behind it, its pictures, their values, and whether it has classes."""

    label: str
    task: str
    n: int
    n_values: int
    is_class: bool
    media: str = PICTURES

    def __str__(self) -> str:
        """Write the counts on one line."""
        origin = f" (from {self.task!r})" if self.task != self.label else ""
        kind = "classes" if self.is_class else "values, no classes: a column only"
        return f"{self.label}{origin}: {self.n} {self.media}, {self.n_values} {kind}"


@dataclass(frozen=True)
class CurationSummary:
    """Counts of one run. `n_input` = `n_kept` + all of `dropped`.

    `classes` is the table of `balance.class_table`; `audits` are for the group split and the random split.
    """

    run_id: str
    is_new: bool
    finished_at: datetime
    n_input: int
    n_kept: int
    dropped: dict[str, int]
    voided: dict[str, int]
    flagged: dict[str, int]
    n_duplicate_groups: int
    n_duplicate_members: int
    edges: dict[str, int]
    splits: dict[str, int]
    n_groups: int
    n_inherited: int
    grouped_by: tuple[str, ...]
    notes: tuple[str, ...]
    plan: dict[str, object]
    classes: pl.DataFrame
    audits: tuple[LeakAudit, ...]
    labels: tuple[LabelCount, ...]
    permission: Permission

    @property
    def media(self) -> str:
        """What was curated: pictures or sounds."""
        return str(self.plan.get("media", PICTURES))

    @property
    def given_up(self) -> tuple[str, ...]:
        """Keys that were given up because they connect nearly all pictures: their values may be on both sides."""
        shares = self.audits[0].known_shares
        return tuple(key for key in given_up(self.plan) if shares[key] > 0)

    def keys_text(self) -> str:
        """Describe the keys of the groups, the keys that many pictures lack, and the keys that were given up."""
        shares = self.audits[0].known_shares
        keys = [key for key in self.grouped_by if shares.get(key, 1.0) > 0]
        gaps = [known_text(key, shares[key]) for key in self.grouped_by if key in shares]
        parts = [", ".join(keys), ", ".join(filter(None, gaps))]
        if self.given_up and self.n_kept:
            parts.append(f"not by {', '.join(self.given_up)}: given up")
        return "; ".join(filter(None, parts))


def run_items(catalog: Catalog, run_id: str) -> pl.DataFrame:
    """Read the kept items of a run with scene_id, session, person and a photographer that is unique over sources."""
    items = frame(
        catalog, "SELECT * FROM curated_items WHERE run_id = ? ORDER BY asset_sha256", (run_id,)
    )
    edges = frame(
        catalog,
        "SELECT asset_a, asset_b FROM duplicate_edges WHERE run_id = ?"
        " AND (verdict = 'same_scene' OR edge_class = 'part')",
        (run_id,),
    )
    groups = frame(
        catalog, "SELECT asset_sha256, group_id FROM duplicate_groups WHERE run_id = ?", (run_id,)
    )
    names = pl.concat(
        [items["asset_sha256"], groups["asset_sha256"], edges["asset_a"], edges["asset_b"]]
    )
    keys = [(sha, ("group", group)) for sha, group in groups.iter_rows()]
    scene = component_ids(names.unique().sort().to_list(), keys, edges.rows())
    for key in ("session", "person"):
        named = frame(catalog, _KEY, (run_id, key)).rename({"value": key})
        items = items.join(named, on="asset_sha256", how="left", maintain_order="left")
    return items.with_columns(
        scene_id=pl.Series([scene[sha] for sha in items["asset_sha256"]], dtype=pl.String),
        photographer=pl.concat_str("source", "photographer", separator="\n"),
    )


_KEY = "SELECT asset_sha256, value FROM curated_labels WHERE run_id = ? AND task = ? AND role = 'group'"


def summarize(catalog: Catalog, run_id: str, *, is_new: bool = False) -> CurationSummary:
    """Summarize the run `run_id` (a full id); raises `RunNotFoundError`."""
    runs = catalog.records("SELECT * FROM curation_runs WHERE run_id = ?", [run_id])
    if not runs:
        raise RunNotFoundError(run_id, [])
    run = runs[0]
    plan = json.loads(str(run["plan_json"]))
    items = run_items(catalog, run_id)
    leaks = frame(catalog, "SELECT * FROM split_leaks WHERE run_id = ?", (run_id,))
    members = _counts(
        catalog,
        "SELECT 'groups', count(DISTINCT group_id) FROM duplicate_groups WHERE run_id = ?"
        " UNION ALL SELECT 'members', count(*) FROM duplicate_groups WHERE run_id = ?",
        run_id,
        run_id,
    )
    return CurationSummary(
        run_id=run_id,
        is_new=is_new,
        finished_at=run["finished_at"],  # type: ignore[arg-type]  # the contract says timestamp
        n_input=int(str(run["n_input"])),
        n_kept=int(str(run["n_kept"])),
        dropped=_decisions(catalog, run_id, "drop"),
        voided=_decisions(catalog, run_id, "void"),
        flagged=_decisions(catalog, run_id, "flag"),
        n_duplicate_groups=members["groups"],
        n_duplicate_members=members["members"],
        edges=_counts(
            catalog,
            "SELECT verdict, count(*) FROM duplicate_edges WHERE run_id = ? GROUP BY ALL ORDER BY ALL",
            run_id,
        ),
        splits=_counts(
            catalog,
            "SELECT split, count(*) FROM curated_items WHERE run_id = ? GROUP BY ALL ORDER BY ALL",
            run_id,
        ),
        n_groups=items["group_id"].n_unique(),
        n_inherited=int(plan["n_inherited"]),
        grouped_by=tuple(plan["grouped_by"]),
        notes=tuple(plan["notes"]),
        plan=plan,
        classes=class_table(*_classified(catalog, run_id, items, plan)),
        labels=_labels(catalog, run_id, plan),
        audits=tuple(audit(items, leaks, policy) for policy in POLICIES),
        permission=of_run(catalog, run_id),
    )


def _classified(
    catalog: Catalog, run_id: str, items: pl.DataFrame, plan: Mapping[str, Any]
) -> tuple[pl.DataFrame, tuple[Stratum, ...]]:
    """Add the classes of the labels to the items, and give the strata that the run had."""
    labels = (*plan.get("labels", ()), *plan.get("label_classes", ()))
    for label in labels:
        values = frame(catalog, _LABEL, (run_id, label)).rename({"value": f"label:{label}"})
        items = items.join(values, on="asset_sha256", how="left", maintain_order="left")
    items, labelled = with_label_classes(items, labels)
    return items, strata_of(labelled, only_labels=bool(plan.get("labels")))


def _labels(catalog: Catalog, run_id: str, plan: Mapping[str, Any]) -> tuple[LabelCount, ...]:
    task_of_label = dict(pair.split("=", 1) for pair in plan.get("label_tasks", ()))
    classes = {*plan.get("labels", ()), *plan.get("label_classes", ())}
    counts = catalog.records(
        "SELECT task, count(*) AS n, count(DISTINCT value) AS n_values FROM curated_labels "
        "WHERE run_id = ? AND role = 'label' GROUP BY task ORDER BY task",
        [run_id],
    )
    return tuple(
        LabelCount(
            label := str(row["task"]),
            task_of_label.get(label, label),
            int(str(row["n"])),
            int(str(row["n_values"])),
            label in classes,
            str(plan.get("media", PICTURES)),
        )
        for row in counts
    )


_LABEL = "SELECT asset_sha256, value FROM curated_labels WHERE run_id = ? AND task = ? AND role = 'label'"


def _decisions(catalog: Catalog, run_id: str, decision: str) -> dict[str, int]:
    sql = (
        "SELECT reason, count(*) FROM decisions WHERE run_id = ? AND decision = ? "
        "GROUP BY reason ORDER BY min(CASE WHEN rule IN ('decode', 'manual') THEN 0 "
        "WHEN rule = 'no_usable_setting' THEN 2 ELSE 1 END), count(*) DESC, reason"
    )
    return _counts(catalog, sql, run_id, decision)


def _counts(catalog: Catalog, sql: str, *parameters: str) -> dict[str, int]:
    return {str(name): int(n) for name, n in frame(catalog, sql, parameters).iter_rows()}
