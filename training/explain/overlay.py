"""Draw heat maps over what a network sees, alone or in a sheet."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from training.report.panels.drawing import fitted_text, text_font

COLOURS = "inferno"
STRENGTH = 0.6  # of the colours over the picture
SIDE, GAP, LINE = 200, 10, 22  # px, of the tiles of a sheet
INK, SOFT = "#17212e", "#5a6878"


@dataclass(frozen=True)
class SheetColumn:
    """One picture of a sheet: what the network sees, a text, and below it an overlay with a text for each head."""

    seen: Image.Image
    text: str
    overlays: Sequence[tuple[Image.Image, str]]


def as_picture(seen: NDArray[Any]) -> Image.Image:
    """Make a picture of what a network sees: uint8 (H, W, 3), or a spectrogram (bands, frames), low bands below."""
    if seen.ndim == 3 and seen.dtype == np.uint8:
        return Image.fromarray(np.ascontiguousarray(seen))
    flat = seen[::-1] if seen.ndim == 2 else seen.mean(axis=-1)
    low, high = float(flat.min()), float(flat.max())
    grey = (255 * (flat - low) / max(high - low, 1e-9)).astype(np.uint8)
    factor = max(1, 224 // max(grey.shape))
    return Image.fromarray(grey.repeat(factor, 0).repeat(factor, 1)).convert("RGB")


def overlay(seen: NDArray[Any], heat: NDArray[np.float32]) -> Image.Image:
    """Draw a map (h, w) in [0, 1] over what the network sees: bright where it speaks for the answer."""
    picture = as_picture(seen)
    turned = heat[::-1] if seen.ndim == 2 else heat
    smooth = Image.fromarray(np.ascontiguousarray(turned)).resize(
        picture.size, Image.Resampling.BICUBIC
    )
    coloured = colormaps[COLOURS](np.clip(np.asarray(smooth), 0, 1))[..., :3] * 255
    grey = np.asarray(picture.convert("L"), np.float32)[..., None]
    mixed = (1 - STRENGTH) * grey + STRENGTH * coloured
    return Image.fromarray(mixed.astype(np.uint8))


def draw_sheet(columns: Sequence[SheetColumn], heads: Sequence[str]) -> Image.Image:
    """Lay pictures side by side, below each the overlays of its heads; every tile has a line of text below it."""
    width = GAP + len(columns) * (SIDE + GAP)
    height = GAP + (1 + len(heads)) * (SIDE + LINE + GAP)
    sheet = Image.new("RGB", (width, height), "#ffffff")
    draw = ImageDraw.Draw(sheet)
    for place, column in enumerate(columns):
        left = GAP + place * (SIDE + GAP)
        tiles = [(column.seen, column.text), *column.overlays]
        for line, (picture, text) in enumerate(tiles):
            top = GAP + line * (SIDE + LINE + GAP)
            small = picture.copy()
            small.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
            sheet.paste(small, (left + (SIDE - small.width) // 2, top))
            font = text_font(13)
            draw.text(
                (left, top + SIDE + 3), fitted_text([text], SIDE, font), INK if line else SOFT, font
            )
    return sheet
