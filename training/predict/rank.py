"""Rank pictures of the catalog by what a model says about them, such as a crawl by a person's taste.

The pictures are named by a query, predicted one by one, and sorted by the probability of a class or by a value.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from catalog import AssetReader, Workspace, open_catalog, rows, track, write_segment
from training.errors import (
    NoFaceError,
    OptionError,
    PictureTooSmallError,
    UndecodablePictureError,
)
from training.evaluation.saved_head import CLASS_FAMILY, SavedHead, saved_heads
from training.predict.predict_files import Answers, Model, predict_picture

NAMES = ("asset_sha256", "sha256")
"""Columns of a query that may name its pictures."""
_PLACES = """
    SELECT sha256, pack, pack_offset, pack_length FROM assets
    WHERE sha256 IN (SELECT "{name}" FROM ({sql})) AND coalesce(mime, 'image/') LIKE 'image/%' AND pack IS NOT NULL
    ORDER BY pack, pack_offset
"""


@dataclass(frozen=True)
class RankedPicture:
    """A picture with its score and all answers of the model."""

    asset_sha256: str
    score: float
    answers: Answers


@dataclass(frozen=True)
class Ranking:
    """Pictures by score, the highest first; `left_out` has the reason for each picture without an answer."""

    head: SavedHead
    by: str
    pictures: tuple[RankedPicture, ...]
    left_out: Mapping[str, str]


def rank_pictures(workspace: Workspace, model: Model, sql: str, by: str = "") -> Ranking:
    """Predict the pictures that a query names and sort them by a class, or by a head with a value.

    `by` is a class, as `HEAD=CLASS` where several heads have it, or a head with a value; it may be left out where the
    model has one head, of a value or of two classes, of which the last counts. Raises OptionError for another `by` and
    for a query that names no picture, and `QueryError` for bad SQL.
    """
    head, name = _chosen(saved_heads(model.facts), by)
    ranked: list[RankedPicture] = []
    left_out: dict[str, str] = {}
    for sha256, body in _pictures(workspace, sql):
        try:
            answers = predict_picture(model, body, sha256[:12])
        except (NoFaceError, PictureTooSmallError, UndecodablePictureError) as error:
            left_out[sha256] = str(error)
        else:
            ranked.append(RankedPicture(sha256, _score(head, name, answers[head.name]), answers))
    ranked.sort(key=lambda each: (-each.score, each.asset_sha256))
    return Ranking(head, name, tuple(ranked), left_out)


def _chosen(heads: Sequence[SavedHead], by: str) -> tuple[SavedHead, str]:
    """Return the head and, of a head of classes, the class that `by` means."""
    choices: dict[str, tuple[SavedHead, str]] = {}
    for head in heads:
        classes = head.classes if head.family == CLASS_FAMILY else (head.name,)
        choices |= {f"{head.name}={name}": (head, name) for name in classes}
    fitting = [
        choice for name, choice in choices.items() if by in (name, choice[1])
    ]  # a class by its name alone where one head has it
    if not by and len(heads) == 1 and len(choices) <= 2:
        fitting = list(choices.values())[-1:]
    if len(fitting) != 1:
        raise OptionError(f"by={by}", sorted(choices))
    return fitting[0]


def _score(head: SavedHead, name: str, answer: Mapping[str, Any]) -> float:
    return float(answer["probabilities"][name] if head.family == CLASS_FAMILY else answer["value"])


def _pictures(workspace: Workspace, sql: str) -> Iterator[tuple[str, bytes]]:
    """Read the pictures of a query in the order in which they lie on disk."""
    with open_catalog(workspace) as catalog:
        sql = sql.strip().rstrip(";")
        columns = catalog.query(f"SELECT * FROM ({sql}) LIMIT 0").column_names
        named = next((name for name in NAMES if name in columns), None)
        if named is None:
            raise OptionError("a query without a column of pictures", NAMES)
        places = catalog.records(_PLACES.format(name=named, sql=sql))
    with AssetReader(workspace) as reader:
        for row in track(places, "rank", unit="pictures"):
            place = str(row["pack"]), int(str(row["pack_offset"])), int(str(row["pack_length"]))
            yield str(row["sha256"]), reader.read(*place)


def save_ranking(workspace: Workspace, model: Model, ranking: Ranking) -> int:
    """Write the answers into `predictions`, without a split and a truth; return the number of rows.

    A picture that the model was evaluated on keeps the row that it has.
    """
    heads = saved_heads(model.facts)
    model_id = str(model.facts["model_id"])
    listed = [
        {"model_id": model_id, "asset_sha256": each.asset_sha256} | _row(head, each.answers)
        for each in ranking.pictures
        for head in heads
    ]
    if listed:
        write_segment(
            workspace, {"predictions": rows("predictions", listed)}, job=f"rank:{model_id}"
        )
        with open_catalog(workspace) as catalog:
            catalog.commit()
    return len(listed)


def _row(head: SavedHead, answers: Answers) -> dict[str, Any]:
    answer = answers[head.name]
    row: dict[str, Any] = {"task": head.name, "kind": head.kind, "answer": json.dumps(answer)}
    if head.family != CLASS_FAMILY:
        return row | {name: answer.get(name) for name in ("value", "low", "high")}
    shares = list(answer["probabilities"].values())
    likeliest = shares.index(max(shares))
    return row | {"probabilities": shares, "predicted": likeliest, "value": float(likeliest)}
