"""Measure how well one picture, mapped by a transform, agrees with another: correlation, drift, overlap, bend."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.similarity.overlays import MIN_PIXELS
from curation.similarity.picture_features import CELLS, Grey, ncc
from curation.similarity.transforms import Transform, coverage, warp

TEXTURE = 3.0  # grey levels: a cell with less fine structure in both pictures is not compared
CELL_NCC = 0.5
EDGES = 4.0  # squared grey levels per px: a cell with weaker gradients has no measurable position
FINE, COARSE = 3, 19  # px: fine structure is the difference of these two blurs
BORDER_SHARE = 0.04  # of the area is cut off at the border before anything is measured
MIN_TEXTURED = 4  # with fewer textured cells a picture is plain

Drift = NDArray[np.float32]
"""Rows x, y, dx, dy in px: the centre of a cell, and how far the second picture lies from the first there."""


@dataclass(frozen=True)
class Fit:
    """How well one picture agrees with another after alignment.

    `ncc`: correlation of the overlap; `detail_ncc`: of its fine structure; `bad_share`: share of textured cells that do
    not correlate; `drift_px`: upper quartile of the distance between cells; `overlap`: share of the overlap in the
    picture of which less is covered; `is_plain`: there is no texture, so only `ncc` is meaningful; `bend_px`: distance
    of the corners from where an affine transform would put them; `overlay_share`: share of the picture that was left
    out because text or a logo is drawn over it.
    """

    inliers: int = 0
    ncc: float = -1.0
    detail_ncc: float = -1.0
    bad_share: float = 1.0
    drift_px: float = 99.0
    overlap: float = 0.0
    is_plain: bool = False
    bend_px: float = 0.0
    overlay_share: float = 0.0


def measure_fit(one: Grey, two: Grey, transform: Transform, mask: Grey | None) -> tuple[Fit, Drift]:
    """Warp `two` onto `one` and measure where `mask` is 1; also give the drift of the cells."""
    inside = coverage(one, two, transform)
    warped = warp(two, transform, one)
    overlap = _overlap(inside, one, two, transform)
    if mask is not None:
        inside = inside * mask
    if inside.sum() < MIN_PIXELS:
        return Fit(overlap=overlap), np.zeros((0, 4), np.float32)
    smooth = _blurred((one, warped), inside, FINE)
    coarse = _blurred((one, warped), inside, COARSE)
    left, right = ((fine - rough) * inside for fine, rough in zip(smooth, coarse, strict=True))
    n_textured, bad_share = _compare_cells(left, right, inside)
    drift = _drift(left, right, inside)
    is_inside = inside > 0
    fit = Fit(
        ncc=ncc(smooth[0][is_inside], smooth[1][is_inside]),
        detail_ncc=ncc(left[is_inside], right[is_inside]),
        bad_share=bad_share,
        drift_px=_upper_quartile(np.hypot(drift[:, 2], drift[:, 3])),
        overlap=overlap,
        is_plain=n_textured < MIN_TEXTURED,
        bend_px=_bend_px(transform, one),
    )
    return fit, drift


def _overlap(inside: Grey, one: Grey, two: Grey, transform: Transform) -> float:
    """Return the covered share of the picture that is covered less; what is cut at the border counts."""
    area = max(1.0, abs(float(np.linalg.det(transform[:2, :2]))) * two.size)
    return min(1.0, float(inside.sum()) / max(one.size, area) + BORDER_SHARE)


def _bend_px(transform: Transform, one: Grey) -> float:
    """Give the largest distance (px) of a corner from where the best affine transform would put it."""
    if not transform[2, :2].any():
        return 0.0
    height, width = one.shape
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64)
    moved = cv2.perspectiveTransform(corners[None], np.linalg.inv(transform))[0]
    flat = np.hstack([corners, np.ones((4, 1))])
    fitted = flat @ np.linalg.lstsq(flat, moved, rcond=None)[0]
    return float(np.hypot(*(moved - fitted).T).max())


def _upper_quartile(lengths: NDArray[np.float32]) -> float:
    return float(np.quantile(lengths, 0.75)) if len(lengths) >= MIN_TEXTURED else 0.0


def _blurred(pictures: tuple[Grey, Grey], inside: Grey, window: int) -> list[Grey]:
    """Blur the pixels inside by two box filters of this size; pixels outside have no influence."""

    def blur(grey: Grey) -> Grey:
        return np.asarray(cv2.blur(cv2.blur(grey, (window, window)), (window, window)), np.float32)

    weight = np.maximum(blur(inside), np.float32(1e-3))
    return [blur(grey * inside) / weight for grey in pictures]


def _means(values: Grey, inside: Grey) -> Grey:
    """Average over the inside of each cell."""
    return _per_cell(values * inside) / np.maximum(_per_cell(inside), np.float32(1e-3))


def _per_cell(values: Grey) -> Grey:
    return np.asarray(cv2.resize(values, (CELLS, CELLS), interpolation=cv2.INTER_AREA), np.float32)


def _compare_cells(left: Grey, right: Grey, inside: Grey) -> tuple[int, float]:
    """Count the textured cells, and give the share of them in which the two pictures do not correlate."""
    both, one, two = (_means(each, inside) for each in (left * right, left * left, right * right))
    is_textured = (_per_cell(inside) > 0.5) & (np.maximum(one, two) > TEXTURE**2)
    is_bad = is_textured & (both < CELL_NCC * np.sqrt(one * two))
    return int(is_textured.sum()), float(is_bad.sum() / max(1, is_textured.sum()))


def _drift(left: Grey, right: Grey, inside: Grey) -> Drift:
    """Measure how far each cell of `right` lies from its place in `left` (one Lucas-Kanade step)."""
    height, width = left.shape
    gain = np.sqrt((_means(left * left, inside) + 4) / (_means(right * right, inside) + 4))
    right = right * np.asarray(cv2.resize(gain, (width, height)), np.float32)
    middle, change = (left + right) / 2, right - left
    gx, gy = (_gradient(middle, *axis) for axis in ((1, 0), (0, 1)))
    pairs = ((gx, gx), (gx, gy), (gy, gy), (gx, change), (gy, change))
    xx, xy, yy, xt, yt = (_means(a * b, inside) for a, b in pairs)
    xx, yy = xx + 0.5, yy + 0.5  # where all edges run one way, there is no drift the other way
    determinant = xx * yy - xy * xy
    dx, dy = (yy * xt - xy * yt) / determinant, (xx * yt - xy * xt) / determinant
    is_measurable = (_per_cell(inside) > 0.5) & (xx + yy > EDGES)
    rows, columns = np.nonzero(is_measurable)
    x, y = (columns + 0.5) * width / CELLS - 0.5, (rows + 0.5) * height / CELLS - 0.5
    return np.stack([x, y, dx[is_measurable], dy[is_measurable]], axis=1).astype(np.float32)


def _gradient(grey: Grey, x: int, y: int) -> Grey:
    return np.asarray(cv2.Scharr(grey, cv2.CV_32F, x, y, scale=1 / 32), np.float32)
