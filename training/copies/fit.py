"""Train the network of `copy_detection` by contrastive learning on two edited views of each picture.

As in `fit/trainer.py`: AdamW, cosine learning rate, one checkpoint an epoch. Random numbers are a function of seed,
epoch and picture, so a resumed training equals an uninterrupted one.
"""

import logging
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from catalog import progress_task
from training.copies.edits import apply_edits, resize_to_square
from training.copies.network import CopyNetwork, initialise_projection, normalise_pictures
from training.data.sampler import cut_batches, epoch_order, row_rng
from training.data.samples import SampleStore
from training.data.transforms import Pixels, Sample
from training.evaluation.metrics import Ints
from training.fit.checkpoint import Checkpoints, TrainingProgress
from training.fit.embedder_recipe import CopyConfig
from training.models.losses import info_nce, koleo

log = logging.getLogger(__name__)

WARM_UP_STEPS = 20
PROJECTION_PICTURES = 2000  # pictures whose features set the linear layer before training
FIXED_EPOCH = -1  # epoch number of the validation views, which are the same in every epoch
CHUNK = 16  # pictures in one forward pass without gradients
_NO_PATCHES = np.zeros((0, 0, 0, 3), np.uint8)


@dataclass(frozen=True)
class PictureSubset:
    """Some rows of a loader whose samples come from `whole_picture`."""

    loader: SampleStore
    rows: Ints

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class EmbedderRun:
    """The constants of one training: configuration, `digest` of the release, device."""

    config: CopyConfig
    digest: str
    device: torch.device


def whole_picture(pixels: Pixels, longest_px: int) -> Sample:
    """Make a sample of the whole picture, its longer side at most `longest_px`, without patches."""
    scale = longest_px / max(pixels.shape[:2])
    if scale < 1:
        size = [max(1, round(side * scale)) for side in (pixels.shape[1], pixels.shape[0])]
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    return Sample(pixels, _NO_PATCHES)


def fit(
    network: CopyNetwork,
    train: PictureSubset,
    validation: PictureSubset,
    training: EmbedderRun,
    checkpoints: Checkpoints,
) -> TrainingProgress:
    """Train until the last epoch or until patience ends, then load the best epoch's weights."""
    config = training.config
    optimiser = make_optimiser(network, config)
    progress = checkpoints.restore(network, optimiser)
    if progress.epoch == 0:
        initialise_projection(network, _pooled(network, train, training))
    while progress.epoch < config.epochs and progress.epoch - progress.best_epoch < config.patience:
        started = time.perf_counter()
        loss = train_epoch(network, optimiser, train, training, progress)
        seconds = time.perf_counter() - started
        _record_epoch(
            progress, loss, validation_loss(network, validation, training), seconds, len(train)
        )
        checkpoints.save(network, optimiser, progress)
        row = progress.history[-1]
        log.info(
            "epoch %d/%d, loss %.3f, validation %.3f, %.0f images/s",
            progress.epoch, config.epochs, loss, row["validation_loss"], row["examples_per_s"],
        )  # fmt: skip
    checkpoints.load_weights(network, progress.best_epoch)
    return progress


def make_optimiser(network: CopyNetwork, config: CopyConfig) -> torch.optim.AdamW:
    """Build AdamW over the parameters that are not frozen; `share` of a group multiplies the learning rate."""
    trunk = [p for p in network.trunk.parameters() if p.requires_grad]
    return torch.optim.AdamW(
        [
            {"params": trunk, "share": config.trunk_share},
            {"params": [*network.project.parameters(), network.power], "share": 1.0},
        ],
        lr=config.learning_rate,
        weight_decay=config.weight_decay,
    )


def train_epoch(
    network: CopyNetwork,
    optimiser: torch.optim.Optimizer,
    train: PictureSubset,
    training: EmbedderRun,
    progress: TrainingProgress,
) -> float:
    """Train on two views of every picture, in the order of the epoch; return the mean loss."""
    config, epoch = training.config, progress.epoch
    order = epoch_order(training.digest, "split", config.seed, epoch, len(train))
    batch_rows = cut_batches(order, config.batch_size)
    network.train()
    total = 0.0
    n_pictures = 0
    title = f"epoch {epoch + 1} of {config.epochs}"
    with progress_task(title, len(batch_rows), "batches") as task:
        for step, views in enumerate(_views(train, batch_rows, config, epoch)):
            step_of_run = epoch * len(batch_rows) + step
            rate = _rate(config, step_of_run, len(batch_rows))
            for group in optimiser.param_groups:
                group["lr"] = rate * group["share"]
            total += _step(network, optimiser, views, training) * len(batch_rows[step])
            n_pictures += len(batch_rows[step])
            task.advance()
            task.update(description=f"{title}, {progress.losses(total / n_pictures)}")
    return total / len(order)


def _rate(config: CopyConfig, step: int, steps_an_epoch: int) -> float:
    """Return the learning rate of a step of the run: a linear warm-up under a cosine that ends at 0."""
    peak = min(1.0, (step + 1) / WARM_UP_STEPS) * config.learning_rate
    return peak * 0.5 * (1 + math.cos(math.pi * step / (config.epochs * steps_an_epoch)))


def _step(
    network: CopyNetwork,
    optimiser: torch.optim.Optimizer,
    views: NDArray[np.uint8],
    training: EmbedderRun,
) -> float:
    loss = _loss(network, views, training)
    optimiser.zero_grad()
    torch.autograd.backward(loss)
    nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimiser.step()
    return float(loss.detach())


def validation_loss(network: CopyNetwork, pictures: PictureSubset, training: EmbedderRun) -> float:
    """Return the mean loss over the pictures; their views are the same in every epoch."""
    batch_rows = cut_batches(np.arange(len(pictures)), training.config.batch_size)
    network.eval()
    with torch.inference_mode():
        losses = [
            float(_loss(network, views, training)) * len(rows)
            for rows, views in zip(
                batch_rows, _views(pictures, batch_rows, training.config, FIXED_EPOCH), strict=True
            )
        ]
    return sum(losses) / len(pictures)


def embed_pictures(
    network: CopyNetwork, pictures: NDArray[np.uint8], device: torch.device
) -> NDArray[np.float32]:
    """Map uint8 pictures (N, S, S, 3) to unit vectors (N, dim)."""
    network.eval()
    with torch.inference_mode():
        parts = [
            network(normalise_pictures(part.to(device))).float().cpu().numpy()
            for part in torch.split(torch.from_numpy(pictures), CHUNK)
        ]
    return np.concatenate(parts)


def _loss(network: CopyNetwork, views: NDArray[np.uint8], training: EmbedderRun) -> torch.Tensor:
    pictures = normalise_pictures(torch.from_numpy(views).to(training.device, non_blocking=True))
    with torch.autocast(training.device.type, enabled=training.device.type == "cuda"):
        vectors = network(pictures)
    vectors = vectors.float()
    spread = training.config.evenness * koleo(vectors)
    return info_nce(vectors, training.config.temperature) + spread


def _views(
    pictures: PictureSubset, batch_rows: list[NDArray[np.int64]], config: CopyConfig, epoch: int
) -> Iterator[NDArray[np.uint8]]:
    """Yield both views of each batch, (2 N, S, S, 3): N lightly edited ones, then N heavily edited ones."""
    shas = pictures.loader.shas
    for rows, samples in pictures.loader.stream([pictures.rows[batch] for batch in batch_rows]):
        light, heavy = [], []
        for place, (row, sample) in enumerate(zip(rows, samples, strict=True)):
            rng = row_rng(config.seed, epoch, shas[row])
            background = samples[place - 1].thumbnail
            first = apply_edits(sample.thumbnail, rng, int(rng.integers(0, 2)))
            second = apply_edits(
                sample.thumbnail, rng, int(rng.integers(1, config.most_edits + 1)), background
            )
            light.append(resize_to_square(first, config.input_px))
            heavy.append(resize_to_square(second, config.input_px))
        yield np.stack([*light, *heavy])


def _pooled(network: CopyNetwork, pictures: PictureSubset, training: EmbedderRun) -> torch.Tensor:
    """Return the features of pictures before the linear layer, (N, 1280)."""
    network.eval()
    features = []
    with torch.inference_mode():
        for _, samples in pictures.loader.stream(
            cut_batches(pictures.rows[:PROJECTION_PICTURES], CHUNK)
        ):
            plain = np.stack(
                [resize_to_square(each.thumbnail, training.config.input_px) for each in samples]
            )
            features.append(
                network.pooled(normalise_pictures(torch.from_numpy(plain).to(training.device)))
            )
    return torch.cat(features)


def _record_epoch(
    progress: TrainingProgress, loss: float, validation_loss: float, seconds: float, n_pictures: int
) -> None:
    progress.epoch += 1
    progress.examples_seen += n_pictures
    if validation_loss < progress.best_loss:
        progress.best_loss, progress.best_epoch = validation_loss, progress.epoch
    progress.history.append(
        {
            "epoch": progress.epoch,
            "train_loss": loss,
            "validation_loss": validation_loss,
            "seconds": seconds,
            "examples_seen": progress.examples_seen,
            "examples_per_s": n_pictures / max(seconds, 1e-9),
        }
    )
