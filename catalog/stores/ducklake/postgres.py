"""The DuckLake catalog in a PostgreSQL database: writers on several machines, one commit at a time.

DuckLake lets two transactions add rows to one table at once: right for appends, wrong for us, because the rule that a
key stands in one row is checked against the snapshot the writer read. So a commit holds an advisory lock of the same
database. It belongs to a transaction of the server: it works for every machine and ends when its holder dies.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import duckdb

from catalog.errors import BusyError, CatalogError, UsageError
from catalog.stores import engine
from catalog.stores.engine import quoted
from catalog.stores.store import LOCK_TIMEOUT_S
from catalog.workspace.error_lines import first_paragraph

log = logging.getLogger(__name__)

SCHEMES = ("postgres", "postgresql")
LOCK_KEY = int.from_bytes(b"safeligh")
"""Advisory locks are numbers of 64 bits, each database has its own."""
_SECRET = "safelight_catalog"  # noqa: S105 - the name of one
_EXTENSIONS = ("ducklake", "postgres_scanner")
_EXAMPLE = "postgres://user:password@host:5432/database"
_TABLES = (
    "SELECT table_name FROM duckdb_tables() WHERE database_name = 'pg' AND schema_name = 'public' "
    "AND table_name LIKE 'ducklake_%' ORDER BY table_name"
)
_MARK = "safelight_schema"


class PostgresMetadata:
    """One PostgreSQL database; its address is given to DuckDB as a secret and is printed nowhere."""

    extensions: tuple[str, ...] = _EXTENSIONS
    options: tuple[str, ...] = (f"META_SECRET {_SECRET}",)
    in_sqlite = False
    pages = None

    def __init__(self, address: str) -> None:
        self._secret, self._more = _understood(address)
        self.uri = f"ducklake:postgres:{quoted(self._more)}"
        self._holder: duckdb.DuckDBPyConnection | None = None

    def introduce(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Tell a DuckDB instance the address; `duckdb_secrets()` shows it without the password."""
        connection.execute(self._secret)

    @contextmanager
    def lock(self, timeout_s: float = LOCK_TIMEOUT_S) -> Iterator[None]:
        """Hold the advisory lock of the database in a transaction of its own."""
        with self._attached() as connection:
            connection.execute("BEGIN")
            self._take_lock(connection, timeout_s)
            self._holder = connection
            try:
                yield
            finally:
                self._holder = None
            try:
                connection.execute("ROLLBACK")
            except duckdb.Error as error:  # the server took the lock back with the connection
                log.warning("the connection that held the lock is gone: %s", first_paragraph(error))

    def check_lock(self) -> None:
        """Raise `CatalogError` when the lock was lost with its connection: another writer may be at work."""
        try:
            if self._holder:
                self._holder.execute("FROM postgres_query('pg', 'SELECT 1')").fetchall()
        except duckdb.Error as error:
            raise CatalogError(
                f"the lock of the catalog was lost: {first_paragraph(error)}"
            ) from error

    def _take_lock(self, connection: duckdb.DuckDBPyConnection, timeout_s: float) -> None:
        wait_ms = max(1, round(1000 * timeout_s))  # 0 would wait for ever
        connection.execute(
            "CALL postgres_execute('pg', ?)", [f"SET LOCAL lock_timeout = {wait_ms}"]
        )
        try:
            connection.execute(
                f"FROM postgres_query('pg', 'SELECT 1 FROM pg_advisory_xact_lock({LOCK_KEY})')"
            ).fetchall()
        except duckdb.Error as error:
            if "lock timeout" not in str(error):
                raise CatalogError(
                    f"the catalog cannot be locked: {first_paragraph(error)}"
                ) from error
            raise BusyError("the catalog", timeout_s) from error

    def copy(self, folder: Path) -> tuple[str, tuple[str, ...]]:
        """Copy the DuckLake tables, as one moment had them, to a DuckDB file in `folder`."""
        target = folder / "catalog.duckdb"
        with self._attached("READ_ONLY") as connection:
            connection.execute(f"ATTACH '{quoted(target)}' AS copy")
            connection.execute("BEGIN")
            for (name,) in connection.execute(_TABLES).fetchall():
                connection.execute(f'CREATE TABLE copy."{name}" AS FROM pg.public."{name}"')
            connection.execute("COMMIT")
            connection.execute("DETACH copy")
        return f"ducklake:{quoted(target)}", ("ducklake",)

    def mark(self) -> str:
        """Return the digest of the tables and views that the database was brought up to, or nothing."""
        with self._attached("READ_ONLY") as connection:
            try:
                row = connection.execute(f"SELECT digest FROM pg.public.{_MARK}").fetchone()
            except duckdb.CatalogException:
                return ""
        return str(row[0]) if row else ""

    def set_mark(self, digest: str) -> None:
        """Note the digest in a table of its own, beside those of DuckLake."""
        with self._attached() as connection:
            connection.execute("BEGIN")
            connection.execute(f"CREATE TABLE IF NOT EXISTS pg.public.{_MARK} (digest VARCHAR)")
            connection.execute(f"DELETE FROM pg.public.{_MARK}")
            connection.execute(f"INSERT INTO pg.public.{_MARK} VALUES (?)", [digest])
            connection.execute("COMMIT")

    def check(self) -> Iterator[str]:
        """Say nothing: the server has checksums of its own (initdb --data-checksums) and stops at a wrong one."""
        yield from ()

    def attach_raw(self) -> str:
        """Write the statement that attaches the database itself as `raw`."""
        return f"ATTACH '{quoted(self._more)}' AS raw (TYPE postgres, SECRET {_SECRET})"

    @contextmanager
    def _attached(self, *options: str) -> Iterator[duckdb.DuckDBPyConnection]:
        """Give an instance with the database as `pg`; raises `CatalogError` when it cannot be reached."""
        connection = engine.take(_EXTENSIONS)
        try:
            self.introduce(connection)
            how = ", ".join(["TYPE postgres", f"SECRET {_SECRET}", *options])
            try:
                connection.execute(f"ATTACH '{quoted(self._more)}' AS pg ({how})")
            except duckdb.Error as error:
                raise CatalogError(
                    f"the catalog cannot be opened: {first_paragraph(error)}"
                ) from error
            yield connection
        except BaseException:
            engine.discard(
                connection
            )  # an open transaction ends with it, and a lock with the transaction
            raise
        try:
            connection.execute("DETACH pg")
        except duckdb.Error:
            engine.discard(connection)
            return
        engine.give_back(connection, _EXTENSIONS)


def _understood(address: str) -> tuple[str, str]:
    """Take an address apart: the statement that makes a DuckDB secret of it, and further parameters of libpq.

    Raises `UsageError`, which does not repeat the address.
    """
    parts = urlsplit(address)
    more = dict(parse_qsl(parts.query))
    try:
        port = str(parts.port or "")
    except ValueError:
        port = "wrong"
    if not parts.path.strip("/") or "password" in more or port == "wrong":
        raise UsageError(f"[catalog] store is no address of a database; it looks like {_EXAMPLE}")
    fields = {
        "HOST": parts.hostname,
        "PORT": port,
        "DATABASE": parts.path[1:],
        "USER": parts.username,
        "PASSWORD": parts.password,
    }
    listed = ", ".join(
        f"{name} '{quoted(unquote(value))}'" for name, value in fields.items() if value
    )
    secret = f"CREATE OR REPLACE TEMPORARY SECRET {_SECRET} (TYPE postgres, {listed})"
    return secret, " ".join(f"{name}='{_escaped(value)}'" for name, value in more.items())


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "\\'")
