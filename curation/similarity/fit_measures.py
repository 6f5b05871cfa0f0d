"""Measure how well one picture, mapped by a transform, agrees with another: correlation, drift, overlap, bend."""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.similarity.histogram_matching import match_histograms
from curation.similarity.overlays import MIN_PIXELS
from curation.similarity.picture_features import CELLS, Grey, ncc
from curation.similarity.transforms import Transform, coverage, warp

TEXTURE = 3.0  # grey levels: a cell with less fine structure in both pictures is not compared
CELL_NCC = 0.5
EDGES = 4.0  # squared grey levels per px: a cell with weaker gradients has no measurable position
SHRINK = 4  # for wide blurs
FINE, COARSE = 3, 19  # px: fine structure is the difference of these two blurs
BORDER_SHARE = 0.04  # of the area is cut off at the border before anything is measured
MIN_TEXTURED = 4  # with fewer textured cells a picture is plain
FEW_TEXTURED = 28  # with fewer, smaller cells and the relief are compared, too
NEIGHBOURS = (3, 3)  # cells whose drift is averaged: what they do not share is no movement
LEAST = 1e-6  # of the disagreement

Drift = NDArray[np.float32]
"""Rows x, y, dx, dy in px: the centre of a cell, and how far the second picture lies from the first there."""


@dataclass(frozen=True)
class Fit:
    """How well one picture agrees with another after alignment.

    `ncc`: correlation of the overlap; `detail_ncc`: of its fine structure; `bad_share`: share of textured cells
    that do not correlate; `drift_px`: upper quartile of the distance between cells; `coherent_px`: the part of the
    drift that neighbouring cells share; `overlap`: share of the overlap in the picture of which less is covered;
    `contained`: in the other one; `n_textured`: cells with texture; `textured_share`: of the covered ones;
    `worst_ncc`: of the smaller cells of a picture with few textured ones, the lowest correlation; `relief_ncc`:
    there the correlation without rows' and columns' means; `chroma_ncc`: of the colours of the whole pictures, 1
    where one has none or where they were not compared; `bend_px`: distance of the corners from where an affine
    transform would put them; `lens_px`: by which a corner was moved to undo a bend around the middle, as of a lens;
    `overlay_share`: share of the picture that was left out because text or a logo is drawn over it;
    `is_whole_beside_page`: the other picture holds it as a part, and shows no other photograph;
    `is_beside_photograph`: the other picture shows another photograph beside it; `is_rimmed`: one picture ends
    within the other, before a ground of one tone; `is_unmoved`: the drift is none, for the pictures agree no better
    where it is undone.
    """

    inliers: int = 0
    ncc: float = -1.0
    detail_ncc: float = -1.0
    bad_share: float = 1.0
    drift_px: float = 99.0
    coherent_px: float = 99.0
    overlap: float = 0.0
    contained: float = 0.0
    n_textured: int = 0
    textured_share: float = 1.0
    worst_ncc: float = 1.0
    relief_ncc: float = 1.0
    chroma_ncc: float = 1.0
    bend_px: float = 0.0
    lens_px: float = 0.0
    overlay_share: float = 0.0
    is_whole_beside_page: bool = False
    is_beside_photograph: bool = False
    is_rimmed: bool = False
    is_unmoved: bool = False

    @property
    def is_plain(self) -> bool:
        """Say whether there is no texture, so only `ncc` is meaningful."""
        return self.n_textured < MIN_TEXTURED


def measure_fit(
    one: Grey, two: Grey, transform: Transform, mask: Grey | None = None, *, matched: bool = False
) -> tuple[Fit, Drift]:
    """Warp `two` onto `one` and measure where `mask` is 1, all but `coherent_px`; also give the drift of the cells.

    `matched` gives both pictures equal tones and sharpness before they are compared.
    """
    inside = coverage(one, two, transform)
    warped = warp(two, transform, one)
    overlap, contained = _overlap(inside, one, two, transform)
    if mask is not None:
        inside = inside * mask
    if inside.sum() < MIN_PIXELS:
        return Fit(overlap=overlap, contained=contained), np.zeros((0, 4), np.float32)
    if matched:
        one, warped = match_histograms(one, warped, inside)
    smooth, (left, right) = fine_structures(one, warped, inside)
    textured, correlation, n_covered = _compare_cells(left, right, inside, CELLS)
    n_textured = int(textured.sum())
    drift = _drift(left, right, inside)
    worst, relief = 1.0, 1.0
    if n_textured < FEW_TEXTURED:
        fine_textured, fine_correlation, _ = _compare_cells(left, right, inside, 2 * CELLS)
        worst = float(fine_correlation[fine_textured].min(initial=1.0))
        relief = _relief_ncc(smooth[0], smooth[1], inside)
    fit = Fit(
        ncc=_ncc_inside(smooth[0], smooth[1], inside),
        detail_ncc=_ncc_inside(left, right, inside),
        bad_share=float((correlation[textured] < CELL_NCC).sum() / max(1, n_textured)),
        drift_px=_upper_quartile(np.hypot(drift[:, 2], drift[:, 3])),
        coherent_px=0.0,
        overlap=overlap,
        contained=contained,
        n_textured=n_textured,
        textured_share=n_textured / max(1, n_covered),
        worst_ncc=worst,
        relief_ncc=relief,
        bend_px=_bend_px(transform, one),
    )
    return fit, drift


def fine_structures(one: Grey, two: Grey, inside: Grey) -> tuple[list[Grey], list[Grey]]:
    """Give both pictures slightly blurred, and what is left of them without their coarse structure, 0 outside."""
    smooth, coarse = (_blurred((one, two), inside, window) for window in (FINE, COARSE))
    return smooth, [(fine - rough) * inside for fine, rough in zip(smooth, coarse, strict=True)]


def _overlap(inside: Grey, one: Grey, two: Grey, transform: Transform) -> tuple[float, float]:
    """Return the covered shares of the picture that is covered less, and of the other; the border counts."""
    area = max(1.0, abs(float(np.linalg.det(transform[:2, :2]))) * two.size)
    covered = float(inside.sum())
    less, more = (covered / each(one.size, area) + BORDER_SHARE for each in (max, min))
    return min(1.0, less), min(1.0, more)


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
    """Interpolate between the lengths at the upper quartile; np.quantile takes five times as long for so few."""
    if len(lengths) < MIN_TEXTURED:
        return 0.0
    place = 0.75 * (len(lengths) - 1)
    low, high = np.sort(lengths)[[int(place), -(-3 * (len(lengths) - 1) // 4)]].astype(np.float64)
    return float(low + (high - low) * (place - int(place)))


def _blurred(pictures: tuple[Grey, Grey], inside: Grey, window: int) -> list[Grey]:
    """Blur the pixels inside by two box filters of this size; pixels outside have no influence."""
    if window < 2 * SHRINK:
        return _box_blurred(pictures, inside, window)
    # A wide blur is computed on a smaller picture.
    size = inside.shape[1] // SHRINK, inside.shape[0] // SHRINK
    small = [_shrunk(each * inside, size) for each in pictures]
    weight = _shrunk(inside, size)
    odd = window // SHRINK // 2 * 2 + 1
    blurred = [_twice(each, odd) for each in (weight, *small)]
    weight = np.maximum(blurred[0], np.float32(1e-3))
    sized = (cv2.resize(each / weight, inside.shape[::-1]) for each in blurred[1:])
    return [np.asarray(each, np.float32) for each in sized]


def _shrunk(grey: Grey, size: tuple[int, int]) -> Grey:
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.float32)


def _box_blurred(pictures: tuple[Grey, Grey], inside: Grey, window: int) -> list[Grey]:
    weight = np.maximum(_twice(inside, window), np.float32(1e-3))
    return [_twice(grey * inside, window) / weight for grey in pictures]


def _twice(grey: Grey, window: int) -> Grey:
    return np.asarray(cv2.blur(cv2.blur(grey, (window, window)), (window, window)), np.float32)


def _per_cell(values: Grey, cells: int = CELLS) -> Grey:
    """Average over each cell, (cells, cells); products of matrices are quicker than to scale a picture down."""
    height, width = values.shape
    return np.asarray(_averages(height, cells) @ values @ _averages(width, cells).T, np.float32)


@lru_cache
def _averages(length: int, cells: int) -> NDArray[np.float32]:
    """Give the weights (cells, length) with which pixels are averaged into cells; a pixel may belong to two."""
    ends = np.arange(cells + 1) * length / cells
    pixels = np.arange(length)
    covered = np.minimum(ends[1:, None], pixels + 1) - np.maximum(ends[:-1, None], pixels)
    return np.asarray(np.maximum(covered, 0) * cells / length, np.float32)


def _ncc_inside(one: Grey, two: Grey, inside: Grey) -> float:
    """Correlate the pixels where `inside` is 1; 0 when one picture is constant there."""
    size = float(inside.sum())
    left, right = (((each - np.vdot(each, inside) / size) * inside) for each in (one, two))
    norm = float(np.sqrt(np.vdot(left, left) * np.vdot(right, right)))
    return float(np.vdot(left, right)) / norm if norm > 1e-3 * size else 0.0


def _compare_cells(
    left: Grey, right: Grey, inside: Grey, cells: int
) -> tuple[NDArray[np.bool_], Grey, int]:
    """Say which cells have texture in one picture, correlate each, both (cells, cells), and count the covered ones."""
    share = np.maximum(_per_cell(inside, cells), np.float32(1e-3))
    both, one, two = (
        _per_cell(each, cells) / share for each in (left * right, left * left, right * right)
    )
    is_covered = share > 0.5
    is_textured = is_covered & (np.maximum(one, two) > TEXTURE**2)
    return is_textured, both / np.sqrt(np.maximum(one * two, 1e-6)), int(is_covered.sum())


def _relief_ncc(one: Grey, two: Grey, inside: Grey) -> float:
    """Correlate what is left of the smooth pictures without the means of rows and columns; 1 where nothing is left.

    A gradient of the sky and a horizon are such means: skies share them.
    """
    residuals = []
    for grey in (one, two):
        small = cv2.resize(grey * inside, (32, 32), interpolation=cv2.INTER_AREA)
        weight = np.maximum(cv2.resize(inside, (32, 32), interpolation=cv2.INTER_AREA), 1e-3)
        tones = small / weight
        residuals.append(tones - tones.mean(0) - tones.mean(1)[:, None] + tones.mean())
    return ncc(residuals[0], residuals[1])


def _drift(left: Grey, right: Grey, inside: Grey) -> Drift:
    """Measure how far each cell of `right` lies from its place in `left` (one Lucas-Kanade step)."""
    height, width = left.shape
    share = _per_cell(inside)
    weight = np.maximum(share, np.float32(1e-3))
    energy = (_per_cell(each * each) / weight + 4 for each in (left, right))  # 0 outside
    gain = np.sqrt(next(energy) / next(energy))
    right = right * np.asarray(cv2.resize(gain, (width, height)), np.float32)
    middle, change = (left + right) / 2, right - left
    gx, gy = (_gradient(middle, *axis) for axis in ((1, 0), (0, 1)))
    across, down = gx * inside, gy * inside
    pairs = ((across, gx), (across, gy), (down, gy), (across, change), (down, change))
    xx, xy, yy, xt, yt = (_per_cell(a * b) / weight for a, b in pairs)
    xx, yy = xx + 0.5, yy + 0.5  # where all edges run one way, there is no drift the other way
    determinant = xx * yy - xy * xy
    dx, dy = (yy * xt - xy * yt) / determinant, (xx * yt - xy * xt) / determinant
    is_measurable = (share > 0.5) & (xx + yy > EDGES)
    rows, columns = np.nonzero(is_measurable)
    x, y = (columns + 0.5) * width / CELLS - 0.5, (rows + 0.5) * height / CELLS - 0.5
    return np.stack([x, y, dx[is_measurable], dy[is_measurable]], axis=1).astype(np.float32)


def _gradient(grey: Grey, x: int, y: int) -> Grey:
    return np.asarray(cv2.Scharr(grey, cv2.CV_32F, x, y, scale=1 / 32), np.float32)


def coherent_px(drift: Drift, shape: tuple[int, ...]) -> float:
    """Give the length (px) of the part of the drift that neighbouring cells share: `Fit.coherent_px`.

    Edits move edges here and there; when the camera or a subject moved, neighbours move together.
    """
    if len(drift) < MIN_TEXTURED:
        return 0.0
    height, width = shape
    field = np.full((CELLS, CELLS, 2), np.nan, np.float32)
    columns = np.round((drift[:, 0] + 0.5) * CELLS / width - 0.5).astype(int)
    rows = np.round((drift[:, 1] + 0.5) * CELLS / height - 0.5).astype(int)
    field[rows, columns] = drift[:, 2:] - np.median(drift[:, 2:], axis=0)
    lengths = np.hypot(field[..., 0], field[..., 1])
    limit = (
        3 * float(np.median(lengths[rows, columns])) + 0.02
    )  # an outlier must not stand for the whole
    field *= np.minimum(1, limit / np.maximum(lengths, 1e-6))[..., None]
    neighbours = (field[1:], field[:-1]), (field[:, 1:], field[:, :-1])
    products = np.concatenate([(a * b).sum(axis=-1).ravel() for a, b in neighbours])
    products = products[~np.isnan(products)]
    return float(np.sqrt(max(0.0, products.mean()))) if len(products) else 0.0


def left_by_movement(one: Grey, two: Grey, transform: Transform) -> float:
    """Give the disagreement of the fine structure once the drift is undone, as a share of that before.

    Other hues, local contrast and few colours change the slopes of edges, which looks like drift that neighbouring
    parts share; but nothing is gained where it is undone: about 1. Two shots of one scene agree much better once each
    part is put back: a third to a half is left. Tones and sharpness are equal first. The drift is undone in both
    directions, because to interpolate is to blur, which alone may bring two pictures nearer.
    """
    inside = coverage(one, two, transform)
    left, right = match_histograms(one, warp(two, transform, one), inside)
    _, (left, right) = fine_structures(left, right, inside)
    x, y = _field(_drift(left, right, inside), one.shape)
    before = 1 - _ncc_inside(left, right, inside) + LEAST
    rows, columns = np.mgrid[: one.shape[0], : one.shape[1]].astype(np.float32)
    moved = (
        cv2.remap(right, columns + sign * x, rows + sign * y, cv2.INTER_CUBIC) for sign in (1, -1)
    )
    after = min(1 - _ncc_inside(left, np.asarray(each, np.float32), inside) for each in moved)
    return (after + LEAST) / before


def _field(drift: Drift, shape: tuple[int, ...]) -> tuple[Grey, Grey]:
    """Spread the drift of the cells, averaged over neighbours, over all pixels: across and down, in px."""
    height, width = shape
    field, weight = np.zeros((CELLS, CELLS, 2), np.float32), np.zeros((CELLS, CELLS), np.float32)
    columns = np.round((drift[:, 0] + 0.5) * CELLS / width - 0.5).astype(int)
    rows = np.round((drift[:, 1] + 0.5) * CELLS / height - 0.5).astype(int)
    field[rows, columns], weight[rows, columns] = drift[:, 2:], 1
    sums, counts = (
        cv2.boxFilter(each, -1, NEIGHBOURS, normalize=False, borderType=cv2.BORDER_CONSTANT)
        for each in (field, weight)
    )
    shared = sums / np.maximum(counts, 1)[..., None]
    spread = np.asarray(cv2.resize(shared, (width, height)), np.float32)
    return spread[..., 0], spread[..., 1]
