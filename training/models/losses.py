"""The masked loss: each picture trains the heads whose label it has."""

import torch

MISSING = -1  # target of a head without a label


def masked_nll(
    log_probabilities: torch.Tensor, target: torch.Tensor, weight: torch.Tensor
) -> torch.Tensor:
    """Return the weighted mean negative log-likelihood over the labels that are there, in nats.

    Shapes: log-probabilities (N, heads, classes), target (N, heads) with MISSING, weight (N,).
    A batch without any label gives 0, with a gradient of 0.
    """
    known = target != MISSING
    picked = log_probabilities.gather(2, target.clamp_min(0)[:, :, None])[:, :, 0]
    weights = weight[:, None] * known
    return -(picked * weights).sum() / weights.sum().clamp_min(1e-9)
