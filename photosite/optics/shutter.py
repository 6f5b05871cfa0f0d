"""The shutter: motion blur of moving objects, and camera shake."""

from dataclasses import replace

import numpy as np

from photosite.optics.layers import Layer, Pixels
from photosite.optics.lens import expand_layer, pad_edges
from photosite.plan.shot_parameters import Shot

SHAKE_PX_S = (75.0, 125.0)  # speed of camera shake: 6 to 10 degrees a second
LONGEST_PX = 220.0


def expose(layer: Layer, shot: Shot, frame: tuple[int, int]) -> Layer:
    """Blur a layer along its path while the shutter is open; `frame` is (H, W)."""
    path = np.asarray(layer.velocity) * float(shot.exposure_time)
    length = float(np.hypot(*path))
    if length < 0.25:
        return layer
    path *= min(1.0, LONGEST_PX / length)
    expanded = expand_layer(layer, int(np.ceil(np.abs(path).max() * 0.7)) + 2, frame)
    return replace(expanded, pixels=motion_blur(expanded.pixels, float(path[0]), float(path[1])))


def add_camera_shake(frame: Pixels, shot: Shot, rng: np.random.Generator) -> Pixels:
    """Blur the whole picture (3, H, W) by camera shake; not on a tripod."""
    if shot.is_on_tripod:
        return frame
    speed = float(np.exp(rng.uniform(*np.log(SHAKE_PX_S))))
    angle = float(rng.uniform(0, 2 * np.pi))
    length = speed * float(shot.exposure_time)
    x, y = length * np.cos(angle), length * np.sin(angle)
    edge = int(np.ceil(length)) + 1
    padded = pad_edges(frame, edge)
    streak = motion_blur(
        motion_blur(padded, x, y), -0.3 * y, 0.3 * x
    )  # camera shake is not a straight line
    return streak[:, edge:-edge, edge:-edge]


def motion_blur(pixels: Pixels, across: float, down: float) -> Pixels:
    """Average (C, h, w) along a path centred on each pixel, by halving the path repeatedly."""
    side = 1.0
    while np.hypot(across, down) >= 1.5:
        # Each half of the path is the other half shifted; alternating the sides keeps it centred.
        pixels = _mean_with_shifted(pixels, round(side * across / 2), round(side * down / 2))
        across, down, side = across / 2, down / 2, -side
    share = min(0.5, float(np.hypot(across, down)) / 3)
    if share < 0.08:
        return pixels
    axis = 2 if abs(across) >= abs(down) else 1
    return pixels * (1 - share) + _both_neighbours(pixels, axis) * (share / 2)


def _mean_with_shifted(pixels: Pixels, across: int, down: int) -> Pixels:
    """Average with a shifted copy; pixels at the edge without a partner keep their value."""
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
    padded = pad_edges(pixels, 1)
    if axis == 2:
        return padded[:, 1:-1, :-2] + padded[:, 1:-1, 2:]
    return padded[:, :-2, 1:-1] + padded[:, 2:, 1:-1]
