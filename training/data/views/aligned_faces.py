"""A view for a frozen encoder: the largest face of a picture, aligned by its landmarks, and degraded copies of it.

Pictures of different sources differ in size, cut, sharpness and JPEG tables, which tell the source and not the face. So
every face is drawn with the same geometry at the same size, and encoded as JPEG with the same tables.
"""

import math
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np
import simplejpeg

from training.data.arrays import Arrays, Floats, Pixels
from training.data.samples import stacked
from training.data.simple_features import picture_features
from training.data.views.base import View, channels_first
from training.data.views.crops import resized
from training.data.views.face_alignment import (
    LocatedFace,
    aligned_face,
    locate_face,
    near_face,
    scaled,
)
from training.errors import NoFaceError

PLAIN = 2  # variants of a prediction: as it is, and mirrored
NEAR = 2.0  # times the aligned side: resolution that degraded copies start from
SCALES, BLUR_PX, QUALITIES = (0.4, 1.0), (0.3, 1.5), (30, 96)
TURN, SHIFT, ZOOM = math.radians(6), 0.03, 0.08  # of a degraded copy, at most
TABLES, START_OF_SCAN = 0xDB, 0xDA  # markers of segments of a JPEG
DEGRADED_SHARE = (
    2 / 3
)  # of the copies that are resized, blurred or compressed, for each of the three


@dataclass(frozen=True)
class AlignedFaces(View):
    """The largest face of a picture in a square of `side` px; a batch of the plain form has `pictures` (N, 2, 3, S, S).

    The face is drawn at `face_px` with its eyes `eyes` of the square apart, encoded as JPEG of `quality` (0: not), and
    enlarged to `side`. Of `variants` the first two are the face and its mirror image, which predictions see; training
    sees also the others, copies that were resized, blurred, compressed and moved a little. Where no face is found, the
    centred square is used. Needs the package of the face detector: `safelight[faces]`.
    """

    kind: ClassVar[str] = "aligned_faces"
    plain_variants = PLAIN
    n_file_statistics = 4

    side: int
    face_px: int
    eyes: float = 0.42
    quality: int = 85
    variants: int = PLAIN

    @property
    def sample_bytes(self) -> int:
        """Size of one sample in memory."""
        return 3 * self.variants * self.side**2

    def prepare(self, pixels: Pixels) -> Arrays:
        """Draw the variants, (V, S, S, 3); `file` says of the first one what `file_statistics` says."""
        return self.sample(locate_face(pixels, self.eyes))

    def sample(self, located: LocatedFace) -> Arrays:
        """Draw the variants of a face that is located already."""
        face = near_face(located, self.eyes, round(NEAR * self.face_px))
        rng = np.random.default_rng(
            zlib.crc32(face.pixels.tobytes())
        )  # the same picture, the same copies
        plain, file = self._drawn(face)
        squares = [plain, plain[:, ::-1]][: self.variants]
        for number in range(PLAIN, self.variants):
            copy, _ = self._drawn(degraded(face, rng))
            squares.append(copy[:, :: (-1 if number % 2 else 1)])
        return {
            "pictures": np.stack(squares),
            "file": file,
            "is_found": np.array([face.is_found]),
        }

    def augment(self, samples: Sequence[Arrays], rngs: Sequence[np.random.Generator]) -> Arrays:
        """Draw one variant for each sample: `pictures` (N, 1, 3, S, S)."""
        drawn = [
            sample["pictures"][rng.integers(self.variants)][None]
            for sample, rng in zip(samples, rngs, strict=True)
        ]
        return {"pictures": channels_first(drawn)}

    def plain(self, samples: Sequence[Arrays]) -> Arrays:
        """Stack each face and its mirror image: `pictures` (N, 2, 3, S, S)."""
        return {"pictures": channels_first([sample["pictures"][:PLAIN] for sample in samples])}

    def every_variant(self, samples: Sequence[Arrays]) -> Arrays:
        """Stack all variants, which an encoder sees once: `pictures` (N, V, 3, S, S)."""
        return {"pictures": channels_first(stacked(samples, "pictures"))}

    def check(self, sample: Arrays, name: str) -> None:
        """Raise NoFaceError where no face was found."""
        if not sample["is_found"][0]:
            raise NoFaceError(name)

    def simple_features(self, sample: Arrays) -> tuple[Floats, Floats]:
        """Return the scene of the face, and statistics of it; the last four are those of its JPEG."""
        scene, statistics = picture_features(sample["pictures"][0])
        return scene, np.append(statistics, sample["file"])

    def _drawn(self, face: LocatedFace) -> tuple[Pixels, Floats]:
        """Draw, encode and enlarge a face; return (S, S, 3) and what `file_statistics` says of its JPEG."""
        square, data = aligned_face(face, self.eyes, self.face_px), b""
        if self.quality:
            square, data = through_jpeg(square, self.quality)
        statistics = file_statistics(square, data)
        return resized(square, self.side) if self.side != self.face_px else square, statistics


def file_statistics(pixels: Pixels, data: bytes) -> Floats:
    """Return height, width, the sum of the JPEG tables, and the logarithm of the bytes; 0 for what is no JPEG.

    The first three are properties of the file alone. The bytes follow from the detail of the picture.
    """
    return np.array([*pixels.shape[:2], sum(_tables(data)), np.log1p(len(data))])


def _tables(data: bytes) -> Iterator[int]:
    """Yield the sum of each segment of quantisation tables before the scan."""
    at = 2
    while at + 4 <= len(data) and data[at + 1] != START_OF_SCAN:
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if data[at + 1] == TABLES:
            yield sum(data[at + 4 : at + 2 + length])
        at += 2 + length


def through_jpeg(pixels: Pixels, quality: int) -> tuple[Pixels, bytes]:
    """Encode pixels (H, W, 3) as JPEG with half of the colour resolution; return what it decodes to, and the JPEG."""
    data = simplejpeg.encode_jpeg(
        np.ascontiguousarray(pixels), quality=quality, colorspace="RGB", colorsubsampling="420"
    )
    return np.asarray(simplejpeg.decode_jpeg(data, colorspace="RGB"), np.uint8), data


def degraded(face: LocatedFace, rng: np.random.Generator) -> LocatedFace:
    """Return a copy as it may come from elsewhere: smaller, blurred, compressed, its landmarks a little off."""
    resizes, blurs, compresses = rng.random(3) < DEGRADED_SHARE
    scale, sigma = rng.uniform(*SCALES), rng.uniform(*BLUR_PX)
    quality = int(rng.integers(*QUALITIES))
    if resizes:
        face = scaled(face, scale)
    pixels = face.pixels
    if blurs:
        pixels = np.asarray(cv2.GaussianBlur(pixels, (0, 0), sigma), np.uint8)
    if compresses:
        pixels, _ = through_jpeg(pixels, quality)
    return LocatedFace(pixels, _moved(face.landmarks, rng), face.is_found)


def _moved(landmarks: Floats, rng: np.random.Generator) -> Floats:
    """Turn, zoom and shift landmarks (5, 2) a little around their mean."""
    centre = landmarks.mean(axis=0)
    reach = 2.0 * float(np.abs(landmarks - centre).max())
    angle, zoom = rng.uniform(-TURN, TURN), 1 + rng.uniform(-ZOOM, ZOOM)
    turn = zoom * np.array(
        [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    )
    return np.asarray(
        (landmarks - centre) @ turn.T + centre + rng.uniform(-SHIFT, SHIFT, 2) * reach
    )
