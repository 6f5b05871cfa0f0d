"""Write numbers for people: counts, shares, bytes, durations, exposure times and moments. Every room uses these.

Tables of `catalog sql` and files keep the plain numbers.
"""

import math
from datetime import UTC, datetime

MISSING = "-"
_BYTE_UNITS = (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3))
_SLOW_S = 0.3
"""Cameras show exposure times from here on in seconds, shorter ones as 1/N."""


def format_count(number: float | None) -> str:
    """Write a count with separators, None as a dash.

    >>> format_count(12034), format_count(None)
    ('12,034', '-')
    """
    return MISSING if number is None else f"{number:,.0f}"


def format_share(part: float | None) -> str:
    """Write a share in [0, 1] as percent; only an exact 0 is 0 % and only an exact 1 is 100 %.

    >>> format_share(0.9999), format_share(0.0001), format_share(1), format_share(0.123)
    ('99.9 %', '0.1 %', '100 %', '12.3 %')
    """
    if part is None:
        return MISSING
    percent = 100.0 * part
    if 0 < percent < 100:
        return f"{min(max(percent, 0.1), 99.9):.1f} %"
    return f"{percent:.0f} %"


def format_bytes(count: float | None) -> str:
    """Write a number of bytes in the largest unit (of 1,000) that leaves at least 1; None as 0.

    >>> format_bytes(3_812_000), format_bytes(812), format_bytes(999_960)
    ('3.8 MB', '812 B', '1.0 MB')
    """
    amount = float(count or 0)
    for unit, factor in _BYTE_UNITS:
        if amount >= 1000 and round(amount / factor, 1) >= 1:
            return f"{amount / factor:.1f} {unit}"
    return f"{amount:.0f} B"


def format_duration(seconds: float | None) -> str:
    """Write a duration in the unit that suits.

    >>> format_duration(0.0123), format_duration(75), format_duration(7384), format_duration(0.0002)
    ('12 ms', '1 min 15 s', '2 h 3 min', '< 1 ms')
    """
    if seconds is None:
        return MISSING
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms" if seconds >= 0.001 else "< 1 ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def format_exposure(seconds: float | None) -> str:
    """Write an exposure time as photographers do; empty for what is not one (None, 0, negative, nan, infinite).

    >>> format_exposure(0.000625), format_exposure(2.5), format_exposure(float("inf"))
    ('1/1600 s', '2.5 s', '')
    """
    if not seconds or not math.isfinite(seconds) or seconds < 0:
        return ""
    if seconds < _SLOW_S - 1e-6:  # 0.3 as a 32-bit float is a little more or less
        return f"1/{1 / seconds:.0f} s"
    return f"{seconds:.3g} s" if seconds < 100 else f"{seconds:.0f} s"


def format_time(at: object) -> str:
    """Write a time of the catalog (UTC without a zone), or Unix seconds, to the second; all else is a dash.

    >>> format_time(datetime(2026, 1, 2, 3, 4, 5, 678)), format_time(0), format_time(None)
    ('2026-01-02 03:04:05', '1970-01-01 00:00:00', '-')
    """
    if isinstance(at, int | float):
        at = datetime.fromtimestamp(at, UTC)
    return f"{at:%Y-%m-%d %H:%M:%S}" if isinstance(at, datetime) else MISSING


TEMPLATE_FILTERS = {
    "whole": format_count,
    "share": format_share,
    "size": format_bytes,
    "seconds": format_duration,
    "shutter": format_exposure,
    "moment": format_time,
}
"""The names of these in the templates of pages and reports."""
