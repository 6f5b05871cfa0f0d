"""Small tools for edits of pictures: sizes, random numbers, text, crops."""

import random
from collections.abc import Callable

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks.photo_edits import Picture

Edit = Callable[[Picture, random.Random, int], Picture]
WORDS = ("my best day", "look at this", "sunday again", "who did it", "no filter", "when it rains")
PAPERS = ((255, 255, 255), (0, 0, 0), (24, 24, 28), (240, 236, 228))


def clipped(values: object) -> Picture:
    return np.clip(np.asarray(values, np.float64), 0, 255).astype(np.uint8)


def sized(picture: Picture, width: int, height: int) -> Picture:
    shrinks = width * height < picture.shape[0] * picture.shape[1]
    way = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, (width, height), interpolation=way), np.uint8)


def side(picture: Picture) -> int:
    return max(picture.shape[:2])


def seeded(rng: random.Random) -> np.random.Generator:
    return np.random.default_rng(rng.randrange(2**32))


def write(
    picture: Picture,
    text: str,
    at: tuple[float, float],
    share: float,
    outline: int = 0,
    ink: object = 255,
) -> Picture:
    """Write in the middle of `at` (shares of width and height), letters `share` of the width high."""
    canvas = Image.fromarray(np.ascontiguousarray(picture))
    size = max(9, round(share * canvas.width))
    tone = (ink,) * 3 if isinstance(ink, int) else ink
    ImageDraw.Draw(canvas).text(
        (at[0] * canvas.width, at[1] * canvas.height), text, fill=tone, anchor="mm",
        font=ImageFont.load_default(size), stroke_width=outline, stroke_fill=(0, 0, 0),
    )  # fmt: skip
    return np.array(canvas)


def crop_to(picture: Picture, rng: random.Random, area: float) -> Picture:
    """Keep this share of the area; shares of the sides differ."""
    height, width = picture.shape[:2]
    x = rng.uniform(area**0.65, area**0.35)
    tall, wide = max(8, int(height * area / x)), max(8, int(width * x))
    top, left = rng.randint(0, height - tall), rng.randint(0, width - wide)
    return picture[top : top + tall, left : left + wide]
