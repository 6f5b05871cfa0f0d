"""The answer of a head for the prediction page: in words, with every class, beside what EXIF recorded."""

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from catalog import ClassProbability, HeadPrediction, Scale, VoteShare
from training.data.photo_settings import TASKS, format_value
from training.errors import TrainingError
from training.evaluation.saved_head import CLASS_FAMILY, SavedHead
from training.heads import Head, HistogramHead, SeverityHead


def head_prediction(
    head: Head, saved: SavedHead, answer: Mapping[str, Any], recorded: pl.DataFrame
) -> HeadPrediction:
    """Describe the answer of one head; `recorded` is one row of the settings that EXIF states, null without."""
    if saved.family == CLASS_FAMILY:
        return _of_classes(head, saved, answer, recorded)
    value = answer.get("value")
    if value is None:
        return HeadPrediction(head.name, saved.title, json.dumps(dict(answer), ensure_ascii=False))
    truth = _truth(head, recorded)
    return HeadPrediction(
        head.name,
        saved.title,
        saved.value_text(value),
        value=value,
        low=answer.get("low"),
        high=answer.get("high"),
        unit=saved.unit,
        scale=_scale(head),
        votes=_votes(head, answer),
        recorded=None if truth is None else saved.value_text(truth),
    )


def _scale(head: Head) -> Scale | None:
    """Return the numbers between which all values of a head lie."""
    if isinstance(head, SeverityHead):
        return Scale(head.low, head.high)
    if isinstance(head, HistogramHead):
        return Scale(float(head.scores[0]), float(head.scores[-1]))
    return None


def _votes(head: Head, answer: Mapping[str, Any]) -> tuple[VoteShare, ...]:
    shares = answer.get("histogram")
    if not isinstance(head, HistogramHead) or not shares:
        return ()
    return tuple(map(VoteShare, head.scores.tolist(), shares))


def _of_classes(
    head: Head, saved: SavedHead, answer: Mapping[str, Any], recorded: pl.DataFrame
) -> HeadPrediction:
    names = list(answer["probabilities"])
    chosen = str(answer["class"])
    truth = _truth(head, recorded)
    return HeadPrediction(
        head.name,
        saved.title,
        saved.describe_class(names.index(chosen)) if chosen in names else chosen,
        predicted=chosen if chosen in names else None,
        is_refused=chosen not in names,
        classes=tuple(
            ClassProbability(name, saved.describe_class(number), answer["probabilities"][name])
            for number, name in enumerate(names)
        ),
        recorded=None if truth is None else _recorded_text(head, recorded),
        recorded_class=None if truth is None else saved.class_name(int(truth)),
    )


def _truth(head: Head, recorded: pl.DataFrame) -> float | None:
    """Return the class or value that EXIF states; None without one, and for a head that learns another label."""
    try:
        truth = np.asarray(head.truth(recorded)[0], np.float64)
    except (TrainingError, pl.exceptions.PolarsError, LookupError, TypeError, ValueError):
        return None  # it is learnt from a column that no file states
    if truth.ndim:
        return None
    return (
        float(truth)
        if math.isfinite(truth) and (truth >= 0 or head.family != CLASS_FAMILY)
        else None
    )


def _recorded_text(head: Head, recorded: pl.DataFrame) -> str | None:
    task = next((name for name in TASKS if head.name == name), None)
    return None if task is None else format_value(task, recorded[task][0])
