"""Make the tables, columns, comments and views of this code in a DuckLake, new or of older code."""

import json
from collections.abc import Mapping, Set as AbstractSet

import duckdb
import pyarrow as pa

from catalog.errors import NewerWorkspaceError
from catalog.stores.engine import quoted
from catalog.tables.table_type import Table
from catalog.tables.tables_by_name import RETIRED, TABLES
from catalog.tables.views import VIEWS
from catalog.version import __version__

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
_KNOWN_COLUMNS = (
    "SELECT table_name, column_name FROM duckdb_columns() "
    "WHERE database_name = 'lake' AND schema_name = 'main'"
)

_METADATA = "__ducklake_metadata_lake"
_UNCOUNTED = f"""{_METADATA}.ducklake_table t WHERE t.end_snapshot IS NULL AND NOT EXISTS (
    SELECT 1 FROM {_METADATA}.ducklake_table_stats s WHERE s.table_id = t.table_id)"""
# One statement of both would not do: what the second reads is what the first leaves out.
_COUNT_COLUMNS = f"""
INSERT INTO {_METADATA}.ducklake_table_column_stats
    (table_id, column_id, contains_null, contains_nan, min_value, max_value, extra_stats)
SELECT table_id, column_id, false, NULL, NULL, NULL, NULL FROM {_METADATA}.ducklake_column c
WHERE end_snapshot IS NULL AND column_type NOT IN ('list', 'struct', 'map')
    AND table_id IN (SELECT t.table_id FROM {_UNCOUNTED})"""
_COUNT_TABLES = f"""
INSERT INTO {_METADATA}.ducklake_table_stats (table_id, record_count, next_row_id, file_size_bytes)
SELECT t.table_id, 0, 0, 0 FROM {_UNCOUNTED}"""


def bring_up_to_date(connection: duckdb.DuckDBPyConnection) -> None:
    """Make what is missing, in one snapshot; nothing of older code is dropped.

    Raises `NewerWorkspaceError` when there are columns that no older code wrote.
    """
    columns_by_table: dict[str, set[str]] = {}
    for table_name, column in connection.execute(_KNOWN_COLUMNS).fetchall():
        columns_by_table.setdefault(table_name, set()).add(column)
    if strange := unknown_columns(columns_by_table):
        raise NewerWorkspaceError(_last_version(connection), __version__, strange)
    connection.execute("BEGIN")
    for table in TABLES.values():
        if table.name not in columns_by_table:
            _create_table(connection, table)
            continue
        for field in table.schema:
            if field.name not in columns_by_table[table.name]:
                _add_column(connection, table, field)
    for name, (meaning, sql) in VIEWS.items():
        connection.execute(f"CREATE OR REPLACE VIEW lake.{name} AS {sql}")
        connection.execute(f"COMMENT ON VIEW lake.{name} IS '{quoted(meaning)}'")
    set_message(connection, "safelight", f"tables and views of safelight {__version__}")
    connection.execute("COMMIT")
    _count_nothing(connection)


def _count_nothing(connection: duckdb.DuckDBPyConnection) -> None:
    """Write down that new tables hold no row.

    DuckLake notes a table's statistics with its first rows. Where there are none it looks for them again for every
    column of every query: 9 ms each, a quarter of a second for `SELECT * FROM photos`.
    Its specification has the two tables: https://ducklake.select/docs/stable/specification/tables/overview
    """
    connection.execute("BEGIN")
    connection.execute(_COUNT_COLUMNS)
    connection.execute(_COUNT_TABLES)
    connection.execute("COMMIT")


def sql_type(field: pa.Field) -> str:
    """Name the SQL type of a column."""
    return _SQL_TYPES[field.type]


def comment_of(field: pa.Field) -> str:
    """Say what a column means, with its unit in brackets."""
    about, unit = field.metadata[b"meaning"].decode(), field.metadata[b"unit"].decode()
    return f"{about} [{unit}]" if unit else about


def unknown_columns(columns_by_table: Mapping[str, AbstractSet[str]]) -> list[str]:
    """Name the columns of a workspace's tables that this code knows nothing of: newer code made them."""
    return [
        f"{table}.{column}"
        for table, columns in sorted(columns_by_table.items())
        if table not in VIEWS
        for column in sorted(columns)
        if (table, column) not in RETIRED
        and (table not in TABLES or column not in TABLES[table].schema.names)
    ]


def _last_version(connection: duckdb.DuckDBPyConnection) -> str:
    """Name the version of Safelight that changed the tables last."""
    row = connection.execute(
        "SELECT commit_extra_info ->> 'code_version' FROM ducklake_snapshots('lake') "
        "WHERE commit_extra_info IS NOT NULL ORDER BY (changes.tables_created IS NULL "
        "AND changes.tables_altered IS NULL), snapshot_id DESC LIMIT 1"
    ).fetchone()
    return str(row[0]) if row else "of a later version"


def set_message(connection: duckdb.DuckDBPyConnection, author: str, message: str) -> None:
    """Say who makes the snapshot of this transaction and why."""
    connection.execute(
        "CALL ducklake_set_commit_message('lake', ?, ?, extra_info => ?)",
        [author, message, made_by()],
    )


def made_by() -> str:
    """Say which code makes a snapshot, as JSON."""
    return json.dumps({"code_version": __version__})


def _add_column(connection: duckdb.DuckDBPyConnection, table: Table, field: pa.Field) -> None:
    kind = sql_type(field)
    connection.execute(f'ALTER TABLE lake.{table.name} ADD COLUMN "{field.name}" {kind}')
    _comment(connection, table, field)


def _create_table(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    columns = ", ".join(f'"{field.name}" {sql_type(field)}' for field in table.schema)
    connection.execute(f"CREATE TABLE lake.{table.name} ({columns})")
    connection.execute(f"COMMENT ON TABLE lake.{table.name} IS '{quoted(table.meaning)}'")
    for field in table.schema:
        _comment(connection, table, field)


def _comment(connection: duckdb.DuckDBPyConnection, table: Table, field: pa.Field) -> None:
    text = quoted(comment_of(field))
    connection.execute(f"COMMENT ON COLUMN lake.{table.name}.\"{field.name}\" IS '{text}'")
