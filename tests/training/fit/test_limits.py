"""What ends a training early, and what leaves a part of the network alone: budget, signals, frozen epochs."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from catalog import show_progress
from tests.display import ListDisplay
from tests.training.small_training import (
    CONFIG,
    HEADS,
    ROWS,
    STEPS,
    SmallTraining,
    make_network,
    open_numbers,
    parts_of,
    weights_equal,
)
from training.data.stores.pictures import SampleStore
from training.errors import TrainingStoppedError
from training.fit.checkpoint import TrainingProgress
from training.fit.objective import HeadsObjective, natural_loss, predict
from training.fit.optimizers import learning_rate, make_average
from training.fit.training_run import TrainingRun


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SampleStore]:
    torch.set_num_threads(1)
    with open_numbers(tmp_path_factory.mktemp("numbers")) as opened:
        yield opened


@dataclass(frozen=True)
class Counting(HeadsObjective):
    """The losses of the heads; `sizes` has the number of rows of each batch."""

    step_s: float = 0.0
    sizes: list[int] = field(default_factory=list)

    def loss(self, network: Any, inputs: Any, targets: Any, weight: Any) -> torch.Tensor:
        self.sizes.append(len(weight))
        time.sleep(self.step_s)
        return super().loss(network, inputs, targets, weight)


def test_a_budget_ends_a_training_soon_and_leaves_a_model(
    store: SampleStore, tmp_path: Path
) -> None:
    config = CONFIG.changed(["epochs=100000", "patience=100000"])
    objective = Counting(HEADS, 0.01)
    training = SmallTraining(store, tmp_path, config, objective, checkpoint_s=60, budget_s=0.5)
    began = time.monotonic()
    network, progress = training.fit()
    # Validation and checkpoints count, too. The first epoch may be slow on a busy machine, and the clock of the
    # progress is read some milliseconds before that of the budget.
    assert 0.4 <= progress.clock_s <= time.monotonic() - began
    assert progress.clock_s < 0.5 + 2 * (progress.clock_s / progress.epoch) + 2
    assert len(objective.sizes) <= STEPS + 0.5 / 0.01, "no step is begun after the end"
    assert 1 <= progress.epoch < config.epochs
    _, held_out = parts_of(store)
    run = TrainingRun(config, "digest", "split", torch.device("cpu"))
    loss = natural_loss(HEADS, predict(network, HEADS, held_out, run), held_out.truth)
    assert loss == pytest.approx(progress.best_loss, abs=1e-9)
    rates = [row["learning_rate"] for row in progress.history[1:]]  # the first is warmed up
    assert rates == sorted(rates, reverse=True), (
        "the schedule ends with the budget, not after 100,000 epochs"
    )
    assert len(set(rates)) == len(rates)
    n_steps = len(objective.sizes)
    again, _ = training.fit(seed=5)
    assert len(objective.sizes) == n_steps, "a spent budget is not spent again"
    assert weights_equal(again, network)


class TotalsDisplay(ListDisplay):
    """Keep the totals that the bar was given."""

    def __init__(self) -> None:
        super().__init__()
        self.totals: list[float] = []

    def update(self, task_id: int, changed: Mapping[str, Any], fields: Any) -> None:
        super().update(task_id, changed, fields)
        self.totals += [changed["total"]] if "total" in changed else []


def test_the_bar_counts_the_steps_until_the_budget_ends(store: SampleStore, tmp_path: Path) -> None:
    config, objective = CONFIG.changed(["epochs=100000", "patience=100000"]), Counting(HEADS, 0.01)
    display = TotalsDisplay()
    with show_progress(display):
        SmallTraining(store, tmp_path, config, objective, checkpoint_s=60, budget_s=0.5).fit()
    assert min(display.totals) >= STEPS
    assert len(objective.sizes) <= display.totals[-1] < config.epochs * STEPS / 10
    endless = TotalsDisplay()
    with show_progress(endless):
        SmallTraining(store, tmp_path / "endless").fit()
    assert not endless.totals


def cut_epoch(
    store: SampleStore, folder: Path, objective: Counting
) -> tuple[TrainingProgress, Counting]:
    """End a training by its budget inside the second epoch: the second step of it takes longer than the budget."""
    slow_step = STEPS + 2

    @dataclass(frozen=True)
    class Slow(Counting):
        def loss(self, *arguments: Any) -> torch.Tensor:
            loss = objective.loss(*arguments)
            time.sleep(1.2 if len(objective.sizes) == slow_step else 0)
            return loss

    training = SmallTraining(store, folder, CONFIG, Slow(HEADS), checkpoint_s=60, budget_s=1)
    _, progress = training.fit()
    assert progress.epoch <= 2
    return progress, objective


def test_a_budget_counts_only_the_pictures_that_were_trained_on(
    store: SampleStore, tmp_path: Path
) -> None:
    progress, objective = cut_epoch(store, tmp_path, Counting(HEADS))
    assert progress.examples_seen == sum(objective.sizes)
    assert progress.history[-1]["examples_seen"] == sum(objective.sizes)


def test_the_loss_of_an_epoch_that_a_budget_cut_is_that_of_its_pictures(
    store: SampleStore, tmp_path: Path
) -> None:
    class Constant(Counting):
        def loss(self, *arguments: Any) -> torch.Tensor:
            return super().loss(*arguments) * 0 + 3

    progress, _ = cut_epoch(store, tmp_path, Constant(HEADS))
    assert [row["train_loss"] for row in progress.history] == pytest.approx([3.0] * progress.epoch)


def test_the_first_epoch_is_finished_whatever_the_budget(
    store: SampleStore, tmp_path: Path
) -> None:
    objective = Counting(HEADS)
    _, progress = SmallTraining(store, tmp_path, CONFIG, objective, budget_s=1e-9).fit()
    assert (progress.epoch, sum(objective.sizes)) == (1, ROWS)


@dataclass(frozen=True)
class Stopping(Counting):
    """Send SIGTERM to this process in the first step."""

    def loss(self, *arguments: Any) -> torch.Tensor:
        if not self.sizes:
            os.kill(os.getpid(), signal.SIGTERM)
        return super().loss(*arguments)


@pytest.mark.parametrize("options", [["batch_size=8"], ["batch_size=64"], ["accumulate=99"]])
def test_a_signal_ends_a_training_also_where_an_epoch_has_no_step_to_stop_after(
    store: SampleStore, tmp_path: Path, options: list[str]
) -> None:
    config = CONFIG.changed(options)
    expected, _ = SmallTraining(store, tmp_path / "whole", config).fit()
    before = signal.getsignal(signal.SIGTERM)
    objective = Stopping(HEADS)
    with pytest.raises(TrainingStoppedError, match="the same command continues it"):
        SmallTraining(store, tmp_path / "stopped", config, objective, checkpoint_s=60).fit()
    assert sum(objective.sizes) <= ROWS, "it ends within the epoch or at its end"
    assert signal.getsignal(signal.SIGTERM) is before
    network, _ = SmallTraining(store, tmp_path / "stopped", config).fit(seed=7)
    assert weights_equal(network, expected)


def test_frozen_epochs_leave_the_parameters_of_the_backbone_alone(
    store: SampleStore, tmp_path: Path
) -> None:
    for epochs, freeze in ((2, 2), (3, 2)):
        config = CONFIG.changed([f"epochs={epochs}", f"freeze_epochs={freeze}"])
        network, progress = SmallTraining(store, tmp_path / str(epochs), config).fit()
        assert progress.best_epoch == epochs, "the last epoch is compared"
        before = dict(make_network().named_parameters())
        changed = {
            name.partition(".")[0]
            for name, value in network.named_parameters()
            if not torch.equal(value, before[name])
        }
        assert changed == {"heads"} | ({"backbone"} if epochs > freeze else set())


def test_a_backbone_with_a_smaller_rate_moves_less(store: SampleStore, tmp_path: Path) -> None:
    moved = []
    for rate in (1.0, 0.01):
        options = [f"backbone_rate={rate}", "epochs=1", "optimizer=sgd", "weight_decay=0"]
        network, _ = SmallTraining(store, tmp_path / str(rate), CONFIG.changed(options)).fit()
        before = dict(make_network().backbone.named_parameters())  # type: ignore[union-attr]  # a module
        layer = network.state_dict()["backbone.layers.0.weight"]
        moved.append(float((layer - before["layers.0.weight"].detach()).norm()))
    assert 0 < moved[1] < 0.1 * moved[0]


def test_what_a_network_froze_itself_stays_frozen_after_frozen_epochs(
    store: SampleStore, tmp_path: Path
) -> None:
    from training.fit.checkpoint import Checkpoints
    from training.fit.trainer import Training, fit

    config = CONFIG.changed(["freeze_epochs=1"])
    network = make_network()
    first: nn.Module = network.backbone.layers[0]  # type: ignore[union-attr, index, assignment]  # modules
    first.requires_grad_(requires_grad=False)
    run = TrainingRun(config, "digest", "split", torch.device("cpu"))
    training = Training(network, HeadsObjective(HEADS), *parts_of(store), run)
    trained, _ = fit(training, Checkpoints(tmp_path, "model"))
    frozen = {name for name, p in trained.named_parameters() if not p.requires_grad}
    assert frozen == {"backbone.layers.0.weight", "backbone.layers.0.bias"}


def test_the_average_of_the_weights_is_what_is_validated_and_returned(
    store: SampleStore, tmp_path: Path
) -> None:
    plain, averaged = (
        SmallTraining(store, tmp_path / str(decay), CONFIG.changed([f"ema={decay}"])).fit()
        for decay in (0.0, 0.9)
    )
    assert not weights_equal(plain[0], averaged[0])
    assert [r["train_loss"] for r in plain[1].history] == [
        r["train_loss"] for r in averaged[1].history
    ], "the average does not change what is trained"
    _, held_out = parts_of(store)
    run = TrainingRun(CONFIG, "digest", "split", torch.device("cpu"))
    loss = natural_loss(HEADS, predict(averaged[0], HEADS, held_out, run), held_out.truth)
    assert loss == pytest.approx(averaged[1].best_loss, abs=1e-9)


@pytest.mark.parametrize("steps", [5, 40, 300])
def test_the_average_of_the_weights_soon_forgets_the_first_ones(steps: int) -> None:
    """Weights jump from 0 to 1 after the first step; torch's own rule with this decay ends at 0.02, 0.18 and 0.78."""
    network = nn.Linear(1, 1, bias=False)
    average = make_average(network, 0.995)
    for step in range(steps + 1):
        with torch.no_grad():
            network.weight.fill_(float(step > 0))
        average.update_parameters(network)
    plain = 1 - 0.995**steps
    assert average.module.weight.item() > max(plain, 0.99)


def test_the_plateau_schedule_falls_only_where_validation_no_longer_improves(
    store: SampleStore, tmp_path: Path
) -> None:
    @dataclass(frozen=True)
    class Validated(HeadsObjective):
        losses: tuple[float, ...] = (5, 4, 4, 4, 3, 3, 3, 3)
        count: list[None] = field(default_factory=list)

        def validation_loss(self, *_: Any) -> float:
            self.count.append(None)
            return self.losses[len(self.count) - 1]

    options = ["schedule=plateau", "decay=0.5", "decay_epochs=2", "epochs=8", "warm_up_steps=1"]
    config = CONFIG.changed(options)
    _, progress = SmallTraining(store, tmp_path, config, Validated(HEADS)).fit()
    rates = [row["learning_rate"] / config.learning_rate for row in progress.history]
    assert rates == [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25]


def test_schedules_begin_warm_and_end_low() -> None:
    for schedule in ("cosine", "constant", "step", "one_cycle"):
        config = CONFIG.changed([
            f"schedule={schedule}", "epochs=20", "decay_epochs=5", "warm_up_steps=4", "learning_rate=1",
        ])  # fmt: skip
        rates = [learning_rate(config, step, 100) for step in range(100)]
        assert rates[0] < rates[3] if schedule != "step" else rates[0] == 0.25
        assert max(rates) <= 1
        end = {"cosine": 0.001, "constant": 1.0, "step": 0.001, "one_cycle": 0.01}[schedule]
        assert rates[-1] <= end * 1.001
        half = learning_rate(config, 0, 100, share_done=0.9)
        assert half <= learning_rate(config, 90, 100)
    config = CONFIG.changed(["schedule=step", "epochs=20", "decay_epochs=5", "warm_up_steps=1"])
    rates = [learning_rate(config, step, 20) / config.learning_rate for step in (0, 4, 5, 10, 19)]
    assert rates == pytest.approx([1, 1, 0.1, 0.01, 0.001])
    cold = CONFIG.changed(["warm_up_steps=0", "schedule=constant"])
    assert learning_rate(cold, 0, 10) == cold.learning_rate


def test_the_weights_of_the_last_epoch_are_used_where_they_are_asked_for(
    store: SampleStore, tmp_path: Path
) -> None:
    config = replace(CONFIG, select="last", learning_rate=0.3)
    _, progress = SmallTraining(store, tmp_path / "last", config).fit()
    losses = [row["validation_loss"] for row in progress.history]
    assert progress.best_epoch == len(losses) == CONFIG.epochs
    assert progress.best_loss == losses[-1]
    _, best = SmallTraining(store, tmp_path / "best", replace(config, select="best")).fit()
    assert best.best_loss == min(losses)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")
def test_memory_stays_below_the_set_of_pictures(tmp_path: Path) -> None:
    def grown(cache_mb: int) -> tuple[float, float]:
        folder = tmp_path / str(cache_mb)
        folder.mkdir()
        module = "tests.training.fit.trained_in_little_memory"
        words = [sys.executable, "-m", module, str(folder), "300", str(cache_mb)]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        more, whole = (float(word) for word in done.stdout.split())
        return more, whole

    more, whole = grown(cache_mb=40)
    assert whole > 140
    assert more < 60
    kept, _ = grown(cache_mb=1000)
    assert kept > 0.8 * whole, "what the limit saves"
