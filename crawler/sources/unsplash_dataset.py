"""Source `unsplash-dataset`: the tables of the Unsplash Lite or Full Dataset, in a user's folder.

The tables contain, without a call, what the API returns in two calls for each photo, including the camera settings. By
default only rows are imported; `pictures` fetches the pictures, too. A photo has the same id here and in source
`unsplash`, so the rows of both can be joined. Geographic positions and the downloaders' ids are not imported.
"""

import asyncio
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, islice
from pathlib import Path
from typing import Any, ClassVar, Literal
from urllib.parse import urlencode

from crawler.errors import CrawlError
from crawler.fetch.addresses import normalised
from crawler.fetch.failures import Failure
from crawler.fetch.fetcher import FetchResponse
from crawler.fetch.hosts import host_of
from crawler.frontier.items import Item, ListedPhoto, Row
from crawler.listing.source_contract import (
    BaseSource,
    CrawlContext,
    Discovery,
    FetchBytes,
    ListingPage,
    http_byte_fetcher,
    list_pages,
    user_agent,
)
from crawler.listing.vocabulary import EXIF_SOURCE, label_row, listed_row, photo_id, source_exif
from crawler.readers.url_lists import Record, delimited, head
from crawler.settings import CrawlSettings
from crawler.sources.unsplash import LICENCE, UnsplashSource

PAGE = 5000  # rows in one segment
Edition = Literal["lite", "full"]

# Lite may train models for any internal purpose; Full only for noncommercial ones, which only the user can know.
_BASIS: Mapping[str, tuple[bool, str]] = {
    "lite": (True, "unsplash_lite_dataset_terms"),
    "full": (False, "unsplash_full_dataset_terms_noncommercial_only"),
}
# Table -> (task, column of the value). The rows of these tables become labels on demand.
LABEL_TABLES: Mapping[str, tuple[str, str]] = {
    "keywords": ("keyword", "keyword"),
    "colors": ("color", "keyword"),
    "collections": ("collection", "collection_title"),
    "conversions": ("search", "keyword"),
}
_EXIF = {
    "make": "exif_camera_make",
    "model": "exif_camera_model",
    "iso": "exif_iso",
    "aperture": "exif_aperture_value",
    "focal_length": "exif_focal_length",
    "exposure_time": "exif_exposure_time",
}
_ID = re.compile(r"[\w-]+")


@dataclass(frozen=True)
class TablesPlan:
    """The contents of the tables: photos, photos with all three settings, skipped lines."""

    photos: int
    with_settings: int
    skipped: int


@dataclass(frozen=True)
class UnsplashDatasetSource(BaseSource):
    """The tables in `path`; `width` (px) fetches scaled pictures, `labels` names tables that become labels."""

    path: str
    edition: Edition
    pictures: bool = False
    width: int | None = None
    labels: Sequence[str] = ()
    limit: int | None = None
    training_basis: str | None = None
    name: ClassVar[str] = "unsplash-dataset"
    robots_policy: ClassVar[str] = "obeyed"

    def check(self) -> None:
        """Raise `CrawlError` without tables of photos, `ContactMissingError` when pictures are to be fetched."""
        if self.pictures:
            user_agent()
        for table in ("photos", *self.labels):
            if not tables(Path(self.path), table):
                raise CrawlError(f"{self.path} holds no {table}.tsv000 or {table}.csv000")

    async def discover(self, context: CrawlContext) -> Discovery:
        """Read the tables, page by page."""
        return await asyncio.to_thread(list_pages, context, self.pages(context.crawl_id))

    def byte_fetcher(self, settings: CrawlSettings) -> AbstractAsyncContextManager[FetchBytes]:
        """Fetch over HTTP; without `pictures` nothing is queued, and no contact is needed."""
        return http_byte_fetcher(settings) if self.pictures else nullcontext(_no_picture)

    def pages(self, crawl: str) -> Iterator[ListingPage]:
        """Give the photos, then the labels."""
        lines = self.photos()
        while page := list(islice(lines, PAGE)):
            rows = [photo for photo in page if photo]
            skipped = len(page) - len(rows)
            if self.pictures:
                listed = [self._to_listed_photo(photo) for photo in rows]
                photos = [photo for photo in listed if photo]
                yield ListingPage(photos, skipped=skipped + len(listed) - len(photos))
            else:
                yield ListingPage(rows=_rows(rows, crawl), skipped=skipped)
        for table in self.labels:
            yield from self._label_pages(table)

    def photos(self) -> Iterator[Row | None]:
        """Map each line of the tables of photos to columns of a photos row; null for a broken line."""
        n = 0
        for record in records(Path(self.path), "photos"):
            if self.limit is not None and n >= self.limit:
                return
            photo = self.photo(record) if record and _named(record) else None
            n += photo is not None
            yield photo

    def photo(self, record: Record) -> Row:
        """Map one line to columns of a photos row, without geographic positions."""
        user = record.get("photographer_username")
        names = [record.get("photographer_first_name"), record.get("photographer_last_name")]
        author = " ".join(name.strip() for name in names if name and name.strip()) or user
        profile = f"https://unsplash.com/@{user}" if user else None
        exif = {ours: record[theirs] for ours, theirs in _EXIF.items() if record.get(theirs)}
        allowed, basis = _BASIS[self.edition]
        return {
            "source": UnsplashSource.name,
            "source_photo_id": record["photo_id"],
            "page_url": record.get("photo_url") or None,
            "image_url": self._address(record),
            "photographer": author or None,
            "photographer_url": profile,
            "licence": LICENCE,
            "attribution": f"Photo by {author or 'unknown'} ({profile or 'no page'}) on Unsplash",
            "title": record.get("photo_description") or record.get("ai_description") or None,
            "posted_at": _moment(record.get("photo_submitted_at")),
            "listed_width": _whole(record.get("photo_width")),
            "listed_height": _whole(record.get("photo_height")),
            "training_allowed": allowed or self.training_basis is not None,
            "training_basis": self.training_basis or basis,
            "redistribution_allowed": False,
            "source_exif_json": json.dumps(exif, sort_keys=True) if exif else None,
            EXIF_SOURCE: "dataset",
        }

    def plan(self) -> TablesPlan:
        """Read the tables of photos once and count."""
        settings = ("aperture", "iso", "exposure_time")
        photos = with_settings = skipped = 0
        for photo in self.photos():
            exif = json.loads(str(photo["source_exif_json"] or "{}")) if photo else {}
            photos += photo is not None
            skipped += photo is None
            with_settings += all(exif.get(name) for name in settings)
        return TablesPlan(photos, with_settings, skipped)

    def _address(self, record: Record) -> str | None:
        address = normalised(record.get("photo_image_url") or "")
        if address is None:
            return None
        if self.width is None:
            return address.geturl()
        scaled = urlencode({"w": self.width, "fit": "max"})  # max: never larger than the original
        return address._replace(query="&".join(filter(None, [address.query, scaled]))).geturl()

    def _to_listed_photo(self, photo: Row) -> ListedPhoto | None:
        address = normalised(str(photo.pop("image_url") or ""))
        if address is None:
            return None
        key = photo_id(UnsplashSource.name, str(photo["source_photo_id"]))
        return ListedPhoto(key, photo, url=address.geturl(), host=host_of(address.geturl()))

    def _label_pages(self, table: str) -> Iterator[ListingPage]:
        ids = self._limited()
        lines = records(Path(self.path), table)
        while page := list(islice(lines, PAGE)):
            good = [record for record in page if record and _named(record)]
            labels = [
                _label(table, record) for record in good if ids is None or record["photo_id"] in ids
            ]
            rows = {str(row["label_id"]): row for row in labels if row}
            yield ListingPage(rows={"labels": list(rows.values())}, skipped=len(page) - len(good))

    def _limited(self) -> set[str] | None:
        """Return the ids within the limit; null when there is none."""
        if self.limit is None:
            return None
        return {str(photo["source_photo_id"]) for photo in self.photos() if photo}


def tables(top: Path, name: str) -> list[Path]:
    """Return the parts of one table in order: `photos.tsv000`, `photos.tsv001` ..., or `photos.csv000` ..."""
    parts = re.compile(rf"{name}\.[ct]sv\d*(\.gz)?")
    return sorted(file for file in top.glob(f"{name}.*") if parts.fullmatch(file.name))


def records(top: Path, name: str) -> Iterator[Record | None]:
    """Give the lines of one table; each part has a header line of its own, which shows tabs or commas."""
    return chain.from_iterable(
        delimited(part, "\t" if "\t" in head(part) else ",") for part in tables(top, name)
    )


async def _no_picture(item: Item) -> FetchResponse:
    return FetchResponse(
        item.url, failure=Failure("final", "missing", "pictures were not asked for")
    )


def _named(record: Record) -> bool:
    return bool(_ID.fullmatch(record.get("photo_id") or ""))


def _rows(photos: Iterable[Row], crawl: str) -> Mapping[str, list[Row]]:
    photo_rows, exif_rows = [], []
    for photo in photos:
        key = photo_id(UnsplashSource.name, str(photo["source_photo_id"]))
        photo_rows.append(listed_row(key, photo, crawl))
        if exif := source_exif(photo["source_exif_json"], "dataset"):
            exif_rows.append(exif | {"photo_id": key})
    return {"photos": photo_rows, "exif": exif_rows}


def _label(table: str, record: Record) -> Row | None:
    task, column = LABEL_TABLES[table]
    if not (value := (record.get(column) or "").strip()):
        return None
    key = photo_id(UnsplashSource.name, record["photo_id"])
    confidences = [_percent(record.get(f"ai_service_{n}_confidence")) for n in (1, 2)]
    confidence = max((share for share in confidences if share is not None), default=None)
    return label_row(key, task, value, "dataset", confidence)


def _percent(text: Any) -> float | None:
    try:
        share = float(text) / 100
    except (TypeError, ValueError):
        return None
    return share if 0 <= share <= 1 else None


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() and len(text) < 10 else None


def _moment(text: str | None) -> str | None:
    """Write a time of the tables, which is UTC, as ISO text with its zone.

    >>> _moment("2020-05-28 23:59:04.5"), _moment("yesterday")
    ('2020-05-28T23:59:04.500000+00:00', None)
    """
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()
