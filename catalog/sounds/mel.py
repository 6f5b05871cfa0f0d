"""Mel bands: frequencies spaced as ears hear them, even below about 1 kHz and by ratio above it."""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def mel_of(hertz: Floats | float) -> Floats:
    """Give the place of frequencies on the mel scale (the formula of HTK).

    >>> round(float(mel_of(1000.0)))
    1000
    """
    return np.asarray(2595 * np.log10(1 + np.asarray(hertz) / 700), np.float64)


@lru_cache(maxsize=16)
def mel_filters(rate: int, window: int, bands: int, lowest_hz: float) -> Floats:
    """Return triangular filters, evenly spaced in mel and equal in height, (bands, window // 2 + 1).

    They go from `lowest_hz` to half of the `rate`; `window` is the number of samples of a Fourier transform.
    """
    low, high = mel_of(np.array([lowest_hz, rate / 2]))
    edges = 700 * (10 ** (np.linspace(low, high, bands + 2) / 2595) - 1)
    frequency = np.fft.rfftfreq(window, 1 / rate)
    rising = (frequency - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - frequency) / np.diff(edges)[1:, None]
    return np.asarray(np.clip(np.minimum(rising, falling), 0, None), np.float64)
