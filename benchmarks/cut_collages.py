"""Collages whose tiles are cut: each photograph is cut to the frame of its tile, as photo apps do it.

They are added to a half of the harder corpus after it is made, so that its other files stay the same. A tile shows
most of its photograph, and so do a crop and a post: only what lies beside a tile tells it from them.
"""

import random
from collections import defaultdict

import cv2
import numpy as np

from benchmarks.dedupe_corpus import Corpus, CorpusFile
from benchmarks.dedupe_scores import Pairs
from benchmarks.edit_tools import sized
from benchmarks.photo_edits import Picture

SEED, N_COLLAGES = 23, 60
KIND = "cut collage"
WIDE, TALL = (640, 480), (480, 640)  # px: width and height of a collage
GUTTERS, TONES = (0, 0, 6, 12), (255, 0, 235)  # px; grey levels of what lies between tiles
Box = tuple[float, float, float, float]
"""Left, top, right and bottom, as shares of the sides."""
LAYOUTS: tuple[tuple[Box, ...], ...] = (
    ((0, 0, 0.5, 1), (0.5, 0, 1, 1)),
    ((0, 0, 1, 0.5), (0, 0.5, 1, 1)),
    ((0, 0, 0.65, 1), (0.65, 0, 1, 0.5), (0.65, 0.5, 1, 1)),
    ((0, 0, 1, 0.65), (0, 0.65, 0.5, 1), (0.5, 0.65, 1, 1)),
    ((0, 0, 0.5, 0.5), (0.5, 0, 1, 0.5), (0, 0.5, 0.5, 1), (0.5, 0.5, 1, 1)),
)


def cut_collage(pictures: list[Picture], rng: random.Random, layout: tuple[Box, ...]) -> Picture:
    """Cut a picture to each box of a layout, somewhere near its middle, and lay them side by side."""
    width, height = rng.choice((WIDE, TALL))
    gutter, tone = rng.choice(GUTTERS), rng.choice(TONES)
    page = np.full((height, width, 3), tone, np.uint8)
    for picture, (left, top, right, bottom) in zip(pictures, layout, strict=True):
        x, y = round(left * width), round(top * height)
        wide = round(right * width) - x - (gutter if right < 1 else 0)
        tall = round(bottom * height) - y - (gutter if bottom < 1 else 0)
        page[y : y + tall, x : x + wide] = _cut_to(picture, wide, tall, rng)
    return page


def _cut_to(picture: Picture, width: int, height: int, rng: random.Random) -> Picture:
    zoom = max(width / picture.shape[1], height / picture.shape[0])
    whole = sized(
        picture,
        max(width, round(picture.shape[1] * zoom)),
        max(height, round(picture.shape[0] * zoom)),
    )
    left, top = (
        round(rng.uniform(0.3, 0.7) * (length - cut))
        for length, cut in ((whole.shape[1], width), (whole.shape[0], height))
    )
    return whole[top : top + height, left : left + width]


def with_cut_collages(corpus: Corpus, half: int) -> Corpus:
    """Write collages of the copied photographs of a half, and give them with these photographs, shots and copies."""
    rng = random.Random(SEED + half)
    copied = {item.photograph for item in corpus.items if item.name != item.photograph}
    chosen = [item.name for item in corpus.items if item.edit == "original" and item.name in copied]
    collages, shown = [], set[str]()
    for number in range(N_COLLAGES):
        layout = LAYOUTS[number % len(LAYOUTS)]
        tiles = rng.sample(chosen, len(layout))
        name = f"cutcollage{number}"
        page = cut_collage([corpus.read(tile) for tile in tiles], rng, layout)
        cv2.imwrite(str(corpus.path(name)), cv2.cvtColor(page, cv2.COLOR_RGB2BGR))
        collages.append(CorpusFile(name, name, KIND))
        shown |= {corpus.truth[tile] for tile in tiles}
    scenes = {name.split("s")[0] for name in shown}
    rest = [
        item
        for item in corpus.items
        if corpus.truth[item.name] in shown or item.name.split("s")[0] in scenes
    ]
    truth = {item.name: corpus.truth[item.name] for item in rest}
    truth |= {item.name: item.name for item in collages}
    return Corpus(corpus.folder, [*rest, *collages], truth, corpus.shots)


def collages_of(corpus: Corpus) -> Corpus:
    """Give the collages alone."""
    items = [item for item in corpus.items if item.edit == KIND]
    return Corpus(corpus.folder, items, corpus.truth, corpus.shots)


def glued(corpus: Corpus, pairs: Pairs) -> tuple[int, int]:
    """Count the pairs of a collage with another picture, and the collages among them."""
    kind = {item.name: item.edit for item in corpus.items}
    with_others: dict[str, int] = defaultdict(int)
    for pair in pairs:
        for name in pair:
            if kind[name] == KIND:
                with_others[name] += 1
    return sum(KIND in {kind[a], kind[b]} for a, b in pairs), len(with_others)
