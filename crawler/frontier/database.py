"""The SQLite file of the frontier: one connection, its transactions, reads and writes."""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from crawler.frontier.schema import prepare


class FrontierDatabase:
    """One connection to the file; safe to use from several threads."""

    def __init__(self, path: Path, *, durable: bool = True) -> None:
        """Open or create the file; without `durable` a power cut may undo the last transactions."""
        self._lock, self._path = threading.RLock(), path.resolve()
        self._db = sqlite3.connect(path, timeout=60, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        with self._transaction():
            prepare(self._db)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; nothing is lost if this is never called."""
        with self._lock:
            self._db.close()

    def compact(self) -> None:
        """Rewrite the file: free pages keep the text of deleted rows otherwise."""
        with self._lock:
            self._db.execute("VACUUM")
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            if self._db.in_transaction:  # part of a larger one
                yield
                return
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _read(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._db.execute(sql, values).fetchall()

    def _write(self, sql: str, values: Sequence[object]) -> int:
        with self._transaction():
            return self._db.execute(sql, values).rowcount
