"""Predictions of picture files as rows: for people a table, for programs JSON lines and CSV with fixed names."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from catalog import aligned, format_share
from training.data.photo_settings import CLASSES
from training.evaluation.saved_head import CLASS_FAMILY, SavedHead, number_text

if TYPE_CHECKING:
    from training.predict.each_face import FaceAnswers

SETTING_COLUMNS = ("file", "model_id", "task", "predicted", *CLASSES)
COLUMNS = ("file", "model_id", "task", "predicted", "probability", "value", "low", "high")
NAMED = 3
"""Classes of one row of the table for people."""


@dataclass(frozen=True)
class PredictionRow:
    """The answer of one head for one file.

    The answer of a head of classes is {"class": name, "probabilities": {name: p}}, that of a head of values is
    {"value": v, "low": l, "high": h, "unit": u}; the bounds are those of the 90 % interval, or None. `face` is the
    box of the face that was judged alone: x, y, width and height in px of the upright picture.
    """

    file: str
    model_id: str
    head: SavedHead
    answer: Mapping[str, Any]
    face: Mapping[str, float] | None = None

    @property
    def shares(self) -> list[tuple[str, float]]:
        """Class names with their probabilities, the most probable first; empty for other heads."""
        probabilities: Mapping[str, float] = self.answer.get("probabilities") or {}
        return sorted(probabilities.items(), key=lambda pair: -pair[1])

    @property
    def as_json(self) -> dict[str, Any]:
        """The keys of `--format json`: those of a setting are low, medium and high; else those of the answer."""
        names: dict[str, Any] = {"file": self.file}
        names |= {} if self.face is None else {"face": dict(self.face)}
        names |= {"model_id": self.model_id, "task": self.head.name}
        if self.head.has_setting_classes:
            shares = {name: self.answer["probabilities"][name] for name in CLASSES}
            return names | {"predicted": self.answer["class"]} | shares
        return names | dict(self.answer)

    @property
    def as_csv(self) -> dict[str, Any]:
        """The values of `COLUMNS`: class and probability, or value and interval; None for the others."""
        answer = self.answer
        predicted = answer.get("class")
        return {
            "file": self.file,
            "model_id": self.model_id,
            "task": self.head.name,
            "predicted": predicted,
            "probability": dict(self.shares).get(predicted) if predicted is not None else None,
            "value": answer.get("value"),
            "low": answer.get("low"),
            "high": answer.get("high"),
        }


def prediction_rows(
    file: str,
    model_id: str,
    heads: Sequence[SavedHead],
    answers: Mapping[str, Mapping[str, Any]],
    face: Mapping[str, float] | None = None,
) -> list[PredictionRow]:
    """Make one row a head from the answers by head name."""
    return [PredictionRow(file, model_id, head, answers[head.name], face) for head in heads]


def face_rows(
    file: str, model_id: str, heads: Sequence[SavedHead], faces: Sequence["FaceAnswers"]
) -> list[PredictionRow]:
    """Make one row a face and head; in `file` the number of the face follows the name, from left to right."""
    return [
        row
        for number, each in enumerate(faces, 1)
        if not each.refusal
        for row in prediction_rows(
            f"{file} face {number}", model_id, heads, each.answers,
            dict(zip(("x", "y", "width", "height"), (round(v, 1) for v in each.box), strict=True)),
        )
    ]  # fmt: skip


def class_answer(head: SavedHead, probabilities: Sequence[float]) -> dict[str, Any]:
    """Return the answer of a head of classes from one probability for each class."""
    shares = {head.class_name(number): share for number, share in enumerate(probabilities)}
    return {"class": max(shares, key=lambda name: shares[name]), "probabilities": shares}


def prediction_lines(
    rows: Iterable[PredictionRow],
    style: str,
    heads: Sequence[SavedHead],
    *,
    width: int | None = None,
) -> Iterator[str]:
    """Write rows as `json` (one object a line), `csv` or `table`; json and csv give each row as soon as it comes.

    `heads` are those of the model. If all that are `in_panel` predict low, medium and high, the columns are
    `SETTING_COLUMNS`; the others then have a table of their own, and no line of csv.
    """
    has_settings_only = all(head.has_setting_classes for head in heads if head.in_panel)
    if has_settings_only and style != "json":
        listed = list(rows) if style == "table" else rows
        others = [row for row in listed if not row.head.in_panel] if style == "table" else []
        rows = (row for row in listed if row.head.in_panel)
    if style == "table" and has_settings_only:
        yield from _settings_table(list(rows), width)
        yield from ["", *_answers_table(others, width)] if others else ()
    elif style == "table":
        yield from _answers_table(list(rows), width)
    elif style == "csv":
        columns = SETTING_COLUMNS if has_settings_only else COLUMNS
        yield _csv_line(columns)
        for row in rows:
            values = row.as_json if has_settings_only else row.as_csv
            yield _csv_line([values[name] for name in columns])
    else:
        for row in rows:
            yield json.dumps(row.as_json, ensure_ascii=False)


def _csv_line(values: Sequence[object]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(values)
    return text.getvalue()


def _settings_table(rows: Sequence[PredictionRow], width: int | None) -> Iterator[str]:
    """Lay rows out for people: the most probable range as photographers write it, and the share of each class."""
    if not rows:
        return iter(())
    cells = [
        [
            row.file,
            row.head.title,
            _described(row),
            *(format_share(row.as_json[c]) for c in CLASSES),
        ]
        for row in rows
    ]
    header = ["file", "setting", "most probable", *CLASSES]
    return aligned(header, cells, width=width, numbers=CLASSES)


def _answers_table(rows: Sequence[PredictionRow], width: int | None) -> Iterator[str]:
    """Lay rows of any heads out for people: the answer, its probability or interval, the next classes."""
    if not rows:
        return iter(())
    cells = [[row.file, row.head.title, *_answer_cells(row)] for row in rows]
    return aligned(["file", "head", "answer", "certainty", "other classes"], cells, width=width)


def _answer_cells(row: PredictionRow) -> tuple[str, str, str]:
    if row.head.family == CLASS_FAMILY:
        (_, share), *others = row.shares
        rest = ", ".join(f"{name} {format_share(part)}" for name, part in others[: NAMED - 1])
        return _class_label(row), format_share(share), rest
    value, low, high = (row.answer.get(name) for name in ("value", "low", "high"))
    if value is None:
        return json.dumps(row.answer, ensure_ascii=False), "-", ""
    interval = "-"
    if low is not None and high is not None:
        interval = f"90 %: {number_text(low)} to {number_text(high)}"
    return row.head.value_text(value), interval, ""


def _class_label(row: PredictionRow) -> str:
    name, described = str(row.answer["class"]), _described(row)
    return name if described == name else f"{name} ({described})"


def _described(row: PredictionRow) -> str:
    name = str(row.answer["class"])
    is_listed = name in row.head.classes
    return row.head.describe_class(row.head.classes.index(name)) if is_listed else name
