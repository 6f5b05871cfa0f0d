"""Decode stored pictures to pixels.

No tag of the file is used, not even Orientation: a picture without its metadata gives the same pixels, hence the same
prediction.
"""

import io

import numpy as np
import simplejpeg
from PIL import Image, TiffImagePlugin

from training.data.transforms import Pixels
from training.errors import UndecodablePictureError

ORIENTATION = 0x0112


def decode(data: bytes | memoryview, *, name: str = "picture", min_side: int = 0) -> Pixels:
    """Decode stored pixels (H, W, 3), RGB, without Orientation or any other tag.

    With `min_side` a JPEG may be decoded at a reduced size (n/8, much faster), as long as both sides
    keep at least that many pixels. Raises UndecodablePictureError.
    """
    if bytes(data[:2]) == b"\xff\xd8":
        try:
            return _decode_jpeg(data, min_side)
        except ValueError:  # CMYK and other rare kinds: Pillow decodes them
            pass
    try:
        return _decode_other(data)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UndecodablePictureError(name, str(error)) from error


def _decode_jpeg(data: bytes | memoryview, min_side: int) -> Pixels:
    factor = {"min_height": min_side, "min_width": min_side, "min_factor": 1} if min_side else {}
    pixels: Pixels = simplejpeg.decode_jpeg(data, colorspace="RGB", strict=False, **factor)
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
        return np.asarray(picture.convert("RGB"))
