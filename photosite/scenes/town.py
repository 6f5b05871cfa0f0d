"""Scenes in town: a street with people and cars, lights of a city at night."""

import numpy as np

from photosite.optics.layers import Layer, PointLight
from photosite.scenes import backdrops, figures, props, weather
from photosite.scenes.scene_context import Scene, SceneContext


def street(context: SceneContext) -> Scene:
    """Build houses along a street, cars, people walking, one of them near."""
    horizon = context.height * float(context.scene_rng.uniform(0.5, 0.6))
    focus = context.subject_distance(0.85)
    layers = [backdrops.sky(context, horizon)]
    layers.append(_skyline(context, horizon, 160, (8, 22), 0.4))
    layers.append(_skyline(context, horizon + 3, 26, (22, 52), 0.35, lamps=True))
    layers.append(
        backdrops.ground(context, horizon, focus * 0.9, ("4c4a4a", "8c8880"), ("grain", 2.6, 0.6))
    )
    lane = context.canvas()
    for _ in range(int(context.shot_rng.integers(1, 3))):
        x = float(context.shot_rng.uniform(0, 1)) * context.width
        length = min(context.focal_px * 3.6 / (focus * 4.6), context.width * 0.46)
        foot = (x, _foot(context, horizon, 4.6))
        figures.car(lane, foot, length, context.shot_rng, lit=context.is_dark)
    drive = context.speed(float(context.shot_rng.uniform(3, 6)), focus * 4.6) * float(
        context.shot_rng.choice([-1, 1])
    )
    layers.append(lane.layer(focus * 4.6, context.light, velocity=(drive, 0), round_px=2.5))
    for factor, count in ((2.9, 2), (1.7, 1), (1.0, 1)):
        layers.append(_walkers(context, horizon, focus, factor, count))
    if context.scene_rng.random() < 0.2:
        layers.append(weather.falling(context, "snow", focus * 1.2, 45))
    return Scene(layers, focus, context.frame, context.key)


def _foot(context: SceneContext, horizon: float, factor: float) -> float:
    """Return the row of the feet of an object that is `factor` times as far as the nearest person."""
    return horizon + (context.height * 1.02 - horizon) * 1.0 / factor


def _walkers(
    context: SceneContext, horizon: float, focus: float, factor: float, count: int
) -> Layer:
    canvas = context.canvas()
    depth = focus * factor
    tall = min(context.height * 0.78 / factor, context.focal_px * 1.7 / depth)
    for _ in range(count):
        x = float(context.shot_rng.uniform(0.1, 0.9)) * context.width
        foot = _foot(context, horizon, factor) - (3 if factor == 1 else 0)
        canvas.oval((x + tall * 0.1, foot), (tall * 0.24, tall * 0.03), "0a0a0c", 120)
        figures.person(canvas, (x, foot), tall, context.shot_rng)
    pace = context.speed(float(context.shot_rng.uniform(0.5, 0.9)), depth) * float(
        context.shot_rng.choice([-1, 1])
    )
    return canvas.layer(depth, _lamp_light(context), velocity=(pace, 0), round_px=max(1.5, tall * 0.02),
                        rough=("grain", 0.05, context.shot_rng))  # fmt: skip


def _lamp_light(context: SceneContext) -> tuple[float, float, float]:
    """Return the light of street lamps on people in the dark."""
    if not context.is_dark:
        return context.light
    return (context.light[0] + 0.4, context.light[1] + 0.28, context.light[2] + 0.14)


def _skyline(
    context: SceneContext,
    base: float,
    depth_m: float,
    heights: tuple[float, float],
    lit: float,
    *,
    lamps: bool = False,
) -> Layer:
    canvas = context.canvas()
    x = -context.unit * float(context.scene_rng.uniform(0, 14)) + context.pan * 0.3
    while x < context.width:
        wide = context.unit * float(context.scene_rng.uniform(10, 24)) * (1 if lamps else 0.6)
        tall = context.unit * float(context.scene_rng.uniform(*heights))
        props.house(
            canvas,
            x,
            base,
            (wide, tall),
            context.scene_rng,
            lit_share=lit if context.is_dark else 0.0,
        )
        x += wide * (1.0 if context.scene_rng.random() < 0.75 else 1.35)
    if lamps:
        for share in (0.08, 0.37, 0.68, 0.95):
            at = (context.width * share + context.pan, base + context.unit * 4)
            props.lamp_post(canvas, at, context.unit * 27, lit=context.is_dark)
    return canvas.layer(
        depth_m, context.light, round_px=1.5, rough=("rock", 0.12, context.scene_rng)
    )


def night_city(context: SceneContext) -> Scene:
    """Build the lights of a city beyond water, a person at a railing, cars on the bank."""
    horizon = context.height * float(context.scene_rng.uniform(0.42, 0.54))
    focus = context.subject_distance(0.8)
    layers = [backdrops.sky(context, horizon)]
    layers.append(_towers(context, horizon))
    layers.append(backdrops.water(context, horizon, focus, context.speed(0.6, 4 * focus)))
    layers += [_mirrored(context, horizon, layers[1]), _traffic(context, horizon)]
    canvas = context.canvas()
    rail, per_m = context.height * 0.74, context.focal_px / focus
    for row in (rail, rail + per_m * 0.16, rail + per_m * 0.32):
        canvas.limb([(-5, row), (context.width + 5, row)], "4c5058", per_m * 0.03)
    for x in np.arange(context.pan % (per_m * 0.5), context.width, per_m * 0.5):
        canvas.limb([(float(x), rail), (float(x), context.height + 9)], "3c4048", per_m * 0.035)
    layers.append(
        canvas.layer(
            focus * 1.08, (0.5, 0.4, 0.3), round_px=2, rough=("grain", 0.1, context.scene_rng)
        )
    )
    someone = context.canvas()
    x = context.width * float(context.shot_rng.uniform(0.15, 0.85))
    figures.person(
        someone,
        (x, context.height * 1.16),
        min(per_m * 1.7, context.height * 0.85),
        context.shot_rng,
    )
    sway = context.speed(float(context.shot_rng.uniform(0.2, 0.5)), focus)
    layers.append(someone.layer(focus, (0.62, 0.46, 0.32), velocity=(sway, 0), round_px=3,
                                rough=("grain", 0.05, context.shot_rng)))  # fmt: skip
    return Scene(layers, focus, context.frame, context.key + 0.7)


def _towers(context: SceneContext, horizon: float) -> Layer:
    canvas = context.canvas()
    x = -context.unit * 3
    while x < context.width:
        wide, tall = context.unit * context.scene_rng.uniform((5, 10), (13, 40))
        canvas.box(
            (x, horizon - tall, x + wide, horizon + 2),
            context.choose_for_scene("5a5f70 4a4c58 6a6470 545a60"),
        )
        for u in np.arange(x + 2.5, x + wide - 2, 3.6):
            for v in np.arange(horizon - tall + 3, horizon - 1, 4.2):
                if context.scene_rng.random() < 0.3:
                    warm = float(context.scene_rng.uniform(0.25, 1.0))
                    canvas.lights.append(
                        PointLight(float(u), float(v), (1.9, 0.8 + 0.9 * warm, 1.7 * warm), 0.75)
                    )
        x += wide * float(context.scene_rng.uniform(1.0, 1.3))
    for share in context.scene_rng.uniform(0, 1, int(context.scene_rng.integers(4, 10))):
        colour = ((9.0, 5.5, 2.4), (8.0, 7.5, 6.0), (8.0, 1.2, 1.0), (1.5, 4.0, 8.0))[
            int(context.scene_rng.integers(4))
        ]
        canvas.lights.append(
            PointLight(context.width * float(share), horizon - context.unit * 2, colour, 1.5)
        )
    return canvas.layer(300, (0.16, 0.16, 0.2), round_px=1)


def _mirrored(context: SceneContext, horizon: float, towers: Layer) -> Layer:
    """Return the reflections of the lamps on the water, stretched downwards."""
    lights = []
    for light in towers.lights:
        if light.radius_px > 1:
            for step in range(1, 9):
                y = horizon + (horizon - light.y) * 0.4 + step**1.5 * context.unit * 0.9
                wobble = float(context.shot_rng.normal(0, 0.5)) * step * 0.4
                red, green, blue = (0.35 * channel for channel in light.colour)
                lights.append(PointLight(light.x + wobble, y, (red, green, blue), 1.3))
    empty = np.zeros((4, *context.frame), np.float32)
    speed = context.speed(0.4, 40)
    return Layer(empty, 60.0, lights=lights, velocity=(speed, speed * 0.4), plain=True)


def _traffic(context: SceneContext, horizon: float) -> Layer:
    canvas = context.canvas()
    for _ in range(int(context.shot_rng.integers(2, 6))):
        x = float(context.shot_rng.uniform(0, 1)) * context.width
        figures.car(
            canvas, (x, horizon + context.unit), context.unit * 5, context.shot_rng, lit=True
        )
    drive = context.speed(float(context.shot_rng.uniform(7, 15)), 90)
    return canvas.layer(90, (0.12, 0.12, 0.14), velocity=(drive, 0))
