"""Align two pictures of which one was bent as by a lens: straight lines became curves around its middle.

Three radial terms describe the bend, and the inverse of one as well. They are fitted to the matching keypoints and then
to the drift. The distance from the middle is that of a lens, or in parts of width and height, as programs count it that
bend a picture. Between two shots parts move by their distance from the camera: no radial term explains that.
"""

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.similarity.alignment import Alignment, refine
from curation.similarity.fit_measures import Drift, Fit, measure
from curation.similarity.histogram_matching import HistogramMatch
from curation.similarity.picture_features import Grey
from curation.similarity.transforms import (
    NEAR_PX,
    KeypointMatches,
    Transform,
    is_plausible,
    squared_radius,
    warp,
)

ROUNDS, BEND_ROUNDS = 6, 4
FULLY_COVERED = 0.99  # share of a pixel that comes from within the bent picture
MAX_BEND = 0.35  # of a radial term
MIN_SPOTS = 24
MIN_BEND_PX, MOVED_PX = 1.5, 0.6  # of the corners by the bend; drift that no better bend removes


@dataclass(frozen=True)
class Bend:
    """A point at p from the middle is seen at p * (1 + first * r^2 + second * r^4 + third * r^6).

    r is 1 in the corners. It is constant on circles, or `by_axis` on ellipses as wide and tall as the picture.
    """

    first: float = 0.0
    second: float = 0.0
    third: float = 0.0
    by_axis: bool = False

    def straightened(self, grey: Grey) -> Grey:
        """Give the picture without the bend; beyond its edges it goes on with their tones."""
        to_x, to_y = self._seen_at(grey.shape)
        edge = cv2.BORDER_REPLICATE
        straight = cv2.remap(grey.astype(np.float32), to_x, to_y, cv2.INTER_LINEAR, borderMode=edge)
        return np.asarray(straight, np.float32)

    def covered(self, shape: tuple[int, ...]) -> Grey:
        """Mark by 1 the pixels of the straightened picture that the bent one shows; 0 elsewhere."""
        to_x, to_y = self._seen_at(shape)
        is_covered = (to_x >= 0) & (to_x <= shape[1] - 1) & (to_y >= 0) & (to_y <= shape[0] - 1)
        return is_covered.astype(np.float32)

    def _seen_at(self, shape: tuple[int, ...]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        height, width = shape
        y, x = np.mgrid[:height, :width].astype(np.float32)
        (u, v), scale = _from_middle(x, y, shape)
        square = squared_radius(u, v, shape, by_axis=self.by_axis)
        terms = square * (self.first + square * (self.second + square * self.third))
        factor = (1 + terms) * scale
        to_x, to_y = (width - 1) / 2 + u * factor, (height - 1) / 2 + v * factor
        return to_x.astype(np.float32), to_y.astype(np.float32)

    def largest_px(self, shape: tuple[int, ...]) -> float:
        """Give the movement of a corner (px)."""
        change = abs(self.first + self.second + self.third)
        return change * float(np.hypot(shape[0], shape[1])) / 2


def _from_middle(x: Any, y: Any, shape: tuple[int, ...]) -> tuple[tuple[Any, Any], float]:
    height, width = shape
    scale = float(np.hypot(height, width)) / 2
    return ((x - (width - 1) / 2) / scale, (y - (height - 1) / 2) / scale), scale


def align_bent(one: Grey, matches: KeypointMatches, affine: Alignment) -> tuple[Fit, Bend] | None:
    """Fit the bend of the second picture and an affine transform, and measure; None where they explain too little."""
    fits = (_by_keypoints(matches, affine.transform, by_axis=each) for each in (False, True))
    start = min((each for each in fits if each), key=lambda each: each[2], default=None)
    if start is None or start[0].largest_px(affine.grey.shape) < MIN_BEND_PX:
        return None
    bend, alignment = start[0], replace(affine, transform=start[1])
    best: tuple[Fit, Bend] | None = None
    for _ in range(BEND_ROUNDS):
        straight = replace(alignment, grey=bend.straightened(affine.grey))
        mask, share = _covered_of(one, bend, alignment)
        fit, alignment = refine(one, straight, mask=mask, matched=True, rough=True)
        fit = replace(fit, overlap=fit.overlap * share)
        if fit.drift_px > MOVED_PX or (best and fit.drift_px > 0.95 * best[0].drift_px):
            break
        best = fit, bend
        drift = measure(one, straight.grey, alignment.transform, mask, HistogramMatch()).drift
        if len(drift) < MIN_SPOTS:
            break
        bend = _without_drift(bend, drift, alignment.transform, affine.grey.shape)
        if max(abs(bend.first), abs(bend.second), abs(bend.third)) > MAX_BEND:
            break
    return best


def _covered_of(one: Grey, bend: Bend, alignment: Alignment) -> tuple[Grey, float]:
    """Mark by 1 the pixels of the first picture that the bent one shows; also their share of what it covers."""
    shape = alignment.grey.shape
    covered, whole = (
        warp(each, alignment.transform, one) > FULLY_COVERED
        for each in (bend.covered(shape), np.ones(shape, np.float32))
    )
    return covered.astype(np.float32), float(covered.sum() / max(1, whole.sum()))


def _by_keypoints(
    matches: KeypointMatches, affine: Transform, *, by_axis: bool
) -> tuple[Bend, Transform, float] | None:
    """Fit two radial terms and an affine transform to the keypoints, outliers with little weight; also the error."""
    source, target = matches.source.astype(np.float64), matches.target.astype(np.float64)
    error = np.hypot(*(source @ affine[:2, :2].T + affine[:2, 2] - target).T)
    source, target = source[error < NEAR_PX], target[error < NEAR_PX]
    if len(source) < MIN_SPOTS:
        return None
    (u, v), scale = _from_middle(source[:, 0], source[:, 1], matches.grey.shape)
    # Bent points p (1 + a r^2 + b r^4) are undone by q (1 + c r^2 + d r^4), fitted in this direction.
    square = squared_radius(u, v, matches.grey.shape, by_axis=by_axis)
    rows = np.stack(
        [u, v, np.ones_like(u), u * square, v * square, u * square**2, v * square**2], 1
    )
    weight = np.ones(len(source))
    for _ in range(ROUNDS):
        solution = np.linalg.lstsq(rows * weight[:, None], target * weight[:, None], rcond=None)[0]
        left = np.hypot(*(rows @ solution - target).T)
        weight = 1 / (0.5 + left)
    linear, inverse = solution[:2].T, np.linalg.pinv(solution[:2].T)
    first, second = (
        np.trace(inverse @ solution[rows_of].T) / 2 for rows_of in (slice(3, 5), slice(5, 7))
    )
    if max(abs(first), abs(second)) > MAX_BEND:
        return None
    middle = (np.array(matches.grey.shape[::-1]) - 1) / 2
    transform = np.eye(3)
    transform[:2, :2] = linear / scale
    transform[:2, 2] = solution[2] - transform[:2, :2] @ middle
    if not is_plausible(transform):
        return None
    return _inverted(float(first), float(second), by_axis), transform, float(np.median(left))


def _inverted(first: float, second: float, by_axis: bool) -> Bend:
    """Give the bend that undoes q = p (1 + first |p|^2 + second |p|^4), fitted over a picture."""
    p = np.linspace(0.02, 1, 50)
    q = p * (1 + first * p**2 + second * p**4)
    terms = np.stack([q**3, q**5], 1)
    one, two = np.linalg.lstsq(terms, p - q, rcond=None)[0]
    return Bend(float(one), float(two), by_axis=by_axis)


def _without_drift(bend: Bend, drift: Drift, transform: Transform, shape: tuple[int, ...]) -> Bend:
    """Change the bend by the part of the drift that radial terms explain beside an affine transform."""
    x, y, dx, dy = drift.astype(np.float64).T
    places = np.stack([x, y, np.ones_like(x)]).T @ np.linalg.inv(transform).T
    (u, v), scale = _from_middle(places[:, 0], places[:, 1], shape)
    square = squared_radius(u, v, shape, by_axis=bend.by_axis)
    linear = transform[:2, :2] * scale
    radial = [linear @ (np.stack([u, v]) * square**power) for power in (1, 2, 3)]
    flat, zero = np.stack([x, y, np.ones_like(x)], 1), np.zeros((len(x), 3))
    rows = np.concatenate(
        [
            np.hstack([flat, zero, np.stack([each[0] for each in radial], 1)]),
            np.hstack([zero, flat, np.stack([each[1] for each in radial], 1)]),
        ]
    )
    weight = 1 / (0.1 + np.hypot(dx - np.median(dx), dy - np.median(dy)))
    weight = np.concatenate([weight, weight])
    solution = np.linalg.lstsq(
        rows * weight[:, None], np.concatenate([dx, dy]) * weight, rcond=None
    )[0]
    first, second, third = solution[6:].tolist()
    return replace(
        bend, first=bend.first - first, second=bend.second - second, third=bend.third - third
    )
