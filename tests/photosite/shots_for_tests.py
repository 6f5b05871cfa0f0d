"""Shots and plans that the demo's tests share."""

from dataclasses import replace
from fractions import Fraction
from functools import cache

from photosite.plan.cameras import CAMERAS
from photosite.plan.plan import DemoPlan
from photosite.plan.shot_parameters import Shot

SMALL_CAMERA = replace(CAMERAS[0], frame=(192, 128), widest=Fraction("1.4"), vignette=0.0)


def shot(family: str = "portrait", **changes: object) -> Shot:
    """Give a shot with a small camera; the chance is fixed."""
    plain = Shot(
        family=family,
        scene=5,
        view=6,
        light=13.0,
        camera=SMALL_CAMERA,
        focal_mm=50,
        f_number=Fraction(4),
        iso=100,
        exposure_time=Fraction(1, 1000),
        is_upright=False,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]  # a shorthand for tests only


@cache
def full_plan() -> DemoPlan:
    """Give the plan that the demo uses."""
    return DemoPlan()
