"""Uploaded pictures: decoded in a sandboxed process, whose reply is checked like the word of a stranger."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from catalog import DecoderError, DecoderLimits, DecoderPool, PictureRefusedError
from training.data.arrays import Pixels
from training.data.photo_settings import TASKS
from training.predict.upload_jobs import FORMATS, MAX_PIXELS, MAX_SIDE_PX

JOBS_MODULE = "training.predict.upload_jobs"
LIMITS = DecoderLimits(timeout_s=15.0, output_bytes=3 * MAX_PIXELS)
_KINDS = {
    "not_an_image": "",
    "too_large": "the picture is too large: ",
    "bomb": "the picture is refused: ",
    "truncated": "the file is cut off: ",
    "undecodable": "the file is damaged: ",
    "too_slow": "the picture takes too long to decode: ",
    "too_much_memory": "the picture takes too much memory: ",
    "crashed": "the file breaks its decoder: ",
}
"""Why a file is refused, and the beginning of the sentence about it."""


@dataclass(frozen=True)
class Upload:
    """A decoded upload: `pixels` (H, W, 3) for the view; sizes (height, width) in px of the file and upright.

    `orientation` is that of EXIF, 1 to 8. `settings` are f_number, iso and exposure_time from EXIF, None where there is
    none.
    """

    pixels: Pixels
    format: str
    stored_size: tuple[int, int]
    upright_size: tuple[int, int]
    orientation: int
    settings: Mapping[str, float | None]


class UploadDecoder:
    """Decodes uploads; safe to use from several threads."""

    def __init__(self) -> None:
        self._pool = DecoderPool(JOBS_MODULE, LIMITS)

    def decode(self, data: bytes, *, min_side: int | tuple[int, int], is_upright: bool) -> Upload:
        """Decode one file as `View.from_bytes` does, or turned upright; raises `PictureRefusedError`."""
        try:
            least = (min_side, min_side) if isinstance(min_side, int) else min_side
            reply = self._pool.decode(
                "upload", data, min_side=least if any(least) else 0, upright=is_upright
            )
        except DecoderError as error:
            raise _refused(error.status, error.detail) from error
        if "kind" in reply.result:
            raise _refused(str(reply.result["kind"]), str(reply.result.get("text")))
        return _checked(reply.result, reply.parts[0] if reply.parts else b"")

    def close(self) -> None:
        """End the processes."""
        self._pool.close()


def _refused(kind: str, detail: str) -> PictureRefusedError:
    kind = kind if kind in _KINDS else "crashed"
    line = "".join(c for c in " ".join(detail.split()) if c.isprintable())[:200]
    return PictureRefusedError(kind, _KINDS[kind] + line)


def _checked(result: Mapping[str, Any], part: bytes) -> Upload:
    sizes = [_size(result.get(name)) for name in ("shape", "stored", "upright")]
    shape, stored, upright = sizes
    settings = result.get("settings")
    is_valid = len(part) == 3 * shape[0] * shape[1] > 0 and result.get("format") in FORMATS
    if not is_valid or stored == (0, 0) or upright == (0, 0) or not isinstance(settings, dict):
        raise _refused("crashed", "its reply is impossible")
    pixels = np.frombuffer(part, np.uint8).reshape(*shape, 3)
    numbers = {name: _setting(settings.get(name)) for name in TASKS}
    orientation = result.get("orientation")
    turned = orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1
    return Upload(pixels, str(result["format"]), stored, upright, turned, numbers)


def _size(value: object) -> tuple[int, int]:
    if isinstance(value, list) and len(value) == 2:
        height, width = value
        if all(type(side) is int and 0 < side <= MAX_SIDE_PX for side in value):
            return height, width
    return 0, 0


def _setting(value: object) -> float | None:
    is_number = isinstance(value, float | int) and math.isfinite(value) and value > 0
    return float(value) if is_number else None  # type: ignore[arg-type]  # checked
