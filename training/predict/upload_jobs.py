"""The job of a sandboxed process for uploaded pictures: decode one to the pixels that a model sees, and read its EXIF.

This file imports nothing but decoders: see `catalog/sandbox/decoding/decoder_start.py`.
"""

import io
import math
import warnings
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import cv2
import numpy as np
from PIL import AvifImagePlugin, Image, UnidentifiedImageError

from training.data.arrays import Pixels
from training.data.decode import decode_pixels, decode_problem
from training.data.orientation import SIDEWAYS, orientation_of, turn_upright

Reply = tuple[dict[str, Any], Sequence[bytes]]

FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "TIFF", "BMP", "JPEG2000")
"""What is opened, by content; JPEG includes the MPO files of telephones."""
MAX_PIXELS = 50_000_000
MAX_SIDE_PX = 20_000
# A file that is small and decodes to much; blank pages at quality 10 give 300 bytes of pixels for each byte.
BOMB_BYTES, BOMB_RATIO = 48_000_000, 400
MAX_UPRIGHT_SIDE_PX = (
    4096  # of pixels in which faces are looked for; larger ones are shrunk by averages
)
_EXIF_IFD = 0x8769
_SETTINGS = {"f_number": 0x829D, "exposure_time": 0x829A, "iso": 0x8827}


class RefusedError(Exception):
    """A file is refused before its pixels are decoded; `kind` says why in a word."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


def warm_up() -> None:
    """Load what the libraries would load with the first file of each kind."""
    cv2.setNumThreads(1)  # no thread can be started
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    Image.init()
    for name in ("numpy.ma", "numpy.fft", "numpy.polynomial", "numpy.random"):
        import_module(name)


def decode_upload(parts: Sequence[bytes], options: Mapping[str, Any]) -> Reply:
    """Decode a file; `upright` turns it by its tag Orientation, `min_side` the least height and width, or 0.

    The reply has `format`, `stored` (height, width) and `upright` (height, width) in px, `orientation` of the tag,
    `shape` of the pixels that are its part, and `settings` from EXIF, numbers or null. A refused file
    has `kind` and `text`.
    """
    [data] = parts
    try:
        with warnings.catch_warnings():  # Pillow warns of odd but valid files
            warnings.simplefilter("ignore")
            return _decoded(data, options)
    except RefusedError as error:
        return {"kind": error.kind, "text": str(error)}, ()
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - decoders raise anything on hostile bytes; reported to the user
        text = decode_problem(error)
        is_cut = any(word in text.lower() for word in ("truncat", "premature", "not enough"))
        return {"kind": "truncated" if is_cut else "undecodable", "text": text[:200]}, ()


def _decoded(data: bytes, options: Mapping[str, Any]) -> Reply:
    header = _opened(data)
    width, height = header.size
    _check_size(width, height, len(data))
    orientation = orientation_of(data)
    least = options["min_side"]
    pixels = decode_pixels(data, min_side=tuple(least) if least else 0, strict=True)
    if options["upright"]:
        pixels = _shrunk(turn_upright(pixels, orientation))
    about = {
        "format": "JPEG" if header.format == "MPO" else header.format,
        "stored": [height, width],
        "upright": [width, height] if orientation in SIDEWAYS else [height, width],
        "orientation": orientation,
        "shape": list(pixels.shape[:2]),
        "settings": _settings(header),
    }
    return about, [np.ascontiguousarray(pixels).tobytes()]


def _opened(data: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        text = f"this file is not a picture that can be read; {', '.join(FORMATS)} can"
        raise RefusedError("not_an_image", text) from error
    except Image.DecompressionBombError as error:
        raise RefusedError("too_large", f"the picture has more than {MAX_PIXELS} px") from error


def _check_size(width: int, height: int, file_bytes: int) -> None:
    size = f"{width} x {height} px"
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE_PX:
        raise RefusedError(
            "too_large", f"{size}; at most {MAX_PIXELS // 10**6} million px are decoded"
        )
    decoded = 3 * width * height
    if decoded > BOMB_BYTES and decoded > BOMB_RATIO * file_bytes:
        raise RefusedError("bomb", f"{size} out of {file_bytes} bytes: a decompression bomb")


def _shrunk(pixels: Pixels) -> Pixels:
    scale = MAX_UPRIGHT_SIDE_PX / max(pixels.shape[:2])
    if scale >= 1:
        return pixels
    height, width = (max(1, round(scale * side)) for side in pixels.shape[:2])
    source = np.ascontiguousarray(pixels)
    return np.asarray(cv2.resize(source, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _settings(header: Image.Image) -> dict[str, float | None]:
    """Read the three camera settings; places, names and serial numbers are not read."""
    try:
        tags = header.getexif().get_ifd(_EXIF_IFD)
    except Exception:  # noqa: BLE001 - a corrupt EXIF block must not lose the picture
        tags = {}
    return {name: _number(tags.get(tag)) for name, tag in _SETTINGS.items()}


def _number(value: Any) -> float | None:
    try:
        number = float(value[0] if isinstance(value, tuple) else value)
    except (TypeError, ValueError, ZeroDivisionError, IndexError, OverflowError):
        return None
    return number if math.isfinite(number) and number > 0 else None


JOBS = {"upload": decode_upload}
