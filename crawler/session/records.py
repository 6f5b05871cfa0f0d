"""Catalog rows of a crawl: ids, and one function for each table that makes its row."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from crawler.fetch.addresses import without_secrets
from crawler.fetch.failures import Failure
from crawler.frontier.items import Item, Row
from crawler.listing.vocabulary import (
    EXIF_SOURCE,
    LABELS,
    SETTINGS,
    hash_id,
    label_row,
    listed_row,
    photo_id,
    source_exif,
)


def crawl_id(source: str, config: Mapping[str, object]) -> str:
    """Name a crawl by its source and its settings: the same order has the same id."""
    return hash_id(source, json.dumps(config, sort_keys=True))[:16]


Outcome = Literal["done", "unchanged", "repeat"]


@dataclass(frozen=True)
class Brought:
    """One ended attempt: the bytes of a picture with what was found in them, or a failure."""

    item: Item
    attempt: int
    url: str
    ended_at: datetime
    body: bytes = b""
    failure: Failure | None = None
    http_status: int | None = None
    duration_ms: float | None = None
    content_type: str | None = None
    etag: str | None = None
    modified: str | None = None
    sha256: str | None = None
    asset: Mapping[str, object] | None = None
    exif: Mapping[str, object] | None = None
    content_name: str | None = None  # its name at the source, when only the bytes tell it
    outcome: Outcome = "done"
    elsewhere: str | None = None  # redirected to an address that another worker asks

    @property
    def photo_id(self) -> str:
        """The photo that came in: the one asked for, unless the bytes say another."""
        if self.content_name is None:
            return self.item.photo_id
        return photo_id(str(self.item.photo["source"]), self.content_name)


def fetch_row(brought: Brought) -> Row:
    """Make the row of one ended attempt, good or bad."""
    item, failure = brought.item, brought.failure
    return {
        "fetch_id": hash_id(item.crawl_id, item.photo_id, brought.attempt),
        "crawl_id": item.crawl_id,
        "photo_id": item.photo_id,
        "url": without_secrets(brought.url),
        "host": item.host,
        "attempt": brought.attempt,
        "http_status": failure.http_status if failure else brought.http_status,
        "outcome": "failed" if failure else brought.outcome,
        "error_class": failure.error_class if failure else None,
        "error": failure.error if failure else None,
        "error_detail": (failure.detail[:500] or None) if failure else None,
        "fetched_at": brought.ended_at,
        "duration_ms": brought.duration_ms,
        "bytes": len(brought.body) if brought.body else None,
        "content_type": brought.content_type,
        "etag": brought.etag,
        "modified": brought.modified,
        "asset_sha256": None if failure else brought.sha256,
    }


def photo_row(brought: Brought) -> Row:
    """Make the row of a photo whose bytes came in, from what its source said about it."""
    item = brought.item
    known = listed_row(item.photo_id, item.photo, item.crawl_id)
    if brought.content_name is not None:
        known["source_photo_id"] = brought.content_name
    return known | {
        "photo_id": brought.photo_id,
        "asset_sha256": brought.sha256,
        "fetched_at": brought.ended_at,
        "image_url": without_secrets(brought.url) if item.host else None,
    }


def asset_row(brought: Brought) -> Row:
    """Make the row of a file; the catalog fills in its place inside a pack."""
    assert brought.asset is not None, "a picture that came in was examined"
    own = {"sha256": brought.sha256, "bytes": len(brought.body), "first_seen": brought.ended_at}
    return {**brought.asset, **own}


def exif_rows(brought: Brought) -> list[Row]:
    """Make the EXIF row of a file and, when it says nothing and the source does, one of its source.

    A dataset's EXIF always gets its row: it was read from the original, the file may be a rendition. A sound has none.
    """
    assert brought.exif is not None, "a picture that came in was examined"
    if not brought.exif:
        return []
    photo = brought.item.photo
    file: Row = {**brought.exif, "asset_sha256": brought.sha256, "exif_source": "file"}
    source = str(photo.get(EXIF_SOURCE) or "api")
    if source == "api" and any(file.get(name) is not None for name in SETTINGS):
        return [file]
    said = source_exif(photo.get("source_exif_json"), source)
    about = {"photo_id": brought.photo_id} if source == "dataset" else {}
    return [file, said | about | {"asset_sha256": brought.sha256}] if said else [file]


def label_rows(brought: Brought) -> list[Row]:
    """Label a photo with the folder it lies in, if it lies in one, and as its source labels it."""
    photo, folder = brought.photo_id, brought.item.photo.get("folder")
    said = brought.item.photo.get(LABELS) or []
    assert isinstance(said, list), "sources list labels"
    rows = [label_row(photo, **label, created_at=brought.ended_at) for label in said]
    if folder:
        rows.append(label_row(photo, "folder", folder, "folder_name", created_at=brought.ended_at))
    return rows
