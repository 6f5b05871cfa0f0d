"""Source `defects`: the severities of seven defects of photographs, by address.

Labels are imported at once. The pictures are fetched only with the option `fetch`.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

from crawler.errors import InputRefusedError
from crawler.fetch.addresses import without_secrets
from crawler.frontier.items import ListedPhoto, Row
from crawler.listing.file_source import FileSource
from crawler.listing.source_contract import FetchBytes, ListingPage, http_byte_fetcher, user_agent
from crawler.listing.vocabulary import label_row, listed_row, photo_id
from crawler.readers.csv_files import Cells, open_csv
from crawler.settings import CrawlSettings

PAGE = 2000
BASIS = "addresses_without_a_licence"
ADDRESS = "url"

# Task, also the column's name in snake case -> its range; below 0 is too little (too dull, say), above too much.
SEVERITIES: Mapping[str, tuple[float, float]] = {
    "bad_exposure": (-1.0, 1.0),
    "bad_white_balance": (-1.0, 1.0),
    "bad_saturation": (-1.0, 1.0),
    "noise": (0.0, 1.0),
    "haze": (0.0, 1.0),
    "undesired_blur": (0.0, 1.0),
    "bad_composition": (0.0, 1.0),
}


@dataclass(frozen=True)
class DefectsSource(FileSource):
    """The severities in the CSV file `table`; with `fetch` the pictures are fetched over HTTP."""

    table: str
    fetch: bool = False
    training_basis: str | None = None
    name: ClassVar[str] = "defects"
    robots_policy: ClassVar[str] = "obeyed"
    over_http: ClassVar[bool] = True

    def inputs(self) -> Iterator[Path]:
        """Require the table."""
        yield Path(self.table)

    def check(self) -> None:
        """Require a contact, too, when pictures are fetched."""
        super().check()
        if self.fetch:
            user_agent()

    def byte_fetcher(self, settings: CrawlSettings) -> AbstractAsyncContextManager[FetchBytes]:
        """Fetch over HTTP with `fetch`; otherwise nothing is fetched."""
        return http_byte_fetcher(settings) if self.fetch else super().byte_fetcher(settings)

    def pages(self, crawl_id: str) -> Iterator[ListingPage]:
        """List labels and addresses; a line without an address and a value out of its range are counted."""
        with open_csv(Path(self.table)) as (names, lines):
            tasks = self._tasks(names)
            while part := list(islice(lines, PAGE)):
                yield self._page(part, tasks, crawl_id)

    def _tasks(self, names: list[str]) -> Mapping[str, str]:
        """Map column names to tasks; raises `InputRefusedError` when one is missing."""
        tasks = {name: name.lower().replace(" ", "_") for name in names}
        if lost := {ADDRESS, *SEVERITIES} - {*tasks.values()}:
            raise InputRefusedError(Path(self.table), f"no column {', '.join(sorted(lost))}")
        return tasks

    def _page(
        self, part: list[Cells | None], tasks: Mapping[str, str], crawl_id: str
    ) -> ListingPage:
        named = [{tasks[name]: cell for name, cell in cells.items()} for cells in part if cells]
        good = [cells for cells in named if _host(cells[ADDRESS])]
        labels = [label for cells in good for label in _labels(cells)]
        rows = {"photos": [self._row(cells[ADDRESS], crawl_id) for cells in good], "labels": labels}
        files = [self._to_listed_photo(cells[ADDRESS]) for cells in good] if self.fetch else []
        bad_values = len(SEVERITIES) * len(good) - len(labels)
        return ListingPage(files, rows, skipped=len(part) - len(good) + bad_values)

    def _row(self, address: str, crawl_id: str) -> Row:
        row = listed_row(photo_id(self.name, address), self._photo(address), crawl_id)
        return row | {"image_url": without_secrets(address)}

    def _photo(self, address: str) -> Row:
        return {
            "source": self.name,
            "source_photo_id": address,
            "training_allowed": self.training_basis is not None,
            "training_basis": self.training_basis or BASIS,
            "redistribution_allowed": False,
        }

    def _to_listed_photo(self, address: str) -> ListedPhoto:
        key = photo_id(self.name, address)
        return ListedPhoto(key, self._photo(address), url=address, host=_host(address))


def _host(address: str) -> str:
    """Return host and port of an HTTP address; empty for another address.

    >>> _host("http://Farm1.example:81/a.jpg"), _host("ftp://a"), _host("http://[::1/")
    ('farm1.example:81', '', '')
    """
    try:
        parts = urlsplit(address)
    except ValueError:  # a broken IPv6 address
        return ""
    return parts.netloc.rpartition("@")[2].lower() if parts.scheme in ("http", "https") else ""


def _labels(cells: Cells) -> Iterator[Row]:
    """Label a photo with every severity that is in its range."""
    photo = photo_id(DefectsSource.name, cells[ADDRESS])
    for task, (low, high) in SEVERITIES.items():
        try:
            value = float(cells[task])
        except ValueError:
            continue
        if math.isfinite(value) and low <= value <= high:
            yield label_row(photo, task, value, "votes")
