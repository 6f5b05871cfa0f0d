"""Turn decoded pixels into network inputs: one thumbnail and a bank of native patches.

Patches are cut on the 8-px grid of the JPEG blocks and are not resized, because noise and fine
sharpness exist at the scale of single pixels. The thumbnail is a centred square, so that the aspect
ratio (3:2 or 4:3 identifies a camera) does not reach the model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.data.arrays import Arrays, Floats, Pixels
from training.data.decode import BLOCK_PX
from training.data.simple_features import scene, statistics
from training.data.views.base import View, channels_first

GRID = 12  # candidate positions a side, at most 144 patches are compared


@dataclass(frozen=True)
class PatchesAndThumbnail(View):
    """Sizes of thumbnail and patches in pixels, the patches kept of a picture, and those drawn in training.

    A sample has `thumbnail` (S, S, 3) and `bank` (P, s, s, 3), flat patches first; a batch has `thumbnails`
    (N, 3, S, S) and `patches` (N, P, 3, s, s).
    """

    kind: ClassVar[str] = "patches_and_thumbnail"
    free_axes: ClassVar[Mapping[str, Mapping[int, str]]] = {"patches": {1: "p"}}

    thumbnail_px: int
    patch_px: int
    bank: int
    patches: int = 4
    margin_px: int = BLOCK_PX  # room for 8-px-aligned crops in training

    @property
    def sample_bytes(self) -> int:
        """Size of one sample in memory."""
        return 3 * (self.thumbnail_px**2 + self.bank * (self.patch_px + self.margin_px) ** 2)

    def prepare(self, pixels: Pixels) -> Arrays:
        """Cut the thumbnail and the bank of native patches from decoded pixels (H, W, 3)."""
        side = self.patch_px + self.margin_px
        return {
            "thumbnail": thumbnail(pixels, self.thumbnail_px),
            "bank": patch_bank(pixels, self.bank, side),
        }

    def augment(self, samples: Sequence[Arrays], rngs: Sequence[np.random.Generator]) -> Arrays:
        """Draw for each sample the thumbnail, mirrored or not, and flipped, 8-px-aligned crops of patches."""
        drawn = [self._draw(sample, rng) for sample, rng in zip(samples, rngs, strict=True)]
        return _batch(drawn)

    def plain(self, samples: Sequence[Arrays]) -> Arrays:
        """Take each thumbnail and the whole bank, always with the same crop."""
        side = self.patch_px
        return _batch([(each["thumbnail"], each["bank"][:, :side, :side]) for each in samples])

    def simple_features(self, sample: Arrays) -> tuple[Floats, Floats]:
        """Return the scene of the thumbnail, and statistics of thumbnail and patches."""
        return scene(sample["thumbnail"]), statistics(sample["thumbnail"], sample["bank"])

    def _draw(self, sample: Arrays, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
        """Return shapes (S, S, 3) and (patches, patch_px, patch_px, 3); half of the crops are of flat patches."""
        small, bank = sample["thumbnail"], sample["bank"]
        picture = small[:, ::-1] if rng.random() < 0.5 else small
        half = len(bank) - len(bank) // 2
        flat = rng.permutation(half)[: self.patches - self.patches // 2]
        textured = half + rng.permutation(len(bank) - half)[: self.patches // 2]
        return picture, np.stack([self._crop(bank[i], rng) for i in (*flat, *textured)])

    def _crop(self, patch: Pixels, rng: np.random.Generator) -> Pixels:
        y, x = rng.integers(0, self.margin_px // BLOCK_PX + 1, size=2) * BLOCK_PX
        crop = patch[y : y + self.patch_px, x : x + self.patch_px]
        vertical, horizontal = (-1 if flip else 1 for flip in rng.random(2) < 0.5)
        return crop[::vertical, ::horizontal]


def _batch(pairs: Sequence[tuple[Pixels, Pixels]]) -> Arrays:
    """Put pairs (S, S, 3) and (P, s, s, 3) into arrays (N, 3, S, S) and (N, P, 3, s, s)."""
    small, patches = zip(*pairs, strict=True)
    return {"thumbnails": channels_first(small), "patches": channels_first(patches)}


def thumbnail(pixels: Pixels, side: int) -> Pixels:
    """Shrink (or enlarge) the centred square of a picture to (side, side, 3)."""
    height, width = pixels.shape[:2]
    edge = min(height, width)
    top, left = (height - edge) // 2, (width - edge) // 2
    square = Image.fromarray(pixels[top : top + edge, left : left + edge])
    filter_ = Image.Resampling.BOX if edge >= side else Image.Resampling.BILINEAR
    return np.asarray(square.resize((side, side), filter_, reducing_gap=3.0))


def patch_bank(pixels: Pixels, count: int, side: int) -> Pixels:
    """Cut `count` native patches (count, side, side, 3): half are the flattest, half the most textured.

    Clipped areas (nearly black or white) come last: they contain neither noise nor sharpness.
    A picture smaller than a patch is padded by mirroring.
    """
    pixels = _at_least(pixels, side)
    corners, energy = _candidates(pixels, side)
    flat = _spread(corners, np.argsort(energy, kind="stable"), count - count // 2, side)
    ranked_energy = np.where(np.isinf(energy), -1.0, energy)
    textured = _spread(corners, np.argsort(-ranked_energy, kind="stable"), count // 2, side)
    return np.stack([pixels[y : y + side, x : x + side] for y, x in flat + textured])


def _at_least(pixels: Pixels, side: int) -> Pixels:
    missing = [max(0, side - length) for length in pixels.shape[:2]]
    if not any(missing):
        return pixels
    return np.pad(pixels, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="symmetric")


def _candidates(pixels: Pixels, side: int) -> tuple[list[tuple[int, int]], NDArray[np.float64]]:
    """List corners on the 8-px grid with the energy of the patch there; inf where it is clipped.

    The energy is the mean absolute step between horizontal neighbours of the green channel.
    """
    green = pixels[:, :, 1].astype(np.int16)
    steps = np.abs(np.diff(green, axis=1, append=green[:, -1:]))
    ys, xs = _stops(green.shape[0] - side), _stops(green.shape[1] - side)
    energy = _window_means(steps, side, ys, xs)
    level = _window_means(green, side, ys, xs)
    clipped = (level < 16) | (level > 239)
    corners = [(y, x) for y in ys for x in xs]
    return corners, np.where(clipped, np.inf, energy).ravel()


def _window_means(
    values: NDArray[np.int16], side: int, ys: list[int], xs: list[int]
) -> NDArray[np.float64]:
    """Average (side, side) windows whose corners and sides lie on the 8-px grid."""
    height, width = (length - length % BLOCK_PX for length in values.shape)
    tiles = values[:height, :width].reshape(height // BLOCK_PX, BLOCK_PX, width // BLOCK_PX, -1)
    sums = np.zeros((height // BLOCK_PX + 1, width // BLOCK_PX + 1))
    sums[1:, 1:] = tiles.sum(axis=(1, 3), dtype=np.int64).cumsum(0).cumsum(1)
    y, x, blocks = np.array(ys) // BLOCK_PX, np.array(xs) // BLOCK_PX, side // BLOCK_PX
    below, right = sums[y + blocks], sums[y]
    window = below[:, x + blocks] - below[:, x] - right[:, x + blocks] + right[:, x]
    return np.asarray(window / side**2)


def _stops(room: int) -> list[int]:
    blocks = room // BLOCK_PX
    count = min(GRID, blocks + 1)
    return sorted({int(block) * BLOCK_PX for block in np.linspace(0, blocks, count)})


def _spread(
    corners: list[tuple[int, int]], order: NDArray[np.intp], count: int, side: int
) -> list[tuple[int, int]]:
    """Take the first `count` corners in order that overlap by less than half, then repeat any."""
    ranked = [corners[index] for index in order]
    chosen: list[tuple[int, int]] = []
    for y, x in ranked:
        if all(max(abs(y - v), abs(x - u)) >= side // 2 for v, u in chosen):
            chosen.append((y, x))
        if len(chosen) == count:
            break
    return [*chosen, *(ranked * count)][:count]
