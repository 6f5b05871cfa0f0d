"""The edits that make a near-duplicate: encode again, resize, crop, mirror, change the tones."""

import random

from PIL import Image, ImageEnhance, ImageOps


def apply_edit(picture: Image.Image, edit: str, seed: int) -> tuple[Image.Image, int]:
    """Edit an upright picture; return it with the JPEG quality for saving it."""
    rng = random.Random(seed)  # noqa: S311  # repeatable, not secret
    width, height = picture.size
    if edit == "reencode":
        return picture, 60
    if edit == "resize":
        return picture.resize(
            (round(width * 0.6), round(height * 0.6)), Image.Resampling.LANCZOS
        ), 85
    if edit == "crop":
        return _crop(picture, rng), 88
    if edit == "mirror":
        return ImageOps.mirror(picture), 88
    if edit == "tone":
        return _change_tones(picture, rng), 86
    raise ValueError(f"no edit is called {edit!r}")


def _crop(picture: Image.Image, rng: random.Random) -> Image.Image:
    """Crop to 80-90 % of each side at a random position."""
    width, height = picture.size
    share = rng.uniform(0.8, 0.9)
    wide, high = round(width * share), round(height * share)
    left, top = rng.randint(0, width - wide), rng.randint(0, height - high)
    return picture.crop((left, top, left + wide, top + high))


def _change_tones(picture: Image.Image, rng: random.Random) -> Image.Image:
    picture = ImageEnhance.Brightness(picture).enhance(rng.uniform(1.08, 1.2))
    picture = ImageEnhance.Contrast(picture).enhance(rng.uniform(1.08, 1.25))
    return ImageEnhance.Color(picture).enhance(rng.choice([0.55, 0.75, 1.35]))
