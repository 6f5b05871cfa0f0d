"""Random edits that people make to photographs before they post them again; they give the views for training.

An edit maps RGB pixels (H, W, 3) to edited pixels. Edits are applied in the order in which they happen to real
copies: geometry, colour, quality, overlays, surroundings. The result is then compressed as JPEG.
"""

import string
from collections.abc import Callable

import cv2
import numpy as np

from training.data.arrays import Pixels

MIN_SIDE_PX = 24  # a crop keeps at least this many pixels a side
FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_TRIPLEX, cv2.FONT_HERSHEY_SCRIPT_SIMPLEX)

Edit = Callable[[Pixels, np.random.Generator], Pixels]


def crop(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """Keep 25 to 95 % of the area."""
    height, width = picture.shape[:2]
    area, stretch = rng.uniform(0.25, 0.95), np.exp(rng.uniform(-0.25, 0.25))
    tall = int(np.clip(height * np.sqrt(area) * stretch, MIN_SIDE_PX, height))
    wide = int(np.clip(width * np.sqrt(area) / stretch, MIN_SIDE_PX, width))
    top, left = rng.integers(0, height - tall + 1), rng.integers(0, width - wide + 1)
    return picture[top : top + tall, left : left + wide]


def flip(picture: Pixels, _: np.random.Generator) -> Pixels:
    """Mirror left and right."""
    return picture[:, ::-1]


def rotate_quarter(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """Rotate by 90, 180 or 270 degrees."""
    return np.rot90(picture, int(rng.integers(1, 4)))


def rotate(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """Rotate by up to 12 degrees, either zoomed until no corner is empty or with corners of one colour."""
    height, width = picture.shape[:2]
    degrees = float(rng.uniform(-12, 12))
    angle = np.radians(abs(degrees))
    zoom = float(np.cos(angle) + np.sin(angle) * max(width / height, height / width))
    turn = cv2.getRotationMatrix2D(
        (width / 2, height / 2), degrees, zoom if rng.random() < 0.5 else 1
    )
    return _warp(cv2.warpAffine, picture, turn, rng)


def change_perspective(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """Change the perspective: each corner moves inwards by up to 8 % of the sides."""
    height, width = picture.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    inwards = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]], np.float32)
    moved = corners + inwards * rng.uniform(0, 0.08, (4, 2)) * (width, height)
    bend = cv2.getPerspectiveTransform(moved.astype(np.float32), corners)
    return _warp(cv2.warpPerspective, picture, bend, rng)


def _warp(
    warp: Callable[..., object], picture: Pixels, map_: object, rng: np.random.Generator
) -> Pixels:
    height, width = picture.shape[:2]
    warped = warp(_writable_copy(picture), map_, (width, height), borderValue=_random_colour(rng))
    return np.asarray(warped, np.uint8)


def change_light(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """Change brightness, contrast and gamma."""
    levels = np.linspace(0, 1, 256) ** np.exp(rng.uniform(-0.6, 0.6))
    levels = (levels - 0.5) * rng.uniform(0.6, 1.5) + 0.5 + rng.uniform(-0.2, 0.2)
    return _to_uint8(255 * levels)[picture]


def change_colours(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """Change the colour balance and the saturation."""
    grey = picture.mean(axis=2, keepdims=True)
    strong = grey + (picture - grey) * rng.uniform(0.2, 2.0)
    return _to_uint8(strong * rng.uniform(0.7, 1.3, 3))


def remove_colour(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """Convert to grey, or to sepia in 30 % of the cases."""
    grey = picture.mean(axis=2, keepdims=True)
    return _to_uint8(grey * (np.array([1.07, 0.9, 0.7]) if rng.random() < 0.3 else np.ones(3)))


def posterise(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """Reduce each colour channel to 3 to 16 levels."""
    step = 256 / rng.integers(3, 17)
    return _to_uint8((np.arange(256) // step + 0.5) * step)[picture]


def blur_or_sharpen(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """Blur or sharpen."""
    original = _writable_copy(picture)
    soft = cv2.GaussianBlur(original, (0, 0), float(rng.uniform(0.5, 2.2)))
    if rng.random() < 0.6:
        return np.asarray(soft, np.uint8)
    return np.asarray(cv2.addWeighted(original, 1.8, soft, -0.8, 0), np.uint8)


def downscale(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """Reduce to 20 to 70 % of the sides and enlarge again."""
    height, width = picture.shape[:2]
    share = rng.uniform(0.2, 0.7)
    size = (max(8, int(width * share)), max(8, int(height * share)))
    back = cv2.INTER_NEAREST if rng.random() < 0.2 else cv2.INTER_LINEAR
    small = cv2.resize(_writable_copy(picture), size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=back), np.uint8)


def add_noise(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """Add Gaussian noise with a standard deviation of 4 to 24 levels."""
    noise = rng.standard_normal(picture.shape, np.float32)
    return _to_uint8(picture + noise * rng.uniform(4, 24))


def add_text(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """Write one to three lines of random text over the picture."""
    canvas = _writable_copy(picture)
    height, width = canvas.shape[:2]
    for _ in range(rng.integers(1, 4)):
        position = int(rng.uniform(-0.1, 0.7) * width), int(rng.uniform(0.1, 1) * height)
        _draw_text(canvas, position, width * rng.uniform(0.001, 0.005), rng)
    return canvas


def add_watermark(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """Repeat a translucent text over the whole picture."""
    height, width = picture.shape[:2]
    ink = np.zeros((height, width, 3), np.uint8)
    words, size = _random_text(rng), width * rng.uniform(0.0015, 0.0035)
    down, across = (int(side * rng.uniform(0.15, 0.4)) for side in (height, width))
    for row, top in enumerate(range(down // 2, height + down, down)):
        for left in range(-(row % 2) * across // 2, width, across):
            cv2.putText(ink, words, (left, top), FONTS[0], size, (255, 255, 255), 2)
    return _to_uint8(picture + ink * rng.uniform(0.2, 0.6) * rng.choice([-1, 1]))


def add_stickers(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """Cover up to a quarter with faces, discs and boxes of one colour each."""
    canvas = _writable_copy(picture)
    height, width = canvas.shape[:2]
    for _ in range(rng.integers(1, 4)):
        radius = int(min(height, width) * rng.uniform(0.05, 0.2))
        x, y = int(rng.integers(0, width)), int(rng.integers(0, height))
        if rng.random() < 0.4:
            cv2.rectangle(
                canvas,
                (x - radius, y - radius),
                (x + radius, y + radius // 2),
                _random_colour(rng),
                -1,
            )
            continue
        cv2.circle(canvas, (x, y), radius, _random_colour(rng), -1)
        if rng.random() < 0.6:
            _draw_face(canvas, x, y, radius)
    return canvas


def _draw_face(picture: Pixels, x: int, y: int, radius: int) -> None:
    for side in (-1, 1):
        cv2.circle(
            picture, (x + side * radius // 3, y - radius // 4), max(1, radius // 7), (20,) * 3, -1
        )
    axes = (max(1, radius // 2), max(1, radius // 3))
    cv2.ellipse(picture, (x, y + radius // 5), axes, 0, 10, 170, (20,) * 3, max(1, radius // 10))


def add_border(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """Add a frame, two bars or one band of one colour."""
    shares = rng.uniform(0.02, 0.25) * np.array(
        [(1, 1, 1, 1), (1, 1, 0, 0), (0, 0, 1, 1), (1, 0, 0, 0), (0.25, 1, 0.25, 0.25)][
            rng.integers(5)
        ]
    )
    above, below, left, right = (round(float(share) * max(picture.shape)) for share in shares)
    tone, sides = _random_colour(rng, grey_share=0.7), cv2.BORDER_CONSTANT
    framed = cv2.copyMakeBorder(
        _writable_copy(picture), above, below, left, right, sides, value=tone
    )
    return np.asarray(framed, np.uint8)


def embed_in_screenshot(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """Embed the picture in a page of an application: text and icons above and below."""
    width = picture.shape[1]
    paper = int(rng.integers(0, 40) if rng.random() < 0.4 else rng.integers(225, 256))
    bars = []
    for share in rng.uniform(0.06, 0.3, 2):
        bar = np.full((max(8, round(share * width)), width, 3), paper, np.uint8)
        ink = (255 - paper,) * 3
        for _ in range(rng.integers(1, 4)):
            at = int(rng.uniform(0.02, 0.6) * width), int(rng.uniform(0.4, 0.95) * len(bar))
            cv2.putText(
                bar, _random_text(rng), at, FONTS[0], width * rng.uniform(0.001, 0.002), ink, 1
            )
        at = int(rng.integers(0, width)), int(rng.integers(0, len(bar)))
        cv2.circle(bar, at, max(2, width // 40), ink, 1 + int(rng.integers(2)))
        bars.append(bar)
    return np.concatenate([bars[0], picture, bars[1]])


EDITS: tuple[tuple[Edit, float], ...] = (
    (crop, 3.0), (flip, 1.5), (rotate_quarter, 0.7), (rotate, 0.8), (change_perspective, 0.6),
    (change_light, 1.2), (change_colours, 0.9), (remove_colour, 0.5), (posterise, 0.3),
    (blur_or_sharpen, 0.8), (downscale, 0.7), (add_noise, 0.5),
    (add_text, 1.2), (add_watermark, 0.6), (add_stickers, 1.0),
    (add_border, 1.2), (embed_in_screenshot, 0.8),
)  # fmt: skip
"""Edits in the order in which they are applied, each with its sampling weight."""

PASTED_SHARE = 0.08  # share of the heavily edited views that are pasted onto another picture
_WEIGHTS = np.array([weight for _, weight in EDITS]) / sum(weight for _, weight in EDITS)


def apply_edits(
    picture: Pixels, rng: np.random.Generator, count: int, background: Pixels | None = None
) -> Pixels:
    """Apply `count` different random edits and compress as JPEG.

    With a `background`, a share of the results is pasted onto that picture.
    """
    for place in sorted(rng.choice(len(EDITS), count, replace=False, p=_WEIGHTS)):
        picture = EDITS[place][0](picture, rng)
    if background is not None and rng.random() < PASTED_SHARE:
        picture = paste_onto(picture, background, rng)
    return compress_jpeg(picture, int(rng.integers(25, 96)))


def paste_onto(picture: Pixels, background: Pixels, rng: np.random.Generator) -> Pixels:
    """Paste the picture onto a background, of which it covers 55 to 85 %; with less, the result is a new collage."""
    height, width = picture.shape[:2]
    share = np.sqrt(rng.uniform(0.55, 0.85))
    canvas = np.array(
        cv2.resize(_writable_copy(background), (round(width / share), round(height / share))),
        np.uint8,
    )
    top, left = (
        rng.integers(0, side + 1) for side in np.subtract(canvas.shape[:2], (height, width))
    )
    canvas[top : top + height, left : left + width] = picture
    return canvas


def compress_jpeg(picture: Pixels, quality: int) -> Pixels:
    """Encode as JPEG and decode again."""
    _, data = cv2.imencode(".jpg", _writable_copy(picture), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def resize_to_square(picture: Pixels, side: int) -> Pixels:
    """Resize to a square without keeping the shape, as curation does; returns (side, side, 3)."""
    way = cv2.INTER_AREA if min(picture.shape[:2]) >= side else cv2.INTER_LINEAR
    return np.asarray(
        cv2.resize(_writable_copy(picture), (side, side), interpolation=way), np.uint8
    )


def _draw_text(picture: Pixels, at: tuple[int, int], size: float, rng: np.random.Generator) -> None:
    font, thick = FONTS[rng.integers(len(FONTS))], int(rng.integers(1, 4))
    if rng.random() < 0.5:
        cv2.putText(picture, words := _random_text(rng), at, font, size, (0, 0, 0), thick + 2)
        cv2.putText(picture, words, at, font, size, (255, 255, 255), thick)
    else:
        cv2.putText(
            picture, _random_text(rng), at, font, size, _random_colour(rng, grey_share=0.5), thick
        )


def _random_text(rng: np.random.Generator) -> str:
    letters = rng.choice(
        list(string.ascii_letters + string.digits + "    .,!?"), rng.integers(4, 22)
    )
    return "".join(letters)


def _random_colour(rng: np.random.Generator, grey_share: float = 0.3) -> tuple[int, int, int]:
    if rng.random() < grey_share:
        level = int(rng.choice([0, 0, 255, 255, 128]))
        return level, level, level
    red, green, blue = rng.integers(0, 256, 3).tolist()
    return red, green, blue


def _writable_copy(picture: Pixels) -> Pixels:
    """Copy the pixels into contiguous memory for OpenCV; the sample itself is never written to."""
    return np.array(picture, np.uint8, order="C")


def _to_uint8(values: np.ndarray[tuple[int, ...], np.dtype[np.floating]]) -> Pixels:
    return np.asarray(np.clip(values, 0, 255), np.uint8)
