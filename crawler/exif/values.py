"""Convert values that cameras and sites write to typed values: numbers in SI units, dates, camera names.

Nothing here raises on odd input: an unreadable value is None, and an impossible value (f/0, 1/0 s) is kept, because
curation decides about it.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime

_NUMBER = r"[-+]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][-+]?\d{1,2})?"
_TEXT = re.compile(
    rf"\s*(?:f\s*/?|iso\s*:?)?\s*({_NUMBER})\s*(?:/\s*({_NUMBER}))?\D*", re.IGNORECASE
)

# Words of a maker's legal name that are not part of the brand.
_COMPANY = frozenset(
    [
        *("ab", "camera", "cameras", "co", "company", "computer", "corp", "corporation", "digital"),
        *("eastman", "electric", "electronics", "gmbh", "imaging", "inc", "limited", "ltd"),
        *("mobile", "optical", "technologies", "technology", "techwin"),
    ]
)

SATURATED_ISO = 65535.0  # a 16-bit ISO that did not fit; see RecommendedExposureIndex


def ratio(numerator: float, denominator: float) -> float | None:
    """Divide as EXIF defines it: n/0 is infinite, 0/0 is unknown and gives None.

    >>> ratio(28, 10), ratio(1, 0), ratio(0, 0)
    (2.8, inf, None)
    """
    if denominator:
        return numerator / denominator
    return None if numerator == 0 else float("inf") * (1 if numerator > 0 else -1)


def number(value: object) -> float | None:
    """Read a setting from a number or from text such as `f/2.8`, `1/250`, `0.004`, `ISO 400`.

    >>> number("f/2.8"), number("1/250"), number("1/0"), number("auto")
    (2.8, 0.004, inf, None)
    """
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return _float(value)
    match = _TEXT.fullmatch(str(value)[:64])
    if match is None:
        return None
    top, bottom = (float(part.replace(",", ".")) for part in match.groups(default="1"))
    return ratio(top, bottom)


def _float(value: float) -> float | None:
    try:
        real = float(value)
    except OverflowError:
        return None
    return None if real != real else real  # noqa: PLR0124 - the one value unequal to itself is nan


def iso_speed(ratings: Sequence[float | None], precise: Iterable[float | None]) -> float | None:
    """Choose the ISO from the ISO tag's list and, in order, the 32-bit tags of Exif 2.3.

    The first positive rating is used. When it is saturated, zero or missing, the first positive precise tag replaces
    it; without such a tag, the odd value itself is returned.

    >>> iso_speed([65535.0], [None, 102400.0]), iso_speed([0.0, 200.0], []), iso_speed([0.0], [])
    (102400.0, 200.0, 0.0)
    """
    stated = [rating for rating in ratings if rating is not None]
    rating = next((rating for rating in stated if rating > 0), None)
    if rating is not None and rating != SATURATED_ISO:
        return rating
    better = next((speed for speed in precise if speed is not None and speed > 0), None)
    return next((value for value in (better, rating, *stated) if value is not None), None)


def camera_name(make: str | None, model: str | None) -> str | None:
    """Join maker and model, lower case, without legal words and without repeating the maker.

    >>> camera_name("NIKON CORPORATION", "NIKON D90"), camera_name("Apple", "iPhone XS")
    ('nikon d90', 'apple iphone xs')
    """
    brand = [word for word in _words(make) if word.strip(".,") not in _COMPANY] or _words(make)
    named = _words(model)
    joined = named if named[:1] == brand[:1] else [word.strip(",") for word in brand] + named
    return " ".join(joined) or None


def _words(text: str | None) -> list[str]:
    return (text or "").lower().replace(",", ", ").split()


def moment(text: str | None) -> datetime | None:
    """Read an EXIF date, `2020:01:31 12:00:00`; None when it is not a valid date.

    >>> moment("2020:01:31 12:00:00"), moment("0000:00:00 00:00:00")
    (datetime.datetime(2020, 1, 31, 12, 0), None)
    """
    try:
        # EXIF knows no zone: the camera's local clock.
        return datetime.strptime((text or "")[:19].replace("-", ":"), "%Y:%m:%d %H:%M:%S")  # noqa: DTZ007 - no zone in EXIF
    except ValueError:
        return None
