"""Prepare one picture for alignment: a small grey version without its frame, and its SIFT keypoints."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.similarity.inner_picture import inner_box

Grey = NDArray[np.floating]
"""A grey picture, shape (height, width)."""

CACHE_SIZE = 4096  # pictures whose features are kept, about 0.15 MB each
SIDE = 320  # px, longest side at which pictures are compared: drift is in these pixels
TINY = 32  # px, both sides of the version that finds the orientation
FULLY, MIN_COVERED = 0.99, 16  # share of a tiny pixel that is covered; such pixels
MIN_CHROMA = 3.0  # grey levels, root mean square: with less a picture is grey
CELLS = 8  # parts a side in which the overlap is compared
ZOOM = 0.6  # keypoints are detected below SIDE: three times as fast; the transform is refined later
MAX_KEYPOINTS, CONTRAST = 300, 0.02
MIN_KEYPOINTS = 80  # with fewer, the detector runs again with a lower contrast threshold
FRAME_MIN, FRAME_MAX = 0.01, 0.5  # share of the side: of each border at least, of two at most
FRAME_NOISE = 24  # grey levels that JPEG adds to a border of one tone beside the picture


@dataclass(frozen=True)
class Features:
    """One picture for alignment: grey pixels (longest side 320), 32 x 32 versions, SIFT keypoints on demand.

    It keeps whole numbers, a quarter of the size of the floats that are computed with: 0.15 MB.
    """

    pixels: NDArray[np.uint8]
    tiny: Grey
    chroma: Grey  # (2, 32, 32): Cr and Cb of YCrCb without their middle
    is_framed: bool = False  # a frame of one colour was cut off on all four sides

    @classmethod
    def of(cls, picture: NDArray[np.uint8]) -> "Features":
        """Compute the features of an upright RGB picture (height, width, 3)."""
        grey = np.asarray(cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY), np.uint8)
        box = _inside_frame(grey)
        inside = grey[box] if box else grey
        scale = SIDE / max(inside.shape)
        # Multiples of the number of cells: each cell is then an average of whole pixels.
        size = [max(1, round(length * scale / CELLS)) * CELLS for length in inside.shape[::-1]]
        interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        scaled = cv2.resize(inside, size, interpolation=interpolation)
        tiny = cv2.resize(scaled, (TINY, TINY), interpolation=cv2.INTER_AREA)
        return cls(
            np.asarray(scaled, np.uint8),
            tiny.astype(np.float32),
            _chroma(picture[box] if box else picture),
            box is not None,
        )

    @property
    def grey(self) -> Grey:
        """The grey pixels as float32."""
        return self.pixels.astype(np.float32)

    @cached_property
    def inner_box(self) -> tuple[int, int, int, int] | None:
        """Left, top, right and bottom (px) of the photograph on a page; None where the picture is no page."""
        return inner_box(self.pixels)

    @property
    def keypoints(self) -> "Keypoints":
        """The SIFT keypoints of the picture."""
        points, whole = self._detected
        descriptors = whole.astype(np.float32)
        descriptors /= np.maximum(descriptors.sum(axis=1, keepdims=True), 1e-6)
        return Keypoints(points, np.sqrt(descriptors, out=descriptors))

    @cached_property
    def _detected(self) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """Positions and descriptors, whole numbers. This is the slowest step, and many pictures never need it."""
        small = cv2.resize(self.pixels, None, fx=ZOOM, fy=ZOOM, interpolation=cv2.INTER_AREA)
        for contrast in (CONTRAST, CONTRAST / 4):
            sift = cv2.SIFT.create(MAX_KEYPOINTS, contrastThreshold=contrast)
            keypoints, descriptors = sift.detectAndCompute(small, None)
            if len(keypoints) >= MIN_KEYPOINTS:
                break
        points = np.array([each.pt for each in keypoints], np.float32).reshape(-1, 2)
        points = (points + 0.5) / ZOOM - 0.5
        if not len(points):
            return points, np.zeros((0, 128), np.uint8)
        return points, descriptors.astype(np.uint8)


class FeatureCache:
    """The features of pictures by name, the 4,096 that were used last. Safe to use from several threads.

    `load` gives upright RGB pixels (height, width, 3), of any size; more than 320 px a side are not used.
    """

    def __init__(self, load: Callable[[str], NDArray[np.uint8]]) -> None:
        self.load = load
        self._features: OrderedDict[str, Features] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, name: str) -> Features:
        """Return the features of a picture, computed once as long as they are kept."""
        with self._lock:
            if name in self._features:
                self._features.move_to_end(name)
                return self._features[name]
        features = Features.of(self.load(name))
        with self._lock:
            self._features[name] = features
            while len(self._features) > CACHE_SIZE:
                self._features.popitem(last=False)
        return features


def _chroma(picture: NDArray[np.uint8]) -> Grey:
    small = cv2.resize(picture, (TINY, TINY), interpolation=cv2.INTER_AREA)
    colours = cv2.cvtColor(small, cv2.COLOR_RGB2YCrCb)[..., 1:].astype(np.float32) - 128
    return np.ascontiguousarray(np.moveaxis(colours, -1, 0))


@dataclass(frozen=True)
class Colours:
    """The colours of two pictures, (2, 32, 32) each, in the orientation in which one lies on the other."""

    one: Grey
    two: Grey

    def ncc(
        self, of_one: tuple[int, ...], of_two: tuple[int, ...], transform: NDArray[np.float64]
    ) -> float:
        """Correlate the colours where `transform` lays the second picture on the first; 1 where one has nearly none.

        The transform is of pictures of these shapes.
        """
        to_tiny = _to_tiny(of_one) @ transform @ np.linalg.inv(_to_tiny(of_two))
        layers = np.dstack([*self.two, np.ones_like(self.two[0])])
        laid = cv2.warpPerspective(layers, to_tiny, (TINY, TINY), flags=cv2.INTER_LINEAR)
        is_covered = laid[..., 2] > FULLY
        if is_covered.sum() < MIN_COVERED:
            return 1.0
        one, two = self.one[:, is_covered], laid[is_covered, :2].T
        norms = [float(np.sqrt((each * each).mean())) for each in (one, two)]
        if min(norms) < MIN_CHROMA:
            return 1.0
        return float((one * two).mean() / (norms[0] * norms[1]))


def _to_tiny(shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Give the transform from the pixels of a picture of this shape to those of its 32 x 32 version."""
    x, y = TINY / shape[1], TINY / shape[0]
    return np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]])


@dataclass(frozen=True)
class Keypoints:
    """SIFT keypoints: positions and descriptors."""

    points: NDArray[np.float32]  # (N, 2), x and y in px
    descriptors: NDArray[np.float32]  # (N, 128), root-SIFT: unit length

    def mirrored(self, width: int) -> "Keypoints":
        """Mirror the keypoints within a picture of this width, without detecting them again.

        A mirrored gradient histogram has its rows reversed and its 8 directions in the opposite order.
        """
        cells = self.descriptors.reshape(-1, 4, 4, 8)[:, ::-1][..., (-np.arange(8)) % 8]
        points = np.array([width - 1, 0], np.float32) + self.points * np.array([-1, 1], np.float32)
        return Keypoints(points, np.ascontiguousarray(cells.reshape(-1, 128)))


def oriented(grey: Grey, orientation: int) -> Grey:
    """Put a picture into one of its 8 orientations (0 to 7)."""
    grey = grey.T if orientation & 4 else grey
    grey = grey[::-1] if orientation & 2 else grey
    return np.ascontiguousarray(grey[:, ::-1] if orientation & 1 else grey)


def similarity_by_orientation(one: Grey, two: Grey) -> NDArray[np.floating]:
    """Give the `ncc` of a square picture with another in each of its 8 orientations: (8,)."""
    left, right = ((each - each.mean()).ravel() for each in (one, two))
    norm = float(np.sqrt(np.vdot(left, left) * np.vdot(right, right)))
    if norm <= 1e-3 * left.size:
        return np.zeros(8)
    return np.asarray(right[_places(len(one))] @ left / norm, np.float64)


@lru_cache
def _places(side: int) -> NDArray[np.intp]:
    """Give the places of the pixels of a square picture in each of its 8 orientations: (8, side * side)."""
    places = np.arange(side * side, dtype=np.float64).reshape(side, side)
    return np.stack([oriented(places, way).ravel() for way in range(8)]).astype(np.intp)


def median(values: NDArray[np.floating]) -> float:
    """Give the median of a few numbers; np.median takes six times as long."""
    ordered, middle = sorted(values.tolist()), len(values) // 2
    return float(
        ordered[middle] if len(values) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
    )


def ncc(a: Grey, b: Grey) -> float:
    """Give the normalised cross-correlation of two arrays of one shape, -1 to 1; 0 when one is constant."""
    a, b = a - a.mean(), b - b.mean()
    norm = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum() / norm) if norm > 1e-3 * a.size else 0.0


def relief_ncc(one: Grey, two: Grey, inside: Grey) -> float:
    """Correlate what is left of the smooth pictures without the means of rows and columns; 1 where nothing is left.

    A gradient of the sky and a horizon are such means: skies share them.
    """
    residuals = []
    for grey in (one, two):
        small = cv2.resize(grey * inside, (32, 32), interpolation=cv2.INTER_AREA)
        weight = np.maximum(cv2.resize(inside, (32, 32), interpolation=cv2.INTER_AREA), 1e-3)
        tones = small / weight
        residuals.append(tones - tones.mean(0) - tones.mean(1)[:, None] + tones.mean())
    return ncc(residuals[0], residuals[1])


def _inside_frame(grey: NDArray[np.uint8]) -> tuple[slice, slice] | None:
    """Find the area inside a frame of one tone that runs around the picture; None without a frame."""
    views = [grey, grey[::-1], grey.T, grey.T[::-1]]
    top, bottom, left, right = (_n_plain_lines(view) for view in views)
    height, width = grey.shape
    thinnest = min(top / height, bottom / height, left / width, right / width)
    if not thinnest >= FRAME_MIN or max(top + bottom, left + right) > FRAME_MAX * min(
        height, width
    ):
        return None
    return slice(top + 1, height - bottom - 1), slice(left + 1, width - right - 1)


def _n_plain_lines(grey: NDArray[np.uint8]) -> int:
    """Count the lines from the top that have the tone of the first line."""
    lines = grey[: grey.shape[0] // 3]
    first = lines[0].astype(np.int16)
    tone = int(median(first))
    if np.abs(first - tone).max() > FRAME_NOISE:  # as in most pictures
        return 0
    differs = np.abs(lines.astype(np.int16) - tone).max(axis=1) > FRAME_NOISE
    return int(differs.argmax()) if differs.any() else 0
