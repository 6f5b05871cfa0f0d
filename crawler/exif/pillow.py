"""The second EXIF reader: Pillow, which verifies the settings and replaces exifread where that fails.

Pillow raises less than exifread, but silently stops at the first broken entry of a directory. It turns 1/0 into nan, so
numerators and denominators are taken as written.
"""

import struct
from collections.abc import Iterator
from typing import Any, Literal

from PIL.ExifTags import TAGS as NAMES
from PIL.TiffImagePlugin import IFDRational, ImageFileDirectory_v2

from crawler.exif.header import FIELD_SIZES
from crawler.exif.tags import EXIF_POINTER, MOST_NUMBERS, Tag
from crawler.exif.values import number, ratio
from crawler.pictures.bounded_reader import BoundedReader


def pillow_tags(
    block: bytes, numbers: frozenset[int] | None, exif_at: float | None
) -> Iterator[tuple[int, Tag]]:
    """Give (number, tag) of a TIFF block, only those in `numbers` unless it is None; may raise anything.

    `exif_at` is the offset of the EXIF directory, if any: that directory is then read first, and the other one only
    when the caller continues the iteration.
    """
    for directory in _directories(block, numbers, exif_at):
        for tag in directory if numbers is None else numbers.intersection(directory):
            yield tag, _tag(tag, directory[tag])


def _directories(
    block: bytes, numbers: frozenset[int] | None, exif_at: float | None
) -> Iterator[ImageFileDirectory_v2]:
    if exif_at is not None:
        yield _load(block, int(exif_at), numbers)
    first = _load(block, int.from_bytes(block[4:8], _order(block)), numbers)
    yield first
    if exif_at is None and EXIF_POINTER in first:
        yield _load(block, first[EXIF_POINTER], numbers)


def _order(block: bytes) -> Literal["little", "big"]:
    return "little" if block[:1] == b"I" else "big"


def _load(block: bytes, start: int, numbers: frozenset[int] | None) -> ImageFileDirectory_v2:
    directory = ImageFileDirectory_v2(block[:8])
    if numbers is not None:
        block, start = _with_few(block, start, numbers | {EXIF_POINTER}), len(block)
    stream = BoundedReader(block)
    stream.seek(start)
    directory.load(stream)
    return directory


def _with_few(block: bytes, start: int, numbers: frozenset[int]) -> bytes:
    """Append a copy of the directory with the entries in `numbers` only: Pillow makes a text of each entry."""
    sign = "<" if block[:1] == b"I" else ">"
    count = int.from_bytes(block[start : start + 2], _order(block))
    raw_entries = block[start + 2 : start + 2 + count * _ENTRY]
    entries = struct.iter_unpack(f"{sign}HHII", raw_entries[: len(raw_entries) // _ENTRY * _ENTRY])
    entries_kept = [
        entry for entry in entries if entry[0] in numbers and _is_inside(block, *entry[1:])
    ]
    packed = b"".join(struct.pack(f"{sign}HHII", *entry) for entry in entries_kept)
    return block + struct.pack(f"{sign}H", len(entries_kept)) + packed + bytes(4)


_ENTRY = 12  # bytes of a directory entry: tag, type, count, value or its offset


def _is_inside(block: bytes, kind: int, count: int, place: int) -> bool:
    size = count * FIELD_SIZES.get(kind, 0)
    return size <= 4 or place + size <= len(block)


def _tag(tag: int, value: Any) -> Tag:
    values = value if isinstance(value, tuple) else (value,)
    raw, numbers = [], []
    for part in values[:MOST_NUMBERS]:
        exact = isinstance(part, IFDRational)
        raw.append(f"{part.numerator}/{part.denominator}" if exact else _text(part))
        numbers.append(ratio(part.numerator, part.denominator) if exact else number(_text(part)))
    return Tag(NAMES.get(tag, f"Tag 0x{tag:04X}"), " ".join(raw), tuple(numbers))


def _text(value: object) -> str:
    plain = value.decode("latin-1") if isinstance(value, bytes) else str(value)
    return plain.strip("\0 ")
