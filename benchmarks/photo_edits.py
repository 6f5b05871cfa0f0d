"""Edits that people make to photographs before they post them again; bench_dedupe.py plants such copies.

An edit maps RGB pixels, (height, width, 3), to the pixels of the copy's file. `LIGHT` edits leave the photograph nearly
unchanged; `HARD` edits cover, warp or crop it. A collage counts as a new photograph.
"""

import io
import random
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

QUALITY = 90  # JPEG quality of a copy, unless compression is the edit
FONT = cv2.FONT_HERSHEY_SIMPLEX

Picture = NDArray[np.uint8]
Edit = Callable[[Picture, random.Random], Picture]


def encode_and_decode(picture: Picture, kind: str = "JPEG", quality: int = QUALITY) -> Picture:
    """Encode in this format and decode again."""
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(out, kind, quality=quality)
    return np.asarray(Image.open(out).convert("RGB"))


def scale(picture: Picture, x: float, y: float | None = None) -> Picture:
    way = cv2.INTER_AREA if x < 1 else cv2.INTER_CUBIC
    return cv2.resize(picture, None, fx=x, fy=y or x, interpolation=way)


def crop(picture: Picture, rng: random.Random, area: float) -> Picture:
    """Crop to this share of the area; the shares of the sides differ."""
    height, width = picture.shape[:2]
    x = rng.uniform(area**0.75, area**0.25)
    tall, wide = int(height * area / x), int(width * x)
    top, left = rng.randint(0, height - tall), rng.randint(0, width - wide)
    return picture[top : top + tall, left : left + wide]


def change_brightness(picture: Picture, rng: random.Random) -> Picture:
    return np.clip(picture.astype(float) + rng.choice([-45, -30, 30, 45]), 0, 255).astype(np.uint8)


def change_gamma(picture: Picture, rng: random.Random) -> Picture:
    return (255 * (picture / 255.0) ** rng.choice([0.6, 0.75, 1.4, 1.6])).astype(np.uint8)


def change_contrast(picture: Picture, rng: random.Random) -> Picture:
    values = (picture.astype(float) - 127) * rng.choice([0.6, 0.75, 1.3, 1.5]) + 127
    return np.clip(values, 0, 255).astype(np.uint8)


def change_colour_balance(picture: Picture, rng: random.Random) -> Picture:
    gain = np.array([rng.uniform(0.75, 1.25) for _ in range(3)])
    return np.clip(picture * gain, 0, 255).astype(np.uint8)


def change_saturation(picture: Picture, rng: random.Random) -> Picture:
    strength = rng.choice([0.4, 0.6, 1.5, 2.0])
    return np.asarray(ImageEnhance.Color(Image.fromarray(picture)).enhance(strength))


def convert_to_grey(picture: Picture, _: random.Random) -> Picture:
    return np.repeat(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[..., None], 3, 2)


def convert_to_sepia(picture: Picture, rng: random.Random) -> Picture:
    return np.clip(convert_to_grey(picture, rng) * [1.07, 0.9, 0.7], 0, 255).astype(np.uint8)


def darken_corners(picture: Picture, _: random.Random) -> Picture:
    y, x = (np.linspace(-1, 1, length) for length in picture.shape[:2])
    shade = 1 - 0.35 * np.hypot(*np.meshgrid(x, y)) ** 2
    return np.clip(picture * shade[..., None], 0, 255).astype(np.uint8)


def quantise_colours(picture: Picture, _: random.Random) -> Picture:
    return np.asarray(Image.fromarray(picture).quantize(48).convert("RGB"))


def blur(picture: Picture, rng: random.Random) -> Picture:
    return cv2.GaussianBlur(picture, (0, 0), rng.choice([1.0, 1.5, 2.0]))


def sharpen(picture: Picture, _: random.Random) -> Picture:
    return cv2.addWeighted(picture, 1.8, cv2.GaussianBlur(picture, (0, 0), 1.5), -0.8, 0)


def add_noise(picture: Picture, rng: random.Random) -> Picture:
    noise = np.random.default_rng(rng.randrange(2**32)).normal(0, 14, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def add_border(picture: Picture, shares: tuple[float, float, float, float], tone: int) -> Picture:
    """Add borders of one grey level above, below, left and right, in shares of the longer side."""
    px = [round(share * max(picture.shape)) for share in shares]
    return cv2.copyMakeBorder(picture, *px, cv2.BORDER_CONSTANT, value=[tone] * 3)


def add_frame(picture: Picture, rng: random.Random) -> Picture:
    return add_border(picture, (0.06,) * 4, rng.choice([0, 255]))


def add_bars(picture: Picture, rng: random.Random) -> Picture:
    """Pad to a square (or a square to 4:3) with two bars (letterbox)."""
    height, width = picture.shape[:2]
    share = abs(width - height) / 2 / max(width, height) or 0.16
    shares = (share, share, 0, 0) if width > height else (0, 0, share, share)
    return add_border(picture, shares, rng.choice([0, 0, 255]))


def add_instant_frame(picture: Picture, _: random.Random) -> Picture:
    """Add the frame of an instant photograph: thin, with a broad lower edge."""
    return add_border(picture, (0.05, 0.2, 0.05, 0.05), 245)


def add_caption(picture: Picture, _: random.Random) -> Picture:
    canvas = add_border(picture, (0.18, 0, 0, 0), 255)
    at = (picture.shape[1] // 20, round(0.12 * max(picture.shape)))
    return cv2.putText(canvas, "when it is Monday", at, FONT, picture.shape[1] / 400, (0, 0, 0), 2)


def add_text(picture: Picture, _: random.Random) -> Picture:
    height, width = picture.shape[:2]
    at = (width // 8, height // 2)
    return cv2.putText(picture.copy(), "(c) photo site", at, FONT, width / 400, (255, 255, 255), 2)


def add_watermark(picture: Picture, _: random.Random) -> Picture:
    """Repeat a translucent text over the whole picture."""
    ink = np.zeros_like(picture)
    for row in range(0, picture.shape[0] + 60, 60):
        for left in range(-(row % 120), picture.shape[1], 170):
            cv2.putText(ink, "sample", (left, row), FONT, 1.0, (255, 255, 255), 3)
    return np.clip(picture + 0.35 * ink, 0, 255).astype(np.uint8)


def add_sticker(picture: Picture, rng: random.Random) -> Picture:
    """Cover a corner with a logo."""
    canvas = picture.copy()
    side = round(0.24 * min(picture.shape[:2]))
    x = rng.choice([side, picture.shape[1] - side])
    y = rng.choice([side, picture.shape[0] - side])
    cv2.circle(canvas, (x, y), side // 2 + 6, (255, 255, 255), -1)
    cv2.circle(canvas, (x, y), side // 2, (200, 30, 60), -1)
    return cv2.putText(canvas, "NEWS", (x - side // 3, y + 5), FONT, side / 130, (255,) * 3, 2)


def embed_in_screenshot(picture: Picture, rng: random.Random) -> Picture:
    """Embed the picture in a page of an application: a bar with text above, icons and text below."""
    wide = picture.shape[1]
    paper = 250 if rng.random() < 0.5 else 24
    ink = (30,) * 3 if paper > 127 else (225,) * 3
    top = np.full((round(0.14 * wide), wide, 3), paper, np.uint8)
    foot = np.full((round(0.22 * wide), wide, 3), paper, np.uint8)
    cv2.putText(top, "12:41   album", (10, top.shape[0] - 14), FONT, wide / 500, ink, 2)
    for number in range(3):
        at = (30 + 46 * number, 24)
        cv2.circle(foot, at, 12, ink, 2)
    cv2.putText(foot, "213 likes, 8 comments", (12, 62), FONT, wide / 620, ink, 1)
    return np.concatenate([top, picture, foot])


def rotate_and_zoom(picture: Picture, degrees: float) -> Picture:
    """Rotate and zoom in until no corner is empty."""
    height, width = picture.shape[:2]
    angle = np.radians(abs(degrees))
    zoom = np.cos(angle) + np.sin(angle) * max(width / height, height / width)
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, zoom)
    return cv2.warpAffine(picture, turn, (width, height), flags=cv2.INTER_CUBIC)


def rotate_with_corners(picture: Picture, rng: random.Random) -> Picture:
    """Rotate by up to 8 degrees; the corners are black."""
    height, width = picture.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), rng.choice([-8, -5, 5, 8]), 1)
    return cv2.warpAffine(picture, turn, (width, height), flags=cv2.INTER_CUBIC)


def change_perspective(picture: Picture, rng: random.Random) -> Picture:
    """Change the perspective: each corner moves inwards by up to 5 % of the sides."""
    height, width = picture.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    moved = corners.copy()
    for corner, (x, y) in enumerate([(1, 1), (-1, 1), (-1, -1), (1, -1)]):
        moved[corner] += (x * width * rng.uniform(0, 0.05), y * height * rng.uniform(0, 0.05))
    bend = cv2.getPerspectiveTransform(moved, corners)  # no corner is empty
    return cv2.warpPerspective(picture, bend, (width, height), flags=cv2.INTER_CUBIC)


def make_collage(pictures: list[Picture]) -> Picture:
    """Put two pictures side by side, or four in a square."""
    tiles = [cv2.resize(each, (224, 224), interpolation=cv2.INTER_AREA) for each in pictures]
    rows = [np.concatenate(tiles[i : i + 2], 1) for i in range(0, len(tiles), 2)]
    return np.concatenate(rows)


def _in_jpeg(edit: Edit, quality: int = QUALITY) -> Edit:
    return lambda picture, rng: encode_and_decode(
        np.ascontiguousarray(edit(picture, rng)), quality=quality
    )


LIGHT: dict[str, Edit] = {
    "JPEG quality 75": lambda picture, _: encode_and_decode(picture, quality=75),
    "JPEG quality 50": lambda picture, _: encode_and_decode(picture, quality=50),
    "JPEG quality 25": lambda picture, _: encode_and_decode(picture, quality=25),
    "three times through JPEG": lambda picture, _: encode_and_decode(
        encode_and_decode(encode_and_decode(picture), quality=70)
    ),
    "as PNG, without metadata": lambda picture, _: picture.copy(),
    "as WebP": lambda picture, _: encode_and_decode(picture, "WEBP", 75),
    "half size": _in_jpeg(lambda picture, _: scale(picture, 0.5)),
    "a third of the size": _in_jpeg(lambda picture, _: scale(picture, 1 / 3)),
    "enlarged 1.5": _in_jpeg(lambda picture, _: scale(picture, 1.5)),
    "brightness": _in_jpeg(change_brightness),
    "gamma": _in_jpeg(change_gamma),
    "contrast": _in_jpeg(change_contrast),
    "colour balance": _in_jpeg(change_colour_balance),
    "saturation": _in_jpeg(change_saturation),
    "grey": _in_jpeg(convert_to_grey),
    "crop, 90 % of the area left": _in_jpeg(lambda picture, rng: crop(picture, rng, 0.9)),
    "crop, 80 % of the area left": _in_jpeg(lambda picture, rng: crop(picture, rng, 0.8)),
    "mirror": _in_jpeg(lambda picture, _: picture[:, ::-1]),
    "upside down": _in_jpeg(lambda picture, _: picture[::-1, ::-1]),
    "turned 90 degrees": _in_jpeg(lambda picture, _: np.rot90(picture)),
    "turned 270 degrees": _in_jpeg(lambda picture, _: np.rot90(picture, 3)),
}
HARD: dict[str, Edit] = {
    "brown": _in_jpeg(convert_to_sepia),
    "dark corners": _in_jpeg(darken_corners),
    "48 colours": _in_jpeg(quantise_colours),
    "blur": _in_jpeg(blur),
    "sharpened": _in_jpeg(sharpen),
    "noise": _in_jpeg(add_noise),
    "crop, 60 % of the area left": _in_jpeg(lambda picture, rng: crop(picture, rng, 0.6)),
    "stretched by 1.2": _in_jpeg(lambda picture, _: scale(picture, 1.2, 1.0)),
    "frame 6 %": _in_jpeg(add_frame),
    "two bars": _in_jpeg(add_bars),
    "frame of an instant camera": _in_jpeg(add_instant_frame),
    "caption above": _in_jpeg(add_caption),
    "text over the middle": _in_jpeg(add_text),
    "watermark all over": _in_jpeg(add_watermark),
    "logo over a corner": _in_jpeg(add_sticker),
    "screenshot": _in_jpeg(embed_in_screenshot),
    "turned 3 degrees, zoomed": _in_jpeg(
        lambda picture, rng: rotate_and_zoom(picture, rng.choice([-3, 3]))
    ),
    "turned 5-8 degrees, black corners": _in_jpeg(rotate_with_corners),
    "perspective": _in_jpeg(change_perspective),
    "crop, mirror, gamma, quality 60": _in_jpeg(
        lambda picture, rng: change_gamma(crop(picture, rng, 0.75)[:, ::-1], rng), 60
    ),
    "half size, frame, text": _in_jpeg(
        lambda picture, rng: add_frame(add_text(scale(picture, 0.5), rng), rng)
    ),
}
EDITS = LIGHT | HARD
