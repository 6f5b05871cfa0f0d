"""Examine bytes: make the rows of tables `assets` and `exif` of a file.

Pure and thread-safe: no file, no network, no state. Never raises, whatever the bytes. For crawled bytes, `decoding.py`
calls this in a process without rights.
"""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, field

from crawler.exif.blocks import find_block
from crawler.exif.reader import ExifReading, read_exif
from crawler.exif.row import Cell, exif_row
from crawler.pictures.container import MAX_PIXELS, Container, HeaderValues, read_header, sniff
from crawler.pictures.jpeg_quality import jpeg_quality
from crawler.pictures.wave_header import is_wave, read_wave

IMAGES = frozenset({"image"})
_JPEG = b"\xff\xd8\xff"
_FIRST_PART = (
    1 << 20
)  # bytes that are searched for a thumbnail; cameras write it before the picture


@dataclass(frozen=True)
class ExaminationResult:
    """The rows of tables `assets` and `exif`; both are empty when the bytes are rejected.

    `rejected` is `empty`, `not_an_image`, `not_a_sound` or None. `asset` lacks the pack columns and `first_seen`, which
    are filled in later. A sound has no `exif`.
    """

    sha256: str
    rejected: str | None = None
    asset: dict[str, Cell] = field(default_factory=dict)
    exif: dict[str, Cell] = field(default_factory=dict)


def examine(
    body: bytes,
    *,
    max_pixels: int = MAX_PIXELS,
    media: Collection[str] = IMAGES,
    sha256: str | None = None,
) -> ExaminationResult:
    """Examine `body`; never raises. More than `max_pixels` is kept with header_status unreadable.

    `media` names the accepted kinds of file (image, sound); all others are rejected. `sha256` is that of `body`, if
    the caller has computed it.
    """
    sha256 = sha256 or hashlib.sha256(body).hexdigest()
    if not body:
        return ExaminationResult(sha256, rejected="empty")
    if "sound" in media and is_wave(body):
        return ExaminationResult(sha256, asset=_sound(sha256, body))
    kind = sniff(body) if "image" in media else None
    if kind is None:
        return ExaminationResult(
            sha256, rejected="not_an_image" if "image" in media else "not_a_sound"
        )
    header = read_header(body, kind, max_pixels=max_pixels)
    block = find_block(body, kind.format)
    reading = None if block is None else read_exif(block)
    return ExaminationResult(
        sha256,
        asset=_asset(sha256, body, kind, header),
        exif=exif_row(sha256, reading) | _thumbnail_place(body, reading),
    )


def _asset(sha256: str, body: bytes, kind: Container, header: HeaderValues) -> dict[str, Cell]:
    return {
        "sha256": sha256,
        "bytes": len(body),
        "mime": kind.mime,
        "format": kind.format,
        "width": header.width,
        "height": header.height,
        "header_status": header.status,
        "header_detail": header.detail,
        "jpeg_quality": jpeg_quality(getattr(header.picture, "quantization", {})),
    }


def _sound(sha256: str, body: bytes) -> dict[str, Cell]:
    header = read_wave(body)
    return {
        "sha256": sha256,
        "bytes": len(body),
        "mime": "audio/wav",
        "format": "WAV",
        "header_status": header.status,
        "header_detail": header.detail,
        "duration_s": header.duration_s,
        "sample_rate": header.sample_rate,
        "channels": header.channels,
    }


def _thumbnail_place(body: bytes, reading: ExifReading | None) -> dict[str, Cell]:
    """Return the position of the thumbnail in `body`; curation compares it with the pixels."""
    thumbnail = (reading and reading.thumbnail) or b""
    at = body.find(thumbnail, 0, _FIRST_PART) if thumbnail.startswith(_JPEG) else -1
    is_there = at >= 0
    return {
        "thumbnail_offset": at if is_there else None,
        "thumbnail_length": len(thumbnail) if is_there else None,
    }
