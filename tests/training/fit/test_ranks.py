"""Two processes that train together end with the weights of one."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.training.small_training import (
    CONFIG,
    SmallTraining,
    losses_of,
    make_network,
    open_numbers,
    weights_equal,
)
from training.fit.ranks import Ranks, joined, this_rank

CHILD = """
import os, signal, sys, time
from pathlib import Path
import torch
from tests.training.fit.test_ranks import Even
from tests.training.small_training import CONFIG, HEADS, SmallTraining, open_numbers
from training.errors import TrainingStoppedError
from training.fit.ranks import joined

torch.set_num_threads(1)
folder, told = Path(sys.argv[1]), os.environ.get("TOLD_TO_STOP") == os.environ["RANK"]

class Slow(Even):
    def loss(self, *arguments):
        if told and self.steps == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        self.steps += 1
        return super().loss(*arguments)

own = folder / os.environ["RANK"]
own.mkdir(exist_ok=True)
with joined() as ranks, open_numbers(own) as store:
    training = SmallTraining(store, folder / "model", CONFIG.changed(sys.argv[2:]), Slow(), 60.0)
    try:
        network, progress = training.fit()
    except TrainingStoppedError:
        print("stopped", flush=True)
        sys.exit()
torch.save(network.state_dict(), folder / f"weights {ranks.rank}.pt")
torch.save([row["train_loss"] for row in progress.history], folder / f"losses {ranks.rank}.pt")
"""


class Even:
    """The losses of the heads without dropout and batch statistics, with weights and missing labels."""

    def __init__(self) -> None:
        from tests.training.small_training import HEADS
        from training.fit.objective import HeadsObjective

        self.heads, self.steps = HeadsObjective(HEADS), 0

    def loss(self, network: Any, *arguments: Any) -> torch.Tensor:
        network.eval()
        return self.heads.loss(network, *arguments)

    def validation_loss(self, *arguments: Any) -> float:
        return self.heads.validation_loss(*arguments)


def start_two(folder: Path, *options: str, **more: str) -> list["subprocess.Popen[str]"]:
    """Start two children with the variables that `torchrun` sets."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    common = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, **more}
    return [
        subprocess.Popen(
            [sys.executable, "-c", CHILD, str(folder), *options],
            env={**os.environ, **common, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]


def end(children: list["subprocess.Popen[str]"]) -> list[str]:
    results = [child.communicate(timeout=90) for child in children]
    for child, (_, errors) in zip(children, results, strict=True):
        assert child.returncode == 0, errors
    return [output.strip() for output, _ in results]


OPTIONS = ("ema=0.9", "accumulate=2", "epochs=4")


@pytest.mark.long
def test_two_processes_learn_what_one_does_also_after_a_stop(tmp_path: Path) -> None:
    with open_numbers(tmp_path) as store:
        expected, progress = SmallTraining(
            store, tmp_path / "one", CONFIG.changed(OPTIONS), Even()
        ).fit()
    # One of the two is told to stop in the fourth step: both end there, and go on when they are started again.
    assert end(start_two(tmp_path, *OPTIONS, TOLD_TO_STOP="1")) == ["stopped", "stopped"]
    assert len(list((tmp_path / "model").glob("step-*"))) == 1
    assert end(start_two(tmp_path, *OPTIONS)) == ["", ""]
    states = [torch.load(tmp_path / f"weights {rank}.pt") for rank in range(2)]
    for name, weights in expected.state_dict().items():
        assert torch.equal(states[0][name], states[1][name])
        torch.testing.assert_close(states[0][name], weights)
    assert not weights_equal(expected, make_network())
    losses = torch.load(tmp_path / "losses 1.pt")
    assert losses == pytest.approx([row[0] for row in losses_of(progress)], rel=1e-5)


def test_every_row_is_in_one_rank_and_a_small_batch_in_all() -> None:
    for size in (2, 3):
        for n in range(1, 30):
            parts = [Ranks(rank, size).part(np.arange(n)) for rank in range(size)]
            assert min(map(len, parts)) >= min(2, n)
            rows = sorted(row for part in parts for row in part)
            is_whole = n < 2 * size
            assert rows == sorted([*range(n)] * (size if is_whole else 1))


def test_one_process_joins_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with joined() as ranks:
        assert ranks == this_rank() == Ranks()
        assert ranks.mean_loss(0.5, stop=True) == (0.5, True)
