"""The third-stop series of nominal values, and their APEX values.

A nominal 1/60 s is 1/64 s on a real camera. The renderer uses the nominal value, and EXIF contains the same value,
so both differ at most as much as in a real camera.
"""

import math
from fractions import Fraction


def _fractions(text: str) -> tuple[Fraction, ...]:
    return tuple(Fraction(word) for word in text.split())


F_NUMBERS = _fractions(
    "1.2 1.4 1.6 1.8 2 2.2 2.5 2.8 3.2 3.5 4 4.5 5 5.6 6.3 7.1 8 9 10 11 13 14 16 18 20 22"
)
ISOS = (
    *(100, 125, 160, 200, 250, 320, 400, 500, 640, 800, 1000, 1250, 1600, 2000, 2500, 3200),
    *(4000, 5000, 6400, 8000, 10000, 12800),
)
EXPOSURE_TIMES = _fractions(
    "1/4000 1/3200 1/2500 1/2000 1/1600 1/1250 1/1000 1/800 1/640 1/500 1/400 1/320 1/250 1/200 "
    "1/160 1/125 1/100 1/80 1/60 1/50 1/40 1/30 1/25 1/20 1/15 1/13 1/10 1/8 1/6 1/5 1/4 "
    "0.3 0.4 0.5 0.6 0.8 1 1.3 1.6 2 2.5 3.2 4"
)


def aperture_value(f_number: Fraction | float) -> float:
    """Return the APEX aperture value Av.

    >>> aperture_value(8)
    6.0
    """
    return 2 * math.log2(f_number)


def time_value(exposure_time: Fraction | float) -> float:
    """Return the APEX time value Tv of a time in seconds.

    >>> time_value(Fraction(1, 128))
    7.0
    """
    return -math.log2(exposure_time)


def exposure_value(f_number: Fraction | float, iso: int, exposure_time: Fraction | float) -> float:
    """Return the light for which these settings give a correct exposure, as EV at ISO 100.

    >>> exposure_value(16, 100, Fraction(1, 128))
    15.0
    """
    return aperture_value(f_number) + time_value(exposure_time) - math.log2(iso / 100)
