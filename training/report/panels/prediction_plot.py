"""Draw one prediction of classes as a ring chart: the ring shows the probabilities, the disc in the centre the truth.

Ring sectors run clockwise from the top: ordered classes in their order (low, medium and high in light, medium and dark
blue), other classes with the most probable first. The SVG of the page and the pixels of the panel have the same
proportions.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import accumulate

from PIL import Image, ImageColor, ImageDraw

from catalog import format_share
from training.evaluation.saved_head import SavedHead
from training.report.colours import Sector, sectors, true_colour

# Shares of the radius: the ring lies between INNER and 1, the disc within DISC.
INNER, DISC = 0.64, 0.46
_GAP_DEGREES = 3.0  # white line between sectors
_SMOOTH = 4  # drawn this much larger, then reduced


def spans(probabilities: Sequence[float]) -> list[tuple[float, float]]:
    """Return start and end of each sector as shares of a full turn, clockwise from the top.

    >>> spans([0.25, 0.25, 0.5])
    [(0.0, 0.25), (0.25, 0.5), (0.5, 1.0)]
    """
    total = math.fsum(probabilities)
    ends = [end / total for end in accumulate(probabilities)]
    return list(zip([0.0, *ends[:-1]], ends, strict=True))


def describe(head: SavedHead, drawn: Sequence[Sector], target: int | None) -> str:
    """Describe a ring chart in words, for tooltips and screen readers."""
    shares = ", ".join(f"{sector.name} {sector.share:.0%}" for sector in drawn)
    return f"{head.title}: {shares}; true: {head.class_name(target)}"


def svg_prediction(head: SavedHead, probabilities: Sequence[float], target: int | None) -> str:
    """Draw a ring chart as inline SVG of 100 x 100 units; `data-` attributes contain the numbers of its sectors."""
    drawn = sectors(head, probabilities)
    text = escape(describe(head, drawn, target))
    numbers = " ".join(f"{sector.share:.4f}" for sector in drawn)
    return (
        f'<svg class="ring-chart" viewBox="-50 -50 100 100" role="img" aria-label="{text}" '
        f'data-task="{escape(head.name)}" data-probabilities="{numbers}" '
        f'data-target="{"" if target is None else target}"><title>{text}</title>'
        f'<g transform="rotate(-90)">{_svg_sectors(drawn)}</g>'
        f'<circle class="centre" r="{50 * DISC:g}" fill="{true_colour(head, drawn, target)}"/></svg>'
    )


def _svg_sectors(drawn: Sequence[Sector]) -> str:
    middle, width = 50 * (1 + INNER) / 2, 50 * (1 - INNER)
    places = spans([sector.share for sector in drawn])
    visible = [
        (sector, start, end)
        for sector, (start, end) in zip(drawn, places, strict=True)
        if end > start
    ]
    circles = "".join(
        f'<circle class="sector" data-class="{escape(sector.name)}" r="{middle:g}" fill="none" '
        f'stroke="{sector.colour}" stroke-width="{width:g}" pathLength="1" '
        f'stroke-dasharray="{end - start:.4f} 1" stroke-dashoffset="{0 - start:.4f}"/>'
        for sector, start, end in visible
    )
    separators = "".join(
        f'<line y1="{-50 * INNER:g}" y2="-50" stroke="#fff" stroke-width="1.6" '
        f'transform="rotate({360 * end + 90:.2f})"/>'
        for *_, end in visible
        if len(visible) > 1
    )
    return circles + separators


def paste_prediction(
    canvas: Image.Image,
    centre: tuple[int, int],
    radius: int,
    drawn: Sequence[Sector],
    centre_colour: str,
) -> None:
    """Draw a ring chart of `radius` px around `centre` (x, y) on an RGB canvas."""
    side = 2 * radius * _SMOOTH
    layer = Image.new("RGBA", (side, side), (255, 255, 255, 0))
    draw = ImageDraw.Draw(layer)
    places = spans([sector.share for sector in drawn])
    for sector, (start, end) in zip(drawn, places, strict=True):
        gap = min(_GAP_DEGREES, 90 * (end - start)) if end - start < 1 else 0.0
        if end > start:
            around = (360 * start - 90 + gap / 2, 360 * end - 90 - gap / 2)
            draw.pieslice((0, 0, side - 1, side - 1), *around, fill=sector.colour)
    _disc(draw, side, INNER, "#ffffff")
    _disc(draw, side, DISC, centre_colour)
    small = layer.resize((2 * radius, 2 * radius), Image.Resampling.LANCZOS)
    canvas.paste(small, (centre[0] - radius, centre[1] - radius), small)


def _disc(draw: ImageDraw.ImageDraw, side: int, share: float, colour: str) -> None:
    margin = side * (1 - share) / 2
    box = (margin, margin, side - 1 - margin, side - 1 - margin)
    draw.ellipse(box, fill=ImageColor.getrgb(colour))


@dataclass(frozen=True)
class ClassLine:
    """One line of the list beside a ring chart; `is_true` marks the true class."""

    name: str
    share: str
    colour: str
    is_true: bool


def class_list(head: SavedHead, probabilities: Sequence[float], target: int) -> list[ClassLine]:
    """Return the lines of the list beside a ring chart, one for each sector."""
    return [
        ClassLine(sector.name, format_share(sector.share), sector.colour, sector.number == target)
        for sector in sectors(head, probabilities)
    ]
