"""What the colours and marks of a panel mean, as data for the page and for the picture."""

from collections.abc import Sequence
from dataclasses import dataclass

from training.evaluation.saved_head import CLASS_FAMILY, VALUE_FAMILY, SavedHead
from training.report.colours import class_colours

RING = "Ring: prediction; centre: true class"
BY_RANK = "Colours by rank, the most probable class first; grey: all other classes"
SCALE = "Dot: prediction; line: true value"
SCALE_WITH_INTERVAL = "Bar: 90 % interval; dot: prediction; line: true value"
_ENDS = 12  # ordered classes that are listed; of more, the first and the last


@dataclass(frozen=True)
class LegendEntry:
    """One colour with the name of its class and a note, such as the range of the class."""

    name: str
    colour: str
    note: str = ""


@dataclass(frozen=True)
class LegendGroup:
    """The entries of one head, or of all heads with the same classes, whose title is then empty."""

    title: str
    entries: Sequence[LegendEntry]


def legend_groups(heads: Sequence[SavedHead]) -> list[LegendGroup]:
    """Return the colours of all heads of classes; heads of low, medium and high have one group together."""
    settings = [head for head in heads if head.has_setting_classes]
    others = [h for h in heads if h.family == CLASS_FAMILY and not h.has_setting_classes]
    groups = [_settings_group(settings)] if settings else []
    is_alone = len(others) == 1 and len(heads) == 1
    groups += [LegendGroup("" if is_alone else head.title, _entries(head)) for head in others]
    return [group for group in groups if group.entries]


def legend_notes(heads: Sequence[SavedHead], *, has_intervals: bool) -> list[str]:
    """Return what the marks mean, one sentence for each kind of drawing; values may have no interval."""
    scale = SCALE_WITH_INTERVAL if has_intervals else SCALE
    classes = [head for head in heads if head.family == CLASS_FAMILY]
    notes = [RING] if classes else []
    if any(head.kind != "ordinal" and not class_colours(head) for head in classes):
        notes.append(BY_RANK)
    return notes + [scale] * any(head.family == VALUE_FAMILY for head in heads)


def _settings_group(heads: Sequence[SavedHead]) -> LegendGroup:
    colours, names = class_colours(heads[0]), heads[0].classes
    entries = []
    for number, (name, colour) in enumerate(zip(names, colours, strict=True)):
        ranges = (head.describe_class(number) for head in heads if head.descriptions)
        entries.append(LegendEntry(name, colour, ", ".join(ranges)))
    return LegendGroup("", entries)


def _entries(head: SavedHead) -> list[LegendEntry]:
    """Return the entries of one head; none if its classes are too many to have a colour each."""
    colours = class_colours(head)
    entries = [
        LegendEntry(name, colour, _note(head, number))
        for number, (name, colour) in enumerate(zip(head.classes, colours, strict=False))
    ]
    return entries if len(entries) <= _ENDS else [entries[0], entries[-1]]


def _note(head: SavedHead, number: int) -> str:
    description = head.describe_class(number)
    return "" if description == head.class_name(number) else description
