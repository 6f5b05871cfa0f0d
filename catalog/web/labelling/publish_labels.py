"""A release of labels: the labelled pictures that the current curation run kept, with its groups and splits."""

import json
from collections import Counter
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from catalog.errors import LabelError
from catalog.lake.judgements import check_task
from catalog.lake.lake import Catalog, open_catalog
from catalog.plurals import counted
from catalog.program_name import command_name
from catalog.releases.from_run import typed
from catalog.releases.publish import publish
from catalog.releases.release import Release
from catalog.workspace.workspace import Workspace

_RUN = "SELECT run_id, plan_json FROM v_runs WHERE is_current"
_LABELS = """
    SELECT subject_id, value FROM v_labels WHERE task = ? AND subject_kind = 'asset' AND label_source = 'person'
"""


@dataclass(frozen=True)
class PublishedLabels:
    """A release of labels; `left_out` are labelled pictures that the current curation run has not kept."""

    dataset: str
    version: str
    pictures: int
    left_out: int
    splits: dict[str, dict[str, int]]
    """Pictures by split and class."""
    command: str
    """What trains on it."""


def publish_labels(workspace: Workspace, name: str, task: str) -> PublishedLabels:
    """Publish the labels of a task, of all people together, as the next version of a dataset.

    Of a picture with several labels the one that most people gave counts; without a majority it has none. Raises
    `LabelError` where the current run has kept none of the pictures, and `ReleaseError` for a bad name.
    """
    check_task(task)
    with open_catalog(workspace) as catalog:
        catalog.commit()
        labels = {
            str(row["subject_id"]): str(row["value"]) for row in catalog.records(_LABELS, [task])
        }
        run_id, plan, items = _kept(catalog, labels)
    values = typed([labels[sha] for sha in items["asset_sha256"].to_pylist()])
    release = publish(
        workspace, name, items.append_column(task, values), plan=plan | _only(task), run_id=run_id
    )
    return _described(release, items, values, task, len(labels))


def _only(task: str) -> dict[str, object]:
    """Return the part of a plan that names its labels."""
    return {"labels": [task], "label_columns": [], "label_classes": []}


def _kept(catalog: Catalog, labels: dict[str, str]) -> tuple[str, dict[str, object], pa.Table]:
    """Return the current run, its plan and its labelled pictures."""
    curate = f"{command_name()} curate run"
    if not labels:
        raise LabelError("nothing is labelled yet")
    runs = catalog.records(_RUN)
    if not runs:
        raise LabelError(f"the labels are in the catalog; curate its pictures first: {curate}")
    run_id = str(runs[0]["run_id"])
    items = catalog.query(
        "SELECT * FROM curated_items WHERE run_id = ? AND asset_sha256 IN (SELECT unnest(?::VARCHAR[]))",
        [run_id, list(labels)],
    )
    if not len(items):
        raise LabelError(
            f"the current curation run has kept none of the {counted(len(labels), 'labelled picture')}; "
            f"a new one takes the labels in: {curate}"
        )
    return run_id, json.loads(str(runs[0]["plan_json"])), items


def _described(
    release: Release, items: pa.Table, values: pa.Array, task: str, n_labels: int
) -> PublishedLabels:
    pairs = zip(items["split"].to_pylist(), pc.cast(values, pa.string()).to_pylist(), strict=True)
    splits: dict[str, Counter[str]] = {}
    for split, value in pairs:
        splits.setdefault(str(split), Counter())[str(value)] += 1
    classes = {value for counts in splits.values() for value in counts}
    recipe = "good_photos" if classes == {"good", "bad"} else "classify"
    return PublishedLabels(
        release.name,
        release.version,
        len(items),
        n_labels - len(items),
        {split: dict(sorted(counts.items())) for split, counts in sorted(splits.items())},
        f"{command_name()} train run {recipe} --dataset {release.name} --label {task}",
    )
