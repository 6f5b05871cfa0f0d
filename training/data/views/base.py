"""The contract of a view: from stored bytes to a sample in memory, and from samples to the arrays of a batch."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from training.data.arrays import Arrays, Floats, Pixels
from training.data.decode import decode

if TYPE_CHECKING:
    import polars as pl


class View(ABC):
    """How a row becomes the inputs of a network. A sample is cached, a batch is made anew each time.

    `min_side`: a decoder may scale a picture down as long as both sides keep so many pixels, or height and width those
    of a pair; 0 keeps it whole.
    Views are values: the same configuration gives equal views, and they import no torch, so that predictions need none.
    """

    kind: ClassVar[str]
    min_side: int | tuple[int, int] = 0
    free_axes: ClassVar[Mapping[str, Mapping[int, str]]] = {}
    """Axes of a batch, besides the first, whose length is free in an exported model: array -> axis -> its name."""
    plain_variants: int = 0
    """How many of the variants of a picture, the first ones, the plain form has; 0: all."""
    evaluation_batch: ClassVar[int] = 32
    """How many pictures are evaluated together."""
    n_file_statistics: int = 0
    """How many of the simple statistics, the last ones, are properties of the file that is left of a picture.

    The last of them are its bytes, which follow from the detail of the picture; 0: none is known.
    """

    @property
    @abstractmethod
    def sample_bytes(self) -> int:
        """Size of one sample in memory, at most."""

    def bytes_of(self, index: "pl.DataFrame") -> int:
        """Return the size of the samples of all rows of an index in memory, at most."""
        return self.sample_bytes * len(index)

    @abstractmethod
    def prepare(self, pixels: Pixels) -> Arrays:
        """Cut what is kept of decoded pixels (H, W, 3) into a sample."""

    @abstractmethod
    def augment(self, samples: Sequence[Arrays], rngs: Sequence[np.random.Generator]) -> Arrays:
        """Make a training batch; a sample's generator is a function of seed, epoch and picture."""

    @abstractmethod
    def plain(self, samples: Sequence[Arrays]) -> Arrays:
        """Make an evaluation batch: the same samples always give the same arrays."""

    def fixed(self, samples: Sequence[Arrays], _rngs: Sequence[np.random.Generator]) -> Arrays:
        """Make a validation batch; its generators are the same in every epoch."""
        return self.plain(samples)

    def every_variant(self, samples: Sequence[Arrays]) -> Arrays:
        """Make the batch that a frozen encoder sees once: the plain form, and variants for training alone."""
        return self.plain(samples)

    @abstractmethod
    def simple_features(self, sample: Arrays) -> tuple[Floats, Floats]:
        """Return the inputs of the simple baselines: the scene at low resolution (S,) and a few statistics (K,)."""

    def check(self, sample: Arrays, name: str) -> None:  # noqa: B027 - most views refuse nothing
        """Raise for the sample of a file with this `name` about which a model can say nothing."""

    def example(self, rng: np.random.Generator) -> Arrays:
        """Return a sample of random numbers, on which an exported model is compared with the original."""
        return self.prepare(rng.integers(0, 256, (240, 320, 3), dtype=np.uint8))

    def from_bytes(self, data: bytes, name: str) -> Arrays:
        """Make the sample of a stored file; raises UndecodablePictureError with its `name`."""
        return self.prepare(decode(data, name=name, min_side=self.min_side))

    def from_edited_bytes(self, data: bytes, name: str, edit: str) -> Arrays:
        """Make the sample of a stored file after an `edit`, of rows that a recipe makes; most views know none."""
        raise NotImplementedError


def channels_first(pictures: Sequence[Pixels] | Pixels) -> Pixels:
    """Stack pictures (..., H, W, 3) into (N, ..., 3, H, W); those that are stacked are not copied."""
    whole = pictures if isinstance(pictures, np.ndarray) else np.stack(pictures)
    return np.moveaxis(whole, -1, -3)
