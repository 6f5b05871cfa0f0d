"""Undo what an edit does to tone and sharpness before two aligned pictures are compared.

The sharper picture is blurred until both have the same share of fine structure. Then histogram matching maps the tones
of one picture to those of the other by their quantiles, which inverts any monotone tone curve. A clipped picture cannot
be restored, so the other one is mapped to it. Blur comes first, because it narrows the histogram.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.similarity.picture_features import Grey

BINS = 256
SHARPNESS_RATIO = 1.25  # within it two pictures are equally sharp
SIGMAS = (0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0, 5.6)  # px


def match_histograms(one: Grey, two: Grey, inside: Grey) -> tuple[Grey, Grey]:
    """Give both pictures (grey levels 0 to 255) with equal tones and equal sharpness where `inside` is 1."""
    left, right = _same_sharpness(one, two, inside)
    return _same_tones(left, right, inside > 0)


def _same_tones(one: Grey, two: Grey, is_inside: NDArray[np.bool_]) -> tuple[Grey, Grey]:
    left, right = (np.asarray(cv2.convertScaleAbs(each), np.uint8) for each in (one, two))
    mask = is_inside.astype(np.uint8)
    counts = [
        np.asarray(cv2.calcHist([each], [0], mask, [BINS], [0, BINS]).ravel(), np.float64)
        for each in (left, right)
    ]
    to_left = np.asarray(cv2.LUT(right, _tone_curve(counts[1], counts[0])), np.float32)
    to_right = np.asarray(cv2.LUT(left, _tone_curve(counts[0], counts[1])), np.float32)
    if _residual(one, to_left, is_inside) <= _residual(two, to_right, is_inside):
        return one, to_left
    return to_right, two


def _tone_curve(counts: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float32]:
    """Give the tone (256,) to which each tone is mapped so that `counts` become those of `target`."""
    share, target_share = (
        (np.cumsum(each) - each / 2) / max(1, each.sum()) for each in (counts, target)
    )
    is_used = target > 0
    tones = np.flatnonzero(is_used)
    curve: NDArray[np.float32] = np.interp(share, target_share[is_used], tones).astype(np.float32)
    return curve


def _residual(target: Grey, mapped: Grey, is_inside: NDArray[np.bool_]) -> float:
    """Give the mean distance from the target in units of its standard deviation."""
    mask = is_inside.astype(np.uint8)
    _, deviation = cv2.meanStdDev(target, mask=mask)
    distance = cv2.mean(cv2.absdiff(target, mapped), mask)[0]
    return float(distance / (deviation[0, 0] + 1))


def _same_sharpness(one: Grey, two: Grey, inside: Grey) -> tuple[Grey, Grey]:
    sharpness = [_sharpness(each, inside) for each in (one, two)]
    low, high = min(sharpness), max(sharpness)
    if high <= SHARPNESS_RATIO * low:
        return one, two
    is_left_sharper = sharpness[0] > sharpness[1]
    blurred = _blurred_to(one if is_left_sharper else two, inside, low)
    return (blurred, two) if is_left_sharper else (one, blurred)


def _blurred_to(grey: Grey, inside: Grey, sharpness: float) -> Grey:
    """Blur until the picture is not sharper (bisection over `SIGMAS`)."""
    low, high = 0, len(SIGMAS) - 1
    while low < high:
        middle = (low + high) // 2
        if _sharpness(_gaussian(grey, SIGMAS[middle]), inside) <= sharpness:
            high = middle
        else:
            low = middle + 1
    return _gaussian(grey, SIGMAS[low])


def _gaussian(grey: Grey, sigma: float) -> Grey:
    return np.asarray(cv2.GaussianBlur(grey, (0, 0), sigma), np.float32)


def _sharpness(grey: Grey, inside: Grey) -> float:
    """Give the energy of fine structure as a share of the variance, which no gain or offset changes."""
    mask = (inside > 0).astype(np.uint8)
    fine = cv2.Laplacian(cv2.blur(grey, (2, 2)), cv2.CV_32F)
    deviation = float(cv2.meanStdDev(grey, mask=mask)[1][0, 0])
    return float(cv2.mean(fine * fine, mask)[0]) / (deviation * deviation + 1)
