"""Check the directories of a TIFF block, which tolerant readers skip without a word when they are broken.

A pointer to the Exif directory that leads nowhere loses all camera settings, and both readers then report a sound block
without settings. Positions are checked for being possible and are not kept.
"""

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from crawler.exif.header import FIELD_SIZES
from crawler.exif.tags import EXIF_POINTER, GPS_POINTER, MAKER_NOTE

EXIF_DIRECTORY: Final = "Exif directory"
"""How problems of this directory begin; curation reads it."""
GPS_POSITION: Final = "GPS position"
GARBLED_NOTE: Final = "MakerNote"
_MOST_ENTRIES: Final = 1000  # cameras write fewer than 100
_MOST_DIRECTORIES: Final = 64
_LEAST_NOTE, _NOTE_PART = 128, 512  # bytes
_RATIONAL: Final = 5
_LIMITS: Final = {2: 90.0, 4: 180.0}  # GPSLatitude, GPSLongitude: degrees
_EXIF_TAGS: Final = range(0x8290, 0xA500)


class Entry(NamedTuple):
    """One entry of a directory; `n` values lie at `place`, or are there where they are small."""

    tag: int
    kind: int
    n: int
    place: int


def structure_problems(block: bytes) -> list[str]:
    """Name what is wrong with the directories of a TIFF block; never raises."""
    if block[:2] not in (b"II", b"MM") or len(block) < 8:
        return []
    order = "<" if block[:1] == b"I" else ">"
    visited: set[int] = set()
    problems: list[str] = []
    (start,) = struct.unpack_from(order + "I", block, 4)
    while start and len(visited) < _MOST_DIRECTORIES:
        name = "first directory" if not visited else "next directory"
        entries, following, problem = _directory(block, order, start, visited, name)
        problems += problem
        if name == "first directory":
            problems += _inner_problems(block, order, entries, visited)
        start = following
    return problems


def _inner_problems(
    block: bytes, order: str, entries: list[Entry], visited: set[int]
) -> Iterator[str]:
    for entry in entries:
        if entry.tag == EXIF_POINTER:
            inner, _, problems = _directory(block, order, entry.place, visited, EXIF_DIRECTORY)
            yield from problems
            yield from _note_problems(block, inner)
            if not problems and not any(each.tag in _EXIF_TAGS for each in inner):
                yield f"{EXIF_DIRECTORY} has none of its tags"
        if entry.tag == GPS_POINTER:
            inner, _, _ = _directory(block, order, entry.place, visited, "GPS directory")
            yield from _position_problems(block, order, inner)


def _directory(
    block: bytes, order: str, start: int, visited: set[int], name: str
) -> tuple[list[Entry], int, list[str]]:
    """Read a directory: its entries, the place of the next one (0: none), and what is wrong with it."""
    if start in visited:
        return [], 0, [f"{name} is an earlier one: a loop"]
    visited.add(start)
    if start < 8 or start + 2 > len(block):
        return [], 0, [f"{name} lies outside the block"]
    (count,) = struct.unpack_from(order + "H", block, start)
    end = start + 2 + 12 * count
    if count > _MOST_ENTRIES or end > len(block):
        return [], 0, [f"{name} is cut or is not a directory"]
    raw = struct.iter_unpack(order + "HHII", block[start + 2 : end])
    entries = [Entry(*values) for values in raw]
    valid = sum(entry.kind in FIELD_SIZES for entry in entries)
    if not entries or valid * 2 < count:
        return [], 0, [f"{name} is empty or is not a directory"]
    (following,) = struct.unpack_from(order + "I", block, end) if end + 4 <= len(block) else (0,)
    return entries, following, []


def _note_problems(block: bytes, entries: list[Entry]) -> Iterator[str]:
    """Check the maker note: every maker's has a signature, text, or numbers with many zero bytes."""
    for entry in entries:
        if entry.tag != MAKER_NOTE or entry.n < _LEAST_NOTE or entry.place + entry.n > len(block):
            continue
        note = block[entry.place : entry.place + min(entry.n, _NOTE_PART)]
        printable = sum(32 <= byte < 127 for byte in note[:64])
        if note.count(0) < 0.03 * len(note) and printable < 48 and not note[:3].isalpha():
            yield f"{GARBLED_NOTE} is noise"


def _position_problems(block: bytes, order: str, entries: list[Entry]) -> Iterator[str]:
    """Check latitude and longitude; 0/0 is a position that is not known."""
    for entry in entries:
        limit = _LIMITS.get(entry.tag)
        if limit is None or entry.kind != _RATIONAL or entry.place + 24 > len(block):
            continue
        numbers = struct.unpack_from(f"{order}6I", block, entry.place)
        parts = [
            top / bottom for top, bottom in zip(numbers[::2], numbers[1::2], strict=True) if bottom
        ]
        if parts and (parts[0] > limit or any(part > 60 for part in parts[1:])):
            yield f"{GPS_POSITION} is impossible"
