"""Turn pictures upright by their EXIF tag Orientation, read without parsing any other tag."""

import io
import struct
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

ORIENTATION = 0x0112
UPRIGHT = 1
SIDEWAYS = frozenset((5, 6, 7, 8))
"""Values of the tag that exchange height and width."""
_EXIF, _START_OF_SCAN = 0xE1, 0xDA

Number = TypeVar("Number", bound=np.generic)


def orientation_of(data: bytes) -> int:
    """Return the Orientation of an encoded picture, 1 to 8; 1 (upright) where it has none."""
    if data[:2] == b"\xff\xd8":
        return _in_jpeg(data)
    try:
        with Image.open(io.BytesIO(data)) as picture:
            value = picture.getexif().get(ORIENTATION, UPRIGHT)
    except Exception:  # noqa: BLE001 - damaged files raise whatever their reader meets; decoding them tells why
        return UPRIGHT
    return value if value in range(1, 9) else UPRIGHT


def turn_upright(pixels: NDArray[Number], orientation: int) -> NDArray[Number]:
    """Return a view of pixels (H, W, 3) as the tag says they are to be seen.

    >>> import numpy as np
    >>> turn_upright(np.zeros((2, 3, 3), np.uint8), 6).shape
    (3, 2, 3)
    """
    if orientation in SIDEWAYS:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels


def _in_jpeg(data: bytes) -> int:
    """Walk the segments up to the first EXIF block, or to the start of the scan."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        kind, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if kind == _START_OF_SCAN:
            break
        if kind == _EXIF and data[at + 4 : at + 10] == b"Exif\0\0":
            return _in_tiff(data[at + 10 : at + 2 + length])
        at += 2 + length
    return UPRIGHT


def _in_tiff(block: bytes) -> int:
    """Look for the tag among the entries of the first directory: tag, type, count, value."""
    order = "<" if block[:2] == b"II" else ">"
    try:
        (start,) = struct.unpack_from(order + "I", block, 4)
        (count,) = struct.unpack_from(order + "H", block, start)
        for number in range(count):
            tag, _, _, value = struct.unpack_from(order + "HHIH", block, start + 2 + 12 * number)
            if tag == ORIENTATION:
                return int(value) if value in range(1, 9) else UPRIGHT
    except struct.error:  # the block is cut off
        pass
    return UPRIGHT
