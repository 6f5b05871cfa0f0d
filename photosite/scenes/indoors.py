"""Indoor scenes: objects on a table, guests in a cafe."""

import numpy as np

from photosite.optics.layers import Layer, PointLight
from photosite.scenes import backdrops, figures, props
from photosite.scenes.scene_context import Scene, SceneContext

WOODS = (("4a2c18", "96643c"), ("6a4a30", "b88c5c"), ("2c1c14", "6a4830"), ("8a7458", "cdb48c"))


def table(context: SceneContext) -> Scene:
    """Build cups, bottles and fruit on a table; a shelf or a window behind; falling berries."""
    focus = context.subject_distance(0.65)
    edge = context.height * float(context.scene_rng.uniform(0.42, 0.52))
    layers = [
        backdrops.wall(
            context,
            context.choose_for_scene("8a9a94 b8a890 6a7480 a87860 c8c0b0 56605c"),
            focus * 4,
        )
    ]
    layers.append(_shelf(context, focus * 3.8))
    if context.scene_rng.random() < 0.5:
        layers.append(_window(context, focus * 3.7))
    wood = WOODS[int(context.scene_rng.integers(len(WOODS)))]
    layers.append(backdrops.ground(context, edge, focus * 0.72, wood, ("wave", 1.6, 1.0)))
    for factor, count in ((2.4, 3), (1.45, 2), (1.0, 2)):
        layers.append(_things(context, focus, factor, count, edge))
    layers.append(_berries(context, focus, edge))
    layers.append(_things(context, focus, 0.72, 1, edge))
    return Scene(layers, focus, context.frame, context.key)


def _things(context: SceneContext, focus: float, factor: float, count: int, edge: float) -> Layer:
    canvas = context.canvas()
    depth = focus * factor
    per_m = 0.72 * context.focal_px / depth
    foot = edge + (context.height - edge) * (0.68 / factor)
    for number in range(count):
        share = (number + float(context.shot_rng.uniform(0.15, 0.85))) / count
        x = context.width * (
            share if factor > 0.8 else float(context.shot_rng.choice([0.04, 0.96]))
        )
        kind = context.shot_rng.choice(["cup", "bottle", "fruit", "fruit"])
        draw, size = {
            "cup": (props.cup, 0.075),
            "bottle": (props.bottle, 0.2),
            "fruit": (props.fruit, 0.085),
        }[kind]
        draw(
            canvas, (x, foot + float(context.shot_rng.normal(0, 2))), per_m * size, context.shot_rng
        )
    return canvas.layer(
        depth,
        context.light,
        round_px=max(1.5, per_m * 0.012),
        rough=("grain", 0.05, context.shot_rng),
    )


def _berries(context: SceneContext, focus: float, edge: float) -> Layer:
    """Paint berries that roll and fall over the table."""
    canvas = context.canvas()
    size = context.focal_px * 0.011 / focus
    colour = context.choose_for_shot("b02038 304080 d84830 6a2048")
    for _ in range(int(context.shot_rng.integers(5, 11))):
        x = float(context.shot_rng.uniform(0.15, 0.85)) * context.width
        y = float(context.shot_rng.uniform(0.2, 1.0)) * (edge + context.height * 0.3)
        canvas.oval((x, y), (size, size), colour)
        canvas.oval((x - size * 0.35, y - size * 0.35), (size * 0.25, size * 0.25), "f0d8d8")
    fall = context.speed(float(context.shot_rng.uniform(0.4, 0.9)), focus)
    return canvas.layer(focus, context.light, velocity=(fall * 0.2, fall), round_px=size * 0.5)


def _window(context: SceneContext, depth_m: float) -> Layer:
    canvas = context.canvas()
    left, wide = context.width * float(context.scene_rng.uniform(0.05, 0.5)), context.width * 0.36
    top, bottom = -4.0, context.height * 0.4
    canvas.box((left, top, left + wide, bottom), "f4f2ec")
    for column in range(2):
        x = left + wide * (0.06 + 0.47 * column)
        canvas.box(
            (x, top, x + wide * 0.41, bottom - wide * 0.06),
            context.choose_for_scene("cfe0ea b8d4c0 e8ddc8 8aa4c0"),
        )
    for _ in range(9):
        x, y = context.scene_rng.uniform((left + 6, 0), (left + wide - 6, bottom - 8))
        canvas.lights.append(PointLight(float(x), float(y), (2.6, 2.8, 2.4), 1.2))
    return canvas.layer(depth_m, (1.5, 1.5, 1.5), round_px=1)


def _shelf(context: SceneContext, depth_m: float) -> Layer:
    canvas = context.canvas()
    for share in (0.15, 0.36):
        y = context.height * share
        x = context.width * 0.04
        while x < context.width * 0.96:
            wide, tall = context.unit * context.scene_rng.uniform((1.4, 7), (4, 15))
            colour = context.choose_for_scene(
                "a83c34 2f5470 d8b860 4a6a50 e8e0cc 5a3c5c c87840 30343c"
            )
            canvas.box((x, y - tall, x + wide, y), colour)
            x += wide + (0.4 if context.scene_rng.random() < 0.85 else context.unit * 6)
        canvas.box((0, y, context.width, y + context.unit * 1.6), "6a4a30")
    return canvas.layer(depth_m, context.light, round_px=1, rough=("leaf", 0.1, context.scene_rng))


def cafe(context: SceneContext) -> Scene:
    """Build a room with lamps and guests who move, a table with a cup in front."""
    focus = context.subject_distance(0.7)
    floor = context.height * float(context.scene_rng.uniform(0.5, 0.6))
    layers = [
        backdrops.wall(
            context, context.choose_for_scene("7a5a44 8a6a5a 4a5a58 9a8468 6a4440"), focus * 7, 0.15
        )
    ]
    layers.append(_shelf(context, focus * 6.5))
    layers.append(
        backdrops.ground(context, floor, focus * 1.2, ("3a281c", "7a5638"), ("wave", 2.4, 0.8))
    )
    for factor, count in ((5.0, 2), (3.0, 1)):
        canvas = context.canvas()
        for _ in range(count):
            x = context.width * float(context.shot_rng.uniform(0.08, 0.92))
            foot = floor + (context.height - floor) * 1.9 / factor
            tall = min(context.height * 0.62, context.focal_px * 1.7 / (focus * factor))
            figures.person(canvas, (x, foot), tall, context.shot_rng)
        pace = context.speed(float(context.shot_rng.uniform(0.5, 0.9)), focus * factor)
        velocity = (pace * float(context.shot_rng.choice([-1, 1])), 0.0)
        layers.append(canvas.layer(focus * factor, context.light, velocity=velocity, round_px=2.5))
    layers.append(_pendants(context, focus))
    edge = context.height * 0.7
    wood = WOODS[int(context.scene_rng.integers(len(WOODS)))]
    layers.append(backdrops.ground(context, edge, focus * 0.8, wood, ("wave", 1.2, 1.0)))
    for factor, count in ((1.5, 1), (1.0, 2)):
        layers.append(_things(context, focus, factor, count, edge))
    layers.append(_hand(context, focus, edge))
    return Scene(layers, focus, context.frame, context.key)


def _pendants(context: SceneContext, focus: float) -> Layer:
    canvas = context.canvas()
    for _ in range(int(context.scene_rng.integers(3, 9))):
        x = context.width * float(context.scene_rng.uniform(0.02, 0.98)) + context.pan
        y = context.height * float(context.scene_rng.uniform(0.06, 0.34))
        size = context.unit * float(context.scene_rng.uniform(1.6, 3.2))
        canvas.limb([(x, -3), (x, y)], "1c1814", 0.7)
        shade = [(x - size * 0.5, y - size), (x + size * 0.5, y - size), (x + size * 1.4, y + size * 0.3),
                 (x - size * 1.4, y + size * 0.3)]  # fmt: skip
        canvas.polygon(shade, context.choose_for_scene("2a2622 a85a30 3a5048"))
        canvas.lights.append(PointLight(x, y + size * 0.4, (9.0, 6.0, 3.0), size * 0.55))
    return canvas.layer(focus * 4, context.light, round_px=1.5)


def _hand(context: SceneContext, focus: float, edge: float) -> Layer:
    """Paint a hand that reaches over the table from one side."""
    canvas = context.canvas()
    side = float(context.shot_rng.choice([-1, 1]))
    per_m = 0.65 * context.focal_px / focus
    x, y = context.width * (0.5 + side * 0.24), edge + (context.height - edge) * 0.62
    sleeve, skin = (
        context.choose_for_shot("2f5d8a b23a34 26282e e7e3da"),
        context.choose_for_shot(" ".join(figures.SKINS)),
    )
    out = (context.width * (0.5 + side * 0.62), y + context.height * 0.16)
    wrist = (x + side * per_m * 0.09, y + per_m * 0.03)
    canvas.limb([out, wrist], sleeve, per_m * 0.09)
    canvas.oval((x, y), (per_m * 0.05, per_m * 0.035), skin)
    for finger in np.linspace(-0.5, 0.6, 4):
        tip = (x - side * per_m * 0.085, y + per_m * 0.035 * float(finger))
        canvas.limb(
            [(x - side * per_m * 0.02, y + per_m * 0.03 * float(finger)), tip], skin, per_m * 0.017
        )
    reach = context.speed(float(context.shot_rng.uniform(0.25, 0.5)), focus)
    return canvas.layer(
        focus * 0.98, context.light, velocity=(-side * reach, 0), round_px=per_m * 0.012
    )
