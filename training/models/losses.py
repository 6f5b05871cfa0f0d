"""Losses of vectors that tell copies from other pictures.

They follow Pizzi et al., A Self-Supervised Descriptor for Image Copy Detection, CVPR 2022.
"""

import torch
from torch.nn import functional


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
