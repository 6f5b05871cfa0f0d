"""Photographs with a defect of known strength: a label-free way to learn defects, and to test what was learnt.

A rung is one edit of one picture, named such as `noise+0.5000`: the defect and its severity. What an edit leaves open
(the side of a wrong exposure, the colour of a cast, the kind of blur) is drawn from the name of the row, so a rung is
always the same pixels. Half of the rows, unedited ones too, are then compressed as JPEG, so that compression tells
nothing.
"""

from collections.abc import Callable, Mapping, Sequence

import cv2
import numpy as np
import polars as pl
from numpy.typing import NDArray

from training.data.arrays import Floats, Pixels
from training.data.sampling.seeds import derive_seed
from training.data.transforms.edits import compress_jpeg
from training.errors import TrainingError

Light = NDArray[np.float32]
"""Pixels (H, W, 3) as floats from 0 to 1."""
Edit = Callable[[Light, float, np.random.Generator], Light]

STRENGTHS = tuple(round(step / 6, 4) for step in range(1, 7))
SIGNED = tuple(round(step / 3, 4) for step in (-3, -2, -1, 1, 2, 3))
STOPS = 3.0  # of exposure at severity 1
CAST = 0.8  # natural logarithm of the gain of a colour at severity 1
SATURATION = 2.0  # how much is added to the saturation at severity 1; at -1 it is 0
NOISE = 30 / 255  # standard deviation
BLUR = 0.008  # standard deviation, of the longer side
HAZE = 0.75  # share of the light that is haze
CUT = 0.6  # share of both sides that a bad crop takes
QUALITIES = (75, 96)  # of JPEG, lowest and first that is not drawn


def exposure(light: Light, severity: float, rng: np.random.Generator) -> Light:
    """Multiply the light by up to 8, or divide it; what is too bright is white."""
    stops = STOPS * severity * rng.choice((-1, 1))
    return _to_display(_to_linear(light) * 2.0**stops)


def white_balance(light: Light, severity: float, rng: np.random.Generator) -> Light:
    """Give the picture a warm, cool, green or magenta cast; its brightness stays."""
    axes = np.array([(1, 0, -1), (-1, 0, 1), (-0.5, 1, -0.5), (0.5, -1, 0.5)])
    gains = np.exp(CAST * severity * axes[rng.integers(4)])
    gains = gains / (gains @ (0.299, 0.587, 0.114))
    return _to_display(_to_linear(light) * gains.astype(np.float32))


def saturation(light: Light, severity: float, _: np.random.Generator) -> Light:
    """Move colours away from grey, or with a severity below 0 towards it."""
    grey = (light @ np.array((0.299, 0.587, 0.114), np.float32))[..., None]
    factor = 1 + (SATURATION * severity if severity > 0 else severity)
    return np.asarray(grey + (light - grey) * np.float32(factor), np.float32)


def noise(light: Light, severity: float, rng: np.random.Generator) -> Light:
    """Add noise of luma and colour, in some pictures with grains larger than a pixel."""
    grain = rng.standard_normal(light.shape, np.float32)
    grain = grain + np.float32(rng.uniform(0, 1)) * grain[..., :1]
    if rng.random() < 0.5:
        grain = _blurred(grain, float(rng.uniform(0.4, 0.9)))
    return light + grain * np.float32(NOISE * severity / max(float(grain.std()), 1e-6))


def haze(light: Light, severity: float, rng: np.random.Generator) -> Light:
    """Mix in light grey, evenly or more of it towards the top."""
    air = np.float32(rng.uniform(0.75, 0.97)) + np.array((-0.02, 0, 0.02), np.float32)
    slope = np.linspace(1, 1 - rng.uniform(0, 0.6), len(light), dtype=np.float32)[:, None, None]
    share = np.float32(HAZE * severity) * slope / slope.mean()
    share = np.minimum(share, 0.95)
    return np.asarray(light * (1 - share) + air * share, np.float32)


def blur(light: Light, severity: float, rng: np.random.Generator) -> Light:
    """Blur as an unsteady hand, a wrong focus or a soft lens does."""
    sigma = BLUR * severity * max(light.shape[:2])
    kind = rng.integers(3)
    if kind == 0:
        return _blurred(light, sigma)
    # A disc of radius r has the spread r / 2, a line of length l the spread l / sqrt(12) along it alone.
    kernel = _disc(2 * sigma) if kind == 1 else _line(sigma * 6**0.5 * 2, rng.uniform(0, np.pi))
    return np.asarray(cv2.filter2D(light, -1, kernel, borderType=cv2.BORDER_REFLECT), np.float32)


def composition(light: Light, severity: float, rng: np.random.Generator) -> Light:
    """Keep a corner of the picture, as a careless crop does."""
    height, width = (max(8, round(side * (1 - CUT * severity))) for side in light.shape[:2])
    top = (light.shape[0] - height) * int(rng.integers(2)) if height < light.shape[0] else 0
    left = (light.shape[1] - width) * int(rng.integers(2)) if width < light.shape[1] else 0
    return light[top : top + height, left : left + width]


EDITS: Mapping[str, tuple[Edit, Sequence[float]]] = {
    "bad_exposure": (exposure, STRENGTHS),
    "bad_white_balance": (white_balance, STRENGTHS),
    "bad_saturation": (saturation, SIGNED),
    "noise": (noise, STRENGTHS),
    "haze": (haze, STRENGTHS),
    "undesired_blur": (blur, STRENGTHS),
    "bad_composition": (composition, STRENGTHS),
}
"""Edit and severities of each defect; the names are those of the labels of the source `defects`."""
BY_VALUE = (exposure, white_balance)
"""Edits that change each value of a channel by itself: 256 values are edited, and pixels are looked up."""
VALUES = np.arange(256, dtype=np.uint8)
LIGHT = np.asarray(VALUES / 255, np.float32)


def with_rungs(index: pl.DataFrame, rungs: int, exposure_rungs: int = 0) -> pl.DataFrame:
    """Put behind each row `rungs` rows for every defect, with the severity in the column of the defect.

    With `exposure_rungs` a wrong exposure has that many. The column `edit` names the rung; rows of unedited pictures
    have an empty one and no severity. Which of the six severities a picture has is a function of its SHA-256 and the
    defect.
    """
    plain = index.with_columns(
        edit=pl.lit(""), **{name: pl.lit(None, pl.Float64) for name in EDITS}
    )
    parts = [plain]
    for name, (_, strengths) in EDITS.items():
        chosen = np.stack([_chosen(sha, name, strengths) for sha in index["asset_sha256"]])
        wanted = exposure_rungs or rungs if name == "bad_exposure" else rungs
        for rung in range(min(wanted, len(strengths))):
            severity = pl.Series(name, chosen[:, rung], pl.Float64)
            edit = pl.Series("edit", [f"{name}{value:+.4f}" for value in chosen[:, rung]])
            parts.append(plain.with_columns(severity, edit))
    return pl.concat(parts)


def _chosen(sha: str, name: str, strengths: Sequence[float]) -> Floats:
    order = np.random.default_rng(derive_seed(f"{sha}/{name}")).permutation(len(strengths))
    return np.asarray(strengths, np.float64)[order]


def edited(pixels: Pixels, edit: str, name: str) -> Pixels:
    """Apply a rung such as noise+0.5000, or none for an empty text, to pixels (H, W, 3).

    The random numbers are a function of `name` and `edit`.

    Raises TrainingError for an edit that does not exist.
    """
    rng = np.random.default_rng(derive_seed(f"{name}/{edit}"))
    if edit:
        place = max(edit.rfind("+"), edit.rfind("-"))
        change, _ = EDITS.get(edit[:place], (None, ()))
        if change is None:
            raise TrainingError(f"there is no edit {edit!r}, only {', '.join(EDITS)}")
        pixels = _changed(pixels, change, float(edit[place:]), rng)
    return compress_jpeg(pixels, int(rng.integers(*QUALITIES))) if rng.random() < 0.5 else pixels


def _changed(pixels: Pixels, change: Edit, severity: float, rng: np.random.Generator) -> Pixels:
    """Apply an edit to stored pixels (H, W, 3)."""
    if change in BY_VALUE:
        every = np.repeat(VALUES[None, :, None], 3, axis=2)  # a picture of one row
        table = _as_stored(change(LIGHT[every], severity, rng))
        return np.asarray(cv2.LUT(pixels, table), np.uint8)
    return _as_stored(change(np.asarray(cv2.LUT(pixels, LIGHT)), severity, rng))


def _as_stored(light: Light) -> Pixels:
    return np.asarray(np.rint(np.clip(light, 0, 1) * 255), np.uint8)


def _to_linear(light: Light) -> Light:
    return np.asarray(light**2.2, np.float32)


def _to_display(linear: Light) -> Light:
    return np.asarray(np.clip(linear, 0, 1) ** (1 / 2.2), np.float32)


def _blurred(light: Light, sigma: float) -> Light:
    return np.asarray(cv2.GaussianBlur(light, (0, 0), max(sigma, 0.05)), np.float32)


def _disc(radius: float) -> Light:
    """Return a disc of this radius with soft edge, as weights."""
    half = int(np.ceil(radius)) + 1
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    weights = np.clip(radius + 0.5 - np.hypot(y, x), 0, 1)
    return np.asarray(weights / weights.sum(), np.float32)


def _line(length: float, angle: float) -> Light:
    """Return a line of this length and angle (radians) through the middle, as weights."""
    half = int(np.ceil(length / 2)) + 1
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    along, across = x * np.cos(angle) + y * np.sin(angle), x * np.sin(angle) - y * np.cos(angle)
    weights = np.clip(length / 2 + 0.5 - np.abs(along), 0, 1) * np.clip(1 - np.abs(across), 0, 1)
    return np.asarray(weights / weights.sum(), np.float32)
