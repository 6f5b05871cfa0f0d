"""Change the EXIF of a real JPEG byte by byte, to write what no library writes; bench_exif_plants.py plants damage."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

ASCII, SHORT, LONG, RATIONAL, UNDEFINED, SSHORT, SRATIONAL = 2, 3, 4, 5, 7, 8, 10
EXIF_POINTER, GPS_POINTER = 0x8769, 0x8825
_CODES = {SHORT: "H", LONG: "I", RATIONAL: "I", SSHORT: "h", SRATIONAL: "i"}
_SIZES = {
    1: 1,
    ASCII: 1,
    SHORT: 2,
    LONG: 4,
    RATIONAL: 8,
    6: 1,
    UNDEFINED: 1,
    SSHORT: 2,
    9: 4,
    SRATIONAL: 8,
}
Value = bytes | Sequence[int]


@dataclass
class ExifBlock:
    """The TIFF block of a JPEG, and where its APP1 segment lies."""

    body: bytes
    start: int
    end: int
    block: bytearray

    @classmethod
    def of(cls, body: bytes) -> "ExifBlock | None":
        """Find the block; None where there is none or its segment is odd."""
        at = body.find(b"Exif\0\0", 0, 4096)
        if at < 4 or body[at - 4 : at - 2] != b"\xff\xe1":
            return None
        end = at - 2 + int.from_bytes(body[at - 2 : at], "big")
        block = bytearray(body[at + 6 : end])
        return cls(body, at - 4, end, block) if block[:2] in (b"II", b"MM") else None

    def jpeg(self) -> bytes:
        """Write the JPEG with the block as it is now."""
        block = bytes(self.block[: 65_535 - 8])
        size = struct.pack(">H", len(block) + 8)
        return (
            self.body[: self.start]
            + b"\xff\xe1"
            + size
            + b"Exif\0\0"
            + block
            + self.body[self.end :]
        )

    @property
    def order(self) -> str:
        """The sign of `struct` for the byte order."""
        return "<" if self.block[:2] == b"II" else ">"

    def number(self, place: int, code: str = "I") -> int:
        """Read a number."""
        return int(struct.unpack_from(self.order + code, self.block, place)[0])

    def put(self, place: int, code: str, *values: int) -> None:
        """Overwrite numbers."""
        struct.pack_into(self.order + code, self.block, place, *values)

    def directory(self, pointer: int | None = None) -> int:
        """Return where the first directory begins, or the one that `pointer` names; 0 where there is none."""
        if pointer is None:
            return self.number(4)
        entry = self.entry(pointer, exif=False)
        return self.number(entry + 8) if entry else 0

    def entries(self, directory: int) -> range:
        """Return the places of the entries of a directory."""
        if not 8 <= directory <= len(self.block) - 2:
            return range(0)
        count = self.number(directory, "H")
        end = min(directory + 2 + 12 * count, len(self.block) - 11)
        return range(directory + 2, end, 12)

    def entry(self, tag: int, *, exif: bool = True) -> int:
        """Return the place of a tag's entry in the Exif or the first directory; 0 where it is missing."""
        directory = self.directory(EXIF_POINTER) if exif else self.directory()
        return next((at for at in self.entries(directory) if self.number(at, "H") == tag), 0)

    def write(self, tag: int, kind: int, value: Value, *, exif: bool = True) -> bool:
        """Write a value of this type into an existing tag, or in place of a minor one; say whether it was possible."""
        at = self.entry(tag, exif=exif) or next(
            (e for t in _MINOR if (e := self.entry(t, exif=exif))), 0
        )
        if not at:
            return False
        payload = (
            value
            if isinstance(value, bytes)
            else struct.pack(f"{self.order}{len(value)}{_CODES[kind]}", *value)
        )
        count = len(payload) // _SIZES[kind]
        self.put(at, "HHI", tag, kind, count)
        if len(payload) <= 4:
            self.block[at + 8 : at + 12] = payload.ljust(4, b"\0")
        else:
            self.put(at + 8, "I", len(self.block))
            self.block += payload
        return True

    def remove(self, tag: int, *, exif: bool = True) -> None:
        """Give a tag a number that nobody uses."""
        at = self.entry(tag, exif=exif)
        if at:
            self.put(at, "H", 0xEEEE)

    def first(self, tag: int) -> float | None:
        """Return the first number of a rational or short tag; None where it is missing or odd."""
        at = self.entry(tag)
        kind = self.number(at + 2, "H") if at else 0
        if kind in (SHORT, LONG):
            return float(self.number(at + 8, "H" if kind == SHORT else "I"))
        place = self.number(at + 8) if at else 0
        if kind not in (RATIONAL, SRATIONAL) or place + 8 > len(self.block):
            return None
        top, bottom = struct.unpack_from(f"{self.order}2{_CODES[kind]}", self.block, place)
        return top / bottom if bottom else None


# Tags that a planted one may replace where the photograph lacks it: they carry nothing that is judged.
_MINOR = (
    0x9207,
    0x9208,
    0xA217,
    0xA300,
    0xA301,
    0xA401,
    0xA402,
    0xA403,
    0xA406,
    0x9101,
    0xA000,
    0x011A,
    0x011B,
    0x0128,
    0x0213,
)
