"""Scenes with a person as subject: a portrait in a park, a cyclist on a road."""

import numpy as np

from photosite.optics import textures
from photosite.optics.layers import Layer, PointLight
from photosite.scenes import backdrops, figures, weather
from photosite.scenes.country import greens, meadow_flowers
from photosite.scenes.scene_context import Scene, SceneContext


def portrait(context: SceneContext) -> Scene:
    """Build head and shoulders in front of trees with light between the leaves; a person walks past."""
    focus = context.subject_distance(0.75)
    colours = greens(context)
    horizon = context.height * float(context.scene_rng.uniform(0.5, 0.62))
    layers = [backdrops.sky(context, horizon)]
    edge = context.height * (0.14 + 0.15 * textures.ridge(context.width, context.scene_rng, 0.65))
    far = backdrops.leaves(context, edge, horizon + 5, 35, colours, 0.2)
    layers.append(_with_gaps(context, far, horizon))
    layers.append(backdrops.ground(context, horizon, focus * 1.3, colours, ("leaf", 1.6, 0.9)))
    walker = context.canvas()
    side = float(context.shot_rng.choice([0.14, 0.26, 0.78, 0.88])) * context.width
    depth = focus * 3.4
    tall = min(context.focal_px * 1.5 / depth, context.height * 0.6)
    figures.person(walker, (side, horizon + context.height * 0.2), tall, context.shot_rng)
    pace = context.speed(float(context.shot_rng.uniform(0.7, 1.2)), depth) * float(
        context.shot_rng.choice([-1, 1])
    )
    layers.append(walker.layer(depth, context.light, velocity=(pace, 0), round_px=2))
    canvas = context.canvas()
    size = min(context.height * 0.42, context.width * 0.4) * float(
        context.shot_rng.uniform(0.85, 1.05)
    )
    x = context.width * float(context.shot_rng.choice([0.36, 0.5, 0.62])) + context.pan
    figures.bust(canvas, x, context.height + 2, size, context.scene_rng)
    nod = context.speed(float(context.shot_rng.uniform(0.12, 0.3)), focus)
    layers.append(canvas.layer(focus, _portrait_light(context), velocity=(nod, nod * 0.3),
                               round_px=size * 0.13, rough=("grain", 0.035, context.scene_rng)))  # fmt: skip
    if context.shot_rng.random() < 0.5:
        kind = "snow" if context.scene_rng.random() < 0.3 else "leaves"
        layers.append(weather.falling(context, kind, focus * 1.15, 30 if kind == "snow" else 6))
    return Scene(layers, focus, context.frame, context.key)


def _portrait_light(context: SceneContext) -> tuple[float, float, float]:
    """Return the light on a face: a little more than the light of the scene."""
    red, green, blue = (0.75 * channel + 0.22 for channel in context.light)
    return red, green, blue


def _with_gaps(context: SceneContext, layer: Layer, horizon: float) -> Layer:
    count = int(context.scene_rng.integers(15, 45))
    strength = 7.0 if context.day in {"sun", "golden"} else 2.5
    lights = []
    for _ in range(count):
        x, y = context.scene_rng.uniform((0, context.height * 0.1), (context.width, horizon * 0.9))
        warm = float(context.scene_rng.uniform(0.6, 1.0))
        colour = (
            strength * context.light[0],
            strength * context.light[1],
            strength * warm * context.light[2],
        )
        lights.append(
            PointLight(float(x), float(y), colour, float(context.scene_rng.uniform(0.5, 1.1)))
        )
    return Layer(layer.pixels, layer.depth_m, layer.top, layer.left, lights=lights)


def track(context: SceneContext) -> Scene:
    """Build a road along fields with a cyclist or a pedestrian, grass close to the camera."""
    focus = context.subject_distance(0.9)
    horizon = context.height * float(context.scene_rng.uniform(0.36, 0.48))
    colours = greens(context)
    layers = [backdrops.sky(context, horizon)]
    tall = context.height * float(context.scene_rng.uniform(0.08, 0.2))
    layers.append(backdrops.mountains(context, horizon + 2, tall, 5000, 0.5))
    edge = horizon - context.height * (
        0.06 + 0.06 * textures.ridge(context.width, context.scene_rng, 0.7)
    )
    layers.append(backdrops.leaves(context, edge, horizon + 5, focus * 10, colours, 0.08))
    layers.append(backdrops.ground(context, horizon, focus * 0.55, colours, ("leaf", 2.0, 1.0)))
    layers.append(_road(context, horizon, focus))
    canvas = context.canvas()
    foot = context.height * 0.86
    x = context.width * float(context.shot_rng.uniform(0.3, 0.7))
    size = min(context.focal_px * 1.65 / focus, context.height * 0.66)
    if context.scene_rng.random() < 0.65:
        figures.cyclist(canvas, (x, foot), size, context.shot_rng)
        metres_s = float(context.shot_rng.uniform(1.4, 2.4))
    else:
        figures.person(canvas, (x, foot), size, context.shot_rng)
        metres_s = float(context.shot_rng.uniform(0.8, 1.5))
    layers.append(
        canvas.layer(
            focus, context.light, velocity=(context.speed(metres_s, focus), 0), round_px=2.2
        )
    )
    layers += [weather.birds(context, horizon),
               meadow_flowers(context, focus * 0.5, context.height * 1.05, 3, 0.008)]  # fmt: skip
    return Scene(layers, focus, context.frame, context.key)


def _road(context: SceneContext, horizon: float, focus: float) -> Layer:
    """Paint a strip of asphalt across the picture below the cyclist."""
    plane = backdrops.ground(
        context, horizon, focus * 0.55, ("55565a", "84858a"), ("grain", 3.0, 0.5)
    )
    rows = np.arange(plane.pixels.shape[1], dtype=np.float32)[:, None] + plane.top
    far, near = context.height * 0.74, context.height * 0.93
    strip = np.clip(rows - far, 0, 1) * np.clip(near - rows, 0, 1)
    line = np.clip(1.2 - np.abs(rows - (far + 3)) / 1.2, 0, 1)
    plane.pixels[:3] += line * 0.35 * np.asarray(context.light, np.float32)[:, None, None]
    plane.pixels[:] *= strip
    return plane
