"""The tables: DuckLake on SQLite behind one class. Nothing else in Safelight speaks to DuckDB.

One process writes at a time, guarded by a file lock: SQLite's own busy timeout loses commits under two writers.
A commit takes every segment that waits in the spool, in one transaction with the ledger rows that make a
replay a no-op. Readers attach read-only and never wait.
"""

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import duckdb
import pyarrow as pa
from filelock import FileLock, Timeout

from catalog.errors import BusyError, CatalogError, QueryError, SnapshotNotFoundError
from catalog.files import flush
from catalog.rows import rows
from catalog.schemas import TABLES, Table
from catalog.spool import PACK, Segment, ready
from catalog.version import __version__
from catalog.views import VIEWS
from catalog.workspace import Workspace

log = logging.getLogger(__name__)

LOCK_TIMEOUT_S = 120.0
BUSY_TIMEOUT_MS = 20_000
_EXTENSIONS = ("ducklake", "sqlite_scanner")
_SQL_TYPES = {
    pa.string(): "VARCHAR",
    pa.bool_(): "BOOLEAN",
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    pa.float64(): "DOUBLE",
    pa.timestamp("us"): "TIMESTAMP",
    pa.list_(pa.string()): "VARCHAR[]",
    pa.list_(pa.float64()): "DOUBLE[]",
    pa.list_(pa.float32()): "FLOAT[]",
}

Parameters = Sequence[object] | Mapping[str, object]


@dataclass(frozen=True)
class Snapshot:
    """One immutable state of the tables."""

    snapshot_id: int
    at: datetime
    author: str
    message: str
    changes: str


class Catalog:
    """The tables of one workspace, open for reading (and for commits unless read-only)."""

    def __init__(self, workspace: Workspace, *, as_of: int | None = None) -> None:
        self.workspace = workspace
        self._file = workspace.lake / "catalog.sqlite"
        if not _is_current(workspace):
            with writer_lock(workspace):
                _create(workspace)
        self._connection = _connect(workspace, read_only=True, as_of=as_of)
        self._closed = False

    def query(self, sql: str, parameters: Parameters = ()) -> pa.Table:
        """Run one reading statement and return its rows; raises `QueryError`.

        `parameters` fill `?` in their order, or `$name` by name.
        """
        if self._closed:
            raise CatalogError("this catalog is closed; open it again with open_catalog")
        try:
            _check_reads_only(sql)
            given = dict(parameters) if isinstance(parameters, Mapping) else list(parameters)
            return self._connection.execute(sql, given).to_arrow_table()
        except duckdb.Error as error:
            raise QueryError(_first_line(error)) from error

    def records(self, sql: str, parameters: Parameters = ()) -> list[dict[str, object]]:
        """Run one reading statement and return its rows as dictionaries."""
        found: list[dict[str, object]] = self.query(sql, parameters).to_pylist()
        return found

    def commit(self) -> dict[str, int]:
        """Commit all waiting segments; return how many rows each table really gained.

        Rows whose key is already there are dropped, a segment already in the ledger is only cleared away.
        Waits for the writer lock; raises `BusyError` when it cannot be had.
        """
        if not ready(self.workspace):
            return {}
        with writer_lock(self.workspace):
            gained = _commit(self.workspace, ready(self.workspace))
        self.refresh()
        return gained

    def refresh(self) -> None:
        """See what other processes have committed since this catalog was opened."""
        _give_back(self._connection)
        self._connection = _connect(self.workspace, read_only=True)

    def snapshot(self) -> int:
        """Return the id of the snapshot that this catalog reads."""
        return int(str(self.records("SELECT id FROM lake.current_snapshot()")[0]["id"]))

    def snapshots(self) -> list[Snapshot]:
        """List all snapshots, newest first."""
        found = self.records(
            "SELECT snapshot_id, epoch_us(snapshot_time) AS us, coalesce(author, '') AS author, "
            "coalesce(commit_message, '') AS message, CAST(changes AS VARCHAR) AS changes "
            "FROM ducklake_snapshots('lake') ORDER BY snapshot_id DESC"
        )
        return [_snapshot(row) for row in found]

    def tables(self) -> list[dict[str, object]]:
        """List tables and views with their comments, columns and row counts."""
        listed = [(table.name, "table", table.meaning) for table in TABLES.values()]
        listed += [(name, "view", meaning) for name, (meaning, _) in VIEWS.items()]
        counts = " UNION ALL ".join(
            f"SELECT '{name}' AS name, count(*) AS n FROM {name}" for name, _, _ in listed
        )
        found = {row["name"]: row["n"] for row in self.records(counts)}
        return [
            {"name": name, "kind": kind, "rows": found[name], "meaning": meaning}
            for name, kind, meaning in listed
        ]

    def close(self) -> None:
        """Let go of the tables; closing twice is harmless."""
        if not self._closed:
            self._closed = True
            _give_back(self._connection)

    def __enter__(self) -> "Catalog":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_catalog(workspace: Workspace, *, as_of: int | None = None) -> Catalog:
    """Open the tables of `workspace`, making them when they are new.

    `as_of` reads a past snapshot; raises `SnapshotNotFoundError` when there is none of this id.
    """
    return Catalog(workspace, as_of=as_of)


@contextmanager
def writer_lock(workspace: Workspace, timeout_s: float = LOCK_TIMEOUT_S) -> Iterator[None]:
    """Hold the one writer lock of a workspace; raises `BusyError` after `timeout_s`."""
    lock = FileLock(workspace.lake / "writer.lock")
    try:
        with lock.acquire(timeout=timeout_s):
            yield
    except Timeout as error:
        raise BusyError("the catalog", timeout_s) from error


def _connect(
    workspace: Workspace, *, read_only: bool, as_of: int | None = None
) -> duckdb.DuckDBPyConnection:
    connection = _take()
    options = [
        f"DATA_PATH '{_quoted(workspace.lake / 'data')}/'",
        "OVERRIDE_DATA_PATH true",
        "META_JOURNAL_MODE 'WAL'",
        f"META_BUSY_TIMEOUT {BUSY_TIMEOUT_MS}",
        "DATA_INLINING_ROW_LIMIT 0",
    ]
    options += ["READ_ONLY"] if read_only else []
    options += [f"SNAPSHOT_VERSION {as_of:d}"] if as_of is not None else []
    path = _quoted(workspace.lake / "catalog.sqlite")
    try:
        connection.execute(f"ATTACH 'ducklake:sqlite:{path}' AS lake ({', '.join(options)})")
    except duckdb.Error as error:
        _idle.append((os.getpid(), connection))
        if as_of is not None:
            with Catalog(workspace) as newest:
                known = [snapshot.snapshot_id for snapshot in newest.snapshots()]
            if as_of not in known:
                raise SnapshotNotFoundError(as_of, known) from error
        raise CatalogError(f"the catalog cannot be opened: {_first_line(error)}") from error
    connection.execute("USE lake")
    return connection


_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "threads": 2,
    "autoinstall_known_extensions": False,
    # A process that commits for days must not keep every file that it has read.
    "enable_external_file_cache": False,
}
_idle: list[tuple[int, duckdb.DuckDBPyConnection]] = []
"""DuckDB instances with the extensions loaded, by process: loading them costs 0.6 s of CPU."""


def _take() -> duckdb.DuckDBPyConnection:
    """Take an idle instance of this process, or start one."""
    while _idle:
        process, connection = _idle.pop()
        if process == os.getpid():
            return connection
    connection = duckdb.connect(config=_CONFIG)
    for name in _EXTENSIONS:
        _load(connection, name)
    return connection


def _give_back(connection: duckdb.DuckDBPyConnection) -> None:
    """Detach the lake and keep the instance for the next catalog of this process."""
    try:
        connection.execute("USE memory")
        connection.execute("DETACH lake")
    except duckdb.Error:
        connection.close()  # closed already, or inside a broken transaction: not worth keeping
        return
    _idle.append((os.getpid(), connection))


_KEEP_ROWS = 5_000
_written = 0


def _put_away(connection: duckdb.DuckDBPyConnection, rows_written: int) -> None:
    """Keep a writer's instance for a while: what it has read stays in memory, so it must not live for days."""
    global _written  # noqa: PLW0603 - one count for the instances of this process
    _written += rows_written
    if _written > _KEEP_ROWS:
        _written = 0
        connection.close()
    else:
        _give_back(connection)


def _load(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Load an extension from its PyPI package, or from DuckDB's own repository as a last resort."""
    import duckdb_extensions

    try:
        duckdb_extensions.import_extension(name, con=connection)
    except (ImportError, OSError, duckdb.Error):
        log.info("extension %s is not installed from PyPI; asking DuckDB to install it", name)
        connection.install_extension(name)
    connection.load_extension(name)


def _is_current(workspace: Workspace) -> bool:
    """Say whether tables and views are those of this code; older ones are brought up to it."""
    mark = workspace.lake / _SCHEMA_MARK
    try:
        return mark.read_text("utf-8") == _SCHEMA_DIGEST
    except FileNotFoundError:
        return False


_SCHEMA_MARK = "schema.sha256"
_SCHEMA_DIGEST = hashlib.sha256(
    repr([(t.name, t.meaning, t.schema.to_string()) for t in TABLES.values()] + [VIEWS]).encode()
).hexdigest()


def _create(workspace: Workspace) -> None:
    """Make tables, columns and views that are missing; the caller holds the writer lock."""
    if _is_current(workspace):  # another process was faster
        return
    connection = _connect(workspace, read_only=False)
    try:
        known: dict[str, set[str]] = {}
        for table_name, column in connection.execute(_KNOWN_COLUMNS).fetchall():
            known.setdefault(table_name, set()).add(column)
        connection.execute("BEGIN")
        for table in TABLES.values():
            if table.name not in known:
                _create_table(connection, table)
                continue
            for field in table.schema:
                if field.name not in known[table.name]:
                    _add_column(connection, table, field)
        for name, (meaning, sql) in VIEWS.items():
            connection.execute(f"CREATE OR REPLACE VIEW lake.{name} AS {sql}")
            connection.execute(f"COMMENT ON VIEW lake.{name} IS '{_quoted(meaning)}'")
        _set_message(connection, "safelight", f"tables and views of safelight {__version__}")
        connection.execute("COMMIT")
    finally:
        _give_back(connection)
    (workspace.lake / _SCHEMA_MARK).write_text(_SCHEMA_DIGEST, "utf-8")


_KNOWN_COLUMNS = (
    "SELECT table_name, column_name FROM duckdb_columns() "
    "WHERE database_name = 'lake' AND schema_name = 'main'"
)


def _add_column(connection: duckdb.DuckDBPyConnection, table: Table, field: pa.Field) -> None:
    kind = _SQL_TYPES[field.type]
    connection.execute(f'ALTER TABLE lake.{table.name} ADD COLUMN "{field.name}" {kind}')
    _comment(connection, table, field)


def _create_table(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    columns = ", ".join(f'"{field.name}" {_SQL_TYPES[field.type]}' for field in table.schema)
    connection.execute(f"CREATE TABLE lake.{table.name} ({columns})")
    connection.execute(f"COMMENT ON TABLE lake.{table.name} IS '{_quoted(table.meaning)}'")
    for field in table.schema:
        _comment(connection, table, field)


def _comment(connection: duckdb.DuckDBPyConnection, table: Table, field: pa.Field) -> None:
    about = field.metadata[b"meaning"].decode()
    unit = field.metadata[b"unit"].decode()
    text = _quoted(f"{about} [{unit}]" if unit else about)
    connection.execute(f"COMMENT ON COLUMN lake.{table.name}.\"{field.name}\" IS '{text}'")


def _commit(workspace: Workspace, segments: Sequence[Segment]) -> dict[str, int]:
    """Add the rows of new segments in one transaction; the caller holds the writer lock."""
    connection = _connect(workspace, read_only=False)
    try:
        ledger = {
            row[0] for row in connection.execute("SELECT segment_id FROM segments").fetchall()
        }
        new = [segment for segment in segments if segment.segment_id not in ledger]
        for segment in new:
            _move_pack(workspace, segment)
        gained = _insert_all(connection, new) if new else {}
    finally:
        _put_away(connection, sum(segment.rows for segment in segments))
    for segment in segments:
        shutil.rmtree(segment.folder)
    log.info("committed %d segments, %d rows", len(new), sum(gained.values()))
    return gained


def _move_pack(workspace: Workspace, segment: Segment) -> None:
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
    _set_message(connection, "safelight", ", ".join(jobs)[:500])
    connection.execute("COMMIT")
    return gained


def _insert(connection: duckdb.DuckDBPyConnection, table: Table, files: list[str]) -> int:
    """Insert the rows whose key is new; of rows with the same key the first file's stays."""
    key = ", ".join(f'"{name}"' for name in table.key)
    same = " AND ".join(f'old."{name}" IS NOT DISTINCT FROM new."{name}"' for name in table.key)
    listed = ", ".join(f"'{_quoted(path)}'" for path in files)
    columns = ", ".join(f'new."{name}"' for name in table.schema.names)
    done = connection.execute(
        f"INSERT INTO lake.{table.name} BY NAME SELECT {columns} FROM ("
        f"SELECT * FROM read_parquet([{listed}], file_row_number = true, filename = true) "
        f"QUALIFY row_number() OVER (PARTITION BY {key} "
        f"ORDER BY list_position([{listed}], filename), file_row_number) = 1) new "
        f"ANTI JOIN lake.{table.name} old ON {same}"
    ).fetchone()
    return int(done[0]) if done else 0


def _set_message(connection: duckdb.DuckDBPyConnection, author: str, message: str) -> None:
    extra = json.dumps({"code_version": __version__})
    connection.execute(
        "CALL ducklake_set_commit_message('lake', ?, ?, extra_info => ?)", [author, message, extra]
    )


def _check_reads_only(sql: str) -> None:
    statements = duckdb.extract_statements(sql)
    reads = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN)
    if len(statements) != 1 or statements[0].type not in reads:
        raise QueryError("give exactly one SELECT (or WITH, FROM, DESCRIBE, EXPLAIN) statement")


def _snapshot(row: Mapping[str, object]) -> Snapshot:
    at = datetime.fromtimestamp(int(str(row["us"])) / 1e6, UTC)
    return Snapshot(
        int(str(row["snapshot_id"])),
        at,
        str(row["author"]),
        str(row["message"]),
        str(row["changes"]),
    )


def _quoted(text: object) -> str:
    return str(text).replace("'", "''")


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split("\n\n")[0].split())
