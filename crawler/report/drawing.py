"""Bars as inline SVG, and numbers as people write them; every text goes through the template's escaping."""

from collections.abc import Sequence
from datetime import UTC, datetime

from markupsafe import Markup

_HEIGHT, _WIDTH, _GAP = 120, 720, 0.15


def stacked_bars(bins: Sequence[tuple[str, int, int]]) -> Markup:
    """Draw one bar for each (label, done, failed), failed on top; the label is its tooltip.

    It has no text of its own, so it may be stretched to any width. The tallest bar fills the height.
    """
    most = max((done + failed for _, done, failed in bins), default=0) or 1
    wide = _WIDTH / max(len(bins), 1)
    bars = Markup("").join(
        _bar(number * wide, wide * (1 - _GAP), label, (done / most, failed / most), (done, failed))
        for number, (label, done, failed) in enumerate(bins)
    )
    return Markup(
        '<svg class="time" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img"'
        ' aria-label="attempts over time; the table below has the numbers">{}</svg>'
    ).format(_WIDTH, _HEIGHT, bars)


def _bar(
    x: float, width: float, label: str, shares: tuple[float, float], counts: tuple[int, int]
) -> Markup:
    # A bin with a single attempt stays visible beside one with thousands.
    done, failed = (max(share * _HEIGHT, 1.5) if share else 0.0 for share in shares)
    rectangle = Markup('<rect class="{}" x="{:.2f}" y="{:.2f}" width="{:.2f}" height="{:.2f}"/>')
    return Markup("<g><title>{}: {} done, {} failed</title>{}{}</g>").format(
        label,
        *counts,
        rectangle.format("done", x, _HEIGHT - done, width, done),
        rectangle.format("failed", x, max(0.0, _HEIGHT - done - failed), width, failed),
    )


def whole(number: float | None) -> str:
    """Write a count with separators, a missing one as a dash.

    >>> whole(12034)
    '12,034'
    """
    return "-" if number is None else f"{number:,.0f}"


def share(part: float | None) -> str:
    """Write a share in [0, 1] as percent; only nothing is 0 % and only everything is 100 %.

    >>> share(0.9996), share(0.0001), share(1), share(0.123)
    ('99.9 %', '0.1 %', '100 %', '12.3 %')
    """
    if part is None:
        return "-"
    percent = 100.0 * part
    if 0 < percent < 100:
        return f"{min(max(percent, 0.1), 99.9):.1f} %"
    return f"{percent:.0f} %"


def size(count: float | None) -> str:
    """Write bytes in the unit that suits.

    >>> size(3_812_000), size(812)
    ('3.8 MB', '812 bytes')
    """
    amount = float(count or 0)
    if amount < 1000:
        return f"{amount:.0f} bytes"
    unit = next((u for u, f in _UNITS if amount >= f), "kB")
    return f"{amount / dict(_UNITS)[unit]:.1f} {unit}"


_UNITS = (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3))


def seconds(amount: float | None) -> str:
    """Write a duration in the unit that suits.

    >>> seconds(0.0123), seconds(75), seconds(7384), seconds(4), seconds(0.0002)
    ('12 ms', '1 min 15 s', '2 h 3 min', '4.0 s', '< 1 ms')
    """
    if amount is None:
        return "-"
    if amount < 1:
        return f"{amount * 1000:.0f} ms" if amount >= 0.001 else "< 1 ms"
    if amount < 60:
        return f"{amount:.1f} s"
    minutes, rest = divmod(round(amount), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def shutter(exposure_time: float | None) -> str:
    """Write an exposure time as photographers do.

    >>> shutter(0.004), shutter(2.5)
    ('1/250 s', '2.5 s')
    """
    if not exposure_time or exposure_time < 0:
        return ""
    return f"1/{1 / exposure_time:.0f} s" if exposure_time < 0.3 else f"{exposure_time:.3g} s"


def moment(at: datetime | float | None) -> str:
    """Write a time of the catalog (UTC without a zone), or Unix seconds, to the second."""
    if at is None:
        return "-"
    if not isinstance(at, datetime):
        at = datetime.fromtimestamp(at, UTC)
    return f"{at:%Y-%m-%d %H:%M:%S}"
