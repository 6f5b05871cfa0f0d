"""The plain-Parquet store: the same tables without the DuckLake extension, for places where it cannot be had.

Parquet files and JSON documents (`documents.py`), nothing else. Better than DuckLake: needs no extension, no database,
and is readable by hand. Worse: rows can only be added; each snapshot repeats the list of all files, and a commit
looks for known keys by reading the key columns, so it slows down with the tables.
"""

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path

import duckdb

from catalog.errors import BusyError, CatalogError, NewerWorkspaceError, SnapshotNotFoundError
from catalog.packs.buckets import table_files
from catalog.packs.objects import Objects, open_objects
from catalog.packs.spool import Segment, clear_away, ledger_rows
from catalog.plurals import counted
from catalog.stores import engine
from catalog.stores.ducklake.commits import move_pack
from catalog.stores.ducklake.sqlite import SqliteMetadata
from catalog.stores.ducklake.tables import unknown_columns
from catalog.stores.engine import quoted
from catalog.stores.file_check import FileCheck, check_files
from catalog.stores.parquet.documents import (
    FOLDER,
    DataFile,
    PlainSnapshot,
    Schema,
    SnapshotTables,
)
from catalog.stores.parquet.writer import SnapshotWriter
from catalog.stores.store import (
    LOCK_TIMEOUT_S,
    Frozen,
    MaintenanceResult,
    RetentionPolicy,
    Snapshot,
)
from catalog.tables.tables_by_name import TABLES
from catalog.version import __version__
from catalog.workspace.error_lines import first_paragraph
from catalog.workspace.files import folder_aside
from catalog.workspace.workspace import Workspace

log = logging.getLogger(__name__)

MERGE_AT = 64
"""A commit that finds so many small files (`writer.SMALL_BYTES`) in a table writes them as one."""
_SNAPSHOTS = f"{FOLDER}/snapshots"
_SCHEMAS = f"{FOLDER}/schemas"
_TRIES = 20


class ParquetStore:
    """Tables as lists of Parquet files, in the workspace or its bucket."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self._files = table_files(workspace, FOLDER)
        self.data_path = self._files.path
        self._objects: Objects = open_objects(workspace)
        self._lock = SqliteMetadata(workspace).lock

    def lock(self, timeout_s: float = LOCK_TIMEOUT_S) -> AbstractContextManager[None]:
        """Hold the one writer lock of the workspace; raises `BusyError`."""
        return self._lock(timeout_s)

    def prepare(self) -> None:
        """Publish a snapshot with the tables and views of this code where the newest one has others.

        Raises `NewerWorkspaceError` when there are columns that no older code wrote.
        """
        if not self._is_behind(self._newest()):
            return
        with self.lock():
            newest = self._newest()
            if self._is_behind(newest):
                older = self._schema(newest.schema) if newest else None
                if older and (strange := unknown_columns(older.column_names())):
                    made_by = newest.code_version if newest else ""
                    raise NewerWorkspaceError(made_by, __version__, strange)
                base = newest or PlainSnapshot(-1, "", "", "", "", "", {})
                message = f"tables and views of safelight {__version__}"
                schema = self._keep_schema(Schema.of_this_code(older))
                self._publish(replace(base, schema=schema), base.files, message, "schema")

    def connect(self, as_of: int | None = None) -> duckdb.DuckDBPyConnection:
        """Give a reading connection; raises `SnapshotNotFoundError`."""
        tables = self._tables_at(as_of)
        connection = engine.take(self._files.extensions)
        try:
            self._create_views(connection, tables, ":memory:")
        except duckdb.Error as error:
            engine.discard(connection)
            raise CatalogError(f"the catalog cannot be opened: {first_paragraph(error)}") from error
        return connection

    def release(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Take a connection back."""
        engine.give_back(connection, self._files.extensions)

    def commit(self, segments: Sequence[Segment]) -> dict[str, int]:
        """Add the rows of new segments in one snapshot; the caller holds the lock."""
        for _ in range(_TRIES):
            gained = self._try_to_commit(segments)
            if gained is not None:
                break
        else:
            raise BusyError("the catalog", 0)
        for segment in segments:
            clear_away(segment)
        return gained

    def close(self) -> None:
        """Let go of what is kept between commits: nothing."""

    def snapshot(self, connection: duckdb.DuckDBPyConnection) -> int:
        """Return the id of the snapshot that `connection` reads."""
        row = connection.execute("SELECT id FROM lake.current_snapshot()").fetchone()
        return int(row[0]) if row else 0

    def snapshots(self, connection: duckdb.DuckDBPyConnection) -> list[Snapshot]:  # noqa: ARG002 - of the protocol
        """List all snapshots, newest first."""
        loaded = [self._load(number) for number in self._numbers()[::-1]]
        return [
            Snapshot(s.snapshot_id, datetime.fromisoformat(s.at), "safelight", s.message, s.changes)
            for s in loaded
        ]

    def filled_tables(self, connection: duckdb.DuckDBPyConnection) -> list[str]:
        """Name the tables that have files."""
        files = self._load(self.snapshot(connection)).files
        return sorted(name for name, group in files.items() if group)

    @property
    def data_folder(self) -> Path | None:
        """The folder of the data files on this machine."""
        return None if self._objects.remote else Path(self.data_path)

    def freeze(
        self, folder: Path, as_of: int | None = None, *, seen_at: Path | None = None
    ) -> Frozen:
        """Write the views of a snapshot to a DuckDB file in `folder`; the data files stay where they are."""
        folder.mkdir(parents=True, exist_ok=True)
        tables, data_path = self._tables_at(as_of), self.data_path
        target = folder / "catalog.duckdb"
        if seen_at is not None:
            target = seen_at / "frozen" / folder.name / target.name
            if self.data_folder is not None:
                data_path = f"{seen_at}/data/"
                tables = replace(
                    tables, address=lambda name: data_path + name.removeprefix(f"{FOLDER}/")
                )
        connection = engine.take(self._files.extensions)
        try:
            self._create_views(connection, tables, str(target))
        finally:
            self.release(connection)
        attach = f"{self._files.setup_sql}ATTACH '{quoted(target)}' AS lake (READ_ONLY); USE lake"
        number = tables.snapshot.snapshot_id
        return Frozen(attach, self._files.extensions, (data_path,), number)

    def check_files(self, *, rehash: bool = False) -> FileCheck:
        """Compare the files of all snapshots with those that are there."""
        address = self._objects.address
        snapshots = [self._load(number) for number in self._numbers()]
        named = {
            address(f"{FOLDER}/{file.name}"): file.bytes
            for snapshot in snapshots
            for files in snapshot.files.values()
            for file in files
        }
        documents = {address(name) for name in self._named()} - set(named)
        there = {address(stored.name): stored.bytes for stored in self._objects.listed(FOLDER)}
        return check_files(self._objects, named, there, documents, rehash=rehash)

    def notes(self) -> Iterator[str]:
        """Say nothing: every document has its SHA-256."""
        yield from ()

    def check_database(self) -> Iterator[str]:
        """Compare the documents of snapshots and schemas with their recorded SHA-256."""
        for number in self._numbers():
            try:
                self._schema(self._load(number).schema)
            except CatalogError as error:
                yield str(error)

    def maintain(self, rules: RetentionPolicy) -> MaintenanceResult:
        """Merge small files, forget old snapshots, remove files that none names; the caller holds the lock."""
        merged, made = (0, 0) if rules.dry_run else self._merge_all()
        expired = self._expired(rules)
        if not rules.dry_run:
            for number in expired:
                self._objects.delete(_document(number))
        gone = {_document(number) for number in expired}
        named = self._named(without=expired)
        there = (s for s in self._objects.listed(FOLDER) if s.name not in named | gone)
        swept = [stored for stored in there if rules.is_expired(stored.modified)]
        if not rules.dry_run:
            for stored in swept:
                self._objects.delete(stored.name)
        return MaintenanceResult(
            files_merged=merged,
            files_made=made,
            snapshots_expired=len(expired),
            files_removed=len(swept),
            bytes_removed=sum(stored.bytes for stored in swept),
            details=(*(f"snapshot {n}" for n in expired), *(stored.name for stored in swept)),
        )

    def _expired(self, rules: RetentionPolicy) -> list[int]:
        if rules.keep_days is None and rules.keep_snapshots is None:
            return []
        candidates = self._numbers()[: -max(1, rules.keep_snapshots or 1)]
        oldest = datetime.now(UTC) - timedelta(days=rules.keep_days or 0)
        return [
            number
            for number in candidates
            if number not in rules.protected
            and (rules.keep_days is None or datetime.fromisoformat(self._load(number).at) < oldest)
        ]

    def _named(self, without: Sequence[int] = ()) -> set[str]:
        """List the objects that snapshots need: their documents, schemas and data files."""
        names = set()
        for number in (n for n in self._numbers() if n not in without):
            loaded = self._load(number)
            files = [file for group in loaded.files.values() for file in group]
            names |= {_document(number)} | {f"{FOLDER}/{file.name}" for file in files}
            names |= {_schema_document(d) for d in {loaded.schema, *(f.schema for f in files)}}
        return names

    def _numbers(self) -> list[int]:
        stems = (Path(stored.name).stem for stored in self._objects.listed(_SNAPSHOTS))
        return sorted(int(stem) for stem in stems if stem.isdigit())

    def _newest(self) -> PlainSnapshot | None:
        numbers = self._numbers()
        return self._load(numbers[-1]) if numbers else None

    def _load(self, number: int) -> PlainSnapshot:
        body = _whole(self._objects, _document(number))
        if not PlainSnapshot.is_whole(body):
            raise self._damaged(_document(number))
        return PlainSnapshot.load(body)

    def _schema(self, digest: str) -> Schema:
        body = _whole(self._objects, _schema_document(digest))
        if hashlib.sha256(body).hexdigest() != digest:
            raise self._damaged(_schema_document(digest))
        return Schema.load(body)

    def _damaged(self, name: str) -> CatalogError:
        return CatalogError(
            f"{self._objects.address(name)} is damaged: its SHA-256 is not the recorded one. Put it back from a copy"
        )

    def _keep_schema(self, schema: Schema) -> str:
        self._objects.create(_schema_document(schema.digest), schema.dump())
        return schema.digest

    def _is_behind(self, newest: PlainSnapshot | None) -> bool:
        if newest is None:
            return True
        if newest.schema == _digest_of_this_code():
            return False
        older = self._schema(newest.schema)
        return Schema.of_this_code(older).digest != newest.schema

    def _tables_at(self, as_of: int | None) -> SnapshotTables:
        numbers = self._numbers()
        if as_of is not None and as_of not in numbers:
            raise SnapshotNotFoundError(as_of, numbers[::-1])
        snapshot = self._load(numbers[-1] if as_of is None else as_of)
        digests = {f.schema for files in snapshot.files.values() for f in files} | {snapshot.schema}
        schemas = {digest: self._schema(digest) for digest in digests}
        return SnapshotTables(snapshot, schemas[snapshot.schema], schemas, self._objects.address)

    def _create_views(
        self, connection: duckdb.DuckDBPyConnection, tables: SnapshotTables, database: str
    ) -> None:
        connection.execute(self._files.setup_sql)
        connection.execute(f"ATTACH '{quoted(database)}' AS lake")
        connection.execute("USE lake")
        connection.execute("BEGIN")
        connection.execute("; ".join(tables.statements()))
        connection.execute("COMMIT")

    @contextmanager
    def _writing(self, tables: SnapshotTables) -> Iterator[SnapshotWriter]:
        connection = engine.take(self._files.extensions)
        connection.execute(self._files.setup_sql)
        try:
            with folder_aside(self.workspace.spool) as aside:
                yield SnapshotWriter(connection, tables, self._objects, aside)
        finally:
            self.release(connection)

    def _try_to_commit(self, segments: Sequence[Segment]) -> dict[str, int] | None:
        """Write the new rows and publish them; None when another machine published first."""
        tables = self._tables_at(None)
        with self._writing(tables) as writer:
            ledger = writer.ledger([segment.segment_id for segment in segments])
            new = [segment for segment in segments if segment.segment_id not in ledger]
            if not new:
                return {}
            for segment in new:
                move_pack(self.workspace, segment)
            files = dict(tables.snapshot.files)
            for name in files:
                writer.merge(files, name, MERGE_AT)
            gained = {}
            for name in sorted({name for segment in new for name in segment.tables}):
                paths = [str(s.folder / f"{name}.parquet") for s in new if name in s.tables]
                gained[name] = writer.append(files, name, writer.new_rows(TABLES[name], paths))
            writer.append(files, "segments", ledger_rows(new))
        jobs = ", ".join(sorted({segment.job for segment in new}))[:500]
        changes = ", ".join(f"{name}: {counted(n, 'row')}" for name, n in gained.items())
        if not self._publish(tables.snapshot, files, jobs, changes):
            return None
        log.info("committed %d segments, %d rows", len(new), sum(gained.values()))
        return gained

    def _merge_all(self) -> tuple[int, int]:
        """Merge what can be merged; return how many files became how many."""
        tables = self._tables_at(None)
        files = dict(tables.snapshot.files)
        with self._writing(tables) as writer:
            counts = [n for name in files if (n := writer.merge(files, name, 2))]
        if not counts or not self._publish(tables.snapshot, files, "merge small files", "merge"):
            return 0, 0
        return sum(counts), len(counts)

    def _publish(
        self,
        base: PlainSnapshot,
        files: Mapping[str, Sequence[DataFile]],
        message: str,
        changes: str,
    ) -> bool:
        """Create the snapshot after `base`; False when there is one already."""
        number = base.snapshot_id + 1
        at = datetime.now(UTC).isoformat(timespec="microseconds")
        new = PlainSnapshot(number, at, message, changes, __version__, base.schema, files)
        return self._objects.create(_document(number), new.dump())


@lru_cache(maxsize=1)
def _digest_of_this_code() -> str:
    return Schema.of_this_code().digest


def _document(number: int) -> str:
    return f"{_SNAPSHOTS}/{number:010d}.json"


def _schema_document(digest: str) -> str:
    return f"{_SCHEMAS}/{digest}.json"


def _whole(objects: Objects, name: str) -> bytes:
    size = objects.size(name)
    if size is None:
        raise CatalogError(
            f"{objects.address(name)} is missing: the tables cannot be read without it"
        )
    return objects.read(name, 0, size)
