"""Print query results for people and programs."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from datetime import datetime

import pyarrow as pa

from catalog.lake.describe import Described

WIDEST = 72


def render(table: pa.Table, style: str, *, cut: bool = True) -> str:
    """Write rows as `table` (aligned text), `csv` or `json` (one array); `cut` as for `aligned`."""
    records = table.to_pylist()
    if style == "json":
        return json.dumps(records, default=_plain, ensure_ascii=False, indent=1)
    if style == "csv":
        return _csv(table.column_names, records)
    cells = [[_cell(record[name]) for name in table.column_names] for record in records]
    return "\n".join(aligned(table.column_names, cells, cut=cut))


def aligned(
    header: Sequence[str], cells: Sequence[Sequence[str]], *, cut: bool = True
) -> Iterator[str]:
    """Lay cells out in columns under a header; long text is cut for a terminal, not for what reads a pipe."""
    rows = [header, *([_cut(cell) if cut else cell for cell in row] for row in cells)]
    widths = [max(len(row[index]) for row in rows) for index in range(len(header))]
    for number, row in enumerate(rows):
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        if number == 0:
            yield "  ".join("-" * width for width in widths)


def _cut(cell: str) -> str:
    return cell if len(cell) <= WIDEST else cell[: WIDEST - 1] + "…"


def described(table: Described, *, cut: bool = True) -> Iterator[str]:
    """Write out one table or view: what a row is, its key, every column, the SQL of a view; `cut` as for `aligned`."""
    yield f"{table.name} ({table.kind}): {table.meaning}"
    if table.key:
        yield f"unique by {', '.join(table.key)}"
    yield ""
    cells = [[each.name, each.kind, each.unit, each.meaning] for each in table.columns]
    yield from aligned(["column", "type", "unit", "meaning"], cells, cut=cut)
    if table.sql:
        yield from ("", table.sql)


def described_briefly(table: Described) -> str:
    """Write one table or view in one paragraph with the names of its columns."""
    names = ", ".join(each.name for each in table.columns)
    return f"{table.name} ({table.kind}): {table.meaning}\n    {names}"


def _csv(names: Sequence[str], records: Sequence[dict[str, object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    for record in records:
        writer.writerow(["" if record[n] is None else _flat(record[n]) for n in names])
    return text.getvalue().rstrip("\n")


def _flat(value: object) -> object:
    return json.dumps(value, default=_plain) if isinstance(value, list | dict) else value


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    return " ".join(str(_flat(value)).split())


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else str(value)
