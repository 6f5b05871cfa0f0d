"""The lens: blur by depth, out-of-focus discs of lamps, sunstars, stray light, vignetting.

The circle of confusion follows the thin-lens formula. Surfaces are blurred at a coarser scale when the
circle is large; out-of-focus lamps are drawn as discs.
"""

from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from photosite.optics.layers import Layer, Pixels, PointLight
from photosite.plan.shot_parameters import Shot

FAR_M = 1e5
STAR_FROM = 7.0  # f-number from which the aperture blades draw stars around lamps


def blur_radius_px(shot: Shot, focus_m: float, depth_m: float) -> float:
    """Return the radius of the circle of confusion in pixels of the frame."""
    focal, focus, depth = shot.focal_mm, focus_m * 1000, depth_m * 1000
    circle_mm = focal**2 / (float(shot.f_number) * (focus - focal)) * abs(depth - focus) / depth
    return circle_mm / shot.camera.sensor_mm * shot.camera.frame[0] / 2


def focus(layer: Layer, shot: Shot, focus_m: float, frame: tuple[int, int]) -> Layer:
    """Project a layer through the lens; `frame` is (height, width)."""
    if isinstance(layer.depth_m, np.ndarray):
        radii = np.array([blur_radius_px(shot, focus_m, d) for d in layer.depth_m], np.float32)
        return replace(layer, pixels=_blur_by_row(layer.pixels, radii))
    radius = blur_radius_px(shot, focus_m, layer.depth_m)
    if not layer.plain:
        layer = blur(layer, radius, frame)
    for light in layer.lights:
        _add_light_disc(layer, light, radius)
    return layer


def blur(layer: Layer, radius: float, frame: tuple[int, int]) -> Layer:
    """Blur a layer by a disc; the layer is enlarged by the blur, but not beyond the frame."""
    if radius < 0.3:
        return layer
    grown = expand_layer(layer, int(np.ceil(radius)) + 1, frame)
    return replace(grown, pixels=disc_blur(grown.pixels, radius))


def expand_layer(layer: Layer, by: int, frame: tuple[int, int]) -> Layer:
    """Add an empty border of `by` pixels to a layer, but not beyond the frame."""
    _, height, width = layer.pixels.shape
    top, left = min(by, max(0, layer.top)), min(by, max(0, layer.left))
    bottom = min(by, max(0, frame[0] - layer.top - height))
    right = min(by, max(0, frame[1] - layer.left - width))
    pixels = np.zeros((4, height + top + bottom, width + left + right), np.float32)
    pixels[:, top : top + height, left : left + width] = layer.pixels
    return replace(layer, pixels=pixels, top=layer.top - top, left=layer.left - left)


def disc_blur(pixels: Pixels, radius: float) -> Pixels:
    """Blur (C, h, w) by approximately a disc of this radius, at a scale where a 3 x 3 kernel suffices."""
    scale = 1 if radius <= 1.5 else 2 if radius <= 3.6 else 4 if radius <= 7.2 else 8
    if scale == 1:
        return _three_by_three(pixels, radius)
    # Downscaling and upscaling blur like a disc of radius `scale`: only the rest is added.
    rest = max(0.0, (radius / scale) ** 2 - 1) ** 0.5
    small = _three_by_three(_downscale(pixels, scale), min(1.5, rest))
    return _upscale(small, scale, pixels.shape)


def _three_by_three(pixels: Pixels, radius: float) -> Pixels:
    side, corner = min(1.0, max(0.0, radius - 0.5)), min(1.0, max(0.0, radius - 0.914))
    if radius < 0.75:
        side = 0.45 * radius**2
    if side < 0.02:
        return pixels
    padded = pad_edges(pixels, 1)
    columns = padded[:, :-2] + padded[:, 2:]  # above + below, (C, h, w + 2)
    out = columns[:, :, 1:-1] + padded[:, 1:-1, :-2]
    out += padded[:, 1:-1, 2:]
    out *= side
    out += pixels
    if corner:
        corners = columns[:, :, :-2] + columns[:, :, 2:]
        corners *= corner
        out += corners
    out *= 1 / (1 + 4 * side + 4 * corner)
    return out


def pad_edges(pixels: Pixels, by: int) -> Pixels:
    """Pad (C, h, w) by `by` pixels on each side with the values of the border."""
    channels, height, width = pixels.shape
    out = np.empty((channels, height + 2 * by, width + 2 * by), np.float32)
    out[:, by:-by, by:-by] = pixels
    out[:, :by, by:-by], out[:, -by:, by:-by] = pixels[:, :1], pixels[:, -1:]
    out[:, :, :by], out[:, :, -by:] = out[:, :, by : by + 1], out[:, :, -by - 1 : -by]
    return out


def _downscale(pixels: Pixels, scale: int) -> Pixels:
    """Average blocks of `scale` x `scale`, a power of two; the last row and column are repeated."""
    while scale > 1:
        if pixels.shape[1] % 2 or pixels.shape[2] % 2:
            pixels = np.pad(
                pixels, ((0, 0), (0, pixels.shape[1] % 2), (0, pixels.shape[2] % 2)), mode="edge"
            )
        rows = pixels[:, ::2] + pixels[:, 1::2]
        pixels = rows[:, :, ::2] + rows[:, :, 1::2]
        pixels *= 0.25
        scale //= 2
    return pixels


def _upscale(pixels: Pixels, scale: int, shape: tuple[int, ...]) -> Pixels:
    """Enlarge by `scale`, linearly, and cut to (C, h, w)."""
    _, height, width = shape
    tall = np.empty((pixels.shape[0], pixels.shape[1] * scale, pixels.shape[2]), np.float32)
    _interpolate(pixels.swapaxes(0, 1), tall.swapaxes(0, 1), scale)
    wide = np.empty((pixels.shape[0], height, pixels.shape[2] * scale), np.float32)
    _interpolate(np.moveaxis(tall[:, :height], 2, 0), np.moveaxis(wide, 2, 0), scale)
    return wide[:, :, :width]


def _interpolate(old: Pixels, new: Pixels, scale: int) -> None:
    """Fill `new`, `scale` times as long along its first axis, by linear interpolation of `old`."""
    for step in range(scale):
        share = (step + 0.5) / scale - 0.5
        part = new[step::scale]
        np.multiply(old, 1 - abs(share), out=part)
        if share < 0:
            part[1:] -= share * old[:-1]
            part[0] -= share * old[0]
        else:
            part[:-1] += share * old[1:]
            part[-1] += share * old[-1]


def _blur_by_row(pixels: Pixels, radii: Pixels) -> Pixels:
    """Blur each row by its own radius: a mix of no blur, a small blur and the largest blur."""
    most = float(radii.max())
    levels = [0.0, *(level for level in (most / 3, most) if level >= 0.4)]
    out = pixels.copy()
    if pixels[3].min() == 1:
        pixels = pixels[:3]  # a layer without gaps keeps its alpha
    for low, high in pairwise(levels):
        for start, end in _runs((radii > low) & (radii <= high)):
            edge = int(2 * high) + 2  # rows beyond the run are needed for its blur
            top = max(0, start - edge)
            part = pixels[:, top : end + edge]
            share = ((radii[start:end] - low) / (high - low))[None, :, None]
            rows = out[: len(pixels), start:end]
            rows[:] = disc_blur(part, low)[:, start - top : end - top] * (1 - share)
            rows += disc_blur(part, high)[:, start - top : end - top] * share
    return out


def _runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """List the runs of true values as (start, end)."""
    steps = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False]))))
    return [(int(start), int(end)) for start, end in zip(steps[::2], steps[1::2], strict=True)]


def _add_light_disc(layer: Layer, light: PointLight, blur: float) -> None:
    """Add a lamp to a layer as an out-of-focus disc of the same energy."""
    radius = float(np.hypot(light.radius_px, blur))
    reach = int(np.ceil(radius)) + 1
    x, y = light.x - layer.left, light.y - layer.top
    rows = np.arange(max(0, int(y) - reach), min(layer.pixels.shape[1], int(y) + reach + 1))
    columns = np.arange(max(0, int(x) - reach), min(layer.pixels.shape[2], int(x) + reach + 1))
    if not len(rows) or not len(columns):
        return
    distance = np.sqrt((rows[:, None] - y) ** 2 + (columns[None, :] - x) ** 2)
    edge = 1.06 - 0.22 * (
        1 - np.minimum(1, distance / radius)
    )  # discs are a little brighter outside
    disc = np.clip(radius + 0.5 - distance, 0, 1) * edge * (light.radius_px / radius) ** 2
    place = np.s_[:3, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    layer.pixels[place] += np.asarray(light.colour, np.float32)[:, None, None] * disc.astype(
        np.float32
    )


def add_stars(frame: Pixels, lights: list[PointLight], f_number: float) -> None:
    """Draw the eight rays that closed blades make around bright lamps, on (3, H, W)."""
    if f_number < STAR_FROM:
        return
    length = int(2.2 * f_number)
    _, height, width = frame.shape
    for light in lights:
        colour = np.asarray(light.colour, np.float32) * light.radius_px**2 * 0.02 * f_number / 8
        for dx, dy in ((1, 0), (0, 1), (1, 1), (1, -1)):
            steps = np.arange(-length, length + 1)
            x, y = (
                np.rint(light.x + steps * dx).astype(int),
                np.rint(light.y + steps * dy).astype(int),
            )
            in_frame = (x >= 0) & (x < width) & (y >= 0) & (y < height)
            fade = (1 - np.abs(steps[in_frame]) / (length + 1)) ** 2 / (
                1 + np.abs(steps[in_frame]) / 3
            )
            frame[:, y[in_frame], x[in_frame]] += colour[:, None] * fade.astype(np.float32)


def add_stray_light(light: Pixels, near: float, far: float) -> Pixels:
    """Scatter shares of the light (3, H, W): `near` within about 6 pixels, `far` within about 30 pixels."""
    half = _downscale(light, 2)
    eighth = _three_by_three(_downscale(half, 4), 1.5)
    stray = _upscale(eighth, 4, half.shape)
    stray *= np.float32(far)
    stray += np.float32(near) * _three_by_three(half, 1.5)
    out = _upscale(stray, 2, light.shape)
    out += light * np.float32(1 - near - far)
    return out


def vignette(shot: Shot, frame: tuple[int, int]) -> Pixels:
    """Return the share of light that reaches each pixel, (H, W); corners are darkest at the widest aperture."""
    stops_down = 2 * np.log2(float(shot.f_number / shot.camera.widest))
    strength = shot.camera.vignette * (0.10 + 0.55 * max(0.0, 1 - stops_down / 3))
    shade: Pixels = np.float32(1) - np.float32(strength) * _distance_squared(frame)
    return shade


@cache
def _distance_squared(frame: tuple[int, int]) -> Pixels:
    """Return the squared distance from the centre, 1 in the corners."""
    height, width = frame
    y, x = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)[None, :]
    scale = float(height**2 + width**2)
    return ((y**2 * height**2 + x**2 * width**2) / scale).astype(np.float32)
