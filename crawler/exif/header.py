"""exifread's reader of directories without the printable text of each tag, which takes most of its time."""

import struct
from typing import Any, Final, Literal

from exifread.core.exif_header import ExifHeader
from exifread.core.ifd_tag import IfdTag
from exifread.tags.fields import FIELD_DEFINITIONS, FieldType

from crawler.pictures.bounded_reader import MAX_READS, BoundedReader, TooMuchWorkError

RATIO_TYPES: Final = {FieldType.RATIO: "II", FieldType.SIGNED_RATIO: "ii"}
FIELD_SIZES: Final = {int(kind): size for kind, (size, _) in FIELD_DEFINITIONS.items() if size}
_TYPES: Final = {number: (FieldType(number), size) for number, size in FIELD_SIZES.items()}
_WHOLE_NUMBERS: Final = {
    FieldType.BYTE: "B",
    FieldType.SHORT: "H",
    FieldType.LONG: "I",
    FieldType.SIGNED_BYTE: "b",
    FieldType.UNDEFINED: "B",
    FieldType.SIGNED_SHORT: "h",
    FieldType.SIGNED_LONG: "i",
    FieldType.IFD: "I",
}
_MOST_VALUES: Final = 1000  # exifread leaves longer lists empty


class QuickHeader(ExifHeader):
    """exifread's header without printable values, and without the values of rationals.

    exifread reduces 28/10 to 14/5; a caller that needs a rational as written reads it at `field_offset`. Values that
    are completely inside the block are unpacked at once; exifread reads the others. The work is bounded as in
    `BoundedReader`: one number costs 1.
    """

    def __init__(self, block: bytes) -> None:
        stream = BoundedReader(block)
        super().__init__(stream, chr(block[0]), 0, 0, strict=False, detailed=False)
        self._block, self._left = block, MAX_READS + (len(block) >> 8)
        self._order: Literal["little", "big"] = "little" if block[:1] == b"I" else "big"
        self._sign = "<" if block[:1] == b"I" else ">"
        self._entry = struct.Struct(self._sign + "HII")

    def s2n(self, offset: int, length: int, signed: bool = False) -> int:
        """Read a number as exifread does, 0 after the block; raises `ValueError` before it, `TooMuchWorkError`."""
        self._spend(1)
        if offset < 0:
            raise ValueError(f"negative place {offset}")
        part = self._block[offset : offset + length]
        return int.from_bytes(part, self._order, signed=signed) if len(part) == length else 0

    def _spend(self, numbers: int) -> None:
        self._left -= numbers
        if self._left < 0:
            raise TooMuchWorkError("stopped a parser that read too often or too much")

    def _process_tag(  # noqa: PLR0913, PLR0917 - exifread's signature
        self,
        ifd: int,
        ifd_name: str,
        tag_entry: Any,
        entry: int,
        tag: int,
        tag_name: str,
        relative: bool,
        stop_tag: str,
    ) -> None:
        if relative or entry + 12 > len(self._block):
            super()._process_tag(ifd, ifd_name, tag_entry, entry, tag, tag_name, relative, stop_tag)
            return
        number, count, place = self._entry.unpack_from(self._block, entry + 2)
        self._spend(3 if number in _TYPES else 1)
        if number not in _TYPES:
            return
        kind, size = _TYPES[number]
        if count * size <= 4:
            place = entry + 8
        values = self._values(kind, count, place, ifd_name, tag_name)
        if tag_entry and values and isinstance(tag_entry[1], tuple):
            name, tags = tag_entry[1]
            self.dump_ifd(values[0], name, tags, stop_tag=stop_tag)
        self.tags[f"{ifd_name} {tag_name}"] = IfdTag("", tag, kind, values, place, count * size)

    def _values(self, kind: FieldType, count: int, place: int, ifd_name: str, tag_name: str) -> Any:
        if kind is FieldType.ASCII:
            return self._process_ascii_field(ifd_name, tag_name, count, place)
        if kind in RATIO_TYPES:
            self._spend(2 * count if count < _MOST_VALUES else 0)
            return []
        code, size = _WHOLE_NUMBERS.get(kind), _TYPES[kind][1]
        if code is None or place + count * size > len(self._block):
            return self._process_field(tag_name, count, kind, size, place)
        if count >= _MOST_VALUES:
            return []
        self._spend(count)
        return list(struct.unpack_from(f"{self._sign}{count}{code}", self._block, place))
