"""Tell whether what lies over a part of one of two aligned pictures is another photograph: a tile of a collage.

Where a collage shows more of a photograph than its tile has, the next tile lies over the rest of it. Such a tile is a
strip along a whole side, or a rectangle, that ends in straight steps of tones in one of the pictures, and it is no
paper, bar or sticker of two tones. Letters and stickers end where they end, on top of what goes on beside them.
"""

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.similarity.beside.beside_measures import paper_share, seam
from curation.similarity.overlays import Overlaid
from curation.similarity.picture_features import Grey, ncc

Area = NDArray[np.bool_]

CLOSED, OPENED = 15, 17  # px of the gaps that are closed, and of what is too narrow for a tile
ROW_COVERED, ROWS_COVERED = 0.75, 0.9  # share of a row of a strip, and of its rows
MIN_STRIP, MIN_TILE = 0.12, 0.05  # share of the side, and of the area that both pictures show
TILE_FILL = 0.85  # of the box around it
EDGE, MIN_PIXELS = 9, 200  # px left out at the edge of a tile; that must remain
ALIKE_NCC = 0.45  # more: the same picture, darker or blurred
STRIP_SEAM, TILE_SEAM = 1.6, 2.2  # times the change of tones beside the edge
PAPER = 0.8  # share of two tones


def is_photograph_over(pair: Overlaid, mask: Grey) -> bool:
    """Say whether another photograph lies over a part of either picture; `mask` is 0 where the two do not agree."""
    differs = (pair.is_covered & (mask == 0)).astype(np.uint8)
    closed = cv2.morphologyEx(differs, cv2.MORPH_CLOSE, np.ones((CLOSED, CLOSED)))
    is_left_out = (closed > 0) & pair.is_covered
    tiles = _tiles(is_left_out, pair.is_covered)
    return any(_is_photograph(pair, tile, least_seam) for tile, least_seam in tiles)


def _tiles(is_left_out: Area, is_covered: Area) -> Iterator[tuple[Area, float]]:
    """Give the widest strip along a side, and the rectangles, that are large enough for a tile; and their least seam.

    Lines of text fill rectangles, too, and what they lie on may have edges there.
    """
    rows, columns = np.nonzero(is_covered)
    top, bottom, left, right = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
    box = np.s_[top:bottom, left:right]
    depths = [
        _depth(turned(is_left_out[box]), turned(is_covered[box]))
        for turned in (_same, np.flipud, np.transpose, lambda each: np.flipud(each.T))
    ]
    lengths = np.array([bottom - top] * 2 + [right - left] * 2)
    side = int((depths / lengths).argmax())
    depth = depths[side]
    if depth >= MIN_STRIP * lengths[side]:
        strip = np.zeros_like(is_covered)
        places = (
            np.s_[top : top + depth, left:right],
            np.s_[bottom - depth : bottom, left:right],
            np.s_[top:bottom, left : left + depth],
            np.s_[top:bottom, right - depth : right],
        )
        strip[places[side]] = True
        yield strip & is_covered, STRIP_SEAM
    opened = cv2.morphologyEx(
        is_left_out.astype(np.uint8), cv2.MORPH_OPEN, np.ones((OPENED, OPENED))
    )
    _, _, boxes, _ = cv2.connectedComponentsWithStats(opened)
    for x, y, wide, tall, area in boxes[1:].tolist():
        if area >= max(TILE_FILL * wide * tall, MIN_TILE * float(is_covered.sum())):
            tile = np.zeros_like(is_covered)
            tile[y : y + tall, x : x + wide] = True
            yield tile & is_covered, TILE_SEAM


def _same(area: Area) -> Area:
    return area


def _depth(is_left_out: Area, is_covered: Area) -> int:
    """Count the rows from the top that are left out, nearly all of them nearly whole."""
    shares = is_left_out.sum(axis=1) / np.maximum(is_covered.sum(axis=1), 1)
    is_out = shares > ROW_COVERED
    so_far = np.cumsum(is_out) / np.arange(1, len(is_out) + 1)
    deep = np.flatnonzero(is_out & (so_far >= ROWS_COVERED))
    return int(deep.max(initial=-1)) + 1


def _is_photograph(pair: Overlaid, tile: Area, least_seam: float) -> bool:
    """Say whether a tile ends in a seam in one of the pictures, shows something else there, and is no paper."""
    within = cv2.erode(tile.astype(np.uint8), np.ones((EDGE, EDGE)), borderValue=1) > 0
    if within.sum() < MIN_PIXELS or ncc(pair.left[within], pair.right[within]) > ALIKE_NCC:
        return False
    around = (pair.is_covered & ~tile).astype(np.float32)
    over = max((pair.left, pair.right), key=lambda grey: seam(grey, around))
    return seam(over, around) >= least_seam and paper_share(over[within]) < PAPER
