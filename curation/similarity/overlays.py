"""Find text or logos in one tone that were drawn over one of two aligned pictures."""

import cv2
import numpy as np

from curation.similarity.picture_features import Grey
from curation.similarity.transforms import Transform, coverage, warp

WINDOW = 3  # px of the blur before tones are compared
MIN_PIXELS = 400  # of the overlap: with fewer nothing is measured
ONE_SIDED = (
    0.85  # share of an overlay that is on one side (brighter or darker) of the other picture
)
MAX_SHARE, MARGIN = 0.6, 7  # of the overlap at most; px by which letters are grown
ROUNDS, NOISE = 3, 3.0  # of the tone fit; grey levels that never count as an overlay


def without_overlay(one: Grey, two: Grey, transform: Transform) -> Grey | None:
    """Mark by 1 the pixels of `one` where neither picture has an overlay; None when there is no overlay."""
    is_covered = coverage(one, two, transform) > 0
    warped = warp(two, transform, one)
    left, right = (cv2.blur(each, (WINDOW, WINDOW)) for each in (one, warped))
    is_same = is_covered
    for _ in range(ROUNDS):  # fit the tone of the picture without the overlay
        if is_same.sum() < MIN_PIXELS:
            return None
        gain, offset = np.polyfit(right[is_same], left[is_same], 1)
        residual = left - (gain * right + offset)
        spread = 1.5 * float(np.median(np.abs(residual[is_same]))) + NOISE
        is_same = is_covered & (np.abs(residual) < 2.5 * spread)
    bright, dark = (is_covered & (sign * residual > 4 * spread) for sign in (1, -1))
    n_bright, n_dark = int(bright.sum()), int(dark.sum())
    if max(n_bright, n_dark) < ONE_SIDED * (n_bright + n_dark):
        return None
    overlay = (bright if n_bright > n_dark else dark).astype(np.uint8)
    grown = cv2.dilate(overlay, np.ones((MARGIN, MARGIN)))
    share = float(grown[is_covered].mean())
    return (1 - grown).astype(np.float32) if 0 < share < MAX_SHARE else None
