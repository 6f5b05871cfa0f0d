"""Draw the panel of best and worst photographs as one image, 1,640 px wide.

Positions are functions of row, column and head, so that a test or a script can find each element in the image.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
from PIL import Image, ImageDraw, ImageFont

from training.evaluation.ranking import ClassPrediction, HeadPrediction, ValuePrediction
from training.evaluation.saved_head import CLASS_FAMILY, SavedHead, number_text
from training.report.colours import LARGEST, sectors, true_colour
from training.report.panels.legend import LegendGroup, legend_groups, legend_notes
from training.report.panels.prediction_plot import class_list, paste_prediction
from training.report.panels.tiles import PredictionTile
from training.report.panels.value_plot import ValueScale, interval_text, paste_value

MARGIN, GAP, TILE = 44, 22, 292  # px
PHOTO_HEIGHT, RADIUS = 219, 40
HEAD_HEIGHT, ROW_TITLE, ROW_HEIGHT = 196, 46, 486
CHART_HEIGHT, LINE_HEIGHT, LIST_LINE = 178, 32, 18
CHARTS = 3  # side by side
INK, SOFT, FAINT, WARNING = "#17212e", "#5a6878", "#f0f3f7", "#a8480a"


@dataclass(frozen=True)
class PanelRow:
    """One titled row of tiles."""

    title: str
    note: str
    tiles: Sequence[PredictionTile]


@dataclass(frozen=True)
class PanelContent:
    """What a panel shows: rows below a title and a note; the heads and the scales of their values."""

    rows: Sequence[PanelRow]
    title: str
    note: str
    heads: Sequence[SavedHead]
    scales: Mapping[str, ValueScale]
    has_intervals: bool

    @property
    def notes(self) -> list[str]:
        """What the marks mean."""
        return legend_notes(self.heads, has_intervals=self.has_intervals)


@dataclass(frozen=True)
class PanelLayout:
    """Positions in a panel with a number of charts below each photo; `legend_lines` is that of its legend."""

    charts: int
    legend_lines: int = 1

    @property
    def head_height(self) -> int:
        """Height above the first row, px."""
        return HEAD_HEIGHT + LINE_HEIGHT * (self.legend_lines - 1)

    @property
    def row_height(self) -> int:
        """Height of a row with its title, px."""
        return ROW_HEIGHT + CHART_HEIGHT * ((self.charts - 1) // CHARTS)

    @property
    def cell_width(self) -> int:
        """Width of a chart with its texts, px."""
        return TILE // min(max(self.charts, 1), CHARTS)

    def photo_corner(self, row: int, column: int) -> tuple[int, int]:
        """Return the upper left corner (x, y) of a photo's box, px."""
        top = self.head_height + row * self.row_height + ROW_TITLE
        return MARGIN + column * (TILE + GAP), top

    def plot_centre(self, row: int, column: int, head: int) -> tuple[int, int]:
        """Return the centre (x, y) of a chart, px; heads in the order of the model."""
        left, top = self.photo_corner(row, column)
        line, place = divmod(head, CHARTS)
        columns = min(max(self.charts, 1), CHARTS)
        x = left + TILE * (2 * place + 1) // (2 * columns)
        return x, top + PHOTO_HEIGHT + 36 + RADIUS + line * CHART_HEIGHT


def draw_panel(content: PanelContent) -> Image.Image:
    """Draw the rows below the title, the note and the legend of colours."""
    columns = max(5, *(len(row.tiles) for row in content.rows))
    width = 2 * MARGIN + columns * TILE + (columns - 1) * GAP
    legend = _legend_lines(legend_groups(content.heads), width - 2 * MARGIN)
    layout = PanelLayout(len(content.heads), max(len(legend), 1))
    height = layout.head_height + len(content.rows) * layout.row_height + 8
    canvas = Image.new("RGB", (width, height), "#ffffff")
    draw = ImageDraw.Draw(canvas)
    draw.text((MARGIN, 34), content.title, INK, text_font(32, bold=True))
    draw.text((MARGIN, 82), content.note, SOFT, text_font(19))
    _legend(draw, legend, content.notes)
    drawing = _PanelDrawing(canvas, draw, layout, content)
    for number, row in enumerate(content.rows):
        drawing.row(number, row)
    return canvas


@dataclass(frozen=True)
class _LegendText:
    """A text of the legend with its place in the line; a colour draws a square before it."""

    left: float
    text: str
    is_bold: bool
    colour: str = ""


def _legend_lines(groups: Sequence[LegendGroup], width: int) -> list[list[_LegendText]]:
    """Break the legend in lines: one for each group, more where the entries do not fit."""
    lines: list[list[_LegendText]] = []
    for group in groups:
        line: list[_LegendText] = []
        left = 0.0
        if group.title:
            line.append(_LegendText(left, f"{group.title}:", is_bold=False))
            left += text_font(18).getlength(f"{group.title}:") + 18
        for entry in group.entries:
            name, note = (
                text_font(18, bold=True).getlength(entry.name),
                text_font(17).getlength(entry.note),
            )
            needs = 31 + name + (7 + note if entry.note else 0)
            if line and left + needs > width:
                lines.append(line)
                line, left = [], 0.0
            line.append(_LegendText(left, entry.name, is_bold=True, colour=entry.colour))
            if entry.note:
                line.append(_LegendText(left + 38 + name, entry.note, is_bold=False))
            left += needs + (50 if entry.note else 30)
        lines.append(line)
    return lines


def _legend(
    draw: ImageDraw.ImageDraw, lines: Sequence[Sequence[_LegendText]], notes: Sequence[str]
) -> None:
    top = 126
    for line in lines:
        for text in line:
            left = MARGIN + text.left
            if text.colour:
                draw.rectangle((left, top, left + 21, top + 21), fill=text.colour)
                left += 31
            size, ink = (18, INK) if text.is_bold else (17, SOFT)
            draw.text(
                (left, top - text.is_bold), text.text, ink, text_font(size, bold=text.is_bold)
            )
        top += LINE_HEIGHT
    draw.text((MARGIN, top), "   ".join(notes), SOFT, text_font(17))


@dataclass(frozen=True)
class _PanelDrawing:
    """The canvas of a panel with what all tiles share."""

    canvas: Image.Image
    draw: ImageDraw.ImageDraw
    layout: PanelLayout
    content: PanelContent

    def row(self, number: int, row: PanelRow) -> None:
        left, top = self.layout.photo_corner(number, 0)
        self.draw.text((left, top - 38), row.title, INK, text_font(23, bold=True))
        after = left + self.draw.textlength(row.title, text_font(23, bold=True)) + 14
        self.draw.text((after, top - 34), row.note, SOFT, text_font(18))
        for column, tile in enumerate(row.tiles):
            self._tile((number, column), tile)

    def _tile(self, place: tuple[int, int], tile: PredictionTile) -> None:
        left, top = self.layout.photo_corner(*place)
        self.draw.rectangle((left, top, left + TILE - 1, top + PHOTO_HEIGHT - 1), fill=FAINT)
        picture = tile.picture.copy()
        picture.thumbnail((TILE, PHOTO_HEIGHT), Image.Resampling.LANCZOS)
        inset = (TILE - picture.width) // 2, (PHOTO_HEIGHT - picture.height) // 2
        self.canvas.paste(picture, (left + inset[0], top + inset[1]))
        for number, head in enumerate(self.content.heads):
            if head.name in tile.choice.heads:
                self._chart(self.layout.plot_centre(*place, number), tile, head)
        last = self.layout.plot_centre(*place, len(self.content.heads) - 1)[1]
        line = fitted_text([f"{tile.loss_text}   {tile.camera}"], TILE, text_font(15))
        self.draw.text((left, last + RADIUS + 62), line, SOFT, text_font(15))

    def _chart(self, centre: tuple[int, int], tile: PredictionTile, head: SavedHead) -> None:
        prediction = tile.choice.heads[head.name]
        x, y = centre
        if self._has_list(head) and isinstance(prediction, ClassPrediction):
            x -= TILE // 2 - RADIUS - 8
            self._class_list(x + RADIUS + 26, y, head, prediction)
        self._drawing((x, y), head, prediction)
        self._text((x, y - RADIUS - 26), [tile.short_names[head.name]], SOFT, 15)
        self._text((x, y + RADIUS + 7), true_texts(tile, head), INK, 18, bold=True)
        mark = "" if prediction.is_right else "✗ "
        texts = [mark + text for text in predicted_texts(head, prediction)]
        self._text((x, y + RADIUS + 31), texts, SOFT if prediction.is_right else WARNING, 15)

    def _drawing(
        self, centre: tuple[int, int], head: SavedHead, prediction: HeadPrediction
    ) -> None:
        x, y = centre
        if isinstance(prediction, ValuePrediction):
            half = self.layout.cell_width // 2 - 8
            box = (x - half, y - 17, x + half, y + 17)
            paste_value(self.canvas, box, prediction, self.content.scales[head.name])
            return
        drawn = sectors(head, prediction.probabilities)
        truth = true_colour(head, drawn, prediction.target)
        paste_prediction(self.canvas, centre, RADIUS, drawn, truth)

    def _has_list(self, head: SavedHead) -> bool:
        """Whether the names of the classes stand beside the ring: if it is the only one, without legend."""
        return (
            len(self.content.heads) == 1 and head.family == CLASS_FAMILY and head.kind != "ordinal"
        )

    def _class_list(self, left: int, middle: int, head: SavedHead, one: ClassPrediction) -> None:
        rows = class_list(head, one.probabilities, one.target)
        top, right = middle - LIST_LINE * len(rows) // 2, left + TILE - 2 * RADIUS - 34
        for number, row in enumerate(rows[: LARGEST + 1]):
            y, font = top + LIST_LINE * number, text_font(14, bold=row.is_true)
            self.draw.rectangle((left, y + 3, left + 10, y + 13), fill=row.colour)
            name = fitted_text([row.name], right - left - 74, font)
            self.draw.text((left + 17, y), name, INK if row.is_true else SOFT, font)
            self.draw.text((right, y), row.share, SOFT, text_font(14), anchor="ra")

    def _text(
        self,
        top: tuple[float, float],
        texts: Sequence[str],
        colour: str,
        size: int,
        *,
        bold: bool = False,
    ) -> None:
        """Write the first text that fits: centred below its chart, or from the left edge beside a list."""
        font = text_font(size, bold=bold)
        if any(map(self._has_list, self.content.heads)):
            left = top[0] - RADIUS - 8
            self.draw.text((left, top[1]), fitted_text(texts, TILE, font), colour, font)
        else:
            text = fitted_text(texts, self.layout.cell_width - 4, font)
            self.draw.text(top, text, colour, font, anchor="ma")


def true_texts(tile: PredictionTile, head: SavedHead) -> list[str]:
    """Return the truth of a head, and for a narrow space the number without its unit."""
    prediction = tile.choice.heads[head.name]
    is_value = isinstance(prediction, ValuePrediction)
    return [tile.values[head.name], *([number_text(prediction.target)] if is_value else [])]


def predicted_texts(head: SavedHead, prediction: HeadPrediction) -> list[str]:
    """Return what was predicted: the name of a class, or a value with its interval, the longest text first."""
    if isinstance(prediction, ClassPrediction):
        return [head.class_name(prediction.predicted)]
    value = head.value_text(prediction.value)
    long = f"{value} {interval_text(prediction)}".rstrip()
    return list(dict.fromkeys([long, value, number_text(prediction.value)]))


def fitted_text(texts: Sequence[str], width: float, font: ImageFont.FreeTypeFont) -> str:
    """Return the first text that is at most `width` px wide; if none is, the last one cut at its end."""
    text = next((text for text in texts if font.getlength(text) <= width), texts[-1])
    while len(text) > 1 and font.getlength(text) > width:
        text = text.rstrip("…")[:-1] + "…"
    return text


def text_font(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Load DejaVu Sans from matplotlib, so that a panel looks the same on all machines."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(mpl.get_data_path(), "fonts", "ttf", name)), size)
