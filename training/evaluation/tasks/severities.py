"""Score a head of severities: the figures of numbers, the cross-class ranking correlation, and the area under ROC.

Most photographs have hardly any defect, so a rank correlation over all of them is about differences that nobody sees.
Yu et al. 2018 (Learning to Detect Multiple Photographic Defects, WACV) draw one photograph of each of eleven classes of
severity, correlate those, and average over many draws. Theirs has no interval; ours resamples groups.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from training.data.arrays import Floats, Ints
from training.evaluation.evidence import Evidence, HeadResult, metric_rows
from training.evaluation.intervals import LEVEL, Interval, group_bootstrap
from training.evaluation.tasks import values
from training.evaluation.tasks.binary import area, area_sums
from training.heads.severity import SeverityHead

DRAWS = 4000  # of one photograph of each class
RESAMPLES = 200  # of the groups, for the interval
DRAWS_OF_RESAMPLE = 100
STRONG = 0.5  # a severity from which on a defect is said to be there
_UNSIGNED = np.linspace(-0.05, 1.05, 12)
_SIGNED = np.array([-1.05, -0.85, -0.65, -0.45, -0.25, -0.05, 0.05, 0.25, 0.45, 0.65, 0.85, 1.05])


def evaluate(head: SeverityHead, evidence: Evidence) -> HeadResult:
    """Score the network, its parts and the baselines on the test rows."""
    truth, targets = evidence.labels["test"].truth, head.targets(evidence.index)

    def further(predicted: Mapping[str, Floats]) -> Iterator[dict[str, Any]]:
        labelled = np.flatnonzero(~np.isnan(truth))
        for name, said in predicted.items():
            figures = [
                ("cross_class_correlation",
                 cross_class_correlation(truth[labelled], said[labelled], evidence.groups[labelled])),
                ("auc", detection(targets, said, evidence.groups)),
            ]  # fmt: skip
            rows = metric_rows(name, head.name, "all", ((k, v) for k, v in figures if v.n))
            yield from (row for row in rows if not np.isnan(row["value"]))

    return values.evaluate(head, evidence, further)


def detection(severity: Floats, said: Floats, groups: Ints) -> Interval:
    """Return the area under the ROC curve of rows with a severity of at least one half against rows with none."""
    size = np.abs(severity)
    rows = np.flatnonzero((size == 0) | (size >= STRONG))
    if not 0 < (size[rows] > 0).sum() < len(rows):
        return Interval(float("nan"), None, None, 0, 0)
    sums = area_sums((size[rows] > 0).astype(np.int64), np.abs(said[rows]))
    return group_bootstrap(sums, groups[rows], area)


def cross_class_correlation(truth: Floats, said: Floats, groups: Ints, seed: int = 0) -> Interval:
    """Return the cross-class ranking correlation of severities (N,) with its interval over groups.

    Classes are those of the authors: eleven of the width 0.1 from 0 to 1, or where a severity is negative eleven from
    -1 to 1; a value between two classes belongs to both. Classes without a photograph are left out; with fewer than
    two the figure is NaN.

    >>> severity = np.arange(0, 1.01, 0.1)
    >>> cross_class_correlation(severity, severity**2, np.arange(11)).value
    1.0
    """
    edges = _SIGNED if len(truth) and truth.min() < 0 else _UNSIGNED
    is_inside = (truth >= edges[:-1, None] - 1e-9) & (truth <= edges[1:, None] + 1e-9)  # (11, N)
    rng = np.random.default_rng(seed)
    names, codes = np.unique(groups, return_inverse=True)
    value = _mean_correlation(truth, said, is_inside.astype(float), DRAWS, rng)
    if len(names) < 2 or np.isnan(value):
        return Interval(value, None, None, len(truth), len(names))
    drawn = []
    for _ in range(RESAMPLES):
        times = rng.multinomial(len(names), np.full(len(names), 1 / len(names)))[codes]
        drawn.append(
            _mean_correlation(
                truth, said, (is_inside * times).astype(float), DRAWS_OF_RESAMPLE, rng
            )
        )
    if np.isnan(drawn).all():
        return Interval(value, None, None, len(truth), len(names))
    low, high = np.nanpercentile(drawn, LEVEL)
    return Interval(value, float(low), float(high), len(truth), len(names))


def _mean_correlation(
    truth: Floats, said: Floats, weights: NDArray[np.float64], draws: int, rng: np.random.Generator
) -> float:
    """Draw one row of each class by `weights` (C, N), `draws` times; return the mean rank correlation."""
    used = weights[weights.sum(1) > 0]
    if len(used) < 2:
        return float("nan")
    chosen = np.stack(
        [rng.choice(len(truth), draws, p=each / each.sum()) for each in used], axis=1
    )  # (draws, C)
    one, other = (_centred(rankdata(each[chosen], axis=1)) for each in (truth, said))
    size = np.sqrt((one**2).sum(1) * (other**2).sum(1))
    products = (one * other).sum(1)
    ratios = np.divide(products, size, out=np.full(draws, np.nan), where=size > 0)
    return float(np.nanmean(ratios)) if not np.isnan(ratios).all() else float("nan")


def _centred(ranks: Floats) -> Floats:
    return np.asarray(ranks - ranks.mean(1, keepdims=True))
