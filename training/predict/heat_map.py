"""What of a picture counts for an answer: windows are covered one after the other, and the answer is read again.

Occlusion (Zeiler and Fergus 2014) needs no gradient, so any exported model can be explained through onnxruntime. A
window is covered by the same place of a strongly blurred copy (Fong and Vedaldi 2017), which shows the model no new
edges; its border is soft. Windows are two cells wide and overlap by half; a cell is the mean of the windows over it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from training.data.arrays import Floats, Pixels

FINEST, COARSEST = 10, 3
"""Cells along the longer side of the area, as many as the time allows."""
TIME_S = 10.0
"""About so many seconds are used; a slow model gets fewer cells."""
BLUR_OF_CELL = 1.0
"""Standard deviation of the blur that covers, in cells."""
EDGE_OF_CELL = 0.15
"""Standard deviation of the soft border of a window, in cells."""

Area = tuple[int, int, int, int]
"""x, y, width and height in px, inside the picture."""


@dataclass(frozen=True)
class Occlusion:
    """Cells (rows, columns): how much less is said where a cell is covered. `plain` is what is said uncovered."""

    cells: Floats
    plain: float
    windows: int


def occlude(
    pixels: Pixels, area: Area, say: Callable[[Pixels], float], *, time_s: float = TIME_S
) -> Occlusion:
    """Cover windows of an area of a picture (H, W, 3) and read what `say` says of each version."""
    say(pixels)  # the first prediction of a model is slower than the others
    started = time.monotonic()
    plain = say(pixels)
    rows, columns = grid_of(area, time_s, time.monotonic() - started)
    cover = _Cover(pixels, area, rows, columns)
    drops = np.array(
        [
            [plain - say(cover.at(row, column)) for column in range(-1, columns)]
            for row in range(-1, rows)
        ]
    )  # (rows + 1, columns + 1), of the windows over the corners of the cells
    cells = (drops[:-1, :-1] + drops[1:, :-1] + drops[:-1, 1:] + drops[1:, 1:]) / 4
    return Occlusion(cells, plain, drops.size)


def grid_of(area: Area, time_s: float, seconds: float) -> tuple[int, int]:
    """Choose rows and columns of about square cells, so that all windows take about `time_s`.

    >>> grid_of((0, 0, 300, 200), 10.0, 0.01), grid_of((0, 0, 300, 200), 10.0, 1.0), grid_of((0, 0, 10, 900), 9.0, 0)
    ((7, 10), (2, 3), (10, 1))
    """
    _, _, width, height = area
    for longer in range(FINEST, COARSEST - 1, -1):
        rows, columns = (
            max(1, round(longer * side / max(width, height))) for side in (height, width)
        )
        if (rows + 1) * (columns + 1) * seconds <= time_s:
            break
    return rows, columns


class _Cover:
    """Covers one window of a picture at a time."""

    def __init__(self, pixels: Pixels, area: Area, rows: int, columns: int) -> None:
        self._pixels, self._area = pixels, area
        _, _, width, height = area
        self._cell = (height / rows, width / columns)
        self._blurred = _blurred(pixels, BLUR_OF_CELL * max(self._cell))

    def at(self, row: int, column: int) -> Pixels:
        """Cover the cells (row, column) to (row + 1, column + 1), as far as they are in the area."""
        (top, bottom), (left, right) = (
            self._span(axis, number) for axis, number in enumerate((row, column))
        )
        covered = self._pixels.copy()
        weight = self._weight(top, bottom, 0)[:, None, None] * self._weight(left, right, 1)[:, None]
        own, blurred = self._pixels[top:bottom, left:right], self._blurred[top:bottom, left:right]
        covered[top:bottom, left:right] = np.rint(own + weight * (blurred.astype(np.float32) - own))
        return covered

    def _span(self, axis: int, number: int) -> tuple[int, int]:
        first = self._area[1 - axis]
        length, cell = self._area[3 - axis], self._cell[axis]
        low, high = (min(max(cell * end, 0.0), length) for end in (number, number + 2))
        return first + round(low), first + max(round(high), round(low) + 1)

    def _weight(self, low: int, high: int, axis: int) -> Floats:
        """Return 1 inside a window and less near its two ends, except at the border of the picture."""
        places, soft = np.arange(low, high) + 0.5, max(EDGE_OF_CELL * self._cell[axis], 1e-6)
        ends = [] if low == 0 else [places - low]
        ends += [] if high == self._pixels.shape[axis] else [high - places]
        distance = np.minimum.reduce(ends) if ends else np.full(high - low, np.inf)
        return np.asarray(1 - np.exp(-0.5 * (distance / soft) ** 2), np.float32)


def _blurred(pixels: Pixels, sigma: float) -> Pixels:
    """Blur at low resolution: a wide blur of a large picture would take seconds."""
    scale = max(1, round(sigma / 4))
    height, width = pixels.shape[:2]
    small = (max(1, width // scale), max(1, height // scale))
    reduced = cv2.resize(np.ascontiguousarray(pixels), small, interpolation=cv2.INTER_AREA)
    reduced = cv2.GaussianBlur(reduced, (0, 0), max(sigma / scale, 0.5))
    return np.asarray(
        cv2.resize(reduced, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8
    )
