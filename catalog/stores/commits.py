"""Commit segments to a DuckLake: every waiting one in one transaction, with the ledger that makes a replay a no-op.

The file of a segment becomes a data file of its table as it is, by a hard link, when all its rows are new: nothing is
written twice. Otherwise the new rows are written to a file of their own. Killed anywhere, the segment is still whole in
the spool, and committing it again finds packs and links where it wants to put them.
"""

import logging
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from catalog.files import flush
from catalog.rows import rows
from catalog.schemas import TABLES, Table
from catalog.spool import PACK, Segment
from catalog.stores.engine import quoted
from catalog.stores.keys import KeyIndex, Keys, no_keys, read_keys
from catalog.stores.tables import set_message
from catalog.workspace import Workspace

log = logging.getLogger(__name__)

ALONE_ROWS = 5_000
"""A smaller file is joined with the others of its table in this commit."""


def commit_segments(
    connection: duckdb.DuckDBPyConnection, workspace: Workspace, segments: Sequence[Segment]
) -> dict[str, int]:
    """Add the rows of new segments; return the rows gained by table. The caller holds the writer lock."""
    index = KeyIndex(workspace.lake / "keys", connection)
    ledger = _ledger(segments)
    ledger_keys = _keys_of(connection, ledger)
    new = [s for s, known in zip(segments, index.known(ledger_keys), strict=True) if not known]
    for segment in new:
        move_pack(workspace, segment)
    gained = _Commit(connection, workspace, index).add(new, ledger) if new else {}
    for segment in segments:
        shutil.rmtree(segment.folder)
    log.info("committed %d segments, %d rows", len(new), sum(gained.values()))
    return gained


def move_pack(workspace: Workspace, segment: Segment) -> None:
    """Put a segment's pack where its rows say it is; a replay finds it there already."""
    if segment.pack and (segment.folder / PACK).exists():
        (segment.folder / PACK).rename(workspace.packs / segment.pack)
        flush(workspace.packs)


def _ledger(segments: Sequence[Segment]) -> pa.Table:
    now = datetime.now(UTC).replace(tzinfo=None)
    return rows(
        "segments",
        [
            {"segment_id": s.segment_id, "job": s.job, "rows": s.rows, "committed_at": now}
            for s in segments
        ],
    )


def _keys_of(connection: duckdb.DuckDBPyConnection, ledger: pa.Table) -> Keys:
    connection.register("ledger", ledger)
    keys = read_keys(connection, TABLES["segments"], "ledger")
    connection.unregister("ledger")
    return keys


@dataclass(frozen=True)
class _Part:
    """The rows that one segment has for one table, and which of them are new."""

    table: Table
    path: Path
    segment_id: str
    is_new: npt.NDArray[np.bool_]

    def fits_as_it_is(self) -> bool:
        """Say whether the file may become a data file: only new rows, types of the contract."""
        schema = pq.read_schema(self.path)
        known = {field.name: field.type for field in self.table.schema}
        return bool(self.is_new.all()) and all(known.get(f.name) == f.type for f in schema)


class _Commit:
    """One transaction."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, workspace: Workspace, index: KeyIndex
    ) -> None:
        self._connection = connection
        self._data = workspace.lake / "data" / "main"
        self._index = index
        self._keys = [no_keys()]

    def add(self, segments: Sequence[Segment], ledger: pa.Table) -> dict[str, int]:
        """Add the segments and their rows of the ledger; return the rows gained by table."""
        self._connection.execute("BEGIN")
        gained = {}
        for name in sorted({name for segment in segments for name in segment.tables}):
            parts = self._parts(TABLES[name], [s for s in segments if name in s.tables])
            self._add(TABLES[name], [part for part in parts if part.is_new.any()])
            gained[name] = sum(int(part.is_new.sum()) for part in parts)
        ids = pa.array([segment.segment_id for segment in segments])
        entered = ledger.filter(pc.is_in(ledger["segment_id"], ids))
        self._keys.append(_keys_of(self._connection, entered))
        self._connection.register("ledger", entered)
        self._connection.execute("INSERT INTO lake.segments BY NAME SELECT * FROM ledger")
        self._connection.unregister("ledger")
        jobs = sorted({segment.job for segment in segments})
        set_message(self._connection, "safelight", ", ".join(jobs)[:500])
        self._connection.execute("COMMIT")
        self._index.add(np.concatenate(self._keys, axis=1))
        return gained

    def _parts(self, table: Table, segments: Sequence[Segment]) -> list[_Part]:
        """Find the new rows of each segment; of rows with the same key the first one counts."""
        seen: set[tuple[int, int]] = set()
        parts = []
        for segment in segments:
            path = segment.folder / f"{table.name}.parquet"
            keys = read_keys(self._connection, table, _rows_of([str(path)]))
            is_new = ~self._index.known(keys)
            for number, key in enumerate(zip(*keys.tolist(), strict=True)):
                is_new[number] &= key not in seen
                seen.add(key)
            self._keys.append(keys[:, is_new])
            parts.append(_Part(table, path, segment.segment_id, is_new))
        return parts

    def _add(self, table: Table, parts: Sequence[_Part]) -> None:
        whole = [p for p in parts if len(parts) == 1 or len(p.is_new) >= ALONE_ROWS]
        linked = [part for part in whole if part.fits_as_it_is()]
        for part in linked:
            self._link(part)
        if linked:
            flush(self._data / table.name)
        if rest := [part for part in parts if part not in linked]:
            self._insert(table, rest)

    def _link(self, part: _Part) -> None:
        """Make a segment's file a data file of its table."""
        place = self._data / part.table.name / f"{part.segment_id}.parquet"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)  # of a commit that was killed
        try:
            os.link(part.path, place)
        except OSError:  # the data lies on another file system
            shutil.copyfile(part.path, place)
            flush(place)
        self._connection.execute(
            "CALL ducklake_add_data_files('lake', ?, ?, allow_missing => true)",
            [part.table.name, str(place)],
        )

    def _insert(self, table: Table, parts: Sequence[_Part]) -> None:
        """Write the new rows of several files to one; columns that older code did not have become null."""
        paths = [str(part.path) for part in parts]
        present = set(pq.read_schema(paths[0]).names).union(
            *(pq.read_schema(p).names for p in paths)
        )
        columns = ", ".join(f'"{name}"' for name in table.schema.names if name in present)
        old = [
            (p, n)
            for p, part in zip(paths, parts, strict=True)
            for n in np.flatnonzero(~part.is_new)
        ]
        dropped = pa.table(
            {
                "filename": pa.array([path for path, _ in old], pa.string()),
                "file_row_number": pa.array([number for _, number in old], pa.int64()),
            }
        )
        self._connection.register("dropped", dropped)
        self._connection.execute(
            f"INSERT INTO lake.{table.name} BY NAME SELECT {columns} FROM {_rows_of(paths)} "
            "ANTI JOIN dropped USING (filename, file_row_number)"
        )
        self._connection.unregister("dropped")


def _rows_of(paths: Sequence[str]) -> str:
    listed = ", ".join(f"'{quoted(path)}'" for path in paths)
    return (
        f"read_parquet([{listed}], filename = true, file_row_number = true, union_by_name = true)"
    )
