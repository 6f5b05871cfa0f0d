"""Read tables of the catalog as frames, and find a run."""

import polars as pl

from catalog import Catalog
from curation.errors import RunNotFoundError


def frame(catalog: Catalog, sql: str, parameters: tuple[object, ...] = ()) -> pl.DataFrame:
    """Run a query and give its rows as a polars frame."""
    found = pl.from_arrow(catalog.query(sql, parameters))
    assert isinstance(found, pl.DataFrame)
    return found


def find_run(catalog: Catalog, run_id: str = "") -> str:
    """Give the full id of a run named by its first letters; the current one without a name.

    Raises `RunNotFoundError`, also when the letters fit several runs.
    """
    sql = "SELECT run_id FROM v_runs ORDER BY current_since DESC, run_id"
    if run_id:
        sql = "SELECT run_id FROM curation_runs ORDER BY finished_at DESC, run_id"
    known = [str(row["run_id"]) for row in catalog.records(sql)]
    fitting = [name for name in known if name.startswith(run_id)]
    if not fitting or (run_id and len(fitting) > 1):
        raise RunNotFoundError(run_id, fitting or known)
    return fitting[0]
