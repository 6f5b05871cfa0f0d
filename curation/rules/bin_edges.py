"""The three camera settings that models predict, and the edges of their bins. This module imports no heavy library."""

from typing import Final

SETTINGS: Final = ("f_number", "iso", "exposure_time")
"""The three camera settings that models predict."""

BIN_NAMES: Final = ("low", "medium", "high")
"""Names of bins 0, 1 and 2; for exposure_time low is short."""

BINS: Final[dict[str, tuple[float, float]]] = {
    "f_number": (3.17, 5.17),  # <= f/2.8 | f/3.2 to f/5.6 | >= f/6.3
    "iso": (1.17, 3.17),  # <= 200 | 250 to 800 | >= 1000
    "exposure_time": (-7.8, -5.77),  # <= 1/250 s | 1/200 to 1/60 s | >= 1/50 s
}
"""Edges between low, medium and high, in stops."""
