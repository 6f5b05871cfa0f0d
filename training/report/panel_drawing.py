"""Draw the panel of best and worst photographs as one image, 1,640 px wide.

Positions are functions of row, column and head, so that a test or a script can find each element in the image.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from PIL import Image, ImageDraw, ImageFont

from training.data.photo_settings import CLASSES, SHORT_NAMES, TASKS, class_ranges
from training.report.prediction_plot import BLUES, paste_prediction
from training.report.tiles import PredictionTile

MARGIN, GAP, TILE = 44, 22, 292  # px
PHOTO_HEIGHT, RADIUS = 219, 40
HEAD_HEIGHT, ROW_TITLE, ROW_HEIGHT = 196, 46, 486
INK, SOFT, FAINT, WARNING = "#17212e", "#5a6878", "#f0f3f7", "#a8480a"


@dataclass(frozen=True)
class PanelRow:
    """One titled row of tiles."""

    title: str
    note: str
    tiles: Sequence[PredictionTile]


def photo_corner(row: int, column: int) -> tuple[int, int]:
    """Return the upper left corner (x, y) of a photo's box, px."""
    return MARGIN + column * (TILE + GAP), HEAD_HEIGHT + row * ROW_HEIGHT + ROW_TITLE


def plot_centre(row: int, column: int, head: int) -> tuple[int, int]:
    """Return the centre (x, y) of a ring chart, px; heads in the order of `TASKS`."""
    left, top = photo_corner(row, column)
    return left + TILE * (2 * head + 1) // 6, top + PHOTO_HEIGHT + 36 + RADIUS


def draw_panel(
    rows: Sequence[PanelRow], title: str, note: str, bins: Mapping[str, Any]
) -> Image.Image:
    """Draw the rows below a title, a note and the legend of colours."""
    columns = max(5, *(len(row.tiles) for row in rows))
    width = 2 * MARGIN + columns * TILE + (columns - 1) * GAP
    canvas = Image.new("RGB", (width, HEAD_HEIGHT + len(rows) * ROW_HEIGHT + 8), "#ffffff")
    draw = ImageDraw.Draw(canvas)
    draw.text((MARGIN, 34), title, INK, _font(32, bold=True))
    draw.text((MARGIN, 82), note, SOFT, _font(19))
    _legend(draw, bins)
    for number, row in enumerate(rows):
        _row(canvas, draw, number, row)
    return canvas


def _legend(draw: ImageDraw.ImageDraw, bins: Mapping[str, Any]) -> None:
    left, top = MARGIN, 126
    for number, (name, blue) in enumerate(zip(CLASSES, BLUES, strict=True)):
        draw.rectangle((left, top, left + 21, top + 21), fill=blue)
        draw.text((left + 31, top - 1), name, INK, _font(18, bold=True))
        ranges = "  ".join(class_ranges(bins, task)[number] for task in TASKS if task in bins)
        start = left + 38 + draw.textlength(name, _font(18, bold=True))
        draw.text((start, top), ranges.replace("  ", ", "), SOFT, _font(17))
        left = int(start + draw.textlength(ranges, _font(17)) + 50)
    draw.text((MARGIN, top + 32), "ring: prediction   centre: true class", SOFT, _font(17))


def _row(canvas: Image.Image, draw: ImageDraw.ImageDraw, number: int, row: PanelRow) -> None:
    left, top = photo_corner(number, 0)
    draw.text((left, top - 38), row.title, INK, _font(23, bold=True))
    after = left + draw.textlength(row.title, _font(23, bold=True)) + 14
    draw.text((after, top - 34), row.note, SOFT, _font(18))
    for column, tile in enumerate(row.tiles):
        _tile(canvas, draw, (number, column), tile)


def _tile(
    canvas: Image.Image, draw: ImageDraw.ImageDraw, place: tuple[int, int], tile: PredictionTile
) -> None:
    left, top = photo_corner(*place)
    draw.rectangle((left, top, left + TILE - 1, top + PHOTO_HEIGHT - 1), fill=FAINT)
    picture = tile.picture.copy()
    picture.thumbnail((TILE, PHOTO_HEIGHT), Image.Resampling.LANCZOS)
    inset = (TILE - picture.width) // 2, (PHOTO_HEIGHT - picture.height) // 2
    canvas.paste(picture, (left + inset[0], top + inset[1]))
    for number, task in enumerate(TASKS):
        if task in tile.choice.heads:
            _head(canvas, draw, plot_centre(*place, number), tile, task)
    line = f"NLL {tile.choice.nll:.2f}   {tile.camera}"
    while draw.textlength(line, _font(15)) > TILE:
        line = line.rstrip("…")[:-1] + "…"
    draw.text((left, plot_centre(*place, 0)[1] + RADIUS + 62), line, SOFT, _font(15))


def _head(
    canvas: Image.Image,
    draw: ImageDraw.ImageDraw,
    centre: tuple[int, int],
    tile: PredictionTile,
    task: str,
) -> None:
    head = tile.choice.heads[task]
    x, y = centre
    _centred(draw, (x, y - RADIUS - 26), SHORT_NAMES[task], SOFT, 15)
    paste_prediction(canvas, centre, RADIUS, head.probabilities, head.target)
    _centred(draw, (x, y + RADIUS + 7), tile.values[task], INK, 18, bold=True)
    text = CLASSES[head.predicted] if head.is_right else f"✗ {CLASSES[head.predicted]}"
    _centred(draw, (x, y + RADIUS + 31), text, SOFT if head.is_right else WARNING, 15)


def _centred(
    draw: ImageDraw.ImageDraw,
    top: tuple[float, float],
    text: str,
    colour: str,
    size: int,
    *,
    bold: bool = False,
) -> None:
    font = _font(size, bold=bold)
    draw.text(top, text, colour, font, anchor="ma")


def _font(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Load DejaVu Sans from matplotlib, so that a panel looks the same on all machines."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(mpl.get_data_path(), "fonts", "ttf", name)), size)
