"""The precision of the duplicate groups, estimated from a random sample of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

Z_95 = 1.959963984540054
"""Quantile of the normal distribution that leaves 2.5 % above it."""


@dataclass(frozen=True)
class Estimate:
    """Verdicts on a sample, and the share that is right with its 95 % interval, in [0, 1]."""

    right: int
    wrong: int
    share: float | None
    low: float
    high: float


def estimate_precision(verdicts: Sequence[str]) -> Estimate:
    """Count the verdicts `right` and `wrong`.

    >>> result = estimate_precision(["right"] * 97 + ["wrong"] * 3)
    >>> round(result.low, 3), result.share, round(result.high, 3)
    (0.915, 0.97, 0.99)
    """
    right, wrong = verdicts.count("right"), verdicts.count("wrong")
    total = right + wrong
    low, high = wilson(right, total)
    return Estimate(right, wrong, right / total if total else None, low, high)


def wilson(successes: int, trials: int, z: float = Z_95) -> tuple[float, float]:
    """Return the Wilson score interval of a share; (0, 1) without trials.

    E. B. Wilson, Probable inference, the law of succession, and statistical inference, JASA 22, 1927. Unlike
    share +- z s it stays within [0, 1], and it has a width when all trials succeed: 100 of 100 is 0.963 to 1.
    """
    if trials == 0:
        return 0.0, 1.0
    share, weight = successes / trials, z * z / trials
    middle = share + weight / 2
    spread = z * sqrt(share * (1 - share) / trials + weight / (4 * trials))
    low, high = (middle - spread) / (1 + weight), (middle + spread) / (1 + weight)
    return (0.0 if successes == 0 else low), (1.0 if successes == trials else high)
