"""Write EXIF blocks, valid and broken ones.

Pillow writes only valid EXIF. The demo also needs 1/0, negative times and IFD pointers outside the block, so this
module writes the block itself: TIFF header, IFD0, Exif IFD, IFD1 with the thumbnail; each directory is followed by
its values that do not fit into four bytes.
"""

import struct
from collections.abc import Mapping
from fractions import Fraction

Ratio = tuple[int, int]
Value = str | bytes | int | Fraction | Ratio | tuple[Ratio, ...]

# Tag numbers by name, and the type that the Exif standard gives each.
ASCII, SHORT, LONG, RATIONAL, UNDEFINED, SRATIONAL = 2, 3, 4, 5, 7, 10
IFD0 = {
    "ImageDescription": (0x010E, ASCII),
    "Make": (0x010F, ASCII),
    "Model": (0x0110, ASCII),
    "Orientation": (0x0112, SHORT),
    "XResolution": (0x011A, RATIONAL),
    "YResolution": (0x011B, RATIONAL),
    "ResolutionUnit": (0x0128, SHORT),
    "Software": (0x0131, ASCII),
    "DateTime": (0x0132, ASCII),
    "Artist": (0x013B, ASCII),
}
EXIF = {
    "ExposureTime": (0x829A, RATIONAL),
    "FNumber": (0x829D, RATIONAL),
    "ISO": (0x8827, SHORT),
    "ExifVersion": (0x9000, UNDEFINED),
    "DateTimeOriginal": (0x9003, ASCII),
    "ShutterSpeedValue": (0x9201, SRATIONAL),
    "ApertureValue": (0x9202, RATIONAL),
    "MaxApertureValue": (0x9205, RATIONAL),
    "FocalLength": (0x920A, RATIONAL),
    "SubSecTimeOriginal": (0x9291, ASCII),
    "PixelXDimension": (0xA002, LONG),
    "PixelYDimension": (0xA003, LONG),
    "BodySerialNumber": (0xA431, ASCII),
    "LensSpecification": (0xA432, RATIONAL),
    "LensModel": (0xA434, ASCII),
}
THUMBNAIL = {
    "Compression": (0x0103, SHORT),
    "ThumbnailOffset": (0x0201, LONG),
    "ThumbnailLength": (0x0202, LONG),
}
EXIF_POINTER = {"ExifIFD": (0x8769, LONG)}
FIRST_IFD = 8  # the directory follows the eight bytes of the TIFF header


def exif_block(tags: Mapping[str, Value], thumbnail: bytes | None = None) -> bytes:
    """Return an EXIF block, big-endian, beginning with `Exif` and two zero bytes.

    Rationals may have any numerator and denominator, also zero and negative ones: a negative one
    is written as the signed type, even where the standard forbids it. Raises `KeyError` for unknown tags.
    """
    top: dict[str, Value] = {name: tags[name] for name in tags if name in IFD0}
    inner: dict[str, Value] = {name: tags[name] for name in tags if name not in IFD0}
    if inner:
        top["ExifIFD"] = FIRST_IFD + len(
            _directory(top | {"ExifIFD": 0}, FIRST_IFD, IFD0 | EXIF_POINTER)
        )
    first = _directory(top, FIRST_IFD, IFD0 | EXIF_POINTER)
    second = _directory(inner, FIRST_IFD + len(first), EXIF) if inner else b""
    end = FIRST_IFD + len(first) + len(second)
    if thumbnail is not None:
        first = _with_next(first, len(top), end)
        second += _thumbnail(thumbnail, end)
    return b"Exif\0\0" + struct.pack(">2sHI", b"MM", 42, FIRST_IFD) + first + second


def break_ifd_pointer(block: bytes, offset: int) -> bytes:
    """Break a block: set the offset of the first directory in its header to `offset`."""
    return block[:10] + struct.pack(">I", offset) + block[14:]


def insert_into_jpeg(jpeg: bytes, block: bytes) -> bytes:
    """Insert an EXIF block as the first segment of a JPEG without EXIF."""
    return jpeg[:2] + struct.pack(">HH", 0xFFE1, len(block) + 2) + block + jpeg[2:]


def _thumbnail(thumbnail: bytes, start: int) -> bytes:
    tags: dict[str, Value] = {
        "Compression": 6,
        "ThumbnailOffset": 0,
        "ThumbnailLength": len(thumbnail),
    }
    tags["ThumbnailOffset"] = start + len(_directory(tags, start, THUMBNAIL))
    return _directory(tags, start, THUMBNAIL) + thumbnail


def _with_next(directory: bytes, entries: int, offset: int) -> bytes:
    at = 2 + 12 * entries
    return directory[:at] + struct.pack(">I", offset) + directory[at + 4 :]


def _directory(
    tags: Mapping[str, Value], start: int, tag_types: Mapping[str, tuple[int, int]]
) -> bytes:
    """Return one directory that begins at `start`, followed by its long values, without a next directory."""
    entries, tail = b"", b""
    tail_start = start + 2 + 12 * len(tags) + 4
    for name in sorted(tags, key=lambda name: tag_types[name][0]):
        tag, kind = tag_types[name]
        kind, count, data = _encode(tags[name], kind)
        if len(data) > 4:
            place = struct.pack(">I", tail_start + len(tail))
            tail += data + b"\0" * (len(data) % 2)
        else:
            place = data.ljust(4, b"\0")
        entries += struct.pack(">HHI", tag, kind, count) + place
    return struct.pack(">H", len(tags)) + entries + struct.pack(">I", 0) + tail


def _encode(value: Value, kind: int) -> tuple[int, int, bytes]:
    """Return type, count and bytes of a value."""
    if isinstance(value, str):
        data = value.encode("utf-8") + b"\0"
        return kind, len(data), data
    if isinstance(value, bytes):
        return kind, len(value), value
    if isinstance(value, int):
        return kind, 1, struct.pack(">H" if kind == SHORT else ">I", value)
    ratios = _ratios(value)
    if any(number < 0 for ratio in ratios for number in ratio):
        kind = SRATIONAL
    letter = "i" if kind == SRATIONAL else "I"
    numbers = [number for ratio in ratios for number in ratio]
    return kind, len(ratios), struct.pack(f">{len(numbers)}{letter}", *numbers)


def _ratios(value: Fraction | Ratio | tuple[Ratio, ...]) -> tuple[Ratio, ...]:
    if isinstance(value, Fraction):
        return ((value.numerator, value.denominator),)
    if isinstance(value[0], int):
        return (value,)
    return value
