"""A small catalog in memory, and around it what statements must not name: for tests of the check alone."""

from collections.abc import Sequence
from functools import cache

import duckdb

from catalog.sandbox.sql.allowed import Allowed, allowed_by

TABLES = (
    "CREATE TABLE photos (asset_sha256 VARCHAR, source VARCHAR, licence VARCHAR, iso INTEGER, taken TIMESTAMP)",
    "INSERT INTO photos VALUES ('a', 'folder', 'cc0', 100, '2024-05-01'), ('b', 'folder', NULL, 1600, '2024-06-01'), "
    "('c', 'urls', 'cc-by', 400, NULL), ('d', NULL, 'cc0', 20, '2023-01-01')",
    "CREATE TABLE labels (asset_sha256 VARCHAR, kind VARCHAR, value VARCHAR)",
    "INSERT INTO labels VALUES ('a', 'breed', 'collie'), ('b', 'breed', 'pug'), ('c', 'age', '31')",
    "CREATE VIEW v_photos AS SELECT *, iso * 2 AS twice FROM photos",
)


def small_catalog() -> duckdb.DuckDBPyConnection:
    """Make the tables in a database of the name that the real one has."""
    connection = duckdb.connect(config={"python_enable_replacements": False, "threads": 1})
    connection.execute("ATTACH ':memory:' AS lake")
    connection.execute("USE lake")
    for sql in TABLES:
        connection.execute(sql)
    return connection


@cache
def allowed_there() -> Allowed:
    """List what statements may name there."""
    return allowed_by(small_catalog())


def result_of(connection: duckdb.DuckDBPyConnection, *sql: str) -> tuple[Sequence[str], list[str]]:
    """Run statements and give the columns and the sorted rows of the last."""
    for one in sql:
        connection.execute(one)
    table = connection.to_arrow_table()
    return table.column_names, sorted(map(repr, table.to_pylist()))
