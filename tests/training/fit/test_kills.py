"""A training that is killed at any step ends, after it is begun again, with the weights of an uninterrupted one."""

import itertools
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training.small_training import (
    CONFIG,
    HEADS,
    ROWS,
    STEPS,
    SmallTraining,
    losses_of,
    make_network,
    open_numbers,
    weights_equal,
)
from training.data.stores.pictures import SampleStore
from training.fit.config import Config
from training.fit.objective import HeadsObjective
from training.fit.optimizers import OPTIMIZERS, SCHEDULES

EVERYTHING = ("ema=0.9", "accumulate=2", "epochs=4", "freeze_epochs=1", "backbone_rate=0.5")


class KilledError(Exception):
    """As if the process had ended."""


@dataclass(frozen=True)
class Killing(HeadsObjective):
    """The losses of the heads, until the training has done so many steps."""

    steps: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "count", itertools.count())

    count: Any = None

    def loss(self, *arguments: Any) -> torch.Tensor:
        if next(self.count) >= self.steps:
            raise KilledError
        return super().loss(*arguments)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory):
    torch.set_num_threads(1)
    with open_numbers(tmp_path_factory.mktemp("numbers")) as opened:
        yield opened


def killed_after(store: SampleStore, folder: Path, config: Config, steps: int) -> None:
    with pytest.raises(KilledError):
        SmallTraining(store, folder, config, Killing(HEADS, steps)).fit()


def assert_resumes(store: SampleStore, folder: Path, config: Config, kills: list[int]) -> None:
    """Kill a training after each number of steps, then let it end: nothing may differ but the time it took."""
    expected, progress = SmallTraining(store, folder / "whole", config).fit()
    for number, steps in enumerate(kills):
        again = folder / f"killed {number}"
        killed_after(store, again, config, steps)
        network, resumed = SmallTraining(store, again, config).fit(other_seed(again, number))
        assert weights_equal(network, expected), steps
        assert losses_of(resumed) == losses_of(progress)


def other_seed(folder: Path, number: int) -> int:
    """Return another seed than the first, so that what is not read from the checkpoint is wrong."""
    return 100 + number if list(folder.glob("*-*")) else 0


def test_twenty_kills_at_random_steps_change_no_bit(store: SampleStore, tmp_path: Path) -> None:
    config = CONFIG.changed(EVERYTHING)
    kills = random.Random(0).choices(range(STEPS * config.epochs), k=20)
    assert_resumes(store, tmp_path, config, kills)


def test_a_training_that_is_killed_again_and_again_ends_the_same(
    store: SampleStore, tmp_path: Path
) -> None:
    config = CONFIG.changed(EVERYTHING)
    expected, _ = SmallTraining(store, tmp_path / "whole", config).fit()
    rng, folder = random.Random(1), tmp_path / "killed"
    for kill in range(100):
        objective = Killing(HEADS, rng.randint(2, 4))
        try:
            network, _ = SmallTraining(store, folder, config, objective).fit(
                other_seed(folder, kill)
            )
            break
        except KilledError:
            continue
    assert kill >= 5
    assert weights_equal(network, expected)


@dataclass(frozen=True)
class Counting(Killing):
    """Also counts the rows of each batch."""

    sizes: list[int] = field(default_factory=list)

    def loss(self, *arguments: Any) -> torch.Tensor:
        loss = super().loss(*arguments)
        self.sizes.append(len(arguments[3]))
        return loss


def test_the_counter_of_examples_survives_three_resumes(store: SampleStore, tmp_path: Path) -> None:
    config, sizes = CONFIG.changed(["epochs=4"]), list[int]()
    for steps in (7, 5, 4):
        with pytest.raises(KilledError):
            SmallTraining(store, tmp_path, config, Counting(HEADS, steps, sizes=sizes)).fit()
        newest = max(tmp_path.rglob("state.pt"), key=lambda path: path.stat().st_mtime_ns)
        saved = torch.load(newest, weights_only=True)["progress"]
        assert saved["examples_seen"] == ROWS * saved["epoch"]  # and `step` batches of the next
        assert saved["epoch"] * STEPS + saved["step"] == len(sizes)
    last = SmallTraining(store, tmp_path, config, Counting(HEADS, 100, sizes=sizes))
    _, progress = last.fit()
    assert len(sizes) == STEPS * config.epochs
    assert progress.examples_seen == sum(sizes) == ROWS * config.epochs
    assert [row["examples_seen"] for row in progress.history] == [ROWS * n for n in (1, 2, 3, 4)]


@pytest.mark.parametrize("optimizer", list(OPTIMIZERS))
def test_every_optimizer_continues_exactly(
    store: SampleStore, tmp_path: Path, optimizer: str
) -> None:
    options = [f"optimizer={optimizer}", "learning_rate=1e-3", *EVERYTHING]
    assert_resumes(store, tmp_path, CONFIG.changed(options), [3, 14])


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_schedule_continues_exactly(
    store: SampleStore, tmp_path: Path, schedule: str
) -> None:
    options = [f"schedule={schedule}", "decay_epochs=1", "learning_rate=0.3", "epochs=4"]
    assert_resumes(store, tmp_path, CONFIG.changed(options), [3, 17])


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("cache_bytes", [0, 10**6])
def test_the_number_of_decoding_threads_changes_no_loss(
    store: SampleStore, tmp_path: Path, threads: int, cache_bytes: int
) -> None:
    expected, progress = SmallTraining(store, tmp_path / "one").fit()
    with open_numbers(tmp_path, threads, cache_bytes) as other:
        network, again = SmallTraining(other, tmp_path / "other").fit()
    assert losses_of(again) == losses_of(progress)
    assert weights_equal(network, expected)


def test_without_a_kill_a_checkpoint_within_an_epoch_changes_nothing(
    store: SampleStore, tmp_path: Path
) -> None:
    often, rarely = (
        SmallTraining(store, tmp_path / str(each), checkpoint_s=each).fit() for each in (0.0, 60.0)
    )
    assert weights_equal(often[0], rarely[0])
    assert losses_of(often[1]) == losses_of(rarely[1])


def test_accumulated_batches_equal_one_larger_batch(store: SampleStore, tmp_path: Path) -> None:
    """Without dropout, batch norm and labels that are missing, two batches of four are one of eight."""

    class Plain(HeadsObjective):
        def loss(self, network: Any, inputs: Any, targets: Any, weight: Any) -> torch.Tensor:
            network.eval()
            full = {"kind": targets["kind"].clamp_min(0), "amount": targets["amount"].nan_to_num()}
            return super().loss(network, inputs, full, torch.ones_like(weight))

    one, other = (
        SmallTraining(
            store, tmp_path / name, CONFIG.changed([*options, "optimizer=sgd"]), Plain(HEADS)
        ).fit()[0]
        for name, options in {
            "one": ["batch_size=12", "warm_up_steps=1", "schedule=constant"],
            "other": ["batch_size=6", "accumulate=2", "warm_up_steps=1", "schedule=constant"],
        }.items()
    )
    for name, weights in one.state_dict().items():
        torch.testing.assert_close(weights, other.state_dict()[name])
    assert not weights_equal(one, make_network())


CHILD = """
import sys
from dataclasses import dataclass, field
from pathlib import Path
import time
import torch
from tests.training.small_training import CONFIG, HEADS, SmallTraining, open_numbers
from training.fit.objective import HeadsObjective

@dataclass(frozen=True)
class Slow(HeadsObjective):
    def loss(self, *arguments):
        time.sleep(0.03)
        return super().loss(*arguments)

torch.set_num_threads(1)
folder = Path(sys.argv[1])
with open_numbers(folder) as store:
    config = CONFIG.changed(sys.argv[3:])
    print("begun", flush=True)
    network, _ = SmallTraining(store, folder / "model", config, Slow(HEADS)).fit(int(sys.argv[2]))
torch.save(network.state_dict(), folder / "weights.pt")
"""


def begin(folder: Path, seed: int, config: tuple[str, ...]) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", CHILD, str(folder), str(seed), *config]
    child = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "begun\n"
    return child


def wait_for_steps(folder: Path, child: subprocess.Popen[str], more: int = 2) -> None:
    """Wait until the child has written some more checkpoints than there were."""
    seen: set[str] = set()
    before = {path.name for path in (folder / "model").glob("*-*")}
    while len(seen - before) < more and child.poll() is None:
        seen |= {path.name for path in (folder / "model").glob("*-*")}
        time.sleep(0.002)


@pytest.mark.slow
def test_a_process_that_is_stopped_or_killed_continues_exactly(
    store: SampleStore, tmp_path: Path
) -> None:
    config = CONFIG.changed(EVERYTHING)
    expected, _ = SmallTraining(store, tmp_path / "whole", config).fit()
    signals = [signal.SIGTERM, signal.SIGKILL, signal.SIGKILL, signal.SIGKILL]
    for kill, number in enumerate(signals):
        child = begin(tmp_path, other_seed(tmp_path / "model", kill), EVERYTHING)
        wait_for_steps(tmp_path, child)
        child.send_signal(number)
        _, errors = child.communicate(timeout=60)
        assert child.returncode != 0
        if number == signal.SIGTERM:
            assert "TrainingStoppedError" in errors
            assert any((tmp_path / "model").glob("step-*")), "it stopped inside an epoch"
    child = begin(tmp_path, 9, EVERYTHING)
    _, errors = child.communicate(timeout=60)
    assert child.returncode == 0, errors
    expected_state = expected.state_dict()
    weights = torch.load(tmp_path / "weights.pt", weights_only=True)
    assert weights.keys() == expected_state.keys()
    assert all(torch.equal(weights[name], expected_state[name]) for name in weights)
