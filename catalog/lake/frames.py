"""SQL over the tables of a workspace from Python: `safelight.sql("SELECT ...")` gives a polars frame."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from catalog.errors import MissingPartError
from catalog.lake.lake import Parameters, open_catalog
from catalog.workspace.workspace import Workspace, find_workspace

if TYPE_CHECKING:
    import polars as pl


def sql(
    query: str,
    parameters: Parameters = (),
    *,
    workspace: Workspace | str | Path | None = None,
    as_of: int | None = None,
) -> "pl.DataFrame":
    """Run one reading statement over the tables and views of a workspace and return its rows.

    `parameters` fill `?` in their order, or `$name` by name. `workspace` is by default that of SAFELIGHT_HOME, else
    ./workspace; `as_of` reads a past snapshot. Raises `QueryError`, `NoWorkspaceError`, `SnapshotNotFoundError`, and
    `MissingPartError` without polars.
    """
    try:
        import polars as pl
    except ModuleNotFoundError as error:
        raise MissingPartError("polars", "train") from error
    with open_catalog(_with_tables(find_workspace(workspace)), as_of=as_of) as catalog:
        frame = pl.from_arrow(catalog.query(query, parameters))
    assert isinstance(frame, pl.DataFrame)
    return frame


def _with_tables(workspace: Workspace) -> Workspace:
    """Raise `NoWorkspaceError` when only releases are there, unless the tables are in a database."""
    shared = bool(os.environ.get("SAFELIGHT_CATALOG_STORE"))
    return workspace if shared else Workspace.existing(workspace.home)
