"""Draw one predicted value against the truth: a scale, the 90 % interval as a bar, the prediction as a dot.

A vertical line marks the true value. The scale has the range of all true values of the panel's model, so that
positions on different photos can be compared.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import polars as pl
from PIL import Image, ImageDraw

from training.evaluation.ranking import ValuePrediction
from training.evaluation.saved_head import SavedHead, number_text

BAR, DOT, TRUTH, SCALE = "#a9d1f5", "#1d62ab", "#17212e", "#c3cbd5"
RIGHT, WIDTH = 96.0, 100.0  # of the SVG; the scale runs from 4 to 96


@dataclass(frozen=True)
class ValueScale:
    """The range of a scale, in the unit of the head."""

    low: float
    high: float

    def place(self, value: float) -> float:
        """Return the position of a value, 0 to 1; values outside the range are at its ends."""
        width = self.high - self.low
        return min(1.0, max(0.0, (value - self.low) / width)) if width else 0.5


def value_scales(predictions: pl.DataFrame) -> dict[str, ValueScale]:
    """Return the range of the true values of each head of values."""
    ranges = (
        predictions.filter(pl.col("probabilities").is_null())
        .drop_nulls("target_value")
        .group_by("task")
        .agg(low=pl.col("target_value").min(), high=pl.col("target_value").max())
    )
    return {row["task"]: ValueScale(row["low"], row["high"]) for row in ranges.to_dicts()}


def describe_value(head: SavedHead, one: ValuePrediction) -> str:
    """Describe a value plot in words, for tooltips and screen readers."""
    interval = interval_text(one)
    bounds = f", 90 % interval {interval}" if interval else ""
    return (
        f"{head.title}: {head.value_text(one.value)}{bounds}; true: {head.value_text(one.target)}"
    )


def interval_text(one: ValuePrediction) -> str:
    """Write the interval in brackets; empty without one."""
    if one.low is None or one.high is None:
        return ""
    return f"[{number_text(one.low)}, {number_text(one.high)}]"


def svg_value(head: SavedHead, one: ValuePrediction, scale: ValueScale) -> str:
    """Draw a value plot as inline SVG of 100 x 30 units; `data-` attributes contain the numbers."""
    text = escape(describe_value(head, one))
    left = WIDTH - RIGHT

    def x(value: float) -> float:
        return left + (RIGHT - left) * scale.place(value)

    low, high = _bounds(one)
    return (
        f'<svg class="value-plot" viewBox="0 0 {WIDTH:g} 30" role="img" aria-label="{text}" '
        f'data-task="{escape(head.name)}" data-value="{one.value:.6g}" data-target="{one.target:.6g}">'
        f"<title>{text}</title>"
        f'<line x1="{left:g}" x2="{RIGHT:g}" y1="15" y2="15" stroke="{SCALE}" stroke-width="1.5"/>'
        f'<rect x="{x(low):.2f}" y="11" width="{x(high) - x(low):.2f}" height="8" rx="2" fill="{BAR}"/>'
        f'<line class="truth" x1="{x(one.target):.2f}" x2="{x(one.target):.2f}" y1="3" y2="27" '
        f'stroke="{TRUTH}" stroke-width="1.8"/>'
        f'<circle class="prediction" cx="{x(one.value):.2f}" cy="15" r="4.2" fill="{DOT}" '
        'stroke="#fff" stroke-width="1"/></svg>'
    )


def _bounds(one: ValuePrediction) -> Sequence[float]:
    return (
        one.value if one.low is None else one.low,
        one.value if one.high is None else one.high,
    )


def paste_value(
    canvas: Image.Image, box: tuple[int, int, int, int], one: ValuePrediction, scale: ValueScale
) -> None:
    """Draw a value plot inside `box` (left, top, right, bottom) px on an RGB canvas."""
    left, top, right, bottom = box
    middle = (top + bottom) // 2

    def x(value: float) -> int:
        return round(left + (right - left) * scale.place(value))

    draw = ImageDraw.Draw(canvas)
    draw.line((left, middle, right, middle), fill=SCALE, width=2)
    low, high = _bounds(one)
    draw.rounded_rectangle((x(low), middle - 7, x(high), middle + 7), 3, fill=BAR)
    draw.line((x(one.target), top, x(one.target), bottom), fill=TRUTH, width=3)
    place = x(one.value)
    draw.ellipse(
        (place - 8, middle - 8, place + 8, middle + 8), fill=DOT, outline="#ffffff", width=2
    )
