"""The training loop: AdamW, cosine learning rate, one checkpoint an epoch, exact resume."""

import logging
import math
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from catalog import progress_task, track
from training.data.sampler import cut_batches, epoch_order, row_rng
from training.data.samples import SampleStore
from training.data.transforms import Pixels, Sample, augment, plain
from training.evaluation.metrics import Floats, Ints
from training.fit.checkpoint import Checkpoints, TrainingProgress
from training.fit.recipe import Config
from training.models.losses import masked_nll
from training.models.networks import HeadsNetwork

log = logging.getLogger(__name__)

EVALUATION_BATCH = 32
WARM_UP_STEPS = 20
HIDDEN_SHARE = 0.15  # of the pictures, for each of the two views

VIEWS = {"full": (1.0, 1.0), "thumbnail_only": (1.0, 0.0), "patches_only": (0.0, 1.0)}
"""Weights of the two views in a prediction: thumbnail, patches."""


@dataclass(frozen=True)
class Examples:
    """Some rows of a loader with their targets: fine (N, heads), coarse (N, heads), weight (N,)."""

    loader: SampleStore
    rows: Ints
    fine: Ints
    coarse: Ints
    weight: Floats

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class Run:
    """The constants of one training: configuration, release digest, split policy, device."""

    config: Config
    digest: str
    policy: str
    device: torch.device


Inputs = tuple[torch.Tensor, torch.Tensor]


def fit(
    network: HeadsNetwork, train: Examples, validation: Examples, run: Run, checkpoints: Checkpoints
) -> TrainingProgress:
    """Train until the last epoch or until patience ends, then load the best epoch's weights."""
    optimiser = make_optimiser(network, run.config)
    progress = checkpoints.restore(network, optimiser)
    while not _is_finished(progress, run.config):
        started = time.perf_counter()
        loss = train_epoch(network, optimiser, train, run, progress)
        seconds = time.perf_counter() - started
        validation_loss = natural_loss(predict(network, validation, run), validation.coarse)
        _record_epoch(progress, run.config, len(train), (loss, validation_loss, seconds))
        checkpoints.save(network, optimiser, progress)
        log.info(_epoch_line(run, progress))
    checkpoints.load_weights(network, progress.best_epoch)
    return progress


def _is_finished(progress: TrainingProgress, config: Config) -> bool:
    stale = progress.epoch - progress.best_epoch
    return progress.epoch >= config.epochs or stale >= config.patience


def _record_epoch(
    progress: TrainingProgress, config: Config, n_pictures: int, figures: tuple[float, float, float]
) -> None:
    loss, validation_loss, seconds = figures
    progress.epoch += 1
    progress.examples_seen += n_pictures
    if validation_loss < progress.best_loss:
        progress.best_loss, progress.best_epoch = validation_loss, progress.epoch
    progress.history.append(
        {
            "epoch": progress.epoch,
            "train_loss": loss,
            "validation_loss": validation_loss,
            "learning_rate": _rate(config, 1.0, progress.epoch / config.epochs),
            "seconds": seconds,
            "examples_seen": progress.examples_seen,
            "examples_per_s": n_pictures / max(seconds, 1e-9),
        }
    )


def _epoch_line(run: Run, progress: TrainingProgress) -> str:
    row = progress.history[-1]
    return (
        f"{run.policy}: epoch {progress.epoch}/{run.config.epochs}, loss {row['train_loss']:.3f}, "
        f"validation {row['validation_loss']:.3f}, {row['examples_per_s']:.0f} images/s"
    )


def make_optimiser(network: nn.Module, config: Config) -> torch.optim.AdamW:
    """Build AdamW; weight decay on matrices and kernels only."""
    decayed = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    groups: list[dict[str, Any]] = [{"params": decayed}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(
        groups, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
    )


def _rate(config: Config, warmth: float, share_done: float) -> float:
    """Return the learning rate: a linear warm-up under a cosine that ends at 0."""
    return config.learning_rate * min(1.0, warmth) * 0.5 * (1 + math.cos(math.pi * share_done))


def train_epoch(
    network: HeadsNetwork,
    optimiser: torch.optim.Optimizer,
    train: Examples,
    run: Run,
    progress: TrainingProgress,
) -> float:
    """Train on every training picture once, in the order of the epoch; return the mean loss."""
    config, epoch = run.config, progress.epoch
    order = epoch_order(run.digest, run.policy, config.seed, epoch, len(train))
    batch_rows = cut_batches(order, config.batch_size)
    network.train()
    total = 0.0
    n_pictures = 0
    title = f"{run.policy}: epoch {epoch + 1} of {config.epochs}"
    with progress_task(title, len(batch_rows), "batches") as task:
        for step, inputs in enumerate(_training_inputs(train, batch_rows, run, epoch)):
            rows, at = batch_rows[step], epoch * len(batch_rows) + step
            for group in optimiser.param_groups:
                group["lr"] = _rate(
                    config, (at + 1) / WARM_UP_STEPS, at / (config.epochs * len(batch_rows))
                )
            total += _step(network, optimiser, inputs, train, rows) * len(rows)
            n_pictures += len(rows)
            task.advance()
            task.update(description=f"{title}, {progress.losses(total / n_pictures)}")
    return total / len(order)


def _step(
    network: HeadsNetwork,
    optimiser: torch.optim.Optimizer,
    inputs: Inputs,
    train: Examples,
    rows: NDArray[np.int64],
) -> float:
    device = inputs[0].device
    target = torch.from_numpy(train.fine[rows]).to(device)
    weight = torch.from_numpy(train.weight[rows]).float().to(device)
    with torch.autocast(device.type, enabled=device.type == "cuda"):
        log_probabilities = network(*inputs, _draw_visible_views(len(rows)).to(device))
    loss = masked_nll(log_probabilities.float(), target, weight)
    optimiser.zero_grad()
    torch.autograd.backward(loss)
    nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimiser.step()
    return float(loss.detach())


def _draw_visible_views(n: int) -> torch.Tensor:
    """Draw the visible views (n, 2): for some pictures one of the two views is hidden."""
    draw = torch.rand(n)
    return torch.stack([draw >= HIDDEN_SHARE, draw < 1 - HIDDEN_SHARE], dim=1).float()


def _training_inputs(
    train: Examples, batch_rows: Sequence[NDArray[np.int64]], run: Run, epoch: int
) -> Iterator[Inputs]:
    """Yield augmented batches in order; the next batch is prepared while the network processes this one."""
    config, shas = run.config, train.loader.shas

    def make(rows: NDArray[np.int64], samples: list[Sample]) -> Inputs:
        views = [
            augment(sample, config.view, config.patches, row_rng(config.seed, epoch, shas[row]))
            for row, sample in zip(rows, samples, strict=True)
        ]
        return stack(views, run.device)

    with ThreadPoolExecutor(1) as executor:
        pending: list[Future[Inputs]] = []
        for rows, samples in train.loader.stream([train.rows[cut] for cut in batch_rows]):
            pending.append(executor.submit(make, rows, samples))
            if len(pending) > 1:
                yield pending.pop(0).result()
        yield from (future.result() for future in pending)


def stack(views: Sequence[tuple[Pixels, Pixels]], device: torch.device) -> Inputs:
    """Put views (S, S, 3) and (P, s, s, 3) into uint8 tensors (N, 3, S, S) and (N, P, 3, s, s)."""
    thumbnails = np.stack([view[0] for view in views]).transpose(0, 3, 1, 2)
    patches = np.stack([view[1] for view in views]).transpose(0, 1, 4, 2, 3)
    on_device = [
        torch.from_numpy(part).to(device, non_blocking=True) for part in (thumbnails, patches)
    ]
    return on_device[0], on_device[1]


def predict(network: HeadsNetwork, examples: Examples, run: Run, view: str = "full") -> Floats:
    """Return natural log-probabilities of the classes (N, heads, 3), always from the same crops."""
    network.eval()
    visible = torch.tensor([VIEWS[view]], device=run.device)
    parts = []
    with torch.inference_mode():
        batches = cut_batches(examples.rows, EVALUATION_BATCH)
        stream = examples.loader.stream(batches)
        for rows, samples in track(stream, f"{run.policy}: evaluate", len(batches), "batches"):
            inputs = stack([plain(sample, run.config.view) for sample in samples], run.device)
            fine = network(*inputs, visible.expand(len(rows), 2))
            parts.append(network.coarse(fine).double().cpu().numpy())
    return np.concatenate(parts)


def natural_loss(log_natural: Floats, coarse: Ints) -> float:
    """Return the mean masked NLL over rows and heads, in nats."""
    ones = torch.ones(len(coarse), dtype=torch.float64)
    return float(masked_nll(torch.from_numpy(log_natural), torch.from_numpy(coarse), ones))
