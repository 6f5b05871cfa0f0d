"""What an encoder of a picture and of its native patches sees."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from training.data.arrays import Arrays, Floats, Pixels
from training.data.samples import stacked
from training.data.simple_features import scene, statistics
from training.data.views.base import channels_first
from training.data.views.crops import Crops
from training.data.views.patches_and_thumbnail import patch_bank


@dataclass(frozen=True)
class CropsAndPatches(Crops):
    """Squares as `Crops` cuts them, and `bank` native patches of `patch_px`, flat ones first.

    A batch has `pictures` (N, V, 3, S, S) and `patches` (N, P, 3, s, s).
    """

    kind: ClassVar[str] = "crops_and_patches"
    free_axes: ClassVar[Mapping[str, Mapping[int, str]]] = {}

    patch_px: int = 64
    bank: int = 8

    @property
    def min_side(self) -> int:  # type: ignore[override]  # as in Crops
        """A picture is decoded whole: patches are native."""
        return 0

    @property
    def sample_bytes(self) -> int:
        """Size of one sample in memory."""
        return super().sample_bytes + 3 * self.bank * self.patch_px**2

    def prepare(self, pixels: Pixels) -> Arrays:
        """Cut the squares and the patches of decoded pixels (H, W, 3)."""
        return {**super().prepare(pixels), "bank": patch_bank(pixels, self.bank, self.patch_px)}

    def plain(self, samples: Sequence[Arrays]) -> Arrays:
        """Stack squares and patches."""
        return {
            **super().plain(samples),
            "patches": channels_first(stacked(samples, "bank")),
        }

    def simple_features(self, sample: Arrays) -> tuple[Floats, Floats]:
        """Return the scene of the centred square, and statistics of it and of the patches."""
        square = sample["pictures"][0]
        return scene(square), statistics(square, sample["bank"])
