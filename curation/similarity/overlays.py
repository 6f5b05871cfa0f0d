"""Find text, logos, stickers or bands that were drawn over one of two aligned pictures.

An overlay of one tone is brighter than the other picture, or darker, nearly everywhere; edges that moved between two
shots are both. An overlay of several tones (outlined letters, a sticker with a face) can be both. There its tones are
others than those that the other picture has in the same places. Where a subject moved they are the same tones: both
pictures show the subject and what was behind it.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.similarity.picture_features import Grey
from curation.similarity.transforms import Transform, coverage, warp

WINDOW = 3  # px of the blur before tones are compared
MIN_PIXELS = 400  # of the overlap: with fewer nothing is measured
ONE_SIDED = 0.85  # share of a one-tone overlay that is on one side (brighter or darker)
OTHER_TONES = 0.35  # distance of the histograms, 0 to 1, from which tones are others
TONES = 16  # bins of the histograms
MAX_SHARE, MARGIN = 0.6, 7  # of the overlap at most; px by which letters are grown
FINE_WINDOW, PART = (
    11,
    31,
)  # px of the blur that leaves fine structure, and of the parts that are compared
AGREES, MIN_AGREEING = 0.8, 0.1  # correlation of a part; share of the overlap
ROUNDS, NOISE = 3, 3.0  # of the tone fit; grey levels that never count as an overlay


def without_overlay(one: Grey, two: Grey, transform: Transform) -> Grey | None:
    """Mark by 1 the pixels of `one` where neither picture has an overlay; None when there is no overlay."""
    is_covered = coverage(one, two, transform) > 0
    left, right = one, warp(two, transform, one)
    smooth_left, smooth_right = (
        np.asarray(cv2.blur(each, (WINDOW, WINDOW)), np.float32) for each in (left, right)
    )
    is_same = _agreeing(left, right, is_covered)
    for _ in range(ROUNDS):  # fit the tone of the picture without the overlay
        if is_same.sum() < MIN_PIXELS:
            return None
        gain, offset = _line(smooth_right[is_same], smooth_left[is_same])
        residual = smooth_left - (gain * smooth_right + offset)
        spread = 1.5 * float(np.median(np.abs(residual[is_same]))) + NOISE
        is_same = is_covered & (np.abs(residual) < 2.5 * spread)
    bright, dark = (is_covered & (sign * residual > 4 * spread) for sign in (1, -1))
    n_bright, n_dark = int(bright.sum()), int(dark.sum())
    if max(n_bright, n_dark) >= ONE_SIDED * (n_bright + n_dark):
        overlay = bright if n_bright > n_dark else dark
    elif _tone_distance(left, right, bright | dark) >= OTHER_TONES:
        overlay = bright | dark
    else:
        return None
    grown = cv2.dilate(overlay.astype(np.uint8), np.ones((MARGIN, MARGIN)))
    share = float(grown[is_covered].mean())
    return (1 - grown).astype(np.float32) if 0 < share < MAX_SHARE else None


def _agreeing(left: Grey, right: Grey, is_covered: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Mark the parts whose fine structure agrees: a large overlay must not decide which tones are equal."""
    fine = [each - cv2.blur(each, (FINE_WINDOW, FINE_WINDOW)) for each in (left, right)]
    both, one, two = (
        cv2.blur(each, (PART, PART))
        for each in (fine[0] * fine[1], fine[0] * fine[0], fine[1] * fine[1])
    )
    agrees = both > AGREES * np.sqrt(one * two + 1)
    part = np.asarray(is_covered & agrees, np.bool_)
    return part if part.sum() >= MIN_AGREEING * is_covered.sum() else is_covered


def _line(x: NDArray[np.floating], y: NDArray[np.floating]) -> tuple[float, float]:
    """Fit y = gain * x + offset by least squares."""
    variance = float(x.var())
    gain = float(np.mean((x - x.mean()) * (y - y.mean()))) / variance if variance > 1e-3 else 1.0
    return gain, float(y.mean()) - gain * float(x.mean())


def _tone_distance(left: Grey, right: Grey, overlay: NDArray[np.bool_]) -> float:
    """Give half the L1 distance of the histograms of both pictures, 0 to 1."""
    counts = [
        np.bincount((np.clip(each[overlay], 0, 255) * TONES / 256).astype(np.intp), minlength=TONES)
        for each in (left, right)
    ]
    return float(np.abs(counts[0] - counts[1]).sum() / max(1, 2 * overlay.sum()))
