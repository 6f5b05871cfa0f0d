"""Align one picture with another, as a whole or by SIFT keypoints, and measure how well they agree.

An edited copy agrees everywhere: cropping, scaling and mirroring are affine transforms, and after the right one only
noise is left. A photograph of a photograph needs a projective transform. Two shots of a static scene pass every looser
test: they correlate above 0.98 and share hundreds of keypoints. They differ by drift: their parts lie some tenths of a
pixel apart in directions that no affine transform explains, because the camera or the subject moved. Therefore a fit
also has its drift.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from curation.similarity.fit_measures import (
    FEW_TEXTURED,
    Drift,
    Fit,
    coherent_px,
    measure,
    upper_quartile,
)
from curation.similarity.histogram_matching import HistogramMatch
from curation.similarity.picture_features import (
    TINY,
    Colours,
    Features,
    Grey,
    median,
    ncc,
    oriented,
    similarity_by_orientation,
)
from curation.similarity.transforms import KeypointMatches, Transform, is_plausible

MIN_NCC = 0.6  # at 32 x 32, of whole copies, whatever was done to their tone
REFINEMENTS = 4
MIN_DETAIL_NCC = 0.2  # a transform below this correlation of fine structure is not refined
GOOD_DRIFT_PX = 0.05  # is not refined
LEFT = 0.97  # of the drift: where the best change leaves more, it is not tried
MOVED_PX = 0.8  # coherent drift of pictures of half the size from which no closer look can make them copies
SLANTED_MOVED_PX = 0.3  # the same where a slant was undone: little is left of a real one
HALVE = np.array(
    [[0.5, 0, -0.25], [0, 0.5, -0.25], [0, 0, 1]]
)  # pixel centres to those of half the size


@dataclass(frozen=True)
class Alignment:
    """How a second picture lies on the first: `grey`, in the orientation that `transform` maps to the first."""

    grey: Grey
    transform: Transform
    inliers: int = 0
    is_projective: bool = False
    colours: Colours | None = None


def align_whole(one: Features, two: Features) -> Alignment | None:
    """Scale all of `two` to the size of `one`, in the best of the 8 orientations; None where none correlates."""
    likeness = similarity_by_orientation(one.tiny, two.tiny)
    best = int(likeness.argmax())
    if likeness[best] < MIN_NCC:
        return None
    grey = oriented(two.grey, best)
    x, y = one.grey.shape[1] / grey.shape[1], one.grey.shape[0] / grey.shape[0]
    scaling = np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]], np.float64)
    colours = np.stack([oriented(each, best) for each in two.chroma])
    return Alignment(grey, scaling, colours=Colours(one.chroma, colours))


def align_inner(one: Features, two: Features) -> Alignment | None:
    """Lay the photograph on a page, in either picture, on the whole of the other one; None where neither fits."""
    for page, other, is_second in ((two, one, True), (one, two, False)):
        if (box := page.inner_box) is None:
            continue
        left, top, right, bottom = box
        inner = page.pixels[top:bottom, left:right]
        tiny = cv2.resize(inner, (TINY, TINY), interpolation=cv2.INTER_AREA).astype(np.float32)
        if ncc(tiny, other.tiny) < MIN_NCC:
            continue
        height, width = other.pixels.shape
        x, y = (right - left) / width, (bottom - top) / height
        to_page = np.array([[x, 0, left + (x - 1) / 2], [0, y, top + (y - 1) / 2], [0, 0, 1]])
        transform = np.linalg.inv(to_page) if is_second else to_page
        if is_plausible(transform):
            return Alignment(two.grey, transform)
    return None


def align_by_features(
    matches: KeypointMatches, min_inliers: int, *, is_projective: bool = False
) -> Alignment | None:
    """Map the second picture, or its mirror image, by the transform on which most keypoints agree.

    It is affine, or projective as of a picture photographed from the side. None where fewer keypoints agree.
    """
    if len(matches.source) < min_inliers:
        return None
    transform, inliers = matches.projective() if is_projective else matches.affine()
    if transform is None or inliers < min_inliers:
        return None
    return Alignment(matches.grey, transform, inliers, is_projective, matches.colours)


def refine(
    one: Grey,
    start: Alignment,
    *,
    mask: Grey | None = None,
    matched: bool = False,
    rough: bool = False,
) -> tuple[Fit, Alignment]:
    """Refine the transform by the drift that it leaves, until there is none or it no longer shrinks; then measure.

    Only pixels of `one` where `mask` is 1 count. `matched` gives both pictures equal tones and sharpness first. A
    `rough` alignment is refined on pictures of half the size first, and they suffice where the pictures show other
    things, or where parts clearly moved against each other.
    """
    alignment = start
    if rough:
        fit, alignment = _refine_at_half_size(one, start)
        moved_px = SLANTED_MOVED_PX if start.is_projective else MOVED_PX
        if fit.detail_ncc < MIN_DETAIL_NCC or fit.coherent_px > moved_px:
            return fit, alignment
    fit, transform = _refine(one, alignment, mask, matched=matched)
    return fit, replace(alignment, transform=transform)


def _refine_at_half_size(one: Grey, start: Alignment) -> tuple[Fit, Alignment]:
    small, grey = (_half(each) for each in (one, start.grey))
    halved = replace(start, grey=grey, transform=HALVE @ start.transform @ np.linalg.inv(HALVE))
    fit, transform = _refine(small, halved, None, matched=False)
    fit = replace(
        fit, drift_px=2 * fit.drift_px, coherent_px=2 * fit.coherent_px, bend_px=2 * fit.bend_px
    )
    return fit, replace(start, transform=np.linalg.inv(HALVE) @ transform @ HALVE)


def _half(grey: Grey) -> Grey:
    size = grey.shape[1] // 2, grey.shape[0] // 2
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.float32)


def _refine(
    one: Grey, start: Alignment, mask: Grey | None, *, matched: bool
) -> tuple[Fit, Transform]:
    transform = start.transform
    match = HistogramMatch() if matched else None
    best = measure(one, start.grey, transform, mask, match)
    for _ in range(REFINEMENTS):
        is_good = best.is_plain or best.drift_px < GOOD_DRIFT_PX
        if is_good or best.overlap < 0.1 or best.detail_ncc < MIN_DETAIL_NCC:
            break
        changed, left_px = _drift_removed(transform, best.drift, is_projective=start.is_projective)
        if left_px > LEFT * best.drift_px or not is_plausible(changed):
            break
        refined = measure(one, start.grey, changed, mask, match)
        if refined.drift_px > 0.9 * best.drift_px:
            break
        best, transform = refined, changed
    fit = best.fit()
    together_px = coherent_px(best.drift, one.shape) if len(best.drift) else fit.coherent_px
    chroma_ncc = fit.chroma_ncc
    if start.colours and fit.n_textured < FEW_TEXTURED:
        chroma_ncc = start.colours.ncc(one.shape, start.grey.shape, transform)
    fit = replace(fit, inliers=start.inliers, coherent_px=together_px, chroma_ncc=chroma_ncc)
    return fit, transform


def fit_whole(one: Features, two: Features) -> Fit:
    """Scale all of `two` to the size of `one`, in the best of the 8 orientations, and measure."""
    whole = align_whole(one, two)
    return refine(one.grey, whole, rough=True)[0] if whole else Fit()


def fit_by_features(one: Features, two: Features, min_inliers: int) -> Fit:
    """Map `two`, or its mirror image, onto `one` by the affine transform on which most keypoints agree, and measure."""
    affine = align_by_features(KeypointMatches.of(one, two), min_inliers)
    return refine(one.grey, affine, rough=True)[0] if affine else Fit()


def _drift_removed(
    transform: Transform, drift: Drift, *, is_projective: bool
) -> tuple[Transform, float]:
    """Change a transform by the part of the drift that a transform explains; cells near the median weigh most.

    Also give what is left of the drift then (px, its upper quartile), as far as it does not change itself.
    """
    x, y, dx, dy = drift.astype(np.float64).T
    one = np.ones_like(x)
    weight = 1 / (0.2 + np.hypot(dx - median(dx), dy - median(dy)))
    slant = np.zeros(2)
    if is_projective:
        zero = np.zeros_like(x)
        rows = [
            [x, y, one, zero, zero, zero, x * x, x * y],
            [zero, zero, zero, x, y, one, x * y, y * y],
        ]
        terms = np.concatenate([np.stack(row, 1) * weight[:, None] for row in rows])
        moved = np.concatenate([dx * weight, dy * weight])
        solution = np.linalg.lstsq(terms, moved, rcond=None)[0]
        flat, slant = solution[:6].reshape(2, 3), solution[6:]
        by_slant = slant @ np.stack([x, y])
        explained = flat @ np.stack([x, y, one]) + np.stack([x, y]) * by_slant
    else:
        places = np.stack([x, y, one])
        terms = places * weight
        moved = terms @ np.stack([dx * weight, dy * weight], 1)
        # Cells in one line leave the matrix singular: then the change is the smallest one.
        flat = np.linalg.lstsq(terms @ terms.T, moved, rcond=1e-10)[0].T
        explained = flat @ places
    # right(x) = left(x + d(x)): sample at x - d(x) instead.
    correction = np.eye(3) - np.vstack([flat, [0, 0, 0]])
    correction[2, :2] = slant
    changed = np.linalg.inv(np.linalg.inv(transform) @ correction)
    left_px = upper_quartile(np.hypot(dx - explained[0], dy - explained[1]))
    return np.asarray(changed / changed[2, 2], np.float64), left_px
