"""Scenes in town: a street with people and cars, lights of a city at night."""

import numpy as np

from photosite.optics.layers import Layer, Light
from photosite.scenes import backdrops, figures, props, weather
from photosite.scenes.stage import Scene, Stage


def street(stage: Stage) -> Scene:
    """Build houses along a street, cars, people walking, one of them near."""
    horizon = stage.height * float(stage.place.uniform(0.5, 0.6))
    focus = stage.away(0.85)
    layers = [backdrops.sky(stage, horizon)]
    layers.append(_skyline(stage, horizon, 160, (8, 22), 0.4))
    layers.append(_skyline(stage, horizon + 3, 26, (22, 52), 0.35, lamps=True))
    layers.append(
        backdrops.ground(stage, horizon, focus * 0.9, ("4c4a4a", "8c8880"), ("grain", 2.6, 0.6))
    )
    lane = stage.canvas()
    for _ in range(int(stage.moment.integers(1, 3))):
        x = float(stage.moment.uniform(0, 1)) * stage.width
        length = min(stage.focal_px * 3.6 / (focus * 4.6), stage.width * 0.46)
        foot = (x, _foot(stage, horizon, 4.6))
        figures.car(lane, foot, length, stage.moment, lit=stage.is_dark)
    drive = stage.speed(float(stage.moment.uniform(3, 6)), focus * 4.6) * float(
        stage.moment.choice([-1, 1])
    )
    layers.append(lane.layer(focus * 4.6, stage.light, velocity=(drive, 0), round_px=2.5))
    for factor, count in ((2.9, 2), (1.7, 1), (1.0, 1)):
        layers.append(_walkers(stage, horizon, focus, factor, count))
    if stage.place.random() < 0.2:
        layers.append(weather.falling(stage, "snow", focus * 1.2, 45))
    return Scene(layers, focus, stage.frame, stage.key)


def _foot(stage: Stage, horizon: float, factor: float) -> float:
    """Give the row where something stands that is `factor` times as far as the nearest person."""
    return horizon + (stage.height * 1.02 - horizon) * 1.0 / factor


def _walkers(stage: Stage, horizon: float, focus: float, factor: float, count: int) -> Layer:
    canvas = stage.canvas()
    depth = focus * factor
    tall = min(stage.height * 0.78 / factor, stage.focal_px * 1.7 / depth)
    for _ in range(count):
        x = float(stage.moment.uniform(0.1, 0.9)) * stage.width
        foot = _foot(stage, horizon, factor) - (3 if factor == 1 else 0)
        canvas.oval((x + tall * 0.1, foot), (tall * 0.24, tall * 0.03), "0a0a0c", 120)
        figures.person(canvas, (x, foot), tall, stage.moment)
    pace = stage.speed(float(stage.moment.uniform(0.5, 0.9)), depth) * float(
        stage.moment.choice([-1, 1])
    )
    return canvas.layer(depth, _lamp_light(stage), velocity=(pace, 0), round_px=max(1.5, tall * 0.02),
                        rough=("grain", 0.05, stage.moment))  # fmt: skip


def _lamp_light(stage: Stage) -> tuple[float, float, float]:
    """Light people in the dark with the lamps of the street."""
    if not stage.is_dark:
        return stage.light
    return (stage.light[0] + 0.4, stage.light[1] + 0.28, stage.light[2] + 0.14)


def _skyline(
    stage: Stage,
    base: float,
    depth_m: float,
    heights: tuple[float, float],
    lit: float,
    *,
    lamps: bool = False,
) -> Layer:
    canvas = stage.canvas()
    x = -stage.unit * float(stage.place.uniform(0, 14)) + stage.pan * 0.3
    while x < stage.width:
        wide = stage.unit * float(stage.place.uniform(10, 24)) * (1 if lamps else 0.6)
        tall = stage.unit * float(stage.place.uniform(*heights))
        props.house(
            canvas, x, base, (wide, tall), stage.place, lit_share=lit if stage.is_dark else 0.0
        )
        x += wide * (1.0 if stage.place.random() < 0.75 else 1.35)
    if lamps:
        for share in (0.08, 0.37, 0.68, 0.95):
            at = (stage.width * share + stage.pan, base + stage.unit * 4)
            props.lamp_post(canvas, at, stage.unit * 27, lit=stage.is_dark)
    return canvas.layer(depth_m, stage.light, round_px=1.5, rough=("rock", 0.12, stage.place))


def night_city(stage: Stage) -> Scene:
    """Build the lights of a city beyond water, somebody at a railing near by, cars on the bank."""
    horizon = stage.height * float(stage.place.uniform(0.42, 0.54))
    focus = stage.away(0.8)
    layers = [backdrops.sky(stage, horizon)]
    layers.append(_towers(stage, horizon))
    layers.append(backdrops.water(stage, horizon, focus, stage.speed(0.6, 4 * focus)))
    layers += [_mirrored(stage, horizon, layers[1]), _traffic(stage, horizon)]
    canvas = stage.canvas()
    rail, per_m = stage.height * 0.74, stage.focal_px / focus
    for row in (rail, rail + per_m * 0.16, rail + per_m * 0.32):
        canvas.limb([(-5, row), (stage.width + 5, row)], "4c5058", per_m * 0.03)
    for x in np.arange(stage.pan % (per_m * 0.5), stage.width, per_m * 0.5):
        canvas.limb([(float(x), rail), (float(x), stage.height + 9)], "3c4048", per_m * 0.035)
    layers.append(
        canvas.layer(focus * 1.08, (0.5, 0.4, 0.3), round_px=2, rough=("grain", 0.1, stage.place))
    )
    someone = stage.canvas()
    x = stage.width * float(stage.moment.uniform(0.15, 0.85))
    figures.person(
        someone, (x, stage.height * 1.16), min(per_m * 1.7, stage.height * 0.85), stage.moment
    )
    sway = stage.speed(float(stage.moment.uniform(0.2, 0.5)), focus)
    layers.append(someone.layer(focus, (0.62, 0.46, 0.32), velocity=(sway, 0), round_px=3,
                                rough=("grain", 0.05, stage.moment)))  # fmt: skip
    return Scene(layers, focus, stage.frame, stage.key + 0.7)


def _towers(stage: Stage, horizon: float) -> Layer:
    canvas = stage.canvas()
    x = -stage.unit * 3
    while x < stage.width:
        wide, tall = stage.unit * stage.place.uniform((5, 10), (13, 40))
        canvas.box(
            (x, horizon - tall, x + wide, horizon + 2), stage.pick("5a5f70 4a4c58 6a6470 545a60")
        )
        for u in np.arange(x + 2.5, x + wide - 2, 3.6):
            for v in np.arange(horizon - tall + 3, horizon - 1, 4.2):
                if stage.place.random() < 0.3:
                    warm = float(stage.place.uniform(0.25, 1.0))
                    canvas.lights.append(
                        Light(float(u), float(v), (1.9, 0.8 + 0.9 * warm, 1.7 * warm), 0.75)
                    )
        x += wide * float(stage.place.uniform(1.0, 1.3))
    for share in stage.place.uniform(0, 1, int(stage.place.integers(4, 10))):
        colour = ((9.0, 5.5, 2.4), (8.0, 7.5, 6.0), (8.0, 1.2, 1.0), (1.5, 4.0, 8.0))[
            int(stage.place.integers(4))
        ]
        canvas.lights.append(
            Light(stage.width * float(share), horizon - stage.unit * 2, colour, 1.5)
        )
    return canvas.layer(300, (0.16, 0.16, 0.2), round_px=1)


def _mirrored(stage: Stage, horizon: float, towers: Layer) -> Layer:
    """Draw the lamps' mirror images out long on the water."""
    lights = []
    for light in towers.lights:
        if light.radius_px > 1:
            for step in range(1, 9):
                y = horizon + (horizon - light.y) * 0.4 + step**1.5 * stage.unit * 0.9
                wobble = float(stage.moment.normal(0, 0.5)) * step * 0.4
                red, green, blue = (0.35 * channel for channel in light.colour)
                lights.append(Light(light.x + wobble, y, (red, green, blue), 1.3))
    empty = np.zeros((4, *stage.frame), np.float32)
    speed = stage.speed(0.4, 40)
    return Layer(empty, 60.0, lights=lights, velocity=(speed, speed * 0.4), plain=True)


def _traffic(stage: Stage, horizon: float) -> Layer:
    canvas = stage.canvas()
    for _ in range(int(stage.moment.integers(2, 6))):
        x = float(stage.moment.uniform(0, 1)) * stage.width
        figures.car(canvas, (x, horizon + stage.unit), stage.unit * 5, stage.moment, lit=True)
    drive = stage.speed(float(stage.moment.uniform(7, 15)), 90)
    return canvas.layer(90, (0.12, 0.12, 0.14), velocity=(drive, 0))
