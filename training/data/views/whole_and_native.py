"""A picture as a whole and a piece of it at native resolution, at the size at which people look at pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np

from training.data.arrays import Arrays, Floats, Pixels
from training.data.decode import decode
from training.data.samples import stacked
from training.data.simple_features import scene, statistics
from training.data.transforms.ladder import edited
from training.data.views.base import View, channels_first
from training.data.views.crops import resized
from training.data.views.patches_and_thumbnail import patch_bank


@dataclass(frozen=True)
class WholeAndNative(View):
    """Two squares of `side` px: the whole picture at its own aspect, extended by its mirror image, and its middle.

    A picture is first reduced to `seen_px` on its longer side, where it is larger: sharpness and noise are what people
    see at that size. The middle and `bank` patches of `patch_px`, flat ones first, are not resized after that. A batch
    has `pictures` (N, 2, 3, S, S) and `patches` (N, P, 3, s, s).
    """

    kind: ClassVar[str] = "whole_and_native"
    variants: ClassVar[int] = 1

    side: int
    seen_px: int = 512
    patch_px: int = 64
    bank: int = 8

    @property
    def min_side(self) -> int:  # type: ignore[override]  # as in Crops
        """A picture is decoded whole: it may be a panorama."""
        return 0

    @property
    def sample_bytes(self) -> int:
        """Size of one sample in memory."""
        return 6 * self.side**2 + 3 * self.bank * self.patch_px**2

    def prepare(self, pixels: Pixels) -> Arrays:
        """Cut the squares (2, S, S, 3) and the patches (P, s, s, 3)."""
        seen = self._seen(pixels)
        squares = np.stack([_whole(seen, self.side), _middle(seen, self.side)])
        return {"pictures": squares, "bank": patch_bank(seen, self.bank, self.patch_px)}

    def from_edited_bytes(self, data: bytes, name: str, edit: str) -> Arrays:
        """Make the sample of a stored file after an edit of `training.data.transforms.ladder`; an empty one is none."""
        pixels = decode(data, name=name, min_side=self.min_side)
        return self.prepare(edited(self._seen(pixels), edit, name))

    def _seen(self, pixels: Pixels) -> Pixels:
        """Reduce the longer side to `seen_px`."""
        scale = self.seen_px / max(pixels.shape[:2])
        if scale >= 1:
            return pixels
        size = [max(1, round(length * scale)) for length in (pixels.shape[1], pixels.shape[0])]
        source = np.ascontiguousarray(pixels)
        return np.asarray(cv2.resize(source, size, interpolation=cv2.INTER_AREA), np.uint8)

    def augment(self, samples: Sequence[Arrays], _rngs: Sequence[np.random.Generator]) -> Arrays:
        """Return what `plain` does: an encoder that is frozen sees the same squares always."""
        return self.plain(samples)

    def plain(self, samples: Sequence[Arrays]) -> Arrays:
        """Stack squares and patches."""
        return {
            "pictures": channels_first(stacked(samples, "pictures")),
            "patches": channels_first(stacked(samples, "bank")),
        }

    def simple_features(self, sample: Arrays) -> tuple[Floats, Floats]:
        """Return the scene of the whole picture, and statistics of it and of the patches."""
        square = sample["pictures"][0]
        return scene(square), statistics(square, sample["bank"])


def _whole(pixels: Pixels, side: int) -> Pixels:
    """Resize until the longer side is `side`, then extend the shorter one by mirroring, on both sides."""
    height, width = pixels.shape[:2]
    scale = side / max(height, width)
    small = [max(1, round(length * scale)) for length in (width, height)]
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    whole = np.asarray(cv2.resize(np.ascontiguousarray(pixels), small, interpolation=way), np.uint8)
    if min(whole.shape[:2]) < side // 4:  # mirrored often it would be a texture
        return resized(pixels, side)
    return _extended(whole, side)


def _middle(pixels: Pixels, side: int) -> Pixels:
    """Cut the middle (side, side, 3) without resizing; a smaller picture is extended by mirroring."""
    top, left = (max(0, length - side) // 2 for length in pixels.shape[:2])
    return _extended(pixels[top : top + side, left : left + side], side)


def _extended(pixels: Pixels, side: int) -> Pixels:
    missing = [side - length for length in pixels.shape[:2]]
    around = [(each // 2, each - each // 2) for each in missing]
    return np.pad(pixels, [*around, (0, 0)], mode="symmetric")
