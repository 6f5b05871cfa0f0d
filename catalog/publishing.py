"""Publish the outcome of a curation run as a dataset version."""

import json

import pyarrow as pa

from catalog.errors import ReleaseError
from catalog.lake import open_catalog
from catalog.releases import Release, publish
from catalog.workspace import Workspace

_RUN = "SELECT run_id, plan_json FROM v_runs WHERE CASE WHEN ? IS NULL THEN is_current ELSE run_id = ? END"


def publish_run(workspace: Workspace, name: str, run_id: str | None = None) -> Release:
    """Publish the pictures that a curation run kept (the current run by default) as `name`.

    Raises `ReleaseError` when there is no such run, or it was taken back.
    """
    with open_catalog(workspace) as catalog:
        catalog.commit()
        runs = catalog.records(_RUN, [run_id, run_id])
        if not runs:
            raise ReleaseError(
                f"no curation run {run_id or 'yet'}; make one with: safelight curate run"
            )
        chosen = str(runs[0]["run_id"])
        items: pa.Table = catalog.query("SELECT * FROM curated_items WHERE run_id = ?", [chosen])
    return publish(
        workspace, name, items, plan=json.loads(str(runs[0]["plan_json"])), run_id=chosen
    )
