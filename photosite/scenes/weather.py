"""Things in the air that move by themselves: snow, falling leaves, birds."""

from photosite.optics.layers import Layer
from photosite.scenes.stage import Stage


def falling(stage: Stage, kind: str, depth_m: float, count: int) -> Layer:
    """Let `snow` or `leaves` fall at one distance; leaves sail sideways as they do."""
    canvas = stage.canvas()
    rng = stage.moment
    size = stage.focal_px * (0.0045 if kind == "snow" else 0.011) / depth_m
    for _ in range(count):
        x, y = float(rng.uniform(0, stage.width)), float(rng.uniform(0, stage.height))
        if kind == "snow":
            canvas.oval((x, y), (size, size), "f4f6fa")
        else:
            lean = float(rng.uniform(-1, 1)) * size
            colour = stage.pick_now("d8982c c86a24 e0c048 a84a20 8a9a3c")
            canvas.polygon([(x - size, y - lean), (x, y - size * 0.5), (x + size, y + lean),
                            (x, y + size * 0.5)], colour)  # fmt: skip
    fall = stage.speed(0.7, depth_m)
    return canvas.layer(depth_m, stage.light, velocity=(fall * float(rng.uniform(-0.6, 0.6)), fall))


def birds(stage: Stage, horizon: float) -> Layer:
    """Let a flock of birds fly some way off."""
    canvas = stage.canvas()
    rng = stage.moment
    middle = (float(rng.uniform(0.1, 0.9)) * stage.width, float(rng.uniform(0.15, 0.6)) * horizon)
    for _ in range(int(rng.integers(2, 7))):
        x, y = (float(value) for value in rng.normal(middle, 7 * stage.unit))
        span = float(rng.uniform(1.4, 3.4)) * stage.unit
        flap = float(rng.uniform(-0.5, 0.35)) * span
        canvas.limb(
            [(x - span, y + flap * 0.6), (x - span * 0.45, y + flap), (x, y)], "2a2c30", span * 0.17
        )
        canvas.limb(
            [(x, y), (x + span * 0.45, y + flap), (x + span, y + flap * 0.6)], "2a2c30", span * 0.17
        )
    return canvas.layer(30.0, stage.light, velocity=(stage.speed(11, 30), stage.speed(-1.5, 30)))
