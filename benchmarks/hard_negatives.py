"""Pictures that search for copies must keep apart: flat targets, drawings, documents, products, skies, second shots.

Each function makes a family of pictures from a seed: they resemble each other, but each is a photograph of its own.
"""

import random

import cv2
import numpy as np

from benchmarks.edit_tools import WORDS, clipped, seeded, side, write
from benchmarks.photo_edits import Picture, encode_and_decode

SIZE = 448, 336  # px
LABELS = (
    "lemon", "plum", "tea", "olive", "soap", "milk", "ginger", "mint", "cocoa", "rum", "honey", "salt", "berry", "fig",
    "malt", "vanilla",
)  # fmt: skip


def _shot(flat: Picture, rng: random.Random) -> Picture:
    """Photograph a plane from another place, with another camera: homography, light, white balance, noise."""
    width, height = SIZE
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32) * flat.shape[1::-1]
    inset, wobble = rng.uniform(0.05, 0.22), seeded(rng).uniform(-0.05, 0.05, (4, 2))
    box = np.array([[inset, inset], [1 - inset, inset], [1 - inset, 1 - inset], [inset, 1 - inset]])
    target = ((box + wobble) * [width, height]).astype(np.float32)
    bend = cv2.getPerspectiveTransform(corners.astype(np.float32), target)
    wall = np.full((height, width, 3), rng.uniform(60, 200)) * [
        rng.uniform(0.9, 1.1) for _ in range(3)
    ]
    seen = cv2.warpPerspective(
        flat, bend, SIZE, clipped(wall), cv2.INTER_AREA, cv2.BORDER_TRANSPARENT
    )
    light = np.linspace(rng.uniform(0.75, 1.1), rng.uniform(0.75, 1.1), width)[None, :, None]
    balance = np.array([rng.uniform(0.88, 1.12) for _ in range(3)])
    toned = 255 * (np.clip(seen * light * balance, 0, 255) / 255) ** rng.uniform(0.8, 1.25)
    soft = cv2.GaussianBlur(clipped(toned), (0, 0), rng.uniform(0.4, 1.1))
    grain = seeded(rng).normal(0, rng.uniform(2, 7), soft.shape)
    return encode_and_decode(clipped(soft + grain), quality=rng.randint(75, 95))


def charts(rng: random.Random, n: int) -> list[Picture]:
    """Photograph one colour chart of 24 patches `n` times."""
    flat = np.full((400, 600, 3), 25, np.uint8)
    for row in range(4):
        for column in range(6):
            at = (20 + 95 * column, 20 + 93 * row)
            tone = tuple(rng.randint(20, 245) for _ in range(3))
            cv2.rectangle(flat, at, (at[0] + 80, at[1] + 78), tone, -1)
    flat = write(flat, "COLOUR CHART 24", (0.5, 0.98), 0.025)
    return [_shot(flat, rng) for _ in range(n)]


def resolution_targets(rng: random.Random, n: int) -> list[Picture]:
    """Photograph one target of lines, rings and letters `n` times."""
    flat = np.full((400, 600, 3), 245, np.uint8)
    for ring in range(6):
        cv2.circle(flat, (300, 200), 20 + 24 * ring, (20,) * 3, 1 + ring)
    for number in range(5):
        for line in range(8):
            x, y = 20 + 115 * number + line * (2 + number), rng.choice([14, 330])
            cv2.line(flat, (x, y), (x, y + 56), (10,) * 3, 1 + number // 2)
    for row in range(3):
        flat = write(
            flat, "E F P T O Z L P E D", (0.5, 0.25 + 0.25 * row), 0.03 - 0.006 * row, 0, 15
        )
    return [_shot(flat, rng) for _ in range(n)]


def documents(rng: random.Random, n: int) -> list[Picture]:
    """Make forms with one letterhead and other text, partly photographed from the side."""
    pages = []
    for number in range(n):
        page = np.full((560, 420, 3), 252, np.uint8)
        page = write(page, "CITY OFFICE  -  FORM 27 B", (0.5, 0.05), 0.045, 0, (20, 40, 120))
        cv2.line(page, (20, 52), (400, 52), (20, 40, 120), 2)
        for row in range(16):
            text = " ".join(rng.choice(WORDS) for _ in range(3))
            page = write(page, text, (0.48, 0.15 + 0.05 * row), 0.034, 0, 40)
        pages.append(_shot(page, rng) if number % 2 else page)
    return pages


def line_drawings(rng: random.Random, n: int) -> list[Picture]:
    """Draw lines on white: half of the strokes of each picture are those of the one before."""
    pages, strokes = [], []
    for _ in range(n):
        fresh = [
            (seeded(rng).uniform(0.05, 0.95, (4, 2)) * SIZE).astype(np.int32) for _ in range(9)
        ]
        strokes = [*strokes[: len(strokes) // 2], *fresh][:14]
        page = np.full((SIZE[1], SIZE[0], 3), 255, np.uint8)
        cv2.polylines(
            page, strokes, isClosed=False, color=(0, 0, 0), thickness=2, lineType=cv2.LINE_AA
        )
        pages.append(page)
    return pages


def products(rng: random.Random, n: int) -> list[Picture]:
    """Make bottles on white: one shape, other label or colour."""
    pages = []
    for number in range(n):
        page = np.full((SIZE[1], SIZE[0], 3), 255, np.uint8)
        tone = tuple(rng.randint(30, 220) for _ in range(3))
        cv2.rectangle(page, (184, 110), (264, 300), tone, -1)
        cv2.rectangle(page, (208, 50), (240, 112), tone, -1)
        cv2.ellipse(page, (224, 304), (60, 8), 0, 0, 360, (225,) * 3, -1)
        shine = np.exp(-(((np.arange(SIZE[0]) - 205) / 10.0) ** 2))[None, :, None]
        is_glass = (page < 250).any(axis=2, keepdims=True)
        page = clipped(page + 60 * shine * is_glass)
        cv2.rectangle(page, (190, 180), (258, 250), (245, 240, 225), -1)
        page = write(
            page,
            LABELS[number % len(LABELS)],
            (0.5, 0.6),
            0.04,
            0,
            30,
        )
        page = write(page, f"{rng.randint(1, 9)}00 ml", (0.5, 0.7), 0.03, 0, 30)
        pages.append(encode_and_decode(page, quality=90))
    return pages


def skies(rng: random.Random, n: int) -> list[Picture]:
    """Make skies: a gradient, faint clouds, a horizon."""
    pages = []
    y = np.linspace(0, 1, SIZE[1])[:, None, None]
    for _ in range(n):
        top, low = np.array([70, 120, rng.randint(190, 225)]), np.array([190, 215, 240])
        cloud = cv2.resize(seeded(rng).normal(0, 1, (5, 7)), SIZE, interpolation=cv2.INTER_CUBIC)
        page = top * (1 - y) + low * y + rng.uniform(2, 14) * cloud[..., None]
        page[-rng.randint(12, 60) :] = (45, 60, 45)
        pages.append(clipped(page + seeded(rng).normal(0, 2, page.shape)))
    return pages


def nights(rng: random.Random, n: int) -> list[Picture]:
    """Make nights: black, noise, some lamps."""
    pages = []
    for _ in range(n):
        page = np.full((SIZE[1], SIZE[0], 3), 8.0)
        for _ in range(rng.randint(4, 16)):
            at = rng.randint(0, SIZE[0] - 1), rng.randint(120, SIZE[1] - 1)
            cv2.circle(page, at, rng.randint(1, 5), (255, rng.randint(160, 250), 120), -1)
        glow = cv2.GaussianBlur(page, (0, 0), 9) * 2 + cv2.GaussianBlur(page, (0, 0), 1)
        pages.append(clipped(glow + seeded(rng).normal(0, 4, page.shape)))
    return pages


def second_shot(picture: Picture, rng: random.Random) -> Picture:
    """Shoot again by hand a moment later: near things move against far ones, light and noise differ.

    Where the picture has texture, its parts must move against each other by half a pixel of 320, beyond what an affine
    transform explains: less cannot be told from an edit.
    """
    height, width = picture.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float64)
    while True:
        by_hand = cv2.getRotationMatrix2D(
            (width / 2, height / 2), rng.uniform(-1, 1), rng.uniform(1.005, 1.03)
        )
        by_hand[:, 2] += [rng.uniform(-4, 4), rng.uniform(-4, 4)]
        shift = _parallax(picture, rng)
        if _visible_px(picture, shift) * 320 / side(picture) > 0.5:
            break
    moved_x, moved_y = x + shift[..., 0], y + shift[..., 1]
    to_x = by_hand[0, 0] * moved_x + by_hand[0, 1] * moved_y + by_hand[0, 2]
    to_y = by_hand[1, 0] * moved_x + by_hand[1, 1] * moved_y + by_hand[1, 2]
    maps = to_x.astype(np.float32), to_y.astype(np.float32)
    seen = cv2.remap(picture, *maps, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    light = rng.uniform(0.9, 1.1)
    noisy = clipped(seen * light + seeded(rng).normal(0, 3, seen.shape))
    return encode_and_decode(noisy, quality=90)


def _parallax(picture: Picture, rng: random.Random) -> np.ndarray:
    """Give the shift of each pixel (px, x and y) for a depth map of slopes or of objects before a background."""
    height, width = picture.shape[:2]
    cells = rng.choice([3, 4, 5, 6])
    depth = cv2.resize(
        seeded(rng).uniform(0, 1, (cells, cells)), (width, height), interpolation=cv2.INTER_CUBIC
    )
    if rng.random() < 0.5:
        depth = cv2.GaussianBlur((depth > 0.5).astype(np.float64), (0, 0), 3)
    angle, px = rng.uniform(0, 2 * np.pi), rng.uniform(0.004, 0.02) * side(picture)
    return px * depth[..., None] * [np.cos(angle), np.sin(angle)]


def _visible_px(picture: Picture, shift: np.ndarray) -> float:
    """Give the upper quartile of the shift that an affine transform leaves where the picture has texture."""
    grey = cv2.GaussianBlur(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), (0, 0), 1.5)
    slope = np.hypot(cv2.Sobel(grey, cv2.CV_64F, 1, 0), cv2.Sobel(grey, cv2.CV_64F, 0, 1))
    rows, columns = np.nonzero(slope >= np.quantile(slope, 0.7))
    places = np.stack([rows, columns, np.ones_like(rows)], axis=1).astype(np.float64)
    moved = shift[rows, columns]
    left = moved - places @ np.linalg.lstsq(places, moved, rcond=None)[0]
    return float(np.quantile(np.hypot(*left.T), 0.75))
