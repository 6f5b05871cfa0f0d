"""The job of a decoder process for publishing: draw a picture at a smaller size.

Imports only modules for decoding: see `catalog/sandbox/decoding/decoder_start.py`.
"""

import warnings
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

from PIL import AvifImagePlugin, Image, ImageOps

QUALITY = 90


def warm_up() -> None:
    """Load modules that Pillow would load with the first file of a kind."""
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # no thread can be started
    Image.init()
    Image.new("RGB", (8, 8)).save(BytesIO(), "JPEG")


def draw_rendition(
    parts: Sequence[bytes], options: Mapping[str, Any]
) -> tuple[dict[str, Any], Sequence[bytes]]:
    """Return the picture upright as a JPEG whose short side has `side_px` pixels, without any tag.

    A picture that is smaller is not enlarged: then there is no part.
    """
    side = int(options["side_px"])
    with warnings.catch_warnings():  # Pillow warns of odd but valid files
        warnings.simplefilter("ignore")
        with Image.open(BytesIO(parts[0])) as opened:
            if min(opened.size) <= side:
                return {}, ()
            opened.draft("RGB", (2 * side, 2 * side))
            picture = ImageOps.exif_transpose(opened).convert("RGB")
    scale = side / min(picture.size)
    size = round(picture.width * scale), round(picture.height * scale)
    body = BytesIO()
    picture.resize(size, Image.Resampling.LANCZOS).save(body, "JPEG", quality=QUALITY)
    return {}, (body.getvalue(),)


JOBS = {"rendition": draw_rendition}
