"""The context in which a scene is built: frame, daylight, scale, and two random generators."""

from dataclasses import dataclass

import numpy as np

from photosite.optics.layers import Canvas, Colour, Layer, linear_colour
from photosite.plan.shot_parameters import Shot

# Daylight: colour of the light, and the shift of the exposure in stops.
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

    `key` shifts the exposure in stops: night scenes stay dark.
    """

    layers: list[Layer]
    focus_m: float
    frame: tuple[int, int]
    key: float = 0.0


class SceneContext:
    """The values that every family of scenes uses.

    `scene_rng` gives the same numbers in all shots of a burst; `shot_rng` gives other numbers in each shot.
    """

    def __init__(self, shot: Shot, day: str | None = None) -> None:
        wide, high = shot.camera.frame
        self.width, self.height = (high, wide) if shot.is_upright else (wide, high)
        self.scene_rng = np.random.default_rng([shot.scene, 0])
        self.shot_rng = np.random.default_rng([shot.view, 0])
        self.day = day or self._day_of(shot.light)
        self.light: Colour
        self.light, self.key = DAYLIGHT[self.day]
        self.focal_px = shot.focal_mm / shot.camera.sensor_mm * wide
        self.unit = min(self.width, self.height) / 100
        self._step_back = float((shot.focal_mm / 50) ** 1.8 * (36 / shot.camera.sensor_mm) ** 0.9)
        self.pan = float(self.shot_rng.normal(0, 0.06)) * self.width

    @property
    def frame(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.height, self.width

    @property
    def is_dark(self) -> bool:
        """Whether lamps are lit."""
        return self.day in {"night", "dusk"}

    def canvas(self) -> Canvas:
        """Return an empty canvas of the frame's size."""
        return Canvas((self.width, self.height))

    def subject_distance(self, metres: float) -> float:
        """Return the distance at which a subject fills the same part of the frame with any lens.

        Scenes are nearer and slower than in reality, because the pictures are small: at real distances a blur of many
        pixels in a large picture would be less than one pixel here.
        """
        return max(0.25, metres * self._step_back)

    def speed(self, metres_s: float, depth_m: float) -> float:
        """Convert the speed of an object at a depth to pixels a second."""
        return metres_s / depth_m * self.focal_px

    def choose_for_scene(self, words: str) -> str:
        """Choose a word at random, the same in all shots of a scene."""
        return str(self.scene_rng.choice(words.split()))

    def choose_for_shot(self, words: str) -> str:
        """Choose a word at random, in each shot anew."""
        return str(self.shot_rng.choice(words.split()))

    def lit_colour(self, colour: str, share: float = 1.0) -> Colour:
        """Return a colour under the scene's light."""
        red, green, blue = (
            a * b * share for a, b in zip(linear_colour(colour), self.light, strict=True)
        )
        return red, green, blue

    def _day_of(self, light: float) -> str:
        if light > 11.5:
            return "sun" if self.scene_rng.random() < 0.65 else "cloud"
        if light > 7:
            return str(self.scene_rng.choice(["golden", "cloud", "cloud", "dusk"]))
        return "dusk" if light > 5 else "night"
