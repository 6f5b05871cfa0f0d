"""Make pictures with real EXIF for tests: sound ones, and ones damaged on purpose.

The EXIF block is laid out here byte by byte, because libraries refuse to write what broken cameras
write (1/0 s, offsets outside the block); Pillow then encodes the JPEG around it.
"""

import struct
from collections.abc import Mapping, Sequence
from io import BytesIO

import numpy as np
from PIL import Image

Rational = tuple[int, int]
Value = str | bytes | int | Rational | Sequence[int] | Sequence[Rational]

ASCII, SHORT, LONG, RATIONAL, UNDEFINED, SRATIONAL = 2, 3, 4, 5, 7, 10

# Tag name -> (directory, number, field type).
TAGS: dict[str, tuple[str, int, int]] = {
    "Make": ("0th", 0x010F, ASCII),
    "Model": ("0th", 0x0110, ASCII),
    "Orientation": ("0th", 0x0112, SHORT),
    "Software": ("0th", 0x0131, ASCII),
    "DateTime": ("0th", 0x0132, ASCII),
    "Artist": ("0th", 0x013B, ASCII),
    "Copyright": ("0th", 0x8298, ASCII),
    "ExposureTime": ("exif", 0x829A, RATIONAL),
    "FNumber": ("exif", 0x829D, RATIONAL),
    "ISO": ("exif", 0x8827, SHORT),
    "SensitivityType": ("exif", 0x8830, SHORT),
    "StandardOutputSensitivity": ("exif", 0x8831, LONG),
    "RecommendedExposureIndex": ("exif", 0x8832, LONG),
    "ISOSpeed": ("exif", 0x8833, LONG),
    "ExifVersion": ("exif", 0x9000, UNDEFINED),
    "DateTimeOriginal": ("exif", 0x9003, ASCII),
    "ShutterSpeedValue": ("exif", 0x9201, SRATIONAL),
    "ApertureValue": ("exif", 0x9202, RATIONAL),
    "BrightnessValue": ("exif", 0x9203, SRATIONAL),
    "ExposureBiasValue": ("exif", 0x9204, SRATIONAL),
    "MaxApertureValue": ("exif", 0x9205, RATIONAL),
    "Flash": ("exif", 0x9209, SHORT),
    "FocalLength": ("exif", 0x920A, RATIONAL),
    "MakerNote": ("exif", 0x927C, UNDEFINED),
    "PixelXDimension": ("exif", 0xA002, LONG),
    "PixelYDimension": ("exif", 0xA003, LONG),
    "FocalLengthIn35mmFilm": ("exif", 0xA405, SHORT),
    "CameraOwnerName": ("exif", 0xA430, ASCII),
    "BodySerialNumber": ("exif", 0xA431, ASCII),
    "LensSpecification": ("exif", 0xA432, RATIONAL),
    "LensModel": ("exif", 0xA434, ASCII),
    "GPSLatitudeRef": ("gps", 0x0001, ASCII),
    "GPSLatitude": ("gps", 0x0002, RATIONAL),
}
_POINTERS = {"exif": 0x8769, "gps": 0x8825}
_THUMBNAIL_OFFSET, _THUMBNAIL_LENGTH = 0x0201, 0x0202

_Field = tuple[int, int, int, bytes]  # tag, field type, count, payload


def picture(size: tuple[int, int] = (64, 48), seed: int = 0) -> Image.Image:
    """Draw soft blobs of light, another picture for every seed; `size` is (width, height) in px."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def jpeg(  # one keyword for each thing that a test may want to vary
    f_number: Value | None = (28, 10),
    iso: Value | None = 400,
    exposure_time: Value | None = (1, 250),
    *,
    size: tuple[int, int] = (64, 48),
    make: str | None = "Acme",
    model: str | None = "One",
    tags: Mapping[str, Value] | None = None,
    thumbnail: Image.Image | None = None,
    image: Image.Image | None = None,
    quality: int = 90,
    seed: int = 0,
) -> bytes:
    """Make a JPEG with EXIF; None leaves a tag out, `tags` adds more by their names in `TAGS`."""
    named: dict[str, Value | None] = {"Make": make, "Model": model, "ISO": iso}
    named |= {"FNumber": f_number, "ExposureTime": exposure_time} | dict(tags or {})
    block = exif_block({name: v for name, v in named.items() if v is not None}, thumbnail=thumbnail)
    return plain_jpeg(image or picture(size, seed), quality=quality, exif=block)


def plain_jpeg(image: Image.Image, *, quality: int = 90, exif: bytes = b"") -> bytes:
    """Encode `image` as JPEG; `exif` is a TIFF block that goes into an APP1 segment."""
    stream = BytesIO()
    image.save(stream, "JPEG", quality=quality, exif=b"Exif\0\0" + exif if exif else b"")
    return stream.getvalue()


def exif_block(
    tags: Mapping[str, Value], *, thumbnail: Image.Image | None = None, order: str = "<"
) -> bytes:
    """Lay out a TIFF block (what follows `Exif\\0\\0`); `order` is "<" (II) or ">" (MM)."""
    folders: dict[str, list[_Field]] = {"0th": [], "exif": [], "gps": []}
    for name, value in tags.items():
        folder, tag, kind = TAGS[name]
        folders[folder].append(_field(tag, kind, value, order))
    pointers = {name: tag for name, tag in _POINTERS.items() if folders[name]}
    # Pointers have a fixed size, so a first layout with empty ones tells where all comes to lie.
    blank = [_long(tag, 0, order) for tag in pointers.values()]
    end = 8 + len(_directory(folders["0th"] + blank, 8, 0, order))
    filled, behind = [], b""
    for name, tag in pointers.items():
        filled.append(_long(tag, end + len(behind), order))
        behind += _directory(folders[name], end + len(behind), 0, order)
    following = end + len(behind) if thumbnail else 0
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    block = head + _directory(folders["0th"] + filled, 8, following, order) + behind
    return block + (_thumbnail(thumbnail, following, order) if thumbnail else b"")


def _thumbnail(image: Image.Image, start: int, order: str) -> bytes:
    data = plain_jpeg(image)
    length = _long(_THUMBNAIL_LENGTH, len(data), order)
    size = len(_directory([_long(_THUMBNAIL_OFFSET, 0, order), length], start, 0, order))
    return (
        _directory([_long(_THUMBNAIL_OFFSET, start + size, order), length], start, 0, order) + data
    )


def _long(tag: int, value: int, order: str) -> _Field:
    return tag, LONG, 1, struct.pack(order + "I", value)


def _field(tag: int, kind: int, value: Value, order: str) -> _Field:
    if isinstance(value, str):
        data = value.encode() + b"\0"
        return tag, ASCII, len(data), data
    if isinstance(value, bytes):
        return tag, UNDEFINED, len(value), value
    if kind in (RATIONAL, SRATIONAL):
        return _rationals(tag, kind, value, order)
    numbers = [value] if isinstance(value, int) else list(value)
    return (
        tag,
        kind,
        len(numbers),
        struct.pack(f"{order}{len(numbers)}{'H' if kind == SHORT else 'I'}", *numbers),
    )


def _rationals(tag: int, kind: int, value: Value, order: str) -> _Field:
    flat = list(np.ravel(np.array(value, dtype=object)))
    signed = kind == SRATIONAL or any(number < 0 for number in flat)
    data = struct.pack(f"{order}{len(flat)}{'i' if signed else 'I'}", *flat)
    return tag, SRATIONAL if signed else RATIONAL, len(flat) // 2, data


def _directory(fields: Sequence[_Field], start: int, following: int, order: str) -> bytes:
    """Write one directory at `start`, long values behind it, with the offset of the next one."""
    entries, values = b"", b""
    behind = start + 2 + 12 * len(fields) + 4
    for tag, kind, count, data in sorted(fields):
        inline = data.ljust(4, b"\0")
        if len(data) > 4:
            inline = struct.pack(order + "I", behind + len(values))
            values += data + b"\0" * (len(data) % 2)
        entries += struct.pack(order + "HHI", tag, kind, count) + inline
    count_of = struct.pack(order + "H", len(fields))
    return count_of + entries + struct.pack(order + "I", following) + values
