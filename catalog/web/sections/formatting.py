"""Cell formats of the pages; those of numbers are in `catalog.number_formats`."""

import json
import re
from datetime import date, datetime
from urllib.parse import urlsplit

from catalog.number_formats import format_time
from catalog.workspace.logs import redacted

MAX_CHARACTERS = 300
"""Longest text of a cell; the console shows the full text."""


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
        return format_time(value)
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


def shortened(address: str | None) -> str:
    """Give an address without what all addresses have: its protocol, `www.` and the slash at its end.

    >>> shortened("https://www.pexels.com/license/"), shortened(None)
    ('pexels.com/license', '')
    """
    return re.sub(r"^https?://(www\.)?", "", address or "").removesuffix("/")


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)


def sentence(text: str) -> str:
    """Make a sentence of an error's message.

    >>> sentence("no picture has a vector"), sentence("Add it with: pip install 'safelight[curate]'")
    ('No picture has a vector.', "Add it with: pip install 'safelight[curate]'")
    """
    end = "" if text.endswith((".", "?", "!", "'", "`")) else "."
    return text[:1].upper() + text[1:] + end
