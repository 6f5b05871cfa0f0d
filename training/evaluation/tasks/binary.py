"""Score a head with two classes: area under the ROC curve, a threshold and a zone without an answer from validation.

Beside the model stands what the file says without any pixel: `file` is fitted on width, height, JPEG quality and bytes
of the stored file, `file_seen` on size and JPEG tables of what the model sees, `bytes_seen` on the bytes of that.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from training.data.arrays import MISSING, Floats, Ints
from training.evaluation import baselines
from training.evaluation.evidence import Evidence, HeadResult, metric_rows
from training.evaluation.intervals import Interval, group_bootstrap
from training.evaluation.slices import slices
from training.evaluation.tasks import classes
from training.evaluation.tasks.classes import Predictor, TestSet
from training.heads.binary import BinaryHead

SCORE_BINS = 512  # of ranks; with fewer different scores the area is exact
FEWEST = 20  # labelled pictures of each class of validation for a threshold of their own


def evaluate(head: BinaryHead, evidence: Evidence) -> HeadResult:
    """Calibrate on validation, find threshold and zone there, then score on test beside the baselines."""
    train, truth = (evidence.labels[part].truth for part in ("train", "validation"))
    learned = baselines.predicted_classes(evidence.baselines, train, 2)
    by_file = baselines.predicted_by_file(evidence.baselines, train, 2)
    if head.states_biases:
        by_file |= baselines.predicted_by_biases(evidence.baselines, train, 2)
    scored = classes.calibrated_predictors(head, evidence, by_file | learned)
    model, *others = scored.predictors
    calibration = scored.calibration.as_json() | zone(scored.validation, truth, head.target_error)
    decision = np.eye(2)[head.decide(model.stated[""], calibration)]
    model = Predictor(model.name, decision, model.stated)
    test = TestSet(head.name, evidence.labels["test"].truth, evidence.groups, evidence.index)
    rows = classes.score(test, [model, *others])
    labelled = np.flatnonzero(test.target != MISSING)
    if len(labelled):
        rows += _areas(test, [model, *others], labelled)
        for name, inside in slices(test.index, labelled):
            rows += _areas(test, [model], inside, name)
        rows += metric_rows("model", head.name, "all", _answers(head, test, model, calibration))
    predictions = classes.prediction_rows(head, test, model.stated[""], calibration)
    return HeadResult(calibration, rows, predictions)


def zone(stated: Floats, truth: Ints, target_error: float) -> dict[str, float]:
    """Find threshold and zone from probabilities (N, 2) and classes (N,) of validation.

    The threshold has the best balanced accuracy. `positive_above` is exceeded by at most the share `target_error` of
    negatives and `negative_below` undercut by at most that share of positives, each with one more picture than there
    is (the quantiles of conformal prediction), so that few pictures make the zone wide. Where the two quantiles leave
    no zone, both are the threshold.
    """
    negatives, positives = (np.sort(stated[truth == each, 1]) for each in (0, 1))
    if min(len(negatives), len(positives)) < FEWEST:
        return {"threshold": 0.5, "negative_below": 0.0, "positive_above": 1.0 + 1e-9}
    threshold = best_threshold(negatives, positives)
    above = _beyond(negatives, target_error, on_the_right=True)
    below = _beyond(positives, target_error, on_the_right=False)
    return {
        "threshold": threshold,
        "negative_below": min(below, threshold),
        "positive_above": max(above, threshold),
    }


def best_threshold(negatives: Floats, positives: Floats) -> float:
    """Return the threshold with the best balanced accuracy, in the middle of the gap; scores are sorted.

    >>> best_threshold(np.array([0.1, 0.2]), np.array([0.6, 0.8]))
    0.4
    """
    cuts = np.unique(np.concatenate([negatives, positives]))
    middles = (cuts[:-1] + cuts[1:]) / 2 if len(cuts) > 1 else cuts
    below = np.searchsorted(negatives, middles) / len(negatives)
    above = 1 - np.searchsorted(positives, middles) / len(positives)
    return float(middles[np.argmax(below + above)])


def _beyond(scores: Floats, share: float, *, on_the_right: bool) -> float:
    """Return the score that at most a share of sorted scores lies beyond; past all of them with too few scores."""
    rank = int(np.ceil((len(scores) + 1) * (1 - share)))
    if rank > len(scores):
        return 1.0 + 1e-9 if on_the_right else 0.0
    return float(scores[rank - 1]) + 1e-9 if on_the_right else float(scores[len(scores) - rank])


def _answers(
    head: BinaryHead, test: TestSet, model: Predictor, calibration: Mapping[str, Any]
) -> Iterator[tuple[str, Interval]]:
    """Yield how many test pictures have an answer, and how many of those answers are right, by class."""
    rows = np.flatnonzero(test.target != MISSING)
    stated, target, groups = model.stated[""][rows], test.target[rows], test.groups[rows]
    answered = head.is_answered(stated, calibration).astype(float)
    right = answered * (head.decide(stated, calibration) == target)
    ones = np.ones(len(rows))
    yield "answered_share", group_bootstrap(np.stack([answered, ones], 1), groups, _ratio)
    yield "answered_accuracy", group_bootstrap(np.stack([right, answered], 1), groups, _ratio)
    for number, name in enumerate(head.classes):
        wrong = (answered - right) * (target == number)
        columns = np.stack([wrong, (target == number).astype(float)], 1)
        yield f"error_of_{name}", group_bootstrap(columns, groups, _ratio)


def _ratio(sums: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(sums[:, 0] / sums[:, 1])


def _areas(
    test: TestSet, predictors: list[Predictor], rows: Ints, part: str = "all"
) -> list[dict[str, Any]]:
    """Return the area of each predictor on a slice, and the model's lead over each other one on the same resamples."""
    target, groups = test.target[rows], test.groups[rows]
    sums = {
        each.name: area_sums(target, each.stated.get("", each.decision)[rows, 1])
        for each in predictors
    }
    made: list[dict[str, Any]] = []
    for name, columns in sums.items():
        figure = group_bootstrap(columns, groups, area)
        made += metric_rows(name, test.task, part, iter([("auc", figure)]))
    ours = sums[predictors[0].name]
    width = ours.shape[1]
    for other in predictors[1:]:
        both = np.concatenate([ours, sums[other.name]], axis=1)
        lead: Callable[[Floats], Floats] = lambda s: area(s[:, :width]) - area(s[:, width:])  # noqa: E731
        row = (f"auc_minus_{other.name}", group_bootstrap(both, groups, lead))
        made += metric_rows("model", test.task, part, iter([row]))
    return made


def area_sums(target: Ints, score: Floats) -> Floats:
    """Put each row into a cell of class x rank of its score; shape (N, 2 R), R at most `SCORE_BINS`."""
    values, place = np.unique(score, return_inverse=True)
    bins = min(len(values), SCORE_BINS)
    place = place * bins // len(values)
    sums = np.zeros((len(score), 2 * bins))
    sums[np.arange(len(score)), target * bins + place] = 1.0
    return sums


def area(sums: Floats) -> Floats:
    """Return the area under the ROC curve of sums (B, 2 R) of `area_sums`; NaN without one of the classes.

    >>> area(area_sums(np.array([0, 0, 1, 1]), np.array([0.1, 0.6, 0.5, 0.9])).sum(0, keepdims=True)).tolist()
    [0.75]
    """
    negatives, positives = np.split(sums, 2, axis=1)
    below = negatives.cumsum(1) - negatives / 2
    pairs = negatives.sum(1) * positives.sum(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((positives * below).sum(1) / pairs)
