"""Augment whole batches on the device of the training, in plain torch: crop, mirror, brightness, contrast, colour.

What happens to a picture is drawn on the CPU from seed, epoch and picture alone, so it depends on no batch, rank or
thread, and a resumed training continues alike. The pixels are computed for all pictures of a batch at once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from training.data.sampling.seeds import derive_seed
from training.errors import OptionError

GREY = (0.299, 0.587, 0.114)
ASPECT = 4 / 3  # of a crop to that of its picture, at most


@dataclass(frozen=True)
class DeviceAugmentation:
    """How much is changed: share of mirrored pictures, largest change of the colours, smallest area of a crop.

    `colour` is the largest share by which brightness, contrast and saturation change, each by itself; `crop` 1 leaves
    pictures whole.
    """

    flip: float = 0.0
    colour: float = 0.0
    crop: float = 1.0

    @classmethod
    def parse(cls, text: str) -> "DeviceAugmentation | None":
        """Read a text such as flip:0.5,colour:0.2,crop:0.6; None for an empty one. Raises OptionError.

        >>> DeviceAugmentation.parse("flip:0.5,crop:0.6")
        DeviceAugmentation(flip=0.5, colour=0.0, crop=0.6)
        """
        if not text:
            return None
        values: dict[str, float] = {}
        for part in text.split(","):
            name, _, number = part.partition(":")
            if name not in {"flip", "colour", "crop"} or name in values:
                raise OptionError(f"device_augment={text}", ["flip:0.5,colour:0.2,crop:0.6"])
            try:
                values[name] = float(number)
            except ValueError:
                values[name] = -1.0
            least = 0.05 if name == "crop" else 0.0
            if not least <= values[name] <= 1:
                raise OptionError(f"{name}:{number}", [f"{name} from {least:g} to 1"])
        return cls(**values)

    def drawn(self, seed: int, epoch: int, shas: Sequence[str]) -> NDArray[np.float32]:
        """Draw what happens to each picture, (N, 8).

        Columns: left, top, width and height of the crop as shares, mirrored (1) or not (0), factors of brightness,
        contrast and saturation.
        """
        return np.stack([self._of_row(derive_seed("device", seed, epoch, sha)) for sha in shas])

    def _of_row(self, seed: int) -> NDArray[np.float32]:
        rng = np.random.default_rng(seed)
        area, stretch = rng.uniform(self.crop, 1.0), ASPECT ** rng.uniform(-1, 1)
        width, height = (min(1.0, np.sqrt(area * each)) for each in (stretch, 1 / stretch))
        if self.crop == 1:
            width = height = 1.0
        left, top = rng.uniform(0, 1 - width), rng.uniform(0, 1 - height)
        is_mirrored = float(rng.random() < self.flip)
        factors = rng.uniform(1 - self.colour, 1 + self.colour, 3)
        return np.array([left, top, width, height, is_mirrored, *factors], np.float32)

    def change_inputs(
        self, inputs: Mapping[str, torch.Tensor], seed: int, epoch: int, shas: Sequence[str]
    ) -> dict[str, torch.Tensor]:
        """Change the `pictures` of a batch; raises OptionError where there are none, or of several sizes."""
        if "pictures" not in inputs or "mask" in inputs:
            needed = ["recipes whose network reads whole `pictures` of one size"]
            raise OptionError("device_augment", needed)
        return {**inputs, "pictures": self.apply(inputs["pictures"], seed, epoch, shas)}

    def apply(
        self, pictures: torch.Tensor, seed: int, epoch: int, shas: Sequence[str]
    ) -> torch.Tensor:
        """Augment uint8 pictures (N, 3, H, W), or (N, V, 3, H, W) whose variants are changed alike; the size stays."""
        changes = torch.from_numpy(self.drawn(seed, epoch, shas)).to(pictures.device)
        moves = (
            self.flip > 0 or self.crop < 1
        )  # a question about a batch would make pictures depend on it
        if pictures.ndim == 5:
            changes = changes.repeat_interleave(pictures.shape[1], 0)
            flat = change_pictures(pictures.flatten(0, 1), changes, moves=moves)
            return flat.reshape(pictures.shape)
        return change_pictures(pictures, changes, moves=moves)


def change_pictures(
    pictures: torch.Tensor, changes: torch.Tensor, *, moves: bool = True
) -> torch.Tensor:
    """Change uint8 pictures (N, 3, H, W) as `DeviceAugmentation.drawn` says, (N, 8); colours alone unless `moves`."""
    left, top, width, height, mirrored, *factors = changes.unbind(1)
    x = pictures.float()
    if moves:
        zero = torch.zeros_like(left)
        rows = [
            torch.stack([width * (1 - 2 * mirrored), zero, 2 * left + width - 1], 1),
            torch.stack([zero, height, 2 * top + height - 1], 1),
        ]
        grid = functional.affine_grid(torch.stack(rows, 1), list(x.shape), align_corners=False)
        x = functional.grid_sample(x, grid, padding_mode="border", align_corners=False)
    brightness, contrast, saturation = (each[:, None, None, None] for each in factors)
    x = x * brightness
    weights = torch.tensor(GREY, device=x.device)[None, :, None, None]
    grey = (x * weights).sum(1, keepdim=True)
    mean = grey.mean(dim=(2, 3), keepdim=True)
    x = (grey + (x - grey) * saturation - mean) * contrast + mean
    return x.round().clamp(0, 255).to(torch.uint8)
