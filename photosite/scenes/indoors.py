"""Scenes under a roof: things on a table, guests in a cafe."""

import numpy as np

from photosite.optics.layers import Layer, Light
from photosite.scenes import backdrops, figures, props
from photosite.scenes.stage import Scene, Stage

WOODS = (("4a2c18", "96643c"), ("6a4a30", "b88c5c"), ("2c1c14", "6a4830"), ("8a7458", "cdb48c"))


def table(stage: Stage) -> Scene:
    """Build cups, bottles and fruit on a table; a shelf or a window behind; something is falling."""
    focus = stage.away(0.65)
    edge = stage.height * float(stage.place.uniform(0.42, 0.52))
    layers = [
        backdrops.wall(stage, stage.pick("8a9a94 b8a890 6a7480 a87860 c8c0b0 56605c"), focus * 4)
    ]
    layers.append(_shelf(stage, focus * 3.8))
    if stage.place.random() < 0.5:
        layers.append(_window(stage, focus * 3.7))
    wood = WOODS[int(stage.place.integers(len(WOODS)))]
    layers.append(backdrops.ground(stage, edge, focus * 0.72, wood, ("wave", 1.6, 1.0)))
    for factor, count in ((2.4, 3), (1.45, 2), (1.0, 2)):
        layers.append(_things(stage, focus, factor, count, edge))
    layers.append(_berries(stage, focus, edge))
    layers.append(_things(stage, focus, 0.72, 1, edge))
    return Scene(layers, focus, stage.frame, stage.key)


def _things(stage: Stage, focus: float, factor: float, count: int, edge: float) -> Layer:
    canvas = stage.canvas()
    depth = focus * factor
    per_m = 0.72 * stage.focal_px / depth
    foot = edge + (stage.height - edge) * (0.68 / factor)
    for number in range(count):
        share = (number + float(stage.moment.uniform(0.15, 0.85))) / count
        x = stage.width * (share if factor > 0.8 else float(stage.moment.choice([0.04, 0.96])))
        kind = stage.moment.choice(["cup", "bottle", "fruit", "fruit"])
        draw, size = {
            "cup": (props.cup, 0.075),
            "bottle": (props.bottle, 0.2),
            "fruit": (props.fruit, 0.085),
        }[kind]
        draw(canvas, (x, foot + float(stage.moment.normal(0, 2))), per_m * size, stage.moment)
    return canvas.layer(
        depth, stage.light, round_px=max(1.5, per_m * 0.012), rough=("grain", 0.05, stage.moment)
    )


def _berries(stage: Stage, focus: float, edge: float) -> Layer:
    """Let berries roll and fall over the table."""
    canvas = stage.canvas()
    size = stage.focal_px * 0.011 / focus
    colour = stage.pick_now("b02038 304080 d84830 6a2048")
    for _ in range(int(stage.moment.integers(5, 11))):
        x = float(stage.moment.uniform(0.15, 0.85)) * stage.width
        y = float(stage.moment.uniform(0.2, 1.0)) * (edge + stage.height * 0.3)
        canvas.oval((x, y), (size, size), colour)
        canvas.oval((x - size * 0.35, y - size * 0.35), (size * 0.25, size * 0.25), "f0d8d8")
    fall = stage.speed(float(stage.moment.uniform(0.4, 0.9)), focus)
    return canvas.layer(focus, stage.light, velocity=(fall * 0.2, fall), round_px=size * 0.5)


def _window(stage: Stage, depth_m: float) -> Layer:
    canvas = stage.canvas()
    left, wide = stage.width * float(stage.place.uniform(0.05, 0.5)), stage.width * 0.36
    top, bottom = -4.0, stage.height * 0.4
    canvas.box((left, top, left + wide, bottom), "f4f2ec")
    for column in range(2):
        x = left + wide * (0.06 + 0.47 * column)
        canvas.box(
            (x, top, x + wide * 0.41, bottom - wide * 0.06),
            stage.pick("cfe0ea b8d4c0 e8ddc8 8aa4c0"),
        )
    for _ in range(9):
        x, y = stage.place.uniform((left + 6, 0), (left + wide - 6, bottom - 8))
        canvas.lights.append(Light(float(x), float(y), (2.6, 2.8, 2.4), 1.2))
    return canvas.layer(depth_m, (1.5, 1.5, 1.5), round_px=1)


def _shelf(stage: Stage, depth_m: float) -> Layer:
    canvas = stage.canvas()
    for share in (0.15, 0.36):
        y = stage.height * share
        x = stage.width * 0.04
        while x < stage.width * 0.96:
            wide, tall = stage.unit * stage.place.uniform((1.4, 7), (4, 15))
            colour = stage.pick("a83c34 2f5470 d8b860 4a6a50 e8e0cc 5a3c5c c87840 30343c")
            canvas.box((x, y - tall, x + wide, y), colour)
            x += wide + (0.4 if stage.place.random() < 0.85 else stage.unit * 6)
        canvas.box((0, y, stage.width, y + stage.unit * 1.6), "6a4a30")
    return canvas.layer(depth_m, stage.light, round_px=1, rough=("leaf", 0.1, stage.place))


def cafe(stage: Stage) -> Scene:
    """Build a room with lamps and guests who move, a table with a cup in front."""
    focus = stage.away(0.7)
    floor = stage.height * float(stage.place.uniform(0.5, 0.6))
    layers = [
        backdrops.wall(stage, stage.pick("7a5a44 8a6a5a 4a5a58 9a8468 6a4440"), focus * 7, 0.15)
    ]
    layers.append(_shelf(stage, focus * 6.5))
    layers.append(
        backdrops.ground(stage, floor, focus * 1.2, ("3a281c", "7a5638"), ("wave", 2.4, 0.8))
    )
    for factor, count in ((5.0, 2), (3.0, 1)):
        canvas = stage.canvas()
        for _ in range(count):
            x = stage.width * float(stage.moment.uniform(0.08, 0.92))
            foot = floor + (stage.height - floor) * 1.9 / factor
            tall = min(stage.height * 0.62, stage.focal_px * 1.7 / (focus * factor))
            figures.person(canvas, (x, foot), tall, stage.moment)
        pace = stage.speed(float(stage.moment.uniform(0.5, 0.9)), focus * factor)
        velocity = (pace * float(stage.moment.choice([-1, 1])), 0.0)
        layers.append(canvas.layer(focus * factor, stage.light, velocity=velocity, round_px=2.5))
    layers.append(_pendants(stage, focus))
    edge = stage.height * 0.7
    wood = WOODS[int(stage.place.integers(len(WOODS)))]
    layers.append(backdrops.ground(stage, edge, focus * 0.8, wood, ("wave", 1.2, 1.0)))
    for factor, count in ((1.5, 1), (1.0, 2)):
        layers.append(_things(stage, focus, factor, count, edge))
    layers.append(_hand(stage, focus, edge))
    return Scene(layers, focus, stage.frame, stage.key)


def _pendants(stage: Stage, focus: float) -> Layer:
    canvas = stage.canvas()
    for _ in range(int(stage.place.integers(3, 9))):
        x = stage.width * float(stage.place.uniform(0.02, 0.98)) + stage.pan
        y = stage.height * float(stage.place.uniform(0.06, 0.34))
        size = stage.unit * float(stage.place.uniform(1.6, 3.2))
        canvas.limb([(x, -3), (x, y)], "1c1814", 0.7)
        canvas.polygon([(x - size * 0.5, y - size), (x + size * 0.5, y - size), (x + size * 1.4, y + size * 0.3),
                        (x - size * 1.4, y + size * 0.3)], stage.pick("2a2622 a85a30 3a5048"))  # fmt: skip
        canvas.lights.append(Light(x, y + size * 0.4, (9.0, 6.0, 3.0), size * 0.55))
    return canvas.layer(focus * 4, stage.light, round_px=1.5)


def _hand(stage: Stage, focus: float, edge: float) -> Layer:
    """Reach for something on the table, from one side."""
    canvas = stage.canvas()
    side = float(stage.moment.choice([-1, 1]))
    per_m = 0.65 * stage.focal_px / focus
    x, y = stage.width * (0.5 + side * 0.24), edge + (stage.height - edge) * 0.62
    sleeve, skin = (
        stage.pick_now("2f5d8a b23a34 26282e e7e3da"),
        stage.pick_now(" ".join(figures.SKINS)),
    )
    out = (stage.width * (0.5 + side * 0.62), y + stage.height * 0.16)
    wrist = (x + side * per_m * 0.09, y + per_m * 0.03)
    canvas.limb([out, wrist], sleeve, per_m * 0.09)
    canvas.oval((x, y), (per_m * 0.05, per_m * 0.035), skin)
    for finger in np.linspace(-0.5, 0.6, 4):
        tip = (x - side * per_m * 0.085, y + per_m * 0.035 * float(finger))
        canvas.limb(
            [(x - side * per_m * 0.02, y + per_m * 0.03 * float(finger)), tip], skin, per_m * 0.017
        )
    reach = stage.speed(float(stage.moment.uniform(0.25, 0.5)), focus)
    return canvas.layer(
        focus * 0.98, stage.light, velocity=(-side * reach, 0), round_px=per_m * 0.012
    )
