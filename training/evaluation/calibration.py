"""Calibrate the log-probabilities of a network: temperature scaling, then logit adjustment.

A network trained on likelihood predicts for the class shares of its training set. Calibration has two steps. A
temperature, fitted on validation, corrects the confidence. The logit adjustment of Menon et al. (2021, arXiv
2007.07314) divides by the training shares, so that a rare class counts as much as a common one. Multiplying by the
class shares of a population again gives probabilities for that population.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar

from training.data.arrays import MISSING, Floats, Ints

LOG_TEMPERATURE = (-2.0, 2.0)


@dataclass(frozen=True)
class ClassCalibration:
    """Temperature and training class shares (C,) of one head."""

    temperature: float
    prior: Floats

    def stated(self, log_natural: Floats, *, tempered: bool = True) -> Floats:
        """Map natural log-probabilities (N, C) to balanced probabilities, rows sum to 1."""
        return normalise(self._tempered(log_natural, tempered) - np.log(self.prior))

    def natural(self, log_natural: Floats, *, tempered: bool = True) -> Floats:
        """Map natural log-probabilities to calibrated ones for the training class shares."""
        return normalise(self._tempered(log_natural, tempered))

    def as_json(self) -> dict[str, Any]:
        """Return the numbers for config.json."""
        return {"temperature": self.temperature, "prior": self.prior.tolist()}

    def _tempered(self, log_natural: Floats, tempered: bool) -> Floats:
        return log_natural / self.temperature if tempered else log_natural


def normalise(logits: Floats) -> Floats:
    """Return the softmax over the last axis."""
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return np.asarray(powers / powers.sum(-1, keepdims=True))


def class_shares(target: Ints, weight: Floats, classes: int) -> Floats:
    """Return the share of each class (C,); one picture is added to each class, so no share is 0."""
    labelled = target != MISSING
    counts = np.bincount(target[labelled], weight[labelled], classes) + 1.0
    return np.asarray(counts / counts.sum())


def fit_temperature(log_natural: Floats, target: Ints) -> float:
    """Return the temperature with the lowest NLL; 1 with fewer than ten labels.

    Shapes: natural log-probabilities (N, C), target (N,) with MISSING.
    """
    labelled = target != MISSING
    if labelled.sum() < 10:  # too few pictures to estimate a temperature
        return 1.0
    rows, logits, labels = np.arange(labelled.sum()), log_natural[labelled], target[labelled]

    def loss(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        scaled = scaled - scaled.max(1, keepdims=True)
        return float(np.mean(np.log(np.exp(scaled).sum(1)) - scaled[rows, labels]))

    return float(np.exp(minimize_scalar(loss, bounds=LOG_TEMPERATURE, method="bounded").x))


def calibrate(log_natural: Floats, target: Ints, prior: Floats) -> ClassCalibration:
    """Fit the temperature on log-probabilities (N, C) and targets (N,) of validation."""
    return ClassCalibration(fit_temperature(log_natural, target), prior)
