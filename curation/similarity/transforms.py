"""Estimate the transform that maps one picture onto another from their matching keypoints."""

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.similarity.picture_features import SIDE, Colours, Features, Grey, Keypoints

Transform = NDArray[np.float64]
"""A transform of the plane, shape (3, 3), in homogeneous coordinates; affine ones end in 0, 0, 1."""

RATIO = 0.8  # Lowe's ratio test: the best match must be this much closer than the second
REPROJECTION_PX = 3.0
MANY_MATCHES = 40  # with at least as many matches, the mirrored picture is not tried
METHOD, ITERATIONS = cv2.USAC_MAGSAC, 1000
MAX_SLANT = 0.5  # change of scale from one side of the picture to the other
NEAR_PX = 25.0  # keypoints that are farther from the affine transform are wrong matches
ROUNDS, WEIGHT_PX = 4, 0.5  # of a robust fit
EDGE_PX = 1 / 64  # beyond the outermost pixel centres that still counts as covered
MARGIN, NOWHERE = 2, 1e6  # px that are cut off from what is covered; a column that no picture has
_NEIGHBOURS = np.ones((2 * MARGIN + 1, 1), np.uint8)


@dataclass(frozen=True)
class KeypointMatches:
    """Matching points of two pictures, (M, 2) each; `grey` is the second picture, mirrored if that matches better."""

    target: NDArray[np.float32]
    source: NDArray[np.float32]
    grey: Grey
    colours: Colours | None = None  # mirrored if that matches better

    @classmethod
    def of(cls, one: Features, two: Features) -> "KeypointMatches":
        """Match the keypoints of `two`, or of its mirror image, with those of `one`."""
        points, others, grey, colours = one.keypoints, two.keypoints, two.grey, two.chroma
        matches = _match(points, others)
        if len(matches) < MANY_MATCHES:
            mirrored = others.mirrored(grey.shape[1])
            if len(mirrored_matches := _match(points, mirrored)) > len(matches):
                others, matches = mirrored, mirrored_matches
                grey, colours = np.ascontiguousarray(grey[:, ::-1]), colours[..., ::-1]
        target, source = points.points[matches[:, 0]], others.points[matches[:, 1]]
        return cls(target, source, grey, Colours(one.chroma, colours))

    def affine(self) -> tuple[Transform | None, int]:
        """Estimate the affine transform from `source` to `target`, and count the distinct spots that agree."""
        if len(self.source) < 6:
            return None, 0
        matrix, is_inlier = cv2.estimateAffine2D(
            self.source,
            self.target,
            method=METHOD,
            ransacReprojThreshold=REPROJECTION_PX,
            maxIters=ITERATIONS,
        )
        return self._plausible(
            None if matrix is None else np.vstack([matrix, [0, 0, 1]]), is_inlier
        )

    def projective(self) -> tuple[Transform | None, int]:
        """Estimate the projective transform, and count the distinct spots that agree."""
        if len(self.source) < 8:
            return None, 0
        matrix, is_inlier = cv2.findHomography(
            self.source,
            self.target,
            method=METHOD,
            ransacReprojThreshold=REPROJECTION_PX,
            maxIters=ITERATIONS,
        )
        return self._plausible(matrix, is_inlier)

    def residuals(self, affine: Transform) -> "Residuals":
        """Fit an affine transform again, also with a slant and with a bend, and give what each leaves."""
        source, target = self.source.astype(np.float64), self.target.astype(np.float64)
        is_near = np.hypot(*(source @ affine[:2, :2].T + affine[:2, 2] - target).T) < NEAR_PX
        x, y = target[is_near].T
        height, width = self.grey.shape
        middle, half = np.array([width - 1, height - 1]) / 2, np.hypot(width, height) / 2
        u, v = ((source[is_near] - middle) / half).T
        one, zero = np.ones_like(u), np.zeros_like(u)
        flat = [u, v, one, zero, zero, zero], [zero, zero, zero, u, v, one]
        slant = [u * x, v * x], [u * y, v * y]
        bends = []
        for by_axis in (False, True):
            square = squared_radius(u, v, self.grey.shape, by_axis=by_axis)
            terms = [u * square, v * square]
            bends.append(([*terms, zero, zero], [zero, zero, *terms]))
        even, slanted, *bent = (
            _robust_residual([*flat[0], *more[0]], [*flat[1], *more[1]], x, y)
            for more in (([], []), slant, *bends)
        )
        return Residuals(even, slanted, min(bent))

    def _plausible(self, matrix: object, is_inlier: object) -> tuple[Transform | None, int]:
        """Refuse a transform that editing does not produce; count the spots of `target` among the inliers."""
        if matrix is None or not is_plausible(transform := np.asarray(matrix, np.float64)):
            return None, 0
        # Several keypoints on one spot (4 x 4 px) count once.
        inliers = self.target[np.asarray(is_inlier).ravel() > 0]
        return transform, len({(int(x) // 4, int(y) // 4) for x, y in inliers})


@dataclass(frozen=True)
class Residuals:
    """Median distance (px) of matching keypoints after an affine transform, also with a slant, also with a bend."""

    affine_px: float
    slanted_px: float
    bent_px: float


def _robust_residual(
    across: list[NDArray[np.float64]],
    down: list[NDArray[np.float64]],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
) -> float:
    """Fit x by the terms `across` and y by `down`, with one coefficient for both; outliers have little weight."""
    terms = np.concatenate([np.stack(across), np.stack(down)], axis=1)
    values, weight = np.concatenate([x, y]), np.ones(2 * len(x))
    slight = 1e-9 * np.eye(len(terms))
    for _ in range(ROUNDS):
        weighted = terms * weight
        solution = np.linalg.solve(weighted @ terms.T + slight, weighted @ values)
        left = solution @ terms - values
        distance = np.hypot(left[: len(x)], left[len(x) :])
        weight[: len(x)] = weight[len(x) :] = 1 / (WEIGHT_PX + distance) ** 2
    return float(np.median(distance)) if len(distance) else 0.0


def squared_radius(u: Any, v: Any, shape: tuple[int, ...], *, by_axis: bool) -> Any:
    """Square distances from the middle, given in half diagonals; `by_axis` along ellipses as wide and tall as it."""
    if not by_axis:
        return u * u + v * v
    height, width = shape
    half = (height * height + width * width) / 2
    return (u * u / width**2 + v * v / height**2) * half


def is_plausible(transform: Transform) -> bool:
    """Accept what editing produces: not mirrored, scale 1/6 to 6, sides stretched by less than a half, little slant."""
    (a, b, _), (c, d, _), (g, h, _) = transform.tolist()
    # The singular values of the linear part are half the sum and half the difference of these lengths.
    even, odd = math.hypot(a + d, c - b), math.hypot(a - d, c + b)
    longest, shortest = (even + odd) / 2, abs(even - odd) / 2
    is_upright = a * d - b * c > 0
    is_flat = (abs(g) + abs(h)) * SIDE < MAX_SLANT
    is_even = shortest > 1 / 6 and longest < 6 and longest < 1.5 * shortest
    return bool(is_upright and is_flat and is_even)


def _match(one: Keypoints, two: Keypoints) -> NDArray[np.intp]:
    """Match keypoints that are mutual nearest neighbours and pass the ratio test: (M, 2) indices."""
    if min(len(one.points), len(two.points)) < 2:
        return np.zeros((0, 2), np.intp)
    similarity = one.descriptors @ two.descriptors.T
    nearest, rows = similarity.argmax(axis=1), np.arange(len(similarity))
    first = similarity[rows, nearest]
    similarity[rows, nearest] = -1
    second = similarity.max(axis=1)
    similarity[rows, nearest] = first
    # For unit vectors d^2 = 2 - 2 cos: Lowe's ratio on distances.
    found = np.flatnonzero((1 - first) < RATIO**2 * (1 - second))
    others = nearest[found]
    is_mutual = similarity[:, others].argmax(axis=0) == found
    return np.stack([found[is_mutual], others[is_mutual]], axis=1)


def warp(two: Grey, transform: Transform, one: Grey) -> Grey:
    """Map `two` into the pixel grid of `one`."""
    return np.asarray(_warped(two, transform, one.shape), np.float32)


def coverage(one: Grey, two: Grey, transform: Transform) -> Grey:
    """Mark by 1 the pixels of `one` that `two` covers, without a margin; 0 elsewhere."""
    ends = _covered_ends(two.shape, _inverse(transform), one.shape)
    # What is covered is convex: without the margin each row has what its neighbours have, too.
    ends = np.asarray(cv2.dilate(ends, _NEIGHBOURS, borderValue=NOWHERE), np.float32)
    columns = np.arange(one.shape[1], dtype=np.float32)
    inside = columns >= ends[:, :1] + MARGIN
    inside &= columns <= -MARGIN - ends[:, 1:]
    return inside.astype(np.float32)


def _covered_ends(
    shape: tuple[int, ...], to_two: list[list[float]], of_one: tuple[int, ...]
) -> NDArray[np.float32]:
    """Give, for each row, between which columns it lies within a picture of this shape: the first, less the last."""
    height, width = of_one
    rows = np.arange(height, dtype=np.float64)
    ends = np.zeros((height, 2))
    ends[:, 1] = 1 - width
    x, y, depth = to_two
    for (a, b, c), length in ((x, shape[1]), (y, shape[0])):
        for sign, side in ((1, -EDGE_PX), (-1, length - 1 + EDGE_PX)):
            # The covered places are those where sign * (a x + b y + c - side * depth) >= 0.
            across, down, rest = (
                sign * (k - side * d) for k, d in zip((a, b, c), depth, strict=True)
            )
            if across:
                column = rows * (-down / across) - rest / across
                end = ends[:, 0] if across > 0 else ends[:, 1]
                np.maximum(end, column if across > 0 else -column, out=end)
            else:
                ends[rows * down + rest < 0] = NOWHERE
    return ends.astype(np.float32)


def _inverse(transform: Transform) -> list[list[float]]:
    """Invert a transform; for one of nine numbers this is quicker than np.linalg.inv."""
    (a, b, c), (d, e, f), (g, h, i) = transform.tolist()
    rows = [
        [e * i - f * h, c * h - b * i, b * f - c * e],
        [f * g - d * i, a * i - c * g, c * d - a * f],
        [d * h - e * g, b * g - a * h, a * e - b * d],
    ]
    return [[each / rows[2][2] for each in row] for row in rows]


def _warped(grey: NDArray[Any], transform: Transform, shape: tuple[int, ...]) -> NDArray[Any]:
    size = shape[1], shape[0]
    if transform[2, :2].any():
        return np.asarray(cv2.warpPerspective(grey, transform, size))
    return np.asarray(cv2.warpAffine(grey, transform[:2], size))
