"""What the tables, views and their columns mean, for people, for the console and for the docs."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from catalog.errors import TableNotFoundError
from catalog.lake.lake import Catalog
from catalog.tables.tables_by_name import TABLES
from catalog.tables.views import COLUMNS, VIEWS


@dataclass(frozen=True)
class Column:
    """One column: its SQL type, what it means, its unit (empty without)."""

    name: str
    kind: str
    meaning: str
    unit: str

    @property
    def comment(self) -> str:
        """Meaning and unit in one line, as in the comments of the tables."""
        return f"{self.meaning} [{self.unit}]" if self.unit else self.meaning


@dataclass(frozen=True)
class Described:
    """A table or view: what one row is, what makes a row unique, its columns; `sql` of a view."""

    name: str
    kind: str
    meaning: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    sql: str


def describe(catalog: Catalog) -> list[Described]:
    """Describe every table, then every view."""
    types = _types(catalog)
    return [_described(name, types[name]) for name in (*TABLES, *VIEWS)]


def describe_one(catalog: Catalog, name: str) -> Described:
    """Describe one table or view; raises `TableNotFoundError`."""
    tables = [each for each in describe(catalog) if each.name == name]
    if not tables:
        raise TableNotFoundError(name, (*TABLES, *VIEWS))
    return tables[0]


def _types(catalog: Catalog) -> dict[str, dict[str, str]]:
    """Name the columns and types of every table and view, as the store knows them."""
    types: dict[str, dict[str, str]] = {}
    for name in (*TABLES, *VIEWS):
        listed = catalog.records(f"DESCRIBE SELECT * FROM {name}")
        types[name] = {str(row["column_name"]): str(row["column_type"]) for row in listed}
    return types


def _described(name: str, types: dict[str, str]) -> Described:
    columns = tuple(_column(name, column, kind) for column, kind in types.items())
    if name in TABLES:
        table = TABLES[name]
        return Described(name, "table", table.meaning, table.key, columns, "")
    meaning, sql = VIEWS[name]
    return Described(name, "view", meaning, (), columns, sql)


def _column(owner: str, name: str, kind: str) -> Column:
    meaning, unit = column_meaning(owner, name)
    return Column(name, kind, meaning, unit)


def column_meaning(owner: str, name: str) -> tuple[str, str]:
    """Return meaning and unit of a column; a view inherits them from the table it reads.

    >>> column_meaning("v_photos", "exposure_time")
    ('shutter time', 's')
    """
    if name in COLUMNS.get(owner, {}):
        return COLUMNS[owner][name], ""
    for table in _readable(owner):
        if name in TABLES[table].schema.names:
            about = TABLES[table].schema.field(name).metadata
            return about[b"meaning"].decode(), about[b"unit"].decode()
    return "", ""


def _readable(owner: str) -> Iterator[str]:
    """Name the tables whose columns a table or view hands on, in the order in which its SQL names them."""
    if owner in TABLES:
        yield owner
        return
    words = VIEWS[owner][1].replace("(", " ").replace(")", " ").split()
    for before, word in pairwise(words):
        if before in ("FROM", "JOIN"):
            if word in TABLES:
                yield word
            elif word in VIEWS:
                yield from _readable(word)
