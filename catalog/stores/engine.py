"""DuckDB instances of this process: started once with their extensions, used again and again."""

import logging
import os

import duckdb

log = logging.getLogger(__name__)

DuckDB = duckdb.DuckDBPyConnection

_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "threads": 2,
    "autoinstall_known_extensions": False,
    # A process that commits for days must not keep every file that it has read.
    "enable_external_file_cache": False,
}
_idle: list[tuple[int, tuple[str, ...], DuckDB]] = []
"""Instances by process and extensions: loading these costs 0.6 s of CPU."""
_KEEP_ROWS = 5_000
_written = 0


def take(extensions: tuple[str, ...]) -> DuckDB:
    """Take an idle instance of this process, or start one."""
    for number, (process, loaded, connection) in reversed(list(enumerate(_idle))):
        if process == os.getpid() and loaded == extensions:
            del _idle[number]
            return connection
    connection = duckdb.connect(config=_CONFIG)
    for name in extensions:
        load_extension(connection, name)
    return connection


def give_back(connection: DuckDB, extensions: tuple[str, ...]) -> None:
    """Detach `lake` and keep the instance for the next catalog of this process."""
    try:
        connection.execute("USE memory")
        connection.execute("DETACH DATABASE IF EXISTS lake")
    except duckdb.Error:
        connection.close()  # closed already, or inside a broken transaction: not worth keeping
        return
    _idle.append((os.getpid(), extensions, connection))


def put_away(connection: DuckDB, extensions: tuple[str, ...], rows_written: int) -> None:
    """Keep a writer's instance for a while: what it has read stays in memory, so it must not live for days."""
    global _written  # noqa: PLW0603 - one count for the instances of this process
    _written += rows_written
    if _written > _KEEP_ROWS:
        _written = 0
        connection.close()
    else:
        give_back(connection, extensions)


def load_extension(connection: DuckDB, name: str) -> None:
    """Load an extension from its PyPI package, or from DuckDB's own repository as a last resort."""
    import duckdb_extensions

    try:
        duckdb_extensions.import_extension(name, con=connection)
    except (ImportError, OSError, duckdb.Error):
        log.info("extension %s is not installed from PyPI; asking DuckDB to install it", name)
        connection.install_extension(name)
    connection.load_extension(name)


def quoted(text: object) -> str:
    """Double the quotes of a text that goes between single quotes into SQL."""
    return str(text).replace("'", "''")


def first_line(error: Exception) -> str:
    """Make one line of an error of DuckDB, without the position marks below it."""
    return " ".join(str(error).split("\n\n")[0].split())
