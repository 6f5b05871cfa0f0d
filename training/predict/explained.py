"""Heat maps of uploaded pictures: which answer is explained, on which pixels, and where the cells lie upright."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from catalog import FaceBox, HeatMap, NoSuchModelError, PictureRefusedError
from training.data.arrays import Floats, Pixels
from training.data.orientation import turn_upright
from training.data.views.face_alignment import FoundFace
from training.errors import NoFaceError, PictureTooSmallError
from training.evaluation.saved_head import CLASS_FAMILY, SavedHead, saved_heads
from training.predict.each_face import find_turned_faces, predict_face
from training.predict.heat_map import Area, Occlusion, occlude
from training.predict.predict_files import Answers, Model, check_size, predict_sample
from training.predict.uploads import Upload

MARGIN = 0.4  # of a face's box, on each side: a network sees that much around it
LEAST_ODDS = 1e-4  # a probability nearer to 0 or 1 says no more
LOG_ODDS = "log-odds"

Say = Callable[[Pixels], Answers]


def explained(model: Model, upload: Upload, task: str, face: FoundFace | None) -> HeatMap:
    """Return what counted for the answer of one head about a decoded upload, or about one of its faces.

    Raises `NoSuchModelError` for a task that the model has not, and `PictureRefusedError` where it says nothing.
    """
    started = time.monotonic()
    head = next((head for head in saved_heads(model.facts) if head.name == task), None)
    if head is None:
        raise NoSuchModelError(f"model {model.folder.name} does not predict {task[:100]!r}")
    say, area = _of_face(model, upload, face) if face else _of_picture(model, upload)
    try:
        number = _number_of(head, say(upload.pixels)[task])
        result = occlude(upload.pixels, area, lambda pixels: number(say(pixels)[task]))
    except (PictureTooSmallError, NoFaceError) as error:
        raise PictureRefusedError("says_nothing", str(error)) from error
    seconds = time.monotonic() - started
    cells, box = _upright(upload, result.cells, area, is_stored=face is None)
    return _heat_map(head, say(upload.pixels)[task], result, cells, box, seconds)


def _upright(
    upload: Upload, cells: Floats, area: Area, *, is_stored: bool
) -> tuple[Floats, FaceBox]:
    """Return cells and their area as they lie in the upright picture; `is_stored` are those of the stored pixels."""
    height, width = upload.upright_size
    if is_stored:
        return turn_upright(cells[:, :, None], upload.orientation)[:, :, 0], FaceBox(
            0.0, 0.0, width, height
        )
    scale = width / upload.pixels.shape[1]
    return cells, FaceBox(*(round(scale * number, 1) for number in area))


def _heat_map(
    head: SavedHead,
    answer: dict[str, object],
    result: Occlusion,
    cells: Floats,
    area: FaceBox,
    seconds: float,
) -> HeatMap:
    is_class = head.family == CLASS_FAMILY
    return HeatMap(
        head.name,
        head.describe_class(list(head.classes).index(_likeliest(answer)))
        if is_class
        else head.title,
        LOG_ODDS if is_class else head.unit,
        round(result.plain, 6),
        area,
        tuple(tuple(np.round(row, 5).tolist()) for row in cells),
        result.windows,
        round(seconds, 3),
    )


def _likeliest(answer: dict[str, object]) -> str:
    probabilities = answer["probabilities"]
    assert isinstance(probabilities, dict)
    return str(max(probabilities, key=probabilities.__getitem__))


def _number_of(head: SavedHead, answer: dict[str, object]) -> Callable[[dict[str, object]], float]:
    """Return how to read the number that is explained: log-odds of the likeliest class of `answer`, or the value."""
    if head.family != CLASS_FAMILY:
        return lambda other: float(str(other["value"]))
    name = _likeliest(answer)

    def log_odds(other: dict[str, object]) -> float:
        probabilities = other["probabilities"]
        assert isinstance(probabilities, dict)
        share = float(np.clip(probabilities[name], LEAST_ODDS, 1 - LEAST_ODDS))
        return float(np.log(share / (1 - share)))

    return log_odds


def _of_picture(model: Model, upload: Upload) -> tuple[Say, Area]:
    height, width = upload.pixels.shape[:2]

    def say(pixels: Pixels) -> Answers:
        check_size(model, upload.stored_size, "the picture")
        return predict_sample(model, model.view.prepare(pixels), "the picture")

    return say, (0, 0, width, height)


def _of_face(model: Model, upload: Upload, face: FoundFace) -> tuple[Say, Area]:
    """Cover windows around a face; its landmarks stay those of the uncovered picture."""
    turns = next(
        number
        for number in range(4)
        if np.array_equal(np.rot90(upload.pixels, number), face.located.pixels)
    )

    def say(pixels: Pixels) -> Answers:
        turned = np.ascontiguousarray(np.rot90(pixels, turns))
        answers = predict_face(model, replace(face, located=replace(face.located, pixels=turned)))
        if answers.refusal:
            raise PictureRefusedError("says_nothing", f"this face is {answers.refusal}")
        return answers.answers

    return say, _around(face.box, upload.pixels.shape)


def _around(box: tuple[float, float, float, float], shape: tuple[int, ...]) -> Area:
    """Return a box with its margin, inside a picture of this shape.

    >>> _around((10.0, 10.0, 20.0, 20.0), (100, 30, 3))
    (2, 2, 28, 36)
    """
    x, y, width, height = box
    left, top = (max(0, round(low - MARGIN * size)) for low, size in ((x, width), (y, height)))
    right, bottom = (
        min(most, round(low + (1 + MARGIN) * size))
        for low, size, most in ((x, width, shape[1]), (y, height, shape[0]))
    )
    return left, top, max(1, right - left), max(1, bottom - top)


def face_of(pixels: Pixels, number: int, most: int) -> FoundFace:
    """Return a face by its number among the largest ones, from left to right; raises `PictureRefusedError`."""
    faces = largest_faces(find_turned_faces(pixels), most)
    if number >= len(faces):
        raise PictureRefusedError("no_face", f"the picture shows no face number {number + 1}")
    return faces[number]


def largest_faces(faces: list[FoundFace], most: int) -> list[FoundFace]:
    """Return at most so many of the largest faces, from left to right."""
    largest = sorted(faces, key=lambda face: -face.box[2] * face.box[3])[:most]
    return sorted(largest, key=lambda face: face.box[0])
