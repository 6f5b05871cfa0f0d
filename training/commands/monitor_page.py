"""A page about a running training that reloads itself: curves, share of waiting, time left, last checkpoint."""

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from training.commands.monitor import STALE_S, state
from training.predict.saved_model import is_finished
from training.report.page import render

FILE = "monitor.html"
RELOAD_S = 3
WIDTH, HEIGHT, EDGE = 640, 260, 44  # px
CURVES = (("train_loss", "training", "#5a6878"), ("validation_loss", "validation", "#0b63b0"))


class PageWriter:
    """Write the page beside a log whenever the log is read; a reader never sees half of it."""

    def __init__(self, log: Path) -> None:
        self._log, self.path = log, log.with_name(FILE)

    def write(self, records: Sequence[dict[str, Any]]) -> None:
        """Write the page from all records of the log."""
        unfinished = self.path.with_suffix(".part")
        unfinished.write_text(page(self._log, records, time.time()), "utf-8")
        unfinished.replace(self.path)


def page(log: Path, records: Sequence[dict[str, Any]], now_s: float) -> str:
    """Return the page; `now_s` is seconds since 1970. It reloads itself until the training is finished."""
    epochs, step = state(records)
    newest = step or (epochs[-1] if epochs else None)
    age = now_s - float(newest["time"]) if newest else 0.0
    finished = is_finished(log.parent)
    return render(
        "monitor.html",
        {
            "title": f"Training of model {log.parent.name}",
            "state": "finished" if finished else "stopped" if age > STALE_S else "running",
            "reload_s": 0 if finished else RELOAD_S,
            "facts": _facts(epochs, step, log.parent / "checkpoints", now_s),
            # Safe: `curves` draws numbers only.
            "curves": Markup(curves(epochs)) if epochs else "",  # noqa: S704
            "epochs": list(reversed(epochs)),
            "legend": [(title, colour) for _, title, colour in CURVES],
            "age": age,
        },
    )


def _facts(
    epochs: Sequence[dict[str, Any]], step: dict[str, Any] | None, checkpoints: Path, now_s: float
) -> list[tuple[str, str]]:
    """Return what the top of the page says: name and text."""
    facts = []
    if step:
        place = f"{step['epoch']} of {step['epochs']}, step {step['step']} of {step['steps']}"
        facts += [("epoch", place), ("loss of this epoch", f"{step['loss']:.4f}")]
        facts += [("time left", _duration(step["eta_s"]))]
    elif epochs:
        facts += [("epoch", f"{epochs[-1]['epoch']} of {epochs[-1]['epochs']} is done")]
    if newest := step or (epochs[-1] if epochs else None):
        facts += [
            ("pictures/s", f"{newest['examples_per_s']:.0f}"),
            ("waiting for data", f"{newest['wait_share']:.0%} of the time"),
            ("learning rate", f"{newest['learning_rate']:.2e}"),
        ]
    if epochs:
        best = min(epochs, key=lambda each: each["validation_loss"])
        facts += [("best validation", f"{best['validation_loss']:.4f} in epoch {best['epoch']}")]
    folders = [*checkpoints.glob("epoch-*"), *checkpoints.glob("step-*")]
    if folders:
        last = max(folders, key=lambda each: each.stat().st_mtime)
        text = f"{last.name}, {_duration(now_s - last.stat().st_mtime)} ago"
        facts += [("last checkpoint", text)]
    return facts


def _duration(seconds: float) -> str:
    """Write a time for people.

    >>> _duration(8.2), _duration(75), _duration(7500)
    ('8 s', '1 min 15 s', '2 h 5 min')
    """
    minutes, rest = divmod(round(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def curves(epochs: Sequence[dict[str, Any]]) -> str:
    """Draw the losses by epoch as SVG; values that are no numbers are left out."""
    points = {
        name: [(row["epoch"], row[name]) for row in epochs if math.isfinite(row[name])]
        for name, _, _ in CURVES
    }
    values = [value for line in points.values() for _, value in line] or [0.0]
    low, high = min(values), max(values)
    last = max(epochs[-1]["epoch"], 2)

    def place(epoch: float, value: float) -> tuple[float, float]:
        x = EDGE + (WIDTH - EDGE - 12) * (epoch - 1) / (last - 1)
        return x, 12 + (HEIGHT - EDGE) * (high - value) / ((high - low) or 1.0)

    lines = []
    for name, _, colour in CURVES:
        corners = [place(*point) for point in points[name]]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
        lines.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
            + "".join(
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{colour}"/>' for x, y in corners
            )
        )
    marks = [
        (EDGE - 6, place(1, high)[1] + 4, f"{high:.3g}"),
        (EDGE - 6, place(1, low)[1] + 4, f"{low:.3g}"),
    ]
    texts = [f'<text x="{x}" y="{y:.1f}" text-anchor="end">{text}</text>' for x, y, text in marks]
    texts += [
        f'<text x="{place(epoch, low)[0]:.1f}" y="{HEIGHT - 8}" text-anchor="middle">{epoch}</text>'
        for epoch in sorted({1, last})
    ]
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="loss by epoch" class="curves">'
        + "".join(lines + texts)
        + "</svg>"
    )
