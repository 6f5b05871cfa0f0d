"""Pictures made from a seed, and the edits that turn them into copies: RGB uint8, (height, width, 3)."""

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
THUMBNAIL_SIDE = 288


def scene(seed: int, width: int = 360, height: int = 270) -> Picture:
    """Draw a textured background with shapes on it: rich in detail and unlike that of any other seed."""
    rng = np.random.default_rng(seed)
    canvas = np.zeros((height, width, 3), np.float32)
    for cells in (3, 9, 27, 81):
        noise = rng.normal(0, 1, (cells, cells, 3)).astype(np.float32)
        canvas += (
            cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC) * 40 / cells**0.3
        )
    canvas = np.clip(canvas + 127, 0, 255)
    for _ in range(14):
        x, y = int(rng.integers(width)), int(rng.integers(height))
        draw(canvas, x, y, int(rng.integers(8, 40)), tuple(map(float, rng.integers(0, 255, 3))))
    return canvas.astype(np.uint8)


def draw(canvas: NDArray[np.float32], x: int, y: int, size: int, tone: tuple[float, ...]) -> None:
    cv2.rectangle(canvas, (x - size, y - size // 2), (x + size, y + size // 2), tone, -1)
    cv2.circle(canvas, (x, y), size // 2, tuple(255 - part for part in tone), 3)


def encoded(picture: Picture, quality: int) -> Picture:
    """Write and read as JPEG."""
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def scaled(picture: Picture, factor: float) -> Picture:
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, None, fx=factor, fy=factor, interpolation=way), np.uint8)


def cropped(picture: Picture, share: float) -> Picture:
    """Keep this share of each side, off the centre."""
    height, width = (int(side * share) for side in picture.shape[:2])
    top, left = (picture.shape[0] - height) // 3, (picture.shape[1] - width) // 2
    return picture[top : top + height, left : left + width]


def toned(picture: Picture, gamma: float) -> Picture:
    return (255 * (picture / 255.0) ** gamma).astype(np.uint8)


def framed(picture: Picture, px: int = 14) -> Picture:
    edges = (px, px, px, px)
    return np.asarray(cv2.copyMakeBorder(picture, *edges, cv2.BORDER_CONSTANT, value=(255,) * 3))


def slanted(picture: Picture) -> Picture:
    """Photograph it from the side; no corner is empty."""
    height, width = picture.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    inner = corners + np.array([[26, 8], [-4, 17], [-28, -9], [6, -19]], np.float32)
    bend = cv2.getPerspectiveTransform(inner, corners)
    return np.asarray(cv2.warpPerspective(picture, bend, (width, height), flags=cv2.INTER_CUBIC))


def written_over(picture: Picture) -> Picture:
    """Repeat pale words all over it."""
    ink = np.zeros_like(picture)
    for row in range(40, picture.shape[0] + 60, 75):
        for left in range(-(row % 90), picture.shape[1], 130):
            cv2.putText(ink, "sample", (left, row), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (255,) * 3, 2)
    return np.clip(picture + 0.3 * ink, 0, 255).astype(np.uint8)


def shaken(picture: Picture, px: float = 1.5) -> Picture:
    """Shift the near part against the far part, as a second hand-held shot does; the edges stay."""
    height, width = picture.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    away = px * np.sin(x / width * np.pi * 3) * np.sin(y / height * np.pi * 2)
    moved = cv2.remap(picture, x + away, y - away, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(moved, np.uint8)


def thumbnail(picture: Picture) -> bytes:
    side = (THUMBNAIL_SIDE, THUMBNAIL_SIDE)
    return np.asarray(cv2.resize(picture, side, interpolation=cv2.INTER_AREA), np.uint8).tobytes()
