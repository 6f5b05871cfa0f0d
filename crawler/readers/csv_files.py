"""Read a user's CSV files; a broken line does not end the reading."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crawler.errors import InputRefusedError

Cells = dict[str, str]


@contextmanager
def open_csv(path: Path) -> Iterator[tuple[list[str], Iterator[Cells | None]]]:
    """Give the column names, and the cells of each line by column; null for a line of another length.

    Raises `InputRefusedError` for a file without a line of column names.
    """
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        lines = csv.reader(file)
        names = [name.strip() for name in _next(lines) or []]
        if not any(names):
            raise InputRefusedError(path, "it has no line of column names")
        yield names, _cells(lines, names)


def _cells(lines: Iterator[list[str]], names: list[str]) -> Iterator[Cells | None]:
    while (line := _next(lines)) is not None:
        if line:  # an empty line is skipped
            same = len(line) == len(names)
            yield dict(zip(names, map(str.strip, line), strict=True)) if same else None


def _next(lines: Iterator[list[str]]) -> list[str] | None:
    """Return the next line; a line that csv cannot read becomes one of another length."""
    try:
        return next(lines, None)
    except csv.Error:
        return [""]
