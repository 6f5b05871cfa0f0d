"""A training of milliseconds: rows of a few numbers, a small network with dropout and batch norm, two heads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
import torch
from torch import nn

from training.data.arrays import Arrays, Floats, Pixels
from training.data.stores.pictures import SampleStore
from training.data.views.base import View
from training.fit.checkpoint import Checkpoints, TrainingProgress
from training.fit.config import Config
from training.fit.examples import Examples, make_examples
from training.fit.objective import HeadsObjective
from training.fit.recipe import Objective
from training.fit.trainer import Training, fit
from training.fit.training_run import TrainingRun
from training.heads import Head, RegressionHead, SoftmaxHead

NUMBERS = 6
KINDS = ("even", "odd", "zero")
HEADS: tuple[Head, ...] = (
    SoftmaxHead(name="kind", column="kind", classes=KINDS),
    RegressionHead(name="amount", column="amount", centre=1.0, scale=2.0, unit="kg"),
)
CONFIG = Config(epochs=3, batch_size=8, learning_rate=1e-2, weight_decay=0.01, warm_up_steps=2)
ROWS = 36  # of training: five batches an epoch, the last one smaller
STEPS = 5
HELD_OUT = 10


@dataclass(frozen=True)
class NumbersView(View):
    """A file of `NUMBERS` float32 numbers; training adds noise, so that its random numbers matter."""

    kind = "numbers"

    @property
    def sample_bytes(self) -> int:
        return 4 * NUMBERS

    def prepare(self, pixels: Pixels) -> Arrays:
        raise NotImplementedError

    def from_bytes(self, data: bytes, name: str) -> Arrays:  # noqa: ARG002 - the contract
        return {"numbers": np.frombuffer(data, np.float32)}

    def augment(self, samples: Sequence[Arrays], rngs: Sequence[np.random.Generator]) -> Arrays:
        noise = [rng.normal(0, 0.1, NUMBERS) for rng in rngs]
        return {"numbers": (self.plain(samples)["numbers"] + np.stack(noise)).astype(np.float32)}

    def plain(self, samples: Sequence[Arrays]) -> Arrays:
        return {"numbers": np.stack([sample["numbers"] for sample in samples])}

    def simple_features(self, sample: Arrays) -> tuple[Floats, Floats]:
        return sample["numbers"].astype(float), sample["numbers"][:2].astype(float)


class Backbone(nn.Module):
    """A layer with what a resumed training must restore: batch statistics and random dropout."""

    features = 8
    parts = ()
    input_names = ("numbers",)

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(NUMBERS, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2)
        )

    def forward(self, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        features: torch.Tensor = self.layers(inputs["numbers"])
        return features


class NumbersFile:
    """Files of numbers behind each other in one file, whose labels are functions of the numbers."""

    def __init__(self, folder: Path, n: int = ROWS + HELD_OUT) -> None:
        self.folder, rng = folder, np.random.default_rng(0)
        numbers = rng.normal(0, 1, (n, NUMBERS)).astype(np.float32)
        (folder / "numbers").write_bytes(numbers.tobytes())
        kinds = [KINDS[int(row[0] > 0) + int(row[1] > 1)] for row in numbers]
        self.index = pl.DataFrame(
            {
                "asset_sha256": [f"{number:064d}" for number in range(n)],
                "shard": ["numbers"] * n,
                "offset": [4 * NUMBERS * number for number in range(n)],
                "length": [4 * NUMBERS] * n,
                "group_id": [f"g{number // 3}" for number in range(n)],
                "kind": [None if n % 9 == 4 else kind for n, kind in enumerate(kinds)],
                "amount": [None if n % 7 == 3 else float(r[:3].sum()) for n, r in enumerate(numbers)],
            }
        )  # fmt: skip

    def shard(self, name: str) -> Path:
        return self.folder / name


def open_numbers(folder: Path, threads: int = 1, cache_bytes: int = 10**6) -> SampleStore:
    file = NumbersFile(folder)
    return SampleStore(file, file.index, NumbersView(), cache_bytes=cache_bytes, threads=threads)


def parts_of(store: SampleStore) -> tuple[Examples, Examples]:
    """Return examples to train and to validate on; every third row counts twice."""
    weight = 1.0 + (np.arange(len(store)) % 3 == 0)
    train, held_out = np.arange(ROWS), np.arange(ROWS, len(store))
    return (
        make_examples(store, HEADS, train, weight[train]),
        make_examples(store, HEADS, held_out, weight[held_out]),
    )


def make_network(seed: int = 0) -> nn.Module:
    from training.models.headed import HeadedNetwork

    torch.manual_seed(seed)
    return HeadedNetwork(Backbone(), HEADS)


@dataclass
class SmallTraining:
    """One training whose checkpoints lie in `folder`; `fit` begins anew or continues there."""

    store: SampleStore
    folder: Path
    config: Config = CONFIG
    objective: Objective = field(default_factory=lambda: HeadsObjective(HEADS))
    checkpoint_s: float = 0.0
    budget_s: float = 0.0

    def fit(self, seed: int = 0) -> tuple[nn.Module, TrainingProgress]:
        run = TrainingRun(
            self.config, "digest", "split", torch.device("cpu"), self.budget_s, self.checkpoint_s
        )
        network = make_network(seed)
        training = Training(network, self.objective, *parts_of(self.store), run)
        return fit(training, Checkpoints(self.folder, "model"))


def weights_equal(one: nn.Module, other: nn.Module) -> bool:
    """Whether all weights and statistics of two networks have the same bits."""
    ours, theirs = one.state_dict(), other.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[n], theirs[n]) for n in ours)


def losses_of(progress: TrainingProgress) -> list[tuple[float, float, float]]:
    return [(r["train_loss"], r["validation_loss"], r["learning_rate"]) for r in progress.history]
