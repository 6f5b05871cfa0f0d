from fractions import Fraction
from itertools import pairwise

import pytest

from photosite.plan.stops import (
    EXPOSURE_TIMES,
    F_NUMBERS,
    ISOS,
    aperture_value,
    exposure_value,
    time_value,
)


def test_the_dials_click_in_third_stops() -> None:
    for dial, stops in ((F_NUMBERS, 2), (EXPOSURE_TIMES, 1), (ISOS, 1)):
        ratios = [float(b / a) for a, b in pairwise(dial)]
        assert min(ratios) ** stops > 1.15
        assert max(ratios) ** stops < 1.4


def test_apex_values_are_those_of_the_standard() -> None:
    assert aperture_value(Fraction(4)) == 4
    assert time_value(Fraction(1, 64)) == 6
    assert exposure_value(8, 200, Fraction(1, 128)) == pytest.approx(12)
