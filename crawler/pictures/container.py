"""Identify image files: the container by its magic bytes, the size by its header, truncation by its end mark.

The file name and the server's Content-Type are not used. Nothing is decoded here: Pillow reads headers lazily, and a
picture that would exceed memory is reported as unreadable.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from PIL import Image, UnidentifiedImageError

from crawler.pictures.bounded_reader import BoundedReader
from crawler.pictures.jpeg_segments import walk

MAX_PIXELS = 80_000_000  # more than any camera writes as JPEG; three bytes each when decoded


class Container(NamedTuple):
    """A kind of image file: our name, its media type, and the reader in Pillow (None: there is none)."""

    format: str
    mime: str
    reader: str | None


JPEG = Container("JPEG", "image/jpeg", "JPEG")
PNG = Container("PNG", "image/png", "PNG")
GIF = Container("GIF", "image/gif", "GIF")
WEBP = Container("WEBP", "image/webp", "WEBP")
TIFF = Container("TIFF", "image/tiff", "TIFF")
BMP = Container("BMP", "image/bmp", "BMP")
JP2 = Container("JP2", "image/jp2", "JPEG2000")
JXL = Container("JXL", "image/jxl", None)
AVIF = Container("AVIF", "image/avif", "AVIF")
HEIF = Container("HEIF", "image/heif", None)

# First bytes -> container. Containers with other rules are in `_by_brand` and `_bitmap`.
_MAGIC: dict[bytes, Container] = {
    b"\xff\xd8\xff": JPEG,
    b"\x89PNG\r\n\x1a\n": PNG,
    b"GIF87a": GIF,
    b"GIF89a": GIF,
    b"II*\0": TIFF,
    b"MM\0*": TIFF,
    b"II+\0": TIFF,
    b"MM\0+": TIFF,
    b"\0\0\0\x0cjP  \r\n\x87\n": JP2,
    b"\xff\x4f\xff\x51": JP2,
    b"\0\0\0\x0cJXL \r\n\x87\n": JXL,
    b"\xff\x0a": JXL,
    b"8BPS\0": Container("PSD", "image/vnd.adobe.photoshop", "PSD"),
    b"IIRO": Container("ORF", "image/x-olympus-orf", None),
    b"IIRS": Container("ORF", "image/x-olympus-orf", None),
    b"IIU\0": Container("RW2", "image/x-panasonic-rw2", None),
    b"FUJIFILMCCD-RAW": Container("RAF", "image/x-fuji-raf", None),
    b"FOVb": Container("X3F", "image/x-sigma-x3f", None),
    b"II\x1a\0\0\0HEAPCCDR": Container("CRW", "image/x-canon-crw", None),
}
# Brand of an ISO base media file (bytes 8-12) -> container; films have other brands.
_BRANDS: dict[bytes, Container] = {
    b"avif": AVIF,
    b"avis": AVIF,
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), HEIF),
    b"crx ": Container("CR3", "image/x-canon-cr3", None),
}
_BITMAP_HEADERS = frozenset([12, 40, 52, 56, 64, 108, 124])


def sniff(body: bytes) -> Container | None:
    """Return the image container of `body` by its magic bytes; None when it is not an image."""
    if body[4:8] == b"ftyp":
        return _by_brand(body)
    if body[:4] == b"RIFF" and body[8:12] == b"WEBP":
        return WEBP
    if body[:2] == b"BM" and int.from_bytes(body[14:18], "little") in _BITMAP_HEADERS:
        return BMP
    return next((kind for magic, kind in _MAGIC.items() if body.startswith(magic)), None)


def _by_brand(body: bytes) -> Container | None:
    """Return the container of the major brand, or of the first compatible brand that is a picture."""
    end = min(int.from_bytes(body[:4], "big"), 256)
    brands = [body[8:12], *(body[at : at + 4] for at in range(16, end, 4))]
    return next((_BRANDS[brand] for brand in brands if brand in _BRANDS), None)


@dataclass(frozen=True)
class HeaderValues:
    """The values of a header; `picture` is the opened, undecoded image when it is safe to decode."""

    width: int | None = None
    height: int | None = None
    status: str = "ok"
    detail: str | None = None
    picture: Image.Image | None = None


def read_header(body: bytes, kind: Container, *, max_pixels: int = MAX_PIXELS) -> HeaderValues:
    """Read the header without decoding; never raises, whatever the bytes."""
    if kind.reader is None:
        return HeaderValues(status="unreadable", detail=f"no reader for {kind.format}")
    _silence_warnings()
    try:
        picture = Image.open(BoundedReader(body), formats=[kind.reader])
    except Exception as error:  # noqa: BLE001 - a parser on hostile bytes; kept in `detail`
        return HeaderValues(status="unreadable", detail=_error_text(error))
    width, height = picture.size
    if width * height > max_pixels:
        detail = f"too_many_pixels: {width} x {height} is over {max_pixels}"
        return HeaderValues(width, height, "unreadable", detail)
    if _is_truncated(body, kind):
        return HeaderValues(width, height, "truncated", "no end mark", picture)
    return HeaderValues(width, height, picture=picture)


def _error_text(error: Exception) -> str:
    """Describe an error reproducibly: one message of Pillow contains the memory address of the stream."""
    if isinstance(error, Image.DecompressionBombError):  # Pillow refuses it before this module can
        return f"too_many_pixels: {error}"[:200]
    if isinstance(error, UnidentifiedImageError):
        return "UnidentifiedImageError: the header is broken"
    return f"{type(error).__name__}: {error}"[:200]


@cache
def _silence_warnings() -> None:
    """Silence Pillow's warnings: sizes are bounded here, and other problems are stored in the row."""
    warnings.filterwarnings("ignore", module=r"PIL\.")
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


def _is_truncated(body: bytes, kind: Container) -> bool:
    check = _END_CHECKS.get(kind.format)
    return check is not None and not check(body)


def _jpeg_ends(body: bytes) -> bool:
    """Search the end mark after the start of the scan: thumbnails before it have end marks of their own."""
    start = walk(body).scan_start
    return start is not None and body.rfind(b"\xff\xd9", start) >= 0


# Containers with an end mark. Bytes after the end mark are allowed everywhere except in GIF, whose mark is too short to
# be searched. Pillow itself refuses a truncated WebP.
_END_CHECKS: dict[str, Callable[[bytes], bool]] = {
    "JPEG": _jpeg_ends,
    "PNG": lambda body: b"IEND" in body,
    "GIF": lambda body: body.rstrip(b"\0").endswith(b";"),
}
