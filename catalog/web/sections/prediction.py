"""One row of table `predictions` as a picture's page shows it, for heads of any family.

The names of the classes are those of the JSON in `answer`; rows without it are of the classes low, medium and high.
"""

import json
from dataclasses import dataclass
from typing import Any

from catalog.releases.release import CLASSES
from catalog.web.sections.section import Row

LARGEST = 5
"""Classes of one row; of more, the most probable ones, the true one, and the number of the others."""


@dataclass(frozen=True)
class ClassShare:
    """The probability of one class, 0 to 1; `is_true` marks the true class."""

    name: str
    share: float
    is_true: bool


@dataclass(frozen=True)
class PredictionText:
    """The texts of one prediction; `truth` is None when it is unknown.

    `shares` are empty for a value, `others` is the number of classes that are left out. `loss` is the negative
    log-likelihood of a class, or the error of a value; None without a truth.
    """

    predicted: str
    truth: str | None
    loss: str | None
    shares: tuple[ClassShare, ...] = ()
    others: int = 0


def describe_prediction(row: Row) -> PredictionText:
    """Describe one row of `predictions`.

    >>> row = {"value": 34.2, "low": 28.0, "high": 41.0, "target_value": 37.0, "answer": '{"unit": "years"}'}
    >>> about = describe_prediction(row)
    >>> about.predicted, about.truth, about.loss
    ('34.2 years [28, 41]', '37 years', 'off by 2.8 years')
    """
    answer = _answer(row)
    if row.get("probabilities") is None:
        return _describe_value(row, answer)
    probabilities: Any = row["probabilities"]
    named = answer.get("probabilities")
    names = list(named) if isinstance(named, dict) else list(CLASSES)
    target: Any = row.get("target")
    shares = [
        ClassShare(_name(names, number), share, number == target)
        for number, share in enumerate(probabilities)
    ]
    chosen = _largest(shares)
    return PredictionText(
        _name(names, row.get("predicted")),
        None if target is None else _name(names, target),
        None if row.get("nll") is None else f"{row['nll']:.2f}",
        tuple(chosen),
        len(shares) - len(chosen),
    )


def _answer(row: Row) -> dict[str, Any]:
    """Return the answer of a row; empty when it is missing or not a JSON object."""
    try:
        answer = json.loads(str(row.get("answer") or "{}"))
    except json.JSONDecodeError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _name(names: list[str], number: Any) -> str:
    if number is None:
        return "unknown"
    return names[number] if 0 <= number < len(names) else str(number)


def _largest(shares: list[ClassShare]) -> list[ClassShare]:
    """Return all of a few classes in their order; of many the most probable, and the true one."""
    if len(shares) <= LARGEST:
        return shares
    ranked = sorted(shares, key=lambda each: -each.share)
    return ranked[:LARGEST] + [each for each in ranked[LARGEST:] if each.is_true]


def _describe_value(row: Row, answer: dict[str, Any]) -> PredictionText:
    value, target, low, high = (
        _float(row, name) for name in ("value", "target_value", "low", "high")
    )
    unit = str(answer.get("unit") or "")
    predicted = "unknown" if value is None else _with_unit(value, unit)
    if low is not None and high is not None:
        predicted += f" [{_number(low)}, {_number(high)}]"
    if value is None or target is None:
        return PredictionText(predicted, None if target is None else _with_unit(target, unit), None)
    loss = f"off by {_with_unit(abs(value - target), unit)}"
    return PredictionText(predicted, _with_unit(target, unit), loss)


def _float(row: Row, name: str) -> float | None:
    value = row.get(name)
    return float(value) if isinstance(value, float | int) else None


def _with_unit(value: float, unit: str) -> str:
    return f"{_number(value)} {unit}".rstrip()


def _number(value: float) -> str:
    """Write three significant digits, and all digits before the point."""
    if abs(value) < 1000:
        return f"{value:.3g}"
    return f"{value:.0f}" if abs(value) < 10_000 else f"{value:,.0f}"
