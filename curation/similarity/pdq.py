"""PDQ: a 256-bit perceptual hash of the low frequencies of a picture, and how much structure the picture has.

The algorithm is the one published with ThreatExchange: luma is smoothed by two passes of a box
filter, sampled to 64 x 64, transformed by a DCT of which the 16 x 16 lowest frequencies (without
the constant) are kept, and each bit says whether a coefficient lies above the median. Copies that
were re-encoded or resized differ in a few of the 256 bits, unrelated pictures in about 128. Crops are not recognised.
PDQ is cheaper and more exact than an embedding, but recognises fewer kinds of edits.

Bytes: 32 per hash. Bit k = 16 * row + column of the coefficient grid; as hex the highest bit comes
first, which is the notation of the reference implementation.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

SIDE, FREQUENCIES, BITS = 64, 16, 256
# Gradient units per quality point, from the reference implementation.
GRADIENT_PER_POINT = 90
# ITU-R BT.601 luma.
LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True)
class Pdq:
    """Hashes of the 8 orientations of one picture, shape (8, 32), the upright one first; quality 0-100.

    Below quality 50 a picture has too little structure: the hashes of all blank skies are alike.
    """

    bits: NDArray[np.uint8]
    quality: int

    @property
    def hex(self) -> str:
        """Write the hash of the upright picture as 64 hex digits."""
        digits: str = self.bits[0].tobytes().hex()
        return digits


def pdq(luma: NDArray[np.uint8] | NDArray[np.float32]) -> Pdq:
    """Hash a picture given as luma 0-255, shape (height, width), at any size.

    >>> pdq(np.zeros((100, 80), np.uint8)).quality
    0
    """
    small = _sample(luma.astype(np.float32))
    basis = _dct_basis()
    return Pdq(_orientations_of(basis @ small @ basis.T), _quality(small))


def from_hex(values: list[str]) -> NDArray[np.uint8]:
    """Read hashes written as 64 hex digits into shape (N, 32)."""
    return np.frombuffer(bytes.fromhex("".join(values)), np.uint8).reshape(-1, BITS // 8)


def hamming(queries: NDArray[np.uint8], hashes: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Count differing bits of every query (Q, 32) against every hash (N, 32): shape (Q, N).

    >>> hamming(from_hex(["00" * 32]), from_hex(["ff" * 32, "00" * 31 + "03"])).tolist()
    [[256, 2]]
    """
    left, right = (np.ascontiguousarray(each).view(np.uint64) for each in (queries, hashes))
    counts = np.zeros((len(left), len(right)), np.int32)
    for word in range(left.shape[1]):
        counts += np.bitwise_count(left[:, None, word] ^ right[None, :, word])
    return counts


def turned(bits: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Derive the 8 orientations of stored hashes: (N, 32) -> (8, N, 32).

    Transposing is exact. Mirroring changes the sign of the odd frequencies; since the median lies
    close to zero that flips their bits, except for the few coefficients between zero and the median.
    """
    upright = np.stack([bits, _pack(grids(bits).swapaxes(-1, -2))])  # upright, transposed
    mirrored: NDArray[np.uint8] = upright[:, None] ^ _odd_bits()[None, :, None]
    return mirrored.reshape(8, *bits.shape)


@cache
def _odd_bits() -> NDArray[np.uint8]:
    """Give the bits that flip when a picture is mirrored: not at all, left to right, upside down, both: (4, 32)."""
    odd = np.arange(FREQUENCIES) % 2 == 0  # column j holds frequency j + 1
    across = np.broadcast_to(odd, (FREQUENCIES, FREQUENCIES))
    return _pack(np.stack([across & ~across, across, across.T, across ^ across.T]))


def pdq_similarity(
    queries: Iterable[NDArray[np.uint8]], gallery: Iterable[NDArray[np.uint8]]
) -> NDArray[np.float32]:
    """Compare RGB pictures (height, width, 3) by the bits that agree in the best of 8 orientations: shape (Q, N).

    1 for all bits, 0 for half of them, as unrelated pictures have.
    """
    left, right = (
        np.stack([pdq(luma_of(each)).bits[0] for each in pictures])
        for pictures in (queries, gallery)
    )
    distance = np.min([hamming(view, right) for view in turned(left)], axis=0)
    return np.asarray(1 - distance / (BITS / 2), np.float32)


def luma_of(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Compute the luma 0-255 of an RGB picture (height, width, 3)."""
    luma: NDArray[np.float32] = rgb.astype(np.float32) @ LUMA
    return luma


def _sample(luma: NDArray[np.float32]) -> NDArray[np.float32]:
    """Smooth with two box passes a side (a tent), then take 64 x 64 samples."""
    for _ in range(2):
        for axis in (0, 1):
            luma = _box(luma, axis)
    rows, columns = (
        ((np.arange(SIDE) + 0.5) * length / SIDE).astype(np.intp) for length in luma.shape
    )
    sampled: NDArray[np.float32] = luma[np.ix_(rows, columns)]
    return sampled


def _box(luma: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    """Average over a window of half a sample; windows are cut at the border, not padded."""
    length = luma.shape[axis]
    window = -(-length // (2 * SIDE))
    # An even window reaches one further to the right, as in the reference implementation.
    options = {"size": window, "mode": "constant", "origin": -1 if window % 2 == 0 else 0}
    inside = uniform_filter1d(np.ones(length, np.float32), **options)
    summed = uniform_filter1d(luma, axis=axis, **options)
    averaged: NDArray[np.float32] = summed / (inside[:, None] if axis == 0 else inside)
    return averaged


@cache
def _dct_basis() -> NDArray[np.float32]:
    frequency = np.arange(1, FREQUENCIES + 1)[:, None]
    position = 2 * np.arange(SIDE)[None, :] + 1
    basis = np.sqrt(2 / SIDE) * np.cos(np.pi / (2 * SIDE) * frequency * position)
    return np.asarray(basis, np.float32)


def _quality(small: NDArray[np.float32]) -> int:
    steps = [np.trunc(np.diff(small, axis=axis) * (100 / 255)) for axis in (0, 1)]
    return int(min(100, sum(float(np.abs(step).sum()) for step in steps) // GRADIENT_PER_POINT))


def _orientations_of(coefficients: NDArray[np.floating]) -> NDArray[np.uint8]:
    sign = np.where(np.arange(FREQUENCIES) % 2 == 0, -1, 1).astype(np.float32)
    views = [
        base * flip
        for base in (coefficients, coefficients.T)
        for flip in (np.float32(1), sign, sign[:, None], sign * sign[:, None])
    ]
    return np.stack([_pack(grid > np.median(grid)) for grid in views])


def _pack(grid: NDArray[np.bool_]) -> NDArray[np.uint8]:
    return np.packbits(grid.reshape(*grid.shape[:-2], BITS)[..., ::-1], axis=-1)


def grids(bits: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Unpack stored hashes (N, 32) to coefficient grids (N, 16, 16)."""
    flat = np.unpackbits(bits, axis=-1)[..., ::-1].astype(bool)
    return flat.reshape(*bits.shape[:-1], FREQUENCIES, FREQUENCIES)
