"""A recipe that has nothing in common with photographs: which instrument plays, and how high, from a WAV file.

It has its own view, two heads of different kinds, and a contrastive side loss over two noisy copies of each sound.
"""

from __future__ import annotations

import io
import wave
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from training.data.arrays import Arrays, Floats, Pixels
from training.data.views.base import View
from training.errors import UndecodablePictureError
from training.fit.config import Config, option
from training.fit.recipe import Labels, Recipe
from training.heads import Head, RegressionHead, SoftmaxHead

if TYPE_CHECKING:
    import torch
    from torch import nn

SECOND = 8_000  # samples
INSTRUMENTS = ("flute", "organ", "drum")


@dataclass(frozen=True, kw_only=True)
class OddConfig(Config):
    """Hyperparameters; `length` in samples at 8 kHz, `side_weight` of the contrastive loss."""

    length: int
    channels: int
    side_weight: float = option(0.1)


@dataclass(frozen=True)
class Waveform(View):
    """The first `length` samples of a WAV file; a batch has `waves` (N, L), in training also `again` (N, L)."""

    kind: ClassVar[str] = "waveform"

    length: int

    @property
    def sample_bytes(self) -> int:
        return 2 * self.length

    def prepare(self, pixels: Pixels) -> Arrays:
        raise NotImplementedError("a sound has no pixels")

    def from_bytes(self, data: bytes, name: str) -> Arrays:
        try:
            with wave.open(io.BytesIO(data)) as file:
                samples = np.frombuffer(file.readframes(self.length), np.int16)
        except (wave.Error, EOFError) as error:
            raise UndecodablePictureError(name, str(error)) from error
        return {"wave": np.pad(samples, (0, self.length - len(samples)))}

    def augment(self, samples: Sequence[Arrays], rngs: Sequence[np.random.Generator]) -> Arrays:
        def noisy() -> Any:
            pairs = zip(samples, rngs, strict=True)
            return np.stack([_louder(sample["wave"], rng) for sample, rng in pairs])

        return {"waves": noisy(), "again": noisy()}

    def plain(self, samples: Sequence[Arrays]) -> Arrays:
        return {"waves": np.stack([sample["wave"] for sample in samples])}

    def simple_features(self, sample: Arrays) -> tuple[Floats, Floats]:
        loudness = np.abs(np.fft.rfft(sample["wave"] / 32768.0))
        spectrum = np.log(1e-3 + loudness[: 64 * (len(loudness) // 64)].reshape(64, -1).mean(1))
        level = sample["wave"].astype(np.float64)
        return spectrum, np.array([level.std(), np.abs(np.diff(level)).mean()])

    def example(self, rng: np.random.Generator) -> Arrays:
        return {"wave": rng.integers(-9000, 9000, self.length, dtype=np.int16)}


def _louder(samples: Any, rng: np.random.Generator) -> Any:
    noise = rng.normal(0, 200, len(samples))
    return np.clip(samples * rng.uniform(0.5, 1.2) + noise, -32768, 32767).astype(np.int16)


def heads(labels: Labels, _config: OddConfig) -> tuple[Head, ...]:
    pitch = labels.index["pitch"].drop_nulls()
    return (
        SoftmaxHead(name="instrument", column="instrument", classes=INSTRUMENTS),
        RegressionHead(
            name="pitch", column="pitch", unit="octaves", loss_weight=0.5,
            centre=float(pitch.median()), scale=float(pitch.std()),
        ),
    )  # fmt: skip


def network(config: OddConfig, heads: tuple[Head, ...]) -> nn.Module:
    import torch
    from torch import nn

    from training.models.headed import HeadedNetwork

    class Ear(nn.Module):
        parts = ()
        input_names = ("waves",)
        features = 2 * config.channels

        def __init__(self) -> None:
            super().__init__()
            self.filters = nn.Conv1d(1, config.channels, 64, 8)
            self.norm = nn.BatchNorm1d(2 * config.channels)

        def forward(self, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
            heard = self.filters(inputs["waves"].float()[:, None] / 8192).abs()  # (N, C, L / 8)
            levels = torch.cat([heard.mean(2), heard.amax(2)], dim=1)
            normed: torch.Tensor = self.norm(torch.log(levels + 1e-2))
            return normed

    return HeadedNetwork(Ear(), heads)


def objective(config: OddConfig, heads: tuple[Head, ...]) -> Any:
    import torch
    from torch.nn.functional import normalize

    from training.fit.objective import HeadsObjective
    from training.models.losses import info_nce

    class WithSideLoss(HeadsObjective):
        def loss(self, network: Any, inputs: Any, targets: Any, weight: Any) -> torch.Tensor:
            both = [network.backbone({"waves": inputs[name]}) for name in ("waves", "again")]
            side = info_nce(normalize(torch.cat(both)), temperature=0.2)
            return super().loss(network, inputs, targets, weight) + config.side_weight * side

    return WithSideLoss(heads)


DEFAULT = OddConfig(epochs=8, batch_size=8, learning_rate=1e-2, length=SECOND // 8, channels=8)

RECIPE = Recipe(
    name="instruments", version=1, summary="instrument and pitch of a sound",
    presets={"default": DEFAULT}, view=lambda config: Waveform(config.length),
    heads=heads, network=network, objective=objective,
)  # fmt: skip
