"""Catalog rows of a fetch result: one function for each table."""

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


def make_crawl_id(source: str, config: Mapping[str, object]) -> str:
    """Make the id of a crawl of its source and its settings: equal settings have one id."""
    return hash_id(source, json.dumps(config, sort_keys=True))[:16]


FetchOutcome = Literal["done", "unchanged", "repeat"]


@dataclass(frozen=True)
class FetchResult:
    """The result of one attempt: the bytes of a picture with their examination, or a failure."""

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
    content_name: str | None = None  # its name at the source, when the photo is named by its bytes
    outcome: FetchOutcome = "done"
    elsewhere: str | None = None  # redirected to a host of another worker

    @property
    def photo_id(self) -> str:
        """The id of the fetched photo: that of the item, unless the photo is named by its bytes."""
        if self.content_name is None:
            return self.item.photo_id
        return photo_id(str(self.item.photo["source"]), self.content_name)


def fetch_row(result: FetchResult) -> Row:
    """Make the row of one ended attempt, successful or failed."""
    item, failure = result.item, result.failure
    return {
        "fetch_id": hash_id(item.crawl_id, item.photo_id, result.attempt),
        "crawl_id": item.crawl_id,
        "photo_id": item.photo_id,
        "url": without_secrets(result.url),
        "host": item.host,
        "attempt": result.attempt,
        "http_status": failure.http_status if failure else result.http_status,
        "outcome": "failed" if failure else result.outcome,
        "error_class": failure.error_class if failure else None,
        "error": failure.error if failure else None,
        "error_detail": (failure.detail[:500] or None) if failure else None,
        "fetched_at": result.ended_at,
        "duration_ms": result.duration_ms,
        "bytes": len(result.body) if result.body else None,
        "content_type": result.content_type,
        "etag": result.etag,
        "modified": result.modified,
        "asset_sha256": None if failure else result.sha256,
    }


def photo_row(result: FetchResult) -> Row:
    """Make the row of a fetched photo, from the columns that its source listed."""
    item = result.item
    row = listed_row(item.photo_id, item.photo, item.crawl_id)
    if result.content_name is not None:
        row["source_photo_id"] = result.content_name
    return row | {
        "photo_id": result.photo_id,
        "asset_sha256": result.sha256,
        "fetched_at": result.ended_at,
        "image_url": without_secrets(result.url) if item.host else None,
    }


def asset_row(result: FetchResult) -> Row:
    """Make the row of a file; the catalog adds its position in a pack."""
    assert result.asset is not None, "a fetched picture is examined"
    own = {"sha256": result.sha256, "bytes": len(result.body), "first_seen": result.ended_at}
    return {**result.asset, **own}


def exif_rows(result: FetchResult) -> list[Row]:
    """Make the EXIF row of a file and, when the file has no settings but the source has, one of its source.

    EXIF of a dataset always has a row: it comes from the original, and the file may be a rendition. A sound has none.
    """
    assert result.exif is not None, "a fetched picture is examined"
    if not result.exif:
        return []
    photo = result.item.photo
    file: Row = {**result.exif, "asset_sha256": result.sha256, "exif_source": "file"}
    source = str(photo.get(EXIF_SOURCE) or "api")
    if source == "api" and any(file.get(name) is not None for name in SETTINGS):
        return [file]
    source_row = source_exif(photo.get("source_exif_json"), source)
    key = {"photo_id": result.photo_id} if source == "dataset" else {}
    return [file, source_row | key | {"asset_sha256": result.sha256}] if source_row else [file]


def label_rows(result: FetchResult) -> list[Row]:
    """Make the labels of a photo: those of its source, and its folder when it has one."""
    photo, folder = result.photo_id, result.item.photo.get("folder")
    labels = result.item.photo.get(LABELS) or []
    assert isinstance(labels, list), "sources list labels"
    rows = [label_row(photo, **label, created_at=result.ended_at) for label in labels]
    if folder:
        rows.append(label_row(photo, "folder", folder, "folder_name", created_at=result.ended_at))
    return rows
