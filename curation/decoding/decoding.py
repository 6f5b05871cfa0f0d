"""Decode files in sandboxed processes, and validate their replies.

Hostile bytes make decoders crash, hang, exhaust memory or run foreign code; in a sandbox that costs one row. Most files
are decoded by as many processes as there are cores; files that may need much memory (`limits.is_risky`) one at a time.
"""

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from catalog import Decoded, DecoderError, DecoderLimits, DecoderPool
from curation.decoding.health import PREVIEW_SIDE_PX, Health
from curation.decoding.limits import (
    MAX_SIDE_PX,
    MEMORY_LIMIT,
    MIN_SIDE_PX,
    THUMBNAIL_SIDE_PX,
    TIME_LIMIT_S,
    DecodeError,
)
from curation.decoding.pixels import Pixels
from curation.decoding.sounds import Waveform, checked_reply

DECODERS = DecoderPool(
    "curation.decoding.decoder_jobs",
    DecoderLimits(timeout_s=TIME_LIMIT_S, memory_bytes=MEMORY_LIMIT),
)
"""The decoder processes of this process."""

_HEAVY = threading.Lock()  # held while a file that may take much memory is decoded
_LONGEST = 1000  # characters of `detail`
_STATUS = frozenset(
    [
        *("ok", "damaged", "truncated", "undecodable", "not_an_image", "unsupported", "crashed"),
        *("bomb", "too_small", "too_narrow", "too_large", "too_much_memory"),
    ]
)


def examine(
    image: bytes,
    thumbnail: bytes = b"",
    decoders: DecoderPool = DECODERS,
    *,
    min_side_px: int = MIN_SIDE_PX,
) -> Health:
    """Decode one file and measure it; every failure is a `decode_status` with its detail.

    `thumbnail` is the JPEG inside its EXIF, in the orientation of the stored pixels. A damaged picture is not
    compared with it. A side below `min_side_px` is too small. Raises `SandboxError` when no process can be started.
    """
    try:
        options = {"min_side_px": min_side_px}
        return _health(_decode(decoders, "examine", (image, thumbnail), options))
    except DecodeError as error:
        return Health(error.status, error.detail)


def examine_sound(body: bytes, decoders: DecoderPool = DECODERS) -> Health:
    """Decode one WAV file; `pixel_sha256` is then the hash of its samples, and every failure is a `decode_status`.

    Raises `SandboxError` when no process can be started.
    """
    try:
        reply = _decode(decoders, "sound", (body,), {})
        digest, _ = checked_reply(reply.result, reply.parts)
    except DecodeError as error:
        return Health(error.status, _detail(error.detail))
    return Health("ok", pixel_sha256=digest)


def sound_waveform(body: bytes, decoders: DecoderPool = DECODERS) -> Waveform:
    """Give the outline of a sound, (2, columns), its peak being 127; raises `DecodeError`."""
    reply = _decode(decoders, "sound", (body,), {})
    return checked_reply(reply.result, reply.parts)[1]


def decode_small(
    image: bytes,
    *,
    side_px: int = PREVIEW_SIDE_PX,
    height_px: int | None = None,
    decoders: DecoderPool = DECODERS,
) -> Pixels:
    """Give upright RGB pixels of at most `side_px` a side, or `height_px` high; raises `DecodeError`."""
    options = {"side_px": side_px, "height_px": height_px}
    reply = _decode(decoders, "small", (image,), options)
    if "status" in reply.result:
        raise DecodeError(_status(reply.result["status"]), _detail(reply.result.get("detail")))
    size = (reply.result.get(name) for name in ("width", "height"))
    width, height = (side if type(side) is int and side > 0 else 0 for side in size)
    pixels = reply.parts[0] if reply.parts else b""
    if not width * height or len(pixels) != 3 * width * height:
        raise _invalid_reply("size")
    return np.frombuffer(pixels, np.uint8).reshape(height, width, 3)


def _decode(
    decoders: DecoderPool, job: str, parts: tuple[bytes, ...], options: Mapping[str, object]
) -> Decoded:
    """Decode a file in a sandbox, one at a time when it may need much memory; raises `DecodeError`."""
    try:
        reply = decoders.decode(job, *parts, **options, heavy=False)
        if reply.result.get("is_heavy") is not True:
            return reply
        with _HEAVY:
            return decoders.decode(job, *parts, **options, heavy=True)
    except DecoderError as error:
        raise DecodeError(error.status, error.detail) from error


def _health(reply: Decoded) -> Health:
    """Accept columns of the right types and pixels of the right size; raises `DecodeError` otherwise."""
    columns = reply.result
    has_pixels = columns.get("decode_status") in ("ok", "damaged")
    if columns.keys() != _NAMES or len(reply.parts) != (2 if has_pixels else 0):
        raise _invalid_reply("row")
    for name in _NAMES:
        is_missing = columns[name] is None and (name in _OPTIONAL or not has_pixels)
        if not (is_missing or _CHECKS[name](columns[name])):
            raise _invalid_reply(name)
    if not has_pixels:
        return Health(**columns)
    thumbnail, preview = reply.parts
    row = 3 * columns["preview_width"]
    is_valid = len(preview) % row == 0 and 0 < len(preview) // row <= PREVIEW_SIDE_PX
    if not is_valid or len(thumbnail) != 3 * THUMBNAIL_SIDE_PX**2:
        raise _invalid_reply("preview")
    return Health(**columns, thumbnail=thumbnail, preview=preview)


_NAMES = {field.name for field in fields(Health)} - {"thumbnail", "preview"}
_OPTIONAL = frozenset(["detail", "thumbnail_correlation", "exif_blocks"])


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 < value <= MAX_SIDE_PX


def _is_number(value: Any) -> bool:
    return type(value) in (float, int) and abs(value) < 1e30  # not for nan


_CHECKS: dict[str, Callable[[Any], object]] = {
    "decode_status": lambda value: type(value) is str and value in _STATUS,
    "detail": lambda value: type(value) is str and _detail(value) == value,
    "pixel_sha256": lambda value: type(value) is str and re.fullmatch("[0-9a-f]{64}", value),
    "width": _is_size,
    "height": _is_size,
    **dict.fromkeys(("luma_mean", "luma_std", "sharpness"), _is_number),
    **dict.fromkeys(("detail_energy", "thumbnail_correlation"), _is_number),
    "exif_blocks": lambda value: type(value) is int and 0 <= value < 1 << 16,
    "preview_width": lambda value: type(value) is int and 0 < value <= PREVIEW_SIDE_PX,
}


def _status(value: object) -> str:
    return value if isinstance(value, str) and value in _STATUS else "crashed"


def _detail(value: object) -> str:
    """Convert a value from a decoder process to text: bounded, and valid UTF-8."""
    return str(value)[:_LONGEST].encode(errors="replace").decode()


def _invalid_reply(what: str) -> DecodeError:
    return DecodeError("crashed", f"the decoder process gave an impossible {what}")
