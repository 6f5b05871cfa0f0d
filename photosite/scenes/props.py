"""Things: houses, lamps, boats, flowers, cups, bottles, fruit."""

import numpy as np

from photosite.optics.layers import Canvas, PointLight

WALLS = ("b98a68", "c9b79c", "8d5a4a", "d8d0c0", "9aa3a8", "a8705a", "6f6a66", "d2b48a", "b7c0b4")
PETALS = ("d8364a", "f2c230", "e87aa8", "f6f2ea", "8a5ac8", "f08a34", "c83a8a", "5a78d8")
POTTERY = ("f2efe8", "2f5a78", "c8553d", "e0c068", "3f3a38", "7fa08a", "d8a0a0")


def house(
    canvas: Canvas, left: float, base: float, size: tuple[float, float], rng: np.random.Generator, *,
    lit_share: float,
) -> None:  # fmt: skip
    """Paint a house of `size` (width, height) pixels with rows of windows, some of them lit."""
    wide, high = size
    wall = str(rng.choice(WALLS))
    canvas.box((left, base - high, left + wide, base), wall)
    canvas.box((left, base - high, left + wide, base - high * 0.97), "4a4644")
    if rng.random() < 0.4:
        canvas.polygon([(left - 1, base - high), (left + wide / 2, base - high - wide * 0.28),
                        (left + wide + 1, base - high)], str(rng.choice(["7a4038", "54504e", "8d5040"])))  # fmt: skip
    across, up = max(2, int(wide / 13)), max(2, int(high / 17))
    step_x, step_y = wide / across, high / up
    tall, broad = step_y * float(rng.uniform(0.45, 0.62)), step_x * float(rng.uniform(0.38, 0.6))
    for row in range(up):
        for column in range(across):
            x, y = left + (column + 0.5) * step_x, base - (row + 0.55) * step_y
            lit = rng.random() < lit_share
            glass = "f0b860" if lit else str(rng.choice(["2c363e", "3a4650", "56646e"]))
            canvas.box((x - broad / 2, y - tall / 2, x + broad / 2, y + tall / 2), glass)
            if lit and broad > 2:
                canvas.lights.append(PointLight(x, y, (1.5, 0.95, 0.42), min(broad, tall) * 0.5))


def lamp_post(canvas: Canvas, foot: tuple[float, float], height: float, *, lit: bool) -> None:
    """Paint a street lamp."""
    x, y = foot
    canvas.limb([(x, y), (x, y - height)], "26282a", height * 0.022)
    canvas.limb([(x, y - height), (x + height * 0.12, y - height * 1.02)], "26282a", height * 0.016)
    lamp = (x + height * 0.13, y - height)
    canvas.oval(lamp, (height * 0.035, height * 0.028), "f8e8c0" if lit else "c8ccd0")
    if lit:
        canvas.lights.append(PointLight(*lamp, (11.0, 7.2, 3.4), height * 0.022 + 0.7))


def sailing_boat(
    canvas: Canvas, at: tuple[float, float], size: float, rng: np.random.Generator
) -> None:
    """Paint a boat with a mast, with or without sails, and its reflection."""
    x, y = at
    s = size
    hull = str(rng.choice(["f0ece4", "2a4a78", "a83838", "e8e0c8", "2c5a50"]))
    canvas.polygon([(x - 0.4 * s, y), (x + 0.36 * s, y), (x + 0.28 * s, y + 0.2 * s),
                    (x - 0.3 * s, y + 0.16 * s)], hull, 90)  # fmt: skip
    canvas.polygon([(x - 0.5 * s, y - 0.15 * s), (x + 0.5 * s, y - 0.17 * s), (x + 0.36 * s, y + 0.02 * s),
                    (x - 0.4 * s, y + 0.02 * s)], hull)  # fmt: skip
    canvas.box((x - 0.18 * s, y - 0.24 * s, x + 0.12 * s, y - 0.14 * s), "d8d4cc", 0.02 * s)
    canvas.limb([(x, y - 0.15 * s), (x, y - 1.15 * s)], "8a6a48", 0.02 * s)
    if rng.random() < 0.7:
        sail = str(rng.choice(["f6f2e8", "f0d8b0", "d86a48", "e8eef2"]))
        canvas.polygon([(x + 0.02 * s, y - 1.1 * s), (x + 0.02 * s, y - 0.26 * s),
                        (x + 0.42 * s, y - 0.26 * s)], sail)  # fmt: skip
        canvas.polygon([(x - 0.03 * s, y - 0.98 * s), (x - 0.03 * s, y - 0.26 * s),
                        (x - 0.32 * s, y - 0.26 * s)], sail)  # fmt: skip


def flower(canvas: Canvas, head: tuple[float, float], foot: tuple[float, float], size: float,
           rng: np.random.Generator) -> None:  # fmt: skip
    """Paint a flower from `foot` to `head`; its petals are `size` pixels long."""
    (x, y), (fx, fy) = head, foot
    bend = ((x + fx) / 2 + float(rng.normal(0, 0.25)) * size, (y + fy) / 2)
    canvas.limb([foot, bend, head], str(rng.choice(["3f6a34", "557a3a", "4a7048"])), size * 0.12)
    for side in (-1, 1):
        tip = (bend[0] + side * size * 0.8, bend[1] - size * 0.3)
        canvas.polygon([bend, (bend[0] + side * size * 0.4, bend[1] - size * 0.4), tip,
                        (bend[0] + side * size * 0.45, bend[1] - size * 0.05)], "4a7a3c")  # fmt: skip
    petal = str(rng.choice(PETALS))
    count, start, squash = (
        int(rng.integers(6, 13)),
        float(rng.uniform(0, 1)),
        float(rng.uniform(0.6, 1)),
    )
    for ring, shade in ((1.0, 0.86), (0.72, 1.0)):
        for angle in (np.arange(count) + start + ring) * 2 * np.pi / count:
            dx, dy = float(np.cos(angle)) * size * ring, float(np.sin(angle)) * size * ring * squash
            side_x, side_y = -dy * 0.34, dx * 0.34
            canvas.polygon([(x, y), (x + dx * 0.55 + side_x, y + dy * 0.55 + side_y), (x + dx, y + dy),
                            (x + dx * 0.55 - side_x, y + dy * 0.55 - side_y)], _shaded(petal, shade))  # fmt: skip
    canvas.oval(head, (size * 0.26, size * 0.24), str(rng.choice(["f0c030", "6a4420", "e8a828"])))


def cup(canvas: Canvas, foot: tuple[float, float], size: float, rng: np.random.Generator) -> None:
    """Paint a cup on a saucer."""
    x, y = foot
    s = size
    glaze = str(rng.choice(POTTERY))
    canvas.oval((x + 0.1 * s, y + 0.02 * s), (0.85 * s, 0.16 * s), "140c08", 110)
    canvas.oval((x, y), (0.72 * s, 0.14 * s), _shaded(glaze, 0.9))
    canvas.ring((x + 0.5 * s, y - 0.42 * s), 0.2 * s, _shaded(glaze, 0.85), 0.07 * s)
    canvas.polygon([(x - 0.47 * s, y - 0.75 * s), (x + 0.47 * s, y - 0.75 * s), (x + 0.34 * s, y - 0.1 * s),
                    (x + 0.2 * s, y), (x - 0.2 * s, y), (x - 0.34 * s, y - 0.1 * s)], glaze)  # fmt: skip
    canvas.oval((x, y - 0.75 * s), (0.47 * s, 0.12 * s), _shaded(glaze, 0.8))
    canvas.oval((x, y - 0.735 * s), (0.41 * s, 0.09 * s), "3a2214")


def bottle(
    canvas: Canvas, foot: tuple[float, float], size: float, rng: np.random.Generator
) -> None:
    """Paint a bottle with a label."""
    x, y = foot
    s = size
    glass = str(rng.choice(["2c4a34", "5a3420", "3a5a68", "c8d4d0", "6a2430"]))
    canvas.oval((x + 0.12 * s, y), (0.32 * s, 0.07 * s), "140c08", 110)
    canvas.box((x - 0.17 * s, y - 0.72 * s, x + 0.17 * s, y + 0.02 * s), glass, 0.06 * s)
    canvas.polygon([(x - 0.165 * s, y - 0.66 * s), (x - 0.055 * s, y - 0.86 * s), (x + 0.055 * s, y - 0.86 * s),
                    (x + 0.165 * s, y - 0.66 * s)], glass)  # fmt: skip
    canvas.box((x - 0.055 * s, y - 1.08 * s, x + 0.055 * s, y - 0.82 * s), glass, 0.02 * s)
    canvas.box(
        (x - 0.16 * s, y - 0.5 * s, x + 0.16 * s, y - 0.2 * s),
        str(rng.choice(["efe6d0", "d8c8a0", "c84a3a"])),
    )
    canvas.box((x - 0.12 * s, y - 0.68 * s, x - 0.09 * s, y - 0.52 * s), "f8f8f4")


def fruit(canvas: Canvas, foot: tuple[float, float], size: float, rng: np.random.Generator) -> None:
    """Paint an apple, an orange or a lemon."""
    x, y = foot
    s = size
    skin = str(rng.choice(["c8302c", "e88a24", "d8c034", "8aa83a", "b8485a"]))
    canvas.oval((x + 0.12 * s, y), (0.56 * s, 0.13 * s), "140c08", 120)
    canvas.oval((x, y - 0.42 * s), (0.5 * s, 0.46 * s), skin)
    canvas.oval((x - 0.17 * s, y - 0.6 * s), (0.11 * s, 0.08 * s), _shaded(skin, 1.25))
    canvas.limb([(x, y - 0.84 * s), (x + 0.05 * s, y - 0.98 * s)], "4a3420", 0.05 * s)


def _shaded(colour: str, share: float) -> str:
    return "".join(
        f"{min(255, round(int(colour[at : at + 2], 16) * share)):02x}" for at in (0, 2, 4)
    )
