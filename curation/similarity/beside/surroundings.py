"""Find where the smaller of two aligned pictures lies in the larger one, what is beside it, and where pictures end."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.similarity.picture_features import Grey
from curation.similarity.transforms import Transform, coverage, warp

MIN_PIXELS = 200  # beside the smaller picture: fewer say nothing
GROWN = 9  # px around the smaller picture that belong to its edge
WEDGE_TONES, WEDGE_GROWN = 12, 5  # grey levels within the corners of a turned picture; px
MIN_WEDGES, MIN_WEDGE, WEDGE_NOISE = 3, 0.002, 3.0  # corners; share of the picture; grey levels
WEDGE_FILL, MIN_FILLED = 0.12, 0.85  # of its hull from half of the box around it; share of the hull

AWAY = 2.5  # px from the edge, within and beyond, at which tones are read
MIN_SEEN = 60  # px of the edge that must lie within the other picture
GROUND_TONES, GROUND_SHARE = 20, 0.8  # grey levels around the median; share of the edge within them
STEP_TONES, STEP_SHARE = (
    15,
    0.6,
)  # grey levels between within and beyond; share of the edge with such a step


@dataclass(frozen=True, eq=False)
class Surroundings:
    """What the larger picture, `large`, has beside the smaller one, `small`: where `beside` is true.

    `inside` is 1 where the smaller one lies, shape (height, width) as `large` and `beside`.
    """

    large: Grey
    small: Grey
    inside: Grey
    beside: NDArray[np.bool_]

    @property
    def is_seen(self) -> bool:
        """Say whether there is enough beside the smaller picture to say anything about it."""
        return int(self.beside.sum()) >= MIN_PIXELS


def surroundings(one: Grey, two: Grey, transform: Transform) -> Surroundings:
    """Describe what the larger of two aligned pictures has beside the smaller one; `transform` maps two to one."""
    if abs(np.linalg.det(transform[:2, :2])) * two.size > one.size:
        one, two, transform = _swapped(one, two, transform)
    return _beside(one, two, transform)


def both_surroundings(
    one: Grey, two: Grey, transform: Transform
) -> tuple[Surroundings, Surroundings]:
    """Describe what each of two aligned pictures has beside the other; `transform` maps two to one."""
    return _beside(one, two, transform), _beside(*_swapped(one, two, transform))


def _swapped(one: Grey, two: Grey, transform: Transform) -> tuple[Grey, Grey, Transform]:
    inverse = np.asarray(np.linalg.inv(transform), np.float64)
    return two, one, inverse / inverse[2, 2]


def _beside(large: Grey, small: Grey, transform: Transform) -> Surroundings:
    inside = coverage(large, small, transform)
    wedges = _wedges(small)
    if wedges.any():
        inside = inside * (warp(wedges, transform, large) < 0.01)
    return Surroundings(large, small, inside, cv2.dilate(inside, np.ones((GROWN, GROWN))) == 0)


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
