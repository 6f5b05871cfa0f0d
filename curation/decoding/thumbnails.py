"""Compare the thumbnail inside the EXIF block with the picture around it.

A thumbnail of another picture means that the whole EXIF block was copied from elsewhere. The crawler records the
position of the thumbnail; this file decodes it and compares it with the pixels of the decode stage.
"""

import warnings
from collections.abc import Iterator
from io import BytesIO

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from curation.similarity.alignment import fit_by_features
from curation.similarity.picture_features import Features

_SIDE = 32  # px of the grids that are compared
_LEAST_SIDE = 128  # px at least from the decoder, so that bars are cut exactly to a pixel
_MAX_THUMBNAIL_PIXELS = 4_000_000
_SAME_ASPECT = 0.03  # relative; rounding of 160x120 against 448x336 stays below
_MIN_CORRELATION = 0.85  # below it, keypoints are compared too
# SIFT matches on one map: cropped, tilted and mirrored pictures have 15 and more with their own thumbnails,
# pictures and thumbnails of different photographs at most 3 (200 pairs).
_INLIERS = 8

Grey = npt.NDArray[np.uint8]
"""Luma, shape (height, width)."""


def read_thumbnail(thumbnail: bytes) -> Grey | None:
    """Decode the JPEG at a small size, as it is stored; None when it is not a JPEG, broken or too large."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(BytesIO(thumbnail), formats=["JPEG"]) as image:
                if image.width * image.height > _MAX_THUMBNAIL_PIXELS:
                    return None
                image.draft("L", (_LEAST_SIDE, _LEAST_SIDE))
                return np.asarray(image.convert("L"))
    except Exception:  # noqa: BLE001 - a decoder on hostile bytes; null says it was not compared
        return None


def thumbnail_correlation(picture: Grey, thumbnail: Grey) -> float | None:
    """Give the grey correlation, -1 to 1, of a picture and its thumbnail, both in the same orientation.

    Where the aspects differ, both explanations are tried (bars around the thumbnail, picture cropped to it), and
    quarter turns; the best correlation counts. Pictures with other edits (free crops, tilted, mirrored) are aligned
    with the thumbnail by their keypoints. None when either is plain.
    """
    correlations = [_correlation(one, other) for one, other in _pairs(picture, thumbnail)]
    best = max((value for value in correlations if value is not None), default=None)
    return (
        best
        if best is None or best >= _MIN_CORRELATION
        else max(best, _aligned(picture, thumbnail))
    )


def _aligned(picture: Grey, thumbnail: Grey) -> float:
    """Give the correlation after alignment by keypoints; -1 where too few match."""
    small, large = (
        Features.of(np.asarray(cv2.cvtColor(np.ascontiguousarray(each), cv2.COLOR_GRAY2RGB)))
        for each in (thumbnail, picture)
    )
    return fit_by_features(small, large, _INLIERS).ncc


def _pairs(whole: Grey, small: Grey) -> Iterator[tuple[Grey, Grey]]:
    is_turned = (_aspect(whole) > 1) != (_aspect(small) > 1)
    for thumb in (small, np.rot90(small), np.rot90(small, 3)) if is_turned else (small,):
        picture_aspect, thumb_aspect = _aspect(whole), _aspect(thumb)
        yield whole, thumb
        if abs(picture_aspect / thumb_aspect - 1) > _SAME_ASPECT:
            yield whole, _crop(thumb, picture_aspect)
            yield _crop(whole, thumb_aspect), thumb


def _aspect(image: Grey) -> float:
    height, width = image.shape
    return float(width / height)


def _crop(image: Grey, aspect: float) -> Grey:
    """Cut the middle of `image` with this aspect (width / height)."""
    full_height, full_width = image.shape
    width = min(full_width, max(1, round(full_height * aspect)))
    height = min(full_height, max(1, round(full_width / aspect)))
    left, top = (full_width - width) // 2, (full_height - height) // 2
    return image[top : top + height, left : left + width]


def _correlation(one: Grey, other: Grey) -> float | None:
    first, second = _grid(one), _grid(other)
    length = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float((first * second).sum()) / length if length > 1.0 else None


def _grid(image: Grey) -> npt.NDArray[np.float64]:
    small = cv2.resize(np.ascontiguousarray(image), (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    grid = np.asarray(small, dtype=np.float64)
    centred: npt.NDArray[np.float64] = grid - grid.mean()
    return centred
