"""What is minimised by default: the losses of the heads, and the same losses on validation."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from catalog import track
from training.data.arrays import Arrays, Floats
from training.data.sampling.seeds import cut_batches
from training.fit.examples import Examples
from training.fit.ranks import Ranks, this_rank
from training.fit.training_run import TrainingRun
from training.heads.base import Head


@dataclass(frozen=True)
class HeadsObjective:
    """The weighted mean of the heads' losses over all labels of a batch."""

    heads: tuple[Head, ...]

    def loss(
        self,
        network: nn.Module,
        inputs: Mapping[str, torch.Tensor],
        targets: Mapping[str, torch.Tensor],
        weight: torch.Tensor,
    ) -> torch.Tensor:
        """Return the loss of a batch; one without any label gives 0, with a gradient of 0."""
        with half_precision(weight.device):
            outputs = network(inputs)
        losses = [head.loss(outputs[head.name].float(), targets[head.name]) for head in self.heads]
        ranks = this_rank()
        head_weights = [head.loss_weight for head in self.heads]
        return mean_loss(losses, head_weights, weight, ranks) * ranks.size

    def validation_loss(self, network: nn.Module, validation: Examples, run: TrainingRun) -> float:
        """Return the mean loss of the labels of validation."""
        heads = [head for head in self.heads if not head.is_auxiliary]
        raw = predict(network, heads, validation, run)
        return natural_loss(heads, raw, validation.truth)


@dataclass(frozen=True)
class MembersObjective(HeadsObjective):
    """The losses of the heads for each member of an ensemble; members learn nothing from each other."""

    def loss(
        self,
        network: nn.Module,
        inputs: Mapping[str, torch.Tensor],
        targets: Mapping[str, torch.Tensor],
        weight: torch.Tensor,
    ) -> torch.Tensor:
        """Return the mean of the members' losses."""
        members: Sequence[nn.Module] = network.members  # type: ignore[assignment]  # see EnsembleNetwork
        losses = [HeadsObjective.loss(self, each, inputs, targets, weight) for each in members]
        return torch.stack(losses).mean()


def half_precision(device: torch.device) -> torch.autocast:
    """Return the context in which a GPU computes in bfloat16, whose range needs no scaled gradients."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda")


def mean_loss(
    losses: Sequence[tuple[torch.Tensor, torch.Tensor]],
    head_weights: Sequence[float],
    weight: torch.Tensor,
    ranks: Ranks | None = None,
) -> torch.Tensor:
    """Average the losses (N,) of each head over its labelled rows (N,), by the weights of rows (N,) and heads.

    With `ranks` it is this rank's part of the mean over the rows of all ranks.
    """
    if len(losses) == 1:  # no copies, and the same sums
        [(values, is_labelled)], weights = losses, weight * losses[0][1]
    else:
        values = torch.stack([loss for loss, _ in losses], dim=1)  # (N, heads)
        is_labelled = torch.stack([labelled for _, labelled in losses], dim=1)
        weights = weight[:, None] * is_labelled
    if any(each != 1 for each in head_weights):
        weights = weights * torch.tensor(head_weights, device=weight.device)
    total = (ranks or Ranks()).total(weights.sum()).clamp_min(1e-9)
    return (values.masked_fill(~is_labelled, 0.0) * weights).sum() / total


def natural_loss(
    heads: Sequence[Head], raw: Mapping[str, Floats], truth: Mapping[str, NDArray[Any]]
) -> float:
    """Return the mean of the heads' selection losses over all labels."""
    pairs = [head.selection_loss(raw[head.name], truth[head.name]) for head in heads]
    losses = [tuple(torch.from_numpy(np.asarray(part)) for part in pair) for pair in pairs]
    ones = torch.ones(len(pairs[0][0]), dtype=torch.float64)
    return float(mean_loss(losses, [head.loss_weight for head in heads], ones))  # type: ignore[arg-type]  # pairs


def predict(
    network: nn.Module, heads: Sequence[Head], examples: Examples, run: TrainingRun, part: str = ""
) -> dict[str, Floats]:
    """Return what each head says before calibration, (N, ...), always from the same crops."""
    network.eval()
    chunks: dict[str, list[Floats]] = {head.name: [] for head in heads}
    with torch.inference_mode():
        for inputs in evaluation_batches(examples, run):
            outputs = network(inputs, part) if part else network(inputs)
            for head in heads:
                chunks[head.name].append(head.raw(outputs[head.name]).double().cpu().numpy())
    return {name: np.concatenate(parts) for name, parts in chunks.items()}


def evaluation_batches(examples: Examples, run: TrainingRun) -> Iterator[dict[str, torch.Tensor]]:
    """Yield the examples in order as batches of the plain view on the device."""
    batches = cut_batches(examples.rows, examples.store.view.evaluation_batch)
    stream = examples.store.stream(batches)
    for _, samples in track(stream, f"{run.policy}: evaluate", len(batches), "batches"):
        yield to_device(examples.store.view.plain(samples), run.device)


def to_device(arrays: Arrays, device: torch.device) -> dict[str, torch.Tensor]:
    """Copy arrays to tensors on the device; pictures keep their memory order, channels last."""
    return {
        name: torch.from_numpy(array).to(device, non_blocking=True)
        for name, array in arrays.items()
    }
