"""Measure how well one picture, mapped by a transform, agrees with another: correlation, drift, overlap, bend."""

from dataclasses import dataclass, field
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.similarity.histogram_matching import HistogramMatch, without_noise
from curation.similarity.overlays import MIN_PIXELS
from curation.similarity.picture_features import CELLS, Grey, median, relief_ncc
from curation.similarity.transforms import Transform, coverage, warp

TEXTURE = 3.0  # grey levels: a cell with less fine structure in both pictures is not compared
CELL_NCC = 0.5
EDGES = 4.0  # squared grey levels per px: a cell with weaker gradients has no measurable position
TENT = np.array([1, 2, 3, 2, 1], np.float32) / 9  # a box of 3 px, twice
HALVINGS, COARSE = 2, (5, 5)  # of a picture; px of its box: fine structure lies between the blurs
BORDER_SHARE = 0.04  # of the area is cut off at the border before anything is measured
MIN_TEXTURED = 4  # with fewer textured cells a picture is plain
FEW_TEXTURED = 28  # with fewer, smaller cells and the relief are compared, too
NEIGHBOURS = (3, 3)  # cells whose drift is averaged: what they do not share is no movement
LEAST = 1e-6  # of the disagreement
NOISE_SPREAD, LEAST_NOISE = (
    0.5,
    4.0,
)  # share by which noise varies; squared grey levels that are noise
COMMON = 0.25  # energy in common, in that of the noise, from which a cell has a position

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
    there the correlation without rows' and columns' means; `chroma_ncc`: there of the colours, 1
    where one has none or where they were not compared; `bend_px`: distance of the corners from where an affine
    transform would put them; `lens_px`: by which a corner was moved to undo a bend around the middle, as of a lens;
    `overlay_share`: share of the picture that was left out because text or a logo is drawn over it; `is_over_plain`:
    it is drawn over what has no texture, not in the place of something else; `is_relit`: light
    that changes from place to place was undone;
    `is_whole_beside_page`: the other picture holds it as a part, or each a part of the other, and no other photograph;
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
    is_over_plain: bool = False
    is_relit: bool = False
    is_whole_beside_page: bool = False
    is_beside_photograph: bool = False
    is_rimmed: bool = False
    is_unmoved: bool = False

    @property
    def is_plain(self) -> bool:
        """Say whether there is no texture, so only `ncc` is meaningful."""
        return self.n_textured < MIN_TEXTURED


@dataclass(frozen=True)
class Measurement:
    """How a second picture, warped onto a first, agrees with it: what its refinement needs; `fit` computes the rest.

    `overlap`, `contained`, `n_textured`, `drift_px` and `detail_ncc` are those of `Fit`; `drift` is that of the cells.
    """

    overlap: float
    contained: float
    drift: Drift = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    n_textured: int = 0
    drift_px: float = Fit.drift_px
    detail_ncc: float = Fit.detail_ncc
    parts: "tuple[list[Grey], list[Grey], Grey, _Cells] | None" = None
    bend_px: float = 0.0

    @property
    def is_plain(self) -> bool:
        """Say whether there is no texture."""
        return self.n_textured < MIN_TEXTURED

    def fit(self) -> Fit:
        """Measure all but `coherent_px`."""
        if self.parts is None:
            return Fit(overlap=self.overlap, contained=self.contained)
        smooth, (left, right), inside, cells = self.parts
        worst, relief = 1.0, 1.0
        if self.n_textured < FEW_TEXTURED:
            fine = _compare_cells(left, right, inside, 2 * CELLS)
            worst = float(fine.correlation[fine.is_textured].min(initial=1.0))
            relief = relief_ncc(smooth[0], smooth[1], inside)
        n_bad = (cells.correlation[cells.is_textured] < CELL_NCC).sum()
        return Fit(
            ncc=_ncc_inside(smooth[0], smooth[1], inside),
            detail_ncc=self.detail_ncc,
            bad_share=float(n_bad / max(1, self.n_textured)),
            drift_px=self.drift_px,
            coherent_px=0.0,
            overlap=self.overlap,
            contained=self.contained,
            n_textured=self.n_textured,
            textured_share=self.n_textured / max(1, cells.n_covered),
            worst_ncc=worst,
            relief_ncc=relief,
            bend_px=self.bend_px,
        )


def measure(
    one: Grey,
    two: Grey,
    transform: Transform,
    mask: Grey | None = None,
    match: HistogramMatch | None = None,
) -> Measurement:
    """Warp `two` onto `one` and measure where `mask` is 1; `match` gives both equal tones and sharpness first."""
    inside = coverage(one, two, transform)
    warped = warp(two, transform, one)
    overlap, contained = _overlap(inside, one, two, transform)
    if mask is not None:
        inside = inside * mask
    if np.vdot(inside, inside) < MIN_PIXELS:
        return Measurement(overlap, contained)
    if match is not None:
        one, warped = match.applied(one, warped, inside)
    smooth, (left, right) = fine_structures(one, warped, inside)
    cells = _compare_cells(left, right, inside, CELLS)
    drift = _drift(left, right, inside, cells)
    return Measurement(
        overlap,
        contained,
        drift,
        n_textured=int(cells.is_textured.sum()),
        drift_px=upper_quartile(np.hypot(drift[:, 2], drift[:, 3])),
        detail_ncc=cells.detail_ncc,
        parts=(smooth, [left, right], inside, cells),
        bend_px=_bend_px(transform, one),
    )


def fine_structures(one: Grey, two: Grey, inside: Grey) -> tuple[list[Grey], list[Grey]]:
    """Give both pictures slightly blurred, and what is left of them without their coarse structure, 0 outside.

    Pixels outside have no influence. Both blurs are two box filters, the wide one on a smaller picture.
    """
    areas = inside, one * inside, two * inside
    weight, *sums = (_blurred(each) for each in areas)
    np.maximum(weight, np.float32(1e-3), out=weight)
    smooth = [np.divide(each, weight, out=each) for each in sums]
    weight, *sums = (_blurred_small(each) for each in areas)
    np.maximum(weight, np.float32(1e-3), out=weight)
    fine = []
    for near, coarse in zip(smooth, sums, strict=True):
        rough = np.asarray(cv2.resize(coarse / weight, inside.shape[::-1]), np.float32)
        np.subtract(near, rough, out=rough)
        fine.append(np.multiply(rough, inside, out=rough))
    return smooth, fine


def _blurred(grey: Grey) -> Grey:
    return np.asarray(cv2.sepFilter2D(grey, -1, TENT, TENT), np.float32)


def _blurred_small(grey: Grey) -> Grey:
    small = grey
    for _ in range(HALVINGS):  # twice is quicker than once by the whole
        size = small.shape[1] // 2, small.shape[0] // 2
        small = np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_AREA), np.float32)
    return np.asarray(cv2.blur(cv2.blur(small, COARSE), COARSE), np.float32)


def _overlap(inside: Grey, one: Grey, two: Grey, transform: Transform) -> tuple[float, float]:
    """Return the covered shares of the picture that is covered less, and of the other; the border counts."""
    (a, b), (c, d) = transform[:2, :2].tolist()
    area = max(1.0, abs(a * d - b * c) * two.size)
    covered = float(np.vdot(inside, inside))
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


def upper_quartile(lengths: NDArray[np.floating]) -> float:
    """Interpolate between the lengths at the upper quartile; np.quantile takes five times as long for so few."""
    if len(lengths) < MIN_TEXTURED:
        return 0.0
    place = 0.75 * (len(lengths) - 1)
    ordered = sorted(lengths.tolist())
    low, high = ordered[int(place)], ordered[-(-3 * (len(lengths) - 1) // 4)]
    return float(low + (high - low) * (place - int(place)))


def _per_cell(one: Grey, two: Grey | None = None, cells: int = CELLS) -> Grey:
    """Average a picture, or the product of two, over each cell: (cells, cells)."""
    height, width = one.shape
    across = _averages(width, cells).T
    if two is not None and height % cells == 0:
        strips = cells, height // cells, width
        sums = np.einsum("ahw,ahw->aw", one.reshape(strips), two.reshape(strips))
        return np.asarray(sums @ across * np.float32(cells / height), np.float32)
    values = one if two is None else one * two  # products of matrices are quicker than scaling down
    return np.asarray(_averages(height, cells) @ values @ across, np.float32)


@lru_cache
def _averages(length: int, cells: int) -> NDArray[np.float32]:
    """Give the weights (cells, length) with which pixels are averaged into cells; a pixel may belong to two."""
    ends = np.arange(cells + 1) * length / cells
    pixels = np.arange(length)
    covered = np.minimum(ends[1:, None], pixels + 1) - np.maximum(ends[:-1, None], pixels)
    return np.asarray(np.maximum(covered, 0) * cells / length, np.float32)


def _ncc_inside(one: Grey, two: Grey, inside: Grey) -> float:
    """Correlate the pixels where `inside` is 1; 0 when one picture is constant there."""
    size = float(np.vdot(inside, inside))
    left, right = (
        np.multiply(each - np.float32(np.vdot(each, inside) / size), inside) for each in (one, two)
    )
    return _ncc_of(np.vdot(left, right), np.vdot(left, left), np.vdot(right, right), size)


def _ncc_of(both: float, one: float, two: float, size: float) -> float:
    """Correlate by the sums of products; 0 when one picture is constant."""
    norm = float(np.sqrt(one * two))
    return float(both) / norm if norm > 1e-3 * size else 0.0


@dataclass(frozen=True)
class _Cells:
    """The cells of two fine structures, arrays (cells, cells): mean squares, covered shares, texture, correlation."""

    one: Grey
    two: Grey
    share: Grey
    is_textured: NDArray[np.bool_]
    is_common: NDArray[np.bool_]
    correlation: Grey
    n_covered: int
    detail_ncc: float


def _compare_cells(left: Grey, right: Grey, inside: Grey, cells: int) -> _Cells:
    """Compare two fine structures, 0 outside, cell by cell without the noise of one of them, and as a whole."""
    whole = _per_cell(inside, cells=cells)
    share = np.maximum(whole, np.float32(1e-3))
    products = [
        _per_cell(*each, cells=cells) for each in ((left, right), (left, left), (right, right))
    ]
    both, one, two = (each / share for each in products)
    is_covered = share > 0.5
    pure, noise = without_noise(one, two, is_covered)
    is_textured = is_covered & (np.maximum(*pure) > TEXTURE**2 + NOISE_SPREAD * noise)
    return _Cells(
        one,
        two,
        whole,
        is_textured,
        (both > COMMON * noise) | (noise < LEAST_NOISE),
        both / np.sqrt(np.maximum(pure[0] * pure[1], 1e-6)),
        int(is_covered.sum()),
        _ncc_of_cells(products, (left, right), inside, float(whole.sum(dtype=np.float64))),
    )


def _ncc_of_cells(
    products: list[Grey], pictures: tuple[Grey, Grey], inside: Grey, n_cells: float
) -> float:
    """Correlate two pictures, 0 outside, by the mean products of their cells, of which so many are covered."""
    size = float(np.vdot(inside, inside))
    left, right = (float(np.vdot(each, inside)) / size for each in pictures)
    means = left * right, left * left, right * right
    both, one, two = (
        float(each.sum(dtype=np.float64)) - n_cells * mean
        for each, mean in zip(products, means, strict=True)
    )
    return _ncc_of(both, one, two, n_cells)


def _drift(left: Grey, right: Grey, inside: Grey, cells: _Cells) -> Drift:
    """Measure how far each cell of `right` lies from its place in `left` (one Lucas-Kanade step)."""
    height, width = left.shape
    gain = np.sqrt((cells.one + 4) / (cells.two + 4))
    right = right * np.asarray(cv2.resize(gain, (width, height)), np.float32)
    change = right - left
    middle = np.add(left, right, out=right)
    gx, gy = (
        np.multiply(edges, inside, out=edges)
        for edges in (_gradient(middle, *axis, scale=1 / 64) for axis in ((1, 0), (0, 1)))
    )
    weight = np.maximum(cells.share, np.float32(1e-3))
    pairs = ((gx, gx), (gx, gy), (gy, gy), (gx, change), (gy, change))
    xx, xy, yy, xt, yt = (_per_cell(*pair) / weight for pair in pairs)
    xx, yy = xx + 0.5, yy + 0.5  # where all edges run one way, there is no drift the other way
    determinant = xx * yy - xy * xy
    dx, dy = (yy * xt - xy * yt) / determinant, (xx * yt - xy * xt) / determinant
    is_measurable = (cells.share > 0.5) & (xx + yy > EDGES) & cells.is_common
    rows, columns = np.nonzero(is_measurable)
    x, y = (columns + 0.5) * width / CELLS - 0.5, (rows + 0.5) * height / CELLS - 0.5
    return np.stack([x, y, dx[is_measurable], dy[is_measurable]], axis=1).astype(np.float32)


def _gradient(grey: Grey, x: int, y: int, scale: float) -> Grey:
    return np.asarray(cv2.Scharr(grey, cv2.CV_32F, x, y, scale=scale), np.float32)


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
    middle = [median(each) for each in drift[:, 2:].T]
    field[rows, columns] = drift[:, 2:] - np.array(middle, np.float32)
    lengths = np.hypot(field[..., 0], field[..., 1])
    limit = 3 * median(lengths[rows, columns]) + 0.02  # an outlier must not stand for the whole
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
    left, right = HistogramMatch().applied(one, warp(two, transform, one), inside)
    _, (left, right) = fine_structures(left, right, inside)
    cells = _compare_cells(left, right, inside, CELLS)
    x, y = _field(_drift(left, right, inside, cells), one.shape)
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
