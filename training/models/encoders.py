"""Frozen encoders: networks with published weights whose vectors are computed once and kept.

An encoder's name contains the hash of its weights, so vectors of other weights are never mixed up. Those that come with
Safelight are torch modules, those of a workspace ONNX graphs (`training.encoders`); an exported model contains either.
`lite0+faceres` names two, whose vectors are joined.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from curation import packaged_trunk
from training.data.arrays import Arrays
from training.encoders.onnx_encoder import OnnxEncoder, open_onnx_encoder
from training.errors import OptionError
from training.models.headed import Inputs

CHUNK = 16  # pictures in one forward pass: larger chunks leave the CPU caches


class Lite0Levels(nn.Module):
    """EfficientNet-Lite0 with ImageNet weights: means and maxima of four of its levels.

    The last level knows objects, the earlier ones texture and small detail, which ImageNet's classes ignore.

    >>> Lite0Levels()({"pictures": torch.zeros(1, 2, 3, 64, 64, dtype=torch.uint8)}).shape
    torch.Size([1, 2, 3584])
    """

    LEVELS = (7, 10, 15)  # blocks after which features are pooled: 80, 112 and 320 channels
    dim = 2 * (80 + 112 + 320 + 1280)
    side = 224

    def __init__(self) -> None:
        super().__init__()
        self.trunk = packaged_trunk().eval().requires_grad_(requires_grad=False)
        self.trunk.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # the stub lacks it

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
        x = nn.functional.relu6(self.trunk.head(x))
        return torch.cat([*pooled, x.mean(dim=(2, 3)), x.amax(dim=(2, 3))], dim=1)


ENCODERS: Mapping[str, Callable[[], Lite0Levels]] = {"lite0": Lite0Levels}

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
def load_encoder(name: str) -> Lite0Levels:
    """Build an encoder that comes with Safelight, once for each process."""
    return ENCODERS[name]()


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
        """Map uint8 `pictures` (N, V, 3, S, S) to vectors (N, V, D), in chunks."""
        pictures, network = torch.from_numpy(arrays["pictures"]), self.network.to(device)
        step = max(1, CHUNK // pictures.shape[1])
        parts = [
            network({"pictures": part.to(device)}).float().cpu()
            for part in torch.split(pictures, step)
        ]
        return np.asarray(torch.cat(parts).numpy(), np.float32)


def open_encoders(names: str) -> tuple[Encoder | OnnxEncoder, ...]:
    """Open the encoders of a name such as lite0 or lite0+faceres; raises EncoderNotFoundError or OptionError."""
    parts = names.split("+")
    if len(set(parts)) != len(parts):
        raise OptionError(f"encoder={names}", ["each encoder once"])
    return tuple(_open_encoder(name) for name in parts)


def _open_encoder(name: str) -> Encoder | OnnxEncoder:
    if name not in ENCODERS:
        return open_onnx_encoder(_MODELS.get(), name)
    network = load_encoder(name)
    return Encoder(encoder_id(name, network), network.dim, network)


def vector_length(names: str) -> int:
    """Return the length of the vectors of `open_encoders(names)`, joined."""
    return sum(encoder.dim for encoder in open_encoders(names))
