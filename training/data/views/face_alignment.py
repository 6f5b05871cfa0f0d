"""Bring the face of a picture to one geometry: its five landmarks lie where they lie in every other picture.

The transform is a similarity (rotation, scale, shift), so a face keeps its shape. Only NumPy and OpenCV are used.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np

from training.data.arrays import Floats, Pixels

if TYPE_CHECKING:
    from curation import FaceDetector

TEMPLATE = np.array([[-0.5, -0.57], [0.5, -0.57], [0.0, 0.0], [-0.41, 0.58], [0.41, 0.58]])
"""Right eye, left eye, nose tip, right and left corner of the mouth, as the viewer sees them; eyes 1 apart, y down."""
CENTRE = (0.5, 0.52)  # of the template in the aligned square, in shares of its side
SURE = 0.92  # score above which a face stands upright
LEAST_SCORE = 0.6
AGAIN_PX, AGAIN_EYES = 256, 0.24  # of the square in which a face is looked for again
PADDING = 0.4  # of the longer side, around a picture that a face may fill
GREY = 127


@dataclass(frozen=True)
class LocatedFace:
    """An upright picture (H, W, 3) with the five landmarks (5, 2) of its largest face, in px.

    Without a face (`is_found` is false) the landmarks are those of a face that fills the centred square.
    """

    pixels: Pixels
    landmarks: Floats
    is_found: bool


@lru_cache(maxsize=1)
def _detector() -> "FaceDetector":
    from curation import FaceDetector

    return FaceDetector(LEAST_SCORE)


def locate_face(pixels: Pixels, eyes: float) -> LocatedFace:
    """Find the largest face of decoded pixels (H, W, 3); the picture may lie on its side or upside down.

    `eyes` is the distance of the eyes in shares of the aligned side; it places the centred square where no face is
    found. Raises `MissingPartError` without the package of the detector.
    """
    best = _best_face(pixels)
    if best is not None:
        turns, landmarks = best
        turned = np.ascontiguousarray(np.rot90(pixels, turns))
        return _refined(LocatedFace(turned, landmarks, is_found=True))
    height, width = pixels.shape[:2]
    edge = min(height, width)
    corner = np.array([(width - edge) / 2, (height - edge) / 2])
    return LocatedFace(pixels, corner + edge * _places(eyes), is_found=False)


@dataclass(frozen=True)
class FoundFace:
    """One of the faces of a picture: box (x, y, width, height) in px, score of the detector, landmarks."""

    box: tuple[float, float, float, float]
    score: float
    located: LocatedFace


def find_faces(pixels: Pixels) -> list[FoundFace]:
    """Find all faces of upright pixels (H, W, 3), from left to right.

    A face that fills the picture is found with a margin around it. Raises `MissingPartError` without the package of
    the detector.
    """
    faces, margin = _faces(pixels), 0
    if not len(faces):
        margin = round(PADDING * max(pixels.shape[:2]))
        border = ((margin, margin), (margin, margin), (0, 0))
        faces = _faces(np.pad(pixels, border, constant_values=GREY))
    found = []
    for face in faces[np.argsort(faces[:, 0])] if len(faces) else ():
        x, y, width, height = face[:4].tolist()
        first = LocatedFace(pixels, _landmarks(face) - margin, is_found=True)
        box = (x - margin, y - margin, width, height)
        found.append(FoundFace(box, float(face[-1]), _refined_near(first)))
    return found


def side_of(face: LocatedFace, eyes: float) -> float:
    """Return the side in px that the aligned square has at the picture's own resolution."""
    return _eye_distance(face.landmarks) / eyes


def _refined_near(face: LocatedFace) -> LocatedFace:
    """Look at a face again, unless the second look finds a neighbour."""
    again = _refined(face)
    moved = np.hypot(*(again.landmarks.mean(axis=0) - face.landmarks.mean(axis=0)))
    return again if moved < _eye_distance(face.landmarks) / 2 else face


def _best_face(pixels: Pixels) -> tuple[int, Floats] | None:
    """Return how many quarter turns make the picture upright, and the landmarks there; None without a face.

    A face is also found, less surely and with wrong landmarks, when it lies on its side; one that fills the picture is
    found more surely with a margin. So unless the first look is sure, the surest of all is taken.
    """
    face = _largest(pixels)
    if face is not None and face[-1] >= SURE:
        return 0, _landmarks(face)
    margin = round(PADDING * max(pixels.shape[:2]))
    padded = np.pad(pixels, ((margin, margin), (margin, margin), (0, 0)), constant_values=GREY)
    looks = [
        (0, 0, face),
        *((turns, margin, _largest(np.rot90(padded, turns))) for turns in range(4)),
    ]
    found = [(turns, border, face) for turns, border, face in looks if face is not None]
    if not found:
        return None
    turns, border, face = max(found, key=lambda look: float(look[2][-1]))
    return turns, _landmarks(face) - border


def _largest(pixels: Pixels) -> Floats | None:
    """Return the 15 numbers of the face with the largest box."""
    faces = _faces(pixels)
    return faces[np.argmax(faces[:, 2] * faces[:, 3])] if len(faces) else None


def _faces(pixels: Pixels) -> Floats:
    """Return the 15 numbers of each face, (N, 15)."""
    faces = _detector().detect(np.ascontiguousarray(pixels))
    return np.asarray(faces[np.isfinite(faces).all(axis=1)], np.float64)


def _landmarks(face: Floats) -> Floats:
    return np.array(face[4:14].reshape(5, 2), np.float64)


def _refined(face: LocatedFace) -> LocatedFace:
    """Look again where the face was found, at a size and angle that do not depend on the picture.

    The landmarks of the detector move with the size of a face: the same face in a larger file would be cut otherwise.
    """
    near = near_face(face, AGAIN_EYES, 2 * AGAIN_PX)
    found = _largest(aligned_face(near, AGAIN_EYES, AGAIN_PX))
    if found is None:
        return face
    matrix = similarity(face.landmarks, AGAIN_PX * _places(AGAIN_EYES))
    back = cv2.invertAffineTransform(matrix)
    landmarks = _landmarks(found) @ back[:, :2].T + back[:, 2]
    return LocatedFace(face.pixels, np.asarray(landmarks, np.float64), is_found=True)


def _places(eyes: float) -> Floats:
    """Return the landmarks (5, 2) of an aligned face in shares of the side."""
    return np.asarray(CENTRE + eyes * TEMPLATE)


def near_face(face: LocatedFace, eyes: float, most_px: int) -> LocatedFace:
    """Cut what lies around a face, and shrink it until the aligned square has at most `most_px` px there."""
    square_px = _eye_distance(face.landmarks) / eyes
    centre, reach = face.landmarks.mean(axis=0), 1.2 * square_px
    height, width = face.pixels.shape[:2]
    low = np.clip(np.floor(centre - reach), 0, (width - 1, height - 1)).astype(int)
    high = np.maximum(low + 1, np.clip(np.ceil(centre + reach), 1, (width, height)).astype(int))
    part = face.pixels[low[1] : high[1], low[0] : high[0]]
    return scaled(
        LocatedFace(part, face.landmarks - low, face.is_found), min(1.0, most_px / square_px)
    )


def scaled(face: LocatedFace, scale: float) -> LocatedFace:
    """Resize a picture with its landmarks, by area averages when it shrinks."""
    if scale == 1:
        return face
    height, width = (max(1, round(scale * side)) for side in face.pixels.shape[:2])
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    pixels = cv2.resize(np.ascontiguousarray(face.pixels), (width, height), interpolation=way)
    factors = np.array([width / face.pixels.shape[1], height / face.pixels.shape[0]])
    return LocatedFace(np.asarray(pixels, np.uint8), face.landmarks * factors, face.is_found)


def aligned_face(face: LocatedFace, eyes: float, side: int) -> Pixels:
    """Draw a face into a square (side, side, 3); what lies outside of the picture is mirrored.

    A face that is larger than the square is first shrunk by area averages, so that nothing is aliased.
    """
    scale = eyes * side / _eye_distance(face.landmarks)
    face = scaled(face, min(1.0, scale))
    matrix = similarity(face.landmarks, side * _places(eyes))
    source = np.ascontiguousarray(face.pixels)
    drawn = cv2.warpAffine(
        source, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    return np.asarray(drawn, np.uint8)


def similarity(source: Floats, target: Floats) -> Floats:
    """Return the matrix (2, 3) that maps points (N, 2) to others with the least squared error, without a reflection.

    >>> similarity(np.array([[0.0, 0], [1, 0]]), np.array([[2.0, 2], [2, 4]])).round(9).tolist()
    [[0.0, -2.0, 2.0], [2.0, 0.0, 2.0]]
    """
    ours, theirs = (points @ np.array([1, 1j]) for points in (source, target))
    centred = ours - ours.mean()
    factor = (centred.conj() @ (theirs - theirs.mean())) / max(np.vdot(centred, centred).real, 1e-9)
    shift = theirs.mean() - factor * ours.mean()
    a, b = factor.real, factor.imag
    return np.array([[a, -b, shift.real], [b, a, shift.imag]])


def _eye_distance(landmarks: Floats) -> float:
    """Return the distance of the eyes that the face would have when seen from the front, in px; at least 1."""
    matrix = similarity(TEMPLATE, landmarks)
    return max(1.0, float(np.hypot(matrix[0, 0], matrix[1, 0])))
