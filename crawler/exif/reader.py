"""Read a TIFF block (the payload of EXIF) with two tolerant readers: exifread first, Pillow second.

exifread raises plain UnicodeDecodeError or struct.error on real files and reads a value outside the block as zeros (a
false 0/0), so the offset of each value is checked here. Pillow drops fields silently and turns 1/0 into nan, so
rationals are compared as written. Both read through `BoundedReader`, which ends endless loops. Maker notes are read
only when the ISO is nowhere else.
"""

import logging
import math
import struct
import warnings
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import exifread

from crawler.exif.header import RATIO_TYPES, QuickHeader
from crawler.exif.pillow import pillow_tags
from crawler.exif.structure import structure_problems
from crawler.exif.tags import (
    EXIF_POINTER,
    GPS_POINTER,
    ISO,
    MAKE,
    MOST_NUMBERS,
    SETTINGS,
    Tag,
    Tags,
    value,
)
from crawler.exif.values import number, ratio
from crawler.pictures.bounded_reader import MAX_READS, BoundedReader

_ISO_MAKERS = ("canon", "nikon")  # exifread reads the ISO of their maker notes
_MAKER_READS = 60_000  # exifread reads maker notes byte by byte
_MAKER_ISO = ("MakerNote ISO", "MakerNote ISOSpeedRequested", "MakerNote ISOSetting")


@dataclass
class ExifReading:
    """The EXIF of a block: tags by number, problems, settings on which the readers differ."""

    tags: Tags = field(default_factory=dict)
    gps_present: bool = False
    thumbnail: bytes | None = None
    problems: list[str] = field(default_factory=list)
    readers_disagree: list[str] = field(default_factory=list)

    @property
    def status(self) -> str:
        """The status: ok, partial (some tags could not be read) or unreadable (no tag could be read)."""
        if not self.tags:
            return "unreadable"
        return "partial" if self.problems else "ok"


def read_exif(block: bytes) -> ExifReading:
    """Read a TIFF block; never raises, whatever the bytes."""
    _silence_libraries()
    reading = ExifReading()
    complete = _read_first(block, reading)
    second = _read_second(block, reading, everything=not complete)
    if complete:
        reading.readers_disagree = [
            name
            for name, tag in SETTINGS.items()
            if _are_different(reading.tags.get(tag), second.get(tag))
        ]
    reading.tags = second | reading.tags
    reading.problems += structure_problems(block)
    _add_maker_iso(block, reading)
    return reading


@cache
def _silence_libraries() -> None:
    """Silence the warnings of both libraries: problems of a file are stored in its row."""
    logging.getLogger("exifread").setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", module=r"PIL\.TiffImagePlugin")


def _read_first(block: bytes, reading: ExifReading) -> bool:
    """Fill `reading` with exifread; say whether it read the whole block."""
    try:
        tags = _exifread(block)
        for key, tag in tags.items():
            _add_tag(block, key, tag, reading)
        reading.thumbnail = _thumbnail(block, tags)
    except Exception as error:  # noqa: BLE001 - a parser on hostile bytes; kept in `problems`
        reading.problems.append(f"exifread: {_error_text(error)}")
        return False
    return True


def _exifread(block: bytes) -> dict[str, Any]:
    """Read the standard directories like `exifread.process_file` without details, but faster."""
    if block[:4] not in (b"II*\0", b"MM\0*"):
        return _exifread_whole(block, details=False)
    header = QuickHeader(block)
    for place, start in enumerate(header.list_ifd()):
        header.dump_ifd(start, _DIRECTORIES.get(place, f"IFD {place}"))
    exif = header.tags.get("Image ExifOffset")
    if exif and exif.values:
        header.dump_ifd(exif.values[0], "EXIF")
    return header.tags


_DIRECTORIES = {0: "Image", 1: "Thumbnail"}


def _exifread_whole(block: bytes, *, details: bool, max_reads: int = MAX_READS) -> dict[str, Any]:
    stream = BoundedReader(block, max_reads=max_reads)
    tags: dict[str, Any] = exifread.process_file(stream, details=details, extract_thumbnail=False)
    return tags


def _error_text(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:200]


def _add_tag(block: bytes, key: str, tag: Any, reading: ExifReading) -> None:
    folder, _, name = key.partition(" ")
    reading.gps_present |= folder == "GPS"
    if folder not in ("Image", "EXIF"):
        return
    if tag.field_offset + tag.field_length > len(block):
        reading.problems.append(f"{name} lies outside the block")
    else:
        reading.tags[tag.tag] = Tag(name, *_to_tag_value(block, tag))


def _to_tag_value(block: bytes, tag: Any) -> tuple[str, tuple[float | None, ...]]:
    """Convert a tag of exifread to (text as written, numbers)."""
    values = tag.values
    if isinstance(values, bytes):
        values = values.decode("latin-1")
    if isinstance(values, str):
        return values.strip("\0 "), ()
    if tag.field_type in RATIO_TYPES:
        return _rationals(block, tag)
    flat = [entry[0] if isinstance(entry, tuple) else entry for entry in values[:MOST_NUMBERS]]
    return " ".join(map(str, flat)), tuple(map(number, flat))


def _rationals(block: bytes, tag: Any) -> tuple[str, tuple[float | None, ...]]:
    """Read rationals from the block: exifread has reduced 28/10 to 14/5."""
    count = min(tag.field_length // 8, MOST_NUMBERS)
    layout = ("<" if block[:1] == b"I" else ">") + RATIO_TYPES[tag.field_type] * count
    flat = struct.unpack_from(layout, block, tag.field_offset)
    pairs = list(zip(flat[::2], flat[1::2], strict=True))
    return " ".join(f"{top}/{bottom}" for top, bottom in pairs), tuple(ratio(*p) for p in pairs)


def _thumbnail(block: bytes, tags: dict[str, Any]) -> bytes | None:
    offset = tags.get("Thumbnail JPEGInterchangeFormat")
    length = tags.get("Thumbnail JPEGInterchangeFormatLength")
    if not (offset and length and offset.values and length.values):
        return None
    start = int(offset.values[0])
    return block[start : start + int(length.values[0])] or None


def _add_maker_iso(block: bytes, reading: ExifReading) -> None:
    """Add the ISO from the maker note, where cameras before Exif 2.1 store it."""
    make = reading.tags.get(MAKE)
    if ISO in reading.tags or make is None or not make.raw.lower().startswith(_ISO_MAKERS):
        return
    try:
        tags = _exifread_whole(block, details=True, max_reads=_MAKER_READS)
    except Exception:  # noqa: BLE001 - notes are often damaged by editing; the other tags are valid
        return
    for numbers in (_maker_numbers(tags.get(name)) for name in _MAKER_ISO):
        if numbers:
            reading.tags[ISO] = Tag("ISOSpeedRatings", " ".join(f"{n:g}" for n in numbers), numbers)
            return


def _maker_numbers(tag: Any) -> tuple[float, ...]:
    values = [] if tag is None else tag.values
    listed = values if isinstance(values, list) else [values]
    numbers = tuple(n for n in map(number, listed) if n is not None)
    return numbers if any(n > 0 for n in numbers) else ()


def _read_second(block: bytes, reading: ExifReading, *, everything: bool) -> Tags:
    """Read with Pillow: only the three settings, or `everything` when the first reader failed."""
    tags: Tags = {}
    numbers = None if everything else frozenset(SETTINGS.values())
    try:
        for key, tag in pillow_tags(block, numbers, value(reading.tags, EXIF_POINTER)):
            tags.setdefault(key, tag)
            if tags.keys() == numbers:
                break
    except Exception as error:  # noqa: BLE001 - a parser on hostile bytes; kept in `problems`
        reading.problems.append(f"Pillow: {_error_text(error)}")
    reading.gps_present |= GPS_POINTER in tags
    return tags


def _are_different(first: Tag | None, second: Tag | None) -> bool:
    one, other = (None if tag is None else tag.values[0] for tag in (first, second))
    if one is None or other is None:
        return one is not other
    return not math.isclose(one, other, rel_tol=1e-6)
