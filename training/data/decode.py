"""Decode stored pictures to pixels.

No tag of the file is used, not even Orientation: a picture without its metadata gives the same pixels, hence the same
prediction. A sandboxed process imports this file without the other rooms, so errors of training are imported late.
"""

import io

import numpy as np
import simplejpeg
from PIL import Image, TiffImagePlugin, UnidentifiedImageError

from training.data.arrays import Pixels

ORIENTATION = 0x0112
BLOCK_PX = 8  # side of the blocks of a JPEG: a shifted grid would look like another compression
LEAST_FACTOR = 2  # decoding at 5/8 to 7/8 takes longer than at full size


def decode(
    data: bytes | memoryview, *, name: str = "picture", min_side: int | tuple[int, int] = 0
) -> Pixels:
    """Decode stored pixels (H, W, 3), RGB, without Orientation or any other tag.

    With `min_side` a JPEG may be decoded at a reduced size (n/8, much faster), as long as both sides
    keep at least that many pixels; a pair gives the least height and the least width. Raises UndecodablePictureError.
    """
    try:
        return decode_pixels(data, min_side=min_side)
    except (
        Exception
    ) as error:  # damaged files raise whatever their decoder meets; all of it is passed on
        from training.errors import UndecodablePictureError

        raise UndecodablePictureError(name, decode_problem(error)) from error


def decode_pixels(
    data: bytes | memoryview, *, min_side: int | tuple[int, int] = 0, strict: bool = False
) -> Pixels:
    """Decode as `decode` does; damaged files raise what their decoder raises.

    `strict` refuses a file that is cut off, of which libjpeg would give the part that is there.
    """
    if bytes(data[:2]) == b"\xff\xd8":
        try:
            least = min_side if isinstance(min_side, tuple) else (min_side, min_side)
            return _decode_jpeg(data, *least, strict=strict)
        except (ValueError, KeyError):  # CMYK and other rare kinds: Pillow decodes them
            pass
    return _decode_other(data)


def fast_size(stored: tuple[int, int], least: tuple[int, int]) -> tuple[int, int]:
    """Return the smallest of all, a half, a fourth and an eighth of a JPEG that holds `least`, height and width.

    These scales have vector instructions: a half takes less time than 3/8, and has more detail.

    >>> fast_size((800, 600), (250, 200)), fast_size((800, 600), (500, 200))
    ((400, 300), (800, 600))
    """
    for divisor in (8, 4, 2):
        height, width = (-(-side // divisor) for side in stored)
        if height >= least[0] and width >= least[1]:
            return height, width
    return stored


def decode_problem(error: Exception) -> str:
    """Return what a decoder says about a file that it refuses."""
    is_other = isinstance(error, UnidentifiedImageError)  # its text names an object in memory
    return "no picture format that can be read" if is_other else str(error)


def stored_size(data: bytes) -> tuple[int, int] | None:
    """Return height and width of a JPEG from its header; None for anything else, and for a broken header."""
    if data[:2] != b"\xff\xd8":
        return None
    try:
        height, width, _, _ = simplejpeg.decode_jpeg_header(data, strict=False)
    except (ValueError, KeyError):  # KeyError: its colour space has no name
        return None
    return int(height), int(width)


def picture_size(data: bytes) -> tuple[int, int] | None:
    """Return height and width of an encoded picture as stored; None where its header cannot be read."""
    size = stored_size(data)
    if size is not None:
        return size
    try:
        with Image.open(io.BytesIO(data)) as picture:
            return picture.height, picture.width
    except Exception:  # noqa: BLE001 - damaged files raise whatever their reader meets; decoding them tells why
        return None


def _decode_jpeg(
    data: bytes | memoryview, min_height: int, min_width: int, *, strict: bool
) -> Pixels:
    least = {"min_height": min_height, "min_width": min_width, "min_factor": LEAST_FACTOR}
    scale = least if min_height else {}
    pixels: Pixels = simplejpeg.decode_jpeg(data, colorspace="RGB", strict=strict, **scale)
    return pixels


def _decode_other(data: bytes | memoryview) -> Pixels:
    with Image.open(io.BytesIO(data)) as picture:
        if isinstance(picture, TiffImagePlugin.TiffImageFile):
            # Pillow rotates a TIFF on load if either of these two has an Orientation.
            picture.tag_v2.pop(ORIENTATION, None)
            picture.getexif().pop(ORIENTATION, None)
        if picture.has_transparency_data:
            clear = picture.convert("RGBA")
            ground = Image.new("RGBA", clear.size, "white")
            return np.asarray(Image.alpha_composite(ground, clear).convert("RGB"))
        if picture.mode.startswith("I;16"):  # Pillow would clip it to white
            grey = (np.asarray(picture) >> 8).astype(np.uint8)
            return np.repeat(grey[:, :, None], 3, axis=2)
        return np.asarray(picture.convert("RGB"))
