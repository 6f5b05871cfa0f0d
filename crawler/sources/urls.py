"""Source `urls`: the pictures behind a list of addresses, in a file or a folder of files.

The list may have the columns of img2dataset: url and caption, or URL and TEXT. Other columns can become labels. The
list is read as a stream, so its length does not matter. A list has no licence, so training is not allowed unless the
user records a basis for it.
"""

import asyncio
import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import ClassVar

from crawler.fetch.addresses import name_of, normalised
from crawler.fetch.hosts import host_of
from crawler.frontier.items import ListedPhoto, Row
from crawler.listing.source_contract import (
    BaseSource,
    CrawlContext,
    Discovery,
    FetchBytes,
    ListingPage,
    http_byte_fetcher,
    list_pages,
)
from crawler.listing.vocabulary import LABELS, photo_id
from crawler.readers.url_lists import BadListError, Record, columns, list_files, records
from crawler.settings import CrawlSettings

PAGE = 1000
NO_BASIS = "no_basis_recorded"

# Names tried in this order when the user gives none.
_URL_NAMES = ("url", "image_url", "photo_image_url")
_CAPTION_NAMES = ("caption", "text", "title")


@dataclass(frozen=True)
class ListColumns:
    """The columns of a list by role; `labels` become labels."""

    url: str
    caption: str | None
    name: str | None
    labels: Sequence[str] = ()

    @property
    def names(self) -> list[str]:
        """Every column that has to be read."""
        columns = [self.url, self.caption, self.name, *self.labels]
        return list(dict.fromkeys(column for column in columns if column))


@dataclass(frozen=True)
class ListPlan:
    """The contents of a list: usable lines, skipped lines, and lines by host."""

    addresses: int
    skipped: int
    hosts: Counter[str]

    def hours(self, rate: float) -> float:
        """Return the hours that the host with most lines takes at `rate` requests a second."""
        return max(self.hosts.values(), default=0) / rate / 3600


@dataclass(frozen=True)
class UrlListSource(BaseSource):
    """The addresses in `path`; `known_as` is the source in their rows, whose ids `id_col` contains."""

    path: str
    url_col: str | None = None
    caption_col: str | None = None
    id_col: str | None = None
    label_cols: Sequence[str] = field(default=())
    labels_all: bool = False
    limit: int | None = None
    training_basis: str | None = None
    known_as: str = "urls"
    name: ClassVar[str] = "urls"
    robots_policy: ClassVar[str] = "obeyed"
    over_http: ClassVar[bool] = True

    def check(self) -> None:
        """Raise `ContactMissingError`, or `BadListError` for a missing list or column."""
        super().check()
        self.columns()

    def columns(self) -> ListColumns:
        """Find the columns of the list by name; the columns of the first file apply to all files."""
        names = columns(list_files(Path(self.path))[0])
        url = _find(names, self.url_col, _URL_NAMES)
        if url is None:
            raise BadListError(
                f"no column of addresses in {self.path}; name it with --url-col; "
                f"there are: {', '.join(names) or 'none'}"
            )
        caption = _find(names, self.caption_col, _CAPTION_NAMES)
        name = _find(names, self.id_col, ())
        labels = [label for column in self.label_cols if (label := _find(names, column, ()))]
        if self.labels_all:
            labels += [column for column in names if column not in (url, caption, name, *labels)]
        return ListColumns(url, caption, name, labels)

    async def discover(self, context: CrawlContext) -> Discovery:
        """List the addresses; an interrupted listing continues after the last stored page."""
        return await asyncio.to_thread(list_pages, context, self.pages())

    def byte_fetcher(self, settings: CrawlSettings) -> AbstractAsyncContextManager[FetchBytes]:
        """Fetch over HTTP."""
        return http_byte_fetcher(settings)

    def pages(self) -> Iterator[ListingPage]:
        """Give the list in pages; empty and invalid addresses are skipped and counted."""
        lines = self.photos()
        while page := list(islice(lines, PAGE)):
            photos = [listed for listed in page if listed]
            yield ListingPage(photos, skipped=len(page) - len(photos))

    def photos(self) -> Iterator[ListedPhoto | None]:
        """Give one photo for each line, or null for a line without an address, up to the limit."""
        columns, n = self.columns(), 0
        for file in list_files(Path(self.path)):
            for record in records(file, columns.names):
                if self.limit is not None and n >= self.limit:
                    return
                listed = self._to_listed_photo(record, columns) if record else None
                n += listed is not None
                yield listed

    def plan(self) -> ListPlan:
        """Read the list once and count its lines, without a request."""
        hosts, skipped = Counter[str](), 0
        for listed in self.photos():
            if listed is None:
                skipped += 1
            else:
                hosts[listed.host] += 1
        return ListPlan(hosts.total(), skipped, hosts)

    def _to_listed_photo(self, record: Record, columns: ListColumns) -> ListedPhoto | None:
        address = normalised(str(record.get(columns.url) or ""))
        if address is None:
            return None
        own = _plain(record.get(columns.name)) if columns.name else None
        name = own or name_of(address)
        photo: Row = {
            "source": self.known_as,
            "source_photo_id": name,
            "training_allowed": self.training_basis is not None,
            "training_basis": self.training_basis or NO_BASIS,
        }
        if columns.caption and (title := _plain(record.get(columns.caption))):
            photo["title"] = title
        if labels := [
            label
            for column in columns.labels
            if (label := dataset_label(column, record.get(column)))
        ]:
            photo[LABELS] = labels
        key = photo_id(self.known_as, name)
        return ListedPhoto(key, photo, url=address.geturl(), host=host_of(address.geturl()))


def _find(names: Sequence[str], chosen: str | None, usual: Sequence[str]) -> str | None:
    """Return the chosen column, or the first column with one of the usual names in any case."""
    if chosen is not None:
        if chosen not in names:
            raise BadListError(f"the list has no column {chosen}; there are: {', '.join(names)}")
        return chosen
    return next(
        (column for usual_name in usual for column in names if column.lower() == usual_name), None
    )


def dataset_label(task: str, value: object) -> Row | None:
    """Make a label of a dataset's cell; null for an empty cell."""
    text = _plain(value)
    return {"task": task, "value": text, "label_source": "dataset"} if text else None


def _plain(value: object) -> str | None:
    """Write a cell as text; null for an empty one.

    >>> _plain(True), _plain(float("nan")), _plain(["a"]), _plain(" 7 ")
    ('true', None, '["a"]', '7')
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bool | list | dict):
        return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
    return str(value).strip() or None
