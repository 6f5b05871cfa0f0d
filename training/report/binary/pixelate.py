"""Make faces in a picture unrecognisable, and look again until none is found."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Boxes = NDArray[np.float64]
Detect = Callable[[NDArray[np.uint8]], Boxes]
"""Maps RGB pixels (H, W, 3) to faces (N, 4 or more): x, y, width, height in px, then anything."""

BLOCKS = 5  # across the longer side of a face
MARGIN = 0.3  # of a face, added on each side
TRIES = 4
SCORE = 0.5  # a weaker detection than curation's: here a face too many does no harm


def face_finder() -> Detect:
    """Return the detector for upright and turned faces; raises MissingPartError without its network."""
    from curation import FaceDetector

    detector = FaceDetector(SCORE)

    def detect(pixels: NDArray[np.uint8]) -> Boxes:
        found = [upright_boxes(pixels, turns, detector.detect) for turns in range(4)]
        return np.concatenate(found)

    return detect


def upright_boxes(pixels: NDArray[np.uint8], turns: int, detect: Callable[[Any], Boxes]) -> Boxes:
    """Detect in a picture turned by quarter turns to the left; return boxes (N, 4) of the picture as it is.

    >>> pixels = np.zeros((40, 60, 3), np.uint8)
    >>> upright_boxes(pixels, 1, lambda turned: np.array([[5.0, 10.0, 8.0, 4.0]])).tolist()
    [[46.0, 5.0, 4.0, 8.0]]
    """
    height, width = pixels.shape[:2]
    x, y, w, h = detect(np.ascontiguousarray(np.rot90(pixels, turns)))[:, :4].T
    if turns == 1:
        x, y, w, h = width - y - h, x, h, w
    elif turns == 2:
        x, y = width - x - w, height - y - h
    elif turns == 3:
        x, y, w, h = y, height - x - w, h, w
    return np.stack([x, y, w, h], axis=1)


def pixelate_faces(picture: Image.Image, detect: Detect) -> Image.Image:
    """Return a copy of an RGB picture in which no face is found any more.

    Where faces are still found after a few tries, with larger and coarser blocks each time, the whole picture is
    pixelated.
    """
    made = picture.copy()
    for number in range(TRIES):
        boxes = detect(np.asarray(made))
        if not len(boxes):
            return made
        for box in boxes[:, :4]:
            _pixelate(made, box, MARGIN * (1 + number), max(2, BLOCKS - number))
    if not len(detect(np.asarray(made))):
        return made
    _pixelate(made, np.array([0.0, 0.0, *made.size]), 0.0, BLOCKS)
    return made


def _pixelate(picture: Image.Image, box: Boxes, margin: float, blocks: int) -> None:
    x, y, width, height = box
    left, top = (max(0, int(each)) for each in (x - margin * width, y - margin * height))
    right = min(picture.width, int(np.ceil(x + (1 + margin) * width)))
    bottom = min(picture.height, int(np.ceil(y + (1 + margin) * height)))
    if right <= left or bottom <= top:
        return
    part = picture.crop((left, top, right, bottom))
    scale = blocks / max(part.size)
    small = part.resize([max(1, round(side * scale)) for side in part.size], Image.Resampling.BOX)
    picture.paste(small.resize(part.size, Image.Resampling.NEAREST), (left, top))
