"""Scenes about somebody: a portrait in a park, a cyclist on a road."""

import numpy as np

from photosite.optics import textures
from photosite.optics.layers import Layer, Light
from photosite.scenes import backdrops, figures, weather
from photosite.scenes.country import greens, meadow_flowers
from photosite.scenes.stage import Scene, Stage


def portrait(stage: Stage) -> Scene:
    """Build head and shoulders before trees with light between the leaves; somebody passes."""
    focus = stage.away(0.75)
    colours = greens(stage)
    horizon = stage.height * float(stage.place.uniform(0.5, 0.62))
    layers = [backdrops.sky(stage, horizon)]
    edge = stage.height * (0.14 + 0.15 * textures.ridge(stage.width, stage.place, 0.65))
    far = backdrops.leaves(stage, edge, horizon + 5, 35, colours, 0.2)
    layers.append(_with_gaps(stage, far, horizon))
    layers.append(backdrops.ground(stage, horizon, focus * 1.3, colours, ("leaf", 1.6, 0.9)))
    walker = stage.canvas()
    side = float(stage.moment.choice([0.14, 0.26, 0.78, 0.88])) * stage.width
    depth = focus * 3.4
    tall = min(stage.focal_px * 1.5 / depth, stage.height * 0.6)
    figures.person(walker, (side, horizon + stage.height * 0.2), tall, stage.moment)
    pace = stage.speed(float(stage.moment.uniform(0.7, 1.2)), depth) * float(
        stage.moment.choice([-1, 1])
    )
    layers.append(walker.layer(depth, stage.light, velocity=(pace, 0), round_px=2))
    canvas = stage.canvas()
    size = min(stage.height * 0.42, stage.width * 0.4) * float(stage.moment.uniform(0.85, 1.05))
    x = stage.width * float(stage.moment.choice([0.36, 0.5, 0.62])) + stage.pan
    figures.bust(canvas, x, stage.height + 2, size, stage.place)
    nod = stage.speed(float(stage.moment.uniform(0.12, 0.3)), focus)
    layers.append(canvas.layer(focus, _portrait_light(stage), velocity=(nod, nod * 0.3),
                               round_px=size * 0.13, rough=("grain", 0.035, stage.place)))  # fmt: skip
    if stage.moment.random() < 0.5:
        kind = "snow" if stage.place.random() < 0.3 else "leaves"
        layers.append(weather.falling(stage, kind, focus * 1.15, 30 if kind == "snow" else 6))
    return Scene(layers, focus, stage.frame, stage.key)


def _portrait_light(stage: Stage) -> tuple[float, float, float]:
    """Give a face a little more light than the place has."""
    red, green, blue = (0.75 * channel + 0.22 for channel in stage.light)
    return red, green, blue


def _with_gaps(stage: Stage, layer: Layer, horizon: float) -> Layer:
    count = int(stage.place.integers(15, 45))
    strength = 7.0 if stage.day in {"sun", "golden"} else 2.5
    lights = []
    for _ in range(count):
        x, y = stage.place.uniform((0, stage.height * 0.1), (stage.width, horizon * 0.9))
        warm = float(stage.place.uniform(0.6, 1.0))
        colour = (
            strength * stage.light[0],
            strength * stage.light[1],
            strength * warm * stage.light[2],
        )
        lights.append(Light(float(x), float(y), colour, float(stage.place.uniform(0.5, 1.1))))
    return Layer(layer.pixels, layer.depth_m, layer.top, layer.left, lights=lights)


def track(stage: Stage) -> Scene:
    """Build a road along fields with somebody riding or running by, grass close to the camera."""
    focus = stage.away(0.9)
    horizon = stage.height * float(stage.place.uniform(0.36, 0.48))
    colours = greens(stage)
    layers = [backdrops.sky(stage, horizon)]
    tall = stage.height * float(stage.place.uniform(0.08, 0.2))
    layers.append(backdrops.mountains(stage, horizon + 2, tall, 5000, 0.5))
    edge = horizon - stage.height * (0.06 + 0.06 * textures.ridge(stage.width, stage.place, 0.7))
    layers.append(backdrops.leaves(stage, edge, horizon + 5, focus * 10, colours, 0.08))
    layers.append(backdrops.ground(stage, horizon, focus * 0.55, colours, ("leaf", 2.0, 1.0)))
    layers.append(_road(stage, horizon, focus))
    canvas = stage.canvas()
    foot = stage.height * 0.86
    x = stage.width * float(stage.moment.uniform(0.3, 0.7))
    size = min(stage.focal_px * 1.65 / focus, stage.height * 0.66)
    if stage.place.random() < 0.65:
        figures.cyclist(canvas, (x, foot), size, stage.moment)
        metres_s = float(stage.moment.uniform(1.4, 2.4))
    else:
        figures.person(canvas, (x, foot), size, stage.moment)
        metres_s = float(stage.moment.uniform(0.8, 1.5))
    layers.append(
        canvas.layer(focus, stage.light, velocity=(stage.speed(metres_s, focus), 0), round_px=2.2)
    )
    layers += [weather.birds(stage, horizon),
               meadow_flowers(stage, focus * 0.5, stage.height * 1.05, 3, 0.008)]  # fmt: skip
    return Scene(layers, focus, stage.frame, stage.key)


def _road(stage: Stage, horizon: float, focus: float) -> Layer:
    """Cut a strip of asphalt out of a plane: it runs across the picture where the rider is."""
    plane = backdrops.ground(
        stage, horizon, focus * 0.55, ("55565a", "84858a"), ("grain", 3.0, 0.5)
    )
    rows = np.arange(plane.pixels.shape[1], dtype=np.float32)[:, None] + plane.top
    far, near = stage.height * 0.74, stage.height * 0.93
    strip = np.clip(rows - far, 0, 1) * np.clip(near - rows, 0, 1)
    line = np.clip(1.2 - np.abs(rows - (far + 3)) / 1.2, 0, 1)
    plane.pixels[:3] += line * 0.35 * np.asarray(stage.light, np.float32)[:, None, None]
    plane.pixels[:] *= strip
    return plane
