"""The training loop: a checkpoint an epoch and between, exact resume, one bar over the whole run."""

import logging
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from types import FrameType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.optim.swa_utils import AveragedModel

from catalog import ProgressTask, progress_task
from training.data.arrays import Arrays
from training.data.batches.in_advance import in_advance
from training.data.sampling.seeds import RowRngs, cut_batches, derive_seed, epoch_order
from training.data.transforms.device_batch import DeviceAugmentation
from training.errors import DivergedError, TrainingStoppedError
from training.fit.checkpoint import Checkpoints, TrainingProgress, TrainingState
from training.fit.config import Config
from training.fit.examples import Examples
from training.fit.loss_curve import add_step
from training.fit.objective import to_device
from training.fit.optimizers import learning_rate, make_average, make_optimizer
from training.fit.ranks import this_rank
from training.fit.recipe import BatchSampler, Objective
from training.fit.run_log import FILE, RunLog
from training.fit.training_run import TrainingRun

log = logging.getLogger(__name__)

SHOW_S = 0.2  # at least, between two changes of the bar
FIXED_EPOCH = -1  # epoch number of the validation views, which are the same in every epoch


@dataclass(frozen=True)
class Training:
    """Everything that one training uses."""

    network: nn.Module
    objective: Objective
    train: Examples
    validation: Examples
    run: TrainingRun
    initialise: Callable[[nn.Module, Examples, TrainingRun], None] | None = None
    batches: BatchSampler | None = None


def fit(training: Training, checkpoints: Checkpoints) -> tuple[nn.Module, TrainingProgress]:
    """Train until the last epoch, the end of patience or of the budget; return the network of the best epoch.

    A training that was killed continues from its newest checkpoint, and on the CPU ends with the same weights. SIGTERM
    writes a checkpoint and raises TrainingStoppedError.
    """
    config = training.run.config
    state = make_state(training.network, config)
    progress = checkpoints.restore(state)
    if training.initialise and not (progress.epoch or progress.step):
        training.initialise(training.network, training.train, training.run)
    steps = len(_epoch_batches(training, 0))
    total = config.epochs * steps
    with progress_task(training.run.policy, total, "steps") as bar, _Stop() as stop:
        bar.update(completed=progress.epoch * steps + progress.step)
        loop = _Loop(training, state, progress, checkpoints, bar, stop)
        while not loop.is_finished():
            loop.train_epoch()
    if not progress.best_epoch:
        raise DivergedError
    this_rank().wait()  # the last checkpoint is written
    checkpoints.load_best(state, progress.best_epoch)
    best = state.best
    return best.module if isinstance(best, AveragedModel) else best, progress


def make_state(network: nn.Module, config: Config) -> TrainingState:
    """Build the optimizer, and the average of the weights where the configuration asks for one."""
    average = make_average(network, config.ema) if config.ema else None
    return TrainingState(network, make_optimizer(network, config), average)


def view_batches(
    examples: Examples, batch_rows: Sequence[NDArray[np.int64]], seed: int, epoch: int
) -> Iterator[Arrays]:
    """Yield the batches of an epoch in order; the next one is prepared while the network processes this one.

    `batch_rows` are positions in `examples`. In `FIXED_EPOCH` the view is that of validation.
    """
    store = examples.store
    change = store.view.fixed if epoch == FIXED_EPOCH else store.view.augment
    stream = store.stream([examples.rows[cut] for cut in batch_rows])
    yield from in_advance(
        partial(change, samples, RowRngs(seed, epoch, store.shas, rows)) for rows, samples in stream
    )


def _epoch_batches(training: Training, epoch: int) -> list[NDArray[np.int64]]:
    run = training.run
    if training.batches is not None:
        seed = derive_seed("batches", run.digest, run.policy, run.config.seed, epoch)
        return training.batches(training.train, run.config, np.random.default_rng(seed))
    order = epoch_order(run.digest, run.policy, run.config.seed, epoch, len(training.train))
    return cut_batches(order, run.config.batch_size)


class _Stop:
    """Remember SIGTERM until the running step is done; elsewhere than in the main thread it does nothing."""

    def __init__(self) -> None:
        self.is_set = False
        self._before: Any = None

    def __enter__(self) -> "_Stop":
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGTERM, self._set)
        return self

    def __exit__(self, *error: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGTERM, self._before)

    def _set(self, _number: int, _frame: FrameType | None) -> None:
        self.is_set = True


class _Loop:
    """The epochs of one training; all of its state is in `progress` and in the checkpoint."""

    def __init__(
        self,
        training: Training,
        state: TrainingState,
        progress: TrainingProgress,
        checkpoints: Checkpoints,
        bar: ProgressTask,
        stop: _Stop,
    ) -> None:
        self._training, self._state, self._progress = training, state, progress
        self._checkpoints, self._bar, self._stop = checkpoints, bar, stop
        self._ranks = this_rank()
        self._saved_at = self._shown_at = time.monotonic()
        self._began_at = self._saved_at - progress.clock_s
        self._rate = 0.0
        self._seen = [0]  # pictures of the epoch after each number of steps
        self._device_augment = DeviceAugmentation.parse(training.run.config.device_augment)
        self._log = RunLog(checkpoints.folder.parent / FILE)
        backbone = getattr(training.network, "backbone", None)
        inside = backbone.parameters() if isinstance(backbone, nn.Module) else ()
        self._trained_backbone = [each for each in inside if each.requires_grad]

    def is_finished(self) -> bool:
        """Whether the epochs, the patience or the budget have ended; the first epoch is always finished."""
        progress, config = self._progress, self._training.run.config
        stale = progress.epoch - progress.best_epoch
        return (
            progress.epoch >= config.epochs
            or stale >= config.patience
            or (progress.epoch > 0 and self._budget_share() >= 1)
        )

    def train_epoch(self) -> None:
        """Train what is left of the epoch, validate, and write a checkpoint."""
        training, progress = self._training, self._progress
        self._set_frozen()
        batch_rows = _epoch_batches(training, progress.epoch)
        training.network.train()
        n_pictures = self._train_steps(batch_rows)
        progress.step = 0
        state = self._state
        self._ranks.mean_buffers(state.network)
        if state.average is not None:
            self._ranks.mean_buffers(state.average)
        validation = training.objective.validation_loss(
            state.best, training.validation, training.run
        )
        self._record(self._ranks.of_first(validation), n_pictures)
        self._save()
        log.info(_epoch_line(training.run, progress))
        _, self._stop.is_set = self._ranks.mean_loss(0.0, stop=self._stop.is_set)
        self._stop_if_set()

    def _train_steps(self, batch_rows: Sequence[NDArray[np.int64]]) -> int:
        """Train the steps that are left, until the budget ends; return how many pictures the epoch has trained on."""
        training, progress, config = self._training, self._progress, self._training.run.config
        self._seen = [0, *accumulate(len(rows) for rows in batch_rows)]
        left = batch_rows[progress.step :]
        ours = [self._ranks.part(rows) for rows in left]
        batches = view_batches(training.train, ours, config.seed, progress.epoch)
        for all_rows, rows, arrays in zip(left, ours, _timed(batches, progress), strict=True):
            is_last = progress.step + 1 == len(batch_rows)
            self._set_rate(len(batch_rows))
            loss = self._step(rows, arrays, is_last=is_last)
            loss, self._stop.is_set = self._ranks.mean_loss(loss, stop=self._stop.is_set)
            progress.loss_sum += loss * len(all_rows)
            progress.step += 1
            self._add_to_curve(loss, len(batch_rows))
            is_over = progress.epoch > 0 and self._budget_share() >= 1
            self._show(len(batch_rows), at_once=is_last or is_over)
            self._save_between(is_last=is_last)
            if is_over:
                break
        return self._seen[progress.step]

    def _add_to_curve(self, loss: float, steps: int) -> None:
        """Keep the loss of a step, and measure that of the next batch of validation where it is its turn."""
        progress, run = self._progress, self._training.run
        every, done = run.config.validate_every, progress.epoch * steps + progress.step
        validation = None
        if every and done % every == 0:
            part = self._training.validation.batch(done // every - 1, run.config.batch_size)
            validation = self._training.objective.validation_loss(self._state.best, part, run)
            self._training.network.train()
            if self._ranks.is_first:
                record = {"epoch": progress.epoch + 1, "place": done, "loss": validation}
                self._log.write("validation", {**self._place(), **record})
        add_step(progress.curve, done / steps, loss, validation)

    def _step(self, rows: NDArray[np.int64], arrays: Arrays, *, is_last: bool) -> float:
        training, config = self._training, self._training.run.config
        device = training.run.device
        inputs = to_device(arrays, device)
        if self._device_augment is not None:
            shas = [training.train.store.shas[row] for row in training.train.rows[rows]]
            change = self._device_augment.change_inputs
            inputs = change(inputs, config.seed, self._progress.epoch, shas)
        targets = _targets(training.train.targets, rows, device)
        weight = torch.from_numpy(training.train.weight[rows]).float().to(device)
        loss = training.objective.loss(training.network, inputs, targets, weight)
        optimizer = self._state.optimizer
        if self._progress.step % config.accumulate == 0:
            optimizer.zero_grad()
        torch.autograd.backward(loss / config.accumulate if config.accumulate > 1 else loss)
        if is_last or (self._progress.step + 1) % config.accumulate == 0:
            self._ranks.mean_gradients(training.network)
            nn.utils.clip_grad_norm_(training.network.parameters(), config.clip)
            optimizer.step()
            if isinstance(self._state.average, AveragedModel):
                self._state.average.update_parameters(training.network)
        return float(loss.detach())

    def _set_rate(self, steps_of_epoch: int) -> None:
        progress, config = self._progress, self._training.run.config
        step, total = (
            progress.epoch * steps_of_epoch + progress.step,
            config.epochs * steps_of_epoch,
        )
        share = self._budget_share()
        self._rate = learning_rate(config, step, total, share_done=share, drops=progress.drops)
        for group in self._state.optimizer.param_groups:
            group["lr"] = self._rate * group.get("share", 1.0)

    def _set_frozen(self) -> None:
        is_trained = self._progress.epoch >= self._training.run.config.freeze_epochs
        for parameter in self._trained_backbone:
            parameter.requires_grad_(is_trained)

    def _budget_share(self) -> float:
        return self._ranks.of_first(self._own_share()) if self._training.run.budget_s else 0.0

    def _own_share(self) -> float:
        """Return the share of a budget that is spent by the clock of this rank."""
        return min(1.0, (time.monotonic() - self._began_at) / self._training.run.budget_s)

    def _save_between(self, *, is_last: bool) -> None:
        """Write a checkpoint inside an epoch, only where no gradient is being accumulated."""
        is_whole = self._progress.step % self._training.run.config.accumulate == 0
        if is_last or not is_whole:
            return
        is_due = time.monotonic() - self._saved_at >= self._training.run.checkpoint_s
        if is_due or self._stop.is_set:
            self._save()
        self._stop_if_set()

    def _stop_if_set(self) -> None:
        """Raise TrainingStoppedError after SIGTERM; the state has just been saved."""
        if self._stop.is_set:
            raise TrainingStoppedError

    def _save(self) -> None:
        self._progress.clock_s = time.monotonic() - self._began_at
        if self._ranks.is_first:
            self._checkpoints.save(self._state, self._progress)
        self._saved_at = time.monotonic()

    def _record(self, validation_loss: float, n: int) -> None:
        progress, config = self._progress, self._training.run.config
        progress.epoch += 1
        progress.examples_seen += n
        takes_last = config.select == "last" and math.isfinite(validation_loss)
        if takes_last or validation_loss < progress.best_loss:
            progress.best_loss, progress.best_epoch = validation_loss, progress.epoch
        elif (progress.epoch - progress.best_epoch) % config.decay_epochs == 0:
            progress.drops += 1
        row = {
            "epoch": progress.epoch,
            "train_loss": progress.loss_sum / n,
            "validation_loss": validation_loss,
            "learning_rate": self._rate,
            "seconds": progress.seconds,
            "examples_seen": progress.examples_seen,
            "examples_per_s": n / max(progress.seconds, 1e-9),
            "wait_share": progress.waited / max(progress.seconds, 1e-9),
        }
        progress.history.append(row)
        if self._ranks.is_first:
            self._log.write("epoch", {**self._place(), **row})
        progress.total_seconds += progress.seconds
        progress.loss_sum = progress.seconds = progress.waited = 0.0
        self._bar.update(
            fields={name: row[name] for name in ("epoch", "train_loss", "validation_loss")}
        )

    def _show(self, steps: int, *, at_once: bool) -> None:
        """Bring bar and log up to date, at most a few times a second unless `at_once`; ranks do it when they like."""
        now = time.monotonic()
        if at_once or now - self._shown_at >= SHOW_S:
            self._shown_at = now
            self._describe(steps)
            self._write_step(steps)

    def _describe(self, steps: int) -> None:
        progress, run = self._progress, self._training.run
        losses = progress.losses(progress.loss_sum / self._seen[progress.step])
        title = f"{run.policy}: epoch {progress.epoch + 1} of {run.config.epochs}"
        self._bar.update(
            completed=progress.epoch * steps + progress.step,
            total=self._expected_steps(steps) if run.budget_s else None,
            description=f"{title}, {losses}",
        )

    def _expected_steps(self, steps_of_epoch: int) -> int:
        """Return how many steps there will be when the budget ends; at least an epoch, at most all epochs."""
        progress, epochs = self._progress, self._training.run.config.epochs
        done = progress.epoch * steps_of_epoch + progress.step
        in_budget = round(done / max(self._own_share(), 1e-9))
        return min(epochs * steps_of_epoch, max(steps_of_epoch, in_budget))

    def _place(self) -> dict[str, object]:
        run = self._training.run
        return {"policy": run.policy, "epochs": run.config.epochs}

    def _write_step(self, steps: int) -> None:
        """Write where the training is to its log, at most once a second; the running step has no time yet."""
        if not self._ranks.is_first or self._progress.step < 2 or not self._log.is_due():
            return
        progress, config = self._progress, self._training.run.config
        seconds = max(progress.seconds, 1e-9)
        steps_left = steps * (config.epochs - progress.epoch) - progress.step
        record = {
            "epoch": progress.epoch + 1,
            "step": progress.step,
            "steps": steps,
            "loss": progress.loss_sum / self._seen[progress.step],
            "learning_rate": self._rate,
            "examples_per_s": self._seen[progress.step - 1] / seconds,
            "wait_share": min(1.0, progress.waited / seconds),
            "eta_s": steps_left * seconds / (progress.step - 1),
        }
        self._log.write("step", {**self._place(), **record})


def _timed(batches: Iterator[Arrays], progress: TrainingProgress) -> Iterator[Arrays]:
    """Yield batches; add the time between two of them to `progress.seconds`, and the wait for them to `waited`."""
    started = time.perf_counter()
    for arrays in batches:
        progress.waited += time.perf_counter() - started
        yield arrays
        now = time.perf_counter()
        progress.seconds += now - started
        started = now


def _targets(
    targets: Mapping[str, NDArray[Any]], rows: NDArray[np.int64], device: torch.device
) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(values[rows]).to(device) for name, values in targets.items()}


def _epoch_line(run: TrainingRun, progress: TrainingProgress) -> str:
    row = progress.history[-1]
    return (
        f"{run.policy}: epoch {progress.epoch}/{run.config.epochs}, loss {row['train_loss']:.3f}, "
        f"validation {row['validation_loss']:.3f}, {row['examples_per_s']:.0f} images/s"
    )
