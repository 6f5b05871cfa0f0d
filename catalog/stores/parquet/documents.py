"""The documents of the plain-Parquet store, and the SQL that shows one of its snapshots as tables and views.

    lake/plain/<table>/<random>.parquet      rows; written once, never changed
               schemas/<sha256>.json         tables (meaning, columns with type and comment) and views, by content
               snapshots/0000000007.json     {"snapshot_id", "at", "message", "changes", "code_version", "schema",
                                              "files": {table: [{"name", "rows", "bytes", "schema"}]},
                                              "sha256": of this document without this line}

A snapshot names every file of every table, so any Parquet reader can follow it without Safelight. It is published by
creating the next number, which only one writer can do; files that no snapshot names do not count.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from catalog.stores.ducklake.tables import comment_of, sql_type
from catalog.stores.engine import quoted
from catalog.tables.tables_by_name import TABLES
from catalog.tables.views import VIEWS

FOLDER = "lake/plain"
_SUM_LINE = ',\n "sha256": "'


@dataclass(frozen=True)
class DataFile:
    """One Parquet file of a table; `schema` is the digest of the schema it was written by."""

    name: str
    rows: int
    bytes: int
    schema: str


@dataclass(frozen=True)
class PlainSnapshot:
    """One immutable state: which files each table has."""

    snapshot_id: int
    at: str
    message: str
    changes: str
    code_version: str
    schema: str
    files: Mapping[str, Sequence[DataFile]]

    def dump(self) -> bytes:
        """Write the document of this snapshot, with its own SHA-256 as the last line."""
        body = json.dumps(asdict(self), indent=1).encode()
        digest = hashlib.sha256(body).hexdigest()
        return body.removesuffix(b"\n}") + f'{_SUM_LINE}{digest}"\n}}'.encode()

    @staticmethod
    def is_whole(body: bytes) -> bool:
        """Say whether a document has the SHA-256 that it records; older code recorded none."""
        before, line, digest = body.rpartition(_SUM_LINE.encode())
        if not line:
            try:
                PlainSnapshot.load(body)
                return "sha256" not in json.loads(body)
            except (ValueError, TypeError, KeyError, AttributeError):
                return False
        return hashlib.sha256(before + b"\n}").hexdigest().encode() + b'"\n}' == digest

    @classmethod
    def load(cls, body: bytes) -> "PlainSnapshot":
        """Read the document of a snapshot."""
        about: dict[str, Any] = json.loads(body)
        about.pop("sha256", None)  # `is_whole` is about it
        files = {name: [DataFile(**one) for one in ones] for name, ones in about["files"].items()}
        return cls(**{**about, "files": files})


@dataclass(frozen=True)
class Schema:
    """Tables as {name: {"meaning", "columns": [[name, SQL type, comment]]}}, views as {name: [meaning, SQL]}."""

    tables: Mapping[str, Any]
    views: Mapping[str, Sequence[str]]

    @classmethod
    def of_this_code(cls, older: "Schema | None" = None) -> "Schema":
        """Give the tables and views of this code; what only older code had stays behind them."""
        tables: dict[str, Any] = {
            table.name: {
                "meaning": table.meaning,
                "columns": [[f.name, sql_type(f), comment_of(f)] for f in table.schema],
            }
            for table in TABLES.values()
        }
        views = {name: list(view) for name, view in VIEWS.items()}
        if older is None:
            return cls(tables, views)
        for name, table in older.tables.items():
            now = tables.setdefault(name, {**table, "columns": []})
            names = {column[0] for column in now["columns"]}
            now["columns"] += [column for column in table["columns"] if column[0] not in names]
        return cls(tables, views | {n: v for n, v in older.views.items() if n not in views})

    def dump(self) -> bytes:
        """Write the document; the same content gives the same bytes."""
        return json.dumps(asdict(self), indent=1).encode()

    @classmethod
    def load(cls, body: bytes) -> "Schema":
        """Read the document."""
        return cls(**json.loads(body))

    @property
    def digest(self) -> str:
        """SHA-256 of the document, hex; its name."""
        return hashlib.sha256(self.dump()).hexdigest()

    def column_names(self) -> dict[str, set[str]]:
        """Give the names of the columns of each table."""
        return {name: set(self.columns(name)) for name in self.tables}

    def columns(self, table: str) -> dict[str, str]:
        """Give name and SQL type of each column of `table`; none when there is no such table."""
        return {name: kind for name, kind, _ in self.tables.get(table, {"columns": []})["columns"]}


@dataclass(frozen=True)
class SnapshotTables:
    """A snapshot with what it takes to read it: its schema, those of its older files, and where files lie."""

    snapshot: PlainSnapshot
    schema: Schema
    schemas: Mapping[str, Schema]
    address: Callable[[str], str]

    def statements(self) -> Iterator[str]:
        """Write the SQL that makes every table and view, with comments, in the attached database `lake`."""
        for name, table in self.schema.tables.items():
            yield f"CREATE VIEW lake.{name} AS {self.relation(name, self.snapshot.files.get(name, ()))}"
            yield f"COMMENT ON VIEW lake.{name} IS '{quoted(table['meaning'])}'"
            for column, _, comment in table["columns"]:
                yield f"COMMENT ON COLUMN lake.{name}.\"{column}\" IS '{quoted(comment)}'"
        for name, (meaning, sql) in self.schema.views.items():
            yield f"CREATE VIEW lake.{name} AS {sql}"
            yield f"COMMENT ON VIEW lake.{name} IS '{quoted(meaning)}'"
        number = self.snapshot.snapshot_id
        yield f"CREATE MACRO lake.current_snapshot() AS TABLE SELECT {number}::BIGINT AS id"

    def relation(self, table: str, files: Sequence[DataFile]) -> str:
        """Write a SELECT of all columns of `table` over some of its files; a column that a file lacks is null."""
        columns = self.schema.columns(table)
        listed = ", ".join(f'"{name}"' for name in columns)
        groups: dict[str, list[str]] = {}
        for file in files:
            groups.setdefault(file.schema, []).append(self.address(f"{FOLDER}/{file.name}"))
        parts = [f"SELECT * FROM {read_parquet(paths)}" for paths in groups.values()]
        same = all(set(self.schemas[digest].columns(table)) == set(columns) for digest in groups)
        if not parts or not same:  # the first part gives names and types
            parts.insert(0, empty(columns))
        return f"SELECT {listed} FROM ({' UNION ALL BY NAME '.join(parts)})"


def empty(columns: Mapping[str, str]) -> str:
    """Write a SELECT of no rows with these columns."""
    typed = ", ".join(f'NULL::{kind} AS "{name}"' for name, kind in columns.items())
    return f"SELECT {typed} WHERE false"


def read_parquet(paths: Sequence[str], options: str = "") -> str:
    """Write the call that reads these files and takes nothing from their paths."""
    listed = ", ".join(f"'{quoted(path)}'" for path in paths)
    return f"read_parquet([{listed}], hive_partitioning = false{options})"
