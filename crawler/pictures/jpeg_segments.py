"""Walk the segments of a JPEG up to its picture data, to the EXIF block and the start of the scan."""

from typing import NamedTuple

MAX_SEGMENTS = 4096  # bounds the walk over hostile bytes; cameras write fewer than 100

_EXIF = b"Exif\0"  # some writers append another byte than 0
_WITHOUT_LENGTH = frozenset([0x01, *range(0xD0, 0xD9)])  # markers without a length
_START_OF_SCAN, _END_OF_IMAGE, _APP1 = 0xDA, 0xD9, 0xE1


class Segments(NamedTuple):
    """The TIFF block of the first EXIF segment, and the offset of the scan."""

    exif: bytes | None
    scan_start: int | None


def walk(body: bytes) -> Segments:
    """Walk `body` from its first marker; junk between segments is skipped, nothing raises."""
    exif, at = None, 2
    for _ in range(MAX_SEGMENTS):
        at = body.find(b"\xff", at)
        if at < 0 or at + 4 > len(body):
            break
        marker = body[at + 1]
        if marker == _START_OF_SCAN:
            return Segments(exif, at)
        if marker == _END_OF_IMAGE:
            break
        if marker == _APP1 and exif is None and body.startswith(_EXIF, at + 4):
            exif = body[at + 10 : at + 2 + _length(body, at)]
        at += _step(body, at, marker)
    return Segments(exif, None)


def _length(body: bytes, at: int) -> int:
    return int.from_bytes(body[at + 2 : at + 4], "big")


def _step(body: bytes, at: int, marker: int) -> int:
    if marker in (0x00, 0xFF):  # stuffing and fill bytes
        return 1
    return 2 if marker in _WITHOUT_LENGTH else 2 + max(_length(body, at), 2)
