"""Compare the thumbnail inside the EXIF block with the picture around it.

A thumbnail of another picture means that the whole block was copied from elsewhere. The crawler notes where
the thumbnail lies; here it is opened and held against pixels that the decode stage has anyway.
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
_LEAST_SIDE = 128  # px wanted from the decoder: the edges of bars are cut to a pixel
_MAX_THUMBNAIL_PIXELS = 4_000_000
_SAME_ASPECT = 0.03  # relative; rounding of 160x120 against 448x336 stays below
_ALIKE = 0.85  # below it, features are asked too
# SIFT matches on one map: cropped, tilted and mirrored pictures have 15 and more with their own thumbnails,
# pictures and thumbnails of different photographs at most 3 (200 pairs).
_INLIERS = 8

Grey = npt.NDArray[np.uint8]
"""Luma, shape (height, width)."""


def read_thumbnail(thumbnail: bytes) -> Grey | None:
    """Decode the JPEG small, as it is stored; None when it is no JPEG, broken or too large."""
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

    Where the aspects differ, both explanations are tried (bars around the thumbnail, picture cropped
    to it) and the better one counts, as do quarter turns. Pictures that were edited more than that (cropped
    freely, tilted, mirrored) are laid over the thumbnail by their features. None when either is plain.
    """
    found = [_correlation(one, other) for one, other in _pairs(picture, thumbnail)]
    best = max((value for value in found if value is not None), default=None)
    return best if best is None or best >= _ALIKE else max(best, _aligned(picture, thumbnail))


def _aligned(picture: Grey, thumbnail: Grey) -> float:
    """Give the correlation after laying one over the other by features; -1 where they share too few."""
    small, large = (
        Features.of(np.asarray(cv2.cvtColor(np.ascontiguousarray(each), cv2.COLOR_GRAY2RGB)))
        for each in (thumbnail, picture)
    )
    return fit_by_features(small, large, _INLIERS).ncc


def _pairs(whole: Grey, small: Grey) -> Iterator[tuple[Grey, Grey]]:
    is_turned = (_aspect(whole) > 1) != (_aspect(small) > 1)
    for thumb in (small, np.rot90(small), np.rot90(small, 3)) if is_turned else (small,):
        wanted, given = _aspect(whole), _aspect(thumb)
        yield whole, thumb
        if abs(wanted / given - 1) > _SAME_ASPECT:
            yield whole, _crop(thumb, wanted)
            yield _crop(whole, given), thumb


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
