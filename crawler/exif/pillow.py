"""The second EXIF reader: Pillow, used to check the settings and to stand in where exifread fails.

It raises less than exifread but stops at the first broken entry of a directory without a word, and
its numbers turn 1/0 into nan; numerators and denominators are therefore taken as written.
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
    """Give (number, tag) of a TIFF block, only `wanted` ones unless None; may raise anything.

    `exif_at` is the place of the EXIF directory when it is known: it is then read first, and the
    other one only if the caller goes on asking.
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
    """Append a copy of the directory that has the `wanted` entries only: Pillow makes a text of each it meets."""
    sign = "<" if block[:1] == b"I" else ">"
    count = int.from_bytes(block[start : start + 2], _order(block))
    listed = block[start + 2 : start + 2 + count * _ENTRY]
    entries = struct.iter_unpack(f"{sign}HHII", listed[: len(listed) // _ENTRY * _ENTRY])
    entries_kept = [
        entry for entry in entries if entry[0] in numbers and _is_inside(block, *entry[1:])
    ]
    packed = b"".join(struct.pack(f"{sign}HHII", *entry) for entry in entries_kept)
    return block + struct.pack(f"{sign}H", len(entries_kept)) + packed + bytes(4)


_ENTRY = 12  # bytes of a directory entry: tag, type, count, value or its place


def _is_inside(block: bytes, kind: int, count: int, place: int) -> bool:
    size = count * FIELD_SIZES.get(kind, 0)
    return size <= 4 or place + size <= len(block)


def _tag(tag: int, given: Any) -> Tag:
    values = given if isinstance(given, tuple) else (given,)
    raw, numbers = [], []
    for one in values[:MOST_NUMBERS]:
        exact = isinstance(one, IFDRational)
        raw.append(f"{one.numerator}/{one.denominator}" if exact else _text(one))
        numbers.append(ratio(one.numerator, one.denominator) if exact else number(_text(one)))
    return Tag(NAMES.get(tag, f"Tag 0x{tag:04X}"), " ".join(raw), tuple(numbers))


def _text(given: object) -> str:
    plain = given.decode("latin-1") if isinstance(given, bytes) else str(given)
    return plain.strip("\0 ")
