"""Edits of social sites, scanners and phones, each in three strengths; bench_hard_copies.py plants such copies.

An edit maps RGB pixels, (height, width, 3), a random generator and a strength (0, 1, 2) to the pixels of the copy's
file. Limits of the search were chosen with these kinds; the kinds of `unseen_edits.py` were never used for that.
"""

import random

import cv2
import numpy as np
from PIL import Image

from benchmarks.edit_tools import PAPERS, WORDS, Edit, clipped, crop_to, seeded, side, sized, write
from benchmarks.photo_edits import Picture, add_border, encode_and_decode, rotate_and_zoom, scale


def blur(picture: Picture, _: random.Random, strength: int) -> Picture:
    return cv2.GaussianBlur(picture, (0, 0), side(picture) * (0.005, 0.008, 0.012)[strength])


def repost(picture: Picture, rng: random.Random, strength: int) -> Picture:
    """Crop, add a caption above or below, encode again."""
    cut = crop_to(picture, rng, (0.85, 0.75, 0.65)[strength])
    paper, is_above = rng.choice(PAPERS), rng.random() < 0.5
    px = round((0.12, 0.16, 0.22)[strength] * side(cut))
    page = cv2.copyMakeBorder(
        cut, px * is_above, px * (not is_above), 0, 0, cv2.BORDER_CONSTANT, value=paper
    )
    row = px / 2 if is_above else page.shape[0] - px / 2
    page = write(page, rng.choice(WORDS), (0.5, row / page.shape[0]), 0.07, 0, 255 - paper[0])
    return encode_and_decode(page, quality=(75, 60, 45)[strength])


def outlined_text(picture: Picture, rng: random.Random, strength: int) -> Picture:
    for row in range(strength + 1):
        at = 0.5, (0.85, 0.5, 0.2)[row]
        size = (0.09, 0.1, 0.13)[strength]
        picture = write(picture, rng.choice(WORDS).upper(), at, size, 2 + strength)
    return picture


def turn(picture: Picture, rng: random.Random, strength: int) -> Picture:
    degrees = (
        rng.choice([-1, 1])
        * (rng.uniform(10, 14), rng.uniform(14, 19), rng.uniform(19, 25))[strength]
    )
    if rng.random() < 0.5:
        return rotate_and_zoom(picture, degrees)
    height, width = picture.shape[:2]
    around = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    return cv2.warpAffine(picture, around, (width, height), borderValue=rng.choice(PAPERS))


def sharpen(picture: Picture, rng: random.Random, strength: int) -> Picture:
    amount, radius = (1.0, 1.8, 2.8)[strength], rng.choice([1.0, 1.6, 2.2])
    return cv2.addWeighted(
        picture, 1 + amount, cv2.GaussianBlur(picture, (0, 0), radius), -amount, 0
    )


def screenshot(picture: Picture, rng: random.Random, strength: int) -> Picture:
    """Show the picture in an app: status bar, account, buttons and comments, more of it at each strength."""
    width, height = 400, round((1.5, 1.8, 2.1)[strength] * 400)
    is_dark = rng.random() < 0.5
    paper, ink = ((18, 18, 20), (230,) * 3) if is_dark else ((255, 255, 255), (30,) * 3)
    page = np.full((height, width, 3), paper, np.uint8)
    room = height * 0.6
    wide = min(width, int(room * picture.shape[1] / picture.shape[0]))
    inner = sized(picture, wide, max(8, round(wide * picture.shape[0] / picture.shape[1])))
    top = round((height - inner.shape[0]) * 0.4)
    left = (width - wide) // 2
    page[top : top + inner.shape[0], left : left + wide] = inner
    page = write(
        page, f"{rng.randint(10, 23)}:{rng.randint(10, 59)}      5G  84%", (0.5, 0.02), 0.04, 0, ink
    )
    cv2.circle(page, (26, top - 24), 14, (90, 120, 200), -1)
    page = write(page, f"photo_user{rng.randint(1, 99)}", (0.3, (top - 24) / height), 0.045, 0, ink)
    below = top + inner.shape[0]
    for number in range(4):
        cv2.circle(page, (26 + 44 * number, below + 22), 11, ink, 2)
    for line in range(2 + 2 * strength):
        at = 0.45, (below + 56 + 26 * line) / height
        page = write(page, f"{rng.choice(WORDS)} {rng.choice(WORDS)}", at, 0.04, 0, ink)
    return page


def hue(picture: Picture, rng: random.Random, strength: int) -> Picture:
    hsv = cv2.cvtColor(picture, cv2.COLOR_RGB2HSV)
    hsv[..., 0] = (hsv[..., 0].astype(int) + rng.choice([-1, 1]) * (20, 45, 85)[strength]) % 180
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)


def gamma(picture: Picture, rng: random.Random, strength: int) -> Picture:
    power = ((0.65, 1.5), (0.5, 2.0), (0.38, 2.6))[strength][rng.randrange(2)]
    return clipped(255 * (picture / 255.0) ** power)


def contrast(picture: Picture, rng: random.Random, strength: int) -> Picture:
    gain = ((0.6, 1.5), (0.45, 1.9), (0.3, 2.5))[strength][rng.randrange(2)]
    return clipped((picture.astype(float) - 127) * gain + 127)


def brightness(picture: Picture, rng: random.Random, strength: int) -> Picture:
    return clipped(picture + float(rng.choice([-1, 1]) * (40, 60, 85)[strength]))


def letterbox(picture: Picture, rng: random.Random, strength: int) -> Picture:
    height, width = picture.shape[:2]
    bars = [round((0.12, 0.22, 0.35)[strength] * side(picture))] * 2
    sides = [*bars, 0, 0] if width >= height else [0, 0, *bars]
    return cv2.copyMakeBorder(picture, *sides, cv2.BORDER_CONSTANT, value=rng.choice(PAPERS))


def jpeg(picture: Picture, _: random.Random, strength: int) -> Picture:
    return encode_and_decode(picture, quality=(20, 10, 6)[strength])


def webp(picture: Picture, _: random.Random, strength: int) -> Picture:
    return encode_and_decode(picture, "WEBP", (30, 12, 3)[strength])


def noise(picture: Picture, rng: random.Random, strength: int) -> Picture:
    return clipped(picture + seeded(rng).normal(0, (12, 22, 36)[strength], picture.shape))


def watermark(picture: Picture, rng: random.Random, strength: int) -> Picture:
    ink = np.zeros_like(picture)
    step, word = (150, 110, 80)[strength], rng.choice(["sample", "preview", "stock"])
    for row in range(-step, picture.shape[0] + step, step):
        for left in range(-(row % 97), picture.shape[1], round(1.5 * step)):
            cv2.putText(ink, word, (left, row), cv2.FONT_HERSHEY_SIMPLEX, 0.9, (255,) * 3, 2)
    height, width = picture.shape[:2]
    slant = cv2.getRotationMatrix2D((width / 2, height / 2), rng.choice([0, 30]), 1.2)
    return clipped(
        picture + (0.25, 0.35, 0.5)[strength] * cv2.warpAffine(ink, slant, (width, height))
    )


def night(picture: Picture, rng: random.Random, strength: int) -> Picture:
    """Turn day into night: dark, blue, dark corners."""
    y, x = (np.linspace(-1, 1, length) for length in picture.shape[:2])
    shade = 1 - 0.3 * np.hypot(*np.meshgrid(x, y))[..., None] ** 2
    dark = picture * (0.6, 0.45, 0.3)[strength] * shade * [0.75, 0.85, 1.2]
    return clipped(dark + rng.uniform(0, 8))


def palette(picture: Picture, _: random.Random, strength: int) -> Picture:
    """Encode as GIF: 128, 32 or 8 colours, dithered."""
    colours = (128, 32, 8)[strength]
    small = Image.fromarray(picture).convert("P", palette=Image.Palette.ADAPTIVE, colors=colours)
    return np.asarray(small.convert("RGB"))


def stickers(picture: Picture, rng: random.Random, strength: int) -> Picture:
    """Put round faces and hearts over the picture."""
    canvas = picture.copy()
    height, width = canvas.shape[:2]
    for _ in range((1, 2, 4)[strength]):
        r = round(rng.uniform(0.08, 0.13) * min(height, width))
        x, y = rng.randint(r, width - r), rng.randint(r, height - r)
        cv2.circle(canvas, (x, y), r, rng.choice([(255, 205, 60), (230, 40, 80), (255,) * 3]), -1)
        for eye in (-1, 1):
            cv2.circle(canvas, (x + eye * r // 3, y - r // 4), max(1, r // 8), (40, 30, 20), -1)
        cv2.ellipse(canvas, (x, y + r // 6), (r // 2, r // 3), 0, 0, 180, (40, 30, 20), 2)
    return canvas


def ai_sharpen(picture: Picture, _: random.Random, strength: int) -> Picture:
    """Enlarge, flatten areas, draw the edges again: what upscalers of phones do."""
    large = scale(picture, (1.5, 2, 2)[strength])
    flat = cv2.bilateralFilter(large, 7, (20, 35, 50)[strength], 5)
    return cv2.addWeighted(flat, 2.2, cv2.GaussianBlur(flat, (0, 0), 1.6), -1.2, 0)


def upscale_denoise(picture: Picture, _: random.Random, strength: int) -> Picture:
    large = scale(picture, 2)
    return cv2.bilateralFilter(large, 9, (30, 60, 90)[strength], 7)


def double_caption(picture: Picture, rng: random.Random, strength: int) -> Picture:
    share, paper = (0.1, 0.15, 0.22)[strength], rng.choice(PAPERS)
    px = round(share * side(picture))
    tall = cv2.copyMakeBorder(picture, px, px, 0, 0, cv2.BORDER_CONSTANT, value=paper)
    for row in (px / 2, tall.shape[0] - px / 2):
        tall = write(tall, rng.choice(WORDS), (0.5, row / tall.shape[0]), 0.08, 0, 255 - paper[0])
    return tall


def meme(picture: Picture, rng: random.Random, strength: int) -> Picture:
    for row in (0.11, 0.89):
        size = (0.1, 0.13, 0.16)[strength]
        picture = write(picture, rng.choice(WORDS).upper(), (0.5, row), size, 3)
    return picture


def story(picture: Picture, rng: random.Random, strength: int) -> Picture:
    """Fit into 9:16 over a blurred, enlarged version of itself."""
    height, width = 640, 360
    zoom = max(width / picture.shape[1], height / picture.shape[0])
    back = sized(
        picture,
        max(width, round(picture.shape[1] * zoom)),
        max(height, round(picture.shape[0] * zoom)),
    )
    left, top = (back.shape[1] - width) // 2, (back.shape[0] - height) // 2
    page = cv2.GaussianBlur(back[top : top + height, left : left + width], (0, 0), 14)
    page = clipped(page * (0.6 if rng.random() < 0.5 else 0.9))
    share = (1.0, 0.94, 0.88)[strength]
    fit = min(share * width / picture.shape[1], share * height / picture.shape[0])
    inner = sized(picture, int(picture.shape[1] * fit), int(picture.shape[0] * fit))
    top, left = (height - inner.shape[0]) // 2, (width - inner.shape[1]) // 2
    page[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
    return write(page, rng.choice(WORDS), (0.5, 0.08), 0.08, 1) if strength else page


def screen_photo(picture: Picture, rng: random.Random, strength: int) -> Picture:
    """Photograph a screen from the side: perspective, moire, glare, noise."""
    height, width = picture.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    px = (0.02, 0.05, 0.08)[strength] * side(picture)
    moved = (corners + seeded(rng).uniform(-px, px, (4, 2))).astype(np.float32)
    bend = cv2.getPerspectiveTransform(corners, moved)
    seen = cv2.warpPerspective(picture, bend, (width, height), borderValue=(20, 20, 22))
    y, x = np.mgrid[:height, :width]
    waves = np.sin(x * rng.uniform(0.9, 1.3) + 0.02 * y * x / 10) * np.sin(
        y * rng.uniform(0.8, 1.2)
    )
    glare = 30 * np.exp(-((x / width - 0.8) ** 2 + (y / height - 0.2) ** 2) / 0.05)
    lit = seen * [0.95, 1.0, 1.08] + ((4, 8, 12)[strength] * waves + glare)[..., None]
    grain = seeded(rng).normal(0, 4, picture.shape)
    return encode_and_decode(cv2.GaussianBlur(clipped(lit + grain), (0, 0), 0.8), quality=75)


def print_scan(picture: Picture, rng: random.Random, strength: int) -> Picture:
    """Print on paper and scan: white border, halftone dots, faded tones, slightly turned."""
    large = scale(picture, 1.5)
    height, width = large.shape[:2]
    y, x = np.mgrid[:height, :width]
    dots = np.sin((x + y) * 1.1) * np.sin((x - y) * 1.1)
    faded = 30 + large * 0.8 + (10, 16, 24)[strength] * dots[..., None]
    page = add_border(clipped(faded), ((0.03, 0.06, 0.1)[strength],) * 4, 246)
    around = cv2.getRotationMatrix2D(
        (page.shape[1] / 2, page.shape[0] / 2), rng.uniform(0.5, 2.0), 1
    )
    scan = cv2.warpAffine(page, around, page.shape[1::-1], borderValue=(250, 250, 248))
    return scale(cv2.GaussianBlur(scan, (0, 0), 0.9), 0.7)


def half_page(picture: Picture, rng: random.Random, strength: int) -> Picture:
    """Set the picture on half of a printed page with a column of text below."""
    width = picture.shape[1]
    tall = round(picture.shape[0] * (0.5, 0.75, 1.0)[strength])
    text = np.full((tall, width, 3), 250, np.uint8)
    for row in range(12, tall - 6, 12):
        for left in range(10, width - 40, 38):
            end = left + rng.randint(14, 32)
            cv2.line(text, (left, row), (min(end, width - 10), row), (60,) * 3, 3)
    return np.concatenate([picture, text])


def crop_half(picture: Picture, rng: random.Random, strength: int) -> Picture:
    return crop_to(picture, rng, (0.6, 0.5, 0.4)[strength])


def perspective(picture: Picture, rng: random.Random, strength: int) -> Picture:
    height, width = picture.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    share = (0.04, 0.08, 0.12)[strength]
    inwards = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) * seeded(rng).uniform(0, share, (4, 2))
    bend = cv2.getPerspectiveTransform(
        (corners + inwards * [width, height]).astype(np.float32), corners
    )
    return cv2.warpPerspective(picture, bend, (width, height), flags=cv2.INTER_CUBIC)


def stretch(picture: Picture, rng: random.Random, strength: int) -> Picture:
    factor = (1.15, 1.25, 1.4)[strength]
    return scale(picture, factor, 1.0) if rng.random() < 0.5 else scale(picture, 1.0, factor)


def local_contrast(picture: Picture, _: random.Random, strength: int) -> Picture:
    """Equalise the histogram of each tile, as HDR filters do."""
    lab = cv2.cvtColor(picture, cv2.COLOR_RGB2LAB)
    lab[..., 0] = cv2.createCLAHE((1.5, 3.0, 5.0)[strength], (8, 8)).apply(lab[..., 0])
    return cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)


def duotone(picture: Picture, rng: random.Random, strength: int) -> Picture:
    dark, bright = rng.choice([((20, 10, 70), (255, 190, 90)), ((0, 50, 60), (250, 240, 210))])
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[..., None] / 255.0
    toned = np.array(dark) * (1 - grey) + np.array(bright) * grey
    share = (0.6, 0.8, 1.0)[strength]
    return clipped(share * toned + (1 - share) * picture)


def posterise(picture: Picture, _: random.Random, strength: int) -> Picture:
    bits = (3, 2, 2)[strength]
    step = 256 >> bits
    soft = cv2.GaussianBlur(picture, (0, 0), 1.5) if strength == 2 else picture
    return (soft // step * step + step // 2).astype(np.uint8)


def mirror_crop_tone(picture: Picture, rng: random.Random, strength: int) -> Picture:
    cut = crop_to(picture[:, ::-1], rng, (0.85, 0.75, 0.65)[strength])
    return encode_and_decode(gamma(cut, rng, strength // 2), quality=(70, 50, 35)[strength])


def auto_tone(picture: Picture, _: random.Random, strength: int) -> Picture:
    """Stretch each channel to the full range, as "auto" buttons do, then saturate."""
    low, high = np.percentile(
        picture, [(0.5, 2, 5)[strength], 100 - (0.5, 2, 5)[strength]], axis=(0, 1)
    )
    even = clipped((picture - low) * 255 / np.maximum(high - low, 1))
    grey = even.mean(axis=2, keepdims=True)
    return clipped(grey + (even - grey) * (1.1, 1.4, 1.8)[strength])


def soften(picture: Picture, _: random.Random, strength: int) -> Picture:
    """Smooth skin: a bilateral filter, then a glow."""
    flat = cv2.bilateralFilter(picture, 9, (30, 60, 90)[strength], 7)
    return clipped(0.75 * flat + 0.25 * cv2.GaussianBlur(flat, (0, 0), 6).astype(float) + 6)


TUNED: dict[str, Edit] = {
    "strong blur": blur,
    "repost": repost,
    "outlined text": outlined_text,
    "turned 10-25 degrees": turn,
    "sharpened": sharpen,
    "screenshot": screenshot,
    "hue": hue,
    "gamma": gamma,
    "contrast": contrast,
    "brightness": brightness,
    "letterbox": letterbox,
    "JPEG 20 to 6": jpeg,
    "WebP 30 to 3": webp,
    "noise": noise,
    "watermark": watermark,
    "night filter": night,
    "GIF palette": palette,
    "stickers": stickers,
    "AI-style sharpening": ai_sharpen,
    "2x upscale, denoised": upscale_denoise,
    "double caption": double_caption,
    "meme": meme,
    "story, blurred bars": story,
    "photo of a screen": screen_photo,
    "print and scan": print_scan,
    "half of a page": half_page,
    "crop to 60-40 %": crop_half,
    "perspective": perspective,
    "stretched": stretch,
    "local contrast": local_contrast,
    "duotone": duotone,
    "posterised": posterise,
    "mirror, crop, tone": mirror_crop_tone,
    "automatic tone": auto_tone,
    "softened": soften,
}
