"""What the training loop adds to torch: CPU time of our trainer over a bare loop of the same model on the same batches.

    python3 dev.py bench loop --output benchmarks/results/loop_2core_202611.md

All train the same network from the same weights on the same pictures in the same order, with AdamW, the same rates,
clipping, a validation after each epoch and the weights on the disk after each. One bare loop takes its batches from one
array in memory, as torch code without data set does; the other reads its pictures from the file by torch's `DataLoader`
without workers, its cheapest form in CPU time; ours reads them through store, view and log, and draws the bar.
Rounds alternate, and each begins with another loop. The time is CPU time of the process, so other processes of the
machine change it little, but by several per cent through the caches: the shortest steps have three times the rounds.
That of the first epoch, in which ours reads the file, counts as the others do.
"""

import argparse
import gc
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.code_version import commit
from catalog import show_progress
from training.data.arrays import Arrays, Floats, Ints, Pixels
from training.data.samples import stacked
from training.data.sampling.seeds import cut_batches, epoch_order
from training.data.stores.pictures import SampleStore
from training.data.views.base import View, channels_first
from training.fit.checkpoint import Checkpoints
from training.fit.config import Config
from training.fit.examples import make_examples
from training.fit.objective import HeadsObjective
from training.fit.optimizers import learning_rate, make_optimizer
from training.fit.trainer import Training, fit
from training.fit.training_run import TrainingRun
from training.heads import Head, SoftmaxHead
from training.models.headed import HeadedNetwork
from training.models.small_cnn import SmallCNN

CLASSES = tuple("abcdefghij")
HEADS: tuple[Head, ...] = (SoftmaxHead(name="letter", column="letter", classes=CLASSES),)
GOAL = 0.03  # of the CPU time of the bare loop


@dataclass(frozen=True)
class Case:
    """One network on pictures of one side."""

    name: str
    side: int
    width: int
    train: int
    validation: int
    config: Config
    times_rounds: int = 1


CASES = (
    Case(
        "small: 28 px, 26 thousand weights", 28, 16, 2048, 256,
        Config(epochs=3, batch_size=64, learning_rate=2e-3, weight_decay=0.01), times_rounds=3,
    ),
    Case(
        "as `digits`: 28 px, 87 thousand weights", 28, 32, 2048, 256,
        Config(epochs=3, batch_size=64, learning_rate=2e-3, weight_decay=0.01),
    ),
    Case(
        "96 px, 87 thousand weights", 96, 32, 320, 64,
        Config(epochs=3, batch_size=32, learning_rate=2e-3, weight_decay=0.01),
    ),
)  # fmt: skip


MakeBatches = Callable[[Sequence[Ints]], Iterator[dict[str, torch.Tensor]]]


@dataclass(frozen=True)
class RawPictures(View):
    """Files of raw pixels; training shows them as they are, so that neither loop works on the data."""

    kind = "raw_pictures"
    side: int

    @property
    def sample_bytes(self) -> int:
        """Size of a picture."""
        return 3 * self.side**2

    def prepare(self, pixels: Pixels) -> Arrays:
        """Keep the pixels."""
        return {"pictures": pixels}

    def from_bytes(self, data: bytes, name: str) -> Arrays:  # noqa: ARG002 - the contract
        """Read the pixels."""
        return {"pictures": np.frombuffer(data, np.uint8).reshape(self.side, self.side, 3)}

    def augment(self, samples: Sequence[Arrays], _rngs: Sequence[np.random.Generator]) -> Arrays:
        """Stack the pictures."""
        return self.plain(samples)

    def plain(self, samples: Sequence[Arrays]) -> Arrays:
        """Stack the pictures."""
        return {"pictures": channels_first(stacked(samples, "pictures"))}

    def simple_features(self, sample: Arrays) -> tuple[Floats, Floats]:
        """Raise NotImplementedError: there are no baselines here."""
        raise NotImplementedError


class Pictures:
    """Made pictures behind each other in one file, and the same in memory, in the same order of bytes."""

    def __init__(self, folder: Path, case: Case) -> None:
        n, rng = case.train + case.validation, np.random.default_rng(0)
        pictures = rng.integers(0, 256, (n, case.side, case.side, 3)).astype(np.uint8)
        (folder / "pixels").write_bytes(pictures.tobytes())
        size = 3 * case.side**2
        self.folder, self.pictures = folder, pictures
        self.labels = rng.integers(0, len(CLASSES), n)
        self.index = pl.DataFrame(
            {
                "asset_sha256": [f"{number:064d}" for number in range(n)],
                "shard": ["pixels"] * n,
                "offset": [size * number for number in range(n)],
                "length": [size] * n,
                "group_id": [str(number) for number in range(n)],
                "letter": [CLASSES[label] for label in self.labels],
            }
        )

    def batch(self, rows: Ints) -> dict[str, torch.Tensor]:
        """Return a batch (N, 3, S, S) with channels last in memory, as ours has them."""
        return {"pictures": torch.from_numpy(np.moveaxis(self.pictures[rows], -1, 1))}

    def batches(self, batch_rows: Sequence[Ints]) -> Iterator[dict[str, torch.Tensor]]:
        """Yield batches from memory."""
        return map(self.batch, batch_rows)

    def shard(self, name: str) -> Path:
        """Return the file of pixels."""
        return self.folder / name


class FilePictures(Dataset[torch.Tensor]):
    """The pictures one by one from the file, (S, S, 3)."""

    def __init__(self, pictures: Pictures) -> None:
        self._side, self._length = pictures.pictures.shape[1], len(pictures.pictures)
        self._file = (pictures.folder / "pixels").open("rb", buffering=0)

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, number: int) -> torch.Tensor:
        size = 3 * self._side**2
        data = bytearray(os.pread(self._file.fileno(), size, size * number))
        return torch.frombuffer(data, dtype=torch.uint8).view(self._side, self._side, 3)

    def batches(self, batch_rows: Sequence[Ints]) -> Iterator[dict[str, torch.Tensor]]:
        """Yield batches by torch's `DataLoader`."""
        batch_sampler = [rows.tolist() for rows in batch_rows]
        for pictures in DataLoader(self, batch_sampler=batch_sampler):
            yield {"pictures": pictures.permute(0, 3, 1, 2)}


def make_network(case: Case) -> nn.Module:
    torch.manual_seed(0)
    return HeadedNetwork(SmallCNN(case.width), HEADS)


def ours(case: Case, pictures: Pictures, folder: Path) -> float:
    """Train with `fit`; return the share of time in which the network waited for data."""
    store = SampleStore(pictures, pictures.index, RawPictures(case.side), cache_bytes=10**9)
    with store:
        rows = np.arange(case.train), np.arange(case.train, case.train + case.validation)
        train, validation = (make_examples(store, HEADS, part) for part in rows)
        run = TrainingRun(case.config, "digest", "split", torch.device("cpu"))
        training = Training(make_network(case), HeadsObjective(HEADS), train, validation, run)
        with show_progress():
            _, progress = fit(training, Checkpoints(folder / "checkpoints", "model"))
    seconds = sum(row["seconds"] for row in progress.history)
    return sum(row["wait_share"] * row["seconds"] for row in progress.history) / seconds


def from_memory(case: Case, pictures: Pictures, folder: Path) -> float:
    """Train the same without us, on batches from memory."""
    return bare(case, pictures, pictures.batches, folder)


def by_data_loader(case: Case, pictures: Pictures, folder: Path) -> float:
    """Train the same without us, on batches of torch's `DataLoader`."""
    return bare(case, pictures, FilePictures(pictures).batches, folder)


def bare(case: Case, pictures: Pictures, batches: MakeBatches, folder: Path) -> float:
    network, config = make_network(case), case.config
    optimizer = make_optimizer(network, config)
    labels = torch.from_numpy(pictures.labels)
    steps = -(-case.train // config.batch_size)
    for epoch in range(config.epochs):
        network.train()
        order = epoch_order("digest", "split", config.seed, epoch, case.train)
        total = 0.0
        batch_rows = cut_batches(order, config.batch_size)
        for step, (rows, batch) in enumerate(zip(batch_rows, batches(batch_rows), strict=True)):
            rate = learning_rate(config, epoch * steps + step, config.epochs * steps)
            for group in optimizer.param_groups:
                group["lr"] = rate * group.get("share", 1.0)
            output = network(batch)["letter"]
            loss = nn.functional.nll_loss(output, labels[torch.from_numpy(rows)])
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(network.parameters(), config.clip)
            optimizer.step()
            total += float(loss.detach()) * len(rows)
        network.eval()
        with torch.inference_mode():
            held_out = cut_batches(np.arange(case.train, len(labels)), 32)
            for rows, batch in zip(held_out, batches(held_out), strict=True):
                nn.functional.nll_loss(network(batch)["letter"], labels[rows])
        state = {"network": network.state_dict(), "optimizer": optimizer.state_dict()}
        torch.save(state, folder / f"epoch-{epoch}.pt")
    return 0.0


Loop = Callable[[Case, Pictures, Path], float]
LOOPS: tuple[Loop, ...] = (from_memory, by_data_loader, ours)


def timed(loop: Loop, case: Case, pictures: Pictures) -> tuple[float, float]:
    """Return CPU seconds and what the loop returns."""
    gc.collect()
    with tempfile.TemporaryDirectory() as folder:
        started = time.process_time()
        value = loop(case, pictures, Path(folder))
        return time.process_time() - started, value


def timed_round(number: int, case: Case, pictures: Pictures) -> list[tuple[float, float]]:
    """Time each loop once, beginning with another one each round; return them in the order of `LOOPS`."""
    places = [(number + step) % len(LOOPS) for step in range(len(LOOPS))]
    times = {place: timed(LOOPS[place], case, pictures) for place in places}
    return [times[place] for place in range(len(LOOPS))]


def measured(case: Case, rounds: int) -> str:
    """Return a row of the table."""
    with tempfile.TemporaryDirectory() as folder:
        pictures = Pictures(Path(folder), case)
        for loop in LOOPS:  # all warm
            timed(loop, case, pictures)
        results = [timed_round(n, case, pictures) for n in range(rounds * case.times_rounds)]
    memory, loader, mine = ([each[n][0] for each in results] for n in range(3))
    waiting = statistics.median(each[2][1] for each in results)
    steps = case.config.epochs * -(-case.train // case.config.batch_size)
    times = " | ".join(
        f"{1000 * statistics.median(each) / steps:.2f}" for each in (memory, loader, mine)
    )
    return (
        f"| {case.name} | {case.config.batch_size} | {times} | {more(mine, memory)} | {more(mine, loader)} "
        f"| {waiting:.1%} |"
    )


def more(mine: Sequence[float], other: Sequence[float]) -> str:
    """Return by how much `mine` is more: median of the rounds, smallest to largest."""
    ratios = [each / plain - 1 for each, plain in zip(mine, other, strict=True)]
    return f"{statistics.median(ratios):+.1%} ({min(ratios):+.1%} to {max(ratios):+.1%})"


def main() -> None:
    """Measure all cases and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for case in CASES:
        row = measured(case, options.rounds)
        print(row, flush=True)
        rows.append(row)
    text = TABLE.format(
        rows="\n".join(rows), rounds=options.rounds,
        load=os.getloadavg()[2], most=options.rounds * CASES[0].times_rounds, commit=commit(), torch=torch.__version__,
        python=platform.python_version(), cores=os.cpu_count(), goal=f"{GOAL:.0%}",
    )  # fmt: skip
    if options.output:
        options.output.write_text(text, "utf-8")


TABLE = """# The training loop beside a bare loop of torch

`python3 dev.py bench loop --output benchmarks/results/loop_2core_202611.md`, commit {commit}, Python {python},
torch {torch}, {cores} cores, one compute thread, medians of {rounds} rounds (first row: {most}), each of which begins
with another loop. The load of the machine was {load:.1f} in the last quarter of an hour; 1 is this benchmark alone.

Same network, weights, pictures, order of batches, optimizer, rates, clipping; three epochs, each with validation and
checkpoint. Times are CPU ms a step, everything included. One bare loop has all pictures in one array in memory, the
other reads them from the file by torch's `DataLoader` (no workers), as ours does by store and view. Brackets: smallest
and largest of the rounds. *Waiting* is the share of the time in which the network waited for its next batch. The goal
is {goal}.

| network | batch | bare: memory | bare: DataLoader | ours | more than memory | more than DataLoader | waiting |
| --- | --- | --- | --- | --- | --- | --- | --- |
{rows}
"""

if __name__ == "__main__":
    main()
