"""Frozen encoders: networks with published weights whose vectors are computed once and kept.

An encoder's name contains the hash of its weights, so vectors of other weights are never mixed up. Those that come with
Safelight are torch modules, those of a workspace ONNX graphs (`training.encoders`); an exported model contains either.
`lite0+faceres` names two, whose vectors are joined.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from curation import LITE0_STRIDE, packaged_trunk, with_quick_trunks
from training.data.arrays import Arrays
from training.errors import OptionError
from training.models.headed import Inputs
from training.models.patch_statistics import PatchSpectrum, PatchStatistics
from training.models.picture_statistics import PictureColours, PictureStatistics, PictureTones
from training.models.whole_picture import PixelStatistics

if TYPE_CHECKING:
    from training.encoders.onnx_encoder import OnnxEncoder

CHUNK = 16  # pictures in one forward pass: larger chunks leave the CPU caches


class Lite0Levels(nn.Module):
    """EfficientNet-Lite0 with ImageNet weights: means and maxima of four of its levels.

    The last level knows objects, the earlier ones texture and small detail, which ImageNet's classes ignore.

    >>> Lite0Levels()({"pictures": torch.zeros(1, 2, 3, 64, 64, dtype=torch.uint8)}).shape
    torch.Size([1, 2, 3584])
    """

    LEVELS = (7, 10, 15)  # blocks after which features are pooled: 80, 112 and 320 channels
    input_names = ("pictures",)
    dim = 2 * (80 + 112 + 320 + 1280)
    patch_dim = 0
    side = 224

    def __init__(self) -> None:
        super().__init__()
        self.trunk = packaged_trunk().eval().requires_grad_(requires_grad=False)
        self.trunk.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # the stub lacks it
        self.last_maps = (
            nn.ReLU6()
        )  # a module of its own, so that heat maps can be made of what it gives

    def forward(self, inputs: Inputs) -> torch.Tensor:
        """Map uint8 `pictures` (N, V, 3, S, S) to vectors (N, V, dim)."""
        pictures = inputs["pictures"]
        flat = pictures.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        pooled = self._pooled((flat.float() - 127) / 128)
        return pooled.reshape(*pictures.shape[:2], -1)

    def _pooled(self, x: torch.Tensor) -> torch.Tensor:
        x = nn.functional.relu6(self.trunk.stem(x))
        pooled = []
        for number, block in enumerate(self.trunk.blocks):
            x = block(x)
            if number in self.LEVELS:
                pooled += [x.mean(dim=(2, 3)), x.amax(dim=(2, 3))]
        x = self.last_maps(self.trunk.head(x))
        return torch.cat([*pooled, x.mean(dim=(2, 3)), x.amax(dim=(2, 3))], dim=1)


class Lite0Grid(Lite0Levels):
    """EfficientNet-Lite0 with ImageNet weights: what is where, for pictures of one geometry such as aligned faces.

    Means over the cells of a grid on two levels stand beside mean and maximum of the last one.

    >>> Lite0Grid()({"pictures": torch.zeros(1, 2, 3, 96, 96, dtype=torch.uint8)}).shape
    torch.Size([1, 2, 7232])
    """

    GRIDS: ClassVar[Mapping[int, int]] = {10: 4, 15: 3}
    """Cells a side, by the block whose features are pooled (112 and 320 channels)."""
    dim = 2 * 1280 + 112 * 4**2 + 320 * 3**2

    def _pooled(self, x: torch.Tensor) -> torch.Tensor:
        x = nn.functional.relu6(self.trunk.stem(x))
        cells = []
        for number, block in enumerate(self.trunk.blocks):
            x = block(x)
            if number in self.GRIDS:
                cells.append(cell_means(x, self.GRIDS[number]).flatten(1))
        x = self.last_maps(self.trunk.head(x))
        return torch.cat([x.mean(dim=(2, 3)), x.amax(dim=(2, 3)), *cells], dim=1)


class Lite0Face(Lite0Levels):
    """EfficientNet-Lite0 with ImageNet weights: the texture of a face first, then what is where in it.

    Mean, maximum and spread of two early levels, mean and maximum of two middle ones (`texture_dim` numbers, which
    generators leave their traces in), then the vector of `Lite0Grid`.

    >>> Lite0Face()({"pictures": torch.zeros(1, 2, 3, 96, 96, dtype=torch.uint8)}).shape
    torch.Size([1, 2, 7808])
    """

    EARLY = (2, 4)  # 24 and 40 channels, at a quarter and an eighth of the side
    MIDDLE = (7, 10)
    texture_dim = 3 * (24 + 40) + 2 * (80 + 112)
    dim = texture_dim + Lite0Grid.dim

    def _pooled(self, x: torch.Tensor) -> torch.Tensor:
        x = nn.functional.relu6(self.trunk.stem(x))
        texture, cells = [], []
        for number, block in enumerate(self.trunk.blocks):
            x = block(x)
            if number in (*self.EARLY, *self.MIDDLE):
                texture += [x.mean(dim=(2, 3)), x.amax(dim=(2, 3))]
            if number in self.EARLY:
                spread = (x - x.mean(dim=(2, 3), keepdim=True)).square().mean(dim=(2, 3))
                texture.append((spread + 1e-8).sqrt())
            if number in Lite0Grid.GRIDS:
                cells.append(cell_means(x, Lite0Grid.GRIDS[number]).flatten(1))
        x = self.last_maps(self.trunk.head(x))
        return torch.cat([*texture, x.mean(dim=(2, 3)), x.amax(dim=(2, 3)), *cells], dim=1)


class Lite0AndPatches(nn.Module):
    """The vector of `Lite0Levels`, and behind it `patch_dim` statistics of native patches, equal for all squares.

    >>> inputs = {"pictures": torch.zeros(1, 2, 3, 64, 64, dtype=torch.uint8)}
    >>> Lite0AndPatches()(inputs | {"patches": torch.zeros(1, 4, 3, 64, 64, dtype=torch.uint8)}).shape
    torch.Size([1, 2, 3684])
    """

    input_names = ("pictures", "patches")
    dim = Lite0Levels.dim + PatchStatistics.dim
    patch_dim = PatchStatistics.dim

    def __init__(self) -> None:
        super().__init__()
        self.levels, self.statistics = Lite0Levels(), PatchStatistics()

    def forward(self, inputs: Inputs) -> torch.Tensor:
        """Map uint8 `pictures` (N, V, 3, S, S) and `patches` (N, P, 3, s, s) to vectors (N, V, dim)."""
        vectors: torch.Tensor = self.levels(inputs)
        numbers: torch.Tensor = self.statistics(inputs["patches"])
        return torch.cat([vectors, numbers[:, None].expand(-1, vectors.shape[1], -1)], 2)


class Lite0Quality(nn.Module):
    """The vectors of a whole picture and of its native middle, then statistics of patches and of light and colours.

    >>> inputs = {"pictures": torch.zeros(1, 2, 3, 64, 64, dtype=torch.uint8)}
    >>> Lite0Quality()(inputs | {"patches": torch.zeros(1, 4, 3, 64, 64, dtype=torch.uint8)}).shape
    torch.Size([1, 1, 7336])
    """

    input_names = ("pictures", "patches")
    patch_dim = PatchStatistics.dim + PictureStatistics.dim
    dim = 2 * Lite0Levels.dim + patch_dim

    def __init__(self) -> None:
        super().__init__()
        self.levels, self.statistics = Lite0Levels(), PatchStatistics()
        self.colours = PictureStatistics()

    def forward(self, inputs: Inputs) -> torch.Tensor:
        """Map uint8 `pictures` (N, 2, 3, S, S), `patches` (N, P, 3, s, s) to vectors (N, 1, dim)."""
        both: torch.Tensor = self.levels(inputs)
        numbers: torch.Tensor = self.statistics(inputs["patches"])
        colours: torch.Tensor = self.colours(inputs["pictures"][:, 0])
        return torch.cat([both.flatten(1), numbers, colours], 1)[:, None]


class Lite0Detail(nn.Module):
    """The numbers of `Lite0Quality`, then the spectrum of the patches and the colours of the whole picture.

    >>> inputs = {"pictures": torch.zeros(1, 2, 3, 64, 64, dtype=torch.uint8)}
    >>> Lite0Detail()(inputs | {"patches": torch.zeros(1, 4, 3, 64, 64, dtype=torch.uint8)}).shape
    torch.Size([1, 1, 7778])
    """

    input_names = ("pictures", "patches")
    patch_dim = Lite0Quality.patch_dim + PatchSpectrum.dim + PictureColours.dim
    dim = 2 * Lite0Levels.dim + patch_dim

    def __init__(self) -> None:
        super().__init__()
        self.quality, self.spectrum = Lite0Quality(), PatchSpectrum()
        self.colours = PictureColours()

    def forward(self, inputs: Inputs) -> torch.Tensor:
        """Map uint8 `pictures` (N, 2, 3, S, S), `patches` (N, P, 3, 64, 64) to vectors (N, 1, dim)."""
        quality: torch.Tensor = self.quality(inputs)
        numbers = [self.spectrum(inputs["patches"]), self.colours(inputs["pictures"][:, 0])]
        return torch.cat([quality[:, 0], *numbers], 1)[:, None]


class Lite0Tones(nn.Module):
    """The numbers of `Lite0Detail`, then the ends and the order of the tones of both pictures.

    >>> inputs = {"pictures": torch.zeros(1, 2, 3, 64, 64, dtype=torch.uint8)}
    >>> Lite0Tones()(inputs | {"patches": torch.zeros(1, 4, 3, 64, 64, dtype=torch.uint8)}).shape
    torch.Size([1, 1, 8172])
    """

    input_names = ("pictures", "patches")
    patch_dim = Lite0Detail.patch_dim + PictureTones.dim
    dim = 2 * Lite0Levels.dim + patch_dim

    def __init__(self) -> None:
        super().__init__()
        self.detail, self.tones = Lite0Detail(), PictureTones()

    def forward(self, inputs: Inputs) -> torch.Tensor:
        """Map uint8 `pictures` (N, 2, 3, S, S), `patches` (N, P, 3, 64, 64) to vectors (N, 1, dim)."""
        detail: torch.Tensor = self.detail(inputs)
        tones: torch.Tensor = self.tones(inputs["pictures"])
        return torch.cat([detail, tones[:, None]], 2)


def cell_means(maps: torch.Tensor, cells: int) -> torch.Tensor:
    """Average maps (N, C, H, W) over `cells` x `cells` cells: (N, C, cells, cells).

    Equal to `adaptive_avg_pool2d`, which ONNX has only where the cells divide the sides.

    >>> maps = torch.rand(1, 2, 7, 6)
    >>> torch.allclose(cell_means(maps, 3), nn.functional.adaptive_avg_pool2d(maps, 3))
    True
    """
    rows, columns = (_cell_weights(int(side), cells).to(maps) for side in maps.shape[2:])
    return rows @ maps @ columns.T


def _cell_weights(side: int, cells: int) -> torch.Tensor:
    weights = torch.zeros(cells, side)
    for cell in range(cells):
        start, end = cell * side // cells, -(-(cell + 1) * side // cells)
        weights[cell, start:end] = 1 / (end - start)
    return weights


FrozenNetwork = (
    Lite0Levels | Lite0AndPatches | Lite0Quality | Lite0Detail | Lite0Tones | PixelStatistics
)
ENCODERS: Mapping[str, type[FrozenNetwork]] = {
    "lite0": Lite0Levels, "lite0_grid": Lite0Grid, "lite0_patches": Lite0AndPatches, "lite0_quality": Lite0Quality,
    "lite0_detail": Lite0Detail, "lite0_tones": Lite0Tones, "lite0_face": Lite0Face,
    "statistics": PixelStatistics,
}  # fmt: skip

_MODELS: ContextVar[Path | None] = ContextVar("models", default=None)


@contextmanager
def encoders_of(models: Path | None) -> Iterator[None]:
    """Let names inside the block also mean the encoders below the folder `models` of a workspace."""
    token = _MODELS.set(models)
    try:
        yield
    finally:
        _MODELS.reset(token)


@lru_cache(maxsize=2)
def load_encoder(name: str) -> FrozenNetwork:
    """Build an encoder that comes with Safelight, once for each process."""
    return ENCODERS[name]()


def patch_encoder_dims(name: str) -> tuple[int, int]:
    """Return the length of the vectors of an encoder that reads native patches, and how much of it is of these.

    No weights are loaded. Raises OptionError for an encoder that reads no patches.
    """
    if name not in ENCODERS or not ENCODERS[name].patch_dim:
        raise OptionError(f"encoder={name}", ["lite0_patches", "an empty text for none"])
    return ENCODERS[name].dim, ENCODERS[name].patch_dim


def encoder_id(name: str, encoder: nn.Module) -> str:
    """Return the name of an encoder with the hash of its weights, such as lite0@3f9c0e51d7aa."""
    digest = hashlib.sha256()
    for key, value in encoder.state_dict().items():
        digest.update(key.encode() + value.cpu().contiguous().numpy().tobytes())
    return f"{name}@{digest.hexdigest()[:12]}"


@dataclass(frozen=True)
class Encoder:
    """A frozen network with its name: `id` holds the hash of the weights, `dim` is the length of a vector."""

    id: str
    dim: int
    network: nn.Module

    @torch.inference_mode()
    def encode(self, arrays: Arrays, device: torch.device) -> NDArray[np.float32]:
        """Map uint8 `pictures` (N, V, 3, S, S), and `patches` where it reads them, to vectors (N, V, D)."""
        *_, n_variants, _, _, side = arrays["pictures"].shape
        is_quick = device.type == "cpu" and side % LITE0_STRIDE == 0
        network = self._on_cpu if is_quick else self.network.to(device)
        step = max(1, CHUNK // n_variants)
        chunks = {
            name: torch.split(torch.from_numpy(array), step) for name, array in arrays.items()
        }
        parts = [
            network({name: part.to(device) for name, part in zip(chunks, batch, strict=True)})
            .float()
            .cpu()
            for batch in zip(*chunks.values(), strict=True)
        ]
        return np.asarray(torch.cat(parts).numpy(), np.float32)

    @cached_property
    def _on_cpu(self) -> nn.Module:
        """The same network for CPUs alone: equal up to rounding, in less time."""
        return with_quick_trunks(self.network)


def open_encoders(names: str) -> tuple[Encoder | OnnxEncoder, ...]:
    """Open the encoders of a name such as lite0 or lite0+faceres; raises EncoderNotFoundError or OptionError."""
    parts = names.split("+")
    if len(set(parts)) != len(parts):
        raise OptionError(f"encoder={names}", ["each encoder once"])
    return tuple(_open_encoder(name) for name in parts)


def _open_encoder(name: str) -> Encoder | OnnxEncoder:
    if name not in ENCODERS:
        from training.encoders.onnx_encoder import open_onnx_encoder

        return open_onnx_encoder(_MODELS.get(), name)
    network = load_encoder(name)
    return Encoder(encoder_id(name, network), network.dim, network)


def vector_length(names: str) -> int:
    """Return the length of the vectors of `open_encoders(names)`, joined."""
    if all(name in ENCODERS for name in names.split("+")):  # needs no weights
        return sum(ENCODERS[name].dim for name in names.split("+"))
    return sum(encoder.dim for encoder in open_encoders(names))
