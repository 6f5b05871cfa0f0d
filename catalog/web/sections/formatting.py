"""Number, time and cell formats of the pages."""

import json
from datetime import date, datetime
from urllib.parse import urlsplit

from catalog.workspace.logs import redacted

MAX_CHARACTERS = 300
"""Longest text of a cell; the console shows the full text."""


def whole(number: float | None) -> str:
    """Format a count with separators, None as a dash.

    >>> whole(12034), whole(None)
    ('12,034', '-')
    """
    return "-" if number is None else f"{number:,.0f}"


def share(part: float | None) -> str:
    """Format a share in [0, 1] as percent; only an exact 0 is 0 % and only an exact 1 is 100 %.

    >>> share(0.9999), share(0.0001), share(1), share(0.123)
    ('99.9 %', '0.1 %', '100 %', '12.3 %')
    """
    if part is None:
        return whole(None)
    percent = 100.0 * part
    if 0 < percent < 100:
        return f"{min(max(percent, 0.1), 99.9):.1f} %"
    return f"{percent:.0f} %"


def size(count: float | None) -> str:
    """Format a number of bytes in the largest unit that leaves at least 1.

    >>> size(3_812_000), size(812)
    ('3.8 MB', '812 B')
    """
    amount = float(count or 0)
    for unit, factor in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if amount >= factor:
            return f"{amount / factor:.1f} {unit}"
    return f"{amount:.0f} B"


def shutter(exposure_time: float | None) -> str:
    """Format an exposure time as photographers do.

    >>> shutter(0.004), shutter(2.5)
    ('1/250 s', '2.5 s')
    """
    if not exposure_time or exposure_time < 0:
        return ""
    return f"1/{1 / exposure_time:.0f} s" if exposure_time < 0.3 else f"{exposure_time:.3g} s"


def moment(at: object) -> str:
    """Format a time of the catalog (UTC) to the second."""
    return f"{at:%Y-%m-%d %H:%M:%S}" if isinstance(at, datetime) else whole(None)


def words(name: object) -> str:
    """Replace the underscores of a snake_case name by spaces.

    >>> words("iso_out_of_range")
    'iso out of range'
    """
    return str(name).replace("_", " ")


def cell(value: object) -> str:
    """Format any value of a row on one line, cut when it is long.

    >>> cell(0.1 + 0.2), cell([1, "a"]), cell(True)
    ('0.3', '[1, "a"]', 'true')
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, datetime):
        return moment(value)
    if isinstance(value, list | dict):
        value = json.dumps(value, default=_plain, ensure_ascii=False)
    text = " ".join(str(value).split())
    return text if len(text) <= MAX_CHARACTERS else f"{text[:MAX_CHARACTERS]} …"


def web_link(url: object) -> str | None:
    """Return an address that is safe as the target of a link: http and https only, secrets redacted.

    >>> web_link("javascript:alert(1)"), web_link("https://photos.example/a?key=K3Y")
    (None, 'https://photos.example/a?key=***')
    """
    try:
        is_web = urlsplit(str(url)).scheme in ("http", "https")
    except ValueError:
        is_web = False
    return redacted(str(url)) if is_web else None


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)
