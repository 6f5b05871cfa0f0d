"""Measure what the larger of two aligned pictures has beside the smaller one: page, table, frame, another photograph.

A crop of the larger picture has no seam: the larger picture goes on smoothly beyond it, and no straight step in tones
runs through it beside the crop, as in a collage in which more of the photograph stands than the crop has. A screenshot
or a captioned repost has a seam, and beside it lies paper of one tone with some text. Beside a picture in a story lies
a blurred version of itself. Beside a print or a screen lie a table, a cloth, a wall, alike on all sides. What a collage
has beside each part is another photograph, mostly on some sides only. `photograph_beside.py` joins the measures.
"""

from dataclasses import astuple, dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.similarity.beside.surroundings import Surroundings
from curation.similarity.picture_features import Grey, ncc

MIN_RING = 40  # px of the edge that lie inside the larger picture
TONES, TOP = 32, 2  # bins of the histogram; those that a page may have
HALF, STEP = 4, 8  # px: tones are compared over a distance of 8 px, across the edge and beside it
SIDE_AGAIN = 48  # px, both sides of the version that shows whether a picture is there twice
AGAIN_SIGMA, AGAIN_SHIFT = (
    3.0,
    3,
)  # of that version: px of what is no structure, px by which it may lie apart
QUARTER, COARSE_SIGMA = 4, 2.5  # px a pixel of the small version; its blur, in pixels of that
LINE_TONES = 12  # grey levels between the two sides of a straight line
NEAR = 6  # px from a line: where texture is looked for
REACH = 5  # px from a line within which no change may be steeper
RELIEF_QUANTILE = 0.9  # of the distances from the gradient
FAR, MIN_FAR = 13, 0.3  # px left out at the edge; share that must remain
UNKNOWN_SEAM, UNKNOWN = 99.0, 255.0  # where too little is seen
FINE_SIGMA = 1.5  # px
BLOCK, BLOCKS_APART, COVERED, MIN_BLOCKS = 16, 8, 0.6, 4  # px; px; share of a block; blocks
RIM, MIN_RIM = (5.0, 10.0), 50  # px from the smaller picture; pixels
SIDE_TONES, MIN_SIDE = 64, 150  # bins of the histogram of one side; pixels of a side


@dataclass(frozen=True)
class BesideMeasures:
    """What lies beside a picture; tones are grey levels (0 to 255), lengths are shares of the larger picture's sides.

    `seam`: change of tones across the edge over that beside it. `line`: share of a straight line through the larger
    picture that is a step in tones, for the line where it is greatest beside the smaller one; `line_sharp`: share of
    it with no steeper change near by; `line_weak`: lower quartile of the steps along it; `line_gap`: longest part
    without a step. `margin_1` to `margin_4`: what lies beside each of the four sides, the narrowest first.
    `paper_share`: of the pixels, in two tones; `mode_share`: in the most frequent tone. `backdrop_ncc`: correlation
    with the smaller picture, enlarged to cover everything and blurred; `repeated_ncc`: with the smaller picture itself.
    `relief`: distance of the blurred surroundings from a gradient. `fine`: spread of their finest structure;
    `uneven`: spread of the contrast of blocks. `rim`: spread of tones along the edge of the smaller picture, outside.
    `sides_apart`: largest distance between the tones of two sides, 0 to 1; negative where there are no two sides.
    """

    seam: float
    line: float
    line_sharp: float
    line_weak: float
    line_gap: float
    margin_1: float
    margin_2: float
    margin_3: float
    margin_4: float
    paper_share: float
    mode_share: float
    backdrop_ncc: float
    repeated_ncc: float
    relief: float
    fine: float
    uneven: float
    rim: float
    sides_apart: float

    def vector(self) -> NDArray[np.float64]:
        """Give all measures, in the order of the fields: shape (18,)."""
        return np.array(astuple(self), np.float64)


def beside_measures(around: Surroundings) -> BesideMeasures:
    """Measure the surroundings of a picture; they must be seen (`Surroundings.is_seen`)."""
    large, inside, beside = around.large, around.inside, around.beside
    tones = large[beside]
    share, sharp, weak, gap = max(_line(large, inside), _line(large.T, inside.T))
    margins = _margins(inside)
    fine = _blurred(large, beside, FINE_SIGMA)
    return BesideMeasures(
        seam=seam(large, inside),
        line=share,
        line_sharp=sharp,
        line_weak=weak,
        line_gap=gap,
        margin_1=margins[0],
        margin_2=margins[1],
        margin_3=margins[2],
        margin_4=margins[3],
        paper_share=paper_share(tones),
        mode_share=mode_share(tones),
        backdrop_ncc=_backdrop_ncc(large, around.small, beside),
        repeated_ncc=_repeated_ncc(large, around.small, beside),
        relief=_relief(large, beside),
        fine=float((large - fine)[beside].std()),
        uneven=_unevenness(large, beside),
        rim=_rim_spread(fine, inside),
        sides_apart=_sides_apart(large, inside, beside),
    )


def _line(grey: Grey, inside: Grey) -> tuple[float, float, float, float]:
    """Find the column beside the smaller picture with most steps in tones: share, sharpness, weak steps, longest gap.

    What columns near by have, too, is texture and counts half.
    """
    steps = np.abs(grey[:, 2:] - grey[:, :-2])
    shares = (steps > LINE_TONES).mean(axis=0)
    near = (np.roll(shares, NEAR) + np.roll(shares, -NEAR)) / 2
    sharp = shares - np.minimum(near, 0.5) / 2
    columns = (
        np.flatnonzero(inside.any(axis=0)) - 1
    )  # a step between columns n and n + 2 is at n + 1
    places = np.arange(len(sharp))
    is_beside = (places < columns.min() + 2) | (places > columns.max() - 2)
    is_beside &= (places >= STEP) & (places < len(sharp) - STEP)
    if not is_beside.any():
        return 0.0, 0.0, 0.0, 1.0
    place = int(np.where(is_beside, sharp, -1).argmax())
    along = steps[:, place]
    changes = np.abs(np.diff(grey[:, place + 1 - REACH : place + 2 + REACH], axis=1))
    is_steepest = np.isin(changes.argmax(axis=1), (REACH - 1, REACH))
    return (
        float(sharp[place]),
        float(is_steepest.mean()),
        float(np.quantile(along, 0.25)),
        _longest_run(along <= LINE_TONES) / len(along),
    )


def _longest_run(is_true: NDArray[np.bool_]) -> int:
    ends = np.flatnonzero(np.diff(np.pad(is_true.astype(np.int8), 1)))
    return int((ends[1::2] - ends[::2]).max(initial=0))


def _margins(inside: Grey) -> list[float]:
    (height, width), (rows, columns) = inside.shape, np.nonzero(inside)
    return sorted(
        [
            float(rows.min() / height),
            float(1 - (rows.max() + 1) / height),
            float(columns.min() / width),
            float(1 - (columns.max() + 1) / width),
        ]
    )


def _blurred(grey: Grey, area: NDArray[np.bool_], sigma: float) -> Grey:
    """Blur a picture; pixels outside of the area have no influence."""
    weight = area.astype(np.float32)
    sums, weights = (
        cv2.GaussianBlur(each, (0, 0), sigma) for each in (np.float32(1) * grey * weight, weight)
    )
    return np.asarray(sums / np.maximum(weights, 1e-3), np.float32)


def _unevenness(grey: Grey, beside: NDArray[np.bool_]) -> float:
    """Give the spread of the contrast of blocks: photographs have plain and rich parts, patterns are alike."""
    area = beside.astype(np.float32)
    weights, sums, squares = (
        cv2.boxFilter(each.astype(np.float32), -1, (BLOCK, BLOCK))[::BLOCKS_APART, ::BLOCKS_APART]
        for each in (area, grey * area, grey * grey * area)
    )
    is_covered = weights > COVERED
    if is_covered.sum() <= MIN_BLOCKS:
        return 0.0
    mean, square = (each[is_covered] / weights[is_covered] for each in (sums, squares))
    return float(np.sqrt(np.maximum(square - mean * mean, 0)).std())


def _rim_spread(smooth: Grey, inside: Grey) -> float:
    away = cv2.distanceTransform((inside == 0).astype(np.uint8), cv2.DIST_L2, 3)
    tones = smooth[(away > RIM[0]) & (away < RIM[1])]
    return float(tones.std()) if len(tones) > MIN_RIM else UNKNOWN


def _sides_apart(grey: Grey, inside: Grey, beside: NDArray[np.bool_]) -> float:
    rows, columns = np.nonzero(inside)
    top, bottom, left, right = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
    sides = np.s_[:top], np.s_[bottom:], np.s_[:, :left], np.s_[:, right:]
    tones = [grey[side][beside[side]] for side in sides]
    shares = [
        np.cumsum(
            np.bincount((each * SIDE_TONES / 256).astype(int), minlength=SIDE_TONES) / len(each)
        )
        for each in tones
        if len(each) > MIN_SIDE
    ]
    apart = [np.abs(a - b).mean() for place, a in enumerate(shares) for b in shares[:place]]
    return float(max(apart, default=-0.1))


def seam(grey: Grey, inside: Grey) -> float:
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


def paper_share(tones: NDArray[np.floating]) -> float:
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


def mode_share(tones: NDArray[np.floating]) -> float:
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
    coarse, is_covered = _coarse(grey, area)
    rows, columns = np.nonzero(is_covered)
    if not len(rows):
        return UNKNOWN
    tones = coarse[is_covered].astype(np.float64)
    places = np.stack([columns, rows, np.ones_like(rows)], axis=1).astype(np.float64)
    weight = np.ones(len(tones))
    for _ in range(4):
        plane = np.linalg.lstsq(places * weight[:, None], tones * weight, rcond=None)[0]
        left = np.abs(tones - places @ plane)
        weight = 1 / np.sqrt(2 + left)
    return float(np.quantile(left, RELIEF_QUANTILE))


def _coarse(grey: Grey, area: Grey) -> tuple[Grey, NDArray[np.bool_]]:
    """Blur a picture at a quarter of its size; also say where the area, 1 or 0, covers it.

    What is outside of the area has no influence.
    """
    size = max(1, grey.shape[1] // QUARTER), max(1, grey.shape[0] // QUARTER)
    sums, weights = (
        cv2.resize(each.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        for each in (grey * area, area)
    )
    is_covered = weights > 0.5
    sums, weights = (cv2.GaussianBlur(each, (0, 0), COARSE_SIGMA) for each in (sums, weights))
    return np.asarray(sums / np.maximum(weights, 1e-3), np.float32), is_covered


def _backdrop_ncc(large: Grey, small: Grey, beside: NDArray[np.bool_]) -> float:
    height, width = large.shape
    zoom = max(height / small.shape[0], width / small.shape[1])
    scaled = cv2.resize(
        small, (max(width, round(small.shape[1] * zoom)), max(height, round(small.shape[0] * zoom)))
    )
    top, left = (scaled.shape[0] - height) // 2, (scaled.shape[1] - width) // 2
    cover = np.asarray(scaled[top : top + height, left : left + width], np.float32)
    area = beside.astype(np.float32)  # the picture in the middle must not bleed into what is beside
    one, is_covered = _coarse(large, area)
    two, _ = _coarse(cover, area)
    return ncc(one[is_covered], two[is_covered]) if is_covered.any() else -1.0


def _repeated_ncc(large: Grey, small: Grey, beside: NDArray[np.bool_]) -> float:
    """Correlate what is beside with the smaller picture, if it is a rectangle of about its shape."""
    both = _again_and_once(large, small, beside)
    return ncc(*both) if both else -1.0


def _again_and_once(
    large: Grey, small: Grey, beside: NDArray[np.bool_]
) -> tuple[Grey, Grey] | None:
    rows, columns = np.nonzero(beside)
    box = large[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    if len(rows) < 0.9 * box.size or min(box.shape) < SIDE_AGAIN // 2:
        return None
    again, once = (
        np.asarray(
            cv2.resize(each, (SIDE_AGAIN, SIDE_AGAIN), interpolation=cv2.INTER_AREA), np.float32
        )
        for each in (box, small)
    )
    return again, once


def repeated_detail_ncc(around: Surroundings) -> float:
    """Correlate the structure of what is beside with that of the smaller picture, a few pixels of 48 apart.

    It is high where the same photograph stands beside itself in other tones: before and after an edit. Negative where
    what is beside is no rectangle.
    """
    both = _again_and_once(around.large, around.small, around.beside)
    if both is None:
        return -1.0
    again, once = (each - cv2.GaussianBlur(each, (0, 0), AGAIN_SIGMA) for each in both)
    middle = once[AGAIN_SHIFT:-AGAIN_SHIFT, AGAIN_SHIFT:-AGAIN_SHIFT]
    return float(cv2.matchTemplate(again, middle, cv2.TM_CCOEFF_NORMED).max())
