"""Where a scene is built: frame, light of the day, scale, and the two sources of chance."""

from dataclasses import dataclass

import numpy as np

from photosite.optics.layers import Canvas, Colour, Layer, linear
from photosite.plan.shots import Shot

# Light of a day: colour of what falls on things, and where it takes the picture's brightness.
DAYLIGHT = {
    "sun": ((1.12, 1.0, 0.86), 0.05),
    "cloud": ((0.86, 0.9, 0.95), -0.05),
    "golden": ((1.2, 0.84, 0.52), -0.1),
    "dusk": ((0.5, 0.52, 0.74), -0.25),
    "night": ((0.1, 0.115, 0.19), -0.3),
    "lamp": ((1.0, 0.82, 0.6), -0.1),
    "window": ((0.92, 0.92, 0.9), 0.0),
}


@dataclass(frozen=True)
class Scene:
    """Layers from far to near, the distance in focus in metres, frame (height, width).

    `key` shifts the exposure in stops: people keep the night dark.
    """

    layers: list[Layer]
    focus_m: float
    frame: tuple[int, int]
    key: float = 0.0


class Stage:
    """What every family of scenes starts from.

    `place` is the chance that is the same in all shots of a burst, `moment` the chance of one shot.
    """

    def __init__(self, shot: Shot, day: str | None = None) -> None:
        wide, high = shot.camera.frame
        self.width, self.height = (high, wide) if shot.is_upright else (wide, high)
        self.place = np.random.default_rng([shot.scene, 0])
        self.moment = np.random.default_rng([shot.view, 0])
        self.day = day or self._day_of(shot.light)
        self.light: Colour
        self.light, self.key = DAYLIGHT[self.day]
        self.focal_px = shot.focal_mm / shot.camera.sensor_mm * wide
        self.unit = min(self.width, self.height) / 100
        self._step_back = float((shot.focal_mm / 50) ** 1.8 * (36 / shot.camera.sensor_mm) ** 0.9)
        self.pan = float(self.moment.normal(0, 0.06)) * self.width

    @property
    def frame(self) -> tuple[int, int]:
        """Give (height, width) in pixels."""
        return self.height, self.width

    @property
    def is_dark(self) -> bool:
        """Say whether lamps are lit."""
        return self.day in {"night", "dusk"}

    def canvas(self) -> Canvas:
        """Give an empty canvas of the frame's size."""
        return Canvas((self.width, self.height))

    def away(self, metres: float) -> float:
        """Give the distance of a subject that fills the frame alike with any lens.

        Scenes stand nearer than people do: the pictures are small, and a blur that spans many pixels
        of a large picture would span less than one of theirs. Speeds are slower for the same reason.
        """
        return max(0.25, metres * self._step_back)

    def speed(self, metres_s: float, depth_m: float) -> float:
        """Give the speed of a picture in pixels a second, from that of a thing."""
        return metres_s / depth_m * self.focal_px

    def pick(self, words: str) -> str:
        """Choose a word of the place."""
        return str(self.place.choice(words.split()))

    def pick_now(self, words: str) -> str:
        """Choose a word of the moment."""
        return str(self.moment.choice(words.split()))

    def tinted(self, colour: str, share: float = 1.0) -> Colour:
        """Give a colour in the scene's light."""
        red, green, blue = (a * b * share for a, b in zip(linear(colour), self.light, strict=True))
        return red, green, blue

    def _day_of(self, light: float) -> str:
        if light > 11.5:
            return "sun" if self.place.random() < 0.65 else "cloud"
        if light > 7:
            return str(self.place.choice(["golden", "cloud", "cloud", "dusk"]))
        return "dusk" if light > 5 else "night"
