"""What a DuckLake needs of the SQL database of its metadata: SQLite (`sqlite.py`) or PostgreSQL (`postgres.py`)."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import duckdb

from catalog.stores.ducklake.page_sums import PageSums
from catalog.stores.store import LOCK_TIMEOUT_S


class Metadata(Protocol):
    """The SQL database behind a DuckLake: how to attach, lock and copy it."""

    extensions: tuple[str, ...]
    options: tuple[str, ...]
    uri: str
    in_sqlite: bool

    @property
    def pages(self) -> PageSums | None:
        """Checksums of the database's pages, where it does not keep them itself."""

    def lock(self, timeout_s: float = LOCK_TIMEOUT_S) -> AbstractContextManager[None]:
        """Hold the one writer lock; raises `BusyError`."""

    def check_lock(self) -> None:
        """Raise `CatalogError` when the lock that is held was lost."""

    def introduce(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Tell a DuckDB instance what it must know before it attaches `uri`."""

    def mark(self) -> str:
        """Return the digest of the tables and views that the database was brought up to, or nothing."""

    def set_mark(self, digest: str) -> None:
        """Note that digest."""

    def copy(self, folder: Path) -> tuple[str, tuple[str, ...]]:
        """Copy the database into `folder`; return its address and the extensions that read it."""

    def attach_raw(self) -> str:
        """Write the statement that attaches the database itself, without DuckLake, as `raw`."""

    def check(self) -> Iterator[str]:
        """Say what is wrong with the database itself, one line each."""
