"""Run queries of the catalog as polars frames, and find a run."""

import polars as pl

from catalog import Catalog
from curation.errors import RunNotFoundError


def frame(catalog: Catalog, sql: str, parameters: tuple[object, ...] = ()) -> pl.DataFrame:
    """Run a query and give its rows as a polars frame."""
    table = pl.from_arrow(catalog.query(sql, parameters))
    assert isinstance(table, pl.DataFrame)
    return table


def find_run(catalog: Catalog, run_id: str = "") -> str:
    """Give the full id of the run that `run_id` abbreviates; the current run when it is empty.

    Raises `RunNotFoundError`, also when several runs match.
    """
    sql = "SELECT run_id FROM v_runs ORDER BY current_since DESC, run_id"
    if run_id:
        sql = "SELECT run_id FROM curation_runs ORDER BY finished_at DESC, run_id"
    run_ids = [str(row["run_id"]) for row in catalog.records(sql)]
    matches = [name for name in run_ids if name.startswith(run_id)]
    if not matches or (run_id and len(matches) > 1):
        raise RunNotFoundError(run_id, matches or run_ids)
    return matches[0]
