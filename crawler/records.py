"""Catalog rows of a crawl: ids, and one function for each table that makes its row."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from typing import Literal
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from crawler.exif_values import camera_name
from crawler.failures import Failure
from crawler.frontier import Item, Row

SETTINGS = ("f_number", "iso", "exposure_time")
MOMENTS = ("posted_at", "updated_at")  # travel through the frontier as ISO text

# Keys of a listed photo that are no columns of its row: what it is labelled with, and who states its EXIF.
LABELS, EXIF_SOURCE = "labels", "exif_source"

# Query parameters that open a door; they never reach a row.
_SECRETS = frozenset(
    {"client_id", "client_secret", "access_token", "api_key", "apikey", "key", "token"}
    | {"sig", "signature"}
)


def hash_id(*parts: object) -> str:
    r"""Make a row id: the first 32 hex digits of the SHA-256 of the parts, one a line.

    >>> hash_id("folder", "a.jpg") == hash_id("folder\na.jpg")
    True
    """
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:32]


def crawl_id(source: str, config: Mapping[str, object]) -> str:
    """Name a crawl by its source and its settings: the same order has the same id."""
    return hash_id(source, json.dumps(config, sort_keys=True))[:16]


def photo_id(source: str, source_photo_id: str) -> str:
    """Name a photo by its source and its name there."""
    return hash_id(source, source_photo_id)


def utc_now() -> datetime:
    """Return the time in UTC, without a zone, as the tables hold it."""
    return datetime.now(UTC).replace(tzinfo=None)


def utc(text: str) -> datetime:
    """Read an ISO time with an offset as UTC without a zone.

    >>> utc("2015-04-10T12:03:03-04:00")
    datetime.datetime(2015, 4, 10, 16, 3, 3)
    """
    return datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None)


def without_secrets(url: str) -> str:
    """Take user names, passwords, keys, tokens and signatures out of an address.

    >>> without_secrets("https://me:pw@a.org/p.jpg?w=9&client_id=K")
    'https://a.org/p.jpg?w=9'
    """
    parts = urlsplit(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    if not any(name.lower() in _SECRETS for name, _ in query) and "@" not in parts.netloc:
        return url
    kept = urlencode([(name, value) for name, value in query if name.lower() not in _SECRETS])
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, kept, ""))


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


def listed_row(photo: str, said: Mapping[str, object], crawl: str) -> Row:
    """Make the row of a photo known by its listing only; `said` holds columns of the row, and may hold LABELS."""
    known = {
        name: utc(str(value)) if name in MOMENTS and value else value
        for name, value in said.items()
        if name not in (LABELS, EXIF_SOURCE)
    }
    return known | {"photo_id": photo, "crawl_id": crawl}


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


def source_exif(source_exif_json: object, exif_source: str = "api") -> Row | None:
    """Type the EXIF object of an API or a dataset; null when it holds none of the three settings."""
    said = json.loads(str(source_exif_json)) if source_exif_json else {}
    row: Row = {
        "f_number": _number(said.get("aperture")),
        "iso": _number(said.get("iso")),
        "exposure_time": _number(said.get("exposure_time")),
    }
    if all(value is None for value in row.values()):
        return None
    raw = {"f_number": "aperture", "iso": "iso", "exposure_time": "exposure_time"}
    texts = {f"{name}_raw": _text(said.get(key)) for name, key in raw.items()}
    make, model = _text(said.get("make")), _text(said.get("model"))
    reader = "source API" if exif_source == "api" else "source dataset"
    about = {"exif_source": exif_source, "reader": reader, "status": "ok", "make": make}
    focal = {"model": model, "focal_mm": _number(said.get("focal_length"))}
    return row | texts | about | focal | {"camera": camera_name(make, model)}


def label_rows(brought: Brought) -> list[Row]:
    """Label a photo with the folder it lies in, if it lies in one, and as its source labels it."""
    photo, folder = brought.photo_id, brought.item.photo.get("folder")
    said = brought.item.photo.get(LABELS) or []
    assert isinstance(said, list), "sources list labels"
    rows = [label_row(photo, **label, created_at=brought.ended_at) for label in said]
    if folder:
        rows.append(label_row(photo, "folder", folder, "folder_name", created_at=brought.ended_at))
    return rows


def label_row(
    photo: str,
    task: str,
    value: object,
    label_source: str,
    confidence: float | None = None,
    *,
    created_at: datetime | None = None,
) -> Row:
    """Make one row of `labels` about a photo; the same statement of the same source has the same id."""
    return {
        "label_id": hash_id(photo, task, value, label_source),
        "subject_kind": "photo",
        "subject_id": photo,
        "task": task,
        "value": str(value),
        "label_source": label_source,
        "confidence": confidence,
        "created_at": created_at or utc_now(),
    }


def _text(value: object) -> str | None:
    return str(value).strip() or None if value is not None else None


def _number(value: object) -> float | None:
    """Read 5.6, "5.6", "1/500" or "f/2.8"; null when it is no number.

    >>> _number("1/500"), _number("9e999999999")
    (0.002, None)
    """
    text = str(value).strip().removeprefix("f/")
    try:
        # A fraction with an exponent is built digit by digit, however many there are.
        found = float(text) if "e" in text.lower() else float(Fraction(text))
    except (ValueError, ZeroDivisionError, OverflowError):
        return None
    return found if math.isfinite(found) else None
