"""Places in which a photograph is shown again, for training what tells them apart: pages, tables, frames; collages.

A page of `PAGES` shows one photograph and no other; a collage of `COLLAGES` shows others beside the first. None of
them is an edit of `hard_edits.py` or `unseen_edits.py`, with which the search is judged.
"""

import math
import random
import string
from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.edit_tools import clipped, seeded, side, sized, write
from benchmarks.photo_edits import Picture, scale

Page = Callable[[Picture, random.Random], Picture]
Collage = Callable[[Sequence[Picture], random.Random], Picture]
Box = tuple[int, int, int, int]
"""Left, top, width and height in px."""

GUTTERS, TONES = (0, 0, 4, 10, 20), (255, 0, 200, 245)  # px; grey levels
SMALL = 480  # px, the shorter side of most collages


def _colour(rng: random.Random, low: int = 0, high: int = 255) -> NDArray[np.float64]:
    return np.array([rng.randint(low, high) for _ in range(3)], np.float64)


def _even(noise: NDArray[np.floating], spread: float, mean: float) -> NDArray[np.float64]:
    return np.asarray((noise - noise.mean()) / (noise.std() + 1e-6) * spread + mean, np.float64)


def ground(height: int, width: int, rng: random.Random) -> Picture:
    """Draw what pictures lie or hang on: wood, cloth, checks, stripes, a wall, a gradient, speckles."""
    y, x = np.mgrid[:height, :width].astype(np.float64)
    noise = seeded(rng).uniform(0, 255, (height, width))
    period = rng.uniform(2, 25)
    kinds: dict[str, Callable[[], NDArray[np.float64]]] = {
        "wood": lambda: _even(
            cv2.GaussianBlur(noise, (0, 0), sigmaX=rng.uniform(5, 40), sigmaY=rng.uniform(1, 4)),
            rng.uniform(4, 16),
            128,
        ),
        "cloth": lambda: (
            128 + rng.uniform(10, 50) * np.sign(np.sin(x / period) * np.sin(y / period))
        ),
        "stripes": lambda: (
            128
            + rng.uniform(10, 60) * np.sin((x * rng.uniform(-1, 1) + y * rng.uniform(-1, 1)) / period)
        ),
        "wall": lambda: _even(
            cv2.GaussianBlur(noise, (0, 0), rng.uniform(1, 30)), rng.uniform(2, 20), 128
        ),
        "gradient": lambda: 128 + rng.uniform(-90, 90) * (x / width if rng.random() < 0.5 else y / height),
        "plain": lambda: np.full((height, width), 128.0),
        "speckles": lambda: _even(cv2.GaussianBlur(noise, (0, 0), 0.8), rng.uniform(8, 40), 128),
    }  # fmt: skip
    tones = kinds[rng.choice(sorted(kinds))]() / 128 + seeded(rng).normal(0, 0.02, (height, width))
    light = 1 + rng.uniform(-0.2, 0.2) * (x / width - 0.5) + rng.uniform(-0.2, 0.2) * y / height
    turned = tones.T if height == width and rng.random() < 0.5 else tones
    return clipped((turned * light)[..., None] * _colour(rng, 20, 230))


def _laid(picture: Picture, page: Picture, rng: random.Random, slant: float) -> Picture:
    """Lay a picture on a page with a shadow, seen from somewhat beside; `slant` is a share of the shorter side."""
    (height, width), (tall, wide) = picture.shape[:2], page.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    shift = [rng.uniform(0, wide - width), rng.uniform(0, tall - height)]
    moved = corners + shift + seeded(rng).uniform(-slant, slant, (4, 2)) * min(height, width) / 2
    bend = cv2.getPerspectiveTransform(corners, moved.astype(np.float32))
    share = cv2.warpPerspective(np.ones((height, width), np.float32), bend, (wide, tall))[..., None]
    shown = cv2.warpPerspective(picture, bend, (wide, tall), flags=cv2.INTER_CUBIC)
    shadow = cv2.GaussianBlur(share[..., 0], (0, 0), wide / rng.choice((40, 60, 90)))[..., None]
    dark = page * (1 - rng.uniform(0, 0.4) * np.roll(shadow, (tall // 90, wide // 90), (0, 1)))
    return clipped(shown * share + dark * (1 - share))


def _larger(picture: Picture, rng: random.Random, least: float, most: float) -> tuple[int, int]:
    """Give height and width of a page around a picture."""
    tall, wide = (rng.uniform(least, most) for _ in range(2))
    return round(picture.shape[0] * tall), round(picture.shape[1] * wide)


def table(picture: Picture, rng: random.Random) -> Picture:
    page = ground(*_larger(picture, rng, 1.1, 1.8), rng)
    return clipped(_laid(picture, page, rng, rng.choice((0.02, 0.12))) * rng.uniform(0.75, 1.1))


def instant_print(picture: Picture, rng: random.Random) -> Picture:
    """Print with a white border that is broader below, lying on a table."""
    rim = round(side(picture) * rng.uniform(0.03, 0.08))
    below = round(rim * rng.choice((1, 1, 3.5)))
    paper = [int(tone) for tone in _colour(rng, 225, 255)]
    framed = cv2.copyMakeBorder(picture, rim, below, rim, rim, cv2.BORDER_CONSTANT, value=paper)
    return table(np.asarray(framed, np.uint8), rng)


def pasted(picture: Picture, rng: random.Random) -> Picture:
    """Paste on a ground, anywhere."""
    page = ground(*_larger(picture, rng, 1.05, 1.7), rng)
    top, left = (rng.randint(0, page.shape[i] - picture.shape[i]) for i in (0, 1))
    page[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return page


def framed(picture: Picture, rng: random.Random) -> Picture:
    """Frame with one pattern on all four sides, or with a mat inside of it."""
    if rng.random() < 0.4:
        mat = round(side(picture) * rng.uniform(0.03, 0.1))
        tone = [rng.choice(TONES)] * 3
        picture = np.asarray(
            cv2.copyMakeBorder(picture, *[mat] * 4, cv2.BORDER_CONSTANT, value=tone), np.uint8
        )
    rim = round(side(picture) * rng.uniform(0.03, 0.16))
    height, width = picture.shape[:2]
    page = ground(height + 2 * rim, width + 2 * rim, rng)
    page[rim : rim + height, rim : rim + width] = picture
    return page


def backdrop(picture: Picture, rng: random.Random) -> Picture:
    """Fill a taller or wider picture with a blurred and enlarged version of the same."""
    height, width = picture.shape[:2]
    grown = rng.uniform(1.2, 1.9)
    tall, wide = (
        (round(height * grown), width) if rng.random() < 0.5 else (height, round(width * grown))
    )
    page = cv2.GaussianBlur(_cover(picture, wide, tall), (0, 0), rng.uniform(6, 25))
    page = clipped(page * rng.uniform(0.5, 1))
    top, left = (tall - height) // 2, (wide - width) // 2
    page[top : top + height, left : left + width] = picture
    return page


def _cover(picture: Picture, width: int, height: int) -> Picture:
    """Scale and cut the middle so that it covers a box."""
    grown = max(width / picture.shape[1], height / picture.shape[0])
    whole = sized(picture, math.ceil(picture.shape[1] * grown), math.ceil(picture.shape[0] * grown))
    top, left = (whole.shape[0] - height) // 2, (whole.shape[1] - width) // 2
    return whole[top : top + height, left : left + width].copy()


def _text(page: Picture, box: Box, rng: random.Random, ink: int) -> None:
    """Set lines of words into a box of a page."""
    left, top, width, height = box
    line = rng.choice((14, 18, 24, 32))
    for row in range(top + line, top + height, line):
        words = "".join(
            rng.choice(string.ascii_lowercase + "    ") for _ in range(3 * width // line)
        )
        cv2.putText(
            page, words[: rng.randint(len(words) // 3, len(words))], (left, row - line // 4),
            rng.choice((cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX)), line / 40, (ink,) * 3, 1, cv2.LINE_AA,
        )  # fmt: skip


def _paper(rng: random.Random) -> tuple[int, int]:
    """Give tone and ink of a page."""
    tone = rng.choice((255, 255, 245, 18, 32))
    return tone, 25 if tone > 99 else 225


def post(picture: Picture, rng: random.Random) -> Picture:
    """Show as an app does: a head with a round portrait, the picture, lines of text and buttons below."""
    shown = sized(picture, 540, max(16, round(540 * picture.shape[0] / picture.shape[1])))
    tone, ink = _paper(rng)
    head, foot = rng.randint(40, 130), rng.randint(60, 450)
    page = np.full((head + shown.shape[0] + foot, 540, 3), tone, np.uint8)
    page[head : head + shown.shape[0]] = shown
    cv2.circle(page, (40, head // 2), min(22, head // 3), tuple(_colour(rng)), -1, cv2.LINE_AA)
    _text(page, (75, head // 4, 200, head // 2), rng, ink)
    for place in range(rng.randint(0, 4)):
        middle = (30 + 50 * place, head + shown.shape[0] + 24)
        cv2.circle(page, middle, 12, (ink,) * 3, rng.choice((2, -1)), cv2.LINE_AA)
    _text(page, (18, head + shown.shape[0] + 44, 480, foot - 50), rng, ink)
    return page


def captioned(picture: Picture, rng: random.Random) -> Picture:
    """Put a bar with large letters above, below or on both sides."""
    tone, ink = _paper(rng)
    tone = rng.choice((tone, tone, rng.randint(60, 200)))
    bar = round(picture.shape[0] * rng.uniform(0.1, 0.35))
    sides = rng.choice(((1, 0), (0, 1), (1, 1)))
    page = cv2.copyMakeBorder(
        picture, bar * sides[0], bar * sides[1], 0, 0, cv2.BORDER_CONSTANT, value=[tone] * 3
    )
    page = np.asarray(page, np.uint8)
    for is_there, middle in zip(sides, (bar / 2, page.shape[0] - bar / 2), strict=True):
        if is_there:
            page = write(
                page, "when it works at last", (0.5, middle / page.shape[0]), rng.uniform(0.04, 0.08), ink=ink
            )  # fmt: skip
    return page


def article(picture: Picture, rng: random.Random, others: Sequence[Picture] = ()) -> Picture:
    """Set on a page with columns of text; `others` take the places of some text."""
    tone, ink = _paper(rng)
    wide, tall, rim = 600, 780, rng.choice((0, 18, 30))
    page = np.full((tall, wide, 3), tone, np.uint8)
    top = rng.choice((rim, 90, 200))
    shown = sized(picture, wide - 2 * rim, round(tall * rng.uniform(0.35, 0.55)))
    page[top : top + shown.shape[0], rim : rim + shown.shape[1]] = shown
    _text(page, (rim + 10, rim, wide - 2 * rim - 20, top - rim - 10), rng, ink)
    below = top + shown.shape[0] + 8
    n_columns = rng.choice((1, 2, 3))
    column = (wide - 40) // n_columns
    filled = rng.randrange(n_columns)
    for place in range(n_columns):
        left = 20 + place * column
        start = below
        if others and place == filled:
            high = min(round(column * rng.uniform(0.6, 0.9)), tall - below - 4)
            page[below : below + high, left : left + column - 10] = sized(
                others[0], column - 10, high
            )
            start = below + high
        _text(page, (left, start, column - 16, tall - start - 12), rng, ink)
    return page


def slide(picture: Picture, rng: random.Random) -> Picture:
    """Show beside a title and some lines, on a plain or shaded slide."""
    shown = scale(picture, 420 / side(picture))
    height, width = shown.shape[:2]
    wide, tall = round(width * rng.uniform(1.25, 1.9)), round(height * rng.uniform(1.15, 1.5))
    page = (
        ground(tall, wide, rng)
        if rng.random() < 0.3
        else np.full((tall, wide, 3), _colour(rng), np.uint8)
    )
    top, left = (
        rng.randint(0, tall - height),
        rng.choice((0, wide - width, rng.randint(0, wide - width))),
    )
    ink = 240 if page.mean() < 110 else 20
    _text(page, (8, 4, wide - 16, top - 4), rng, ink)
    side_box = (left + width + 6, top, wide - left - width - 12, height)
    _text(page, side_box if wide - left - width > left else (6, top, left - 12, height), rng, ink)
    page[top : top + height, left : left + width] = shown
    return page


PAGES: dict[str, Page] = {
    "table": table,
    "instant print": instant_print,
    "pasted": pasted,
    "framed": framed,
    "backdrop": backdrop,
    "post": post,
    "captioned": captioned,
    "article": article,
    "slide": slide,
}


def _joined(parts: Sequence[Picture], gutter: int, tone: int, axis: int) -> Picture:
    length = parts[0].shape[1 - axis]
    shape = (gutter, length, 3) if axis == 0 else (length, gutter, 3)
    rows = [parts[0]]
    for part in parts[1:]:
        rows += [np.full(shape, tone, np.uint8), part]
    return np.concatenate(rows, axis)


def side_by_side(pictures: Sequence[Picture], rng: random.Random) -> Picture:
    """Put two to four beside or below each other, the first with any share, with or without gutters and a border."""
    n, axis = rng.choice((2, 2, 2, 3, 4)), rng.choice((0, 1))
    first = rng.uniform(0.3, 0.8)
    lengths = [first, *[(1 - first) / (n - 1)] * (n - 1)]
    across, along = rng.choice((360, SMALL, 800)), rng.choice((480, 720, 1000))
    boxes = [(across, round(along * each)) for each in lengths]
    parts = [
        sized(picture, *(box if axis == 0 else box[::-1]))
        for picture, box in zip(pictures, boxes, strict=False)
    ]
    rng.shuffle(parts)
    gutter, tone = rng.choice(GUTTERS), rng.choice(TONES)
    whole = _joined(parts, gutter, tone, axis)
    rim = gutter if rng.random() < 0.5 else 0
    return np.asarray(
        cv2.copyMakeBorder(whole, *[rim] * 4, cv2.BORDER_CONSTANT, value=[tone] * 3), np.uint8
    )


def one_large(pictures: Sequence[Picture], rng: random.Random) -> Picture:
    """Put two or three small ones beside a large one."""
    n, axis, gutter = rng.randint(2, 3), rng.choice((0, 1)), rng.choice((0, 6, 12))
    share, tone = rng.uniform(0.5, 0.78), rng.choice(TONES)
    width, height = rng.choice(((700, 520), (520, 700), (600, 600)))
    if axis == 0:
        width, height = height, width
    large, rest = round(width * share), width - round(width * share)
    small = [
        sized(each, *((rest, height // n) if axis else (height // n, rest)))
        for each in pictures[1 : n + 1]
    ]
    column = _joined(small, gutter, tone, 1 - axis)
    high = column.shape[0] if axis else column.shape[1]
    first = sized(pictures[0], *((large, high) if axis else (high, large)))
    parts = [first, column]
    return _joined(parts if rng.random() < 0.5 else parts[::-1], gutter, tone, axis)


def grid(pictures: Sequence[Picture], rng: random.Random) -> Picture:
    """Put four or six into rows."""
    gutter, tone, columns = rng.choice(GUTTERS), rng.choice(TONES), rng.choice((2, 2, 3))
    width, height = rng.choice(((300, 220), (240, 240), (220, 300)))
    tiles = [sized(each, width, height) for each in pictures[: 2 * columns]]
    rng.shuffle(tiles)
    rows = [_joined(tiles[:columns], gutter, tone, 1), _joined(tiles[columns:], gutter, tone, 1)]
    return _joined(rows, gutter, tone, 0)


def inset(pictures: Sequence[Picture], rng: random.Random) -> Picture:
    """Put the first over a part of the second, with or without a border."""
    below = pictures[1].copy()
    height, width = below.shape[:2]
    small = scale(
        pictures[0],
        rng.uniform(0.5, 0.88) * min(width / pictures[0].shape[1], height / pictures[0].shape[0]),
    )
    rim = rng.choice((0, 0, 4, 8))
    small = np.asarray(
        cv2.copyMakeBorder(small, *[rim] * 4, cv2.BORDER_CONSTANT, value=[rng.choice(TONES)] * 3), np.uint8
    )  # fmt: skip
    small = small[:height, :width]
    top, left = rng.randint(0, height - small.shape[0]), rng.randint(0, width - small.shape[1])
    below[top : top + small.shape[0], left : left + small.shape[1]] = small
    return below


def article_with_two(pictures: Sequence[Picture], rng: random.Random) -> Picture:
    return article(pictures[0], rng, pictures[1:])


def two_prints(pictures: Sequence[Picture], rng: random.Random) -> Picture:
    """Lay the first on a table, with a smaller second one at a corner or a side."""
    page = ground(*_larger(pictures[0], rng, 1.4, 1.9), rng)
    height, width = page.shape[:2]
    small = scale(
        pictures[1],
        rng.uniform(0.25, 0.45) * min(width / pictures[1].shape[1], height / pictures[1].shape[0]),
    )
    page = _laid(pictures[0], page, rng, 0.04)
    top = rng.choice((4, height - small.shape[0] - 4))
    left = rng.choice((4, width - small.shape[1] - 4))
    page[top : top + small.shape[0], left : left + small.shape[1]] = small
    return page


COLLAGES: dict[str, Collage] = {
    "side by side": side_by_side,
    "one large": one_large,
    "grid": grid,
    "inset": inset,
    "article with two": article_with_two,
    "two prints": two_prints,
}
