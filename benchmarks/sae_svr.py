"""Sparse auto-encoder on patches with support vector regression: how defects were rated before deep networks.

The auto-encoder (Ng 2011: squared error, and the divergence of each unit's mean activity from `ACTIVE`) learns from
whitened patches of 8 x 8 pixels without labels. A picture is the mean, the spread and the maximum of its codes over
flat and over textured native patches and over the whole picture; a support vector regression (RBF) for each defect
is fitted on these.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR
from torch import nn

Floats = NDArray[np.float64]
PX, UNITS = 8, 64
ACTIVE, SPARSITY, DECAY = 0.05, 0.1, 1e-4
STEPS, BATCH, LEARNING_RATE = 1500, 512, 3e-3
REGULARISER = 0.1  # added to the variances before whitening


class SparseAutoEncoder(nn.Module):
    """Sigmoid units over whitened patches of 8 x 8 pixels and three colours."""

    mean: torch.Tensor
    whitening: torch.Tensor

    def __init__(self, patches: torch.Tensor) -> None:
        super().__init__()
        centred = patches - patches.mean(0)
        values, vectors = torch.linalg.eigh(centred.T @ centred / len(patches))
        scales = (values + REGULARISER * values.mean()).rsqrt()
        self.register_buffer("mean", patches.mean(0))
        self.register_buffer("whitening", vectors * scales @ vectors.T)
        self.encoder = nn.Linear(patches.shape[1], UNITS)
        self.decoder = nn.Linear(UNITS, patches.shape[1])

    def white(self, patches: torch.Tensor) -> torch.Tensor:
        """Whiten patches (M, 192)."""
        return (patches - self.mean) @ self.whitening

    def codes(self, patches: torch.Tensor) -> torch.Tensor:
        """Map patches (M, 192) to activities from 0 to 1, (M, 64)."""
        return torch.sigmoid(self.encoder(self.white(patches)))

    def loss(self, patches: torch.Tensor) -> torch.Tensor:
        """Return the error of the reconstruction with the penalty of units that are active too often."""
        codes = self.codes(patches)
        active = codes.mean(0).clamp(1e-6, 1 - 1e-6)
        divergence = (
            ACTIVE * (ACTIVE / active).log() + (1 - ACTIVE) * ((1 - ACTIVE) / (1 - active)).log()
        )
        error = (self.decoder(codes) - self.white(patches)).square().mean()
        return error + SPARSITY * divergence.mean()


def small_patches(pixels: torch.Tensor) -> torch.Tensor:
    """Cut pictures (N, 3, S, S), uint8, into patches (N, (S / 8) ** 2, 192) from 0 to 1."""
    columns = nn.functional.unfold(pixels.float() / 255, PX, stride=PX)
    return columns.transpose(1, 2)


def trained(pictures: torch.Tensor, seed: int = 0) -> SparseAutoEncoder:
    """Train on the patches of some pictures (N, 3, S, S)."""
    torch.manual_seed(seed)
    patches = small_patches(pictures).flatten(0, 1)
    model = SparseAutoEncoder(patches)
    optimizer = torch.optim.Adam(model.parameters(), LEARNING_RATE, weight_decay=DECAY)
    for _ in range(STEPS):
        loss = model.loss(patches[torch.randint(len(patches), (BATCH,))])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model


@torch.inference_mode()
def described(model: SparseAutoEncoder, whole: torch.Tensor, bank: torch.Tensor) -> Floats:
    """Map a whole picture (3, S, S) and its native patches (P, 3, s, s), flat ones first, to (576,)."""
    half = len(bank) - len(bank) // 2
    parts = [whole[None], bank[:half], bank[half:]]
    codes = [model.codes(small_patches(part).flatten(0, 1)) for part in parts]
    numbers = [each for part in codes for each in (part.mean(0), part.std(0), part.amax(0))]
    return np.asarray(torch.cat(numbers).numpy(), np.float64)


def fitted(columns: Floats, targets: Floats, test: Floats) -> Floats:
    """Fit one support vector regression a defect on (N, D) and (N, defects); return its values for (M, D)."""
    said = []
    for target in targets.T:
        model = make_pipeline(StandardScaler(), SVR(C=1.0, epsilon=0.05))
        said.append(model.fit(columns, target).predict(test))
    return np.stack(said, 1)
