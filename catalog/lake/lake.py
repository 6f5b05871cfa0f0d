"""The tables of a workspace behind one class: queries, commits, snapshots.

Where the tables are kept is the business of a store (`catalog.stores`). A commit takes every segment that waits in
the spool, in one transaction with the ledger rows that make a replay a no-op.
"""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

import duckdb
import pyarrow as pa
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_before_delay,
    wait_exponential,
)

from catalog.errors import BusyError, CatalogError, CommitError, QueryError, SegmentError
from catalog.lake.choose_store import open_store
from catalog.packs.spool import count_waiting, damaged_segment, is_whole, waiting_segments
from catalog.program_name import command_name
from catalog.stores import LOCK_TIMEOUT_S, Snapshot
from catalog.stores.commit_errors import EXPECTED, commit_error
from catalog.tables.reading import is_one_select
from catalog.tables.tables_by_name import TABLES
from catalog.tables.views import VIEWS
from catalog.workspace.error_lines import first_paragraph
from catalog.workspace.workspace import Workspace

__all__ = ["LOCK_TIMEOUT_S", "Catalog", "Snapshot", "open_catalog", "writer_lock"]

log = logging.getLogger(__name__)

_ERRORS_OF_STATEMENTS = (
    *(duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException),
    *(duckdb.ConversionException, duckdb.OutOfRangeException, duckdb.InterruptException),
    *(duckdb.NotImplementedException, duckdb.PermissionException, duckdb.OutOfMemoryException),
)
"""All others may come of a damaged file."""
_LOOK_FOR_DAMAGE_S = 10.0

COMMIT_RETRY_S = 30.0
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.5, 8.0

Parameters = Sequence[object] | Mapping[str, object]


class Catalog:
    """The tables of one workspace, open for reading (and for commits unless read-only)."""

    def __init__(self, workspace: Workspace, *, as_of: int | None = None) -> None:
        self.workspace = workspace
        self.store = open_store(workspace)
        self.store.prepare()
        self._as_of = as_of
        self._connection: duckdb.DuckDBPyConnection | None = self.store.connect(as_of)
        self._closed = False
        self._stale = False

    def query(self, sql: str, parameters: Parameters = ()) -> pa.Table:
        """Run one reading statement and return its rows; raises `QueryError`.

        `parameters` fill `?` in their order, or `$name` by name.
        """
        try:
            return self._asked(sql, parameters).to_arrow_table()
        except duckdb.Error as error:
            raise self._explained(error) from error

    def batches(
        self, sql: str, parameters: Parameters = (), rows: int = 8192
    ) -> Iterator[pa.RecordBatch]:
        """Run one reading statement and give its rows bit by bit, for answers larger than memory.

        Ask nothing else of this catalog until the last batch was taken. Raises `QueryError`.
        """
        try:
            yield from self._asked(sql, parameters).to_arrow_reader(rows)
        except duckdb.Error as error:
            raise self._explained(error) from error

    def _explained(self, error: duckdb.Error) -> QueryError:
        """Name the damaged table file behind an error of reading; all other errors speak for themselves."""
        if isinstance(error, _ERRORS_OF_STATEMENTS):
            return QueryError(first_paragraph(error))
        until = time.monotonic() + _LOOK_FOR_DAMAGE_S
        files = self.store.check_files(rehash=True)
        damaged = next((line for line in files.problems if line or time.monotonic() > until), "")
        if not damaged:
            return QueryError(first_paragraph(error))
        log.info("%s: %s", damaged, first_paragraph(error))
        return QueryError(f"{damaged}; list all damage with: {command_name()} catalog verify")

    def _asked(self, sql: str, parameters: Parameters) -> duckdb.DuckDBPyConnection:
        if self._closed:
            raise CatalogError("this catalog is closed; open it again with open_catalog")
        _check_reads_only(sql)
        given = dict(parameters) if isinstance(parameters, Mapping) else list(parameters)
        return self._newest().execute(sql, given)

    def interrupt(self) -> None:
        """Stop the question that another thread is asking: it raises `QueryError` there."""
        if self._connection is not None:
            self._connection.interrupt()

    def records(self, sql: str, parameters: Parameters = ()) -> list[dict[str, object]]:
        """Run one reading statement and return its rows as dictionaries."""
        rows: list[dict[str, object]] = self.query(sql, parameters).to_pylist()
        return rows

    def commit(self, retry_s: float = COMMIT_RETRY_S) -> dict[str, int]:
        """Commit all waiting segments; return how many rows each table really gained.

        Rows whose key is already there are dropped, a segment already in the ledger is only cleared away. That makes
        it safe to try again, for at most `retry_s` seconds, when a connection, a disk or a bucket fails.
        Waits for the writer lock. Raises `BusyError` when it cannot be had, else `CommitError`; the segments wait on.
        """
        retrying = Retrying(
            retry=retry_if_exception(_is_worth_a_retry),
            wait=wait_exponential(multiplier=_FIRST_WAIT_S, max=_LONGEST_WAIT_S),
            stop=stop_before_delay(retry_s),
            before_sleep=_log_retry,
            reraise=True,
        )
        return retrying(self._commit_once)

    def _commit_once(self) -> dict[str, int]:
        try:
            if not waiting_segments(self.workspace):
                return {}
            with self.store.lock():
                gained = self.store.commit(waiting_segments(self.workspace))
        except BusyError:
            raise
        except EXPECTED as error:
            raise self._commit_error(error) from error
        finally:
            self._stale = True
        return gained

    def _commit_error(self, error: Exception) -> CommitError:
        """Say why a commit failed, and which segments are to blame when they are damaged."""
        commit_failure = commit_error(error, count_waiting(self.workspace))
        if commit_failure.is_transient or isinstance(error, SegmentError):
            return commit_failure
        with suppress(*EXPECTED):
            for segment in waiting_segments(self.workspace):
                if not is_whole(segment, self.workspace):
                    damaged = damaged_segment(segment.folder, commit_failure.reason)
                    return commit_error(damaged, count_waiting(self.workspace))
        return commit_failure

    def refresh(self) -> None:
        """See what other processes have committed since this catalog was opened."""
        self._stale = True

    def _newest(self) -> duckdb.DuckDBPyConnection:
        """Give the reading connection, a new one after a commit."""
        if self._stale:
            self.let_go()
        if self._connection is None:
            self._connection = self.store.connect(self._as_of)
            self._stale = False
        return self._connection

    def let_go(self) -> None:
        """Hold no connection until the next question: an open one keeps SQLite from clearing its log away."""
        if self._connection is not None:
            self.store.release(self._connection)
            self._connection = None

    def snapshot(self) -> int:
        """Return the id of the snapshot that this catalog reads."""
        return self.store.snapshot(self._newest())

    def snapshots(self) -> list[Snapshot]:
        """List all snapshots, newest first."""
        return self.store.snapshots(self._newest())

    def tables(self) -> list[dict[str, object]]:
        """List tables and views with their comments, columns and row counts."""
        listed = [(table.name, "table", table.meaning) for table in TABLES.values()]
        listed += [(name, "view", meaning) for name, (meaning, _) in VIEWS.items()]
        counted = [*self.filled(), *VIEWS]
        counts = " UNION ALL ".join(
            f"SELECT '{name}' AS name, count(*) AS n FROM {name}" for name in counted
        )
        row_counts = {row["name"]: row["n"] for row in self.records(counts)}
        return [
            {"name": name, "kind": kind, "rows": row_counts.get(name, 0), "meaning": meaning}
            for name, kind, meaning in listed
        ]

    def filled(self) -> list[str]:
        """Name the tables that may hold rows; all others are empty."""
        return self.store.filled_tables(self._newest())

    def close(self) -> None:
        """Let go of the tables; closing twice is harmless."""
        if not self._closed:
            self._closed = True
            self.let_go()
            self.store.close()

    def __enter__(self) -> "Catalog":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _is_worth_a_retry(error: BaseException) -> bool:
    return isinstance(error, CommitError) and error.is_transient


def _log_retry(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    log.warning("%s Trying again in %.0f s", error, state.upcoming_sleep)


def open_catalog(workspace: Workspace, *, as_of: int | None = None) -> Catalog:
    """Open the tables of `workspace`, making them when they are new.

    `as_of` reads a past snapshot; raises `SnapshotNotFoundError` when there is none of this id.
    """
    return Catalog(workspace, as_of=as_of)


@contextmanager
def writer_lock(workspace: Workspace, timeout_s: float = LOCK_TIMEOUT_S) -> Iterator[None]:
    """Hold the one writer lock of a workspace; raises `BusyError` after `timeout_s`."""
    with open_store(workspace).lock(timeout_s):
        yield


def _check_reads_only(sql: str) -> None:
    statements = duckdb.extract_statements(sql)
    explains = len(statements) == 1 and statements[0].type == duckdb.StatementType.EXPLAIN
    if not explains and not is_one_select(statements):
        raise QueryError("give exactly one SELECT (or WITH, FROM, DESCRIBE, EXPLAIN) statement")
