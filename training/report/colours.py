"""Colours of classes: three blues for low, medium and high, a ramp of blues for other ordered classes, else one each.

The colours of classes without an order are based on those of Okabe and Ito, which colour-blind readers can distinguish.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import ImageColor

from training.evaluation.saved_head import SavedHead

LIGHT, MEDIUM, DARK = "#a9d1f5", "#3b8bd6", "#0a3470"
BLUES = (LIGHT, MEDIUM, DARK)
PALETTE = (
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#7a5ba8", "#8a6d3b",
)  # fmt: skip
REST = "#c3cbd5"
UNKNOWN = "#d5dbe3"  # centre of a head without a label
LARGEST = 5  # classes without an order that a ring chart shows; the others are one sector


@dataclass(frozen=True)
class Sector:
    """One sector of a ring chart; `number` is the class, None for all smaller classes together."""

    number: int | None
    name: str
    share: float
    colour: str


def class_colours(head: SavedHead) -> tuple[str, ...]:
    """Return one colour for each class; empty when the classes are too many to have their own.

    >>> class_colours(SavedHead("a", "ordinal", "classes", "A", ("low", "medium", "high"))) == BLUES
    True
    """
    count = len(head.classes)
    if head.kind == "ordinal":
        return tuple(_ramp(place / max(count - 1, 1)) for place in range(count))
    return PALETTE[:count] if count <= len(PALETTE) else ()


def _ramp(position: float) -> str:
    """Return the blue at a position from 0 (light) to 1 (dark)."""
    first, second = (LIGHT, MEDIUM) if position < 0.5 else (MEDIUM, DARK)
    share = position * 2 % 1 if position < 1 else 1.0
    pairs = zip(ImageColor.getrgb(first), ImageColor.getrgb(second), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def sectors(head: SavedHead, probabilities: Sequence[float]) -> list[Sector]:
    """Return the sectors of a ring chart: ordered classes in their order, others by their share, the rest last."""
    colours = class_colours(head)
    numbers = list(range(len(probabilities)))
    if head.kind != "ordinal" and len(numbers) > LARGEST:
        numbers = sorted(numbers, key=lambda number: (-probabilities[number], number))[:LARGEST]
    drawn = [
        Sector(
            number,
            head.class_name(number),
            probabilities[number],
            colours[number] if number < len(colours) else PALETTE[place % len(PALETTE)],
        )
        for place, number in enumerate(numbers)
    ]
    others = len(probabilities) - len(drawn)
    if others:
        rest = max(0.0, 1 - sum(sector.share for sector in drawn))
        drawn.append(Sector(None, f"{others} others", rest, REST))
    return drawn


def true_colour(head: SavedHead, drawn: Sequence[Sector], target: int | None) -> str:
    """Return the colour of the true class; grey when it is unknown or not among the sectors."""
    if target is None:
        return UNKNOWN
    colours = class_colours(head)
    if target < len(colours):
        return colours[target]
    return next((sector.colour for sector in drawn if sector.number == target), REST)
