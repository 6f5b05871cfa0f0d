"""A layer of a scene: pixels in linear light with one depth, or one depth a row, and a velocity.

Layers are painted with Pillow at twice the size and reduced (antialiasing).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from photosite.optics import textures

Pixels = NDArray[np.float32]
Colour = tuple[float, float, float]
Point = tuple[float, float]
DETAIL = 0.13  # strength of fine detail
FINE = 2  # painting is done at this many times the size


@dataclass(frozen=True)
class PointLight:
    """A lamp: position and radius in frame pixels, radiance in linear light (white = 1)."""

    x: float
    y: float
    colour: Colour
    radius_px: float = 1.0


@dataclass(frozen=True)
class Layer:
    """Premultiplied linear RGBA, (4, h, w), at (`left`, `top`) of the frame.

    `depth_m` is one distance in metres, or one for each row. `velocity` is in pixels a second.
    A `plain` layer has no detail that a lens could blur visibly.
    """

    pixels: Pixels
    depth_m: float | Pixels
    top: int = 0
    left: int = 0
    velocity: Point = (0.0, 0.0)
    lights: Sequence[PointLight] = field(default=())
    plain: bool = False


def _srgb_to_linear(srgb: Pixels) -> Pixels:
    """Convert sRGB values (0 to 1) to linear light by a cubic with an error of at most 0.003."""
    out = srgb * np.float32(0.305306)
    out += np.float32(0.682171)
    out *= srgb
    out += np.float32(0.012523)
    out *= srgb
    return out


def linear_colour(colour: str) -> Colour:
    """Convert an `rrggbb` sRGB colour to linear light.

    >>> linear("ffffff")
    (1.0, 1.0, 1.0)
    """
    srgb = np.array([int(colour[at : at + 2], 16) / 255 for at in (0, 2, 4)], np.float32)
    red, green, blue = (round(float(value), 6) for value in _srgb_to_linear(srgb))
    return red, green, blue


def premultiply(rgb: Pixels, alpha: Pixels | float = 1.0) -> Pixels:
    """Join colour (3, h, w) and alpha (h, w) to premultiplied RGBA."""
    out = np.empty((4, *rgb.shape[1:]), np.float32)
    out[3] = alpha
    np.multiply(rgb, out[3], out=out[:3])
    return out


def blend(first: Colour, second: Colour, share: Pixels) -> Pixels:
    """Mix two colours by a plane of shares of the second: (3, h, w)."""
    start = np.asarray(first, np.float32)[:, None, None]
    change = np.asarray(second, np.float32)[:, None, None] - start
    return start + change * share


class Canvas:
    """Paints shapes in frame pixels and sRGB colours; together they become one layer.

    A shape replaces the pixels below it, also a half transparent shape. The image holds premultiplied
    colours, so that it can be reduced by averaging.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size
        self._image = Image.new("RGBa", (size[0] * FINE, size[1] * FINE))
        self._pen = ImageDraw.Draw(self._image)
        self.lights: list[PointLight] = []

    def polygon(self, points: Sequence[Point], colour: str, alpha: int = 255) -> None:
        """Fill a polygon."""
        self._pen.polygon([(x * FINE, y * FINE) for x, y in points], _rgba(colour, alpha))

    def box(
        self, corners: tuple[float, float, float, float], colour: str, round_px: float = 0
    ) -> None:
        """Fill a rectangle; its corners are round if `round_px` is not 0."""
        left, top, right, bottom = (value * FINE for value in corners)
        if right - left < 1 or bottom - top < 1:
            return
        shape = (left, top, right, bottom)
        if round_px:
            self._pen.rounded_rectangle(shape, round_px * FINE, _rgba(colour, 255))
        else:
            self._pen.rectangle(shape, _rgba(colour, 255))

    def oval(self, centre: Point, radii: Point, colour: str, alpha: int = 255) -> None:
        """Fill an ellipse."""
        (x, y), (wide, high) = centre, radii
        shape = ((x - wide) * FINE, (y - high) * FINE, (x + wide) * FINE, (y + high) * FINE)
        self._pen.ellipse(shape, _rgba(colour, alpha))

    def ring(self, centre: Point, radius: float, colour: str, width: float) -> None:
        """Draw the outline of a circle."""
        (x, y), r = centre, radius
        shape = ((x - r) * FINE, (y - r) * FINE, (x + r) * FINE, (y + r) * FINE)
        self._pen.ellipse(shape, outline=_rgba(colour, 255), width=max(1, round(width * FINE)))

    def limb(self, points: Sequence[Point], colour: str, width: float) -> None:
        """Draw a thick line with round ends."""
        fine = [(x * FINE, y * FINE) for x, y in points]
        self._pen.line(fine, _rgba(colour, 255), max(1, round(width * FINE)), joint="curve")
        for x, y in points:
            self.oval((x, y), (width / 2, width / 2), colour)

    def layer(
        self,
        depth_m: float,
        light: Colour = (1, 1, 1),
        *,
        velocity: Point = (0, 0),
        round_px: float = 0,
        rough: tuple[str, float, np.random.Generator] | None = None,
    ) -> Layer:
        """Return the layer, lit from the upper left.

        `round_px` shades flat shapes as if they were round over this many pixels. `rough` is a kind of texture,
        its strength and a random generator.
        """
        box = self._image.getbbox() or (0, 0, FINE, FINE)
        left, top = box[0] // FINE, box[1] // FINE
        right, bottom = -(-box[2] // FINE), -(-box[3] // FINE)
        cut = self._image.crop((left * FINE, top * FINE, right * FINE, bottom * FINE))
        small = cut.reduce(FINE)
        rgb, alpha = _unpremultiply(np.ascontiguousarray(np.moveaxis(np.asarray(small), 2, 0)))
        rgb *= np.asarray(light, np.float32)[:, None, None]
        if round_px:
            rgb *= _shade_round(small.getchannel(3), round_px)
        rgb *= detail(alpha.shape, left + 1000 * top)
        if rough is not None:
            kind, strength, rng = rough
            rgb *= 1 + np.float32(strength) * textures.piece(kind, alpha.shape, rng).clip(-2.5, 2.5)
        return Layer(premultiply(rgb, alpha), depth_m, top, left, velocity, tuple(self.lights))


def detail(shape: tuple[int, int], seed: int) -> Pixels:
    """Return fine detail for a surface: factors around 1, (h, w).

    Without it, blur of lens or shutter would not change flat surfaces.
    """
    piece = textures.piece("grain", shape, np.random.default_rng(seed))
    factors: Pixels = np.maximum(1 + np.float32(DETAIL) * piece, np.float32(0.3))
    return factors


def _unpremultiply(srgb: NDArray[np.uint8]) -> tuple[Pixels, Pixels]:
    """Split premultiplied sRGB values (4, h, w) into linear colour (3, h, w) and alpha (h, w)."""
    values = srgb * np.float32(1 / 255)
    partly = (srgb[3] > 0) & (srgb[3] < 255)
    values[:3, partly] = np.minimum(1, values[:3, partly] / values[3, partly])
    return _srgb_to_linear(values[:3]), values[3]


def _shade_round(mask: Image.Image, round_px: float) -> Pixels:
    """Return shading factors of a round shape: bright at the upper left, dark at the lower right."""
    soft = np.asarray(mask.filter(ImageFilter.BoxBlur(round_px)), np.float32) / 255
    radius = max(1, round(round_px))
    padded = np.pad(soft, radius, mode="edge")
    slope = padded[radius:-radius, 2 * radius :] - padded[radius:-radius, : -2 * radius]
    slope += 0.6 * (padded[2 * radius :, radius:-radius] - padded[: -2 * radius, radius:-radius])
    return np.clip(0.92 + 0.5 * slope, 0.25, 1.6)


def _rgba(colour: str, alpha: int) -> tuple[int, int, int, int]:
    red, green, blue = (int(colour[at : at + 2], 16) * alpha // 255 for at in (0, 2, 4))
    return red, green, blue, alpha
