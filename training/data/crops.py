"""Cut and resize encoded pictures to one size, decoding as few pixels as the result needs.

A JPEG is decoded at 1/2, 1/4 or 1/8 of its size where that keeps every pixel of the result, then resized by OpenCV
straight into the memory of the result. Decoding and resizing let other threads run.
"""

import math
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from catalog import UsageError
from training.data.arrays import Pixels
from training.data.decode import BLOCK_PX, decode, fast_size, stored_size
from training.data.orientation import SIDEWAYS, UPRIGHT, orientation_of, turn_upright

Crop = Literal["center", "whole", "pad", "random", "native", "native_random"]
CROPS: dict[str, str] = {
    "center": "the largest centred part of the target's shape, resized",
    "whole": "the whole picture, squeezed into the target's shape",
    "pad": "the whole picture at its own shape, centred on black",
    "random": "a part of random size, place and shape, resized",
    "native": "the centre at native resolution, not resized; corners lie on the 8-px grid of the JPEG blocks",
    "native_random": "the same at a random place",
}
RANDOM_CROPS = frozenset({"random", "native_random"})
ASPECTS = (3 / 4, 4 / 3)  # widest shapes of a random part, as in torchvision
ATTEMPTS = 10  # draws of a random part before the centre is taken, as in torchvision
# Up to this reduction of a side nearly every pixel has a share in linear interpolation, which takes a fifth of the time
# of averaging.
LEAST_AREA_FACTOR = 2.0


@dataclass(frozen=True)
class PictureView:
    """Target size in pixels, and what of a picture is shown there.

    `scale` is the smallest and largest share of the area of a `random` part; `flip` mirrors half of the pictures;
    without `upright` the tag Orientation is not used. Raises `UsageError` for impossible values.
    """

    height: int
    width: int
    crop: Crop = "center"
    scale: tuple[float, float] = (0.08, 1.0)
    flip: bool = False
    upright: bool = True

    def __post_init__(self) -> None:
        if self.crop not in CROPS:
            raise UsageError(f"crop {self.crop!r} does not exist; there are {', '.join(CROPS)}")
        if min(self.height, self.width) < 1:
            raise UsageError(f"a picture of {self.height} x {self.width} pixels has no pixel")
        if not 0 < self.scale[0] <= self.scale[1] <= 1:
            raise UsageError(f"scale {self.scale} must be two shares of the area, smaller first")

    @property
    def is_random(self) -> bool:
        """Whether a picture needs random numbers."""
        return self.flip or self.crop in RANDOM_CROPS


@dataclass(frozen=True)
class Box:
    """A part of a picture, in pixels of the upright picture."""

    top: float
    left: float
    height: float
    width: float


def render(
    data: bytes, view: PictureView, rng: np.random.Generator, out: Pixels, *, name: str = "picture"
) -> None:
    """Write the picture as `view` shows it into `out`, shape (height, width, 3), RGB.

    Raises `UndecodablePictureError` with `name`; `out` is then undefined.
    """
    orientation = orientation_of(data) if view.upright else UPRIGHT
    stored = stored_size(data)
    pixels = decode(data, name=name) if stored is None else None
    height, width = pixels.shape[:2] if pixels is not None else stored or (0, 0)
    size = (width, height) if orientation in SIDEWAYS else (height, width)
    box = choose_box(size, view, rng)
    if pixels is None:
        least = _least_size(size, box, view)
        least = least[::-1] if orientation in SIDEWAYS else least
        pixels = decode(data, name=name, min_side=fast_size(stored or least, least))
    if orientation != UPRIGHT:
        pixels = np.ascontiguousarray(turn_upright(pixels, orientation))
    _draw(pixels, size, box, view, out)
    if view.flip and rng.random() < 0.5:
        out[:] = out[:, ::-1].copy()


def choose_box(size: tuple[int, int], view: PictureView, rng: np.random.Generator) -> Box:
    """Choose the part of a picture of `size` (height, width) that a view shows."""
    height, width = size
    if view.crop in ("whole", "pad"):
        return Box(0, 0, height, width)
    if view.crop in ("native", "native_random"):
        tops, lefts = (
            _corner(room, view, rng) for room in (height - view.height, width - view.width)
        )
        return Box(tops, lefts, min(view.height, height), min(view.width, width))
    if view.crop == "random" and (box := _random_box(size, view.scale, rng)):
        return box
    scale = min(height / view.height, width / view.width)
    # One of the two is the side of the picture, but for rounding.
    box_height, box_width = min(view.height * scale, height), min(view.width * scale, width)
    return Box((height - box_height) / 2, (width - box_width) / 2, box_height, box_width)


def _corner(room: int, view: PictureView, rng: np.random.Generator) -> int:
    """Choose a corner on the grid of the JPEG blocks that leaves `room` pixels beside the part."""
    blocks = max(room, 0) // BLOCK_PX
    block = rng.integers(0, blocks + 1) if view.crop == "native_random" else (blocks + 1) // 2
    return int(block) * BLOCK_PX


def _random_box(
    size: tuple[int, int], scale: tuple[float, float], rng: np.random.Generator
) -> Box | None:
    """Draw area, shape and place of a part; None when no draw fits, as may be in a panorama."""
    height, width = size
    for _ in range(ATTEMPTS):
        area = height * width * rng.uniform(*scale)
        aspect = math.exp(rng.uniform(math.log(ASPECTS[0]), math.log(ASPECTS[1])))
        box_width, box_height = math.sqrt(area * aspect), math.sqrt(area / aspect)
        if box_height <= height and box_width <= width:
            top, left = rng.uniform(0, height - box_height), rng.uniform(0, width - box_width)
            return Box(top, left, box_height, box_width)
    return None


def _least_size(size: tuple[int, int], box: Box, view: PictureView) -> tuple[int, int]:
    """Return the smallest decoded height and width that hold every pixel of the result."""
    if view.crop in ("native", "native_random"):
        return size
    factors = view.height / box.height, view.width / box.width
    if view.crop == "pad":
        factors = (min(factors), min(factors))
    height, width = (
        min(side, math.ceil(side * factor)) for side, factor in zip(size, factors, strict=True)
    )
    return height, width


def _draw(pixels: Pixels, size: tuple[int, int], box: Box, view: PictureView, out: Pixels) -> None:
    """Resize the box, given for a picture of `size`, into `out`; `pixels` may have been decoded smaller."""
    part = _cut(pixels, size, box)
    if view.crop == "pad":
        _letterbox(part, out)
    elif view.crop in ("native", "native_random"):
        out[:] = _extended(part, view)
    else:
        resize_into(part, out)


def _cut(pixels: Pixels, size: tuple[int, int], box: Box) -> Pixels:
    """Cut the box to whole pixels, at least one."""
    ys, xs = pixels.shape[0] / size[0], pixels.shape[1] / size[1]
    height, width = max(1, round(box.height * ys)), max(1, round(box.width * xs))
    top = min(round(box.top * ys), pixels.shape[0] - height)
    left = min(round(box.left * xs), pixels.shape[1] - width)
    return pixels[top : top + height, left : left + width]


def resize_into(part: Pixels, out: Pixels) -> None:
    """Resize pixels (H, W, 3) to the shape of `out`, a contiguous array, averaging where they shrink much."""
    factor = math.sqrt(part.shape[0] / out.shape[0] * part.shape[1] / out.shape[1])
    method = cv2.INTER_AREA if factor >= LEAST_AREA_FACTOR else cv2.INTER_LINEAR
    cv2.resize(part, out.shape[1::-1], dst=out, interpolation=method)


def _letterbox(part: Pixels, out: Pixels) -> None:
    """Resize a whole picture to fit into `out`, with black beside it."""
    scale = min(out.shape[0] / part.shape[0], out.shape[1] / part.shape[1])
    height, width = (max(1, round(side * scale)) for side in part.shape[:2])
    small = np.empty((height, width, 3), np.uint8)
    resize_into(part, small)
    top, left = (out.shape[0] - height) // 2, (out.shape[1] - width) // 2
    out[:] = 0
    out[top : top + height, left : left + width] = small


def _extended(part: Pixels, view: PictureView) -> Pixels:
    """Extend a picture that is smaller than the view by mirroring it."""
    missing = view.height - part.shape[0], view.width - part.shape[1]
    if not any(missing):
        return part
    return np.pad(part, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="symmetric")
