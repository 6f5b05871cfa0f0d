"""The DuckLake catalog in one SQLite file: needs no server, one writer at a time, readers never wait."""

import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
from filelock import FileLock, Timeout

from catalog.errors import BusyError, CatalogError
from catalog.stores.ducklake.page_sums import PageSums
from catalog.stores.ducklake.sqlite_check import sqlite_problems
from catalog.stores.engine import quoted
from catalog.stores.store import LOCK_TIMEOUT_S
from catalog.workspace.error_lines import last_line
from catalog.workspace.files import write_text
from catalog.workspace.workspace import Workspace

log = logging.getLogger(__name__)

BUSY_TIMEOUT_MS = 20_000
# In a process of its own: DuckDB brings its own SQLite, and two of them on one file in one process drop each other's
# locks (https://www.sqlite.org/howtocorrupt.html, 2.2.1).
_COPY = f"""
import sqlite3, sys
live = sqlite3.connect(sys.argv[1], uri=True, timeout={BUSY_TIMEOUT_MS / 1000})
copy = sqlite3.connect(sys.argv[2])
live.backup(copy)
copy.execute("PRAGMA journal_mode = DELETE")
copy.execute("VACUUM")  # free pages hold what was deleted or replaced, such as an earlier DATA_PATH
copy.close()
"""


class SqliteMetadata:
    """`lake/catalog.sqlite` and the lock beside it."""

    extensions: tuple[str, ...] = ("ducklake", "sqlite_scanner")
    options: tuple[str, ...] = ("META_JOURNAL_MODE 'WAL'", f"META_BUSY_TIMEOUT {BUSY_TIMEOUT_MS}")
    in_sqlite = True

    def __init__(self, workspace: Workspace) -> None:
        self._file = workspace.lake / "catalog.sqlite"
        self._mark = workspace.lake / "schema.sha256"
        self._lock = workspace.lake / "writer.lock"
        self.uri = f"ducklake:sqlite:{quoted(self._file)}"
        self.pages = PageSums(self._file)

    def introduce(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Tell a DuckDB instance what it must know; a file needs nothing."""

    def mark(self) -> str:
        """Return the digest of the tables and views that the file was brought up to, or nothing."""
        if not self._file.exists() or not self._mark.exists():
            return ""
        return self._mark.read_text("utf-8")

    def set_mark(self, digest: str) -> None:
        """Note the digest in a file of its own."""
        write_text(self._mark, digest)

    @contextmanager
    def lock(self, timeout_s: float = LOCK_TIMEOUT_S) -> Iterator[None]:
        """Hold the writer lock: SQLite's own busy timeout loses commits under two writers."""
        lock = FileLock(self._lock)
        try:
            with lock.acquire(timeout=timeout_s):
                yield
        except Timeout as error:
            raise BusyError("the catalog", timeout_s) from error

    def check_lock(self) -> None:
        """Do nothing: a file lock lives as long as its holder."""

    def copy(self, folder: Path) -> tuple[str, tuple[str, ...]]:
        """Copy the catalog as it is now into `folder`; return its address and the extensions that read it.

        Writers may go on meanwhile. The copy is in rollback mode: a reader needs no right to write beside it.
        """
        target = folder / "catalog.sqlite"
        command = [sys.executable, "-I", "-c", _COPY, f"{self._file.as_uri()}?mode=ro", str(target)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - our own program
        if done.returncode:
            message = last_line(done.stderr)
            raise CatalogError(f"the catalog cannot be copied: {message}")
        return f"ducklake:sqlite:{quoted(target)}", self.extensions

    def check(self) -> Iterator[str]:
        """Say what is wrong with the file; commits wait meanwhile."""
        yield from sqlite_problems(self._file)
        try:
            with self.lock():
                problems = [*self.pages.problems(), *self.pages.replaced_page_problems()]
        except BusyError:  # somebody has written for all the time
            log.warning("%s is in use: its pages were not checked", self._file)
            return
        except OSError:  # a home that cannot be written: nobody commits
            problems = list(self.pages.problems())
        yield from problems

    def attach_raw(self) -> str:
        """Write the statement that attaches the file itself as `raw`."""
        return f"ATTACH '{quoted(self._file)}' AS raw (TYPE sqlite)"
