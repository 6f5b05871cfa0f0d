"""Scenes in the country: lake and mountains, garden, forest, harbour."""

from itertools import pairwise

import numpy as np

from photosite.optics import textures
from photosite.optics.layers import Layer
from photosite.scenes import backdrops, props, weather
from photosite.scenes.scene_context import Scene, SceneContext

GREENS = (("1e3418", "6f8f3a"), ("24401c", "88a048"), ("2a3a1a", "a09a48"), ("1c3a28", "5a8a50"))


def greens(context: SceneContext) -> tuple[str, str]:
    """Choose the dark and the bright green of a place."""
    return GREENS[int(context.scene_rng.integers(len(GREENS)))]


def meadow_flowers(
    context: SceneContext, depth_m: float, base: float, count: int, size_m: float
) -> Layer:
    """Paint flowers and blades of grass in a row at one distance; the wind moves them."""
    canvas = context.canvas()
    rng = context.shot_rng
    per_m = context.focal_px / depth_m
    for _ in range(count * 5):
        x = float(rng.uniform(-0.05, 1.05)) * context.width
        tall, lean = per_m * float(rng.uniform(0.5, 2.4)) * size_m * 3, float(rng.normal(0, 0.3))
        colour = context.choose_for_shot("4a7034 5f8a3c 7a9a48 3c5c2c 93a050")
        canvas.limb([(x, base), (x + lean * tall * 0.4, base - tall * 0.6), (x + lean * tall, base - tall)],
                    colour, per_m * size_m * 0.14)  # fmt: skip
    for _ in range(count):
        x = float(rng.uniform(0.02, 0.98)) * context.width
        tall = per_m * size_m * float(rng.uniform(2.4, 7))
        head = (x + float(rng.normal(0, 0.15)) * tall, base - tall)
        props.flower(canvas, head, (x, base), per_m * size_m * float(rng.uniform(0.75, 1.2)), rng)
    sway = context.speed(float(rng.uniform(0.15, 0.35)), depth_m) * float(rng.choice([-1, 1]))
    return canvas.layer(
        depth_m, context.light, velocity=(sway, 0), round_px=1.2, rough=("leaf", 0.12, rng)
    )


def mountain_lake(context: SceneContext) -> Scene:
    """Build mountains over a lake or a meadow, with flowers near by."""
    horizon = context.height * float(context.scene_rng.uniform(0.46, 0.58))
    focus = context.subject_distance(0.75)
    layers = [backdrops.sky(context, horizon)]
    for number, (height, haze) in enumerate(((0.36, 0.45), (0.27, 0.25), (0.16, 0.1))):
        tall = context.height * height * float(context.scene_rng.uniform(0.75, 1.15))
        layers.append(
            backdrops.mountains(context, horizon + 2, tall, (9000, 4000, 1500)[number], haze)
        )
    edge = horizon - context.height * (
        0.03 + 0.03 * textures.ridge(context.width, context.scene_rng, 0.75)
    )
    layers.append(backdrops.leaves(context, edge, horizon + 4, 220, greens(context), 0.1))
    if context.scene_rng.random() < 0.5:
        layers.append(backdrops.water(context, horizon, focus * 0.9, context.speed(0.5, 5 * focus)))
        layers.append(backdrops.ground(context, context.height * 0.9, focus * 0.8, greens(context)))
    else:
        layers.append(
            backdrops.ground(context, horizon, focus * 0.8, greens(context), ("leaf", 2.0, 1.0))
        )
    layers.append(weather.birds(context, horizon))
    for factor, count in ((2.6, 9), (1.0, 6)):
        base = horizon + (context.height - horizon) * min(1.1, 1.08 / factor**0.8)
        layers.append(meadow_flowers(context, focus * factor, base, count, 0.014))
    return Scene(layers, focus, context.frame, context.key)


def garden(context: SceneContext) -> Scene:
    """Build flowers close by, before hedges far away with light between the leaves."""
    focus = context.subject_distance(0.7)
    colours = greens(context)
    horizon = context.height * float(context.scene_rng.uniform(0.3, 0.5))
    layers = [backdrops.sky(context, horizon * 1.4)]
    for depth, rise, haze in ((40, 0.9, 0.25), (9, 0.45, 0.05)):
        edge = horizon * (
            1 - rise * (0.5 + 0.45 * textures.ridge(context.width, context.scene_rng, 0.6))
        )
        layers.append(backdrops.leaves(context, edge, context.height, depth, colours, haze))
    layers.append(
        backdrops.ground(context, context.height * 0.62, focus * 0.85, colours, ("leaf", 1.4, 1.0))
    )
    for factor, count in ((5.0, 16), (2.2, 8)):
        base = context.height * (0.66 + 0.36 / factor)
        layers.append(meadow_flowers(context, focus * factor, base, count, 0.024))
    layers.append(
        meadow_flowers(
            context, focus, context.height * 1.02, int(context.shot_rng.integers(3, 6)), 0.029
        )
    )
    if context.shot_rng.random() < 0.4:
        layers.append(weather.falling(context, "leaves", focus * 1.2, 7))
    return Scene(layers, focus, context.frame, context.key)


def forest(context: SceneContext) -> Scene:
    """Build a path between trunks, one of them near; leaves fall."""
    focus = context.subject_distance(0.8)
    horizon = context.height * float(context.scene_rng.uniform(0.4, 0.52))
    autumn = context.scene_rng.random() < 0.4
    colours = ("5a3818", "d8943c") if autumn else greens(context)
    layers = [backdrops.sky(context, horizon)]
    for depth, haze in ((120, 0.55), (45, 0.28)):
        edge = np.full(context.width, 0.0, np.float32) + horizon * 0.25 * textures.ridge(
            context.width, context.scene_rng
        )
        layers.append(backdrops.leaves(context, edge, horizon + 6, depth, colours, haze))
    floor = ("3a2c1c", "8a6a44") if autumn else ("2c2c18", "6f6a3c")
    layers.append(backdrops.ground(context, horizon, focus * 0.8, floor, ("leaf", 2.4, 1.1)))
    for factor, count in ((7.0, 8), (2.8, 4), (1.0, 1)):
        layers.append(_trunks(context, focus * factor, horizon, count, focus))
    crown = np.full(context.width, -9.0, np.float32)
    bottom = context.height * (0.1 + 0.09 * textures.ridge(context.width, context.scene_rng, 0.7))
    hanging = backdrops.leaves(context, crown, float(bottom.max()) + 4, focus * 2, colours)
    rows = np.arange(hanging.pixels.shape[1], dtype=np.float32)[:, None]
    hanging.pixels[:] *= np.clip((bottom[None, :] - rows) / 3 + 0.5, 0, 1)
    layers += [hanging, meadow_flowers(context, focus * 1.1, context.height * 1.03, 3, 0.017)]
    kind = "leaves" if autumn or context.shot_rng.random() < 0.6 else "snow"
    layers.append(weather.falling(context, kind, focus, 9 if kind == "leaves" else 40))
    return Scene(layers, focus, context.frame, context.key)


def _trunks(
    context: SceneContext, depth_m: float, horizon: float, count: int, focus: float
) -> Layer:
    canvas = context.canvas()
    rng = context.scene_rng
    foot = horizon + (context.height - horizon) * 0.86 * focus / depth_m
    wide = max(1.2, context.focal_px * 0.17 / depth_m)
    bark = context.choose_for_scene("4a3a2c 5a4c40 6a6258 3c3028 8a8478")
    for number in range(count):
        share = (number + float(rng.uniform(0.1, 0.9))) / count
        x = context.width * share if count > 1 else context.width * float(rng.choice([0.2, 0.8]))
        x += context.pan * focus / depth_m
        thick, lean = (
            wide * float(rng.uniform(0.6, 1.15)),
            float(rng.normal(0, 0.03)) * context.height,
        )
        canvas.polygon([(x - thick / 2 + lean, -2), (x + thick / 2 + lean, -2), (x + thick * 0.6, foot),
                        (x + thick * 0.95, foot + thick * 0.2), (x - thick * 0.95, foot + thick * 0.2),
                        (x - thick * 0.6, foot)], bark)  # fmt: skip
        for _ in range(3):
            y, side = float(rng.uniform(0, 0.55)) * foot, float(rng.choice([-1, 1]))
            canvas.limb([(x, y), (x + side * thick * 1.8, y - thick), (x + side * thick * 4, y - thick * 2.5)],
                        bark, thick * 0.16)  # fmt: skip
    return canvas.layer(
        depth_m, context.light, round_px=min(6.0, wide / 2), rough=("fibre", 0.3, rng)
    )


def harbour(context: SceneContext) -> Scene:
    """Build boats on moving water, a shore behind, posts of a pier close by."""
    horizon = context.height * float(context.scene_rng.uniform(0.36, 0.5))
    focus = context.subject_distance(0.85)
    layers = [backdrops.sky(context, horizon)]
    tall = context.height * float(context.scene_rng.uniform(0.1, 0.22))
    layers.append(backdrops.mountains(context, horizon + 2, tall, 3000, 0.5))
    layers.append(_shore(context, horizon))
    layers.append(backdrops.water(context, horizon, focus, context.speed(0.7, 3.5 * focus)))
    for factor, count, size in ((14, 3, 0.13), (6, 2, 0.27), (3.2, 1, 0.45)):
        canvas = context.canvas()
        for _ in range(count):
            x = float(context.shot_rng.uniform(0.08, 0.92)) * context.width
            y = horizon + (context.height - horizon) * 1.25 / factor
            props.sailing_boat(canvas, (x, y), size * context.height, context.scene_rng)
        drift = context.speed(float(context.shot_rng.uniform(0.5, 1.2)), focus * factor)
        velocity = (
            drift * float(context.shot_rng.choice([-1, 1])),
            context.speed(0.25, focus * factor),
        )
        layers.append(canvas.layer(focus * factor, context.light, velocity=velocity, round_px=2))
    layers += [weather.birds(context, horizon), _pier(context, focus)]
    return Scene(layers, focus, context.frame, context.key)


def _shore(context: SceneContext, horizon: float) -> Layer:
    canvas = context.canvas()
    x, end = (
        context.width * float(context.scene_rng.uniform(-0.1, 0.3)),
        context.width * float(context.scene_rng.uniform(0.6, 1)),
    )
    while x < end:
        wide = context.unit * float(context.scene_rng.uniform(4, 9))
        size = (wide, context.unit * float(context.scene_rng.uniform(3, 9)))
        props.house(
            canvas,
            x,
            horizon + 2,
            size,
            context.scene_rng,
            lit_share=0.5 if context.is_dark else 0.0,
        )
        x += wide * float(context.scene_rng.uniform(1.0, 1.5))
    return canvas.layer(400, context.light, round_px=1)


def _pier(context: SceneContext, focus: float) -> Layer:
    canvas = context.canvas()
    per_m = 0.6 * context.focal_px / focus
    side = float(context.scene_rng.choice([0.12, 0.2, 0.78, 0.86]))
    tops = []
    for number in range(3):
        x = context.width * side + (number - 1) * per_m * 0.42 + context.pan
        top = context.height * float(context.scene_rng.uniform(0.5, 0.62))
        canvas.box(
            (x - per_m * 0.07, top, x + per_m * 0.07, context.height + 5), "6a5442", per_m * 0.02
        )
        canvas.oval((x, top + per_m * 0.012), (per_m * 0.07, per_m * 0.024), "8a745c")
        canvas.box(
            (x - per_m * 0.075, top + per_m * 0.16, x + per_m * 0.075, top + per_m * 0.22), "d8ccb0"
        )
        tops.append((x, top + per_m * 0.19))
    for (x, y), (u, v) in pairwise(tops):
        canvas.limb(
            [(x, y), ((x + u) / 2, max(y, v) + per_m * 0.12), (u, v)], "c8b890", per_m * 0.03
        )
    return canvas.layer(
        focus, context.light, round_px=per_m * 0.04, rough=("fibre", 0.22, context.scene_rng)
    )
