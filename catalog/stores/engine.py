"""DuckDB instances of this process: started once with their extensions, used again and again."""

import importlib.util
import logging
import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import duckdb

from catalog.errors import MissingPartError
from catalog.workspace.error_lines import first_paragraph

log = logging.getLogger(__name__)

DuckDB = duckdb.DuckDBPyConnection

THREADS = int(os.environ.get("SAFELIGHT_SQL_THREADS") or min(os.cpu_count() or 1, 8))
"""Threads of an instance. One is cheapest for small tables: DuckLake's own questions cost a third more with two."""

_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "threads": THREADS,
    "autoinstall_known_extensions": False,
    # A process that commits for days must not keep every file that it has read.
    "enable_external_file_cache": False,
    # Hashing 70 MB of extensions to see who signed them takes 0.3 s CPU. Ours come with pip, as DuckDB itself does;
    # `take` forbids unsigned ones again before anybody gets the instance.
    "allow_unsigned_extensions": True,
}
_OPTIONAL = {"postgres_scanner": "postgres", "httpfs": "s3"}
"""Extensions that an extra of Safelight brings."""
MOST_USES = 50
"""Each attached and detached catalog leaves some 0.4 MB in an instance; one that was used so often is closed."""
_idle: list[tuple[int, tuple[str, ...], DuckDB]] = []
"""Instances by process and extensions: loading these costs 0.2 s of CPU."""
_uses: dict[int, int] = {}
"""How often each instance was given back, by its `id`."""
_idle_lock = threading.Lock()


def take(extensions: tuple[str, ...]) -> DuckDB:
    """Take an idle instance of this process, or start one."""
    with _idle_lock:
        for number, (process, loaded, connection) in reversed(list(enumerate(_idle))):
            if process == os.getpid() and loaded == extensions:
                del _idle[number]
                return connection
    connection = duckdb.connect(config=_CONFIG)
    load_extensions(connection, extensions)
    # A bar would stand between the lines of the output. A notebook without ipywidgets has none, and the setting fails.
    with suppress(duckdb.InvalidInputException):
        connection.execute("SET enable_progress_bar = false")
    return connection


def can_be_had(extensions: tuple[str, ...]) -> bool:
    """Say whether all of these can be loaded, from their packages or from DuckDB's own repository."""
    if all(map(is_packaged, extensions)):
        return True
    try:
        give_back(take(extensions), extensions)
    except duckdb.Error as error:
        log.info("an extension cannot be had: %s", first_paragraph(error))
        return False
    return True


def give_back(connection: DuckDB, extensions: tuple[str, ...]) -> None:
    """Detach `lake` and keep the instance for the next catalog of this process."""
    with suppress(duckdb.Error):  # most often there is none
        connection.execute("ROLLBACK")
    try:
        connection.execute("USE memory")
        connection.execute("DETACH DATABASE IF EXISTS lake")
    except duckdb.Error:
        discard(connection)  # closed already, or inside a broken transaction: not worth keeping
        return
    with _idle_lock:
        uses = _uses.pop(id(connection), 0) + 1
        if uses < MOST_USES:
            _uses[id(connection)] = uses
            _idle.append((os.getpid(), extensions, connection))
            return
    discard(connection)


def discard(connection: DuckDB) -> None:
    """Close an instance for good, whatever transaction is open and whatever became of its database.

    Never close a connection in another way: DuckDB rolls an open transaction back in a destructor, and when the
    connection to PostgreSQL is gone that raises where nothing can catch it, which ends the process. Here the error is
    raised by a statement, and the transaction is gone when the destructor comes.
    """
    with suppress(duckdb.Error):
        connection.execute("ROLLBACK")
    connection.close()


def load_extensions(connection: DuckDB, names: Sequence[str]) -> None:
    """Load extensions from their PyPI packages, or from DuckDB's own repository as a last resort.

    The instance must have been made with `allow_unsigned_extensions`, which is off afterwards. When one cannot be had,
    raises `MissingPartError` for an optional part, else an error of DuckDB.
    """
    packaged = {name: is_packaged(name) for name in names}
    for path in packaged.values():
        if path:
            connection.execute(f"LOAD '{quoted(path)}'")
    connection.execute("SET allow_unsigned_extensions = false")
    for name in (name for name, path in packaged.items() if not path):
        log.info("extension %s is not installed from PyPI; asking DuckDB to install it", name)
        try:
            connection.install_extension(name)
            connection.load_extension(name)
        except duckdb.Error as error:
            if name in _OPTIONAL:
                raise MissingPartError(f"DuckDB's extension {name}", _OPTIONAL[name]) from error
            raise


def is_packaged(name: str) -> Path | None:
    """Find the file of an extension in its PyPI package."""
    spec = importlib.util.find_spec(f"duckdb_extension_{name}")
    if not spec or not spec.origin:
        return None
    versions = Path(spec.origin).parent / "extensions"
    path = versions / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
    return path if path.exists() else None


def quoted(text: object) -> str:
    """Double the quotes of a text that goes between single quotes into SQL."""
    return str(text).replace("'", "''")
