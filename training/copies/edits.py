"""What happens to photographs before they are posted again, drawn at random: the views of one training picture.

An edit maps RGB pixels (H, W, 3) to other ones. Edits are applied in the order in which they happen to real
copies: cut, tone, wear, write over, surround; then the file is compressed.
"""

import string
from collections.abc import Callable

import cv2
import numpy as np

from training.data.transforms import Pixels

LEAST_SIDE = 24  # px that a cut leaves
FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_TRIPLEX, cv2.FONT_HERSHEY_SCRIPT_SIMPLEX)

Edit = Callable[[Pixels, np.random.Generator], Pixels]


def crop(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """Keep 25 to 95 % of the area."""
    height, width = picture.shape[:2]
    area, stretch = rng.uniform(0.25, 0.95), np.exp(rng.uniform(-0.25, 0.25))
    tall = int(np.clip(height * np.sqrt(area) * stretch, LEAST_SIDE, height))
    wide = int(np.clip(width * np.sqrt(area) / stretch, LEAST_SIDE, width))
    top, left = rng.integers(0, height - tall + 1), rng.integers(0, width - wide + 1)
    return picture[top : top + tall, left : left + wide]


def flip(picture: Pixels, _: np.random.Generator) -> Pixels:
    """Mirror left and right."""
    return picture[:, ::-1]


def quarter_turn(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """Turn by 90, 180 or 270 degrees."""
    return np.rot90(picture, int(rng.integers(1, 4)))


def tilt(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """Turn by up to 12 degrees, zoomed until no corner is empty, or with plain corners."""
    height, width = picture.shape[:2]
    degrees = float(rng.uniform(-12, 12))
    angle = np.radians(abs(degrees))
    zoom = float(np.cos(angle) + np.sin(angle) * max(width / height, height / width))
    turn = cv2.getRotationMatrix2D(
        (width / 2, height / 2), degrees, zoom if rng.random() < 0.5 else 1
    )
    return _warped(cv2.warpAffine, picture, turn, rng)


def slant(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """Photograph it from the side: each corner moves inwards by up to 8 % of the sides."""
    height, width = picture.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    inwards = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]], np.float32)
    moved = corners + inwards * rng.uniform(0, 0.08, (4, 2)) * (width, height)
    bend = cv2.getPerspectiveTransform(moved.astype(np.float32), corners)
    return _warped(cv2.warpPerspective, picture, bend, rng)


def _warped(
    warp: Callable[..., object], picture: Pixels, map_: object, rng: np.random.Generator
) -> Pixels:
    height, width = picture.shape[:2]
    found = warp(_plain(picture), map_, (width, height), borderValue=_tone(rng))
    return np.asarray(found, np.uint8)


def light(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """Change brightness, contrast and gamma."""
    levels = np.linspace(0, 1, 256) ** np.exp(rng.uniform(-0.6, 0.6))
    levels = (levels - 0.5) * rng.uniform(0.6, 1.5) + 0.5 + rng.uniform(-0.2, 0.2)
    return _bytes(255 * levels)[picture]


def tint(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """Change the balance of the colours, and how strong they are."""
    grey = picture.mean(axis=2, keepdims=True)
    strong = grey + (picture - grey) * rng.uniform(0.2, 2.0)
    return _bytes(strong * rng.uniform(0.7, 1.3, 3))


def fade(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """Take the colours away; sometimes brown is left."""
    grey = picture.mean(axis=2, keepdims=True)
    return _bytes(grey * (np.array([1.07, 0.9, 0.7]) if rng.random() < 0.3 else np.ones(3)))


def posterise(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """Leave 3 to 16 levels of each colour."""
    step = 256 / rng.integers(3, 17)
    return _bytes((np.arange(256) // step + 0.5) * step)[picture]


def wear(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """Blur or sharpen."""
    plain = _plain(picture)
    soft = cv2.GaussianBlur(plain, (0, 0), float(rng.uniform(0.5, 2.2)))
    if rng.random() < 0.6:
        return np.asarray(soft, np.uint8)
    return np.asarray(cv2.addWeighted(plain, 1.8, soft, -0.8, 0), np.uint8)


def shrink(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """Go through a size of 20 to 70 %."""
    height, width = picture.shape[:2]
    share = rng.uniform(0.2, 0.7)
    size = (max(8, int(width * share)), max(8, int(height * share)))
    back = cv2.INTER_NEAREST if rng.random() < 0.2 else cv2.INTER_LINEAR
    small = cv2.resize(_plain(picture), size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=back), np.uint8)


def grain(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """Add noise with a spread of 4 to 24 levels."""
    noise = rng.standard_normal(picture.shape, np.float32)
    return _bytes(picture + noise * rng.uniform(4, 24))


def text(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """Write one to three lines over it."""
    found = _plain(picture)
    height, width = found.shape[:2]
    for _ in range(rng.integers(1, 4)):
        at = int(rng.uniform(-0.1, 0.7) * width), int(rng.uniform(0.1, 1) * height)
        _write(found, at, width * rng.uniform(0.001, 0.005), rng)
    return found


def watermark(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """Repeat pale words all over it."""
    height, width = picture.shape[:2]
    ink = np.zeros((height, width, 3), np.uint8)
    words, size = _words(rng), width * rng.uniform(0.0015, 0.0035)
    down, across = (int(side * rng.uniform(0.15, 0.4)) for side in (height, width))
    for row, top in enumerate(range(down // 2, height + down, down)):
        for left in range(-(row % 2) * across // 2, width, across):
            cv2.putText(ink, words, (left, top), FONTS[0], size, (255, 255, 255), 2)
    return _bytes(picture + ink * rng.uniform(0.2, 0.6) * rng.choice([-1, 1]))


def sticker(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """Cover up to a quarter by faces, discs and boxes of plain colours."""
    found = _plain(picture)
    height, width = found.shape[:2]
    for _ in range(rng.integers(1, 4)):
        radius = int(min(height, width) * rng.uniform(0.05, 0.2))
        x, y = int(rng.integers(0, width)), int(rng.integers(0, height))
        if rng.random() < 0.4:
            cv2.rectangle(
                found, (x - radius, y - radius), (x + radius, y + radius // 2), _tone(rng), -1
            )
            continue
        cv2.circle(found, (x, y), radius, _tone(rng), -1)
        if rng.random() < 0.6:
            _smile(found, x, y, radius)
    return found


def _smile(picture: Pixels, x: int, y: int, radius: int) -> None:
    for side in (-1, 1):
        cv2.circle(
            picture, (x + side * radius // 3, y - radius // 4), max(1, radius // 7), (20,) * 3, -1
        )
    axes = (max(1, radius // 2), max(1, radius // 3))
    cv2.ellipse(picture, (x, y + radius // 5), axes, 0, 10, 170, (20,) * 3, max(1, radius // 10))


def border(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """Put a frame, two bars or one band of a plain colour around it."""
    shares = rng.uniform(0.02, 0.25) * np.array(
        [(1, 1, 1, 1), (1, 1, 0, 0), (0, 0, 1, 1), (1, 0, 0, 0), (0.25, 1, 0.25, 0.25)][
            rng.integers(5)
        ]
    )
    above, below, left, right = (round(float(share) * max(picture.shape)) for share in shares)
    tone, sides = _tone(rng, plain=0.7), cv2.BORDER_CONSTANT
    framed = cv2.copyMakeBorder(_plain(picture), above, below, left, right, sides, value=tone)
    return np.asarray(framed, np.uint8)


def screenshot(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """Show it on the page of an application: words and icons above and below."""
    width = picture.shape[1]
    paper = int(rng.integers(0, 40) if rng.random() < 0.4 else rng.integers(225, 256))
    bars = []
    for share in rng.uniform(0.06, 0.3, 2):
        bar = np.full((max(8, round(share * width)), width, 3), paper, np.uint8)
        ink = (255 - paper,) * 3
        for _ in range(rng.integers(1, 4)):
            at = int(rng.uniform(0.02, 0.6) * width), int(rng.uniform(0.4, 0.95) * len(bar))
            cv2.putText(bar, _words(rng), at, FONTS[0], width * rng.uniform(0.001, 0.002), ink, 1)
        at = int(rng.integers(0, width)), int(rng.integers(0, len(bar)))
        cv2.circle(bar, at, max(2, width // 40), ink, 1 + int(rng.integers(2)))
        bars.append(bar)
    return np.concatenate([bars[0], picture, bars[1]])


EDITS: tuple[tuple[Edit, float], ...] = (
    (crop, 3.0), (flip, 1.5), (quarter_turn, 0.7), (tilt, 0.8), (slant, 0.6),
    (light, 1.2), (tint, 0.9), (fade, 0.5), (posterise, 0.3),
    (wear, 0.8), (shrink, 0.7), (grain, 0.5),
    (text, 1.2), (watermark, 0.6), (sticker, 1.0),
    (border, 1.2), (screenshot, 0.8),
)  # fmt: skip
"""Edits in the order in which they are applied, each with its weight when some are drawn."""

PASTED = 0.08  # share of the heavy views that are pasted onto another picture
_WEIGHTS = np.array([weight for _, weight in EDITS]) / sum(weight for _, weight in EDITS)


def edited(
    picture: Pixels, rng: np.random.Generator, count: int, ground: Pixels | None = None
) -> Pixels:
    """Apply `count` different edits, drawn at random, and compress; `ground` is a picture to be pasted on."""
    for place in sorted(rng.choice(len(EDITS), count, replace=False, p=_WEIGHTS)):
        picture = EDITS[place][0](picture, rng)
    if ground is not None and rng.random() < PASTED:
        picture = pasted(picture, ground, rng)
    return compressed(picture, int(rng.integers(25, 96)))


def pasted(picture: Pixels, ground: Pixels, rng: np.random.Generator) -> Pixels:
    """Lay it onto another picture, of which it covers 55 to 85 %: less would be a collage, a picture of its own."""
    height, width = picture.shape[:2]
    share = np.sqrt(rng.uniform(0.55, 0.85))
    under = np.array(
        cv2.resize(_plain(ground), (round(width / share), round(height / share))), np.uint8
    )
    top, left = (
        rng.integers(0, side + 1) for side in np.subtract(under.shape[:2], (height, width))
    )
    under[top : top + height, left : left + width] = picture
    return under


def compressed(picture: Pixels, quality: int) -> Pixels:
    """Write as JPEG and read again."""
    _, data = cv2.imencode(".jpg", _plain(picture), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def squashed(picture: Pixels, side: int) -> Pixels:
    """Bring it to a square, as curation does: (side, side, 3)."""
    way = cv2.INTER_AREA if min(picture.shape[:2]) >= side else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(_plain(picture), (side, side), interpolation=way), np.uint8)


def _write(picture: Pixels, at: tuple[int, int], size: float, rng: np.random.Generator) -> None:
    font, thick = FONTS[rng.integers(len(FONTS))], int(rng.integers(1, 4))
    if rng.random() < 0.5:
        cv2.putText(picture, words := _words(rng), at, font, size, (0, 0, 0), thick + 2)
        cv2.putText(picture, words, at, font, size, (255, 255, 255), thick)
    else:
        cv2.putText(picture, _words(rng), at, font, size, _tone(rng, plain=0.5), thick)


def _words(rng: np.random.Generator) -> str:
    letters = rng.choice(
        list(string.ascii_letters + string.digits + "    .,!?"), rng.integers(4, 22)
    )
    return "".join(letters)


def _tone(rng: np.random.Generator, plain: float = 0.3) -> tuple[int, int, int]:
    if rng.random() < plain:
        level = int(rng.choice([0, 0, 255, 255, 128]))
        return level, level, level
    red, green, blue = rng.integers(0, 256, 3).tolist()
    return red, green, blue


def _plain(picture: Pixels) -> Pixels:
    """Give pixels that OpenCV may read, and that may be written to: never those of the sample."""
    return np.array(picture, np.uint8, order="C")


def _bytes(values: np.ndarray[tuple[int, ...], np.dtype[np.floating]]) -> Pixels:
    return np.asarray(np.clip(values, 0, 255), np.uint8)
