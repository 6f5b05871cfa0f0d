"""Features of the simple baselines: the scene at 32 px, and statistics of brightness, noise and sharpness."""

import numpy as np
from PIL import Image

from training.data.arrays import Floats, Pixels

SCENE_PX = 32


def scene(picture: Pixels) -> Floats:
    """Return a picture (H, W, 3) at 32 x 32 px as one row of 3,072 numbers from 0 to 1."""
    small = Image.fromarray(picture).resize((SCENE_PX, SCENE_PX), Image.Resampling.BOX)
    return np.asarray(small).reshape(-1) / 255.0


def statistics(picture: Pixels, patches: Pixels) -> Floats:
    """Return ten numbers about a picture (H, W, 3) and its patches (P, s, s, 3), flat ones first."""
    luma = patches.astype(np.float64) @ np.array([0.299, 0.587, 0.114])
    chroma = patches[..., 0].astype(np.float64) - luma
    flat, textured = len(luma) - len(luma) // 2, max(1, len(luma) // 2)  # a single patch is both
    noise = np.log(0.1 + _roughness(luma)), np.log(0.1 + _roughness(chroma))
    parts = [
        part
        for values in noise
        for part in (values.min(), values[:flat].mean(), values[-textured:].mean())
    ]
    light = picture / 255.0
    return np.array(
        [*parts, np.ptp(noise[0]), light.mean(), light.std(), np.log(0.01 + light.mean())]
    )


def picture_features(picture: Pixels) -> tuple[Floats, Floats]:
    """Return the features of a picture (H, W, 3) for the simple baselines: its scene (3,072,) and statistics (10,)."""
    return scene(picture), statistics(picture, tiles(picture))


def tiles(picture: Pixels, side: int = 3) -> Pixels:
    """Cut a picture (H, W, 3) into side x side tiles of equal size, (side * side, h, w, 3), flat ones first."""
    height, width = picture.shape[0] // side, picture.shape[1] // side
    grid = picture[: height * side, : width * side].reshape(side, height, side, width, 3)
    cut = grid.swapaxes(1, 2).reshape(side * side, height, width, 3)
    return cut[np.argsort(_roughness(cut[..., 1].astype(np.float64)), kind="stable")]


def _roughness(planes: Floats) -> Floats:
    """Return the mean absolute Laplacian of each plane, shape (P,)."""
    centre = planes[:, 1:-1, 1:-1] * 4
    around = planes[:, :-2, 1:-1] + planes[:, 2:, 1:-1] + planes[:, 1:-1, :-2] + planes[:, 1:-1, 2:]
    return np.asarray(np.abs(centre - around).mean(axis=(1, 2)))
