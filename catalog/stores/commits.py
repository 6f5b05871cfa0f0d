"""Commit segments to a DuckLake: every waiting one in one transaction, with the ledger that makes a replay a no-op."""

import logging
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime

import duckdb

from catalog.files import flush
from catalog.rows import rows
from catalog.schemas import TABLES, Table
from catalog.spool import PACK, Segment
from catalog.stores.engine import quoted
from catalog.stores.tables import set_message
from catalog.workspace import Workspace

log = logging.getLogger(__name__)


def commit_segments(
    connection: duckdb.DuckDBPyConnection, workspace: Workspace, segments: Sequence[Segment]
) -> dict[str, int]:
    """Add the rows of new segments; return the rows gained by table. The caller holds the writer lock."""
    ledger = {row[0] for row in connection.execute("SELECT segment_id FROM segments").fetchall()}
    new = [segment for segment in segments if segment.segment_id not in ledger]
    for segment in new:
        move_pack(workspace, segment)
    gained = _insert_all(connection, new) if new else {}
    for segment in segments:
        shutil.rmtree(segment.folder)
    log.info("committed %d segments, %d rows", len(new), sum(gained.values()))
    return gained


def move_pack(workspace: Workspace, segment: Segment) -> None:
    """Put a segment's pack where its rows say it is; a replay finds it there already."""
    if segment.pack and (segment.folder / PACK).exists():
        (segment.folder / PACK).rename(workspace.packs / segment.pack)
        flush(workspace.packs)


def _insert_all(
    connection: duckdb.DuckDBPyConnection, segments: Sequence[Segment]
) -> dict[str, int]:
    connection.execute("BEGIN")
    gained = {}
    for name in sorted({name for segment in segments for name in segment.tables}):
        files = [s.folder / f"{name}.parquet" for s in segments if name in s.tables]
        gained[name] = _insert(connection, TABLES[name], [str(path) for path in files])
    now = datetime.now(UTC).replace(tzinfo=None)
    ledger = rows(
        "segments",
        [
            {"segment_id": s.segment_id, "job": s.job, "rows": s.rows, "committed_at": now}
            for s in segments
        ],
    )
    connection.register("ledger", ledger)
    connection.execute("INSERT INTO lake.segments BY NAME SELECT * FROM ledger")
    connection.unregister("ledger")
    jobs = sorted({segment.job for segment in segments})
    set_message(connection, "safelight", ", ".join(jobs)[:500])
    connection.execute("COMMIT")
    return gained


def _insert(connection: duckdb.DuckDBPyConnection, table: Table, files: list[str]) -> int:
    """Insert the rows whose key is new; of rows with the same key the first file's stays."""
    key = ", ".join(f'"{name}"' for name in table.key)
    same = " AND ".join(f'old."{name}" IS NOT DISTINCT FROM new."{name}"' for name in table.key)
    listed = ", ".join(f"'{quoted(path)}'" for path in files)
    columns = ", ".join(f'new."{name}"' for name in table.schema.names)
    done = connection.execute(
        f"INSERT INTO lake.{table.name} BY NAME SELECT {columns} FROM ("
        f"SELECT * FROM read_parquet([{listed}], file_row_number = true, filename = true) "
        f"QUALIFY row_number() OVER (PARTITION BY {key} "
        f"ORDER BY list_position([{listed}], filename), file_row_number) = 1) new "
        f"ANTI JOIN lake.{table.name} old ON {same}"
    ).fetchone()
    return int(done[0]) if done else 0
