"""Moving objects in the air: snow, falling leaves, birds."""

from photosite.optics.layers import Layer
from photosite.scenes.scene_context import SceneContext


def falling(context: SceneContext, kind: str, depth_m: float, count: int) -> Layer:
    """Paint falling `snow` or `leaves` at one distance; leaves also move sideways."""
    canvas = context.canvas()
    rng = context.shot_rng
    size = context.focal_px * (0.0045 if kind == "snow" else 0.011) / depth_m
    for _ in range(count):
        x, y = float(rng.uniform(0, context.width)), float(rng.uniform(0, context.height))
        if kind == "snow":
            canvas.oval((x, y), (size, size), "f4f6fa")
        else:
            lean = float(rng.uniform(-1, 1)) * size
            colour = context.choose_for_shot("d8982c c86a24 e0c048 a84a20 8a9a3c")
            canvas.polygon([(x - size, y - lean), (x, y - size * 0.5), (x + size, y + lean),
                            (x, y + size * 0.5)], colour)  # fmt: skip
    fall = context.speed(0.7, depth_m)
    return canvas.layer(
        depth_m, context.light, velocity=(fall * float(rng.uniform(-0.6, 0.6)), fall)
    )


def birds(context: SceneContext, horizon: float) -> Layer:
    """Paint a flock of birds at a distance."""
    canvas = context.canvas()
    rng = context.shot_rng
    middle = (float(rng.uniform(0.1, 0.9)) * context.width, float(rng.uniform(0.15, 0.6)) * horizon)
    for _ in range(int(rng.integers(2, 7))):
        x, y = (float(value) for value in rng.normal(middle, 7 * context.unit))
        span = float(rng.uniform(1.4, 3.4)) * context.unit
        flap = float(rng.uniform(-0.5, 0.35)) * span
        canvas.limb(
            [(x - span, y + flap * 0.6), (x - span * 0.45, y + flap), (x, y)], "2a2c30", span * 0.17
        )
        canvas.limb(
            [(x, y), (x + span * 0.45, y + flap), (x + span, y + flap * 0.6)], "2a2c30", span * 0.17
        )
    return canvas.layer(
        30.0, context.light, velocity=(context.speed(11, 30), context.speed(-1.5, 30))
    )
