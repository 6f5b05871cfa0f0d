"""Source `img2dataset`: folders that img2dataset has written, imported without requests to any host.

A photo is named by its address as in source `urls`, so the two can be joined by `source_photo_id`. The bytes are those
that img2dataset stored: by default it scales and encodes pictures again, which removes the EXIF. The EXIF of the
originals, which its option `extract_exif` stores, becomes rows with `exif_source` dataset.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

from crawler.errors import CrawlError
from crawler.fetch.addresses import name_of, normalised, without_secrets
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
    list_pages,
)
from crawler.listing.vocabulary import EXIF_SOURCE, LABELS, photo_id
from crawler.readers.img2dataset_folder import (
    ArchiveLocation,
    Img2DatasetResult,
    read_bytes,
    results,
    shards,
)
from crawler.settings import CrawlSettings
from crawler.sources.urls import NO_BASIS, dataset_label

PAGE = 1000

# Columns of img2dataset; every other column comes from the user's list and becomes a label.
_SIZES = {"width", "height", "original_width", "original_height"}
_HASHES = {"sha256", "md5", "sha512"}
_OWN = {"url", "caption", "txt", "key", "status", "error_message", "exif"} | _SIZES | _HASHES
# exifread's names -> keys of an API's EXIF object. Positions, names and serial numbers are not included.
_EXIF = {
    "Image Make": "make",
    "Image Model": "model",
    "EXIF FNumber": "aperture",
    "EXIF ISOSpeedRatings": "iso",
    "EXIF ExposureTime": "exposure_time",
    "EXIF FocalLength": "focal_length",
}


@dataclass(frozen=True)
class ResultsPlan:
    """The contents of a folder of results."""

    pictures: int
    failed: int
    shards: int


@dataclass(frozen=True)
class Img2DatasetSource(BaseSource):
    """The shards below `path`."""

    path: str
    training_basis: str | None = None
    name: ClassVar[str] = "img2dataset"

    def check(self) -> None:
        """Raise `CrawlError` when the folder has no shards."""
        if not shards(Path(self.path)):
            raise CrawlError(
                f"{self.path} holds no shards of img2dataset: 00000.tar, 00000/ or 00000.parquet"
            )

    async def discover(self, context: CrawlContext) -> Discovery:
        """List the results shard by shard."""
        return await asyncio.to_thread(list_pages, context, self.pages())

    def pages(self) -> Iterator[ListingPage]:
        """Give the results in pages; those without an address are skipped and counted."""
        top = Path(self.path)
        photos = (
            self._to_listed_photo(result) for shard in shards(top) for result in results(top, shard)
        )
        while page := list(islice(photos, PAGE)):
            listed = [photo for photo in page if photo]
            yield ListingPage(listed, skipped=len(page) - len(listed))

    def plan(self) -> ResultsPlan:
        """Count the results; no picture is read."""
        top = Path(self.path)
        names = shards(top)
        failed = [bool(result.location.failed) for shard in names for result in results(top, shard)]
        return ResultsPlan(len(failed) - sum(failed), sum(failed), len(names))

    def _to_listed_photo(self, result: Img2DatasetResult) -> ListedPhoto | None:
        record = result.record
        address = normalised(str(record.get("url") or ""))
        if address is None:
            return None
        name = name_of(address)
        photo: Row = {
            "source": self.name,
            "source_photo_id": name,
            "image_url": without_secrets(address.geturl()),
            "title": record.get("caption") or None,
            "listed_width": record.get("original_width"),
            "listed_height": record.get("original_height"),
            "training_allowed": self.training_basis is not None,
            "training_basis": self.training_basis or NO_BASIS,
            LABELS: _labels(record),
        }
        if exif := exif_object(record.get("exif")):
            photo |= {"source_exif_json": json.dumps(exif, sort_keys=True), EXIF_SOURCE: "dataset"}
        key, location = photo_id(self.name, name), result.location.text()
        return ListedPhoto(
            key,
            photo,
            url=location,
            host=host_of(address.geturl()),
            version=str(record.get("status")),
        )

    @asynccontextmanager
    async def byte_fetcher(self, settings: CrawlSettings) -> AsyncIterator[FetchBytes]:
        """Read bytes in threads."""

        async def fetch(item: Item) -> FetchResponse:
            return await asyncio.to_thread(read_result, Path(self.path), item, settings.max_bytes)

        yield fetch


def read_result(top: Path, item: Item, max_bytes: int) -> FetchResponse:
    """Read the picture of an item, or return a failure; the address in the response is the original one."""
    url, location = str(item.photo["image_url"]), ArchiveLocation.read(item.url)
    if location.failed:
        return FetchResponse(url, failure=Failure("final", "img2dataset_failed", location.failed))
    try:
        body = read_bytes(top, location, max_bytes)
    except FileNotFoundError:
        return FetchResponse(url, failure=Failure("final", "missing", location.file))
    except (OSError, TypeError, IndexError, ValueError) as error:
        return FetchResponse(
            url, failure=Failure("final", "unreadable", f"{location.file}: {error}"[:300])
        )
    if len(body) > max_bytes:
        return FetchResponse(
            url, failure=Failure("final", "too_big", f"more than {max_bytes} bytes")
        )
    return FetchResponse(url, body)


def exif_object(text: object) -> dict[str, str]:
    """Extract camera and settings from the EXIF that img2dataset stores as JSON.

    >>> exif_object('{"EXIF FNumber": "14/5", "GPS GPSLatitude": "[1, 2, 3]"}')
    {'aperture': '14/5'}
    """
    try:
        tags = json.loads(str(text or "{}"))
    except ValueError:
        return {}
    if not isinstance(tags, dict):
        return {}
    return {ours: str(tags[theirs]) for theirs, ours in _EXIF.items() if tags.get(theirs)}


def _labels(record: Mapping[str, Any]) -> list[Row]:
    return [
        label
        for column in record
        if column not in _OWN and (label := dataset_label(column, record[column]))
    ]
