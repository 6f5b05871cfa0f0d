"""The parameters of one photograph, and how they are drawn.

The settings are drawn first, with the imbalance of real collections (most pictures at low ISO and short
times). They determine the light; then a family of scenes with such light is drawn.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeVar

from photosite.plan.cameras import CameraModel
from photosite.plan.stops import EXPOSURE_TIMES, F_NUMBERS, ISOS, exposure_value

# Families of scenes, each with the light (EV at ISO 100) in which people photograph it.
FAMILY_LIGHT: dict[str, tuple[float, float]] = {
    "mountains": (7, 16.5),
    "street": (4, 16.5),
    "portrait": (5, 16.5),
    "harbour": (5, 16.5),
    "garden": (8, 16.5),
    "forest": (5, 14),
    "track": (7, 16.5),
    "table": (1, 10),
    "cafe": (1, 9),
    "nightcity": (-2, 5.5),
}
# Cameras offer third stops, but people use a few of them most of the time.
FAVOURITE_WEIGHT = 4
FAVOURITES = {
    *(Fraction(text) for text in ("1.4", "1.8", "2", "4", "5", "8", "11", "16")),
    *(100, 200, 400, 800, 1600, 3200, 6400),
    *(Fraction(1, whole) for whole in (4000, 2000, 1000, 500, 125, 100, 30, 15, 8, 4, 2, 1)),
}
Stop = TypeVar("Stop", Fraction, int)
LIGHT = (0.0, 16.2)  # from a lit street at night to snow in the sun
TRIPOD_FROM = Fraction(1, 4)  # longer exposures are on a tripod

# Upper limits of three ranges and how often people use each: the planted imbalance.
F_NUMBER_HABIT = ((2.9, 0.44), (5.7, 0.34), (99, 0.22))
ISO_HABIT = ((220, 0.60), (850, 0.25), (99_999, 0.15))
TIME_HABIT = ((1 / 245, 0.52), (1 / 56, 0.29), (99, 0.19))


@dataclass(frozen=True)
class Shot:
    """One photograph: seeds of scene and view, light, camera and settings.

    The seed `scene` determines the place. The seed `view` determines the camera's position, moving objects and the
    noise. `light` is in EV at ISO 100.
    """

    family: str
    scene: int
    view: int
    light: float
    camera: CameraModel
    focal_mm: int
    f_number: Fraction
    iso: int
    exposure_time: Fraction
    is_upright: bool

    @property
    def is_on_tripod(self) -> bool:
        """Whether the camera is on a tripod."""
        return self.exposure_time >= TRIPOD_FROM


def draw_shot(rng: random.Random, camera: CameraModel) -> Shot:
    """Draw the parameters of one photograph with this camera."""
    f_number, iso, exposure_time = _draw_settings(rng, camera)
    light = exposure_value(f_number, iso, exposure_time)
    return Shot(
        family=_draw_family(rng, light),
        scene=rng.getrandbits(32),
        view=rng.getrandbits(32),
        light=light,
        camera=camera,
        focal_mm=rng.randint(*camera.focal_mm),
        f_number=f_number,
        iso=iso,
        exposure_time=exposure_time,
        is_upright=rng.random() < 0.22,
    )


def _draw_settings(rng: random.Random, camera: CameraModel) -> tuple[Fraction, int, Fraction]:
    """Draw f-number, ISO and time that the camera has and that match a realistic light."""
    lowest, highest = camera.isos
    while True:
        f_number = _draw(rng, F_NUMBERS, F_NUMBER_HABIT, lambda n: n >= camera.widest)
        iso = _draw(rng, ISOS, ISO_HABIT, lambda s: lowest <= s <= highest)
        exposure_time = _draw(rng, EXPOSURE_TIMES, TIME_HABIT, lambda _: True)
        if LIGHT[0] <= exposure_value(f_number, iso, exposure_time) <= LIGHT[1]:
            return f_number, iso, exposure_time


def _draw(
    rng: random.Random,
    dial: tuple[Stop, ...],
    habit: tuple[tuple[float, float], ...],
    fits: Callable[[Stop], bool],
) -> Stop:
    limits = [0.0, *(limit for limit, _ in habit)]
    at = rng.choices(range(len(habit)), [share for _, share in habit])[0]
    choice = [stop for stop in dial if fits(stop) and limits[at] < stop <= limits[at + 1]]
    choice = choice or [stop for stop in dial if fits(stop)]
    weights = [FAVOURITE_WEIGHT if stop in FAVOURITES else 1 for stop in choice]
    return rng.choices(choice, weights)[0]


def _draw_family(rng: random.Random, light: float) -> str:
    return rng.choice([name for name, (low, high) in FAMILY_LIGHT.items() if low <= light <= high])


def draw_hour(light: float, rng: random.Random) -> float:
    """Draw an hour of the day, 0-24, with this light."""
    if light > 11:
        return rng.uniform(9, 17)
    if light > 6:
        return rng.choice([rng.uniform(6.5, 8), rng.uniform(18, 20)])
    return rng.uniform(20, 23.5)
