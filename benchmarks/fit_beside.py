"""Train what tells a page, a table or a frame around a photograph from another photograph beside it.

    python -m benchmarks.fit_beside --data DIR [--tries N] [--examples FILE]

`--examples` keeps the measures in a file, or reads them from there.

Photographs of the tuning half of bench_hard_copies.py, or crops and light edits of them, are put on the pages and into
the collages of `page_kinds.py`, and on the pages of `hard_edits.py` that are used for choosing limits; half of the
crops are compared with the photograph itself. Each pair is aligned as the search does it. The trees, and how well they
do on photographs that they were not trained on, go to `curation/similarity/beside/photograph_beside.json`.
"""

import argparse
import json
import pickle
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.model_selection import GroupKFold

from benchmarks.dedupe_corpus import photographs
from benchmarks.edit_tools import crop_to, side
from benchmarks.hard_corpus import TUNING
from benchmarks.hard_edits import TUNED
from benchmarks.page_kinds import COLLAGES, PAGES
from benchmarks.photo_edits import Picture, encode_and_decode, scale
from curation.similarity.alignment import Alignment, align_by_features, refine
from curation.similarity.beside.beside_measures import BesideMeasures, beside_measures
from curation.similarity.beside.photograph_beside import TREES
from curation.similarity.beside.surroundings import surroundings
from curation.similarity.fit_measures import Fit
from curation.similarity.picture_features import Features
from curation.similarity.transforms import KeypointMatches

TUNED_PAGES = (
    "repost", "screenshot", "double caption", "meme", "story, blurred bars", "photo of a screen", "print and scan",
    "half of a page", "letterbox", "turned 10-25 degrees",
)  # fmt: skip
LIGHT = ("JPEG 20 to 6", "gamma", "contrast", "sharpened", "night filter", "outlined text")
REST = "the photograph of which it is a crop"
LARGEST = 512  # px, at which the search sees pictures
MAX_DRIFT_PX, MIN_DETAIL_NCC, MIN_CONTAINED, MAX_OVERLAP = 0.13, 0.95, 0.9, 0.97
TREES_N, LEAVES, RATE, SHARE, LEAST_ROWS, MEASURES_A_SPLIT = 250, 12, 0.08, 0.7, 10, 6
PASSED = (0.05, 0.03, 0.02, 0.01)  # shares of collages at which the share of pages is printed


@dataclass(frozen=True)
class Example:
    """The measures of one pair; `is_collage` is what is to be told; folds keep a `photograph` together."""

    photograph: str
    kind: str
    is_collage: bool
    measures: NDArray[np.float64]


def make_pair(
    pictures: list[tuple[str, Picture]], rng: random.Random
) -> tuple[str, str, bool, Picture, Picture]:
    """Give the name of a photograph, the kind of pair, whether it is a collage, the smaller and the larger picture."""
    chosen = rng.sample(pictures, 6)
    name, picture = chosen[0]
    small = picture
    if rng.random() < 0.2:
        small = crop_to(picture, rng, rng.uniform(0.4, 0.9))
    if rng.random() < 0.5:
        small = TUNED[rng.choice(LIGHT)](small, rng, rng.randrange(3))
    draw = rng.random()
    if draw < 0.45:
        kind = rng.choice(sorted(COLLAGES))
        large = COLLAGES[kind]([each for _, each in chosen], rng)
        return name, kind, True, small, large
    if draw < 0.65:
        return name, REST, False, crop_to(picture, rng, rng.uniform(0.25, 0.85)), picture
    if draw < 0.9:
        kind = rng.choice(sorted(PAGES))
        return name, kind, False, small, PAGES[kind](picture, rng)
    kind = rng.choice(TUNED_PAGES)
    return name, kind, False, small, TUNED[kind](picture, rng, rng.randrange(3))


def as_seen(picture: Picture, rng: random.Random) -> Picture:
    """Compress in most cases, and scale down to what the search sees."""
    if rng.random() < 0.7:
        picture = encode_and_decode(picture, quality=rng.choice((50, 70, 85, 95)))
    return scale(picture, LARGEST / side(picture)) if side(picture) > LARGEST else picture


def aligned(one: Features, two: Features) -> tuple[Fit, Alignment] | None:
    """Align by keypoints, with equal tones or with a slant where that is better; None where they do not agree."""
    matches = KeypointMatches.of(one, two)
    start = align_by_features(matches, 12)
    if start is None:
        return None
    best = refine(one.grey, start, rough=True)
    if best[0].drift_px > 0.08:
        best = min(best, refine(one.grey, best[1], matched=True), key=lambda fit: fit[0].drift_px)
    slanted = align_by_features(matches, 24, is_projective=True)
    if best[0].drift_px > MAX_DRIFT_PX and slanted:
        other = refine(one.grey, slanted, matched=True, rough=True)
        best = min(best, other, key=lambda fit: fit[0].drift_px)
    fit = best[0]
    is_close = fit.drift_px <= MAX_DRIFT_PX and fit.detail_ncc >= MIN_DETAIL_NCC
    is_part = fit.contained >= MIN_CONTAINED and fit.overlap <= MAX_OVERLAP
    return best if is_close and is_part else None


def examples(pictures: list[tuple[str, Picture]], seeds: range) -> list[Example]:
    """Make one pair for each seed, and measure those that align and have something beside."""
    cv2.setNumThreads(1)
    measured = []
    for seed in seeds:
        rng = random.Random(seed)
        name, kind, is_collage, *pair = make_pair(pictures, rng)
        one, two = (Features.of(as_seen(np.ascontiguousarray(each), rng)) for each in pair)
        if best := aligned(one, two):
            alignment = best[1]
            around = surroundings(one.grey, alignment.grey, alignment.transform)
            if around.is_seen:
                measured.append(Example(name, kind, is_collage, beside_measures(around).vector()))
    return measured


def make_examples(data: Path, n: int) -> list[Example]:
    pictures = list(photographs(data, TUNING))
    make: Callable[[range], list[Example]] = partial(examples, pictures)
    with ProcessPoolExecutor(2) as pool:
        parts: Iterator[list[Example]] = pool.map(
            make, [range(start, min(n, start + 100)) for start in range(0, n, 100)]
        )
        return [each for part in parts for each in part]


def network() -> GradientBoostingClassifier:
    return GradientBoostingClassifier(
        n_estimators=TREES_N, max_leaf_nodes=LEAVES, max_depth=None, learning_rate=RATE,
        subsample=SHARE, min_samples_leaf=LEAST_ROWS, max_features=MEASURES_A_SPLIT, random_state=0,
    )  # fmt: skip


def held_out(rows: list[Example]) -> NDArray[np.float64]:
    """Give the log-odds of each example from trees that were trained on other photographs."""
    x, y = np.array([each.measures for each in rows]), np.array([each.is_collage for each in rows])
    odds = np.zeros(len(rows))
    for train, test in GroupKFold(5).split(x, y, [each.photograph for each in rows]):
        odds[test] = network().fit(x[train], y[train]).decision_function(x[test])
    return odds


def as_json(model: GradientBoostingClassifier) -> dict[str, object]:
    trees = [each.tree_ for each in model.estimators_[:, 0]]
    share = model.init_.class_prior_[1]
    return {
        "start": round(float(np.log(share / (1 - share))), 6),
        "trees": [
            {
                "measure": np.where(tree.children_left < 0, -1, tree.feature).tolist(),
                "threshold": [float(f"{each:.5g}") for each in tree.threshold],
                "left": np.maximum(tree.children_left, 0).tolist(),
                "right": np.maximum(tree.children_right, 0).tolist(),
                "value": (RATE * tree.value[:, 0, 0]).round(4).tolist(),
            }
            for tree in trees
        ],
    }


def card(rows: list[Example], odds: NDArray[np.float64]) -> dict[str, object]:
    """Say what the trees were trained on and how they do on photographs that were left out."""
    is_collage = np.array([each.is_collage for each in rows])
    limits = {share: float(np.quantile(odds[is_collage], share)) for share in PASSED}
    kinds = np.array([each.kind for each in rows])
    return {
        "made by": "python -m benchmarks.fit_beside --data DATA",
        "examples": {"pages, frames, crops": int((~is_collage).sum()), "collages": int(is_collage.sum())},
        "measures": [field.name for field in fields(BesideMeasures)],
        "left out: collages that pass, log-odds, pages that pass": [
            [share, round(limit, 2), round(float((odds[~is_collage] < limit).mean()), 4)]
            for share, limit in limits.items()
        ],
        f"left out: share that passes at {PASSED[1]}, by kind": {
            kind: round(float((odds[kinds == kind] < limits[PASSED[1]]).mean()), 3)
            for kind in sorted(set(kinds))
        },
    }  # fmt: skip


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--data", type=Path, required=True)
    arguments.add_argument("--tries", type=int, default=12_000)
    arguments.add_argument("--examples", type=Path)
    given = arguments.parse_args()
    if given.examples and given.examples.exists():
        rows: list[Example] = pickle.loads(given.examples.read_bytes())
    else:
        rows = make_examples(given.data, given.tries)
        if given.examples:
            given.examples.write_bytes(pickle.dumps(rows))
    about = card(rows, held_out(rows))
    print(json.dumps(about, indent=1))
    x, y = np.array([each.measures for each in rows]), np.array([each.is_collage for each in rows])
    content = {"about": about, **as_json(network().fit(x, y))}
    TREES.write_text(json.dumps(content, separators=(",", ":")) + "\n", "utf-8")


if __name__ == "__main__":
    main()
