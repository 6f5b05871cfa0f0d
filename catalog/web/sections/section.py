"""A section of a page: rows, and the SQL that returned them, which people can run in the console."""

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from catalog.lake.lake import Catalog

Row = dict[str, object]


@dataclass(frozen=True)
class Section:
    """Rows of one section of a page; `sql` is its statement with literals in place of parameters."""

    sql: str
    rows: list[Row]


def query_section(catalog: Catalog, sql: str, values: Sequence[object] = ()) -> Section:
    """Run `sql`, whose parameters are `$1`, `$2` ..., and return rows and statement."""
    return Section(inline_parameters(sql, values), catalog.records(sql, values))


def query_sections(
    catalog: Catalog, statements: Mapping[str, str], values: Sequence[object]
) -> dict[str, Section]:
    """Run several statements with the same parameters."""
    return {name: query_section(catalog, sql, values) for name, sql in statements.items()}


def inline_parameters(sql: str, values: Sequence[object]) -> str:
    """Replace the parameters of a statement by literals, so that people can read it and the sandbox can run it.

    >>> inline_parameters("SELECT $1, $2", ["it's", 3])
    "SELECT 'it''s', 3"
    """
    return re.sub(r"\$(\d+)", lambda match: _literal(values[int(match[1]) - 1]), sql)


def _literal(value: object) -> str:
    if isinstance(value, int | float):
        return str(value)
    return "'" + str(value).replace("'", "''") + "'"


def console_link(sql: str) -> str:
    """Make the address that opens the console with `sql` in its editor.

    The text follows the #, so it never reaches a server or its log; static/address.js reads it.

    >>> console_link("SELECT 1")
    '/#q=U0VMRUNUIDE'
    """
    return "/#q=" + base64.urlsafe_b64encode(sql.encode()).decode().rstrip("=")
