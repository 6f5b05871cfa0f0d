"""Look at what lies beside a smaller picture that a larger one contains.

A crop of the larger picture has no seam: the larger picture goes on smoothly beyond it, and no straight step in tones
runs through it beside the crop, as in a collage in which more of the photograph stands than the crop has. A
screenshot or a captioned repost has a seam, and beside it lies paper of one tone with some text. Beside a picture in
a story lies a blurred version of itself. Beside a print or a screen lie a table, a cloth, a wall: without their fine
texture they are one tone or a gradient. What a collage has beside each part is another photograph.
"""

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.similarity.picture_features import Grey, ncc
from curation.similarity.transforms import Transform, coverage, warp

MIN_PIXELS = 200  # beside the smaller picture: fewer say nothing
GROWN = 9  # px around the smaller picture that belong to its edge
UNKNOWN_SEAM = 99.0  # where too little of the edge is seen
MIN_RING = 40  # px of the edge that lie inside the larger picture
TONES, TOP = 32, 2  # bins of the histogram; those that a page may have
HALF, STEP = 4, 8  # px: tones are compared over a distance of 8 px, across the edge and beside it
SIDE_AGAIN = 48  # px, both sides of the version that shows whether a picture is there twice
BACKDROP_SIGMA = 10.0  # px
STEP_TONES = 12  # grey levels between the two sides of a straight line
UNKNOWN_RELIEF = 255.0
WEDGE_TONES, WEDGE_GROWN = 12, 5  # grey levels within the corners of a turned picture; px
MIN_WEDGES, MIN_WEDGE, WEDGE_NOISE = 3, 0.002, 3.0  # corners; share of the picture; grey levels
WEDGE_FILL, MIN_FILLED = 0.12, 0.85  # of its hull from half of the box around it; share of the hull
RELIEF_SIGMA, RELIEF_QUANTILE = 10.0, 0.9  # px of the blur; of the distances from the gradient
FAR, MIN_FAR, SPARSE = (
    13,
    0.3,
    7,
)  # px left out at the picture's edge; share that must remain; every 7th pixel
PAPER_TONES, BLANK, MAX_LINE = (
    12,
    0.03,
    0.16,
)  # grey levels; share of ink; height of a line in that of the picture

AWAY = 2.5  # px from the edge, within and beyond, at which tones are read
MIN_SEEN = 60  # px of the edge that must lie within the other picture
GROUND_TONES, GROUND_SHARE = 20, 0.8  # grey levels around the median; share of the edge within them
STEP_TONES, STEP_SHARE = (
    15,
    0.6,
)  # grey levels between within and beyond; share of the edge with such a step


@dataclass(frozen=True, eq=False)
class Surroundings:
    """What the larger picture, `large`, has beside the smaller one, where `beside` is true; measured when it is read.

    `seam`: change of tones across the edge over that beside it; `parting`: the share of a straight line through the
    larger picture that is a step in tones, for the line where it is greatest beside the smaller one; `paper_share`:
    of the pixels, in two tones; `mode_share`: in the most frequent tone; `backdrop_ncc`: correlation with the
    smaller picture, enlarged to cover everything and blurred; `repeated_ncc`: with the smaller picture itself;
    `relief`: grey levels by which the blurred surroundings leave a gradient; `n_lines`: lines of text on blank paper.
    """

    large: Grey
    small: Grey
    inside: Grey
    beside: NDArray[np.bool_]

    @cached_property
    def is_seen(self) -> bool:
        """Say whether there is enough beside the smaller picture; if not, the other values are those of a collage."""
        return int(self.beside.sum()) >= MIN_PIXELS

    @cached_property
    def seam(self) -> float:  # noqa: D102 - described above, as the others
        return _seam(self.large, self.inside) if self.is_seen else 1.0

    @cached_property
    def parting(self) -> float:  # noqa: D102
        if not self.is_seen:
            return 0.0
        return max(_parting(self.large, self.inside), _parting(self.large.T, self.inside.T))

    @cached_property
    def paper_share(self) -> float:  # noqa: D102
        return _paper_share(self.large[self.beside]) if self.is_seen else 0.0

    @cached_property
    def mode_share(self) -> float:  # noqa: D102
        return _mode_share(self.large[self.beside]) if self.is_seen else 0.0

    @cached_property
    def backdrop_ncc(self) -> float:  # noqa: D102
        return _backdrop_ncc(self.large, self.small, self.beside) if self.is_seen else -1.0

    @cached_property
    def repeated_ncc(self) -> float:  # noqa: D102
        return _repeated_ncc(self.large, self.small, self.beside) if self.is_seen else -1.0

    @cached_property
    def relief(self) -> float:  # noqa: D102
        return _relief(self.large, self.beside) if self.is_seen else UNKNOWN_RELIEF

    @cached_property
    def n_lines(self) -> int:  # noqa: D102
        if not self.is_seen:
            return 0
        return max(_n_lines(self.large, self.beside), _n_lines(self.large.T, self.beside.T))


def surroundings(one: Grey, two: Grey, transform: Transform) -> Surroundings:
    """Describe what the larger of two aligned pictures has beside the smaller one; `transform` maps two to one."""
    if abs(np.linalg.det(transform[:2, :2])) * two.size > one.size:
        inverse = np.asarray(np.linalg.inv(transform), np.float64)
        one, two, transform = two, one, inverse / inverse[2, 2]
    inside = coverage(one, two, transform)
    wedges = _wedges(two)
    if wedges.any():
        inside = inside * (warp(wedges, transform, one) < 0.01)
    return Surroundings(one, two, inside, cv2.dilate(inside, np.ones((GROWN, GROWN))) == 0)


def _wedges(grey: Grey) -> Grey:
    """Mark by 1 the triangles of one tone in the corners of a turned picture: its edge is not that of the picture."""
    tones = np.asarray(cv2.convertScaleAbs(grey), np.uint8)
    right, bottom = tones.shape[1] - 1, tones.shape[0] - 1
    corners = [(0, 0), (right, 0), (0, bottom), (right, bottom)]
    tone = float(np.median([tones[y, x] for x, y in corners]))
    same = [(x, y) for x, y in corners if abs(tones[y, x] - tone) <= WEDGE_TONES]
    wedges = [wedge for corner in same if (wedge := _wedge(tones, corner)) is not None]
    if len(wedges) < MIN_WEDGES:
        return np.zeros(grey.shape, np.float32)
    marked = np.maximum.reduce(wedges)
    grown = cv2.dilate(marked, np.ones((WEDGE_GROWN, WEDGE_GROWN)))
    return np.asarray(grown, np.float32)


def _wedge(tones: NDArray[np.uint8], corner: tuple[int, int]) -> NDArray[np.uint8] | None:
    """Mark the pixels that have the tone of a corner and are connected with it; None if they are no triangle."""
    framed = np.zeros((tones.shape[0] + 2, tones.shape[1] + 2), np.uint8)
    near = WEDGE_TONES, WEDGE_TONES, cv2.FLOODFILL_MASK_ONLY | cv2.FLOODFILL_FIXED_RANGE
    cv2.floodFill(tones, framed, corner, 1, *near)
    filled = np.ascontiguousarray(framed[1:-1, 1:-1])  # OpenCV marks the border, too
    outline = cv2.findNonZero(filled)
    _, _, wide, tall = cv2.boundingRect(outline)
    area = len(outline)
    hull = cv2.contourArea(cv2.convexHull(outline))
    is_triangle = abs(hull / (wide * tall) - 0.5) < WEDGE_FILL and area > MIN_FILLED * hull
    is_one_tone = float(tones[filled > 0].std()) < WEDGE_NOISE
    return filled if is_triangle and is_one_tone and area > MIN_WEDGE * tones.size else None


def _seam(grey: Grey, inside: Grey) -> float:
    """Compare how much tones change across the edge of `inside` with beside it, over equal distances."""
    is_inside = (inside > 0).astype(np.uint8)
    depth = cv2.distanceTransform(is_inside, cv2.DIST_L2, 3)
    depth = depth - cv2.distanceTransform(1 - is_inside, cv2.DIST_L2, 3)
    inwards = [
        cv2.Scharr(cv2.blur(depth, (3, 3)), cv2.CV_32F, x, y, scale=1 / 32)
        for x, y in ((1, 0), (0, 1))
    ]
    rows, columns = np.nonzero(np.abs(depth - 1) < 0.5)
    normal = np.stack([each[rows, columns] for each in inwards]).astype(np.float64)
    normal /= np.maximum(np.hypot(*normal), 1e-6)
    # `coverage` leaves a margin of 2 px, so the edge is at -2.
    steps = np.array([STEP + HALF, HALF, -HALF, -STEP - HALF], np.float32) - 2
    x, y = (
        place + steps[:, None] * direction
        for place, direction in zip((columns, rows), normal, strict=True)
    )
    height, width = grey.shape
    is_seen = ((x >= 0) & (x < width) & (y >= 0) & (y < height)).all(axis=0)
    if is_seen.sum() < MIN_RING:
        return UNKNOWN_SEAM
    to_x, to_y = (each[:, is_seen].astype(np.float32) for each in (x, y))
    tones = cv2.remap(cv2.blur(grey, (3, 3)), to_x, to_y, cv2.INTER_LINEAR)
    within, across, beyond = np.abs(np.diff(tones, axis=0)).mean(axis=1)
    return float((across + 1) / (max(within, beyond) + 1))


def _parting(grey: Grey, inside: Grey) -> float:
    """Give the greatest share of rows with a step in tones at one column beside those of the smaller picture.

    What columns near by have, too, is texture and counts half.
    """
    tones = grey.astype(np.int16)
    steps = (np.abs(tones[:, 2:] - tones[:, :-2]) > STEP_TONES).mean(axis=0)
    near = (np.roll(steps, 6) + np.roll(steps, -6)) / 2
    sharp = steps - np.minimum(near, 0.5) / 2
    columns = (
        np.flatnonzero(inside.any(axis=0)) - 1
    )  # a step between columns n and n + 2 is at n + 1
    places = np.arange(len(sharp))
    is_beside = (places < columns.min() + 2) | (places > columns.max() - 2)
    is_beside &= (places >= STEP) & (places < len(sharp) - STEP)
    return float(sharp[is_beside].max(initial=0.0))


def _paper_share(tones: NDArray[np.floating]) -> float:
    """Give the share of pixels in the two most frequent tones (bins of 8 levels with their neighbours)."""
    counts = np.bincount(
        (np.clip(tones, 0, 255) * TONES / 256).astype(int), minlength=TONES
    ).astype(float)
    total, covered = counts.sum(), 0.0
    for _ in range(TOP):
        top = int(np.convolve(counts, [1, 1, 1], "same").argmax())
        part = slice(max(0, top - 1), top + 2)
        covered += counts[part].sum()
        counts[part] = 0
    return float(covered / total)


def _mode_share(tones: NDArray[np.floating]) -> float:
    """Give the share of pixels within 3 grey levels of the most frequent tone."""
    counts = np.bincount(np.clip(tones, 0, 255).astype(int), minlength=256)
    return float(np.convolve(counts, np.ones(7), "same").max() / len(tones))


def _relief(grey: Grey, beside: NDArray[np.bool_]) -> float:
    """Give the grey levels by which blurred surroundings leave a gradient; a bezel or a shadow at the edge is left out.

    Of the photographs of the tuning half, and of their lower halves, 1 % have less than 8.
    """
    area = beside.astype(np.float32)
    far = cv2.erode(area, np.ones((FAR, FAR)), borderValue=1)
    area = np.asarray(far if far.sum() > MIN_FAR * area.sum() else area, np.float32)
    sums, weights = (
        cv2.GaussianBlur(each, (0, 0), RELIEF_SIGMA)
        for each in ((grey * area).astype(np.float32), area)
    )
    rows, columns = (each[::SPARSE] for each in np.nonzero(area))
    tones = (sums[rows, columns] / np.maximum(weights[rows, columns], 1e-3)).astype(np.float64)
    places = np.stack([columns, rows, np.ones_like(rows)], axis=1).astype(np.float64)
    weight = np.ones(len(tones))
    for _ in range(4):
        plane = np.linalg.lstsq(places * weight[:, None], tones * weight, rcond=None)[0]
        left = np.abs(tones - places @ plane)
        weight = 1 / np.sqrt(2 + left)
    return float(np.quantile(left, RELIEF_QUANTILE))


def _n_lines(grey: Grey, beside: NDArray[np.bool_]) -> int:
    """Count the low groups of rows with ink between blank rows: lines of text. 0 where a group is high."""
    tones = np.clip(grey, 0, 255).astype(int)
    counts = np.bincount(tones[beside], minlength=256)
    paper = int(np.convolve(counts, np.ones(7), "same").argmax())
    n_beside = beside.sum(axis=1)
    has_rows = n_beside > GROWN
    ink = ((np.abs(tones - paper) > PAPER_TONES) & beside).sum(axis=1)[has_rows]
    has_ink = np.pad(ink > BLANK * n_beside[has_rows], 1)
    ends = np.flatnonzero(np.diff(has_ink.astype(int)))
    heights = ends[1::2] - ends[::2]
    return len(heights) if heights.max(initial=0) < MAX_LINE * len(grey) else 0


def _backdrop_ncc(large: Grey, small: Grey, beside: NDArray[np.bool_]) -> float:
    height, width = large.shape
    zoom = max(height / small.shape[0], width / small.shape[1])
    scaled = cv2.resize(
        small, (max(width, round(small.shape[1] * zoom)), max(height, round(small.shape[0] * zoom)))
    )
    top, left = (scaled.shape[0] - height) // 2, (scaled.shape[1] - width) // 2
    cover = scaled[top : top + height, left : left + width]
    area = beside.astype(np.float32)  # the picture in the middle must not bleed into what is beside
    sums = [_wide(each.astype(np.float32) * area)[beside] for each in (large, cover)]
    weight = np.maximum(_wide(area)[beside], 1e-3)
    return ncc(sums[0] / weight, sums[1] / weight)


def _wide(grey: Grey) -> Grey:
    return np.asarray(cv2.GaussianBlur(grey, (0, 0), BACKDROP_SIGMA), np.float32)


def _repeated_ncc(large: Grey, small: Grey, beside: NDArray[np.bool_]) -> float:
    """Correlate what is beside with the smaller picture, if it is a rectangle of about its shape."""
    rows, columns = np.nonzero(beside)
    box = large[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    if len(rows) < 0.9 * box.size or min(box.shape) < SIDE_AGAIN // 2:
        return -1.0
    again, once = (
        np.asarray(
            cv2.resize(each, (SIDE_AGAIN, SIDE_AGAIN), interpolation=cv2.INTER_AREA), np.float32
        )
        for each in (box, small)
    )
    return ncc(again, once)


def has_rim(one: Grey, two: Grey, transform: Transform) -> bool:
    """Say whether one picture ends within the other, before a ground of one tone; `transform` maps two to one.

    A photograph of a screen or of a print shows where the picture ends. The edge of a second shot of the same wall, sky
    or chart lies within the other shot, too, but there the scene goes on.
    """
    inverse = np.asarray(np.linalg.inv(transform), np.float64)
    return _ends_within(two, one, transform) or _ends_within(one, two, inverse)


def _ends_within(inner: Grey, outer: Grey, to_outer: Transform) -> bool:
    within, beyond = (
        cv2.perspectiveTransform(_ring(inner.shape, away)[None], to_outer)[0]
        for away in (-AWAY, AWAY)
    )
    height, width = outer.shape
    is_seen = ((beyond >= 1) & (beyond <= [width - 2, height - 2])).all(axis=1)
    is_seen &= ((within >= 0) & (within <= [width - 1, height - 1])).all(axis=1)
    if is_seen.sum() < MIN_SEEN:
        return False
    inside, ground = (_tones(outer, each[is_seen]) for each in (within, beyond))
    is_even = np.abs(ground - np.median(ground)) <= GROUND_TONES
    is_step = np.abs(ground - inside) >= STEP_TONES
    return bool(is_even.mean() >= GROUND_SHARE and is_step.mean() >= STEP_SHARE)


def _ring(shape: tuple[int, ...], away: float) -> NDArray[np.float64]:
    """Give the places around a picture, one px apart, this far beyond its edge (less than 0: within)."""
    height, width = shape
    x, y = np.arange(width, dtype=np.float64), np.arange(height, dtype=np.float64)
    sides = [
        (x, np.full_like(x, -away)),
        (x, np.full_like(x, height - 1 + away)),
        (np.full_like(y, -away), y),
        (np.full_like(y, width - 1 + away), y),
    ]
    return np.concatenate([np.stack(side, axis=1) for side in sides])


def _tones(grey: Grey, places: NDArray[np.float64]) -> NDArray[np.float32]:
    x, y = places.T.astype(np.float32)[:, None]
    return np.asarray(cv2.remap(grey, x, y, cv2.INTER_LINEAR)[0], np.float32)
