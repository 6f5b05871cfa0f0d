"""Append data files to a DuckLake whose database is SQLite, by writing the rows that its specification asks for.

DuckLake asks its database some twenty questions for it, each planned by DuckDB: 55 ms a commit. In SQLite's own words
(`sqlite_query`, inside the transaction of the connection) it is six statements of 1 ms. Only the plain case is done
here: a file with all columns of its table, named as in a file that DuckLake has taken in before, with statistics.
For all others `Appender.append` returns None and DuckLake does it. Whoever appends holds the writer lock; another
writer that does not know of it meets the primary keys.

Source: https://ducklake.select/docs/stable/specification/queries and the tables beside it, format 1.0.
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import duckdb

from catalog.errors import CatalogError
from catalog.plurals import counted
from catalog.stores.ducklake.footers import ColumnStatistics, Footer, Value, text_of, value_of
from catalog.stores.ducklake.keys import Moment

_METADATA = "__ducklake_metadata_lake"
_FORMAT = "1.0"
_TABLES = """
SELECT t.table_id, t.table_name, m.record_count, m.next_row_id, m.file_size_bytes,
    CASE WHEN s.path_is_relative AND t.path_is_relative THEN s.path || t.path END AS path
FROM ducklake_table t JOIN ducklake_schema s USING (schema_id) JOIN ducklake_table_stats m USING (table_id)
WHERE t.end_snapshot IS NULL AND s.end_snapshot IS NULL AND t.table_name IN (SELECT value FROM json_each(?))"""
_STATE = f"""
WITH tables AS ({_TABLES}),
columns AS (
    SELECT c.table_id, c.column_id, c.column_name, c.column_type, c.parent_column,
        b.column_id IS NOT NULL AS counted, b.contains_null, b.min_value, b.max_value
    FROM ducklake_column c LEFT JOIN ducklake_table_column_stats b USING (table_id, column_id)
    WHERE c.end_snapshot IS NULL AND c.table_id IN (SELECT table_id FROM tables)
    ORDER BY c.parent_column IS NOT NULL, c.column_order),
names AS (
    SELECT m.table_id, n.mapping_id, n.source_name, n.target_field_id
    FROM ducklake_column_mapping m JOIN ducklake_name_mapping n USING (mapping_id)
    WHERE n.parent_column IS NULL AND m.type = 'map_by_name' AND m.table_id IN (SELECT table_id FROM tables)
    ORDER BY n.mapping_id, n.column_id)
SELECT json_object(
    'format', (SELECT value FROM ducklake_metadata WHERE key = 'version' AND scope IS NULL),
    'encrypted', (SELECT value FROM ducklake_metadata WHERE key = 'encrypted' AND scope IS NULL),
    'counters', (SELECT json_array(schema_version, next_catalog_id, next_file_id)
        FROM ducklake_snapshot ORDER BY snapshot_id DESC LIMIT 1),
    'tables', (SELECT json_group_array(json_array(table_id, table_name, record_count, next_row_id,
        file_size_bytes, path)) FROM tables),
    'columns', (SELECT json_group_array(json_array(table_id, column_id, column_name, column_type, parent_column,
        counted, contains_null, min_value, max_value)) FROM columns),
    'names', (SELECT json_group_array(json_array(table_id, mapping_id, source_name, target_field_id))
        FROM names)) AS state
"""
_ADD_FILES = """
INSERT INTO ducklake_data_file (data_file_id, table_id, begin_snapshot, path, path_is_relative, file_format,
    record_count, file_size_bytes, footer_size, row_id_start, mapping_id)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, 1, 'parquet', value ->> 4, value ->> 5, value ->> 6,
    value ->> 7, value ->> 8 FROM json_each(?) RETURNING data_file_id"""
_ADD_FILE_STATISTICS = """
INSERT INTO ducklake_file_column_stats (data_file_id, table_id, column_id, column_size_bytes, value_count, null_count,
    min_value, max_value)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7
FROM json_each(?) RETURNING data_file_id"""
_SET_TABLES = """
UPDATE ducklake_table_stats AS t SET record_count = new.value ->> 1, next_row_id = new.value ->> 2,
    file_size_bytes = new.value ->> 3
FROM json_each(?) AS new WHERE t.table_id = (new.value ->> 0) RETURNING table_id"""
_SET_COLUMNS = """
WITH new AS MATERIALIZED (
    SELECT value ->> 0 AS t, value ->> 1 AS c, value ->> 2 AS contains_null, value ->> 3 AS low, value ->> 4 AS high
    FROM json_each(?))
UPDATE ducklake_table_column_stats AS old SET contains_null = new.contains_null, min_value = new.low,
    max_value = new.high
FROM new WHERE old.table_id = new.t AND old.column_id = new.c
RETURNING table_id"""
_ADD_SNAPSHOT = """
INSERT INTO ducklake_snapshot (snapshot_id, snapshot_time, schema_version, next_catalog_id, next_file_id)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM json_each(?) RETURNING snapshot_id"""
_ADD_CHANGES = """
INSERT INTO ducklake_snapshot_changes (snapshot_id, changes_made, author, commit_message, commit_extra_info)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM json_each(?) RETURNING snapshot_id"""
_ROWS_AT_ONCE = 2_000  # of a JSON text that SQLite unfolds; it may hold 1 GB


@dataclass(frozen=True)
class DataFile:
    """A Parquet file that is to be part of a table: where it lies below the data folder, and its footer."""

    table: str
    place: str
    footer: Footer


@dataclass(frozen=True)
class _Column:
    """A column of a table that holds values itself (the element of a list, not the list), and its bounds so far.

    Not `counted`: DuckLake keeps no bounds of it, as of one that was added to a table with rows.
    """

    column_id: int
    kind: str
    counted: int
    contains_null: int | None
    low: str | None
    high: str | None


@dataclass
class _Table:
    """What the database knows of a table, brought on with each file."""

    table_id: int
    rows: int
    next_row: int
    bytes: int
    folder: str | None
    names: list[str]
    columns: dict[str, _Column]
    mappings: dict[tuple[str, ...], int]

    def takes(self, file: DataFile) -> bool:
        """Say whether `file` is the plain case."""
        folder, _, _ = file.place.rpartition("/")
        return (
            self.folder == f"{folder}/"
            and sorted(file.footer.names) == sorted(self.names)
            and file.footer.names in self.mappings
            and self.columns.keys() == file.footer.columns.keys()
        )


@dataclass(frozen=True)
class _Counters:
    """What a snapshot says beside its id and moment."""

    schema_version: int
    next_catalog_id: int
    next_file_id: int


class Appender:
    """Appends to one DuckLake, again and again: what it wrote last it need not ask for, if that is still the newest."""

    def __init__(self) -> None:
        self._newest: Moment | None = None
        self._tables: dict[str, _Table] = {}
        self._counters = _Counters(0, 0, 0)

    def append(
        self,
        connection: duckdb.DuckDBPyConnection,
        files: Sequence[DataFile],
        newest: Moment,
        about: Mapping[str, str],
    ) -> Moment | None:
        """Make a snapshot with `files` in the transaction that is open; None, and nothing done, when it is not plain.

        `newest` is the newest snapshot, `about` has author, message and extra. Raises `duckdb.Error` when another
        writer was faster.
        """
        wanted = {file.table for file in files}
        if newest != self._newest or not wanted <= self._tables.keys():
            self._load(connection, wanted | self._tables.keys())
        if not all(f.table in self._tables and self._tables[f.table].takes(f) for f in files):
            return None
        self._newest = None  # until all is written
        counters, now = self._counters, datetime.now(UTC)
        rows = _Rows(newest.snapshot + 1, counters.next_file_id)
        tables = sorted((self._tables[name] for name in wanted), key=lambda table: table.table_id)
        for table in tables:
            for file in (file for file in files if self._tables[file.table] is table):
                rows.add(table, file)
        for sql, listed in rows.statements(tables, counters, now, about):
            _write(connection, sql, listed)
        self._counters = replace(counters, next_file_id=rows.next_file_id)
        self._newest = Moment(newest.snapshot + 1, _microseconds(now))
        return self._newest

    def _load(self, connection: duckdb.DuckDBPyConnection, names: set[str]) -> None:
        """Ask for the state of these tables; there are none when the DuckLake is of a kind not known here."""
        self._newest = None
        state = json.loads(str(ask(connection, _STATE, json.dumps(sorted(names)))[0][0]))
        is_known = state["format"] == _FORMAT and state["encrypted"] == "false"
        self._tables = _understood(state) if is_known else {}
        self._counters = _Counters(*state["counters"])


def moments(connection: duckdb.DuckDBPyConnection, since: int) -> list[Moment]:
    """List the snapshots from `since` on."""
    found = ask(
        connection,
        "SELECT snapshot_id, snapshot_time FROM ducklake_snapshot WHERE snapshot_id >= CAST(? AS INTEGER)",
        str(since),
    )
    return [Moment(int(n), _microseconds(datetime.fromisoformat(at))) for n, at in found]


def ask(connection: duckdb.DuckDBPyConnection, sql: str, value: str) -> list[tuple[Any, ...]]:
    """Run one statement of SQLite with one parameter in the database of `lake`; it must return rows."""
    return connection.execute(
        # With its full name, or DuckDB would ask DuckLake first whether it has such a function.
        f"FROM system.main.sqlite_query('{_METADATA}', ?, params => ?)",
        [sql, {"value": value}],
    ).fetchall()


def _write(
    connection: duckdb.DuckDBPyConnection, sql: str, listed: Sequence[Sequence[object]]
) -> None:
    for start in range(0, len(listed), _ROWS_AT_ONCE):
        part = listed[start : start + _ROWS_AT_ONCE]
        done = len(ask(connection, sql, json.dumps(part)))
        if done != len(part):
            raise CatalogError(
                f"the catalog took {done} of {counted(len(part), 'row')}; nothing was committed"
            )


class _Rows:
    """The rows that new files mean for the tables of DuckLake."""

    def __init__(self, snapshot: int, next_file_id: int) -> None:
        self._snapshot = snapshot
        self.next_file_id = next_file_id
        self._files: list[list[object]] = []
        self._statistics: list[list[object]] = []
        self._changed: dict[tuple[int, str], _Column] = {}

    def add(self, table: _Table, file: DataFile) -> None:
        """Add a file to its table."""
        footer, number = file.footer, self.next_file_id
        name = file.place.rpartition("/")[2]
        about = (footer.rows, footer.bytes, footer.length, table.next_row)
        mapping = table.mappings[footer.names]
        self._files.append([number, table.table_id, self._snapshot, name, *about, mapping])
        for path, found in footer.columns.items():
            column = table.columns[path]
            bounds = (text_of(found.low, column.kind), text_of(found.high, column.kind))
            counts = (found.bytes, found.values, found.nulls)
            self._statistics.append(
                [number, table.table_id, column.column_id, *counts, *bounds],
            )
            wider = _merged(column, found, is_first=table.rows == 0)
            if column.counted and wider != column:
                table.columns[path] = self._changed[table.table_id, path] = wider
        table.rows += footer.rows
        table.next_row += footer.rows
        table.bytes += footer.bytes
        self.next_file_id += 1

    def statements(
        self,
        tables: Sequence[_Table],
        counters: _Counters,
        made: datetime,
        about: Mapping[str, str],
    ) -> list[tuple[str, list[list[object]]]]:
        """Give each statement with its rows; `tables` are those that gained rows."""
        columns: list[list[object]] = [
            [table_id, c.column_id, c.contains_null, c.low, c.high]
            for (table_id, _), c in self._changed.items()
        ]
        schemas = (counters.schema_version, counters.next_catalog_id, self.next_file_id)
        changes = ",".join(f"inserted_into_table:{table.table_id}" for table in tables)
        said = (about["author"], about["message"], about["extra"])
        return [
            (_ADD_FILES, self._files),
            (_ADD_FILE_STATISTICS, self._statistics),
            (_SET_TABLES, [[t.table_id, t.rows, t.next_row, t.bytes] for t in tables]),
            (_SET_COLUMNS, columns),
            (_ADD_SNAPSHOT, [[self._snapshot, _moment_text(made), *schemas]]),
            (_ADD_CHANGES, [[self._snapshot, changes, *said]]),
        ]


def _merged(column: _Column, new: ColumnStatistics, *, is_first: bool) -> _Column:
    """Widen the bounds of a column; a bound that is not known stays so, for rows outside it would not be found."""
    low, high = column.low, column.high
    if new.values:
        low = _bound(column.kind, low, new.low, min, is_first)
        high = _bound(column.kind, high, new.high, max, is_first)
    null = column.contains_null
    null = None if null is None else int(null or new.nulls > 0)
    return replace(column, contains_null=null, low=low, high=high)


def _bound(
    kind: str, old: str | None, new: Value | None, choose: Any, is_first: bool
) -> str | None:
    text = text_of(new, kind)
    if text is None or (old is None and not is_first):
        return None
    if old is None:
        return text
    return text_of(choose(value_of(old, kind), value_of(text, kind)), kind)


def _understood(state: Mapping[str, Any]) -> dict[str, _Table]:
    """Sort what the database said by table."""
    names: dict[int, list[str]] = defaultdict(list)
    columns: dict[int, dict[str, _Column]] = defaultdict(dict)
    tops: dict[tuple[int, int], str] = {}
    for table_id, column_id, name, kind, parent, *bounds in state["columns"]:
        if parent is None:
            names[table_id].append(name)
            tops[table_id, column_id] = name
        top = name if parent is None else tops.get((table_id, parent), "")
        columns[table_id][top] = _Column(column_id, kind, *bounds)  # of a list its element
    mapped: dict[tuple[int, int], list[tuple[str, bool]]] = defaultdict(list)
    for table_id, mapping_id, name, column_id in state["names"]:
        mapped[table_id, mapping_id].append((name, tops.get((table_id, column_id)) == name))
    mappings: dict[int, dict[tuple[str, ...], int]] = defaultdict(dict)
    for (table_id, mapping_id), listed in mapped.items():
        if all(is_there for _, is_there in listed):  # a column may have been dropped, and made anew
            mappings[table_id][tuple(name for name, _ in listed)] = mapping_id
    return {
        name: _Table(
            *(number, rows, next_row, size, folder),
            names=names[number],
            columns=columns[number],
            mappings=mappings[number],
        )
        for number, name, rows, next_row, size, folder in state["tables"]
    }


def _moment_text(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat(" ", "microseconds") + "+00"


def _microseconds(moment: datetime) -> int:
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
