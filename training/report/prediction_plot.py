"""Draw one prediction as a ring chart: the ring shows the probabilities, the disc in the centre the true class.

Ring sectors run clockwise from the top: low, medium, high in light, medium and dark blue.
The SVG of the page and the pixels of the panel have the same proportions.
"""

import math
from collections.abc import Sequence
from html import escape
from itertools import accumulate

from PIL import Image, ImageColor, ImageDraw

from training.data.photo_settings import CLASSES, task_name

LIGHT, MEDIUM, DARK = "#a9d1f5", "#3b8bd6", "#0a3470"
BLUES = (LIGHT, MEDIUM, DARK)
UNKNOWN = "#d5dbe3"  # centre of a head without a label

# Shares of the radius: the ring lies between INNER and 1, the disc within DISC.
INNER, DISC = 0.64, 0.46
_GAP_DEGREES = 3.0  # white line between sectors
_SMOOTH = 4  # drawn this much larger, then reduced


def centre_colour(target: int | None) -> str:
    """Return the colour of the disc for a true class (0, 1, 2), grey when it is unknown."""
    return UNKNOWN if target is None else BLUES[target]


def spans(probabilities: Sequence[float]) -> list[tuple[float, float]]:
    """Return start and end of each sector as shares of a full turn, clockwise from the top.

    >>> spans([0.25, 0.25, 0.5])
    [(0.0, 0.25), (0.25, 0.5), (0.5, 1.0)]
    """
    total = math.fsum(probabilities)
    ends = [end / total for end in accumulate(probabilities)]
    return list(zip([0.0, *ends[:-1]], ends, strict=True))


def describe(task: str, probabilities: Sequence[float], target: int | None) -> str:
    """Describe a ring chart in words, for tooltips and screen readers."""
    shares = ", ".join(
        f"{name} {share:.0%}" for name, share in zip(CLASSES, probabilities, strict=True)
    )
    return (
        f"{task_name(task)}: {shares}; true: {CLASSES[target] if target is not None else 'unknown'}"
    )


def svg_prediction(task: str, probabilities: Sequence[float], target: int | None) -> str:
    """Draw a ring chart as inline SVG of 100 x 100 units; `data-` attributes contain the numbers."""
    text = escape(describe(task, probabilities, target))
    middle, width = 50 * (1 + INNER) / 2, 50 * (1 - INNER)
    numbers = " ".join(f"{share:.4f}" for share in probabilities)
    drawn = [
        (name, blue, start, end)
        for name, blue, (start, end) in zip(CLASSES, BLUES, spans(probabilities), strict=True)
        if end > start
    ]
    sectors = "".join(
        f'<circle class="sector" data-class="{name}" r="{middle:g}" fill="none" stroke="{blue}" '
        f'stroke-width="{width:g}" pathLength="1" stroke-dasharray="{end - start:.4f} 1" '
        f'stroke-dashoffset="{0 - start:.4f}"/>'
        for name, blue, start, end in drawn
    )
    separators = "".join(
        f'<line y1="{-50 * INNER:g}" y2="-50" stroke="#fff" stroke-width="1.6" '
        f'transform="rotate({360 * end + 90:.2f})"/>'
        for *_, end in drawn
        if len(drawn) > 1
    )
    return (
        f'<svg class="ring-chart" viewBox="-50 -50 100 100" role="img" aria-label="{text}" '
        f'data-task="{escape(task)}" data-probabilities="{numbers}" '
        f'data-target="{"" if target is None else target}"><title>{text}</title>'
        f'<g transform="rotate(-90)">{sectors}{separators}</g>'
        f'<circle class="centre" r="{50 * DISC:g}" fill="{centre_colour(target)}"/></svg>'
    )


def paste_prediction(
    canvas: Image.Image,
    centre: tuple[int, int],
    radius: int,
    probabilities: Sequence[float],
    target: int | None,
) -> None:
    """Draw a ring chart of `radius` px around `centre` (x, y) on an RGB canvas."""
    side = 2 * radius * _SMOOTH
    layer = Image.new("RGBA", (side, side), (255, 255, 255, 0))
    draw = ImageDraw.Draw(layer)
    for blue, (start, end) in zip(BLUES, spans(probabilities), strict=True):
        gap = min(_GAP_DEGREES, 90 * (end - start)) if end - start < 1 else 0.0
        if end > start:
            around = (360 * start - 90 + gap / 2, 360 * end - 90 - gap / 2)
            draw.pieslice((0, 0, side - 1, side - 1), *around, fill=blue)
    _disc(draw, side, INNER, "#ffffff")
    _disc(draw, side, DISC, centre_colour(target))
    small = layer.resize((2 * radius, 2 * radius), Image.Resampling.LANCZOS)
    canvas.paste(small, (centre[0] - radius, centre[1] - radius), small)


def _disc(draw: ImageDraw.ImageDraw, side: int, share: float, colour: str) -> None:
    margin = side * (1 - share) / 2
    box = (margin, margin, side - 1 - margin, side - 1 - margin)
    draw.ellipse(box, fill=ImageColor.getrgb(colour))
