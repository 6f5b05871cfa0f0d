"""Find the brightness discontinuity that damage inside a JPEG scan causes: all units after the damage are shifted.

Coding units follow each other in rows, and the brightness of a unit is coded as a difference from the unit before. A
wrong byte that no decoder notices therefore shifts the brightness of everything after it. The discontinuity runs along
the top of the units from the damaged one to the end of its row, and along the top of the next row up to its start
column. In the order of the units it is one window, as long as a row, of equal jumps. Horizons and frames in a picture
stay in one row, and their rows are not aligned with coding units.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from curation.decoding.containers import JpegStructure

# Chosen on the tuning half of benchmarks/bench_health.py: 2,400 sound files with bars, rectangles and sharpening, and
# 36 files with planted damage that libjpeg reads without a warning.
FULL_JUMP: Final = 15.0  # grey levels; smaller jumps count in part
SCORE: Final = 1.85
# Each of the two rows jumps by this share of the mean, and in this share of its units by about as much. An edge
# in a picture has one row.
PART: Final = 0.5
EVEN: Final = 0.35
LIKE_MEAN: Final = (0.5, 1.6)
STRAIGHT: Final = 0.5  # share of the jump that units beside it must not have
EDGE_SHARE: Final = (
    0.08  # a discontinuity that starts at the left or right edge may be the edge of a frame
)
_NOISE: Final = 1.0  # squared grey levels that a jump may vary by without damage
_LEAST_CONTRAST: Final = 0.5
_MIN_UNITS: Final = (6, 3)  # columns and rows


@dataclass(frozen=True)
class Discontinuity:
    """The strongest discontinuity of a picture.

    `strength`: mean jump over its spread; `start`: unit column where it starts, 0 to 1; `jump`: in grey levels;
    `is_straight`: the same row of units also jumps beside it, as at the edge of a frame; `part`, `even`: the
    smaller share, of both rows, of the mean jump, and of units that jump like the mean.
    """

    strength: float = 0.0
    start: float = 0.0
    jump: float = 0.0
    is_straight: bool = False
    part: float = 0.0
    even: float = 0.0


def discontinuity_score(pixels: npt.NDArray[np.uint8], structure: JpegStructure) -> float:
    """Score the discontinuity along coding units of RGB pixels (height, width, 3) as stored; above 1 is damage.

    0 for progressive files (their damage has another form) and pictures of few units.
    """
    width, height = structure.unit_width, structure.unit_height
    rows, columns = pixels.shape[0] // max(height, 1), pixels.shape[1] // max(width, 1)
    if structure.is_progressive or not width or columns < _MIN_UNITS[0] or rows < _MIN_UNITS[1]:
        return 0.0
    luma = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.float32)
    strongest = _strongest(_jumps(luma, width, height, 0))
    unaligned = max(
        _strongest(_jumps(luma, width, height, offset)).strength
        for offset in (height // 4, height // 2 - 1, height // 2 + 2)
    )
    score = (
        strongest.strength / max(unaligned, _LEAST_CONTRAST) * min(1.0, strongest.jump / FULL_JUMP)
    )
    is_inside = EDGE_SHARE < strongest.start < 1 - EDGE_SHARE
    is_broken = (
        is_inside
        and strongest.part >= PART
        and strongest.even >= EVEN
        and not strongest.is_straight
    )
    return score / SCORE if is_broken else 0.0


def _jumps(
    luma: npt.NDArray[np.float32], width: int, height: int, offset: int
) -> npt.NDArray[np.float32]:
    """Average, for each unit, the step from the row of pixels above it, less the slope on both sides."""
    columns = luma.shape[1] // width
    top = np.arange(height + offset, luma.shape[0] - 2, height)
    part = luma[:, : columns * width]
    above, below = part[top - 1], part[top]
    slope = (above - part[top - 2] + part[top + 1] - below) / 2
    jumps: npt.NDArray[np.float32] = (
        (below - above - slope).reshape(len(top), columns, width).mean(2)
    )
    return jumps


def _strongest(jumps: npt.NDArray[np.float32]) -> Discontinuity:
    """Find the window of one row's length, in the order of the units, whose jumps are most equal."""
    length = jumps.shape[1]
    flat = jumps.ravel().astype(np.float64)
    if len(flat) < 2 * length:
        return Discontinuity()
    mean = _windows(flat, length)
    if not mean.any():
        return Discontinuity()
    variance = np.maximum(_windows(flat * flat, length) - mean * mean, 0)
    strength = np.abs(mean) / np.sqrt(variance + _NOISE)
    best = int(strength.argmax())
    row, column = divmod(best, length)
    beside = (jumps[row, :column], jumps[row + 1, column:] if row + 1 < len(jumps) else jumps[:0])
    is_straight = any(
        each.size > 0 and float(each.mean()) / mean[best] > STRAIGHT for each in beside
    )
    window = flat[best : best + length] / mean[best] if mean[best] else np.zeros(length)
    rows = (window[: length - column], window[length - column :])
    part = min(float(each.mean()) for each in rows) if column else 0.0
    low, high = LIKE_MEAN
    even = min(float(((each > low) & (each < high)).mean()) for each in rows) if column else 0.0
    return Discontinuity(
        float(strength[best]), column / length, float(abs(mean[best])), is_straight, part, even
    )


def _windows(values: npt.NDArray[np.float64], length: int) -> npt.NDArray[np.float64]:
    sums = np.concatenate([[0.0], np.cumsum(values)])
    means: npt.NDArray[np.float64] = (sums[length:] - sums[:-length]) / length
    return means
