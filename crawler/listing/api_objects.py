"""Read values of an API's objects with the type of their column."""

from datetime import datetime


def text_of(value: object) -> str | None:
    """Return a text, null for null or an empty one; raises `TypeError` for another type.

    >>> text_of("Ann"), text_of("")
    ('Ann', None)
    """
    if value is None or isinstance(value, str):
        return value or None
    raise TypeError(f"{type(value).__name__} is not a text")


def count_of(value: object) -> int | None:
    """Return a whole number of at most 31 bits, or null; raises `TypeError` for another type.

    >>> count_of(4000), count_of(10**30)
    (4000, None)
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{type(value).__name__} is not a whole number")
    return value if 0 <= value < 1 << 31 else None


def moment_of(value: object) -> str | None:
    """Return a time as the API writes it; null for an invalid one.

    >>> moment_of("2020-05-01T12:00:00-04:00"), moment_of("yesterday")
    ('2020-05-01T12:00:00-04:00', None)
    """
    try:
        datetime.fromisoformat(text_of(value) or "")
    except ValueError:
        return None
    return str(value)
