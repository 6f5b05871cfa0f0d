"""Publish the outcome of a curation run as a dataset version."""

import json
from collections.abc import Sequence

import pyarrow as pa

from catalog.errors import ReleaseError
from catalog.lake.lake import open_catalog
from catalog.program_name import command_name
from catalog.releases.publish import SESSION, label_columns, publish
from catalog.releases.release import Release
from catalog.workspace.workspace import Workspace

_RUN = "SELECT run_id, plan_json FROM v_runs WHERE CASE WHEN ? IS NULL THEN is_current ELSE run_id = ? END"


_LABELS = """
    SELECT asset_sha256, task, value FROM curated_labels WHERE run_id = ? AND role = 'label' ORDER BY ALL
"""
# By number: the name of a session holds a serial number or a folder, and a time.
_SESSIONS = f"""
    SELECT asset_sha256, dense_rank() OVER (ORDER BY value) AS number FROM curated_labels
    WHERE run_id = ? AND role = 'group' AND task = '{SESSION}'
"""


def publish_run(
    workspace: Workspace,
    name: str,
    run_id: str | None = None,
    renditions: Sequence[int] = (),
) -> Release:
    """Publish the pictures that a curation run kept (the current run by default) as `name`.

    `renditions` are the short sides (px) of smaller versions of the pictures that become columns. Labels
    that its plan names become columns, too, and where any is known the number of the session (such as a trip). Raises
    `ReleaseError` when there is no such run, or it was taken back.
    """
    with open_catalog(workspace) as catalog:
        catalog.commit()
        runs = catalog.records(_RUN, [run_id, run_id])
        if not runs:
            raise ReleaseError(
                f"no curation run {run_id or 'yet'}; make one with: {command_name()} curate run"
            )
        chosen = str(runs[0]["run_id"])
        items: pa.Table = catalog.query("SELECT * FROM curated_items WHERE run_id = ?", [chosen])
        labels = catalog.records(_LABELS, [chosen])
        sessions = {
            row["asset_sha256"]: row["number"] for row in catalog.records(_SESSIONS, [chosen])
        }
    plan = json.loads(str(runs[0]["plan_json"]))
    shas = items["asset_sha256"].to_pylist()
    for task in label_columns(plan):
        of_task = {row["asset_sha256"]: str(row["value"]) for row in labels if row["task"] == task}
        items = items.append_column(task, typed([of_task.get(sha) for sha in shas]))
    if sessions and SESSION not in items.column_names:
        items = items.append_column(
            SESSION, pa.array([sessions.get(sha) for sha in shas], pa.int32())
        )
    if renditions:
        plan["renditions"] = sorted(set(renditions))
    return publish(workspace, name, items, plan=plan, run_id=chosen)


def typed(values: Sequence[str | None]) -> pa.Array:
    """Make a column of labels: whole numbers where all are, else numbers where all are, else text.

    >>> str(typed(["26", None, "3"]).type), str(typed(["26", "many"]).type)
    ('int32', 'string')
    """
    texts = pa.array(values, pa.string())
    for kind in (pa.int32(), pa.float64()):
        try:
            return texts.cast(kind)
        except pa.ArrowInvalid:
            continue
    return texts
