"""Print query results for people and programs."""

import csv
import io
import json
import math
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime

import pyarrow as pa

from catalog.commands.text_table import aligned, display_width
from catalog.lake.describe import Described


def render(table: pa.Table, style: str, *, width: int | None = None) -> str:
    """Write rows in one of `TEXT_FORMATS`; json is one array.

    A `table` is laid out for a terminal of `width` characters; see `aligned`.
    """
    if style == "json":
        rows = _strict(table.to_pylist())
        return json.dumps(rows, default=_plain, ensure_ascii=False, indent=1, allow_nan=False)
    records = list(zip(*(column.to_pylist() for column in table.columns), strict=True))
    if style == "csv":
        return _csv(table.column_names, records)
    cells = [[_cell(value) for value in record] for record in records]
    if style == "vertical":
        return "\n".join(_vertical(table.column_names, cells))
    numbers = {field.name for field in table.schema if _is_number(field.type)}
    if style == "markdown":
        return "\n".join(_markdown(table.column_names, cells, numbers))
    return "\n".join(aligned(table.column_names, cells, width=width, numbers=numbers))


def _is_number(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    )


def _vertical(names: Sequence[str], cells: Sequence[Sequence[str]]) -> Iterator[str]:
    """Write each row as a block, one line a column; nothing is cut."""
    widest = max(map(display_width, names), default=0)
    for number, row in enumerate(cells, 1):
        yield f"-- row {number}"
        for name, cell in zip(names, row, strict=True):
            yield f"{name}{' ' * (widest - display_width(name))}  {cell}".rstrip()


def _markdown(
    names: Sequence[str], cells: Sequence[Sequence[str]], numbers: Collection[str]
) -> Iterator[str]:
    """Write a table in the Markdown of GitHub; numbers are right-aligned."""
    rule = ["---:" if name in numbers else "---" for name in names]
    for row in (names, rule, *cells):
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"


def described(table: Described, *, width: int | None = None) -> Iterator[str]:
    """Write out one table or view: what a row is, its key, every column, the SQL of a view."""
    yield f"{table.name} ({table.kind}): {table.meaning}"
    if table.key:
        yield f"unique by {', '.join(table.key)}"
    yield ""
    cells = [[each.name, each.kind, each.unit, each.meaning] for each in table.columns]
    header = ["column", "type", "unit", "meaning"]
    yield from aligned(header, cells, width=width, prose={"meaning"})
    if table.sql:
        yield from ("", table.sql)


def described_briefly(table: Described) -> str:
    """Write one table or view in one paragraph with the names of its columns."""
    names = ", ".join(each.name for each in table.columns)
    return f"{table.name} ({table.kind}): {table.meaning}\n    {names}"


def _csv(names: Sequence[str], records: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    for record in records:
        writer.writerow(["" if value is None else _flat(value) for value in record])
    return text.getvalue().rstrip("\n")


def _flat(value: object) -> object:
    return json.dumps(value, default=_plain) if isinstance(value, list | dict) else value


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    return " ".join(str(_flat(value)).split())


def _strict(value: object) -> object:
    """Replace NaN and the infinities, which JSON does not have, by None at any depth."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _strict(each) for name, each in value.items()}
    return [_strict(each) for each in value] if isinstance(value, list | tuple) else value


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else str(value)
