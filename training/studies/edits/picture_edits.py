"""What the study of limits does to pictures: scales with levels, and filters as people use them.

A scale has levels from mild to strong; a level says what is left (px of the longer side, or per cent of an area), for
`covered` what is lost.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np

from training.data.arrays import Pixels
from training.data.transforms import edits

Change = Callable[[Pixels, float, np.random.Generator], Pixels]


@dataclass(frozen=True)
class Scale:
    """One way of making pictures worse: its change, levels from mild to strong, and the unit of a level."""

    change: Change
    levels: tuple[float, ...]
    unit: str
    title: str


def reduced(pixels: Pixels, level: float, _rng: np.random.Generator) -> Pixels:
    """Reduce to `level` px on the longer side; smaller pictures stay as they are."""
    factor = level / max(pixels.shape[:2])
    if factor >= 1:
        return pixels
    height, width = (max(1, round(length * factor)) for length in pixels.shape[:2])
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def put_on_canvas(pixels: Pixels, level: float, _rng: np.random.Generator) -> Pixels:
    """Put the picture in the middle of a plain canvas, of whose area it takes `level` per cent."""
    height, width = pixels.shape[:2]
    factor = (100 / level) ** 0.5
    tall, wide = round(height * factor), round(width * factor)
    canvas = np.empty((tall, wide, 3), np.uint8)
    canvas[:] = pixels.reshape(-1, 3).mean(axis=0)
    top, left = (tall - height) // 2, (wide - width) // 2
    canvas[top : top + height, left : left + width] = pixels
    return canvas


def cropped(pixels: Pixels, level: float, _rng: np.random.Generator) -> Pixels:
    """Keep the middle `level` per cent of the area."""
    height, width = pixels.shape[:2]
    factor = (level / 100) ** 0.5
    tall, wide = max(1, round(height * factor)), max(1, round(width * factor))
    top, left = (height - tall) // 2, (width - wide) // 2
    return np.ascontiguousarray(pixels[top : top + tall, left : left + wide])


def covered(pixels: Pixels, level: float, rng: np.random.Generator) -> Pixels:
    """Cover `level` per cent of the area by a grey rectangle of the picture's shape, somewhere."""
    height, width = pixels.shape[:2]
    factor = (level / 100) ** 0.5
    tall, wide = round(height * factor), round(width * factor)
    top, left = int(rng.integers(0, height - tall + 1)), int(rng.integers(0, width - wide + 1))
    result = pixels.copy()
    result[top : top + tall, left : left + wide] = 127
    return result


SCALES: Mapping[str, Scale] = {
    "resolution": Scale(
        reduced, (512, 256, 192, 128, 96, 64, 48, 32, 24, 16), "px", "longer side of the picture"
    ),
    "share": Scale(
        put_on_canvas, (80, 60, 40, 25, 15, 10, 5), "%", "share of a plain canvas that the picture takes"
    ),
    "crop": Scale(cropped, (90, 75, 60, 45, 30, 20), "%", "middle of the picture that is left"),
    "covered": Scale(covered, (5, 10, 20, 30, 45, 60), "%", "area under a grey rectangle"),
}  # fmt: skip


def _times(pixels: Pixels, factors: tuple[float, float, float]) -> Pixels:
    return np.asarray(np.clip(pixels * np.array(factors), 0, 255), np.uint8)


def _grey(pixels: Pixels) -> Pixels:
    grey = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def _contrasted(pixels: Pixels, factor: float) -> Pixels:
    stretched = (pixels.astype(np.float32) - 128) * factor + 128
    return np.asarray(np.clip(stretched, 0, 255), np.uint8)


def _noisy(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    return np.asarray(np.clip(pixels + rng.normal(0, 20, pixels.shape), 0, 255), np.uint8)


def _blurred(pixels: Pixels) -> Pixels:
    """Blur by a hundredth of the longer side."""
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), max(pixels.shape[:2]) / 100), np.uint8)


Filter = Callable[[Pixels, np.random.Generator], Pixels]

FILTERS: Mapping[str, Filter] = {
    "smooth skin": lambda p, _: np.asarray(cv2.bilateralFilter(p, 9, 60, 7), np.uint8),
    "blur": lambda p, _: _blurred(p),
    "warm": lambda p, _: _times(p, (1.15, 1.0, 0.8)),
    "cold": lambda p, _: _times(p, (0.85, 1.0, 1.15)),
    "black and white": lambda p, _: _grey(p),
    "high contrast": lambda p, _: _contrasted(p, 1.6),
    "low contrast": lambda p, _: _contrasted(p, 0.5),
    "dark": lambda p, _: _times(p, (0.4, 0.4, 0.4)),
    "noise": _noisy,
    "JPEG quality 30": lambda p, _: edits.compress_jpeg(p, 30),
    "JPEG quality 10": lambda p, _: edits.compress_jpeg(p, 10),
    "mirror": lambda p, _: np.ascontiguousarray(p[:, ::-1]),
    "turned by 15 degrees": lambda p, _: _turned(p, 15),
    "upside down": lambda p, _: np.ascontiguousarray(p[::-1, ::-1]),
    "sticker": edits.add_stickers,
    "text": edits.add_text,
}
"""Name -> one change of a picture."""


def _turned(pixels: Pixels, degrees: float) -> Pixels:
    height, width = pixels.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    border = cv2.BORDER_REPLICATE
    return np.asarray(cv2.warpAffine(pixels, turn, (width, height), borderMode=border), np.uint8)


@dataclass(frozen=True)
class Treatment:
    """One change of all pictures: of a scale at a level, or a filter (level NaN)."""

    kind: str
    name: str
    level: float
    change: Filter

    def applied(self, pixels: Pixels, rng: np.random.Generator) -> Pixels:
        """Return a changed copy of pixels (H, W, 3)."""
        return self.change(np.array(pixels, np.uint8, order="C"), rng)


def treatments(kinds: tuple[str, ...]) -> list[Treatment]:
    """List the changes of some scales, and of `filters`."""
    listed = []
    for kind in kinds:
        if kind == "filters":
            listed += [Treatment(kind, name, float("nan"), each) for name, each in FILTERS.items()]
            continue
        scale = SCALES[kind]
        for level in scale.levels:
            change = partial(_at_level, change=scale.change, level=level)
            listed.append(Treatment(kind, f"{level:g} {scale.unit}", level, change))
    return listed


def _at_level(pixels: Pixels, rng: np.random.Generator, *, change: Change, level: float) -> Pixels:
    return change(pixels, level, rng)


KINDS = (*SCALES, "filters")
