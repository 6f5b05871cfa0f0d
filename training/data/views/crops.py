"""Views for a frozen encoder: squares of a picture, and the vectors that the encoder made of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np

from training.data.arrays import Arrays, Floats, Pixels
from training.data.samples import stacked
from training.data.simple_features import picture_features
from training.data.views.base import View, channels_first


@dataclass(frozen=True)
class Crops(View):
    """The centred square, the whole picture squeezed to a square, and both mirrored; sides of `side` px.

    `variants` of these four are taken, in the order: centre, centre mirrored, whole, whole mirrored. A batch has
    `pictures` (N, V, 3, S, S).
    """

    kind: ClassVar[str] = "crops"
    free_axes: ClassVar[Mapping[str, Mapping[int, str]]] = {}

    side: int
    variants: int = 2

    @property
    def min_side(self) -> int:  # type: ignore[override]  # a decoder may leave out what the resize would
        """Sides that a decoder has to keep."""
        return self.side

    @property
    def sample_bytes(self) -> int:
        """Size of one sample in memory."""
        return 3 * self.variants * self.side**2

    def prepare(self, pixels: Pixels) -> Arrays:
        """Cut the squares, (V, S, S, 3)."""
        height, width = pixels.shape[:2]
        edge = min(height, width)
        top, left = (height - edge) // 2, (width - edge) // 2
        squares = [resized(pixels[top : top + edge, left : left + edge], self.side)]
        if self.variants > 2:
            squares.append(resized(pixels, self.side))
        both = [each for square in squares for each in (square, square[:, ::-1])]
        return {"pictures": np.stack(both[: self.variants])}

    def augment(self, samples: Sequence[Arrays], _rngs: Sequence[np.random.Generator]) -> Arrays:
        """Return what `plain` does: an encoder that is frozen sees the same squares always."""
        return self.plain(samples)

    def plain(self, samples: Sequence[Arrays]) -> Arrays:
        """Stack the squares: `pictures` (N, V, 3, S, S)."""
        return {"pictures": channels_first(stacked(samples, "pictures"))}

    def simple_features(self, sample: Arrays) -> tuple[Floats, Floats]:
        """Return the scene of the centred square, and statistics of it."""
        return picture_features(sample["pictures"][0])


@dataclass(frozen=True)
class Vectors(View):
    """The vectors of an encoder, which stands between the squares and this view.

    A sample has `vectors` (V, D), `scene` and `statistics`; a batch has `vectors` (N, D): in training of one square
    drawn for each picture, in evaluation the mean over its first `plain_variants` squares (0: all).
    """

    kind: ClassVar[str] = "vectors"

    variants: int
    dim: int
    plain_variants: int = 0
    n_file_statistics: int = 0

    @property
    def sample_bytes(self) -> int:
        """Size of one sample in memory."""
        return 2 * self.variants * self.dim

    def prepare(self, pixels: Pixels) -> Arrays:
        """Raise NotImplementedError: vectors come from an encoder."""
        raise NotImplementedError

    def augment(self, samples: Sequence[Arrays], rngs: Sequence[np.random.Generator]) -> Arrays:
        """Draw the vector of one square for each picture."""
        drawn = [
            sample["vectors"][rng.integers(self.variants)]
            for sample, rng in zip(samples, rngs, strict=True)
        ]
        return {"vectors": np.stack(drawn).astype(np.float32)}

    def plain(self, samples: Sequence[Arrays]) -> Arrays:
        """Average the vectors over the plain squares of each picture."""
        n = self.plain_variants or self.variants
        means = [sample["vectors"][:n].astype(np.float32).mean(axis=0) for sample in samples]
        return {"vectors": np.stack(means)}

    def simple_features(self, sample: Arrays) -> tuple[Floats, Floats]:
        """Return the features that were stored beside the vectors."""
        return sample["scene"] / 255.0, sample["statistics"].astype(np.float64)


def resized(pixels: Pixels, side: int) -> Pixels:
    """Resize to (side, side, 3): by area averages when reducing, else by linear interpolation."""
    way = cv2.INTER_AREA if min(pixels.shape[:2]) >= side else cv2.INTER_LINEAR
    source = np.ascontiguousarray(pixels)
    return np.asarray(cv2.resize(source, (side, side), interpolation=way), np.uint8)
