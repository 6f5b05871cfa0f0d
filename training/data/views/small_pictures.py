"""View of small pictures such as digits: whole, at one side, turned and stretched a little in training."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np

from training.data.arrays import Arrays, Floats, Pixels
from training.data.samples import stacked
from training.data.simple_features import picture_features
from training.data.views.base import View, channels_first
from training.data.views.crops import resized


@dataclass(frozen=True)
class SmallPictures(View):
    """The whole picture at `side` x `side` px; a batch has `pictures` (N, 3, S, S), uint8.

    A picture that is not square is extended by its own border first. In training each is turned by up to `turn_deg`,
    scaled and sheared by up to `stretch`, and moved by up to `shift` of its side.
    """

    kind: ClassVar[str] = "small_pictures"

    side: int
    turn_deg: float = 12.0
    stretch: float = 0.15
    shift: float = 0.08

    @property
    def sample_bytes(self) -> int:
        """Size of one sample in memory."""
        return 3 * self.side**2

    def prepare(self, pixels: Pixels) -> Arrays:
        """Extend to a square and resize, (S, S, 3)."""
        height, width = pixels.shape[:2]
        missing = [max(height, width) - length for length in (height, width)]
        edges = [(gap // 2, gap - gap // 2) for gap in missing]
        square = np.pad(pixels, [*edges, (0, 0)], mode="edge")
        is_whole = len(square) == self.side
        return {"picture": square if is_whole else resized(square, self.side)}

    def augment(self, samples: Sequence[Arrays], rngs: Sequence[np.random.Generator]) -> Arrays:
        """Apply a random affine map to each picture."""
        pairs = zip(samples, rngs, strict=True)
        return {
            "pictures": channels_first([self._moved(each["picture"], rng) for each, rng in pairs])
        }

    def plain(self, samples: Sequence[Arrays]) -> Arrays:
        """Stack the pictures: `pictures` (N, 3, S, S)."""
        return {"pictures": channels_first(stacked(samples, "picture"))}

    def simple_features(self, sample: Arrays) -> tuple[Floats, Floats]:
        """Return the picture at 32 px and its statistics."""
        return picture_features(sample["picture"])

    def _moved(self, picture: Pixels, rng: np.random.Generator) -> Pixels:
        """Turn, scale, shear and move a picture about its centre; its border is repeated."""
        turn = np.deg2rad(rng.uniform(-self.turn_deg, self.turn_deg))
        scale_x, scale_y = 1 + rng.uniform(-self.stretch, self.stretch, 2)
        shear = rng.uniform(-self.stretch, self.stretch)
        rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        linear = rotation @ np.array([[scale_x, shear], [0.0, scale_y]])
        centre = np.full(2, (self.side - 1) / 2)
        offset = rng.uniform(-self.shift, self.shift, 2) * self.side
        matrix = np.column_stack([linear, centre + offset - linear @ centre])
        size = (self.side, self.side)
        moved = cv2.warpAffine(
            np.ascontiguousarray(picture), matrix, size, flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )  # fmt: skip
        return np.asarray(moved, np.uint8)
