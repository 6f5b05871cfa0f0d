"""Predictions of picture files as rows: for people a table, for programs JSON lines and CSV with fixed names."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from catalog import aligned, format_share
from training.data.photo_settings import CLASSES, class_ranges, task_name
from training.evaluation.metrics import Floats


@dataclass(frozen=True)
class Prediction:
    """What a model says about one setting of one file. Its fields are the keys of `--format json` and `csv`.

    `task` is f_number, iso or exposure_time; `predicted` is the most probable of low, medium and high, which are the
    probabilities and sum to 1.
    """

    file: str
    model_id: str
    task: str
    predicted: str
    low: float
    medium: float
    high: float

    @property
    def probabilities(self) -> tuple[float, float, float]:
        """The probabilities of `CLASSES`, in their order."""
        return self.low, self.medium, self.high


def prediction_rows(
    file: str, model_id: str, heads: Sequence[str], probabilities: Floats
) -> list[Prediction]:
    """Make one row a setting from probabilities (heads, 3)."""
    return [
        Prediction(file, model_id, head, CLASSES[int(row.argmax())], *map(float, row))
        for head, row in zip(heads, probabilities, strict=True)
    ]


def prediction_lines(
    rows: Iterable[Prediction], style: str, bins: Mapping[str, Any], *, width: int | None = None
) -> Iterator[str]:
    """Write rows as `json` (one object a line), `csv` or `table`; json and csv give each row as soon as it comes.

    `bins` are the class edges of the model, for the table.
    """
    if style == "table":
        yield from _table(list(rows), bins, width)
        return
    if style == "csv":
        yield _csv_line([field.name for field in fields(Prediction)])
    for row in rows:
        values = asdict(row)
        is_csv = style == "csv"
        yield _csv_line(list(values.values())) if is_csv else json.dumps(values, ensure_ascii=False)


def _csv_line(values: Sequence[object]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(values)
    return text.getvalue()


def _table(rows: Sequence[Prediction], bins: Mapping[str, Any], width: int | None) -> Iterator[str]:
    """Lay rows out for people: the most probable range as photographers write it, and the share of each class."""
    if not rows:
        return iter(())
    cells = [
        [row.file, task_name(row.task), _range(row, bins), *map(format_share, row.probabilities)]
        for row in rows
    ]
    header = ["file", "setting", "most probable", *CLASSES]
    return aligned(header, cells, width=width, numbers=CLASSES)


def _range(row: Prediction, bins: Mapping[str, Any]) -> str:
    return class_ranges(bins, row.task)[CLASSES.index(row.predicted)]
