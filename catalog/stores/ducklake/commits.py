"""Commit segments to a DuckLake: every waiting one in one transaction, with the ledger that makes a replay a no-op.

The file of a segment becomes a data file of its table as it is, by a hard link, when all its rows are new: nothing is
written twice. Otherwise the new rows of several segments are written to one file. Either way the file is on disk before
the catalog names it. Killed anywhere, the segment is still whole in the spool; committing it again finds packs and
files where it wants to put them.
"""

import hashlib
import logging
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from catalog.errors import CatalogError
from catalog.packs.assets import PACKS
from catalog.packs.objects import open_objects
from catalog.packs.spool import PACK, Segment, clear_away, ledger_rows, noted_keys
from catalog.stores.ducklake.keys import KeyIndex, read_keys
from catalog.stores.ducklake.tables import set_message
from catalog.stores.file_sums import name_with_sum
from catalog.tables.keys import Keys, first_ones, hash_keys, no_keys
from catalog.tables.rows import fit
from catalog.tables.table_type import Table
from catalog.tables.tables_by_name import TABLES
from catalog.workspace.files import flush, folder_aside, sha256_file
from catalog.workspace.workspace import Workspace

log = logging.getLogger(__name__)

DATA = "lake/data/main"
AUTHOR = "safelight"
ALONE_ROWS = 5_000
"""A smaller file is joined with the others of its table in this commit."""


def commit_segments(
    connection: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    segments: Sequence[Segment],
    index: KeyIndex,
    check_lock: Callable[[], None] = lambda: None,
) -> dict[str, int]:
    """Add the rows of new segments; return the rows gained by table. The caller holds the writer lock.

    `index` has the keys of the tables.
    `check_lock` raises when the lock was lost meanwhile; it is called just before the end of the transaction.
    """
    # In one transaction: a question outside of one costs DuckLake ten times as much.
    connection.execute("BEGIN")
    index.follow(connection)
    ledger = ledger_rows(segments)
    ledger_keys = _keys(connection, TABLES["segments"], ledger)
    is_new = ~index.contains(ledger_keys)
    new = [segment for segment, chosen in zip(segments, is_new, strict=True) if chosen]
    for segment in new:
        move_pack(workspace, segment)
    gained = {}
    if new:
        work = _Commit(connection, workspace, index, ledger_keys[:, is_new])
        gained = work.add(new, ledger.filter(pa.array(is_new)), check_lock)
    else:
        connection.execute("ROLLBACK")
    for segment in segments:
        clear_away(segment)
    log.info("committed %d segments, %d rows", len(new), sum(gained.values()))
    return gained


def move_pack(workspace: Workspace, segment: Segment) -> None:
    """Put a segment's pack where its rows say it is; a replay finds it there already."""
    if segment.pack and (segment.folder / PACK).exists():
        open_objects(workspace).put(f"{PACKS}/{segment.pack}", segment.folder / PACK)


def _keys(connection: duckdb.DuckDBPyConnection, table: Table, source: pa.Table) -> Keys:
    """Hash the keys of rows; columns of the key that older code did not have are null."""
    if (keys := hash_keys(table, source)) is not None:
        return keys
    for name in table.key:
        if name not in source.column_names:
            source = source.append_column(
                name, pa.nulls(len(source), table.schema.field(name).type)
            )
    connection.register("keyed", source)
    keys = read_keys(connection, table, "keyed")
    connection.unregister("keyed")
    return keys


@dataclass(frozen=True)
class _Part:
    """The rows that one segment has for one table, and which of them are new."""

    table: Table
    path: Path
    segment_id: str
    footer: pq.FileMetaData
    is_new: npt.NDArray[np.bool_]

    def fits_as_it_is(self) -> bool:
        """Say whether the file may become a data file: only new rows, all columns and types of the contract.

        A file that lacks a column would do for DuckLake, but it then takes the column to have no nulls, and
        `count(column)` counts them.
        """
        schema = self.footer.schema.to_arrow_schema()
        return bool(self.is_new.all()) and schema.equals(self.table.schema, check_metadata=False)

    def new_rows(self) -> pa.Table:
        """Read the new rows by the contract of today; columns that older code did not have become null."""
        segment_rows = pq.read_table(self.path).filter(pa.array(self.is_new))
        return fit(
            self.table.name,
            segment_rows.select(
                [n for n in segment_rows.column_names if n in self.table.schema.names]
            ),
        )


class _Commit:
    """One transaction."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        workspace: Workspace,
        index: KeyIndex,
        ledger_keys: Keys,
    ) -> None:
        self._connection = connection
        self._workspace = workspace
        self._objects = open_objects(workspace)
        self._index = index
        self._keys = [ledger_keys]
        self._files: list[tuple[str, str]] = []
        """Table and place below `DATA` of each new file."""
        self._noted: dict[str, dict[str, Keys]] = {}

    def add(
        self, segments: Sequence[Segment], ledger: pa.Table, check_lock: Callable[[], None]
    ) -> dict[str, int]:
        """Add new segments and their rows of the ledger, and end the transaction; return the rows gained by table."""
        gained = {}
        for name in sorted({name for segment in segments for name in segment.tables}):
            parts = self._parts(TABLES[name], [s for s in segments if name in s.tables])
            self._add(TABLES[name], [part for part in parts if part.is_new.any()])
            gained[name] = sum(int(part.is_new.sum()) for part in parts)
        self._write("segments", ledger, [segment.segment_id for segment in segments])
        jobs = sorted({segment.job for segment in segments})
        self._add_files(", ".join(jobs)[:500])
        check_lock()
        self._connection.execute("COMMIT")
        self._index.add(self._connection, np.concatenate(self._keys, axis=1))
        return gained

    def _add_files(self, message: str) -> None:
        """Tell DuckLake of the new files; columns that they lack are null."""
        for table, place in self._files:
            self._connection.execute(
                "CALL ducklake_add_data_files('lake', ?, ?, allow_missing => true)",
                [table, self._objects.address(f"{DATA}/{place}")],
            )
        set_message(self._connection, AUTHOR, message)

    def _parts(self, table: Table, segments: Sequence[Segment]) -> list[_Part]:
        """Find the new rows of each segment; of rows with the same key the first one counts."""
        footers = [pq.read_metadata(_path(segment, table)) for segment in segments]
        keys_by_segment = [
            self._keys_in(table, segment, footer)
            for segment, footer in zip(segments, footers, strict=True)
        ]
        together = np.concatenate([no_keys(), *keys_by_segment], axis=1)
        is_new = first_ones(together) & ~self._index.contains(together)
        self._keys.append(together[:, is_new])
        ends = np.cumsum([keys.shape[1] for keys in keys_by_segment])
        return [
            _Part(table, _path(segment, table), segment.segment_id, footer, chosen)
            for segment, footer, chosen in zip(
                segments, footers, np.split(is_new, ends[:-1]), strict=True
            )
        ]

    def _keys_in(self, table: Table, segment: Segment, footer: pq.FileMetaData) -> Keys:
        """Give the hashes of the keys of a segment's rows, in their order."""
        if segment.segment_id not in self._noted:
            self._noted[segment.segment_id] = noted_keys(segment)
        keys = self._noted[segment.segment_id].get(table.name)
        if keys is not None and keys.shape == (2, footer.num_rows):
            return keys
        path, names = _path(segment, table), footer.schema.to_arrow_schema().names
        named = [name for name in table.key if name in names]
        return _keys(self._connection, table, pq.read_table(path, columns=named))

    def _add(self, table: Table, parts: Sequence[_Part]) -> None:
        large = [p for p in parts if len(parts) == 1 or len(p.is_new) >= ALONE_ROWS]
        linked = [part for part in large if part.fits_as_it_is()]
        for part in linked:
            self._link(part)
        if rest := [part for part in parts if part not in linked]:
            together = pa.concat_tables([part.new_rows() for part in rest])
            self._write(table.name, together, [part.segment_id for part in rest])

    def _link(self, part: _Part) -> None:
        """Make a segment's file a data file of its table."""
        name = name_with_sum(sha256_file(part.path), part.segment_id)
        place = f"{part.table.name}/{name}"
        if self._objects.remote:
            self._objects.put(f"{DATA}/{place}", part.path)
        else:
            target = self._target(place)
            try:
                os.link(part.path, target)
            except OSError:  # the data lies on another file system
                shutil.copyfile(part.path, target)
                flush(target)
            flush(target.parent)
        self._files.append((part.table.name, place))

    def _write(self, table: str, new_rows: pa.Table, segment_ids: Sequence[str]) -> None:
        """Write rows to a data file of their table."""
        sink = pa.BufferOutputStream()
        pq.write_table(new_rows, sink, compression="zstd")
        body = sink.getvalue()
        origin = hashlib.sha256(" ".join(segment_ids).encode()).hexdigest()
        place = f"{table}/{name_with_sum(hashlib.sha256(body).hexdigest(), origin)}"
        if self._objects.remote:
            with folder_aside(self._workspace.spool) as aside:
                (aside / "rows.parquet").write_bytes(body)
                self._objects.put(f"{DATA}/{place}", aside / "rows.parquet")
        else:
            target = self._target(place)
            target.write_bytes(body)
            flush(target)
            flush(target.parent)
        self._files.append((table, place))

    def _target(self, place: str) -> Path:
        """Give the path of a data file; whatever lies there is of a commit that was killed."""
        target = self._workspace.home / DATA / place
        try:
            target.parent.mkdir(exist_ok=True)
        except FileNotFoundError as error:
            # Not made here: it was there when the catalog was opened, and a new one would keep it from coming back.
            folder = target.parent.parent
            raise CatalogError(
                f"{folder}, which holds the files of the tables, is not there"
            ) from error
        target.unlink(missing_ok=True)
        return target


def _path(segment: Segment, table: Table) -> Path:
    return segment.folder / f"{table.name}.parquet"
