"""Lay rows out as a text table: for a terminal as wide as the terminal, for a pipe whole.

In a terminal prose is wrapped, names and numbers stay on one line: a long name is cut in the middle, since both of
its ends tell it from others.
"""

import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, takewhile, zip_longest

ELLIPSIS = "…"
NARROWEST = 8
"""Least width of a column whose text is cut or wrapped."""
_GAP = "  "


@dataclass(frozen=True)
class _Column:
    header: str
    cells: Sequence[str]
    is_number: bool
    is_prose: bool

    @property
    def natural(self) -> int:
        """The width that shows all of it."""
        return max(map(display_width, (self.header, *self.cells)))

    @property
    def least(self) -> int:
        """The width below which it is left out; a number is never cut."""
        number = max(map(display_width, self.cells), default=0) if self.is_number else 0
        return max(number, min(self.natural, NARROWEST))


def terminal_width() -> int | None:
    """Return the width of the terminal that stdout is, in characters; None where it is a file or a pipe."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def aligned(
    header: Sequence[str],
    cells: Sequence[Sequence[str]],
    *,
    width: int | None = None,
    numbers: Collection[str] = (),
    prose: Collection[str] = (),
) -> Iterator[str]:
    """Lay cells out in columns under a header; the columns named in `numbers` are right-aligned.

    With a `width` (of a terminal; None: all is shown) columns named in `prose` are wrapped, other text is cut in the
    middle, and where that is not enough columns in the middle are left out, which the last line says.
    """
    columns = [
        _Column(name, [row[i] for row in cells], name in numbers, name in prose)
        for i, name in enumerate(header)
    ]
    shown = columns if width is None else _fitting(columns, width)
    widths = _widths(shown, width)
    yield from _lines([column.header for column in shown], shown, widths)
    yield _GAP.join("-" * each for each in widths)
    for number in range(len(cells)):
        yield from _lines([column.cells[number] for column in shown], shown, widths)
    if len(shown) < len(columns):
        n = len(shown) - 1  # one of them is the ellipsis
        yield f"({n} of {len(columns)} columns fit this terminal; the format vertical shows all)"


def _fitting(columns: Sequence[_Column], width: int) -> list[_Column]:
    """Leave out columns in the middle until the least width of the others fits."""
    rows = len(columns[0].cells) if columns else 0
    left, right = list(columns), list[_Column]()
    gap: list[_Column] = []
    while len(left) + len(right) > 1 and _total([*left, *gap, *right]) > width:
        if not gap:
            half = (len(left) + 1) // 2
            left, right = left[:half], left[half:]
            gap = [_Column(ELLIPSIS, [ELLIPSIS] * rows, is_number=False, is_prose=False)]
        (right.pop(0) if len(right) >= len(left) else left.pop())
    return [*left, *gap, *right]


def _total(columns: Sequence[_Column]) -> int:
    return sum(column.least for column in columns) + len(_GAP) * (len(columns) - 1)


def _widths(columns: Sequence[_Column], width: int | None) -> list[int]:
    """Give each column its natural width, or the largest equal share for all that need more."""
    widths = [column.natural for column in columns]
    if width is None:
        return widths
    room = width - len(_GAP) * (len(columns) - 1)
    for most in range(max(widths, default=0), 0, -1):
        if sum(widths) <= room:
            break
        widths = [max(column.least, min(column.natural, most)) for column in columns]
    return [min(each, room) for each in widths]


def _lines(
    texts: Iterable[str], columns: Sequence[_Column], widths: Sequence[int]
) -> Iterator[str]:
    """Write one row; prose takes as many lines as it needs."""
    cells = [
        _wrapped(text, width) if column.is_prose else [shortened(text, width)]
        for text, column, width in zip(texts, columns, widths, strict=True)
    ]
    for parts in zip_longest(*cells, fillvalue=""):
        padded = (
            _padded(part, width, is_right=column.is_number)
            for part, column, width in zip(parts, columns, widths, strict=True)
        )
        yield _GAP.join(padded).rstrip()


def _wrapped(text: str, width: int) -> list[str]:
    is_wide = any(_width_of(character) == 2 for character in text)
    most = width // 2 if is_wide else width  # textwrap counts characters
    return textwrap.wrap(text, max(most, 1)) or [""]


def _padded(text: str, width: int, *, is_right: bool) -> str:
    space = " " * (width - display_width(text))
    return space + text if is_right else text + space


def shortened(text: str, width: int) -> str:
    """Cut a text in the middle so that it takes at most `width` characters of a terminal.

    >>> shortened("IMG_2024_holiday_0012.jpg", 13), shortened("short", 13)
    ('IMG_20…12.jpg', 'short')
    """
    if display_width(text) <= width:
        return text
    start = _beginning(text, width // 2)
    end = _beginning(text[::-1], width - 1 - display_width(start))[::-1]
    return f"{start}{ELLIPSIS}{end}"


def _beginning(text: str, width: int) -> str:
    widths = accumulate(map(_width_of, text))
    return text[: sum(1 for _ in takewhile(lambda total: total <= width, widths))]


def display_width(text: str) -> int:
    """Count the columns that a text takes on a terminal: two for a wide East Asian character.

    >>> display_width("abc"), display_width("写真")
    (3, 4)
    """
    return len(text) if text.isascii() else sum(map(_width_of, text))


def _width_of(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
