"""What fills much of a picture: skies, mountains, leaves, ground, water, walls."""

import numpy as np

from photosite.optics import textures
from photosite.optics.layers import Colour, Layer, Light, Pixels, blend, detail, linear, solid
from photosite.optics.lens import FAR_M
from photosite.scenes.stage import Stage

# Colours of the sky at the top and at the horizon, and of its clouds.
SKIES = {
    "sun": (
        ("2f6fc4", "b9d8ef", "ffffff"),
        ("4b86cf", "d3e4ee", "fdfdfb"),
        ("1f5fb8", "9cc6ea", "ffffff"),
    ),
    "cloud": (("8d9aa8", "cfd4d8", "e9ebec"), ("7f8b99", "bfc8ce", "dfe3e6")),
    "golden": (("5c7fb5", "f3c58d", "ffdca8"), ("6d6fa8", "f0a878", "ffc9a0")),
    "dusk": (("1d2c5e", "c87f6e", "7d5a78"), ("243a68", "8d93b5", "4c557c")),
    "night": (("05070f", "1b2036", "151a2b"), ("070812", "2a2233", "1a1a28")),
}


def sky(stage: Stage, horizon: float) -> Layer:
    """Paint sky down to a little below `horizon` (rows), with clouds."""
    looks = SKIES[stage.day]
    top, low, cloud = (linear(colour) for colour in looks[int(stage.place.integers(len(looks)))])
    shape = (min(stage.height, int(horizon * 1.15) + 8), stage.width)
    down = np.arange(shape[0], dtype=np.float32)[:, None] / max(horizon, 1)
    rgb = np.broadcast_to(blend(top, low, np.minimum(1, down) ** 1.3), (3, *shape)).copy()
    cover = float(stage.place.uniform(-0.4, 1.5))
    puff = textures.piece("cloud", shape, stage.place)
    share = np.clip(
        (puff + 0.1 * textures.piece("rock", shape, stage.place) - cover) * 0.7, 0, 0.92
    )
    rgb += (np.asarray(cloud, np.float32)[:, None, None] * (0.9 + 0.1 * puff) - rgb) * share
    if stage.day == "sun":
        rgb *= np.float32(1.25)
    return Layer(solid(rgb), FAR_M, plain=True, lights=_night_sky(stage, horizon))


def _night_sky(stage: Stage, horizon: float) -> list[Light]:
    if stage.day != "night":
        return []
    count = int(stage.place.integers(0, 30))
    places = stage.place.uniform((0, 0), (stage.width, horizon * 0.8), (count, 2))
    return [Light(float(x), float(y), (0.5, 0.5, 0.55), 0.5) for x, y in places]


def mountains(stage: Stage, base: float, height: float, depth_m: float, haze: float) -> Layer:
    """Raise a range of mountains above row `base`, up to `height` pixels, in `haze` (0 to 1)."""
    profile = base - height * (0.55 + 0.45 * textures.ridge(stage.width, stage.place, 0.5))
    top = max(0, int(profile.min()) - 1)
    bottom = min(stage.height, int(base) + 4)
    shape = (bottom - top, stage.width)
    rock = textures.piece("rock", shape, stage.place)
    # Light from the left: what rises to the right is bright.
    relief = np.zeros(shape, np.float32)
    relief[:, 2:] = np.clip((rock[:, 2:] - rock[:, :-2]) * 1.6, -0.6, 0.9)
    above = np.arange(top, bottom, dtype=np.float32)[:, None]
    dark, bright = linear(stage.pick("3b4438 4a4540 3a4650 35453a")), linear("8d8778")
    rgb = blend(dark, bright, np.clip(0.35 + relief * 0.5 + rock * 0.08, 0, 1))
    snow_line = base - height * float(stage.place.uniform(0.45, 1.2))
    snow = np.clip((snow_line - above + rock * 14) / 10, 0, 1) * np.clip(0.75 + relief, 0, 1)
    rgb += (np.float32(0.85) - rgb) * snow
    rgb *= np.asarray(stage.light, np.float32)[:, None, None] * detail(shape, top)
    rgb = _hazed(rgb, stage, haze)
    return Layer(solid(rgb, np.clip(above - profile[None, :] + 0.5, 0, 1)), depth_m, top)


def _hazed(rgb: Pixels, stage: Stage, haze: float) -> Pixels:
    air = np.asarray(linear(SKIES[stage.day][0][1]), np.float32)[:, None, None]
    mixed: Pixels = rgb + (air - rgb) * np.float32(haze)
    return mixed


def leaves(
    stage: Stage,
    edge: Pixels,
    bottom: float,
    depth_m: float,
    colours: tuple[str, str],
    haze: float = 0,
) -> Layer:
    """Grow leaves from row `bottom` up to the rows `edge` (one a column), ragged, with gaps."""
    top = max(0, int(edge.min()) - 8)
    low = min(stage.height, int(bottom) + 2)
    shape = (max(2, low - top), stage.width)
    fine = textures.piece("leaf", shape, stage.place)
    coarse = textures.piece("rock", shape, stage.place)
    rows = np.arange(top, top + shape[0], dtype=np.float32)[:, None]
    inside = (rows - edge[None, :]) / (2.2 * stage.unit)
    alpha = np.clip((inside + 1.3 * fine + 0.5 * coarse) * 1.6, 0, 1)
    shine = np.clip(0.36 + 0.34 * fine + 0.18 * coarse, 0, 1.5)
    rgb = blend(linear(colours[0]), linear(colours[1]), shine)
    rgb *= np.asarray(stage.light, np.float32)[:, None, None] * detail(shape, top)
    return Layer(solid(_hazed(rgb, stage, haze), alpha), depth_m, top)


def ground(
    stage: Stage,
    horizon: float,
    near_m: float,
    colours: tuple[str, str],
    texture: tuple[str, float, float] = ("leaf", 1.0, 1.0),
) -> Layer:
    """Lay a plane from the horizon to the lower edge, `near_m` away there.

    `texture` is a kind, the size of its pattern (larger is finer) and its strength.
    """
    kind, scale, strength = texture
    top = int(horizon)
    shape = (stage.height - top, stage.width)
    seen, distance = textures.receding(kind, shape, stage.moment, scale)
    rgb = blend(
        linear(colours[0]), linear(colours[1]), np.clip(0.5 + 0.42 * strength * seen, 0, 1.5)
    )
    rgb *= np.asarray(stage.light, np.float32)[:, None, None]
    # Patches of shade and sun, and air in the distance.
    broad, _ = textures.receding("cloud", shape, stage.place, 1.5)
    rgb *= np.clip(1 + 0.28 * broad, 0.45, 1.7) * detail(shape, top)
    air = np.clip(distance / distance.max() * 3 - 0.3, 0, 0.65)[:, None]
    sky_low = np.asarray(linear(SKIES.get(stage.day, SKIES["cloud"])[0][1]), np.float32)[
        :, None, None
    ]
    if stage.day in SKIES:
        rgb += (sky_low - rgb) * air * 0.4
    alpha = np.ones(shape, np.float32)
    return Layer(solid(rgb, alpha), np.maximum(near_m * distance, near_m).astype(np.float32), top)


def water(stage: Stage, horizon: float, near_m: float, speed_px_s: float) -> Layer:
    """Lay water that mirrors the sky; its waves move, so a long exposure makes it smooth."""
    top = int(horizon)
    shape = (stage.height - top, stage.width)
    waves, distance = textures.receding("wave", shape, stage.moment, 2.2)
    looks = SKIES[stage.day][0]
    deep = linear(stage.pick("1b4a5a 24506b 1d5560 2a4a52"))
    deep = tuple(a * max(0.15, b) for a, b in zip(deep, stage.light, strict=True))  # type: ignore[assignment]  # mypy does not know the length
    fall = np.linspace(0.75, 0.25, shape[0], dtype=np.float32)[:, None]
    share = np.clip(fall + 0.32 * waves, 0, 1)
    rgb = blend(deep, linear(looks[1]), share)
    glint = np.clip(waves - 1.9, 0, 1) * (1.6 if stage.day in {"sun", "golden"} else 0.4)
    rgb += glint * np.asarray(stage.light, np.float32)[:, None, None]
    depth = np.maximum(near_m * distance, near_m).astype(np.float32)
    return Layer(solid(rgb), depth, top, velocity=(speed_px_s, speed_px_s * 0.22))


def wall(stage: Stage, colour: str, depth_m: float, rough: float = 0.08) -> Layer:
    """Fill the frame with a wall, brighter near a lamp or window at one side."""
    x = np.linspace(0, 1, stage.width, dtype=np.float32)[None, :]
    y = np.linspace(0, 1, stage.height, dtype=np.float32)[:, None]
    at_x, at_y = stage.place.uniform((0.0, 0.0), (1.0, 0.5))
    fall = 0.35 + 0.9 * np.exp(-(((x - at_x) * 1.5) ** 2 + ((y - at_y) * 1.4) ** 2) * 2)
    grain = np.exp(rough * textures.piece("leaf", stage.frame, stage.place))
    tone: Colour = stage.tinted(colour)
    rgb = np.asarray(tone, np.float32)[:, None, None] * (fall * grain * detail(stage.frame, 3))
    return Layer(solid(rgb), depth_m)
