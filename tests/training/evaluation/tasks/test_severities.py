"""The cross-class ranking correlation, and figures of heads of severities and of histograms."""

import doctest
import itertools

import numpy as np
import pytest
from scipy.stats import spearmanr

from training.evaluation.tasks import histograms, severities
from training.evaluation.tasks.severities import cross_class_correlation, detection

EDGES = np.arange(-0.05, 1.1, 0.1)
SIGNED_EDGES = [-1.05, -0.85, -0.65, -0.45, -0.25, -0.05, 0.05, 0.25, 0.45, 0.65, 0.85, 1.05]


def by_the_authors_rule(truth: np.ndarray, said: np.ndarray, edges: object, draws: int) -> float:
    """Draw a photograph of each class, correlate, average: what their evaluator is described to do."""
    rng = np.random.default_rng(1)
    edges = np.asarray(edges)
    classes = [
        np.flatnonzero((truth >= low) & (truth <= high)) for low, high in itertools.pairwise(edges)
    ]
    chosen = np.stack([rng.choice(rows, draws) for rows in classes], 1)
    found = [spearmanr(truth[rows], said[rows]).statistic for rows in chosen]
    return float(np.mean(found))


def severities_of(seed: int, n: int = 1500, *, signed: bool = False) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = np.round(rng.beta(0.4, 1.5, n), 3)
    return values * rng.choice((-1, 1), n) if signed else values


@pytest.mark.parametrize("signed", [False, True])
def test_the_figure_is_that_of_the_authors_within_sampling_error(signed: bool) -> None:
    truth = severities_of(0, signed=signed)
    said = truth + np.random.default_rng(2).normal(0, 0.3, len(truth))
    ours = cross_class_correlation(truth, said, np.arange(len(truth)))
    theirs = by_the_authors_rule(truth, said, SIGNED_EDGES if signed else EDGES, 1500)
    assert ours.value == pytest.approx(theirs, abs=0.02)
    assert ours.low is not None
    assert ours.high is not None
    assert ours.low < ours.value < ours.high


def test_a_perfect_predictor_has_one_and_chance_nothing() -> None:
    truth = severities_of(3)
    groups = np.arange(len(truth)) // 5
    assert cross_class_correlation(truth, truth, groups).value == pytest.approx(1.0, abs=1e-3)
    random = np.random.default_rng(4).normal(size=len(truth))
    assert abs(cross_class_correlation(truth, random, groups).value) < 0.1
    assert np.isnan(cross_class_correlation(np.zeros(9), random[:9], groups[:9]).value)
    assert np.isnan(cross_class_correlation(truth, np.zeros(len(truth)), groups).value)


def test_detection_compares_strong_defects_with_none() -> None:
    severity = np.array([0.0, 0, 0, 0.2, 0.6, -1.0])
    said = np.array([0.1, 0.0, 0.2, 0.9, 0.5, -0.7])
    area = detection(severity, said, np.arange(6))
    assert (area.value, area.n) == (1.0, 5)
    assert detection(np.array([0.6, 0.9]), said[:2], np.arange(2)).n == 0


@pytest.mark.parametrize("module", [severities, histograms])
def test_examples_of_the_documentation_run(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]  # a module
