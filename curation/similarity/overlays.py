"""Find text, logos, stickers or bands that were drawn over one of two aligned pictures.

An overlay of one tone is brighter than the other picture, or darker, nearly everywhere; edges that moved between two
shots are both. An overlay of several tones (outlined letters, a sticker with a face) can be both. There its tones are
others than those that the other picture has in the same places. Where a subject moved they are the same tones: both
pictures show the subject and what was behind it.
"""

from dataclasses import dataclass

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
SPARSE = 7  # every 7th pixel tells how light changes
PLAIN_SHARE, PLAIN = (
    0.9,
    3.0,
)  # share of the pixels; grey levels of fine structure that are no texture
THICK, MIN_THICK = 45, 0.02  # px of a square; share of the overlap in which such squares fit
SHADE, SMALLER = 21, 4  # px over which light changes, of a picture this many times smaller
MIN_GAIN, MAX_GAIN = 0.2, 5.0  # beyond them too little is left of what is in a shade
MIN_LIT, FAINT = (
    0.4,
    16.0,
)  # share of what has texture whose fine structure agrees; squared energy of texture
UNEVEN_SHARE, UNEVEN_TONES = (
    0.9,
    10.0,
)  # a tenth of the tones is changed by so many grey levels more than the rest


@dataclass(frozen=True)
class Overlaid:
    """Two pictures that lie on each other, both in the pixel grid of the first one.

    `common`: the mean product of the fine structure of both around each pixel; `energy`: the product of the mean
    squares.
    """

    left: Grey
    right: Grey
    is_covered: NDArray[np.bool_]
    common: Grey
    energy: Grey

    @classmethod
    def of(cls, one: Grey, two: Grey, transform: Transform) -> "Overlaid":
        """Lay `two`, mapped by the transform, on `one`."""
        left, right = one, warp(two, transform, one)
        fine = [each - cv2.blur(each, (FINE_WINDOW, FINE_WINDOW)) for each in (left, right)]
        common, first, second = (
            np.asarray(cv2.blur(each, (PART, PART)), np.float32)
            for each in (fine[0] * fine[1], fine[0] * fine[0], fine[1] * fine[1])
        )
        return cls(left, right, coverage(one, two, transform) > 0, common, first * second)

    def smooth(self) -> list[Grey]:
        """Give both pictures slightly blurred."""
        pictures = self.left, self.right
        return [np.asarray(cv2.blur(each, (WINDOW, WINDOW)), np.float32) for each in pictures]

    def agreeing(self) -> NDArray[np.bool_]:
        """Mark the parts whose fine structure agrees."""
        agrees = self.common > AGREES * np.sqrt(self.energy + 1)
        return np.asarray(self.is_covered & agrees, np.bool_)


def without_overlay(pair: Overlaid) -> Grey | None:
    """Mark by 1 the pixels where neither picture has an overlay; None when there is no overlay."""
    left, right, is_covered = pair.left, pair.right, pair.is_covered
    smooth_left, smooth_right = pair.smooth()
    is_same = pair.agreeing()  # a large overlay must not decide which tones are equal
    if is_same.sum() < MIN_AGREEING * is_covered.sum():
        is_same = is_covered
    for _ in range(ROUNDS):  # fit the tone of the picture without the overlay
        if is_same.sum() < MIN_PIXELS:
            return None
        gain, offset = line_through(smooth_right[is_same], smooth_left[is_same])
        residual = smooth_left - (gain * smooth_right + offset)
        spread = 1.5 * float(np.median(np.abs(residual[is_same]))) + NOISE
        is_same = is_covered & (np.abs(residual) < 2.5 * spread)
    overlay = _one_overlay(left, right, residual, is_covered & (np.abs(residual) > 4 * spread))
    if overlay is None:
        return None
    grown = cv2.dilate(overlay.astype(np.uint8), np.ones((MARGIN, MARGIN)))
    share = float(grown[is_covered].mean())
    return (1 - grown).astype(np.float32) if 0 < share < MAX_SHARE else None


def _one_overlay(
    left: Grey, right: Grey, residual: Grey, differs: NDArray[np.bool_]
) -> NDArray[np.bool_] | None:
    """Give the pixels of an overlay among those that differ; None where a subject may have moved instead."""
    bright, dark = differs & (residual > 0), differs & (residual < 0)
    n_bright, n_dark = int(bright.sum()), int(dark.sum())
    if max(n_bright, n_dark) >= ONE_SIDED * (n_bright + n_dark):
        return bright if n_bright > n_dark else dark
    return differs if _tone_distance(left, right, differs) >= OTHER_TONES else None


def is_thick(mask: Grey) -> bool:
    """Say whether what a mask leaves out (0) is wider than letters, stickers and bands are: half of a collage."""
    left_out = (mask < 1).astype(np.uint8)
    eroded = cv2.erode(left_out, np.ones((THICK, THICK)), borderValue=1)
    return float(eroded.mean()) > MIN_THICK


def is_over_plain(pair: Overlaid, mask: Grey) -> bool:
    """Say whether one picture is plain where the mask leaves pixels out (0): something was drawn on it, or removed."""
    left_out = pair.is_covered & (mask == 0)
    if not left_out.any():
        return False
    fine = (
        (each - cv2.blur(each, (FINE_WINDOW, FINE_WINDOW)))[left_out]
        for each in (pair.left, pair.right)
    )
    return min(float(np.quantile(np.abs(each), PLAIN_SHARE)) for each in fine) <= PLAIN


def without_shade(pair: Overlaid) -> tuple[Grey, Grey] | None:
    """Give the first picture in the light of the second, and a mask that is 1 where both agree then.

    A shade below a title, dark corners, a leak of light or a flare change brightness and contrast from place to place:
    within some 80 px one line maps the tones of one picture to those of the other. None where the light is even, and
    where little agrees.
    """
    is_covered, is_same = pair.is_covered, pair.agreeing()
    is_textured = is_covered & (pair.energy > FAINT)
    if is_same.sum() < MIN_LIT * is_textured.sum() + MIN_PIXELS:
        return None
    smooth = pair.smooth()
    for _ in range(2):
        gain, offset = _light(smooth[0], smooth[1], is_same.astype(np.float32))
        residual = smooth[0] - (gain * smooth[1] + offset)
        spread = 1.5 * float(np.median(np.abs(residual[is_same]))) + NOISE
        is_same = is_covered & (np.abs(residual) < 2.5 * spread)
    slope, start = line_through(smooth[1][is_same], smooth[0][is_same])
    change = np.abs(residual - (smooth[0] - (slope * smooth[1] + start)))[is_same][::SPARSE]
    if np.quantile(change, UNEVEN_SHARE) < UNEVEN_TONES:
        return None
    is_seen = (gain >= MIN_GAIN) & (gain <= MAX_GAIN)
    left_out = is_covered & ((np.abs(residual) > 4 * spread) | ~is_seen)
    grown = cv2.dilate(left_out.astype(np.uint8), np.ones((MARGIN, MARGIN)))
    if float(grown[is_covered].mean()) >= MAX_SHARE:
        return None
    lit = (pair.left - offset) / np.clip(gain, MIN_GAIN, MAX_GAIN)
    return np.asarray(np.clip(lit, 0, 255), np.float32), (1 - grown).astype(np.float32)


def _light(left: Grey, right: Grey, weight: Grey) -> tuple[Grey, Grey]:
    """Fit left = gain * right + offset within 40 px of each pixel, where `weight` is 1."""
    size = left.shape[1] // SMALLER, left.shape[0] // SMALLER
    products = (weight, left, right, left * right, right * right)
    share, *sums = (
        cv2.blur(
            cv2.resize(each if n == 0 else each * weight, size, interpolation=cv2.INTER_AREA),
            (SHADE, SHADE),
        )
        for n, each in enumerate(products)
    )
    x, y, both, square = (each / np.maximum(share, 1e-3) for each in sums)
    gain = np.maximum(both - x * y, 0) / (np.maximum(square - y * y, 0) + 1)
    offset = x - gain * y
    whole = left.shape[1], left.shape[0]
    gain, offset = (np.asarray(cv2.resize(each, whole), np.float32) for each in (gain, offset))
    return gain, offset


def line_through(x: NDArray[np.floating], y: NDArray[np.floating]) -> tuple[float, float]:
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
