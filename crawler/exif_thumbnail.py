"""Compare the thumbnail inside the EXIF block with the picture around it.

A thumbnail of another picture means that the whole block was copied from elsewhere. Both sides are
decoded small (JPEG draft mode: 1/8 of the side), so a 448-px picture costs about half a millisecond;
the Huffman decoding of a 24-megapixel original still costs some 100 ms.
"""

from collections.abc import Iterator
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_SIDE = 32  # px of the grids that are compared, and the least wanted from the decoder
_MAX_THUMBNAIL_PIXELS = 4_000_000
_SAME_ASPECT = 0.03  # relative; rounding of 160x120 against 448x336 stays below

_TURNS = (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_270)


def thumbnail_correlation(picture: Image.Image, thumbnail: bytes) -> float | None:
    """Give the grey correlation, -1 to 1, of an opened JPEG and its thumbnail.

    Decodes `picture` in place. Where the aspects differ, both explanations are tried (bars around
    the thumbnail, picture cropped to it) and the better one counts, as do quarter turns. None when
    either cannot be decoded or is plain.
    """
    try:
        with Image.open(BytesIO(thumbnail), formats=["JPEG"]) as small:
            if small.width * small.height > _MAX_THUMBNAIL_PIXELS:
                return None
            grey = _decode(small)
        whole = _decode(picture)
    except Exception:  # noqa: BLE001 - a decoder on hostile bytes; null says it was not compared
        return None
    found = [_correlation(one, other) for one, other in _pairs(whole, grey)]
    return max((value for value in found if value is not None), default=None)


def _decode(image: Image.Image) -> Image.Image:
    image.draft("L", (_SIDE, _SIDE))
    return image.convert("L")


def _pairs(whole: Image.Image, small: Image.Image) -> Iterator[tuple[Image.Image, Image.Image]]:
    turned = (whole.width > whole.height) != (small.width > small.height)
    for thumb in (small, *(small.transpose(turn) for turn in _TURNS if turned)):
        wanted, given = _aspect(whole), _aspect(thumb)
        yield whole, thumb
        if abs(wanted / given - 1) > _SAME_ASPECT:
            yield whole, _crop(thumb, wanted)
            yield _crop(whole, given), thumb


def _aspect(image: Image.Image) -> float:
    return image.width / image.height


def _crop(image: Image.Image, aspect: float) -> Image.Image:
    """Cut the middle of `image` with this aspect (width / height)."""
    width = min(image.width, max(1, round(image.height * aspect)))
    height = min(image.height, max(1, round(image.width / aspect)))
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def _correlation(one: Image.Image, other: Image.Image) -> float | None:
    first, second = _grid(one), _grid(other)
    length = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float((first * second).sum()) / length if length > 1.0 else None


def _grid(image: Image.Image) -> NDArray[np.float64]:
    small = image.resize((_SIDE, _SIDE), Image.Resampling.BOX)
    grid: NDArray[np.float64] = np.asarray(small, dtype=np.float64)
    centred: NDArray[np.float64] = grid - grid.mean()
    return centred
