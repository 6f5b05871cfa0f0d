"""DuckLake: rows in Parquet files below `lake/data/`, what they are and which snapshot has them in a SQL database.

The database is SQLite (`sqlite.py`) or PostgreSQL (`postgres.py`). One process writes at a time, under the lock that
comes with the database. Readers attach read-only and never wait.
"""

import hashlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import duckdb

from catalog.errors import CatalogError, SnapshotNotFoundError
from catalog.packs.buckets import table_files
from catalog.packs.objects import open_objects
from catalog.packs.spool import Segment
from catalog.program_name import command_name
from catalog.stores import engine
from catalog.stores.ducklake.attach import (
    as_of_options,
    data_options,
    forget_data_path,
    opening_error,
)
from catalog.stores.ducklake.commits import DATA, commit_segments
from catalog.stores.ducklake.data_path import (
    held_data_path,
    note_data_path,
    sees_files,
    set_data_path,
)
from catalog.stores.ducklake.keys import KeyIndex
from catalog.stores.ducklake.metadata import Metadata
from catalog.stores.ducklake.tables import bring_up_to_date
from catalog.stores.ducklake.upkeep import (
    NAMED_FILES,
    files_to_delete,
    fill_metadata,
    maintain_lake,
    named_files,
)
from catalog.stores.engine import quoted
from catalog.stores.file_check import FileCheck, check_files
from catalog.stores.file_sums import record_sums
from catalog.stores.store import (
    LOCK_TIMEOUT_S,
    Frozen,
    MaintenanceResult,
    RetentionPolicy,
    Snapshot,
)
from catalog.tables.tables_by_name import TABLES
from catalog.tables.views import VIEWS
from catalog.workspace.workspace import Workspace

_PREPARATION = 2  # raised when `bring_up_to_date` does more than before with the same tables
_SCHEMA_DIGEST = hashlib.sha256(
    repr(
        [(t.name, t.meaning, t.schema.to_string()) for t in TABLES.values()] + [VIEWS, _PREPARATION]
    ).encode()
).hexdigest()


KEEP_ROWS = 200_000
"""A connection that has committed more is closed: what it has read stays in memory, and a crawl may run for days."""


class DuckLakeStore:
    """A DuckLake named `lake` over one of the databases."""

    def __init__(self, workspace: Workspace, metadata: Metadata) -> None:
        self.workspace = workspace
        self._files = table_files(workspace)
        self.data_path = self._files.path
        self._metadata = metadata
        self._extensions = (*metadata.extensions, *self._files.extensions)
        self._kept: duckdb.DuckDBPyConnection | None = None
        self._written = 0
        self._sees_files = False  # until a file that the catalog names was seen
        self._index = self._new_index()

    def lock(self, timeout_s: float = LOCK_TIMEOUT_S) -> AbstractContextManager[None]:
        """Hold the one writer lock; raises `BusyError`."""
        return self._metadata.lock(timeout_s)

    def prepare(self) -> None:
        """Make tables, columns, comments and views that are missing."""
        if self._metadata.mark() == _SCHEMA_DIGEST:
            self._make_data_folder()
            return
        with self.lock():
            if self._metadata.mark() == _SCHEMA_DIGEST:  # another process was faster
                return
            connection = self.writer()
            try:
                bring_up_to_date(connection)
            finally:
                self.release(connection)
            self.record_pages()
            self._metadata.set_mark(_SCHEMA_DIGEST)
        self._make_data_folder()

    def _make_data_folder(self) -> None:
        """Make the folder of table files where there is none yet; one that is missing may be on a disk that is away."""
        folder = self.workspace.home / DATA
        if folder.is_dir() or self._files.extensions:  # those read a bucket
            return
        connection = self.connect()
        try:
            if not self.filled_tables(connection):
                folder.mkdir(parents=True, exist_ok=True)
        finally:
            self.release(connection)

    def connect(self, as_of: int | None = None) -> duckdb.DuckDBPyConnection:
        """Give a reading connection; raises `SnapshotNotFoundError`."""
        try:
            return self._attach(read_only=True, as_of=as_of)
        except duckdb.Error as error:
            if as_of is not None:
                self._explain_missing(as_of, error)
            raise opening_error(error) from error

    def writer(self) -> duckdb.DuckDBPyConnection:
        """Give a writing connection; the caller holds the lock, and calls `record_pages` when all is written.

        Raises `CatalogError` when the database is damaged: what is written would make the damage look right.
        """
        if self._metadata.pages:
            self._metadata.pages.start_unfollowed_write()
        return self._committer()

    def record_pages(self) -> None:
        """Note the checksums of the database's pages, after writing without `commit`; the caller holds the lock."""
        if self._metadata.pages:
            connection = self.connect()
            newest = self.snapshot(connection)
            self.release(connection)
            self._metadata.pages.record(newest)

    def _committer(self) -> duckdb.DuckDBPyConnection:
        try:
            return self._attach(read_only=False)
        except duckdb.Error as error:
            raise opening_error(error) from error

    def release(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Take a connection back."""
        with suppress(duckdb.Error):  # closed already: `give_back` lets it go
            connection.execute(f"SET threads = {engine.THREADS}")
        engine.give_back(connection, self._extensions)

    def commit(self, segments: Sequence[Segment]) -> dict[str, int]:
        """Add the rows of new segments in one transaction; the caller holds the lock."""
        connection = self._kept or self._committer()
        if self._metadata.pages and not self._kept:
            self._metadata.pages.start_commit(self.snapshot(connection))
        self._kept = None
        # DuckLake asks its database a dozen small questions; a second thread makes each a third dearer.
        connection.execute("SET threads = 1")
        try:
            self._check_data_path(connection)
            if not self._sees_files:  # the first rows: their files will be ours
                self._note_data_path(connection)
            gained = commit_segments(
                *(connection, self.workspace, segments, self._index),
                self._metadata.check_lock,
            )
        except BaseException:
            engine.discard(connection)
            self._index = self._new_index()
            raise
        if self._metadata.pages:
            self._metadata.pages.record(self._index.newest.snapshot)
        self._kept = connection
        self._written += sum(segment.rows for segment in segments)
        if self._written > KEEP_ROWS:
            self.close()
        return gained

    def _note_data_path(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Name our data folder in a catalog that was made elsewhere and has no files yet.

        No snapshot tells of it, so the checksums of before must go first: killed in between, they would call it damage.
        """
        if held_data_path(connection) == self.data_path:
            return
        if self._metadata.pages:
            self._metadata.pages.start_unfollowed_write()
        note_data_path(connection, self.data_path)

    def _new_index(self) -> KeyIndex:
        return KeyIndex(self.workspace.lake / "keys")

    def forget_keys(self) -> None:
        """Delete the index of keys, which knows rows that were deleted; the next commit makes it anew."""
        shutil.rmtree(self.workspace.lake / "keys", ignore_errors=True)
        self._index = self._new_index()

    def close(self) -> None:
        """Let go of the connection that commits."""
        if self._kept and self._written > KEEP_ROWS:
            engine.discard(self._kept)
            self._written = 0
        elif self._kept:
            self.release(self._kept)
        self._kept = None

    def snapshot(self, connection: duckdb.DuckDBPyConnection) -> int:
        """Return the id of the snapshot that `connection` reads."""
        row = connection.execute("SELECT id FROM lake.current_snapshot()").fetchone()
        return int(row[0]) if row else 0

    def snapshots(self, connection: duckdb.DuckDBPyConnection) -> list[Snapshot]:
        """List all snapshots, newest first."""
        rows = connection.execute(
            "SELECT snapshot_id, epoch_us(snapshot_time) AS us, coalesce(author, '') AS author, "
            "coalesce(commit_message, '') AS message, CAST(changes AS VARCHAR) AS changes "
            "FROM ducklake_snapshots('lake') ORDER BY snapshot_id DESC"
        )
        return [_snapshot(row) for row in rows.to_arrow_table().to_pylist()]

    def filled_tables(self, connection: duckdb.DuckDBPyConnection) -> list[str]:
        """Name the tables that have files."""
        rows = connection.execute(
            "SELECT table_name FROM ducklake_table_info('lake') WHERE file_count > 0 ORDER BY ALL"
        ).fetchall()
        return [name for (name,) in rows if name in TABLES]

    @property
    def data_folder(self) -> Path | None:
        """The folder of the data files on this machine."""
        return None if "://" in self.data_path else Path(self.data_path)

    def freeze(
        self, folder: Path, as_of: int | None = None, *, seen_at: Path | None = None
    ) -> Frozen:
        """Copy the catalog into the empty `folder`; the data files stay where they are."""
        folder.mkdir(parents=True, exist_ok=True)
        uri, needed = self._metadata.copy(folder)
        data_path = self.data_path
        extensions = (*needed, *self._files.extensions)
        if seen_at is not None:
            uri = uri.replace(quoted(folder), quoted(seen_at / "frozen" / folder.name))
            data_path = data_path if self.data_folder is None else f"{seen_at}/data/"
            forget_data_path(uri, extensions)
        options = ["READ_ONLY", *data_options(data_path), *as_of_options(as_of)]
        attach = f"{self._files.setup_sql}ATTACH '{uri}' AS lake ({', '.join(options)})"
        connection = engine.take(extensions)
        try:
            connection.execute(attach)
            snapshot_id = self.snapshot(connection)
        finally:
            engine.give_back(connection, extensions)
        return Frozen(f"{attach}; USE lake", extensions, (data_path,), snapshot_id)

    def mark(self) -> str:
        """Return the digest of the tables and views that the catalog was brought up to."""
        return self._metadata.mark()

    def named_files(self, frozen: Frozen) -> tuple[list[str], list[str]]:
        """List the table files (below the data folder) and the packs that a frozen catalog names."""
        connection = engine.take(frozen.extensions)
        try:
            connection.execute(frozen.attach_sql)
            packs = connection.execute(
                "SELECT DISTINCT pack FROM assets WHERE pack IS NOT NULL ORDER BY pack"
            ).fetchall()
            tables = connection.execute(NAMED_FILES).fetchall()
        finally:
            engine.give_back(connection, frozen.extensions)
        return [path for path, _ in tables], [pack for (pack,) in packs]

    def adopt(self, file: Path, mark: str) -> None:
        """Fill the new, empty database with a copy that `freeze` made, of whichever database.

        Raises `CatalogError` when there are tables already.
        """
        self.release(self.writer())  # makes the tables of DuckLake
        how = "TYPE sqlite, READ_ONLY" if file.suffix == ".sqlite" else "READ_ONLY"
        extensions = tuple(dict.fromkeys((*self._metadata.extensions, "sqlite_scanner")))
        connection = engine.take(extensions)
        try:
            self._metadata.introduce(connection)
            connection.execute(f"ATTACH '{quoted(file)}' AS copy ({how})")
            connection.execute(self._metadata.attach_raw())
            fill_metadata(connection)
            set_data_path(connection, "raw.ducklake_metadata", self.data_path)
        finally:
            engine.discard(connection)
        self.record_pages()
        self._metadata.set_mark(mark)

    def maintain(self, rules: RetentionPolicy) -> MaintenanceResult:
        """Merge, expire and clean up; the caller holds the lock."""
        connection = self.writer() if not rules.dry_run else self._committer()
        try:
            keep_old = rules.grace_hours > 0
            record = partial(record_sums, connection, self.workspace, keep_old=keep_old)
            done = maintain_lake(connection, self._sizes, record, rules)
        finally:
            engine.discard(connection)  # it may have read everything
        if not rules.dry_run:
            self.record_pages()
        return done

    def check_files(self, *, rehash: bool = False) -> FileCheck:
        """Compare the data files with those that snapshots name, and with `rehash` with their recorded SHA-256."""
        connection = self.connect()
        try:
            # What is there is listed last: a commit adds files before the database names them.
            named = named_files(connection, self.data_path)
            there, waiting = self._sizes(), files_to_delete(connection)
        finally:
            self.release(connection)
        return check_files(open_objects(self.workspace), named, there, waiting, rehash=rehash)

    def notes(self) -> Iterator[str]:
        """Say what of the database cannot be checked, one line each."""
        if self._metadata.pages and not self._metadata.pages.is_known:
            yield (
                "the checksums of the pages of catalog.sqlite are not known: an earlier version wrote it, or a process "
                f"was killed; recorded by: {command_name()} catalog maintain"
            )

    def check_database(self) -> Iterator[str]:
        """Say what is wrong inside the database, one line each."""
        return self._metadata.check()

    def _sizes(self) -> dict[str, int]:
        """Give address and bytes of every data file that is there."""
        objects = open_objects(self.workspace)
        return {
            objects.address(stored.name): stored.bytes for stored in objects.listed("lake/data")
        }

    def _attach(self, *, read_only: bool, as_of: int | None = None) -> duckdb.DuckDBPyConnection:
        options = [*data_options(self.data_path), *self._metadata.options, *as_of_options(as_of)]
        options += ["READ_ONLY"] if read_only else []
        connection = engine.take(self._extensions)
        try:
            self._metadata.introduce(connection)
            connection.execute(self._files.setup_sql)
            connection.execute(f"ATTACH '{self._metadata.uri}' AS lake ({', '.join(options)})")
            connection.execute("USE lake")
            self._check_data_path(connection)
        except (duckdb.Error, CatalogError):
            self.release(connection)
            raise
        return connection

    def _check_data_path(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Raise `OtherFilesError` when the catalog names table files that this home does not see."""
        if not self._sees_files:
            self._sees_files = sees_files(
                *(connection, self.workspace, self.data_path),
                database_in_home=self._metadata.in_sqlite,
            )

    def _explain_missing(self, as_of: int, error: duckdb.Error) -> None:
        connection = self.connect()
        snapshot_ids = [snapshot.snapshot_id for snapshot in self.snapshots(connection)]
        self.release(connection)
        if as_of not in snapshot_ids:
            raise SnapshotNotFoundError(as_of, snapshot_ids) from error


def _snapshot(row: Mapping[str, object]) -> Snapshot:
    at = datetime.fromtimestamp(int(str(row["us"])) / 1e6, UTC)
    return Snapshot(
        int(str(row["snapshot_id"])),
        at,
        str(row["author"]),
        str(row["message"]),
        str(row["changes"]),
    )
