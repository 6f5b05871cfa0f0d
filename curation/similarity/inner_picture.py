"""Find the photograph that a page, a screenshot, a frame or a table shows: the embedding then looks at it, too.

A hash and an embedding of a screenshot describe the page more than the photograph. Two detectors look at a thumbnail.
The first peels strips off that end at a straight seam and are paper with text, of one tone, or blurred. The second
takes the largest area of dense edges whose hull is a rectangle, upright or turned. Neither decides anything: a wrong
rectangle makes the candidates of a picture slightly worse, and every candidate is verified on its pixels. Where text
has taken the keypoints, the verification begins with the first one's rectangle (`alignment.align_inner`).
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Thumbnail = NDArray[np.uint8]
"""RGB pixels, (side, side, 3)."""
Rectangle = tuple[tuple[float, float], tuple[float, float], float]
"""Centre (x, y), width and height in px, angle in degrees, as of cv2.minAreaRect."""

MIN_AREA, MAX_AREA, MAX_STRIPPED = 0.07, 0.75, 0.85  # shares of the thumbnail
MIN_SIDE = 0.16  # of the thumbnail
SEAM_TONES, SEAM_SHARE, SEAM_GAP = 12, 0.22, 4  # grey levels; share of a line; px between seams
PAPER_SHARE, FINE_SHARE, FINE = 0.75, 0.05, 5.0  # two tones; share of edges; grey levels per px
LEVELS = ((0.8, 9.0, 3), (2.0, 6.0, 5))  # blur (px), edges (grey levels per px), gap that is closed
FILL, MAX_MODE = 0.88, 0.55  # of the hull in its rectangle; share of one tone within
INSET = 0.97  # of the sides of a rectangle that are cut out
BINS, MODE_WIDTH = 32, 13
SHARE_OF_STRIPPED = (
    0.35  # a smaller turned rectangle within what was stripped is a part of the photograph
)


def inner_picture(thumbnail: Thumbnail) -> Thumbnail | None:
    """Give the photograph within a thumbnail, scaled to the same size; None where there is no other one.

    >>> inner_picture(np.full((288, 288, 3), 200, np.uint8)) is None
    True
    """
    grey = np.asarray(cv2.cvtColor(np.ascontiguousarray(thumbnail), cv2.COLOR_RGB2GRAY), np.uint8)
    stripped, turned = _stripped(grey), _turned(grey)
    rectangle = turned if stripped is None or _is_within(turned, stripped) else stripped
    return _cut(thumbnail, rectangle) if rectangle else None


def inner_box(grey: NDArray[np.uint8]) -> tuple[int, int, int, int] | None:
    """Give left, top, right and bottom of what is left without strips of a page; None where there are none."""
    stripped = _stripped(grey)
    if stripped is None:
        return None
    (x, y), (wide, tall), _ = stripped
    return round(x - wide / 2), round(y - tall / 2), round(x + wide / 2), round(y + tall / 2)


def _is_within(turned: Rectangle | None, stripped: Rectangle) -> bool:
    if turned is None:
        return False
    (x, y), (width, height), _ = turned
    (middle_x, middle_y), (wide, tall), _ = stripped
    is_inside = (
        abs(x - middle_x) < (wide - width) / 2 + 6 and abs(y - middle_y) < (tall - height) / 2 + 6
    )
    return is_inside and width * height > SHARE_OF_STRIPPED * wide * tall


def _stripped(grey: NDArray[np.uint8]) -> Rectangle | None:
    """Take strips that are no photograph off all four sides."""
    is_edge = _edges(cv2.blur(grey, (2, 2))) > FINE
    top, left, (bottom, right) = 0, 0, grey.shape
    for _ in range(2):
        part = np.s_[top:bottom, left:right]
        first, last = _peeled(grey[part], is_edge[part])
        top, bottom = top + first, top + last
        part = np.s_[top:bottom, left:right]
        first, last = _peeled(grey[part].T, is_edge[part].T)
        left, right = left + first, left + last
    wide, tall = right - left, bottom - top
    share = wide * tall / grey.size
    if not MIN_AREA < share < MAX_STRIPPED or min(wide, tall) < MIN_SIDE * len(grey):
        return None
    return ((left + right) / 2, (top + bottom) / 2), (wide, tall), 0.0


def _peeled(grey: NDArray[np.uint8], is_edge: NDArray[np.bool_]) -> tuple[int, int]:
    """Give the first row that is kept and the one after the last."""
    ends = [0, *_seams(grey), len(grey)]
    first, last = 0, len(ends) - 1

    def is_page(strip: int) -> bool:
        rows = slice(ends[strip], ends[strip + 1])
        edges = is_edge[rows][2:-2]  # without those of the seams
        return (
            edges.size == 0 or edges.mean() < FINE_SHARE or _paper_share(grey[rows]) > PAPER_SHARE
        )

    while last - first > 1 and is_page(first):
        first += 1
    while last - first > 1 and is_page(last - 1):
        last -= 1
    return ends[first], ends[last]


def _seams(grey: NDArray[np.uint8]) -> list[int]:
    """Give the rows at which tones step along much of the line, and much less in the rows near by."""
    lines = np.ascontiguousarray(grey)
    if len(lines) < 3 or not lines.size:
        return []
    steps = cv2.absdiff(lines[2:], lines[:-2]) > SEAM_TONES
    share = np.zeros(len(lines))
    share[1:-1] = np.count_nonzero(steps, axis=1) / lines.shape[1]
    padded = np.concatenate([[share[0]] * 5, share, [share[-1]] * 5])
    near = np.max([padded[5 + k : 5 + k + len(share)] for k in (-5, -4, -3, 3, 4, 5)], axis=0)
    sharp, seams = share - near, list[int]()
    for row in np.argsort(-sharp).tolist():
        if sharp[row] < SEAM_SHARE:
            break
        if all(abs(row - seam) > SEAM_GAP for seam in seams):
            seams.append(row)
    return sorted(seams)


def _paper_share(grey: NDArray[np.uint8]) -> float:
    """Give the share of pixels in the two most frequent tones (bins of 8 levels with their neighbours)."""
    counts = np.bincount((grey >> 3).ravel(), minlength=BINS).astype(float)
    total, covered = counts.sum(), 0.0
    for _ in range(2):
        top = int(np.convolve(counts, [1, 1, 1], "same").argmax())
        part = slice(max(0, top - 1), top + 2)
        covered += counts[part].sum()
        counts[part] = 0
    return float(covered / total)


def _turned(grey: NDArray[np.uint8]) -> Rectangle | None:
    """Give the best rectangle of dense edges."""
    best: tuple[float, Rectangle] | None = None
    for blur, edge, gap in LEVELS:
        is_edge = (_edges(cv2.GaussianBlur(grey, (0, 0), blur)) > edge).astype(np.uint8)
        closed = cv2.morphologyEx(is_edge, cv2.MORPH_CLOSE, np.ones((gap, gap), np.uint8))
        opened = cv2.morphologyEx(closed, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
        for outline in cv2.findContours(opened, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0]:
            rated = _rated(grey, outline)
            if rated and (best is None or rated[0] > best[0]):
                best = rated
    return best[1] if best else None


def _rated(grey: NDArray[np.uint8], outline: NDArray[Any]) -> tuple[float, Rectangle] | None:
    """Rate the rectangle around an outline; None where it is too small or large, no rectangle or of one tone."""
    left, top, wide, tall = cv2.boundingRect(outline)
    if wide * tall <= MIN_AREA * grey.size:  # so is the hull, which takes longer
        return None
    hull = cv2.convexHull(outline)
    area = cv2.contourArea(hull)
    if not MIN_AREA < area / grey.size < MAX_AREA:
        return None
    centre, sides, angle = cv2.minAreaRect(hull)
    fill = area / (sides[0] * sides[1])
    if min(sides) < MIN_SIDE * len(grey) or fill < FILL:
        return None
    counts = np.bincount(grey[top : top + tall, left : left + wide].ravel(), minlength=256)
    if np.convolve(counts, np.ones(MODE_WIDTH), "same").max() > MAX_MODE * wide * tall:
        return None
    rectangle = (float(centre[0]), float(centre[1])), (float(sides[0]), float(sides[1])), angle
    return fill + 0.2 * area / grey.size, rectangle


def _edges(grey: NDArray[Any]) -> NDArray[np.float32]:
    across, down = (cv2.Scharr(grey, cv2.CV_32F, x, y, scale=1 / 32) for x, y in ((1, 0), (0, 1)))
    edges = np.abs(across, out=across)
    edges += np.abs(down, out=down)
    return np.asarray(edges, np.float32)


def _cut(thumbnail: Thumbnail, rectangle: Rectangle) -> Thumbnail:
    """Cut a rectangle out, as upright as it can be."""
    side = len(thumbnail)
    corners = np.asarray(cv2.boxPoints(rectangle), np.float32)
    middle = corners.mean(axis=0)
    away = corners - middle
    away = away[np.argsort(np.arctan2(away[:, 1], away[:, 0]))]
    away = np.roll(away, -int(away.sum(axis=1).argmin()), axis=0)  # the upper left corner first
    target = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32) * (side - 1)
    to_upright = cv2.getPerspectiveTransform((middle + INSET * away).astype(np.float32), target)
    return np.asarray(cv2.warpPerspective(thumbnail, to_upright, (side, side)), np.uint8)
