"""Source `table`: daily prices from CSV files, one file a series or a `Symbol` column.

Columns are matched by their names, in any case and order. A line that is not a day of trading (no date, no close, a
cell that is not a number) is skipped and counted; a second line of the same day is dropped by its key.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, time
from itertools import islice
from pathlib import Path
from typing import ClassVar

from crawler.errors import InputRefusedError
from crawler.frontier.items import Row
from crawler.listing.file_source import FileSource
from crawler.listing.folder_walk import walk
from crawler.listing.source_contract import ListingPage
from crawler.readers.csv_files import Cells, open_csv

PAGE = 5000
_DAY, _SERIES, _CLOSE = "day", "series", "close"
_NAMES: Mapping[str, str] = {
    "date": _DAY,
    "day": _DAY,
    "timestamp": _DAY,
    "symbol": _SERIES,
    "ticker": _SERIES,
    "series": _SERIES,
    "open": "open",
    "high": "high",
    "low": "low",
    "close": _CLOSE,
    "adj close": "adjusted_close",
    "adjusted close": "adjusted_close",
    "volume": "volume",
}
_NUMBERS = ("open", "high", "low", _CLOSE, "adjusted_close", "volume")
_NOTHING = frozenset(["", "null", "nan", "n/a", "-"])


@dataclass(frozen=True)
class TableSource(FileSource):
    """The prices in the file `path`, or in every `.csv` below that folder; days are ISO dates unless `date_format`."""

    path: str
    date_format: str | None = None
    name: ClassVar[str] = "table"

    def inputs(self) -> Iterator[Path]:
        """Require the file, or the files of the folder."""
        top = Path(self.path)
        if not top.is_dir():
            yield top
            return
        names = (entry.name for entry in walk(top))
        tables = [top / name for name in names if name.lower().endswith(".csv")]
        if not tables:
            raise InputRefusedError(top, "it holds no .csv file")
        yield from tables

    def check(self) -> None:
        """Raise `InputRefusedError`, too, when any file has no date or no close: all files are imported or none."""
        super().check()
        for path in self.inputs():
            with open_csv(path) as (names, _):
                _columns(path, names)

    def pages(self, crawl_id: str) -> Iterator[ListingPage]:
        """List the days of every file in order."""
        for path in self.inputs():
            with open_csv(path) as (names, lines):
                columns = _columns(path, names)
                while batch := list(islice(lines, PAGE)):
                    rows = [self._row(cells, columns, path.stem) for cells in batch]
                    prices = [row | {"crawl_id": crawl_id} for row in rows if row]
                    yield ListingPage(rows={"prices": prices}, skipped=len(batch) - len(prices))

    def _row(self, cells: Cells | None, columns: Mapping[str, str], stem: str) -> Row | None:
        """Convert one line to a row; null when it is not a day of trading."""
        values = {columns[name]: cell for name, cell in (cells or {}).items() if name in columns}
        try:
            numbers = {name: _number(values.get(name, "")) for name in _NUMBERS}
            day = self._day(values.get(_DAY, ""))
        except ValueError:
            return None
        if numbers[_CLOSE] is None:
            return None
        return {_SERIES: values.get(_SERIES, stem) or stem, _DAY: day, **numbers}

    def _day(self, text: str) -> datetime:
        """Read a date; a time with a zone gives the day as written."""
        if self.date_format is None:
            return datetime.combine(datetime.fromisoformat(text).date(), time())
        moment = datetime.strptime(text, self.date_format)  # noqa: DTZ007 - a day of trading
        return datetime.combine(moment.date(), time())


def _columns(path: Path, names: list[str]) -> Mapping[str, str]:
    """Map column names to columns of `prices`; raises `InputRefusedError` without a date or a close."""
    plain = {name: name.lower().replace("_", " ").rstrip("*") for name in names}
    columns = {name: _NAMES[text] for name, text in plain.items() if text in _NAMES}
    if missing := {_DAY: "date", _CLOSE: "close"}.keys() - columns.values():
        raise InputRefusedError(path, f"it has no column for {' and '.join(sorted(missing))}")
    return columns


def _number(text: str) -> float | None:
    """Read a number; null for an empty cell, `ValueError` for other text.

    >>> _number("$1,234.50"), _number("null")
    (1234.5, None)
    """
    if text.lower() in _NOTHING:
        return None
    number = float(text.removeprefix("$").replace(",", ""))
    if not math.isfinite(number) or number < 0:
        raise ValueError(text)
    return number
