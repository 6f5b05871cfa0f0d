"""Predict each face of a picture: faces are found, cut as the faces of UTKFace are, and predicted one by one.

The picture is turned upright by its EXIF tag Orientation first, because people look at faces that way.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from training.data.decode import decode
from training.data.orientation import orientation_of, turn_upright
from training.data.views.aligned_faces import AlignedFaces
from training.data.views.face_alignment import (
    FoundFace,
    LocatedFace,
    aligned_face,
    find_faces,
    near_face,
    side_of,
)
from training.errors import NoFaceError
from training.predict.predict_files import Answers, Model, stated_of_pixels
from training.predict.saved_model import calibrations_of

EYES = 0.372  # of the side of a chip of UTKFace: median of 210 chips, found by the same detector
OFFSET = (
    0.016,
    0.035,
)  # of the side, by which faces of UTKFace lie farther left and higher than in our aligned square
EYES_ROOM = 0.24  # with room around the face, for views that align it themselves
LARGEST_PX = 448  # side of a chip; more says nothing to a network that sees 224 px


@dataclass(frozen=True)
class FaceAnswers:
    """One face: its box (x, y, width, height) in px of the upright picture, how sure the detector is, the answers.

    `refusal` says why there is no answer; it is empty otherwise. `side_px` is the side of the face at the picture's
    own resolution.
    """

    box: tuple[float, float, float, float]
    score: float
    side_px: float
    answers: Answers
    refusal: str = ""


def predict_faces(model: Model, data: bytes, name: str) -> list[FaceAnswers]:
    """Return the answers for each face of an encoded picture, from left to right.

    A face that is smaller than `train limits` allows is refused, the others are answered. Raises
    UndecodablePictureError, NoFaceError without a face, and MissingPartError without the package of the detector.
    """
    pixels = turn_upright(decode(data, name=name), orientation_of(data))
    faces = find_faces(pixels)
    if not faces:
        raise NoFaceError(name)
    least = float(model.limits.get("smallest_side_px") or 0)
    calibrations = calibrations_of(model.facts)
    return [_answered(model, face, least, calibrations) for face in faces]


def _answered(
    model: Model, face: FoundFace, least: float, calibrations: Mapping[str, Mapping[str, Any]]
) -> FaceAnswers:
    side = side_of(face.located, EYES)
    if side < least:
        refusal = f"too small to tell: {side:.0f} px, and this model needs {least:.0f} px"
        return FaceAnswers(face.box, face.score, side, {}, refusal)
    eyes = EYES_ROOM if isinstance(model.view, AlignedFaces) else EYES
    chip_px = max(32, min(LARGEST_PX, round(side_of(face.located, eyes))))
    located = face.located
    if eyes == EYES:
        moved = located.landmarks + side * np.array(OFFSET)
        located = LocatedFace(located.pixels, moved, is_found=True)
    chip = aligned_face(near_face(located, eyes, 2 * chip_px), eyes, chip_px)
    stated = stated_of_pixels(model, chip)
    answers = {
        head.name: head.answer(stated[head.name], calibrations.get(head.name, {}))
        for head in model.heads
    }
    return FaceAnswers(face.box, face.score, side, answers)
