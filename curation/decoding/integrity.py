"""Damage that the decoders accept: what the structure of a file promises, held against its data.

Pillow and libpng stop at the last row and never read the end of a PNG; libwebp and dav1d decode wrong bytes into wrong
pixels; a progressive JPEG without its last scans is a blurred picture; a block of zeros in a JPEG is read as codes.
Each check names a fault in words, or gives None. None of them raises on hostile bytes, and none takes more memory than
the file and 1 MB.
"""

import re
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

ZERO_RUN: Final = bytes(
    48
)  # a sound scan has no such run, unless zeros are the code of plain blocks
SHADOW, SHADOW_PX = 24, 8  # tone and width of what fades into black
_PIECE: Final = 1 << 20
_ADAM7: Final = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)
_CHANNELS: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # colour type of a PNG -> samples of a pixel
_MARKER: Final = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_MAX_SEGMENTS: Final = 4096
_DEFLATE: Final = (8, 32946)  # values of the tag Compression


def file_fault(body: bytes, container: str) -> str | None:
    """Name the fault in the structure of a file, by its container; None where there is none or no check."""
    check = _CHECKS.get(container)
    try:
        return check(body) if check else None
    except (struct.error, IndexError, ValueError, KeyError) as error:
        return f"the structure of the file is broken ({type(error).__name__})"


def _png_fault(body: bytes) -> str | None:
    """Check the sums of all chunks, and that the data end where the last row does."""
    header: bytes = b""
    packed: list[bytes] = []
    for name, data, is_right in _chunks(body):
        if not is_right:
            return f"chunk {name!r} has a wrong checksum or is cut"
        header = data if name == b"IHDR" else header
        if name == b"IDAT":
            packed.append(data)
        if name == b"IEND":
            return _png_data_fault(header, packed)
    return "the file has no end"


def _chunks(body: bytes) -> Iterator[tuple[bytes, bytes, bool]]:
    place = 8
    while place + 12 <= len(body):
        size = int.from_bytes(body[place : place + 4], "big")
        name, data = body[place + 4 : place + 8], body[place + 8 : place + 8 + size]
        stored = body[place + 8 + size : place + 12 + size]
        yield (
            name,
            data,
            zlib.crc32(data, zlib.crc32(name)) == int.from_bytes(stored, "big")
            and len(stored) == 4,
        )
        place += 12 + size


def _png_data_fault(header: bytes, packed: list[bytes]) -> str | None:
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", header[:13])
    bits = depth * _CHANNELS[colour]
    passes = _ADAM7 if interlaced else ((0, 0, 1, 1),)
    sizes = [(-(-(width - x) // dx), -(-(height - y) // dy)) for x, y, dx, dy in passes]
    expected = sum(
        rows * (1 + (columns * bits + 7) // 8)
        for columns, rows in sizes
        if columns > 0 and rows > 0
    )
    inflate, length = zlib.decompressobj(), 0
    try:
        for data in packed:
            waiting = data
            while waiting and length <= expected:
                length += len(inflate.decompress(waiting, _PIECE))
                waiting = inflate.unconsumed_tail
    except zlib.error as error:
        return f"the compressed data are broken: {error}"
    if length < expected:
        return f"{length} of {expected} bytes of pixels are there"
    return None if inflate.eof or length > expected else "the compressed data have no end"


def _jpeg_fault(body: bytes) -> str | None:
    """Check the quantisation tables, the completeness of progressive scans, and runs of zeros in a scan."""
    tables: dict[int, bool] = {}  # AC table -> whether zeros code plain blocks
    bits: dict[tuple[int, int], int] = {}  # component and coefficient -> lowest bit that is known
    is_progressive, start = False, 2
    for _ in range(_MAX_SEGMENTS):
        match = _MARKER.search(body, start)
        if match is None or match[0] == b"\xff\xd9":
            break
        marker, length = match[0][1], int.from_bytes(body[match.end() : match.end() + 2], "big")
        part = body[match.end() + 2 : match.end() + length]
        start = match.end() + max(length, 2)
        is_progressive = is_progressive or marker == 0xC2
        if marker == 0xDB and _has_zero(part):
            return "a quantisation table has a zero"
        if marker == 0xC4:
            tables |= _plain_codes(part)
        if marker == 0xDA:
            end = match_end(body, start)
            if _has_zero_run(
                body,
                start,
                end,
                part,
                is_plain=any(tables.get(table & 15) for table in part[2 : 1 + 2 * part[0] : 2]),
            ):
                return "the scan has a block of zeros"
            _note_scan(bits, part)
    return _missing_scans(bits) if is_progressive else None


def match_end(body: bytes, start: int) -> int:
    """Return where the coded data of a scan end."""
    match = _MARKER.search(body, start)
    return match.start() if match else len(body)


def _has_zero(part: bytes) -> bool:
    """Say whether a table of a DQT segment has a zero, which T.81 (B.2.4.1) forbids."""
    place = 0
    while place < len(part):
        step = 2 if part[place] >> 4 else 1
        table = part[place + 1 : place + 1 + 64 * step]
        if any(not any(table[k : k + step]) for k in range(0, len(table), step)):
            return True
        place += 1 + 64 * step
    return False


def _plain_codes(part: bytes) -> dict[int, bool]:
    """Map each AC table of a DHT segment to whether its code of zeros alone ends a block (EOB and EOBn)."""
    result, place = {}, 0
    while place + 17 <= len(part):
        count = sum(part[place + 1 : place + 17])
        first = part[place + 17 : place + 18]
        if part[place] >> 4 == 1 and first:
            result[part[place] & 15] = first[0] & 15 == 0 and first[0] != 0xF0
        place += 17 + count
    return result


def _has_zero_run(body: bytes, start: int, end: int, scan: bytes, *, is_plain: bool) -> bool:
    """Look for a block of zeros; scans that only refine, or hold DC alone, have them in plain pictures too."""
    first, last, high = scan[-3], scan[-2], scan[-1] >> 4
    return (
        not (is_plain or high or (first == 0 and last == 0))
        and body.find(ZERO_RUN, start, end) >= 0
    )


def _note_scan(bits: dict[tuple[int, int], int], scan: bytes) -> None:
    first, last, low = scan[-3], scan[-2], scan[-1] & 15
    for component in scan[1 : 1 + 2 * scan[0] : 2]:
        for coefficient in range(first, min(last, 63) + 1):
            bits[component, coefficient] = low


def _missing_scans(bits: dict[tuple[int, int], int]) -> str | None:
    components = {component for component, _ in bits}
    missing = sum(bits.get((each, k), 1) > 0 for each in components for k in range(64))
    return f"scans are missing: {missing} coefficients are not complete" if missing else None


def _webp_fault(body: bytes) -> str | None:
    """Check the chunk sizes of a WebP."""
    return (
        "the file is shorter than its header says"
        if int.from_bytes(body[4:8], "little") + 8 > len(body)
        else None
    )


_CHECKS: Final[dict[str, Callable[[bytes], str | None]]] = {
    "PNG": _png_fault,
    "JPEG": _jpeg_fault,
    "WEBP": _webp_fault,
}


def strip_fault(body: bytes, picture: Image.Image) -> str | None:
    """Name the fault of a TIFF whose strips are cut, or whose deflate data are broken: Pillow reads both as zeros."""
    tags = getattr(picture, "tag_v2", {})
    places, sizes = tags.get(273, ()), tags.get(279, ())
    for place, size in zip(places, sizes, strict=False):
        if place + size > len(body):
            return "a strip ends behind the file"
        if tags.get(259) in _DEFLATE and (fault := _deflate_fault(body[place : place + size])):
            return fault
    return None


def _deflate_fault(packed: bytes) -> str | None:
    inflate = zlib.decompressobj()
    try:
        while packed and not inflate.eof:
            inflate.decompress(packed, _PIECE)
            packed = inflate.unconsumed_tail
    except zlib.error as error:
        return f"the compressed data are broken: {error}"
    return None if inflate.eof else "the compressed data have no end"


def palette_fault(picture: Image.Image) -> str | None:
    """Name the fault of a decoded picture whose pixels point behind its palette."""
    if picture.mode != "P" or picture.palette is None:
        return None
    colours = len(picture.palette.palette) // len(picture.palette.mode)
    highest = int(np.asarray(picture).max(initial=0))
    return f"colour {highest} of a palette of {colours}" if highest >= colours else None


def unwritten_fault(pixels: npt.NDArray[np.uint8]) -> str | None:
    """Name a block of zeros in RGB pixels of an uncompressed file: it starts and ends anywhere in a row.

    A black bar starts with a row, what lies above the start of a black area is black as well, and shadows fade.
    """
    for view in (pixels, pixels[::-1]):  # BMP stores the lowest row first
        if fault := _unwritten_run(view.max(axis=2)):
            return fault
    return None


def _unwritten_run(tones: npt.NDArray[np.uint8]) -> str | None:
    height, width = tones.shape
    black = np.concatenate([[False], tones.ravel() == 0, [False]]).astype(np.int8)
    edges = np.flatnonzero(np.diff(black))
    starts, ends = edges[::2], edges[1::2]
    if not len(starts):
        return None
    longest = int((ends - starts).argmax())
    start, end = int(starts[longest]), int(ends[longest])
    row, column = divmod(start, width)
    last, rest = divmod(end, width)
    if end - start < 2 * width or not (row and column):
        return None
    around = [tones[row - 1, column:], tones[row, max(0, column - SHADOW_PX) : column]]
    if end < height * width:
        below = tones[min(last + 1, height - 1), :rest]
        around += [below, tones[last, rest : rest + SHADOW_PX]]
    is_cut = all(each.size and (each == 0).mean() < 0.1 and each.mean() > SHADOW for each in around)
    return f"{end - start} pixels in a row are zero" if is_cut else None
