"""Undo what an edit does to tone, sharpness and noise before two aligned pictures are compared.

The sharper picture is blurred until both have the same share of fine structure. Then histogram matching maps the tones
of one picture to those of the other by their quantiles, which inverts any monotone tone curve. A clipped picture cannot
be restored, so the other one is mapped to it. Blur comes first, because it narrows the histogram.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.similarity.picture_features import Grey

BINS = 256
LEVELS = np.arange(BINS, dtype=np.float64)
SHARPNESS_RATIO = 1.25  # within it two pictures are equally sharp
SMOOTHEST, MAX_NOISE = (
    8,
    0.8,
)  # one cell in 8 is smoother than that of the noise; most of the energy
SIGMAS = (0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0, 5.6)  # px


class HistogramMatch:
    """Gives two pictures equal tones and equal sharpness.

    Which picture is blurred, and how much, is chosen at the first use: a refinement moves pictures by little.
    """

    def __init__(self) -> None:
        self._blurs: tuple[float, float] | None = None  # px of the first and of the second picture

    def applied(self, one: Grey, two: Grey, inside: Grey) -> tuple[Grey, Grey]:
        """Give both pictures (grey levels 0 to 255) with equal tones and sharpness where `inside` is 1."""
        if self._blurs is None:
            self._blurs = _blurs(one, two, inside)
        left, right = (
            _gaussian(each, sigma) if sigma else each
            for each, sigma in zip((one, two), self._blurs, strict=True)
        )
        return _same_tones(left, right, inside)


def match_histograms(one: Grey, two: Grey, inside: Grey) -> tuple[Grey, Grey]:
    """Give both pictures (grey levels 0 to 255) with equal tones and equal sharpness where `inside` is 1."""
    return HistogramMatch().applied(one, two, inside)


def _same_tones(one: Grey, two: Grey, inside: Grey) -> tuple[Grey, Grey]:
    left, right = (np.asarray(cv2.convertScaleAbs(each), np.uint8) for each in (one, two))
    mask = inside.astype(np.uint8)
    counts = [
        np.asarray(cv2.calcHist([each], [0], mask, [BINS], [0, BINS]).ravel(), np.float64)
        for each in (left, right)
    ]
    to_left = np.asarray(cv2.LUT(right, _tone_curve(counts[1], counts[0])), np.float32)
    to_right = np.asarray(cv2.LUT(left, _tone_curve(counts[0], counts[1])), np.float32)
    if _residual(one, to_left, inside, counts[0]) <= _residual(two, to_right, inside, counts[1]):
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


def _residual(target: Grey, mapped: Grey, inside: Grey, counts: NDArray[np.float64]) -> float:
    """Give the mean distance from the target, whose tones have these counts, in units of its standard deviation."""
    total = max(1.0, float(counts.sum()))
    mean = float(counts @ LEVELS) / total
    deviation = np.sqrt(float(counts @ (LEVELS - mean) ** 2) / total)
    distance = float(np.vdot(cv2.absdiff(target, mapped), inside)) / total
    return float(distance / (deviation + 1))


def _blurs(one: Grey, two: Grey, inside: Grey) -> tuple[float, float]:
    """Give the blur (px) of each picture after which both are equally sharp: 0 for one of them, or for both."""
    sharpness = [_sharpness(each, inside) for each in (one, two)]
    low, high = min(sharpness), max(sharpness)
    if high <= SHARPNESS_RATIO * low:
        return 0.0, 0.0
    is_left_sharper = sharpness[0] > sharpness[1]
    sigma = _blur_to(one if is_left_sharper else two, inside, low)
    return (sigma, 0.0) if is_left_sharper else (0.0, sigma)


def _blur_to(grey: Grey, inside: Grey, sharpness: float) -> float:
    """Give the blur after which a picture is not sharper than this (bisection over `SIGMAS`)."""
    low, high = 0, len(SIGMAS) - 1
    while low < high:
        middle = (low + high) // 2
        if _sharpness(_gaussian(grey, SIGMAS[middle]), inside) <= sharpness:
            high = middle
        else:
            low = middle + 1
    return SIGMAS[low]


def _gaussian(grey: Grey, sigma: float) -> Grey:
    return np.asarray(cv2.GaussianBlur(grey, (0, 0), sigma), np.float32)


def _sharpness(grey: Grey, inside: Grey) -> float:
    """Give the energy of fine structure as a share of the variance, which no gain or offset changes."""
    size = max(1.0, float(np.vdot(inside, inside)))
    fine = np.asarray(cv2.Laplacian(cv2.blur(grey, (2, 2)), cv2.CV_32F), np.float32)
    np.multiply(fine, inside, out=fine)
    tones = grey - np.float32(np.vdot(grey, inside) / size)
    np.multiply(tones, inside, out=tones)
    return float(np.vdot(fine, fine)) / (float(np.vdot(tones, tones)) + size)


def without_noise(
    one: Grey, two: Grey, is_covered: NDArray[np.bool_]
) -> tuple[tuple[Grey, Grey], float]:
    """Take the energy of the noise that one picture has beyond the other out of that of its cells; also give it.

    The smoothest cells show it: where two pictures show different things, both are rich in texture somewhere.
    """
    floors = [_smoothest(each[is_covered]) for each in (one, two)]
    noise = abs(floors[0] - floors[1])
    pure = [
        each - np.minimum(np.float32(noise), MAX_NOISE * each) if floor == max(floors) else each
        for each, floor in zip((one, two), floors, strict=True)
    ]
    return (pure[0], pure[1]), noise


def _smoothest(energy: NDArray[np.floating]) -> float:
    place = energy.size // SMOOTHEST
    return sorted(energy.tolist())[place] if energy.size else 0.0
