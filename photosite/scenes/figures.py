"""Simple figures: people, bicycles and cars."""

import numpy as np

from photosite.optics.layers import Canvas, PointLight

SKINS = ("f0c8a4", "d9a67c", "b07a52", "7d5236", "553522")
HAIRS = ("2a1d15", "4a3020", "7a5230", "b48a52", "1a1715", "8a8682")
CLOTHES = (
    *("b23a34", "2f5d8a", "e0b23c", "3d6b4f", "d9d4c8", "26282e", "7a4a78", "c9773f", "4f8f96"),
    *("e7e3da", "913f4e", "35456b"),
)


def person(
    canvas: Canvas, foot: tuple[float, float], height: float, rng: np.random.Generator
) -> None:
    """Paint a walking person, `height` pixels tall, with the feet at `foot`."""
    x, y = foot
    h = height
    facing = float(rng.choice([-1, 1]))
    coat, trousers = rng.choice(CLOTHES, 2, replace=False)
    skin, hair = rng.choice(SKINS), rng.choice(HAIRS)
    stride = h * float(rng.uniform(0.05, 0.17))
    hip, shoulder = y - 0.47 * h, y - 0.81 * h
    for way, side in ((-1, -0.015), (1, 0.015)):
        knee = (x + way * stride * 0.55 + facing * 0.03 * h, y - 0.25 * h)
        heel = (x + way * stride, y - 0.02 * h)
        canvas.limb([(x + side * h, hip), knee, heel], str(trousers), 0.085 * h)
        canvas.oval((heel[0] + facing * 0.03 * h, y - 0.012 * h), (0.055 * h, 0.02 * h), "241f1c")
    swing = h * float(rng.uniform(-0.1, 0.1))
    _arm(canvas, (x - facing * 0.085 * h, shoulder), -swing, h, str(coat), str(skin))
    body = [
        (x - 0.085 * h, shoulder + 0.02 * h), (x - 0.05 * h, shoulder - 0.015 * h),
        (x + 0.05 * h, shoulder - 0.015 * h), (x + 0.085 * h, shoulder + 0.02 * h),
        (x + 0.085 * h, hip + 0.05 * h), (x - 0.085 * h, hip + 0.05 * h),
    ]  # fmt: skip
    canvas.polygon(body, str(coat))
    _arm(canvas, (x + facing * 0.085 * h, shoulder), swing, h, str(coat), str(skin))
    canvas.box((x - 0.022 * h, shoulder - 0.05 * h, x + 0.022 * h, shoulder), str(skin))
    canvas.oval((x + facing * 0.008 * h, y - 0.915 * h), (0.05 * h, 0.066 * h), str(skin))
    canvas.oval((x - facing * 0.018 * h, y - 0.935 * h), (0.054 * h, 0.055 * h), str(hair))
    if rng.random() < 0.35:
        canvas.box((x - facing * 0.1 * h - 0.045 * h, shoulder + 0.02 * h, x - facing * 0.1 * h + 0.045 * h,
                    shoulder + 0.24 * h), str(rng.choice(CLOTHES)), 0.03 * h)  # fmt: skip


def _arm(
    canvas: Canvas, at: tuple[float, float], swing: float, h: float, coat: str, skin: str
) -> None:
    elbow = (at[0] + swing * 0.6, at[1] + 0.17 * h)
    hand = (at[0] + swing * 1.5, at[1] + 0.32 * h)
    canvas.limb([(at[0], at[1] + 0.03 * h), elbow, hand], coat, 0.055 * h)
    canvas.oval(hand, (0.024 * h, 0.028 * h), skin)


def bust(canvas: Canvas, x: float, bottom: float, size: float, rng: np.random.Generator) -> None:
    """Paint head and shoulders; the head is `size` pixels tall, the shoulders end at `bottom`."""
    s = size
    coat, scarf = (str(word) for word in rng.choice(CLOTHES, 2, replace=False))
    skin, hair = str(rng.choice(SKINS)), str(rng.choice(HAIRS))
    turn = float(rng.choice([-1, 1])) * s * 0.06
    chin = bottom - 0.95 * s
    head = (x + turn * 0.4, chin - 0.46 * s)
    long_hair = rng.random() < 0.55
    if long_hair:
        canvas.oval((x, chin - 0.25 * s), (0.5 * s, 0.72 * s), hair)
    shoulders = [
        (x - 1.05 * s, bottom + 4), (x - 0.98 * s, chin + 0.62 * s), (x - 0.72 * s, chin + 0.36 * s),
        (x - 0.2 * s, chin + 0.16 * s), (x + 0.2 * s, chin + 0.16 * s), (x + 0.72 * s, chin + 0.36 * s),
        (x + 0.98 * s, chin + 0.62 * s), (x + 1.05 * s, bottom + 4),
    ]  # fmt: skip
    canvas.polygon(shoulders, coat)
    canvas.polygon([(x - 0.19 * s, chin - 0.2 * s), (x + 0.19 * s, chin - 0.2 * s),
                    (x + 0.24 * s, chin + 0.24 * s), (x, chin + 0.42 * s),
                    (x - 0.24 * s, chin + 0.24 * s)], _darker(skin, 0.82))  # fmt: skip
    canvas.oval(head, (0.37 * s, 0.5 * s), skin)
    _face(canvas, (head[0] + turn, head[1]), s, skin, glasses=rng.random() < 0.25)
    _hair(canvas, head, s, hair, turn)
    if rng.random() < 0.45:
        canvas.oval((x, chin + 0.2 * s), (0.4 * s, 0.17 * s), scarf)
        canvas.limb([(x + 0.2 * s, chin + 0.22 * s), (x + 0.3 * s, bottom)], scarf, 0.2 * s)


def _face(canvas: Canvas, middle: tuple[float, float], s: float, skin: str, glasses: bool) -> None:
    x, y = middle
    canvas.oval((x, y + 0.2 * s), (0.26 * s, 0.2 * s), _redder(skin))
    for side in (-1, 1):
        eye = (x + side * 0.14 * s, y + 0.02 * s)
        canvas.oval((eye[0], eye[1] - 0.01 * s), (0.085 * s, 0.06 * s), _darker(skin, 0.82))
        if glasses:
            canvas.oval(eye, (0.115 * s, 0.09 * s), "1c1a1c")
        else:
            canvas.oval(eye, (0.052 * s, 0.024 * s), "d8cfc6")
            canvas.oval((eye[0], eye[1] - 0.003 * s), (0.028 * s, 0.026 * s), "261d18")
        brow = [
            (eye[0] - 0.07 * s, y - 0.065 * s),
            (eye[0], y - 0.085 * s),
            (eye[0] + 0.07 * s, y - 0.065 * s),
        ]
        canvas.limb(brow, _darker(skin, 0.5), 0.02 * s)
    if glasses:
        canvas.limb([(x - 0.06 * s, y), (x + 0.06 * s, y)], "1c1a1c", 0.02 * s)
    tip = y + 0.17 * s
    nose = [
        (x, y - 0.02 * s),
        (x + 0.045 * s, tip),
        (x + 0.02 * s, tip + 0.01 * s),
        (x - 0.03 * s, tip),
    ]
    canvas.polygon(nose, _darker(skin, 0.9))
    canvas.oval((x, y + 0.28 * s), (0.09 * s, 0.026 * s), _darker(_redder(skin), 0.78))


def _hair(canvas: Canvas, head: tuple[float, float], s: float, hair: str, turn: float) -> None:
    x, y = head
    cap = [(x - 0.4 * s, y + 0.02 * s)]
    cap += [
        (x + 0.42 * s * float(np.cos(angle)), y - 0.04 * s - 0.53 * s * float(np.sin(angle)))
        for angle in np.linspace(np.pi, 0, 14)
    ]
    cap += [(x + 0.4 * s, y + 0.02 * s), (x + 0.3 * s + turn, y - 0.22 * s), (x + turn, y - 0.3 * s),
            (x - 0.3 * s + turn, y - 0.2 * s)]  # fmt: skip
    canvas.polygon(cap, hair)


def cyclist(
    canvas: Canvas, foot: tuple[float, float], size: float, rng: np.random.Generator
) -> None:
    """Paint a cyclist; the wheels are at `foot`, the head is `size` pixels higher."""
    x, y = foot
    s = size
    shirt, shorts, frame = (str(word) for word in rng.choice(CLOTHES, 3, replace=False))
    skin = str(rng.choice(SKINS))
    r = 0.2 * s
    back, front = (x - 0.3 * s, y - r), (x + 0.3 * s, y - r)
    for wheel in (back, front):
        canvas.ring(wheel, r, "1c1c1e", 0.028 * s)
        for angle in np.arange(6) * np.pi / 6 + float(rng.uniform(0, 0.5)):
            dx, dy = r * float(np.cos(angle)), r * float(np.sin(angle))
            canvas.limb(
                [(wheel[0] - dx, wheel[1] - dy), (wheel[0] + dx, wheel[1] + dy)],
                "77787a",
                0.006 * s,
            )
    crank, seat, bar = (
        (x - 0.04 * s, y - r),
        (x - 0.14 * s, y - 0.47 * s),
        (x + 0.23 * s, y - 0.5 * s),
    )
    for tube in (
        (back, seat),
        (back, crank),
        (seat, crank),
        (crank, bar),
        (bar, front),
        (seat, bar),
    ):
        canvas.limb(tube, frame, 0.022 * s)
    hip, neck, hand = (
        (x - 0.14 * s, y - 0.53 * s),
        (x + 0.1 * s, y - 0.8 * s),
        (x + 0.27 * s, y - 0.53 * s),
    )
    for turn in (float(rng.uniform(0, 6.28)), 0.0):
        pedal = (
            crank[0] + 0.09 * s * float(np.cos(turn)),
            crank[1] + 0.09 * s * float(np.sin(turn)),
        )
        knee = ((hip[0] + pedal[0]) / 2 + 0.13 * s, (hip[1] + pedal[1]) / 2 - 0.02 * s)
        canvas.limb([hip, knee, pedal], skin, 0.06 * s)
        canvas.limb([hip, ((hip[0] + knee[0]) / 2, (hip[1] + knee[1]) / 2)], shorts, 0.085 * s)
    canvas.limb([hip, neck], shirt, 0.13 * s)
    canvas.limb([neck, ((neck[0] + hand[0]) / 2 - 0.01 * s, (neck[1] + hand[1]) / 2 + 0.04 * s), hand],
                skin, 0.045 * s)  # fmt: skip
    canvas.oval((neck[0] + 0.06 * s, neck[1] - 0.11 * s), (0.065 * s, 0.08 * s), skin)
    canvas.oval(
        (neck[0] + 0.05 * s, neck[1] - 0.15 * s), (0.085 * s, 0.06 * s), str(rng.choice(CLOTHES))
    )


def car(
    canvas: Canvas, foot: tuple[float, float], length: float, rng: np.random.Generator, *, lit: bool
) -> None:
    """Paint a car from its side, `length` pixels long, its middle on the road at `foot`."""
    x, y = foot
    s = length
    paint = str(rng.choice(["a3272b", "d8d8d4", "2a3d63", "1d1f22", "8d9499", "c79b2c", "3f6a58"]))
    canvas.oval((x, y), (0.52 * s, 0.035 * s), "0c0c0e", 170)
    canvas.box((x - 0.5 * s, y - 0.22 * s, x + 0.5 * s, y - 0.05 * s), paint, 0.07 * s)
    roof = [(x - 0.36 * s, y - 0.2 * s), (x - 0.24 * s, y - 0.35 * s), (x + 0.12 * s, y - 0.35 * s),
            (x + 0.3 * s, y - 0.2 * s)]  # fmt: skip
    canvas.polygon(roof, paint)
    glass = [(x - 0.3 * s, y - 0.21 * s), (x - 0.215 * s, y - 0.325 * s), (x + 0.1 * s, y - 0.325 * s),
             (x + 0.235 * s, y - 0.21 * s)]  # fmt: skip
    canvas.polygon(glass, "3c4a55")
    canvas.box((x - 0.065 * s, y - 0.33 * s, x - 0.045 * s, y - 0.2 * s), paint)
    for wheel in (-0.3, 0.31):
        canvas.oval((x + wheel * s, y - 0.065 * s), (0.085 * s, 0.085 * s), "161618")
        canvas.oval((x + wheel * s, y - 0.065 * s), (0.045 * s, 0.045 * s), "9a9c9e")
    canvas.oval((x + 0.48 * s, y - 0.16 * s), (0.02 * s, 0.025 * s), "f4efd8")
    canvas.oval((x - 0.485 * s, y - 0.16 * s), (0.015 * s, 0.025 * s), "c02020")
    if lit:
        canvas.lights.append(
            PointLight(x + 0.49 * s, y - 0.15 * s, (9.0, 8.0, 6.0), 0.022 * s + 0.8)
        )
        canvas.lights.append(
            PointLight(x - 0.49 * s, y - 0.15 * s, (6.0, 0.5, 0.3), 0.018 * s + 0.6)
        )


def _darker(colour: str, share: float) -> str:
    return "".join(f"{round(int(colour[at : at + 2], 16) * share):02x}" for at in (0, 2, 4))


def _redder(colour: str) -> str:
    red, green, blue = (int(colour[at : at + 2], 16) for at in (0, 2, 4))
    return f"{min(255, red + 6):02x}{round(green * 0.92):02x}{round(blue * 0.92):02x}"
