"""Backgrounds of scenes: skies, mountains, leaves, ground, water, walls."""

import numpy as np

from photosite.optics import textures
from photosite.optics.layers import (
    Colour,
    Layer,
    Pixels,
    PointLight,
    blend,
    detail,
    linear_colour,
    premultiply,
)
from photosite.optics.lens import FAR_M
from photosite.scenes.scene_context import SceneContext

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


def sky(context: SceneContext, horizon: float) -> Layer:
    """Paint sky down to a little below `horizon` (rows), with clouds."""
    looks = SKIES[context.day]
    top, low, cloud = (
        linear_colour(colour) for colour in looks[int(context.scene_rng.integers(len(looks)))]
    )
    shape = (min(context.height, int(horizon * 1.15) + 8), context.width)
    down = np.arange(shape[0], dtype=np.float32)[:, None] / max(horizon, 1)
    rgb = np.broadcast_to(blend(top, low, np.minimum(1, down) ** 1.3), (3, *shape)).copy()
    cover = float(context.scene_rng.uniform(-0.4, 1.5))
    puff = textures.piece("cloud", shape, context.scene_rng)
    share = np.clip(
        (puff + 0.1 * textures.piece("rock", shape, context.scene_rng) - cover) * 0.7, 0, 0.92
    )
    rgb += (np.asarray(cloud, np.float32)[:, None, None] * (0.9 + 0.1 * puff) - rgb) * share
    if context.day == "sun":
        rgb *= np.float32(1.25)
    return Layer(premultiply(rgb), FAR_M, plain=True, lights=_night_sky(context, horizon))


def _night_sky(context: SceneContext, horizon: float) -> list[PointLight]:
    if context.day != "night":
        return []
    count = int(context.scene_rng.integers(0, 30))
    places = context.scene_rng.uniform((0, 0), (context.width, horizon * 0.8), (count, 2))
    return [PointLight(float(x), float(y), (0.5, 0.5, 0.55), 0.5) for x, y in places]


def mountains(
    context: SceneContext, base: float, height: float, depth_m: float, haze: float
) -> Layer:
    """Paint a range of mountains above row `base`, up to `height` pixels, in `haze` (0 to 1)."""
    profile = base - height * (0.55 + 0.45 * textures.ridge(context.width, context.scene_rng, 0.5))
    top = max(0, int(profile.min()) - 1)
    bottom = min(context.height, int(base) + 4)
    shape = (bottom - top, context.width)
    rock = textures.piece("rock", shape, context.scene_rng)
    # The light comes from the left: slopes that rise to the right are bright.
    relief = np.zeros(shape, np.float32)
    relief[:, 2:] = np.clip((rock[:, 2:] - rock[:, :-2]) * 1.6, -0.6, 0.9)
    above = np.arange(top, bottom, dtype=np.float32)[:, None]
    dark, bright = (
        linear_colour(context.choose_for_scene("3b4438 4a4540 3a4650 35453a")),
        linear_colour("8d8778"),
    )
    rgb = blend(dark, bright, np.clip(0.35 + relief * 0.5 + rock * 0.08, 0, 1))
    snow_line = base - height * float(context.scene_rng.uniform(0.45, 1.2))
    snow = np.clip((snow_line - above + rock * 14) / 10, 0, 1) * np.clip(0.75 + relief, 0, 1)
    rgb += (np.float32(0.85) - rgb) * snow
    rgb *= np.asarray(context.light, np.float32)[:, None, None] * detail(shape, top)
    rgb = _hazed(rgb, context, haze)
    return Layer(premultiply(rgb, np.clip(above - profile[None, :] + 0.5, 0, 1)), depth_m, top)


def _hazed(rgb: Pixels, context: SceneContext, haze: float) -> Pixels:
    air = np.asarray(linear_colour(SKIES[context.day][0][1]), np.float32)[:, None, None]
    mixed: Pixels = rgb + (air - rgb) * np.float32(haze)
    return mixed


def leaves(
    context: SceneContext,
    edge: Pixels,
    bottom: float,
    depth_m: float,
    colours: tuple[str, str],
    haze: float = 0,
) -> Layer:
    """Paint leaves from row `bottom` up to the rows `edge` (one a column), with a ragged edge and gaps."""
    top = max(0, int(edge.min()) - 8)
    low = min(context.height, int(bottom) + 2)
    shape = (max(2, low - top), context.width)
    fine = textures.piece("leaf", shape, context.scene_rng)
    coarse = textures.piece("rock", shape, context.scene_rng)
    rows = np.arange(top, top + shape[0], dtype=np.float32)[:, None]
    inside = (rows - edge[None, :]) / (2.2 * context.unit)
    alpha = np.clip((inside + 1.3 * fine + 0.5 * coarse) * 1.6, 0, 1)
    shine = np.clip(0.36 + 0.34 * fine + 0.18 * coarse, 0, 1.5)
    rgb = blend(linear_colour(colours[0]), linear_colour(colours[1]), shine)
    rgb *= np.asarray(context.light, np.float32)[:, None, None] * detail(shape, top)
    return Layer(premultiply(_hazed(rgb, context, haze), alpha), depth_m, top)


def ground(
    context: SceneContext,
    horizon: float,
    near_m: float,
    colours: tuple[str, str],
    texture: tuple[str, float, float] = ("leaf", 1.0, 1.0),
) -> Layer:
    """Paint a plane from the horizon to the lower edge, which is `near_m` away.

    `texture` is a kind, the size of its pattern (larger is finer) and its strength.
    """
    kind, scale, strength = texture
    top = int(horizon)
    shape = (context.height - top, context.width)
    pattern, distance = textures.receding(kind, shape, context.shot_rng, scale)
    rgb = blend(
        linear_colour(colours[0]),
        linear_colour(colours[1]),
        np.clip(0.5 + 0.42 * strength * pattern, 0, 1.5),
    )
    rgb *= np.asarray(context.light, np.float32)[:, None, None]
    # Patches of shade and sun, and air in the distance.
    broad, _ = textures.receding("cloud", shape, context.scene_rng, 1.5)
    rgb *= np.clip(1 + 0.28 * broad, 0.45, 1.7) * detail(shape, top)
    air = np.clip(distance / distance.max() * 3 - 0.3, 0, 0.65)[:, None]
    sky_low = np.asarray(linear_colour(SKIES.get(context.day, SKIES["cloud"])[0][1]), np.float32)[
        :, None, None
    ]
    if context.day in SKIES:
        rgb += (sky_low - rgb) * air * 0.4
    alpha = np.ones(shape, np.float32)
    return Layer(
        premultiply(rgb, alpha), np.maximum(near_m * distance, near_m).astype(np.float32), top
    )


def water(context: SceneContext, horizon: float, near_m: float, speed_px_s: float) -> Layer:
    """Paint water that mirrors the sky; its waves move, so a long exposure makes it smooth."""
    top = int(horizon)
    shape = (context.height - top, context.width)
    waves, distance = textures.receding("wave", shape, context.shot_rng, 2.2)
    looks = SKIES[context.day][0]
    deep = linear_colour(context.choose_for_scene("1b4a5a 24506b 1d5560 2a4a52"))
    deep = tuple(a * max(0.15, b) for a, b in zip(deep, context.light, strict=True))  # type: ignore[assignment]  # mypy does not know the length
    fall = np.linspace(0.75, 0.25, shape[0], dtype=np.float32)[:, None]
    share = np.clip(fall + 0.32 * waves, 0, 1)
    rgb = blend(deep, linear_colour(looks[1]), share)
    glint = np.clip(waves - 1.9, 0, 1) * (1.6 if context.day in {"sun", "golden"} else 0.4)
    rgb += glint * np.asarray(context.light, np.float32)[:, None, None]
    depth = np.maximum(near_m * distance, near_m).astype(np.float32)
    return Layer(premultiply(rgb), depth, top, velocity=(speed_px_s, speed_px_s * 0.22))


def wall(context: SceneContext, colour: str, depth_m: float, rough: float = 0.08) -> Layer:
    """Fill the frame with a wall, brighter near a lamp or window at one side."""
    x = np.linspace(0, 1, context.width, dtype=np.float32)[None, :]
    y = np.linspace(0, 1, context.height, dtype=np.float32)[:, None]
    at_x, at_y = context.scene_rng.uniform((0.0, 0.0), (1.0, 0.5))
    fall = 0.35 + 0.9 * np.exp(-(((x - at_x) * 1.5) ** 2 + ((y - at_y) * 1.4) ** 2) * 2)
    grain = np.exp(rough * textures.piece("leaf", context.frame, context.scene_rng))
    tone: Colour = context.lit_colour(colour)
    rgb = np.asarray(tone, np.float32)[:, None, None] * (fall * grain * detail(context.frame, 3))
    return Layer(premultiply(rgb), depth_m)
