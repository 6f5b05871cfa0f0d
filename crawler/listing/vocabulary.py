"""The common form of listed photos: ids, rows, labels, times and camera settings."""

import hashlib
import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from fractions import Fraction

from crawler.exif.values import camera_name
from crawler.frontier.items import Row

SETTINGS = ("f_number", "iso", "exposure_time")


MOMENTS = ("posted_at", "updated_at")  # stored in the frontier as ISO text


# Keys of a listed photo that are not columns of its row: its labels, and the origin of its EXIF.
LABELS, EXIF_SOURCE = "labels", "exif_source"


def hash_id(*parts: object) -> str:
    r"""Make a row id: the first 32 hex digits of the SHA-256 of the parts, one a line.

    >>> hash_id("folder", "a.jpg") == hash_id("folder\na.jpg")
    True
    """
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:32]


def photo_id(source: str, source_photo_id: str) -> str:
    """Name a photo by its source and its name there."""
    return hash_id(source, source_photo_id)


def utc_now() -> datetime:
    """Return the time in UTC without a zone, as in the tables."""
    return datetime.now(UTC).replace(tzinfo=None)


def utc(text: str) -> datetime:
    """Convert an ISO time with an offset to UTC without a zone.

    >>> utc("2015-04-10T12:03:03-04:00")
    datetime.datetime(2015, 4, 10, 16, 3, 3)
    """
    return datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None)


def listed_row(photo: str, columns: Mapping[str, object], crawl: str) -> Row:
    """Make the photos row of a listed photo; `columns` are columns of the row, LABELS and EXIF_SOURCE are ignored."""
    row = {
        name: utc(str(value)) if name in MOMENTS and value else value
        for name, value in columns.items()
        if name not in (LABELS, EXIF_SOURCE)
    }
    return row | {"photo_id": photo, "crawl_id": crawl}


def source_exif(source_exif_json: object, exif_source: str = "api") -> Row | None:
    """Make an exif row of the EXIF object of an API or a dataset; null without any of the three settings."""
    exif = json.loads(str(source_exif_json)) if source_exif_json else {}
    row: Row = {
        "f_number": _number(exif.get("aperture")),
        "iso": _number(exif.get("iso")),
        "exposure_time": _number(exif.get("exposure_time")),
    }
    if all(value is None for value in row.values()):
        return None
    raw = {"f_number": "aperture", "iso": "iso", "exposure_time": "exposure_time"}
    texts = {f"{name}_raw": _text(exif.get(key)) for name, key in raw.items()}
    make, model = _text(exif.get("make")), _text(exif.get("model"))
    reader = "source API" if exif_source == "api" else "source dataset"
    common = {"exif_source": exif_source, "reader": reader, "status": "ok", "make": make}
    focal = {"model": model, "focal_mm": _number(exif.get("focal_length"))}
    return row | texts | common | focal | {"camera": camera_name(make, model)}


def label_row(
    photo: str,
    task: str,
    value: object,
    label_source: str,
    confidence: float | None = None,
    *,
    created_at: datetime | None = None,
) -> Row:
    """Make one row of `labels` for a photo; equal labels of one source have one id."""
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
    """Read 5.6, "5.6", "1/500" or "f/2.8"; null when it is not a number.

    >>> _number("1/500"), _number("9e999999999")
    (0.002, None)
    """
    text = str(value).strip().removeprefix("f/")
    try:
        # Fraction would build all digits of a large exponent.
        number = float(text) if "e" in text.lower() else float(Fraction(text))
    except (ValueError, ZeroDivisionError, OverflowError):
        return None
    return number if math.isfinite(number) else None
