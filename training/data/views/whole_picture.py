"""A whole picture at one width, nothing cut off and nothing stretched, in batches that are padded and masked."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.data.arrays import Arrays, Floats, Pixels
from training.data.simple_features import picture_features
from training.data.views.base import View

if TYPE_CHECKING:
    import polars as pl

TALLEST = 3  # height : width; of a taller picture the height is limited, so that memory is
SMALLEST_PX = (
    16  # a side below it is enlarged with the rest of the picture, as long as there is room
)


@dataclass(frozen=True)
class WholePicture(View):
    """Shrink a picture to `width_px`, its aspect kept; a narrower one keeps its size, because enlarging blurs.

    A sample has `picture` (h, w, 3). A batch has `pictures` (N, 3, H, W), padded with zeros at the bottom and on the
    right to the largest height and width of the batch, and `mask` (N, 1, H, W), 1 where a picture is.
    """

    kind: ClassVar[str] = "whole_picture"
    free_axes: ClassVar[Mapping[str, Mapping[int, str]]] = {
        "pictures": {2: "h", 3: "w"},
        "mask": {2: "h", 3: "w"},
    }
    evaluation_batch: ClassVar[int] = 4

    width_px: int = 480

    @property
    def min_side(self) -> tuple[int, int]:  # type: ignore[override]  # as in Crops
        """Twice the width: a JPEG is decoded at about the size that is needed."""
        return 1, 2 * self.width_px

    @property
    def sample_bytes(self) -> int:
        """Size of one sample in memory, at most."""
        return 3 * TALLEST * self.width_px**2

    def bytes_of(self, index: "pl.DataFrame") -> int:
        """Return the size of the samples in memory: less than `sample_bytes` each, as sides are known."""
        sizes = index.select("height", "width").rows()
        return sum(
            3 * math.prod(self.size_of(*size)) if all(size) else self.sample_bytes for size in sizes
        )

    def size_of(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the sample of a stored picture.

        >>> view = WholePicture(480)
        >>> view.size_of(720, 960), view.size_of(480, 320), view.size_of(6000, 600)
        ((360, 480), (480, 320), (1440, 144))
        """
        scale = min(1.0, self.width_px / width, TALLEST * self.width_px / height)
        small = SMALLEST_PX / min(height * scale, width * scale)
        if small > 1:
            room = min(self.width_px / width, TALLEST * self.width_px / height)
            scale = min(scale * small, room)
        return max(1, round(height * scale)), max(1, round(width * scale))

    def prepare(self, pixels: Pixels) -> Arrays:
        """Shrink decoded pixels (H, W, 3)."""
        height, width = self.size_of(*pixels.shape[:2])
        if (height, width) == pixels.shape[:2]:
            return {"picture": np.ascontiguousarray(pixels)}
        resized = Image.fromarray(pixels).resize(
            (width, height), Image.Resampling.BICUBIC, reducing_gap=3.0
        )
        return {"picture": np.asarray(resized)}

    def augment(self, samples: Sequence[Arrays], rngs: Sequence[np.random.Generator]) -> Arrays:
        """Mirror each picture or not, and pad."""
        return _padded(
            [
                each["picture"][:, :: int(rng.choice((-1, 1)))]
                for each, rng in zip(samples, rngs, strict=True)
            ]
        )

    def plain(self, samples: Sequence[Arrays]) -> Arrays:
        """Pad the pictures."""
        return _padded([each["picture"] for each in samples])

    def simple_features(self, sample: Arrays) -> tuple[Floats, Floats]:
        """Return the scene and ten statistics."""
        picture = sample["picture"]
        missing = [(0, max(0, SMALLEST_PX - length)) for length in picture.shape[:2]]
        return picture_features(np.pad(picture, [*missing, (0, 0)], mode="edge"))

    def example(self, rng: np.random.Generator) -> Arrays:
        """Return a picture of random numbers and size, so that an export is compared on a padded batch."""
        height, width = rng.integers(70, 200, 2)
        return self.prepare(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


def _padded(pictures: Sequence[Pixels]) -> dict[str, NDArray[np.uint8]]:
    """Put pictures (h, w, 3) of different sizes into one array (N, 3, H, W), with its mask (N, 1, H, W)."""
    height, width = (max(each.shape[axis] for each in pictures) for axis in (0, 1))
    padded = np.zeros((len(pictures), height, width, 3), np.uint8)
    mask = np.zeros((len(pictures), 1, height, width), np.uint8)
    for row, picture in enumerate(pictures):
        h, w = picture.shape[:2]
        padded[row, :h, :w] = picture
        mask[row, 0, :h, :w] = 1
    return {"pictures": np.moveaxis(padded, -1, 1), "mask": mask}
