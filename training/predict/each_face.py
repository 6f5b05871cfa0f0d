"""Predict each face of a picture: faces are found, cut as the faces of UTKFace are, and predicted one by one.

The picture is turned upright by its EXIF tag Orientation first, because people look at faces that way.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from training.data.arrays import Pixels
from training.data.decode import decode
from training.data.orientation import orientation_of, turn_upright
from training.data.views.aligned_faces import AlignedFaces
from training.data.views.face_alignment import (
    SURE,
    FoundFace,
    LocatedFace,
    aligned_face,
    find_faces,
    near_face,
    side_of,
)
from training.errors import NoFaceError
from training.predict.predict_files import (
    Answers,
    Model,
    answers_of,
    least_side,
    predict_sample,
    stated_of_pixels,
)

EYES = 0.372  # of the side of a chip of UTKFace: median of 210 chips, found by the same detector
OFFSET = (
    0.016,
    0.035,
)  # of the side, by which faces of UTKFace lie farther left and higher than in our aligned square
LARGEST_PX = 448  # side of a chip; more says nothing to a network that sees 224 px


Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class FaceAnswers:
    """One face: its box (x, y, width, height) in px of the upright picture, how sure the detector is, the answers.

    `refusal` says why there is no answer; it is empty otherwise. `side_px` is the side of the face at the picture's
    own resolution.
    """

    box: Box
    score: float
    side_px: float
    answers: Answers
    refusal: str = ""


def predict_faces(model: Model, data: bytes, name: str) -> list[FaceAnswers]:
    """Return the answers for each face of an encoded picture, from left to right.

    A face that is smaller than `train limits` allows is refused, the others are answered. Raises
    UndecodablePictureError, NoFaceError without a face, and MissingPartError without the package of the detector.
    """
    faces = find_turned_faces(turn_upright(decode(data, name=name), orientation_of(data)))
    if not faces:
        raise NoFaceError(name)
    return [predict_face(model, face) for face in faces]


def find_turned_faces(pixels: Pixels) -> list[FoundFace]:
    """Find all faces of decoded pixels (H, W, 3), from left to right; the picture may lie on its side.

    Unless a face is sure, the surest of the four quarter turns is taken. Boxes are in px of `pixels`, and inside.
    """
    turns, faces = 0, find_faces(pixels)
    if not faces or _surest(faces) < SURE:
        looks = [(n, find_faces(np.ascontiguousarray(np.rot90(pixels, n)))) for n in (1, 2, 3)]
        turns, faces = max([(0, faces), *looks], key=lambda look: _surest(look[1]))
    placed = [
        replace(face, box=_box_before(face.box, turns, face.located.pixels.shape[:2]))
        for face in faces
    ]
    return sorted(placed, key=lambda face: face.box[0])


def _surest(faces: Sequence[FoundFace]) -> float:
    return max((face.score for face in faces), default=0.0)


def _box_before(box: Box, turns: int, size: tuple[int, ...]) -> Box:
    """Return a box of a picture of `size` (height, width) as it lies before the quarter turns to the left.

    >>> _box_before((10, 20, 30, 40), 1, (100, 200))
    (40.0, 10.0, 40.0, 30.0)
    """
    height, width = size
    left, right = (float(np.clip(x, 0, width)) for x in (box[0], box[0] + box[2]))
    top, bottom = (float(np.clip(y, 0, height)) for y in (box[1], box[1] + box[3]))
    for _ in range(turns):
        left, right, top, bottom = height - bottom, height - top, left, right
        height, width = width, height
    return left, top, right - left, bottom - top


def predict_face(model: Model, face: FoundFace) -> FaceAnswers:
    """Return the answers for one face, or why there are none."""
    least = least_side(model)
    side = side_of(face.located, EYES)
    if side < least:
        refusal = f"too small to tell: {side:.0f} px, and this model needs {least:.0f} px"
        return FaceAnswers(face.box, face.score, side, {}, refusal)
    if isinstance(model.view, AlignedFaces):  # it cuts faces itself, as in training
        answers = predict_sample(model, model.view.sample(face.located), "face")
    else:
        answers = answers_of(model, stated_of_pixels(model, _chip(face.located, side)))
    return FaceAnswers(face.box, face.score, side, answers)


def _chip(face: LocatedFace, side: float) -> Pixels:
    """Cut a face as the faces of UTKFace are cut; `side` is that of the chip at the picture's own resolution."""
    side_px = max(32, min(LARGEST_PX, round(side)))
    moved = LocatedFace(face.pixels, face.landmarks + side * np.array(OFFSET), is_found=True)
    return aligned_face(near_face(moved, EYES, 2 * side_px), EYES, side_px)
