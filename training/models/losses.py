"""The losses: a likelihood that skips missing labels, and two for vectors that tell copies from other pictures.

The losses of vectors follow Pizzi et al., A Self-Supervised Descriptor for Image Copy Detection, CVPR 2022.
"""

import torch
from torch.nn import functional

MISSING = -1  # target of a head without a label


def masked_nll(
    log_probabilities: torch.Tensor, target: torch.Tensor, weight: torch.Tensor
) -> torch.Tensor:
    """Return the weighted mean negative log-likelihood over the labels that are not MISSING, in nats.

    Shapes: log-probabilities (N, heads, classes), target (N, heads) with MISSING, weight (N,).
    A batch without any label gives 0, with a gradient of 0.
    """
    has_label = target != MISSING
    picked = log_probabilities.gather(2, target.clamp_min(0)[:, :, None])[:, :, 0]
    weights = weight[:, None] * has_label
    return -(picked * weights).sum() / weights.sum().clamp_min(1e-9)


def info_nce(vectors: torch.Tensor, temperature: float) -> torch.Tensor:
    """Return the InfoNCE loss: the mean cross-entropy of choosing the other view of each picture, in nats.

    `vectors` (2 N, D) have length one; rows i and i + N are views of one picture.

    >>> round(float(info_nce(torch.eye(4).repeat(2, 1), 0.05)), 6)
    0.0
    """
    n = len(vectors) // 2
    itself = torch.eye(2 * n, dtype=torch.bool, device=vectors.device)
    logits = (vectors @ vectors.T / temperature).masked_fill(itself, float("-inf"))
    partner = torch.arange(2 * n, device=vectors.device).roll(n)
    return functional.cross_entropy(logits, partner)


def koleo(vectors: torch.Tensor) -> torch.Tensor:
    """Return the KoLeo loss (Kozachenko-Leonenko): mean of -log distance to the nearest view of another picture.

    It falls as the vectors (2 N, D) spread out evenly, so that one threshold fits dense and sparse regions. N is at
    least 2.
    """
    n = len(vectors) // 2
    own = torch.eye(n, dtype=torch.bool, device=vectors.device).repeat(2, 2)
    nearest = (vectors @ vectors.T).masked_fill(own, -2.0).max(dim=1).values
    distance = (2 - 2 * nearest).clamp_min(1e-8).sqrt()
    return -distance.log().mean()
