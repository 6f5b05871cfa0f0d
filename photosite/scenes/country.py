"""Scenes in the country: lake and mountains, garden, forest, harbour."""

from itertools import pairwise

import numpy as np

from photosite.optics import textures
from photosite.optics.layers import Layer
from photosite.scenes import backdrops, props, weather
from photosite.scenes.stage import Scene, Stage

GREENS = (("1e3418", "6f8f3a"), ("24401c", "88a048"), ("2a3a1a", "a09a48"), ("1c3a28", "5a8a50"))


def greens(stage: Stage) -> tuple[str, str]:
    """Choose the dark and the bright green of a place."""
    return GREENS[int(stage.place.integers(len(GREENS)))]


def meadow_flowers(stage: Stage, depth_m: float, base: float, count: int, size_m: float) -> Layer:
    """Grow flowers and blades in a row at one distance; the wind moves them."""
    canvas = stage.canvas()
    rng = stage.moment
    per_m = stage.focal_px / depth_m
    for _ in range(count * 5):
        x = float(rng.uniform(-0.05, 1.05)) * stage.width
        tall, lean = per_m * float(rng.uniform(0.5, 2.4)) * size_m * 3, float(rng.normal(0, 0.3))
        colour = stage.pick_now("4a7034 5f8a3c 7a9a48 3c5c2c 93a050")
        canvas.limb([(x, base), (x + lean * tall * 0.4, base - tall * 0.6), (x + lean * tall, base - tall)],
                    colour, per_m * size_m * 0.14)  # fmt: skip
    for _ in range(count):
        x = float(rng.uniform(0.02, 0.98)) * stage.width
        tall = per_m * size_m * float(rng.uniform(2.4, 7))
        head = (x + float(rng.normal(0, 0.15)) * tall, base - tall)
        props.flower(canvas, head, (x, base), per_m * size_m * float(rng.uniform(0.75, 1.2)), rng)
    sway = stage.speed(float(rng.uniform(0.15, 0.35)), depth_m) * float(rng.choice([-1, 1]))
    return canvas.layer(
        depth_m, stage.light, velocity=(sway, 0), round_px=1.2, rough=("leaf", 0.12, rng)
    )


def mountain_lake(stage: Stage) -> Scene:
    """Build mountains over a lake or a meadow, with flowers near by."""
    horizon = stage.height * float(stage.place.uniform(0.46, 0.58))
    focus = stage.away(0.75)
    layers = [backdrops.sky(stage, horizon)]
    for number, (height, haze) in enumerate(((0.36, 0.45), (0.27, 0.25), (0.16, 0.1))):
        tall = stage.height * height * float(stage.place.uniform(0.75, 1.15))
        layers.append(
            backdrops.mountains(stage, horizon + 2, tall, (9000, 4000, 1500)[number], haze)
        )
    edge = horizon - stage.height * (0.03 + 0.03 * textures.ridge(stage.width, stage.place, 0.75))
    layers.append(backdrops.leaves(stage, edge, horizon + 4, 220, greens(stage), 0.1))
    if stage.place.random() < 0.5:
        layers.append(backdrops.water(stage, horizon, focus * 0.9, stage.speed(0.5, 5 * focus)))
        layers.append(backdrops.ground(stage, stage.height * 0.9, focus * 0.8, greens(stage)))
    else:
        layers.append(
            backdrops.ground(stage, horizon, focus * 0.8, greens(stage), ("leaf", 2.0, 1.0))
        )
    layers.append(weather.birds(stage, horizon))
    for factor, count in ((2.6, 9), (1.0, 6)):
        base = horizon + (stage.height - horizon) * min(1.1, 1.08 / factor**0.8)
        layers.append(meadow_flowers(stage, focus * factor, base, count, 0.014))
    return Scene(layers, focus, stage.frame, stage.key)


def garden(stage: Stage) -> Scene:
    """Build flowers close by, before hedges far away with light between the leaves."""
    focus = stage.away(0.7)
    colours = greens(stage)
    horizon = stage.height * float(stage.place.uniform(0.3, 0.5))
    layers = [backdrops.sky(stage, horizon * 1.4)]
    for depth, rise, haze in ((40, 0.9, 0.25), (9, 0.45, 0.05)):
        edge = horizon * (1 - rise * (0.5 + 0.45 * textures.ridge(stage.width, stage.place, 0.6)))
        layers.append(backdrops.leaves(stage, edge, stage.height, depth, colours, haze))
    layers.append(
        backdrops.ground(stage, stage.height * 0.62, focus * 0.85, colours, ("leaf", 1.4, 1.0))
    )
    for factor, count in ((5.0, 16), (2.2, 8)):
        base = stage.height * (0.66 + 0.36 / factor)
        layers.append(meadow_flowers(stage, focus * factor, base, count, 0.024))
    layers.append(
        meadow_flowers(stage, focus, stage.height * 1.02, int(stage.moment.integers(3, 6)), 0.029)
    )
    if stage.moment.random() < 0.4:
        layers.append(weather.falling(stage, "leaves", focus * 1.2, 7))
    return Scene(layers, focus, stage.frame, stage.key)


def forest(stage: Stage) -> Scene:
    """Build a path between trunks, one of them near; leaves fall."""
    focus = stage.away(0.8)
    horizon = stage.height * float(stage.place.uniform(0.4, 0.52))
    autumn = stage.place.random() < 0.4
    colours = ("5a3818", "d8943c") if autumn else greens(stage)
    layers = [backdrops.sky(stage, horizon)]
    for depth, haze in ((120, 0.55), (45, 0.28)):
        edge = np.full(stage.width, 0.0, np.float32) + horizon * 0.25 * textures.ridge(
            stage.width, stage.place
        )
        layers.append(backdrops.leaves(stage, edge, horizon + 6, depth, colours, haze))
    floor = ("3a2c1c", "8a6a44") if autumn else ("2c2c18", "6f6a3c")
    layers.append(backdrops.ground(stage, horizon, focus * 0.8, floor, ("leaf", 2.4, 1.1)))
    for factor, count in ((7.0, 8), (2.8, 4), (1.0, 1)):
        layers.append(_trunks(stage, focus * factor, horizon, count, focus))
    crown = np.full(stage.width, -9.0, np.float32)
    bottom = stage.height * (0.1 + 0.09 * textures.ridge(stage.width, stage.place, 0.7))
    hanging = backdrops.leaves(stage, crown, float(bottom.max()) + 4, focus * 2, colours)
    rows = np.arange(hanging.pixels.shape[1], dtype=np.float32)[:, None]
    hanging.pixels[:] *= np.clip((bottom[None, :] - rows) / 3 + 0.5, 0, 1)
    layers += [hanging, meadow_flowers(stage, focus * 1.1, stage.height * 1.03, 3, 0.017)]
    kind = "leaves" if autumn or stage.moment.random() < 0.6 else "snow"
    layers.append(weather.falling(stage, kind, focus, 9 if kind == "leaves" else 40))
    return Scene(layers, focus, stage.frame, stage.key)


def _trunks(stage: Stage, depth_m: float, horizon: float, count: int, focus: float) -> Layer:
    canvas = stage.canvas()
    rng = stage.place
    foot = horizon + (stage.height - horizon) * 0.86 * focus / depth_m
    wide = max(1.2, stage.focal_px * 0.17 / depth_m)
    bark = stage.pick("4a3a2c 5a4c40 6a6258 3c3028 8a8478")
    for number in range(count):
        share = (number + float(rng.uniform(0.1, 0.9))) / count
        x = stage.width * share if count > 1 else stage.width * float(rng.choice([0.2, 0.8]))
        x += stage.pan * focus / depth_m
        thick, lean = (
            wide * float(rng.uniform(0.6, 1.15)),
            float(rng.normal(0, 0.03)) * stage.height,
        )
        canvas.polygon([(x - thick / 2 + lean, -2), (x + thick / 2 + lean, -2), (x + thick * 0.6, foot),
                        (x + thick * 0.95, foot + thick * 0.2), (x - thick * 0.95, foot + thick * 0.2),
                        (x - thick * 0.6, foot)], bark)  # fmt: skip
        for _ in range(3):
            y, side = float(rng.uniform(0, 0.55)) * foot, float(rng.choice([-1, 1]))
            canvas.limb([(x, y), (x + side * thick * 1.8, y - thick), (x + side * thick * 4, y - thick * 2.5)],
                        bark, thick * 0.16)  # fmt: skip
    return canvas.layer(
        depth_m, stage.light, round_px=min(6.0, wide / 2), rough=("fibre", 0.3, rng)
    )


def harbour(stage: Stage) -> Scene:
    """Build boats on moving water, a shore behind, posts of a pier close by."""
    horizon = stage.height * float(stage.place.uniform(0.36, 0.5))
    focus = stage.away(0.85)
    layers = [backdrops.sky(stage, horizon)]
    tall = stage.height * float(stage.place.uniform(0.1, 0.22))
    layers.append(backdrops.mountains(stage, horizon + 2, tall, 3000, 0.5))
    layers.append(_shore(stage, horizon))
    layers.append(backdrops.water(stage, horizon, focus, stage.speed(0.7, 3.5 * focus)))
    for factor, count, size in ((14, 3, 0.13), (6, 2, 0.27), (3.2, 1, 0.45)):
        canvas = stage.canvas()
        for _ in range(count):
            x = float(stage.moment.uniform(0.08, 0.92)) * stage.width
            y = horizon + (stage.height - horizon) * 1.25 / factor
            props.sailing_boat(canvas, (x, y), size * stage.height, stage.place)
        drift = stage.speed(float(stage.moment.uniform(0.5, 1.2)), focus * factor)
        velocity = (drift * float(stage.moment.choice([-1, 1])), stage.speed(0.25, focus * factor))
        layers.append(canvas.layer(focus * factor, stage.light, velocity=velocity, round_px=2))
    layers += [weather.birds(stage, horizon), _pier(stage, focus)]
    return Scene(layers, focus, stage.frame, stage.key)


def _shore(stage: Stage, horizon: float) -> Layer:
    canvas = stage.canvas()
    x, end = (
        stage.width * float(stage.place.uniform(-0.1, 0.3)),
        stage.width * float(stage.place.uniform(0.6, 1)),
    )
    while x < end:
        wide = stage.unit * float(stage.place.uniform(4, 9))
        size = (wide, stage.unit * float(stage.place.uniform(3, 9)))
        props.house(
            canvas, x, horizon + 2, size, stage.place, lit_share=0.5 if stage.is_dark else 0.0
        )
        x += wide * float(stage.place.uniform(1.0, 1.5))
    return canvas.layer(400, stage.light, round_px=1)


def _pier(stage: Stage, focus: float) -> Layer:
    canvas = stage.canvas()
    per_m = 0.6 * stage.focal_px / focus
    side = float(stage.place.choice([0.12, 0.2, 0.78, 0.86]))
    tops = []
    for number in range(3):
        x = stage.width * side + (number - 1) * per_m * 0.42 + stage.pan
        top = stage.height * float(stage.place.uniform(0.5, 0.62))
        canvas.box(
            (x - per_m * 0.07, top, x + per_m * 0.07, stage.height + 5), "6a5442", per_m * 0.02
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
        focus, stage.light, round_px=per_m * 0.04, rough=("fibre", 0.22, stage.place)
    )
