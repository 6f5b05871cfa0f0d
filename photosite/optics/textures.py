"""Textures: tiles of noise in several octaves, made once; scenes use pieces of them.

A tile is periodic, has mean 0 and standard deviation 1. Pieces are slices of it, hence cheap.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]
TILE_PX = 1024

# Steepness of the spectrum and stretch along x: clouds are smooth, rock is rough, waves are long.
KINDS = {
    "cloud": (1.75, 2.0),
    "rock": (1.35, 1.2),
    "leaf": (0.95, 1.0),
    "grain": (0.45, 1.0),
    "wave": (1.25, 6.0),
    "fibre": (1.0, 0.12),
}


@cache
def tile(kind: str) -> Plane:
    """Make one tile, (1024, 1024), the same in every process."""
    slope, stretch = KINDS[kind]
    rng = np.random.default_rng(list(KINDS).index(kind))
    across = np.fft.rfftfreq(TILE_PX)[None, :] * stretch
    down = np.fft.fftfreq(TILE_PX)[:, None]
    distance = np.sqrt(across**2 + down**2)
    distance[0, 0] = np.inf
    spectrum = np.fft.rfft2(rng.standard_normal((TILE_PX, TILE_PX))) / distance**slope
    surface = np.fft.irfft2(spectrum)
    unit: Plane = ((surface - surface.mean()) / surface.std()).astype(np.float32)
    return unit


def piece(kind: str, shape: tuple[int, int], rng: np.random.Generator, step: int = 1) -> Plane:
    """Return a random piece of shape (H, W); `step` 2 takes every second pixel."""
    height, width = shape
    top = int(rng.integers(TILE_PX - min(height * step, TILE_PX - 1)))
    left = int(rng.integers(TILE_PX - min(width * step, TILE_PX - 1)))
    rows = np.arange(top, top + height * step, step) % TILE_PX
    columns = np.arange(left, left + width * step, step) % TILE_PX
    if step == 1 and rows[-1] > rows[0] and columns[-1] > columns[0]:
        return tile(kind)[top : top + height, left : left + width]
    return tile(kind)[np.ix_(rows, columns)]


def receding(
    kind: str, shape: tuple[int, int], rng: np.random.Generator, scale: float = 1.0
) -> tuple[Plane, Plane]:
    """Return a plane in perspective: texture (H, W) and distance of each row (H,), the nearest 1."""
    height, width = shape
    rows = np.arange(height, dtype=np.float32)
    distance = (height + 1.5) / (rows + 1.5)
    across = (np.arange(width, dtype=np.float32) - width / 2)[None, :]
    start = rng.integers(TILE_PX, size=2)
    u = (across * distance[:, None] * scale).astype(np.int32) + int(start[0])
    v = (distance * height * scale).astype(np.int32) + int(start[1])
    u &= TILE_PX - 1
    u += (v & (TILE_PX - 1))[:, None] * TILE_PX
    texture = tile(kind).ravel()[u]
    # Distant rows sample the tile sparsely: reduce their contrast against aliasing.
    return texture / np.sqrt(np.maximum(1, distance * scale))[:, None], distance


def ridge(width: int, rng: np.random.Generator, roughness: float = 0.55) -> Plane:
    """Return a random skyline: heights of about -1 to 1, (W,); each octave is weaker by `roughness`."""
    heights = np.zeros(width)
    for octave in range(1, 8):
        knots = rng.uniform(-1, 1, 2**octave + 2)
        places = np.linspace(0, len(knots) - 1, width)
        heights += np.interp(places, np.arange(len(knots)), knots) * roughness**octave
    return (heights / roughness / 1.6).astype(np.float32)
