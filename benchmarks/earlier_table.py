"""Take the rows and columns of other programs from an earlier table of the same files: they need installations."""

import re
from collections.abc import Iterable, Iterator

Row = list[str]


def with_programs_of(page: str, earlier: str, programs: Iterable[str]) -> str:
    """Add to each table of `page` what the table of `earlier` with the same first header has of some programs.

    A program is a row where the first cell begins with its name, and a column where the header does. ValueError where
    the earlier table lacks a row.
    """
    names = tuple(programs)
    tables = {rows[0][0]: rows for rows in _tables(earlier)}
    lines: list[str] = []
    for block in page.split("\n\n"):
        rows = [_cells(line) for line in block.splitlines() if line.startswith("|")]
        old = tables.get(rows[0][0]) if rows else None
        lines.append(block if old is None else _joined(rows, old, names))
    return "\n\n".join(lines)


def peers_note(earlier: str) -> str:
    """Say which table the other programs are of: that of the commit it names, or that it says they are of."""
    found = re.search(r"are those of the table of\s+commit (\w+)", earlier) or re.search(
        r"[Cc]ommit (\w+)", earlier
    )
    commit = found[1] if found else "unknown"
    return f"""
imagededup, fastdup and cleanvision are those of the table of commit {commit}, which had the same files.
"""


def _tables(page: str) -> Iterator[list[Row]]:
    for block in page.split("\n\n"):
        if rows := [_cells(line) for line in block.splitlines() if line.startswith("|")]:
            yield rows


def _cells(line: str) -> Row:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def _joined(rows: list[Row], old: list[Row], programs: tuple[str, ...]) -> str:
    columns = [place for place, cell in enumerate(old[0]) if cell.startswith(programs)]
    by_kind = {row[0]: [row[column] for column in columns] for row in old}
    missing = [row[0] for row in rows if columns and row[0] not in by_kind]
    if missing:
        raise ValueError(f"the earlier table has no row {missing[0]!r}: its files were others")
    wide = [row + by_kind.get(row[0], []) for row in rows]
    added = [row for row in old if row[0].startswith(programs)]
    return "\n".join(f"| {' | '.join(row)} |" for row in [*wide, *added])
