"""What time does: things that move smear along their way, and a hand shakes."""

from dataclasses import replace

import numpy as np

from photosite.optics.layers import Layer, Pixels
from photosite.optics.lens import edged, spread
from photosite.plan.shots import Shot

SHAKE_PX_S = (75.0, 125.0)  # speed of a picture in a human hand: 6 to 10 degrees a second
LONGEST_PX = 220.0


def exposed(layer: Layer, shot: Shot, frame: tuple[int, int]) -> Layer:
    """Smear a layer over the way that it goes while the shutter is open; `frame` is (H, W)."""
    way = np.asarray(layer.velocity) * float(shot.exposure_time)
    length = float(np.hypot(*way))
    if length < 0.25:
        return layer
    way *= min(1.0, LONGEST_PX / length)
    wide = spread(layer, int(np.ceil(np.abs(way).max() * 0.7)) + 2, frame)
    return replace(wide, pixels=streaked(wide.pixels, float(way[0]), float(way[1])))


def shaken(frame: Pixels, shot: Shot, rng: np.random.Generator) -> Pixels:
    """Shake the whole picture (3, H, W) as a hand does; a tripod does not."""
    if shot.is_on_tripod:
        return frame
    speed = float(np.exp(rng.uniform(*np.log(SHAKE_PX_S))))
    angle = float(rng.uniform(0, 2 * np.pi))
    length = speed * float(shot.exposure_time)
    x, y = length * np.cos(angle), length * np.sin(angle)
    edge = int(np.ceil(length)) + 1
    padded = edged(frame, edge)
    streak = streaked(streaked(padded, x, y), -0.3 * y, 0.3 * x)  # nobody shakes in a straight line
    return streak[:, edge:-edge, edge:-edge]


def streaked(pixels: Pixels, across: float, down: float) -> Pixels:
    """Average (C, h, w) over a way centred on its place, by halving the way again and again."""
    side = 1.0
    while np.hypot(across, down) >= 1.5:
        # One half of the way is the other half moved: alternate sides to stay in the middle.
        pixels = _mean_with_moved(pixels, round(side * across / 2), round(side * down / 2))
        across, down, side = across / 2, down / 2, -side
    share = min(0.5, float(np.hypot(across, down)) / 3)
    if share < 0.08:
        return pixels
    axis = 2 if abs(across) >= abs(down) else 1
    return pixels * (1 - share) + _both_neighbours(pixels, axis) * (share / 2)


def _mean_with_moved(pixels: Pixels, across: int, down: int) -> Pixels:
    """Average with a moved copy; where nothing is known to move in, the edge keeps what it had."""
    out = pixels.copy()
    to_rows, from_rows = _overlap(down, pixels.shape[1])
    to_columns, from_columns = _overlap(across, pixels.shape[2])
    part = out[:, to_rows, to_columns]
    part += pixels[:, from_rows, from_columns]
    part *= 0.5
    return out


def _overlap(by: int, size: int) -> tuple[slice, slice]:
    by = max(-size, min(size, by))
    if by >= 0:
        return slice(by, size), slice(0, size - by)
    return slice(0, size + by), slice(-by, size)


def _both_neighbours(pixels: Pixels, axis: int) -> Pixels:
    padded = edged(pixels, 1)
    if axis == 2:
        return padded[:, 1:-1, :-2] + padded[:, 1:-1, 2:]
    return padded[:, :-2, 1:-1] + padded[:, 2:, 1:-1]
