"""Identify a file before it is decoded: its container by the first bytes, and the segment structure of a JPEG.

File names and Content-Types are never used. Only containers in `READERS` are opened, each by its own decoder; a text
file or an SVG never reaches a decoder.
"""

from dataclasses import dataclass
from typing import Final

# First bytes -> container, which is also the name of Pillow's reader.
_MAGIC: Final = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
    b"BM": "BMP",
    b"\0\0\0\x0cjP  \r\n\x87\n": "JPEG2000",
    b"\xff\x4f\xff\x51": "JPEG2000",
    b"8BPS\0": "PSD",
    b"\0\0\0\x0cJXL \r\n\x87\n": "JXL",
    b"\xff\x0a": "JXL",
}
_AVIF_BRANDS: Final = (b"avif", b"avis")
_HEIF_BRANDS: Final = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1")
READERS: Final = ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "JPEG2000", "PSD", "AVIF")
"""Containers that can be decoded."""

ORDINARY: Final = ("JPEG", "PNG", "GIF", "WEBP")
"""Containers whose decoders are bounded by the size of the picture; all others are decoded one at a time."""

_MAX_SEGMENTS: Final = 4096  # a bound for hostile bytes; cameras write fewer than 100
_FRAMES: Final = (0xC0, 0xC1, 0xC2)
_WITHOUT_LENGTH: Final = (0x01, *range(0xD0, 0xD9))  # markers without a length
_SCAN, _APP1 = 0xDA, 0xE1


def sniff(body: bytes) -> str | None:
    """Name the container of `body`; None when it is not an image.

    >>> sniff(b"GIF89a..."), sniff(b"<svg xmlns=''/>")
    ('GIF', None)
    """
    if body[:4] == b"RIFF" and body[8:12] == b"WEBP":
        return "WEBP"
    if body[4:8] == b"ftyp":
        brands = body[8:64]
        if any(brand in brands for brand in _AVIF_BRANDS):
            return "AVIF"
        return "HEIF" if any(brand in brands for brand in _HEIF_BRANDS) else None
    return next((name for magic, name in _MAGIC.items() if body.startswith(magic)), None)


@dataclass(frozen=True)
class JpegStructure:
    """Structure of a JPEG: number of EXIF segments, of scans (at most), size of its coding units in px (0: unknown)."""

    exif_blocks: int = 0
    scans: int = 0
    unit_width: int = 0
    unit_height: int = 0
    is_progressive: bool = False


def jpeg_structure(body: bytes) -> JpegStructure:
    """Read the segments up to the first scan; bytes between segments are skipped; never raises."""
    exif_blocks, frame, offset = 0, b"", 2
    for _ in range(_MAX_SEGMENTS):
        offset = body.find(b"\xff", offset)
        if offset < 0 or offset + 4 > len(body) or body[offset + 1] == _SCAN:
            break
        marker, length = body[offset + 1], int.from_bytes(body[offset + 2 : offset + 4], "big")
        exif_blocks += marker == _APP1 and body.startswith(b"Exif\0", offset + 4)
        if marker in _FRAMES and not frame:
            frame = bytes([marker]) + body[offset + 4 : offset + 2 + length]
        offset += _step(marker, length)
    width, height = _unit(frame[1:])
    scans = body.count(b"\xff\xda", max(offset, 0))
    return JpegStructure(exif_blocks, scans, width, height, frame[:1] == b"\xc2")


def _step(marker: int, length: int) -> int:
    if marker in (0x00, 0xFF):  # stuffing and fill bytes
        return 1
    return 2 if marker in _WITHOUT_LENGTH else 2 + max(length, 2)


def _unit(frame: bytes) -> tuple[int, int]:
    """Give width and height in px of the blocks that a frame codes together: 8 or 16 of 4:2:0, 4:4:4 ..."""
    # Behind precision, height, width and count: id, factors and table of each channel.
    factors = frame[7::3]
    if not factors:
        return 0, 0
    if len(factors) == 1:
        return 8, 8
    return 8 * max(f >> 4 for f in factors), 8 * max(f & 15 for f in factors)
