"""Sensor and processor of a camera: noise in linear light, colours, tone curve.

Photon noise grows with the square root of light and with ISO; read noise is added. Red and blue are measured at every
fourth pixel and interpolated, so their noise is coarser than that of green.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from photosite.optics.layers import Pixels
from photosite.plan.cameras import CameraModel

FULL_WELL = 4200.0  # electrons that white gives at ISO 100
READ_NOISE = 2.2  # electrons at ISO 100
BANK_PX = 1024
STEPS = 1000  # of the tone table for each unit of the square root of light


def add_noise(light: Pixels, iso: int, camera: CameraModel, rng: np.random.Generator) -> Pixels:
    """Add a sensor's noise to (3, H, W); in place."""
    gain = camera.noise**2 * iso / 100 / FULL_WELL
    read = camera.noise * READ_NOISE * iso / 100 / FULL_WELL
    _, height, width = light.shape
    top, left = int(rng.integers(BANK_PX - height)), int(rng.integers(BANK_PX - width))
    deviation = np.sqrt(np.maximum(light, 0) * np.float32(gain) + np.float32(read**2))
    deviation *= _noise_bank()[:, top : top + height, left : left + width]
    light += deviation
    return light


@cache
def _noise_bank() -> Pixels:
    """Make noise of standard deviation 1 with the correlation of demosaicing, (3, 1024, 1024)."""
    rng = np.random.default_rng(20)
    raw = rng.standard_normal((3, BANK_PX, BANK_PX), dtype=np.float32)
    for channel, weight in ((0, 0.7), (1, 0.35), (2, 0.7)):
        for axis in (0, 1):
            moved = np.roll(raw[channel], 1, axis) + np.roll(raw[channel], -1, axis)
            raw[channel] += np.float32(weight / 2) * moved
        raw[channel] /= raw[channel].std()
    raw += 0.35 * raw[1]  # demosaicing uses the green channel for all colours
    unit: Pixels = raw / raw.std(axis=(1, 2), keepdims=True)
    return unit


def develop(light: Pixels, camera: CameraModel) -> NDArray[np.uint8]:
    """Convert linear light (3, H, W) to the camera's picture, (H, W, 3) bytes."""
    flat = _colour_matrix(camera) @ light.reshape(3, -1)
    np.clip(flat, 0, 4, out=flat)
    np.sqrt(flat, out=flat)
    flat *= STEPS
    srgb = np.take(_tone_table(camera), flat.astype(np.intp)).reshape(light.shape)
    return np.ascontiguousarray(srgb.transpose(1, 2, 0))


@cache
def _colour_matrix(camera: CameraModel) -> Pixels:
    """Return the colour matrix of a camera: saturation around the luma, then tint."""
    luma = np.array([0.2126, 0.7152, 0.0722])
    matrix = camera.saturation * np.eye(3) + (1 - camera.saturation) * luma[None, :]
    tint = np.array([camera.warmth, 1.0, 1 / camera.warmth])
    tinted: Pixels = (matrix * tint[:, None]).astype(np.float32)
    return tinted


@cache
def _tone_table(camera: CameraModel) -> NDArray[np.uint8]:
    """Return the tone curve as a table by square root of light, 0 to 2: a shoulder and an S-curve in the mid-tones."""
    light = (np.arange(2 * STEPS + 1) / STEPS) ** 2
    srgb = (1 - np.exp(-1.5 * light)) ** (1 / 2.2)
    srgb -= (camera.contrast - 0.85) / (2 * np.pi) * np.sin(2 * np.pi * srgb)
    return np.rint(255 * np.clip(srgb, 0, 1)).astype(np.uint8)
