"""Examine and draw crawled bytes in processes without rights, and validate their results.

A decoder that hostile bytes have taken over cannot read files or connect to hosts; it can only return wrong rows. So a
returned row is accepted when each value fits its column, and values that this process can compute (SHA-256, size) are
not taken from the row.
"""

import hashlib
import re
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from functools import cache
from typing import Any

import pyarrow as pa

from catalog import TABLES, DecoderError, DecoderLimits, DecoderPool
from crawler.examination.examine import IMAGES, ExaminationResult
from crawler.exif.row import READER, Cell
from crawler.pictures.container import MAX_PIXELS, Container, sniff
from crawler.pictures.wave_header import is_wave

TIME_LIMIT_S = 20.0
MEMORY_LIMIT = 1 << 30  # bytes; headers and EXIF take little, a thumbnail all pixels of its picture
_LONGEST = 1 << 20  # characters of one value
_HALF_PAIR = re.compile("[\ud800-\udfff]")  # surrogates: UTF-8 cannot encode them
_NOT_FROM_CHILD = frozenset({"first_seen", "pack", "pack_offset", "pack_length", "photo_id"})
WAVE = Container("WAV", "audio/wav", None)
_THUMBNAIL_SIDE_PX = 1024

DECODERS = DecoderPool(
    "crawler.examination.decoder_jobs",
    DecoderLimits(timeout_s=TIME_LIMIT_S, memory_bytes=MEMORY_LIMIT),
    patience_s=0.05,
)
"""The decoder processes of this process: one is fast enough for a crawl, unless a file takes long."""


def examine_crawled(
    body: bytes,
    *,
    max_pixels: int = MAX_PIXELS,
    media: Collection[str] = IMAGES,
    decoders: DecoderPool = DECODERS,
) -> ExaminationResult:
    """Examine `body` as `examine` does, in a process without rights.

    When that process dies, the file is kept; its header and its EXIF are `unreadable`, with the reason.
    Raises `SandboxError` when no such process can be started.
    """
    sha256 = hashlib.sha256(body).hexdigest()
    kind = _kind(body, media)
    if isinstance(kind, str):
        return ExaminationResult(sha256, rejected=kind)
    asset: dict[str, Cell] = {"sha256": sha256, "bytes": len(body)}
    asset |= {"mime": kind.mime, "format": kind.format}
    exif: dict[str, Cell] = {"asset_sha256": sha256, "exif_source": "file", "reader": READER}
    options = {"max_pixels": max_pixels, "media": sorted(media), "sha256": sha256}
    try:
        rows = decoders.decode("examine", body, **options).result
        asset = _validate_row("assets", rows.get("asset"), asset)
        exif = {} if kind is WAVE else _validate_row("exif", rows.get("exif"), exif)
    except DecoderError as error:
        why = f"{error.status}: {error.detail}"
        asset |= {"header_status": "unreadable", "header_detail": why}
        exif |= {"status": "unreadable", "error": why, "gps_present": False}
    return ExaminationResult(sha256, asset=asset, exif={} if kind is WAVE else exif)


def _kind(body: bytes, media: Collection[str]) -> Container | str:
    """Return the container by the first bytes, as `examine` does, or the reason of a rejection."""
    if not body:
        return "empty"
    if "sound" in media and is_wave(body):
        return WAVE
    kind = sniff(body) if "image" in media else None
    return kind or ("not_an_image" if "image" in media else "not_a_sound")


def draw_crawled(
    body: bytes, side_px: int, decoders: DecoderPool = DECODERS
) -> tuple[tuple[int, int], bytes]:
    """Return size and RGB pixels of an upright thumbnail of `body`; raises `DecoderError`, `SandboxError`."""
    assert side_px <= _THUMBNAIL_SIDE_PX, "thumbnails are small"
    thumbnail = decoders.decode("thumbnail", body, side_px=side_px)
    size = (thumbnail.result.get("width"), thumbnail.result.get("height"))
    pixels = thumbnail.parts[0] if thumbnail.parts else b""
    width, height = (n if type(n) is int and 0 < n <= side_px else 0 for n in size)
    if not width * height or len(pixels) != 3 * width * height:
        raise DecoderError("crashed", "the decoder process gave pixels that make no picture")
    return (width, height), pixels


def _validate_row(table: str, row: object, own: Mapping[str, Cell]) -> dict[str, Cell]:
    """Return the row with the values of `own` in it; raises `DecoderError` unless each value fits its column."""
    if not isinstance(row, dict):
        raise _impossible_value(table)
    checks = _checks(table)
    for name, value in row.items():
        if name not in checks or not (value is None or checks[name](value)):
            raise _impossible_value(f"{table}.{name}")
    validated: dict[str, Cell] = {**row, **own}
    if validated.get("taken_at") is not None:
        try:
            validated["taken_at"] = _moment(str(validated["taken_at"]))
        except ValueError as error:
            raise _impossible_value(f"{table}.taken_at") from error
    return validated


def _impossible_value(what: str) -> DecoderError:
    name = re.sub(r"\W", "?", what)[:60]
    return DecoderError("crashed", f"the decoder process gave an impossible {name}")


@cache
def _checks(table: str) -> dict[str, Callable[[Any], bool]]:
    """Return, for each column that a child fills, the check of its values."""
    fields = [field for field in TABLES[table].schema if field.name not in _NOT_FROM_CHILD]
    return {field.name: _check(field.type) for field in fields}


def _check(kind: pa.DataType) -> Callable[[Any], bool]:
    if pa.types.is_list(kind):
        return lambda value: type(value) is list and len(value) < 1000 and all(map(_is_text, value))
    if pa.types.is_integer(kind):
        most = 1 << (kind.bit_width - 1)
        return lambda value: type(value) is int and -most <= value < most
    if pa.types.is_floating(kind):
        return lambda value: type(value) is float or (type(value) is int and abs(value) < 1 << 53)
    if pa.types.is_boolean(kind):
        return lambda value: type(value) is bool
    return _is_text


def _is_text(value: Any) -> bool:
    if type(value) is not str or len(value) > _LONGEST:
        return False
    return value.isascii() or not _HALF_PAIR.search(value)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is not None:
        raise ValueError(text)
    return moment
