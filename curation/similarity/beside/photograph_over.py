"""Tell whether what lies over a part of one of two aligned pictures is another photograph: a tile of a collage.

Where a collage shows more of a photograph than its tile has, the next tile lies over the rest of it. Such a tile is a
strip along a whole side, or a rectangle, between straight steps of tones, and it is no paper, bar or sticker of two
tones. Hardly a pixel in it has the tone of the other picture: between letters and through a shade most have.
"""

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.similarity.beside.beside_measures import paper_share, seam
from curation.similarity.overlays import Overlaid, line_through
from curation.similarity.picture_features import Grey, ncc

Area = NDArray[np.bool_]

CLOSED, OPENED = 15, 17  # px of the gaps that are closed, and of what is too narrow for a tile
ROW_COVERED, ROWS_COVERED = 0.75, 0.9  # share of a row of a strip, and of its rows
MIN_STRIP, MIN_TILE = 0.12, 0.05  # share of the side, and of the area that both pictures show
TILE_FILL = 0.85  # of the box around it
EDGE, MIN_PIXELS = 9, 200  # px left out at the edge of a tile; that must remain
SAME_TONES = 0.12  # share of a tile
TONES_APART, NOISE = 3.75, 3.0  # times the median distance beside it; grey levels
ALIKE_NCC = 0.31  # more: the same picture, darker or blurred
PAPER = 0.8  # share of two tones
STEP_SHARE, STEP_TONES = 0.7, 12  # of each inner side; grey levels over 2 px
NEAR = 7  # px from its place in which a straight edge is looked for
INNER = 8  # px from the border of what both show: nearer, a side is no edge


def is_photograph_over(pair: Overlaid, mask: Grey) -> bool:
    """Say whether another photograph lies over a part of either picture; `mask` is 0 where the two do not agree."""
    differs = (pair.is_covered & (mask == 0)).astype(np.uint8)
    closed = cv2.morphologyEx(differs, cv2.MORPH_CLOSE, np.ones((CLOSED, CLOSED)))
    is_left_out = (closed > 0) & pair.is_covered
    return any(_is_photograph(pair, tile) for tile in _tiles(is_left_out, pair.is_covered))


def paper_share_over(pair: Overlaid, mask: Grey) -> float:
    """Give the share of two tones where `mask` is 0, in the picture where it is larger: near 1 for bands with text."""
    is_left_out = pair.is_covered & (mask == 0)
    if not is_left_out.any():
        return 1.0
    return max(paper_share(each[is_left_out]) for each in (pair.left, pair.right))


def _tiles(is_left_out: Area, is_covered: Area) -> Iterator[Area]:
    """Give the widest strip along a side, and the rectangles, that are large enough for a tile."""
    top, bottom, left, right = _box(is_covered)
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
        yield strip & is_covered
    opened = cv2.morphologyEx(
        is_left_out.astype(np.uint8), cv2.MORPH_OPEN, np.ones((OPENED, OPENED))
    )
    _, _, boxes, _ = cv2.connectedComponentsWithStats(opened)
    for x, y, wide, tall, area in boxes[1:].tolist():
        if area >= max(TILE_FILL * wide * tall, MIN_TILE * float(is_covered.sum())):
            tile = np.zeros_like(is_covered)
            tile[y : y + tall, x : x + wide] = True
            yield tile & is_covered


def _same(area: Area) -> Area:
    return area


def _depth(is_left_out: Area, is_covered: Area) -> int:
    """Count the rows from the top that are left out, nearly all of them nearly whole."""
    shares = is_left_out.sum(axis=1) / np.maximum(is_covered.sum(axis=1), 1)
    is_out = shares > ROW_COVERED
    so_far = np.cumsum(is_out) / np.arange(1, len(is_out) + 1)
    deep = np.flatnonzero(is_out & (so_far >= ROWS_COVERED))
    return int(deep.max(initial=-1)) + 1


def _is_photograph(pair: Overlaid, tile: Area) -> bool:
    """Say whether a tile shows something else nearly everywhere, between straight edges, and is no paper."""
    within = cv2.erode(tile.astype(np.uint8), np.ones((EDGE, EDGE)), borderValue=1) > 0
    around = pair.is_covered & ~tile
    if min(within.sum(), around.sum()) < MIN_PIXELS:
        return False
    if ncc(pair.left[within], pair.right[within]) > ALIKE_NCC:
        return False
    if _same_tones(pair, within, around) > SAME_TONES:
        return False
    weight = around.astype(np.float32)
    over = max((pair.left, pair.right), key=lambda grey: seam(grey, weight))
    is_paper = paper_share(over[within]) >= PAPER
    return not is_paper and _step_share(over, tile, pair.is_covered) >= STEP_SHARE


def _same_tones(pair: Overlaid, within: Area, around: Area) -> float:
    """Give the share of a tile that has the tones of the other picture, as between letters; another photograph has few.

    Which tones are the same is what differs no more than 2.5 times as much as is usual around the tile.
    """
    left, right = pair.smooth()
    gain, offset = line_through(right[around], left[around])
    apart = np.abs(left - (gain * right + offset))
    limit = TONES_APART * float(np.median(apart[around])) + 2.5 * NOISE
    return float((apart[within] < limit).mean())


def _step_share(grey: Grey, tile: Area, is_covered: Area) -> float:
    """Give the share of the weakest inner side of a tile that is a step in tones, on the best straight line near it."""
    (top, bottom, left, right), outer = _box(tile), _box(is_covered)
    shares = [
        _best_line(turned, side, ends)
        for turned, side, ends, away in (
            (grey, left, (top, bottom), left - outer[2]),
            (grey, right - 1, (top, bottom), outer[3] - right),
            (grey.T, top, (left, right), top - outer[0]),
            (grey.T, bottom - 1, (left, right), outer[1] - bottom),
        )
        if away > INNER
    ]
    return min(shares, default=0.0)


def _box(area: Area) -> tuple[int, int, int, int]:
    rows, columns = np.nonzero(area)
    return int(rows.min()), int(rows.max()) + 1, int(columns.min()), int(columns.max()) + 1


def _best_line(grey: Grey, column: int, ends: tuple[int, int]) -> float:
    near = grey[ends[0] : ends[1], max(0, column - NEAR - 1) : column + NEAR + 2]
    return float((np.abs(near[:, 2:] - near[:, :-2]) > STEP_TONES).mean(axis=0).max(initial=0.0))
