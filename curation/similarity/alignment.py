"""Align one picture with another, as a whole or by SIFT keypoints, and measure how well they agree.

An edited copy agrees everywhere: cropping, scaling and mirroring are affine transforms, and after the right one only
noise is left. A photograph of a photograph needs a projective transform. Two shots of a static scene pass every looser
test: they correlate above 0.98 and share hundreds of keypoints. They differ by drift: their parts lie some tenths of a
pixel apart in directions that no affine transform explains, because the camera or the subject moved. Therefore a fit
also has its drift.
"""

from dataclasses import replace

import numpy as np

from curation.similarity.fit_measures import Drift, Fit, measure_fit
from curation.similarity.overlays import without_overlay
from curation.similarity.picture_features import Features, Grey, ncc, oriented
from curation.similarity.transforms import (
    REPROJECTION_PX,
    KeypointMatches,
    Transform,
    is_plausible,
)

MIN_NCC = 0.75  # at 32 x 32, of whole copies, whatever was done to their tone
MIN_NCC_WITH_OVERLAY = 0.6  # at 32 x 32, of whole copies of which one has text or a logo over it
REFINEMENTS = 4
MIN_DETAIL_NCC = 0.2  # a transform below this correlation of fine structure is not refined


def fit_whole(one: Features, two: Features) -> Fit:
    """Scale all of `two` to the size of `one`, in the best of the 8 orientations."""
    aligned = _whole_alignment(one, two, MIN_NCC)
    return _refined_fit(one.grey, *aligned) if aligned else Fit()


def _whole_alignment(one: Features, two: Features, min_ncc: float) -> tuple[Grey, Transform] | None:
    """Put `two` into the orientation that correlates most, and give the transform that scales it to `one`."""
    best = max(range(8), key=lambda way: ncc(one.tiny, oriented(two.tiny, way)))
    if ncc(one.tiny, oriented(two.tiny, best)) < min_ncc:
        return None
    grey = oriented(two.grey, best)
    x, y = one.grey.shape[1] / grey.shape[1], one.grey.shape[0] / grey.shape[0]
    return grey, np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]], np.float64)


def fit_by_features(one: Features, two: Features, min_inliers: int) -> Fit:
    """Map `two`, or its mirror image, onto `one` by the affine transform on which most keypoints agree."""
    matches = KeypointMatches.of(one, two)
    transform, inliers = matches.affine()
    if transform is None or inliers < min_inliers:
        return Fit(inliers)
    return replace(_refined_fit(one.grey, matches.grey, transform), inliers=inliers)


def fit_projective(one: Features, two: Features, min_inliers: int) -> Fit:
    """Map `two`, or its mirror image, onto `one` as if it had been photographed from the side."""
    matches = KeypointMatches.of(one, two)
    transform, inliers = matches.projective()
    if transform is None or inliers < min_inliers:
        return Fit(inliers)
    fit = _refined_fit(one.grey, matches.grey, transform, is_projective=True)
    return replace(fit, inliers=inliers)


def fit_without_overlay(one: Features, two: Features, min_inliers: int) -> Fit:
    """Map `two` onto `one`, as a whole or by keypoints, and leave out text or logos in one tone over either picture.

    The fit is empty where there is no such overlay. An overlay is brighter than the other picture, or darker, nearly
    everywhere; edges that moved between two shots are both.
    """
    if aligned := _whole_alignment(one, two, MIN_NCC_WITH_OVERLAY):
        fit = _masked_fit(one.grey, *aligned)
        if fit.drift_px < REPROJECTION_PX / 10:
            return fit
    matches = KeypointMatches.of(one, two)
    transform, inliers = matches.affine()
    if transform is None or inliers < min_inliers:
        return Fit(inliers)
    return replace(_masked_fit(one.grey, matches.grey, transform), inliers=inliers)


def _masked_fit(one: Grey, two: Grey, transform: Transform) -> Fit:
    mask = without_overlay(one, two, transform)
    if mask is None:
        return Fit()
    share = max(float(1 - mask.mean()), 1e-6)
    return replace(_refined_fit(one, two, transform, mask=mask), overlay_share=share)


def _refined_fit(
    one: Grey,
    two: Grey,
    transform: Transform,
    *,
    is_projective: bool = False,
    mask: Grey | None = None,
) -> Fit:
    """Refine the transform by the drift that it leaves, until there is none or it no longer shrinks; then measure."""
    best = measure_fit(one, two, transform, mask)
    for _ in range(REFINEMENTS):
        fit, drift = best
        is_good = fit.is_plain or fit.drift_px < 0.05
        if is_good or fit.overlap < 0.1 or fit.detail_ncc < MIN_DETAIL_NCC:
            break
        transform = _drift_removed(transform, drift, is_projective=is_projective)
        if not is_plausible(transform):
            break
        refined = measure_fit(one, two, transform, mask)
        if refined[0].drift_px > 0.95 * fit.drift_px:
            break
        best = refined
    return best[0]


def _drift_removed(transform: Transform, drift: Drift, *, is_projective: bool) -> Transform:
    """Change a transform by the part of the drift that a transform explains; cells near the median weigh most."""
    x, y, dx, dy = drift.astype(np.float64).T
    zero, one = np.zeros_like(x), np.ones_like(x)
    rows = [[x, y, one, zero, zero, zero], [zero, zero, zero, x, y, one]]
    if is_projective:
        rows = [[*rows[0], x * x, x * y], [*rows[1], x * y, y * y]]
    weight = 1 / (0.2 + np.hypot(dx - np.median(dx), dy - np.median(dy)))
    terms = np.concatenate([np.stack(row, 1) * weight[:, None] for row in rows])
    solution = np.linalg.lstsq(terms, np.concatenate([dx * weight, dy * weight]), rcond=None)[0]
    # right(x) = left(x + d(x)): sample at x - d(x) instead.
    slant = solution[6:] if is_projective else np.zeros(2)
    correction = np.eye(3) - np.vstack([solution[:6].reshape(2, 3), [0, 0, 0]])
    correction[2, :2] = slant
    changed = np.linalg.inv(np.linalg.inv(transform) @ correction)
    return np.asarray(changed / changed[2, 2], np.float64)
