"""The jobs of a decoder process for curation: examine a file or a sound, and decode to small upright pixels.

This file imports nothing but decoders: see `catalog/sandbox/decoding/decoder_start.py`.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import import_module
from typing import Any

import cv2
import numpy as np
from PIL import AvifImagePlugin, Image

from curation.decoding.health import Health, examine_image, failed_health, shrink
from curation.decoding.limits import MIN_SMALL_SIDE_PX, DecodeError, is_risky
from curation.decoding.pixels import ImageHeader, Pixels, decode_stored, open_header, turn
from curation.decoding.sounds import sound_job

Reply = tuple[dict[str, Any], Sequence[bytes]]

IS_HEAVY: Reply = ({"is_heavy": True}, ())
"""The reply for a file that may need much memory, when the request does not allow heavy files."""


def warm_up() -> None:
    """Load what the libraries would load with the first file of each kind."""
    cv2.setNumThreads(1)  # no thread can be started
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    Image.init()
    for name in ("numpy.ma", "numpy.fft", "numpy.polynomial", "numpy.random"):
        import_module(name)


def examine_file(parts: Sequence[bytes], options: Mapping[str, Any]) -> Reply:
    """Examine a file with its EXIF thumbnail; the parts of the reply are a thumbnail and a preview."""
    image, thumbnail = parts
    try:
        with warnings.catch_warnings():  # Pillow warns of odd but valid files
            warnings.simplefilter("ignore")
            header = open_header(image, options["min_side_px"])
            if _is_heavy(header) and not options["heavy"]:
                return IS_HEAVY
            return _health_reply(examine_image(image, header, thumbnail))
    except Exception as error:  # noqa: BLE001 - decoders raise anything on hostile bytes; recorded as a row
        return _health_reply(failed_health(error))


def _is_heavy(header: ImageHeader) -> bool:
    return is_risky(header.container, *header.size, header.structure)


def _health_reply(health: Health) -> Reply:
    columns = asdict(health)
    pictures = [columns.pop(name) for name in ("thumbnail", "preview")]
    return columns, [picture for picture in pictures if picture is not None]


def decode_small(parts: Sequence[bytes], options: Mapping[str, Any]) -> Reply:
    """Decode to upright RGB, at most `side_px` a side, or exactly `height_px` high."""
    [image] = parts
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            header = open_header(image, MIN_SMALL_SIDE_PX)
            if _is_heavy(header) and not options["heavy"]:
                return IS_HEAVY
            stored, _ = decode_stored(image, header)
    except DecodeError as error:
        return {"status": error.status, "detail": error.detail}, ()
    pixels = turn(stored, header.orientation)
    side, height = options["side_px"], options["height_px"]
    small = shrink(pixels, side) if height is None else _of_height(pixels, height)
    return {"width": small.shape[1], "height": small.shape[0]}, [small.tobytes()]


def _of_height(pixels: Pixels, height_px: int) -> Pixels:
    height, width = pixels.shape[:2]
    size = (max(1, round(width * height_px / height)), height_px)
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


JOBS = {"examine": examine_file, "small": decode_small, "sound": sound_job}
