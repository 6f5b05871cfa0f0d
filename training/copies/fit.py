"""Train the network of `copy_detection`: two edited views of each picture find each other among all others.

As in `fit/trainer.py`: AdamW, cosine learning rate, one checkpoint an epoch, and random numbers that are a function of
seed, epoch and picture, so a resumed training is an unbroken one.
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

from training.copies.edits import edited, squashed
from training.copies.losses import contrastive, evenness
from training.copies.network import CopyNetwork, normalised, start_from
from training.data.loader import Loader
from training.data.sampler import batches, epoch_order, row_rng
from training.data.transforms import Pixels, Sample
from training.evaluation.metrics import Ints
from training.fit.checkpoint import Checkpoints, Progress
from training.fit.embedder_recipe import CopyConfig

log = logging.getLogger(__name__)

WARM_UP_STEPS = 20
AXES_FROM = 2000  # pictures whose features set the linear layer before training
FIXED = -1  # the epoch that stands for views which never change
CHUNK = 16  # pictures in one forward pass without gradients
_NO_PATCHES = np.zeros((0, 0, 0, 3), np.uint8)


@dataclass(frozen=True)
class Pictures:
    """Some rows of a loader whose samples are whole pictures (`whole`)."""

    loader: Loader
    rows: Ints

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class Training:
    """What stays the same while one embedder is trained; `digest` is that of the release."""

    config: CopyConfig
    digest: str
    device: torch.device


def whole(pixels: Pixels, longest_px: int) -> Sample:
    """Keep a whole picture in its shape, at most `longest_px` a side; it has no patches."""
    scale = longest_px / max(pixels.shape[:2])
    if scale < 1:
        size = [max(1, round(side * scale)) for side in (pixels.shape[1], pixels.shape[0])]
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    return Sample(pixels, _NO_PATCHES)


def fit(
    network: CopyNetwork,
    train: Pictures,
    validation: Pictures,
    training: Training,
    checkpoints: Checkpoints,
) -> Progress:
    """Train until the last epoch or until patience ends, then load the best epoch's weights."""
    config = training.config
    optimiser = make_optimiser(network, config)
    done = checkpoints.restore(network, optimiser)
    if done.epoch == 0:
        start_from(network, _pooled(network, train, training))
    while done.epoch < config.epochs and done.epoch - done.best_epoch < config.patience:
        started = time.perf_counter()
        loss = train_epoch(network, optimiser, train, training, done.epoch)
        seconds = time.perf_counter() - started
        _note(done, loss, validation_loss(network, validation, training), seconds, len(train))
        checkpoints.save(network, optimiser, done)
        row = done.history[-1]
        log.info(
            "epoch %d/%d, loss %.3f, validation %.3f, %.0f images/s",
            done.epoch, config.epochs, loss, row["validation_loss"], row["examples_per_s"],
        )  # fmt: skip
    checkpoints.load_weights(network, done.best_epoch)
    return done


def make_optimiser(network: CopyNetwork, config: CopyConfig) -> torch.optim.AdamW:
    """Build AdamW over what is trained; `rate` of each group is its share of the learning rate."""
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
    train: Pictures,
    training: Training,
    epoch: int,
) -> float:
    """Show two views of every picture once, in the order of the epoch; return the mean loss."""
    config = training.config
    order = epoch_order(training.digest, "split", config.seed, epoch, len(train))
    cuts = batches(order, config.batch_size)
    network.train()
    total = 0.0
    for step, views in enumerate(_views(train, cuts, config, epoch)):
        at = epoch * len(cuts) + step
        peak = min(1.0, (at + 1) / WARM_UP_STEPS) * config.learning_rate
        now = peak * 0.5 * (1 + math.cos(math.pi * at / (config.epochs * len(cuts))))
        for group in optimiser.param_groups:
            group["lr"] = now * group["share"]
        loss = _loss(network, views, training)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        total += float(loss.detach()) * len(cuts[step])
    return total / len(order)


def validation_loss(network: CopyNetwork, pictures: Pictures, training: Training) -> float:
    """Return the mean loss over pictures and views that are the same every time."""
    cuts = batches(np.arange(len(pictures)), training.config.batch_size)
    network.eval()
    with torch.inference_mode():
        losses = [
            float(_loss(network, views, training)) * len(cut)
            for cut, views in zip(cuts, _views(pictures, cuts, training.config, FIXED), strict=True)
        ]
    return sum(losses) / len(pictures)


def vectors_of(
    network: CopyNetwork, pictures: NDArray[np.uint8], device: torch.device
) -> NDArray[np.float32]:
    """Map uint8 pictures (N, S, S, 3) to unit vectors (N, dim)."""
    network.eval()
    with torch.inference_mode():
        parts = [
            network(normalised(part.to(device))).float().cpu().numpy()
            for part in torch.split(torch.from_numpy(pictures), CHUNK)
        ]
    return np.concatenate(parts)


def _loss(network: CopyNetwork, views: NDArray[np.uint8], training: Training) -> torch.Tensor:
    pictures = normalised(torch.from_numpy(views).to(training.device, non_blocking=True))
    with torch.autocast(training.device.type, enabled=training.device.type == "cuda"):
        vectors = network(pictures)
    vectors = vectors.float()
    spread = training.config.evenness * evenness(vectors)
    return contrastive(vectors, training.config.temperature) + spread


def _views(
    pictures: Pictures, cuts: list[NDArray[np.int64]], config: CopyConfig, epoch: int
) -> Iterator[NDArray[np.uint8]]:
    """Yield both views of each batch, (2 N, S, S, 3): N that are nearly plain, then N heavy ones."""
    shas = pictures.loader.shas
    for rows, samples in pictures.loader.stream([pictures.rows[cut] for cut in cuts]):
        light, heavy = [], []
        for place, (row, sample) in enumerate(zip(rows, samples, strict=True)):
            rng = row_rng(config.seed, epoch, shas[row])
            ground = samples[place - 1].thumbnail
            first = edited(sample.thumbnail, rng, int(rng.integers(0, 2)))
            second = edited(
                sample.thumbnail, rng, int(rng.integers(1, config.most_edits + 1)), ground
            )
            light.append(squashed(first, config.input_px))
            heavy.append(squashed(second, config.input_px))
        yield np.stack([*light, *heavy])


def _pooled(network: CopyNetwork, pictures: Pictures, training: Training) -> torch.Tensor:
    """Give the features of pictures before the linear layer, (N, 1280)."""
    network.eval()
    found = []
    with torch.inference_mode():
        for _, samples in pictures.loader.stream(batches(pictures.rows[:AXES_FROM], CHUNK)):
            plain = np.stack(
                [squashed(each.thumbnail, training.config.input_px) for each in samples]
            )
            found.append(network.pooled(normalised(torch.from_numpy(plain).to(training.device))))
    return torch.cat(found)


def _note(done: Progress, loss: float, held_out: float, seconds: float, shown: int) -> None:
    done.epoch += 1
    done.examples_seen += shown
    if held_out < done.best_loss:
        done.best_loss, done.best_epoch = held_out, done.epoch
    done.history.append(
        {
            "epoch": done.epoch,
            "train_loss": loss,
            "validation_loss": held_out,
            "seconds": seconds,
            "examples_seen": done.examples_seen,
            "examples_per_s": shown / max(seconds, 1e-9),
        }
    )
