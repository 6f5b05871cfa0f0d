"""Format camera settings and their classes as photographers write them: f/2.8, ISO 400, 1/250 s."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from catalog import format_exposure

TASKS = ("f_number", "iso", "exposure_time")
CLASSES = ("low", "medium", "high")
TASK_NAMES = {"f_number": "Aperture", "iso": "ISO", "exposure_time": "Exposure time"}
SHORT_NAMES = {"f_number": "Aperture", "iso": "ISO", "exposure_time": "Exposure"}

# Third-stop values as cameras show them; exposure times below 0.3 s as their reciprocal.
_F_NUMBERS = "1 1.1 1.2 1.4 1.6 1.8 2 2.2 2.5 2.8 3.2 3.5 4 4.5 5 5.6 6.3 7.1 8 9 10 11 13 14 16 18 20 22 25 29 32"
_ISOS = (
    "50 64 80 100 125 160 200 250 320 400 500 640 800 1000 1250 1600 2000 2500 3200 4000 5000"
    " 6400 8000 10000 12800 16000 20000 25600"
)
_SPEEDS = (
    "8000 6400 5000 4000 3200 2500 2000 1600 1250 1000 800 640 500 400 320 250 200 160 125 100"
    " 80 60 50 40 30 25 20 15 13 10 8 6 5 4"
)
_LONG_TIMES = "0.3 0.4 0.5 0.6 0.8 1 1.3 1.6 2 2.5 3.2 4 5 6 8 10 13 15 20 25 30"

_STOPS: dict[str, Callable[[float], float]] = {
    "f_number": lambda n: 2 * math.log2(n),
    "iso": lambda iso: math.log2(iso / 100),
    "exposure_time": math.log2,
}
_NOMINAL: dict[str, list[float]] = {
    "f_number": [float(n) for n in _F_NUMBERS.split()],
    "iso": [float(n) for n in _ISOS.split()],
    "exposure_time": [1 / float(n) for n in _SPEEDS.split()]
    + [float(n) for n in _LONG_TIMES.split()],
}


def task_name(task: str) -> str:
    """Return the display name of a head; an unknown task keeps its own name."""
    return TASK_NAMES.get(task, task.replace("_", " "))


def format_value(task: str, value: float | None) -> str:
    """Format one value of `task` (N, ISO or seconds); null becomes 'unknown'.

    >>> [format_value("f_number", 2.8), format_value("iso", 400), format_value("exposure_time", 0.004)]
    ['f/2.8', 'ISO 400', '1/250 s']
    """
    if value is None or not math.isfinite(value) or value <= 0:
        return "unknown"
    if task == "f_number":
        return f"f/{value:.3g}"
    if task == "iso":
        return f"ISO {value:.0f}"
    return format_exposure(value)


def class_edges(bins: Mapping[str, Any], task: str) -> tuple[float, float] | None:
    """Return the two class edges of a task in stops, stored as a list or under the key `edges`."""
    stored = bins.get(task)
    if isinstance(stored, Mapping):
        stored = stored.get("edges")
    if not isinstance(stored, Sequence) or len(stored) != 2:
        return None
    return float(stored[0]), float(stored[1])


def class_ranges(bins: Mapping[str, Any], task: str) -> tuple[str, str, str]:
    """Describe low, medium and high of a task in nominal values; without edges return the class names.

    >>> class_ranges({"f_number": [3.17, 5.17]}, "f_number")
    ('up to f/2.8', 'f/3.2 to f/5.6', 'from f/6.3')
    """
    edges = class_edges(bins, task)
    if edges is None or task not in _NOMINAL:
        return CLASSES
    stops = _STOPS[task]
    classes: tuple[list[str], ...] = ([], [], [])
    for value in _NOMINAL[task]:
        classes[sum(stops(value) >= edge for edge in edges)].append(format_value(task, value))
    low, medium, high = classes
    if not (low and medium and high):
        return CLASSES
    return f"up to {low[-1]}", _between(medium[0], medium[-1]), f"from {high[0]}"


def _between(first: str, last: str) -> str:
    """Write the unit once.

    >>> _between("ISO 250", "ISO 800"), _between("1/200 s", "1/60 s")
    ('ISO 250 to 800', '1/200 to 1/60 s')
    """
    last = last.removeprefix("ISO ")
    return f"{first.removesuffix(' s') if last.endswith(' s') else first} to {last}"
