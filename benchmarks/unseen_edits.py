"""Further kinds of edits, in three strengths; no limit of the search was chosen with them."""

import io
import random

import cv2
import numpy as np
from PIL import Image

from benchmarks.edit_tools import (
    PAPERS,
    WORDS,
    Edit,
    clipped,
    crop_to,
    seeded,
    side,
    sized,
    write,
)
from benchmarks.photo_edits import Picture, encode_and_decode, scale


def avif(picture: Picture, _: random.Random, strength: int) -> Picture:
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "AVIF", quality=(35, 18, 6)[strength], speed=8)
    return np.asarray(Image.open(out).convert("RGB"))


def video_frame(picture: Picture, rng: random.Random, strength: int) -> Picture:
    """Record on tape: scan lines, shifted colour, low resolution across."""
    height, width = picture.shape[:2]
    soft = sized(
        sized(picture, max(40, round(width * (0.6, 0.45, 0.3)[strength])), height), width, height
    )
    soft[..., 0] = np.roll(soft[..., 0], 1 + strength, axis=1)
    lines = np.where(np.arange(height) % 2, 1.0, (0.9, 0.8, 0.7)[strength])[:, None, None]
    return clipped(soft * lines + seeded(rng).normal(0, 6, picture.shape))


def player(picture: Picture, _: random.Random, strength: int) -> Picture:
    """Show as a paused video: a button in the middle, a bar and a shade below."""
    height, width = picture.shape[:2]
    canvas = picture.copy()
    r = round((0.08, 0.11, 0.15)[strength] * min(height, width))
    cv2.circle(canvas, (width // 2, height // 2), r, (30, 30, 30), -1)
    corners = np.array([[-r // 3, -r // 2], [-r // 3, r // 2], [r // 2, 0]])
    tip = np.add(corners, [width // 2, height // 2])
    cv2.fillPoly(canvas, [tip.astype(np.int32)], (255, 255, 255))
    shade = np.clip((np.arange(height) / height - 0.8) * 3, 0, 0.8)[:, None, None]
    canvas = clipped(canvas * (1 - shade))
    cv2.line(canvas, (12, height - 16), (width - 12, height - 16), (200, 200, 200), 3)
    cv2.line(canvas, (12, height - 16), (width // 3, height - 16), (230, 30, 30), 3)
    return canvas


def card(picture: Picture, rng: random.Random, strength: int) -> Picture:
    """Round the corners and put a shadow below, on a coloured page."""
    height, width = picture.shape[:2]
    r, px = round(0.06 * min(height, width)), round((0.06, 0.1, 0.16)[strength] * side(picture))
    mask = np.zeros((height, width), np.uint8)
    cv2.rectangle(mask, (r, 0), (width - r, height), 255, -1)
    cv2.rectangle(mask, (0, r), (width, height - r), 255, -1)
    for x in (r, width - r):
        for y in (r, height - r):
            cv2.circle(mask, (x, y), r, 255, -1)
    tone = rng.choice([(235, 238, 245), (40, 44, 60), (250, 220, 200)])
    page = np.full((height + 2 * px, width + 2 * px, 3), tone, np.uint8)
    dark = cv2.copyMakeBorder(mask, px + 6, px - 6, px + 4, px - 4, cv2.BORDER_CONSTANT, value=(0,))
    page = clipped(page * (1 - 0.4 * cv2.GaussianBlur(dark, (0, 0), 8)[..., None] / 255.0))
    page[px : px + height, px : px + width][mask > 0] = picture[mask > 0]
    return page


def slide(picture: Picture, rng: random.Random, strength: int) -> Picture:
    """Place the picture on a slide with a title and points beside it."""
    height, width = picture.shape[:2]
    wide = round(width * (1.35, 1.6, 1.9)[strength])
    page = np.full((round(height * 1.3), wide, 3), rng.choice([(255,) * 3, (20, 40, 80)]), np.uint8)
    ink = 255 - int(page[0, 0, 0])
    page[round(0.22 * height) : round(0.22 * height) + height, -width - 8 : -8] = picture
    page = write(page, rng.choice(WORDS).title(), (0.5, 0.08), 0.05, 0, ink)
    for row in range(4):
        page = write(page, "- point", (0.5 * (wide - width) / wide, 0.3 + 0.12 * row), 0.03, 0, ink)
    return page


def tilt_shift(picture: Picture, _: random.Random, strength: int) -> Picture:
    """Blur above and below a band that stays sharp."""
    height = picture.shape[0]
    far = np.abs(np.arange(height) / height - 0.55)[:, None, None]
    share = np.clip((far - (0.25, 0.18, 0.1)[strength]) * 6, 0, 1)
    soft = cv2.GaussianBlur(picture, (0, 0), side(picture) * 0.008)
    return clipped(soft * share + picture * (1 - share))


def date_stamp(picture: Picture, rng: random.Random, strength: int) -> Picture:
    text = f"{rng.randint(1, 28):02d} {rng.randint(1, 12):02d} '{rng.randint(10, 25)}"
    return write(picture, text, (0.78, 0.93), (0.05, 0.07, 0.1)[strength], 0, (255, 140, 40))


def vintage(picture: Picture, rng: random.Random, strength: int) -> Picture:
    """Fade, brown, grain, a light leak and dark corners."""
    y, x = np.meshgrid(*(np.linspace(0, 1, n) for n in picture.shape[:2]), indexing="ij")
    share = (0.5, 0.75, 1.0)[strength]
    brown = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[..., None] * [1.05, 0.92, 0.72]
    faded = 28 + 0.78 * (share * brown + (1 - share) * picture)
    leak = 90 * share * np.exp(-((x - rng.choice([0, 1])) ** 2) / 0.03)[..., None] * [1, 0.5, 0.2]
    corners = 1 - 0.5 * share * ((x - 0.5) ** 2 + (y - 0.5) ** 2)[..., None]
    grain = seeded(rng).normal(0, 8 * share, (*picture.shape[:2], 1))
    return clipped((faded + leak) * corners + grain)


def lens_distortion(picture: Picture, rng: random.Random, strength: int) -> Picture:
    """Bend straight lines outwards or inwards, as an action camera does."""
    height, width = picture.shape[:2]
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    bend = rng.choice([-1, 1]) * (0.02, 0.04, 0.07)[strength]
    factor = (1 + bend * (x * x + y * y)) / (1 + 2 * max(bend, 0))
    to_x, to_y = (x * factor + 1) * (width - 1) / 2, (y * factor + 1) * (height - 1) / 2
    return cv2.remap(picture, to_x.astype(np.float32), to_y.astype(np.float32), cv2.INTER_CUBIC)


def swap_channels(picture: Picture, rng: random.Random, strength: int) -> Picture:
    swapped = picture[..., rng.choice([[2, 1, 0], [1, 2, 0], [0, 2, 1]])]
    share = (0.5, 0.8, 1.0)[strength]
    return clipped(share * swapped.astype(float) + (1 - share) * picture)


def redact(picture: Picture, rng: random.Random, strength: int) -> Picture:
    """Cover parts by black boxes."""
    canvas = picture.copy()
    height, width = canvas.shape[:2]
    for _ in range((1, 2, 3)[strength]):
        wide, tall = round(width * rng.uniform(0.15, 0.3)), round(height * rng.uniform(0.08, 0.16))
        x, y = rng.randint(0, width - wide), rng.randint(0, height - tall)
        cv2.rectangle(canvas, (x, y), (x + wide, y + tall), (0, 0, 0), -1)
    return canvas


def mosaic(picture: Picture, rng: random.Random, strength: int) -> Picture:
    """Make a part unreadable by large pixels."""
    canvas = picture.copy()
    height, width = canvas.shape[:2]
    share = (0.25, 0.35, 0.45)[strength]
    tall, wide = round(height * share), round(width * share)
    y, x = rng.randint(0, height - tall), rng.randint(0, width - wide)
    part = cv2.resize(canvas[y : y + tall, x : x + wide], (7, 7), interpolation=cv2.INTER_AREA)
    canvas[y : y + tall, x : x + wide] = cv2.resize(
        part, (wide, tall), interpolation=cv2.INTER_NEAREST
    )
    return canvas


def on_a_table(picture: Picture, rng: random.Random, strength: int) -> Picture:
    """Photograph a print with a white border, turned, on a wooden table."""
    height, width = picture.shape[:2]
    grain = seeded(rng).normal(0, 1, (height, 12)).astype(np.float32)
    wood = cv2.resize(
        grain, (round(width * 1.3), round(height * 1.3)), interpolation=cv2.INTER_CUBIC
    )
    table = clipped(np.array([150, 110, 70]) + 14 * wood[..., None])
    page = cv2.copyMakeBorder(
        picture, *[round(0.04 * side(picture))] * 4, cv2.BORDER_CONSTANT, value=(245,) * 3
    )
    zoom = (0.95, 0.88, 0.8)[strength]
    size = table.shape[1::-1]
    around = cv2.getRotationMatrix2D(
        (page.shape[1] / 2, page.shape[0] / 2), rng.uniform(-9, 9), zoom
    )
    around[:, 2] += [(size[0] - page.shape[1]) / 2, (size[1] - page.shape[0]) / 2]
    mask = cv2.warpAffine(np.ones(page.shape[:2], np.float32), around, size)[..., None]
    return clipped(table * (1 - mask) + cv2.warpAffine(page, around, size) * mask)


def tint(picture: Picture, rng: random.Random, strength: int) -> Picture:
    colour = np.array(rng.choice([(220, 40, 40), (40, 90, 220), (250, 200, 60), (60, 180, 110)]))
    share = (0.25, 0.4, 0.55)[strength]
    return clipped(picture * (1 - share) + colour * share)


def tiny(picture: Picture, _: random.Random, strength: int) -> Picture:
    """Make a preview picture of 128, 96 or 72 px."""
    return scale(picture, (128, 96, 72)[strength] / max(72, min(picture.shape[:2])))


def before_and_after(picture: Picture, rng: random.Random, strength: int) -> Picture:
    """Put the picture beside an edited version of itself."""
    edited = clipped(picture * [1.1, 1.0, 0.85] * (1.0, 1.15, 0.8)[strength] + 6)
    pair = [picture, edited] if rng.random() < 0.5 else [edited, picture]
    return np.concatenate(pair, axis=1 if picture.shape[0] > picture.shape[1] else 0)


def banner(picture: Picture, rng: random.Random, strength: int) -> Picture:
    """Lay a coloured band with a headline over the lower part."""
    height = picture.shape[0]
    share = (0.16, 0.22, 0.3)[strength]
    canvas = picture.copy()
    canvas[height - round(share * height) :] = rng.choice(
        [(190, 20, 30), (20, 60, 140), (255, 210, 0)]
    )
    return write(canvas, rng.choice(WORDS).upper(), (0.5, 1 - share / 2), 0.09, 0, 255)


def chain(picture: Picture, rng: random.Random, strength: int) -> Picture:
    """Pass from site to site: cropped, scaled, written over, encoded, several times."""
    for _ in range(strength + 2):
        picture = crop_to(picture, rng, 0.94)
        picture = encode_and_decode(
            scale(picture, rng.uniform(0.75, 1.2)), quality=rng.randint(45, 75)
        )
    return write(picture, "@" + rng.choice(WORDS).replace(" ", ""), (0.7, 0.94), 0.05, 1)


def torn_frame(picture: Picture, rng: random.Random, strength: int) -> Picture:
    """Put a patterned frame around it."""
    px = round((0.05, 0.08, 0.12)[strength] * side(picture))
    page = cv2.copyMakeBorder(
        picture, px, px, px, px, cv2.BORDER_CONSTANT, value=rng.choice(PAPERS)
    )
    for step in range(0, 2 * sum(page.shape[:2]), px):
        for at in (
            (step, px // 2),
            (step, page.shape[0] - px // 2),
            (px // 2, step),
            (page.shape[1] - px // 2, step),
        ):
            cv2.circle(page, at, px // 4, (180, 140, 60), -1)
    return page


UNSEEN: dict[str, Edit] = {
    "AVIF 35 to 6": avif,
    "video tape": video_frame,
    "video player": player,
    "rounded card": card,
    "slide": slide,
    "tilt shift": tilt_shift,
    "date stamp": date_stamp,
    "vintage filter": vintage,
    "lens distortion": lens_distortion,
    "channels swapped": swap_channels,
    "black boxes": redact,
    "mosaic over a part": mosaic,
    "print on a table": on_a_table,
    "colour tint": tint,
    "preview 128-72 px": tiny,
    "before and after": before_and_after,
    "headline band": banner,
    "chain of reposts": chain,
    "patterned frame": torn_frame,
}
