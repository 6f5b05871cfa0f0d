"""Bars as inline SVG; the template escapes every text."""

from collections.abc import Sequence

from markupsafe import Markup

_HEIGHT, _WIDTH, _GAP = 120, 720, 0.15


def stacked_bars(bins: Sequence[tuple[str, int, int]]) -> Markup:
    """Draw one bar for each (label, done, failed), failed on top; the label is its tooltip.

    The SVG contains no text, so it may be stretched to any width. The tallest bar fills the height.
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
