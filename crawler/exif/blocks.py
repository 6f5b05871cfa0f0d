"""Locate the TIFF block with the EXIF inside each kind of image file.

TIFF itself is the block. JPEG, PNG and WebP are parsed by their own structure, tolerantly; boxed formats (HEIF, AVIF,
JPEG 2000, JPEG XL, raw files) are searched for the first eight bytes of a block.
"""

import re
from collections.abc import Callable, Iterator

from crawler.pictures.jpeg_segments import walk

_MAX_BLOCK = 1 << 20  # bytes taken from containers without a simple length
_MAX_CHUNKS = 4096

_HEADER = re.compile(rb"(?:Exif\0\0)(?=II\*\0|MM\0\*)|(?=II\*\0\x08\0\0\0|MM\0\*\0\0\0\x08)")
_TIFF_LIKE = frozenset(["TIFF"])


def find_block(body: bytes, kind: str) -> bytes | None:
    """Return the TIFF block of an image of this format; None when it has no EXIF.

    An empty block means that the EXIF header has no content.
    """
    if kind in _TIFF_LIKE:
        return body
    return _FINDERS.get(kind, _search)(body)


def _jpeg(body: bytes) -> bytes | None:
    return walk(body).exif


def _png(body: bytes) -> bytes | None:
    chunks = _chunks(body, 8, "big", overhead=12, name_first=False)
    return next((data for name, data in chunks if name == b"eXIf"), None)


def _webp(body: bytes) -> bytes | None:
    chunks = _chunks(body, 12, "little", overhead=8, name_first=True)
    block = next((data for name, data in chunks if name == b"EXIF"), None)
    return block and block.removeprefix(b"Exif\0\0")


def _search(body: bytes) -> bytes | None:
    match = _HEADER.search(body)
    return body[match.end() : match.end() + _MAX_BLOCK] if match else None


def _chunks(
    body: bytes, at: int, order: str, *, overhead: int, name_first: bool
) -> Iterator[tuple[bytes, bytes]]:
    """Walk chunks of (length, name) or (name, length); RIFF pads to even, PNG adds a checksum."""
    for _ in range(_MAX_CHUNKS):
        first, second = body[at : at + 4], body[at + 4 : at + 8]
        if len(second) < 4:
            return
        name, size = (first, second) if name_first else (second, first)
        length = int.from_bytes(size, "little" if order == "little" else "big")
        yield name, body[at + 8 : at + 8 + length]
        at += overhead + length + (length % 2 if name_first else 0)


_FINDERS: dict[str, Callable[[bytes], bytes | None]] = {"JPEG": _jpeg, "PNG": _png, "WEBP": _webp}
