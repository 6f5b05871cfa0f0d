"""A small model of a person's labels: softmax regression on vectors, fitted in a moment, without any other library.

The strength of its regularisation is chosen by cross-validation among a few, because ten labels and five hundred need
different ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catalog.web.labelling.candidates import Vectors

Numbers = NDArray[np.int64]
Shares = NDArray[np.float64]

STRENGTHS = (0.003, 0.03, 0.3)
"""L2 penalties, for inputs of mean square 1."""
_MIDDLE = 0.03
_FOLDS, _FEWEST_OF_FOLDS = 4, 24
_STEPS = 120


@dataclass(frozen=True)
class TasteModel:
    """Weights (D + 1, C), the last row the bias, of `classes`."""

    classes: tuple[str, ...]
    weights: NDArray[np.float64]

    def probabilities(self, vectors: Vectors) -> Shares:
        """Return the probability of each class, (N, C)."""
        return _softmax(vectors @ self.weights[:-1] + self.weights[-1])


def fit(vectors: Vectors, labels: Sequence[str]) -> TasteModel | None:
    """Fit a model to labelled vectors (N, D); None while fewer than two classes have a label."""
    classes = tuple(sorted(set(labels)))
    if len(classes) < 2:
        return None
    numbers = np.array([classes.index(label) for label in labels], np.int64)
    strength = _best_strength(vectors, numbers, len(classes))
    return TasteModel(classes, _weights(vectors, numbers, len(classes), strength))


def _best_strength(vectors: Vectors, numbers: Numbers, n_classes: int) -> float:
    """Choose the strength with the least cross-validated loss; the middle one for few labels."""
    if len(numbers) < _FEWEST_OF_FOLDS:
        return _MIDDLE
    fold = np.arange(len(numbers)) % _FOLDS
    losses = []
    for strength in STRENGTHS:
        loss = 0.0
        for number in range(_FOLDS):
            learnt, tested = fold != number, fold == number
            weights = _weights(vectors[learnt], numbers[learnt], n_classes, strength)
            shares = _softmax(vectors[tested] @ weights[:-1] + weights[-1])
            loss -= float(np.log(shares[np.arange(tested.sum()), numbers[tested]] + 1e-9).sum())
        losses.append(loss)
    return STRENGTHS[int(np.argmin(losses))]


def _weights(
    vectors: Vectors, numbers: Numbers, n_classes: int, strength: float
) -> NDArray[np.float64]:
    """Minimise mean cross-entropy + strength / 2 * |weights|^2 by Nesterov's accelerated gradient."""
    inputs = np.column_stack([vectors.astype(np.float64), np.ones(len(vectors))])
    target = np.eye(n_classes)[numbers]
    penalty = np.full((inputs.shape[1], 1), strength)
    penalty[-1] = 1e-6  # the bias is free
    # The curvature of the cross-entropy is at most half of that of the squares.
    step = 1 / (0.5 * float(np.linalg.norm(inputs, 2)) ** 2 / len(inputs) + strength)
    weights = ahead = np.zeros((inputs.shape[1], n_classes))
    for number in range(_STEPS):
        gradient = inputs.T @ (_softmax(inputs @ ahead) - target) / len(inputs) + penalty * ahead
        before, weights = weights, ahead - step * gradient
        ahead = weights + number / (number + 3) * (weights - before)
    return np.asarray(weights)


def _softmax(logits: NDArray[np.floating]) -> Shares:
    shifted = np.exp(np.asarray(logits, np.float64) - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))
