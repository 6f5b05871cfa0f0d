"""Align two pictures of which one was bent as by a lens: straight lines became curves around its middle.

Two radial terms describe the bend, and the inverse of one as well. They are fitted to the matching keypoints and then
to the drift. Between two shots parts move by their distance from the camera: no radial term explains that.
"""

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from curation.similarity.alignment import Alignment, refine
from curation.similarity.fit_measures import Drift, Fit, measure_fit
from curation.similarity.picture_features import Grey
from curation.similarity.transforms import NEAR_PX, KeypointMatches, Transform, is_plausible

ROUNDS, BEND_ROUNDS = 6, 3
MAX_BEND = 0.35  # of a radial term
MIN_SPOTS = 24
MIN_BEND_PX, MOVED_PX = 1.5, 0.6  # of the corners by the bend; drift that no better bend removes


@dataclass(frozen=True)
class Bend:
    """A point at p from the middle, in half diagonals, is seen at p * (1 + first * |p|^2 + second * |p|^4)."""

    first: float = 0.0
    second: float = 0.0

    def straightened(self, grey: Grey) -> Grey:
        """Give the picture without the bend."""
        height, width = grey.shape
        y, x = np.mgrid[:height, :width].astype(np.float32)
        (u, v), scale = _from_middle(x, y, grey.shape)
        square = u * u + v * v
        factor = (1 + self.first * square + self.second * square * square) * scale
        to_x, to_y = (width - 1) / 2 + u * factor, (height - 1) / 2 + v * factor
        return np.asarray(
            cv2.remap(
                grey.astype(np.float32),
                to_x.astype(np.float32),
                to_y.astype(np.float32),
                cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REPLICATE,
            ),
            np.float32,
        )

    def largest_px(self, shape: tuple[int, ...]) -> float:
        """Give the movement of a corner (px)."""
        return abs(self.first + self.second) * float(np.hypot(shape[0], shape[1])) / 2


def _from_middle(x: Any, y: Any, shape: tuple[int, ...]) -> tuple[tuple[Any, Any], float]:
    height, width = shape
    scale = float(np.hypot(height, width)) / 2
    return ((x - (width - 1) / 2) / scale, (y - (height - 1) / 2) / scale), scale


def align_bent(one: Grey, matches: KeypointMatches, affine: Alignment) -> tuple[Fit, Bend] | None:
    """Fit the bend of the second picture and an affine transform, and measure; None where they explain too little."""
    start = _by_keypoints(matches, affine.transform)
    if start is None or start[0].largest_px(affine.grey.shape) < MIN_BEND_PX:
        return None
    bend, alignment = start[0], replace(affine, transform=start[1])
    best: tuple[Fit, Bend] | None = None
    for _ in range(BEND_ROUNDS):
        straight = replace(alignment, grey=bend.straightened(affine.grey))
        fit, alignment = refine(one, straight, matched=True, rough=True)
        if fit.drift_px > MOVED_PX or (best and fit.drift_px > 0.95 * best[0].drift_px):
            break
        best = fit, bend
        _, drift = measure_fit(one, straight.grey, alignment.transform, matched=True)
        if len(drift) < MIN_SPOTS:
            break
        bend = _without_drift(bend, drift, alignment.transform, affine.grey.shape)
        if max(abs(bend.first), abs(bend.second)) > MAX_BEND:
            break
    return best


def _by_keypoints(matches: KeypointMatches, affine: Transform) -> tuple[Bend, Transform] | None:
    """Fit both radial terms and an affine transform to the keypoints, the outliers with little weight."""
    source, target = matches.source.astype(np.float64), matches.target.astype(np.float64)
    error = np.hypot(*(source @ affine[:2, :2].T + affine[:2, 2] - target).T)
    source, target = source[error < NEAR_PX], target[error < NEAR_PX]
    if len(source) < MIN_SPOTS:
        return None
    (u, v), scale = _from_middle(source[:, 0], source[:, 1], matches.grey.shape)
    # Bent points p (1 + a r^2 + b r^4) are undone by q (1 + c r^2 + d r^4), fitted in this direction.
    square = u * u + v * v
    rows = np.stack(
        [u, v, np.ones_like(u), u * square, v * square, u * square**2, v * square**2], 1
    )
    weight = np.ones(len(source))
    for _ in range(ROUNDS):
        solution = np.linalg.lstsq(rows * weight[:, None], target * weight[:, None], rcond=None)[0]
        weight = 1 / (0.5 + np.hypot(*(rows @ solution - target).T))
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
    return _inverted(float(first), float(second)), transform


def _inverted(first: float, second: float) -> Bend:
    """Give the bend that undoes q = p (1 + first |p|^2 + second |p|^4), fitted over a picture."""
    p = np.linspace(0.02, 1, 50)
    q = p * (1 + first * p**2 + second * p**4)
    terms = np.stack([q**3, q**5], 1)
    one, two = np.linalg.lstsq(terms, p - q, rcond=None)[0]
    return Bend(float(one), float(two))


def _without_drift(bend: Bend, drift: Drift, transform: Transform, shape: tuple[int, ...]) -> Bend:
    """Change the bend by the part of the drift that radial terms explain beside an affine transform."""
    x, y, dx, dy = drift.astype(np.float64).T
    places = np.stack([x, y, np.ones_like(x)]).T @ np.linalg.inv(transform).T
    (u, v), scale = _from_middle(places[:, 0], places[:, 1], shape)
    square = u * u + v * v
    linear = transform[:2, :2] * scale
    radial = [linear @ (np.stack([u, v]) * power) for power in (square, square**2)]
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
    return Bend(bend.first - float(solution[6]), bend.second - float(solution[7]))
