"""What a store of tables must be able to do. `catalog.lake.lake` speaks to this and to nothing behind it."""

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import duckdb

from catalog.packs.spool import Segment
from catalog.stores.file_check import FileCheck


@dataclass(frozen=True)
class RetentionPolicy:
    """What upkeep must leave. A snapshot goes only when both limits, where given, let it go.

    Files that nothing names are left alone for `grace_hours`: a reader may still hold a list with them.
    """

    keep_days: float | None = None
    keep_snapshots: int | None = None
    protected: frozenset[int] = frozenset()
    grace_hours: float = 24.0
    dry_run: bool = False

    def is_expired(self, modified: datetime) -> bool:
        """Say whether a file that nothing names is old enough to be removed."""
        age = datetime.now(UTC) - modified
        return self.grace_hours <= 0 or age > timedelta(hours=self.grace_hours)


@dataclass(frozen=True)
class MaintenanceResult:
    """What upkeep did (or, on a dry run, would do)."""

    files_merged: int = 0
    files_made: int = 0
    snapshots_expired: int = 0
    files_removed: int = 0
    bytes_removed: int = 0
    details: tuple[str, ...] = field(default=(), repr=False)


LOCK_TIMEOUT_S = float(os.environ.get("SAFELIGHT_LOCK_TIMEOUT_S") or 120.0)


@dataclass(frozen=True)
class Snapshot:
    """One immutable state of the tables."""

    snapshot_id: int
    at: datetime
    author: str
    message: str
    changes: str


@dataclass(frozen=True)
class Frozen:
    """A copy of the catalog of one snapshot, and what another process needs to read it.

    A DuckDB instance with `extensions` loaded runs `attach_sql` (one or more statements) and then finds the tables
    and views by their bare names. It reads `data_paths` (folders or addresses) and the copy, nothing else.
    """

    attach_sql: str = field(repr=False)  # holds the keys of a bucket: never log or print it
    extensions: tuple[str, ...]
    data_paths: tuple[str, ...]
    snapshot_id: int


class Store(Protocol):
    """One workspace: the tables of `catalog.tables.tables_by_name`, the views of `catalog.tables.views`."""

    def prepare(self) -> None:
        """Make tables, columns, comments and views that are missing; does nothing when all are there."""

    def connect(self, as_of: int | None = None) -> duckdb.DuckDBPyConnection:
        """Give a connection that reads tables and views by their bare names, of the newest snapshot or of `as_of`.

        Without `as_of` it may see a newer snapshot with each statement, and a new connection always does. Hand it
        back with `release`. Raises `SnapshotNotFoundError`.
        """

    def release(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Take a connection back; an instance with its extensions loaded is kept for the next one."""

    def commit(self, segments: Sequence[Segment]) -> dict[str, int]:
        """Add the rows of segments that are not in the ledger, in one step; return the rows gained by table.

        The caller holds `lock`. Of rows with one key the first stays. Packs are moved to their place first; the
        folders of the segments are removed last, so that a kill anywhere is healed by doing it again.
        """

    def snapshot(self, connection: duckdb.DuckDBPyConnection) -> int:
        """Return the id of the snapshot that `connection` reads."""

    def snapshots(self, connection: duckdb.DuckDBPyConnection) -> list[Snapshot]:
        """List all snapshots, newest first."""

    def filled_tables(self, connection: duckdb.DuckDBPyConnection) -> list[str]:
        """Name the tables that have files: only these can hold rows, and asking costs less than counting."""

    @property
    def data_folder(self) -> Path | None:
        """The folder of the tables' files on this machine; None when they lie in a bucket."""

    def freeze(
        self, folder: Path, as_of: int | None = None, *, seen_at: Path | None = None
    ) -> Frozen:
        """Copy the catalog (not the data) into the empty `folder` for readers that must not touch the live one.

        With `seen_at` the copy and its readers know no other path than `seen_at/frozen/...`, where the parent of
        `folder` is found, and `seen_at/data`, where `data_folder` is.
        """

    def maintain(self, rules: RetentionPolicy) -> MaintenanceResult:
        """Merge small files, expire snapshots, remove files that nothing names; the caller holds `lock`."""

    def check_files(self, *, rehash: bool = False) -> FileCheck:
        """Compare the files of the tables with what snapshots say of them, with `rehash` byte by byte."""

    def check_database(self) -> Iterator[str]:
        """Say what is wrong with what describes the tables (a database, documents), one line each."""

    def notes(self) -> Iterator[str]:
        """Say what of it cannot be checked, one line each; no fault."""

    def lock(self, timeout_s: float = LOCK_TIMEOUT_S) -> AbstractContextManager[None]:
        """Hold the one writer lock of these tables; raises `BusyError` after `timeout_s`."""

    def close(self) -> None:
        """Let go of what is kept between commits; the store can be used again afterwards."""
