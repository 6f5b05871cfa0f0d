"""Two edited views of each whole picture, for contrastive training."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np

from training.data.arrays import Arrays, Floats, Pixels
from training.data.simple_features import picture_features
from training.data.transforms.edits import apply_edits, resize_to_square
from training.data.views.base import View


@dataclass(frozen=True)
class EditedPairs(View):
    """Whole pictures of at most `stored_px` on the longer side; a batch has `pictures` (2 N, S, S, 3).

    The first N are edited lightly, the last N heavily, by at most `most_edits` edits. `input_px` is S.
    """

    kind: ClassVar[str] = "edited_pairs"

    input_px: int
    most_edits: int

    @property
    def stored_px(self) -> int:
        """Longer side of pictures in memory: more than `input_px`, because crops are enlarged."""
        return round(1.5 * self.input_px)

    @property
    def sample_bytes(self) -> int:
        """Size of one sample in memory, at most."""
        return 3 * self.stored_px**2

    def prepare(self, pixels: Pixels) -> Arrays:
        """Shrink the whole picture until its longer side is at most `stored_px`."""
        scale = self.stored_px / max(pixels.shape[:2])
        if scale < 1:
            size = [max(1, round(side * scale)) for side in (pixels.shape[1], pixels.shape[0])]
            pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
        return {"picture": pixels}

    def augment(self, samples: Sequence[Arrays], rngs: Sequence[np.random.Generator]) -> Arrays:
        """Edit each picture twice; a heavily edited one may be pasted onto the picture before it in the batch."""
        light, heavy = [], []
        for place, (sample, rng) in enumerate(zip(samples, rngs, strict=True)):
            picture, background = sample["picture"], samples[place - 1]["picture"]
            first = apply_edits(picture, rng, int(rng.integers(0, 2)))
            count = int(rng.integers(1, self.most_edits + 1))
            second = apply_edits(picture, rng, count, background)
            light.append(resize_to_square(first, self.input_px))
            heavy.append(resize_to_square(second, self.input_px))
        return {"pictures": np.stack([*light, *heavy])}

    def fixed(self, samples: Sequence[Arrays], rngs: Sequence[np.random.Generator]) -> Arrays:
        """Edit as in training: the loss of validation compares two views, too."""
        return self.augment(samples, rngs)

    def plain(self, samples: Sequence[Arrays]) -> Arrays:
        """Resize each picture to a square: `pictures` (N, S, S, 3)."""
        return {
            "pictures": np.stack([resize_to_square(s["picture"], self.input_px) for s in samples])
        }

    def simple_features(self, sample: Arrays) -> tuple[Floats, Floats]:
        """Return the scene, and statistics of the whole picture."""
        return picture_features(sample["picture"])
