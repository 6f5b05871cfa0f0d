"""Pictures for the reference vectors of PDQ, made by integer arithmetic alone: the same bytes with every library.

RGB uint8, shape (height, width, 3). The sizes are what the box filter may get wrong: odd and even windows, sides
below and at 64, far from square, sides that 64 does not divide.
"""

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]


def pictures() -> dict[str, Picture]:
    """Give all pictures by name."""
    sizes = (
        (64, 64), (65, 64), (50, 41), (100, 80), (97, 129), (128, 128), (256, 192), (288, 288), (301, 211),
        (480, 640), (513, 300), (768, 1024), (1000, 120), (90, 700), (1300, 1301),
    )  # fmt: skip
    made = {f"clouds_{w}x{h}": clouds(seed, w, h) for seed, (w, h) in enumerate(sizes)}
    made |= {f"blocks_{w}x{h}": blocks(seed, w, h) for seed, (w, h) in enumerate(sizes[::3])}
    made["grey"] = np.repeat(clouds(40, 288, 288)[..., :1], 3, axis=2)
    made["plain"] = np.full((150, 200, 3), (90, 140, 30), np.uint8)
    made["ramp"] = _picture(np.arange(300) * 255 // 299, np.zeros((200, 1, 1), np.int64))
    made["noise"] = _random(41, 240, 320).astype(np.uint8)
    made["faint"] = (100 + clouds(42, 300, 200) // 64).astype(np.uint8)
    made["stripes"] = _picture(np.arange(288) // 9 % 2 * 255, np.zeros((288, 1, 1), np.int64))
    return made


def clouds(seed: int, width: int, height: int) -> Picture:
    """Smooth random light at four scales, each half as strong as the one before."""
    light = np.zeros((height, width, 3), np.int64)
    for octave, cells in enumerate((3, 7, 17, 41)):
        light += _stretched(_random(seed * 10 + octave, cells, cells), width, height) >> octave
    return np.clip(light * 255 // 480, 0, 255).astype(np.uint8)


def blocks(seed: int, width: int, height: int) -> Picture:
    """Rectangles of one colour each, over one another, as drawings and screenshots have them."""
    canvas = np.full((height, width, 3), 235, np.int64)
    for left, top, right, bottom, red, green, blue in _random(seed + 900, 25, 7)[..., 0]:
        x, y = sorted((left, right)), sorted((top, bottom))
        rows = slice(y[0] * height // 256, y[1] * height // 256 + 1)
        columns = slice(x[0] * width // 256, x[1] * width // 256 + 1)
        canvas[rows, columns] = red, green, blue
    return canvas.astype(np.uint8)


def _random(seed: int, height: int, width: int) -> NDArray[np.int64]:
    """Numbers 0-255 that depend on seed, place and channel only, shape (height, width, 3)."""
    y, x, channel = np.ogrid[:height, :width, :3]
    mixed = (
        x * 73_856_093 ^ y * 19_349_663 ^ channel * 83_492_791 ^ (seed + 1) * 2_654_435_761
    ) % 2**32
    for _ in range(2):
        mixed = (mixed ^ mixed >> 15) * 668_265_263 % 2**32
    return np.asarray(mixed >> 13 & 255, np.int64)


def _stretched(grid: NDArray[np.int64], width: int, height: int) -> NDArray[np.int64]:
    """Interpolate a square grid to a size, in 1/1024 of a cell."""
    for axis, length in ((0, height), (1, width)):
        place = np.arange(length) * (len(grid) - 1 if axis == 0 else grid.shape[1] - 1) * 1024
        place //= max(length - 1, 1)
        low = np.minimum(place >> 10, grid.shape[axis] - 2)
        part = (place - (low << 10)).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
        grid = (grid.take(low, axis) * (1024 - part) + grid.take(low + 1, axis) * part) >> 10
    return grid


def _picture(across: NDArray[np.int64], down: NDArray[np.int64]) -> Picture:
    return np.asarray(np.repeat(across[None, :, None] + down, 3, axis=2), np.uint8)
