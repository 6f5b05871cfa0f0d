"""A section of a page: rows, and the SQL that found them, which people may take to the console."""

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from catalog.lake.lake import Catalog

Row = dict[str, object]


@dataclass(frozen=True)
class Section:
    """Rows that answer one question of a page; `sql` is the same question with its values written out."""

    sql: str
    rows: list[Row]


def ask(catalog: Catalog, sql: str, values: Sequence[object] = ()) -> Section:
    """Run `sql`, whose parameters are `$1`, `$2` ..., and keep what it says for people."""
    return Section(written_out(sql, values), catalog.records(sql, values))


def ask_all(
    catalog: Catalog, questions: Mapping[str, str], values: Sequence[object]
) -> dict[str, Section]:
    """Ask several questions with the same values."""
    return {name: ask(catalog, sql, values) for name, sql in questions.items()}


def written_out(sql: str, values: Sequence[object]) -> str:
    """Put literals in the place of parameters, for the eyes of people and for the sandbox.

    >>> written_out("SELECT $1, $2", ["it's", 3])
    "SELECT 'it''s', 3"
    """
    return re.sub(r"\$(\d+)", lambda found: _literal(values[int(found[1]) - 1]), sql)


def _literal(value: object) -> str:
    if isinstance(value, int | float):
        return str(value)
    return "'" + str(value).replace("'", "''") + "'"


def console_link(sql: str) -> str:
    """Make the address that opens the console with `sql` in its editor.

    The text stands behind the #, so it never reaches a server or its log; static/address.js reads it.

    >>> console_link("SELECT 1")
    '/#q=U0VMRUNUIDE'
    """
    return "/#q=" + base64.urlsafe_b64encode(sql.encode()).decode().rstrip("=")
