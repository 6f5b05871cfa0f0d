"""Find pictures that share content with another one: a collage, a screenshot, a copy that the search missed.

The search for copies asks whether two pictures are one photograph, so it must refuse a collage of it. A split asks
less: whether one picture gives the other away. Nearest neighbours by embedding are therefore compared by keypoints
alone, with limits that say nothing about overlap, tone or drift. Groups of copies are never used. Limits come from
benchmarks/bench_leaks.py.
"""

import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from curation.similarity.neighbours import Compact, closeness_of, cosines, nearest_vectors
from curation.similarity.picture_features import FeatureCache, Features, ncc
from curation.similarity.transforms import KeypointMatches

NEIGHBOURS: Final = 6  # of each picture
PART_NEIGHBOURS: Final = 4  # of each part of a composite picture
MIN_COSINE: Final = 0.4
MOST_PAIRS: Final = 12_000  # are compared in one run, the most similar first: some 30 s of CPU
PART_INLIERS: Final = 24  # ties two pictures for splitting, as `scene_inliers` does
LEAK_INLIERS: Final = 8  # is reported when the two are in different splits
MIN_SPREAD: Final = 0.02  # share of the first picture that the matching spots span

SEAM_TONES: Final = 12  # grey levels between the two sides of a seam
SEAM_SHARE: Final = 0.5  # of the length of a seam that has such a step
SEAM_NCC: Final = (
    0.65  # of the lines beside it: an edge in one photograph has the same things on both sides
)
SEAM_BESIDE: Final = 3  # px from a seam to those lines
SEAM_MARGIN: Final = 0.15  # of the side without a seam
LEAST_PART_PX: Final = 64

Pair = tuple[str, str]


@dataclass(frozen=True)
class SharedContent:
    """Two pictures (`a` before `b`) that share content: the cosine of their embeddings, and spots that agree."""

    a: str
    b: str
    cosine: float
    inliers: int


Box = tuple[float, float, float, float]
"""Top, bottom, left and right of a part, as shares of the sides."""
Grey8 = NDArray[np.uint8]


def parts_of(grey: Grey8) -> list[Box]:
    """Cut a picture along straight seams that run through all of it, twice: the photographs of a collage.

    Empty where there is no seam. Frames of doors look the same, so a part is a candidate and no more.
    """
    return [
        box
        for first in _halves(grey, (0.0, 1.0, 0.0, 1.0))
        for box in (_halves(grey, first) or [first])
    ]


def _halves(grey: Grey8, box: Box) -> list[Box]:
    top, bottom, left, right = box
    height, width = grey.shape
    rows, columns = (
        slice(round(top * height), round(bottom * height)),
        slice(round(left * width), round(right * width)),
    )
    part = grey[rows, columns].astype(np.int16)
    if min(part.shape) < LEAST_PART_PX:
        return []
    (across, x), (down, y) = _seam(part), _seam(part.T)
    if max(across, down) < SEAM_SHARE:
        return []
    if across >= down:
        middle = left + (right - left) * x
        return [(top, bottom, left, middle), (top, bottom, middle, right)]
    middle = top + (bottom - top) * y
    return [(top, middle, left, right), (middle, bottom, left, right)]


def _seam(part: NDArray[np.int16]) -> tuple[float, float]:
    """Give the share of rows with a step at the best column, less that of columns beside it, and where it is.

    Columns with the same things on both sides do not count, as those of a post before a fence.
    """
    steps = (np.abs(part[:, 2:] - part[:, :-2]) > SEAM_TONES).mean(axis=0)
    beside = (np.roll(steps, 6) + np.roll(steps, -6)) / 2
    margin = max(8, round(SEAM_MARGIN * len(steps)))
    inside = (steps - np.minimum(beside, 0.5) * 0.5)[margin:-margin]
    clear = np.flatnonzero(inside >= SEAM_SHARE)
    for best in clear[np.argsort(-inside[clear], kind="stable")].tolist():
        column = best + margin + 1
        left, right = (part[:, column + side] for side in (-SEAM_BESIDE, SEAM_BESIDE))
        if ncc(left.astype(np.float32), right.astype(np.float32)) <= SEAM_NCC:
            return float(inside[best]), column / part.shape[1]
    return 0.0, 0.0


@dataclass
class ContentComparison:
    """Compares pairs by keypoints, each once; `known` has the inliers of pairs that were compared before.

    At most `most_pairs` are compared, the most similar first; `n_skipped` counts those of the last call beyond them.
    """

    features: FeatureCache
    known: dict[Pair, int] = field(default_factory=dict)
    most_pairs: int = MOST_PAIRS
    n_skipped: int = 0
    parts: dict[str, list[Box]] = field(default_factory=dict)
    new: dict[Pair, tuple[float, int]] = field(default_factory=dict)
    _cut: set[str] = field(default_factory=set)

    def shared(self, candidates: Mapping[Pair, float], min_inliers: int) -> list[SharedContent]:
        """Give the pairs with at least `min_inliers`, most similar first; `candidates` has the cosine of each pair."""
        ordered = sorted(candidates.items(), key=lambda item: (-item[1], item[0]))
        new = [pair for pair, _ in ordered if pair not in self.known]
        chosen = new[: max(0, self.most_pairs - len(self.new))]
        self.n_skipped = len(new) - len(chosen)
        # One BLAS thread in each of these threads: several spin over products of 300 descriptors.
        with threadpool_limits(1, "blas"), ThreadPoolExecutor(os.cpu_count()) as pool:
            for pair, inliers in zip(chosen, pool.map(self._inliers, chosen), strict=True):
                self.known[pair] = inliers
                self.new[pair] = candidates[pair], inliers
        return [
            SharedContent(*pair, cosine, self.known[pair])
            for pair, cosine in ordered
            if self.known.get(pair, 0) >= min_inliers
        ]

    def find_parts(self, names: Iterable[str]) -> None:
        """Look for the parts of these pictures, as is done for all that are compared."""
        for name in names:
            self._of(name)

    def _inliers(self, pair: Pair) -> int:
        cv2.setNumThreads(1)  # the pool has the threads
        return common_spots(*(self._of(name) for name in pair))

    def _of(self, name: str) -> Features:
        features = self.features.of(name)
        if name not in self._cut:
            self._cut.add(name)
            if boxes := parts_of(features.pixels):
                self.parts[name] = boxes
        return features

    def part_thumbnails(self, side_px: int) -> tuple[list[str], NDArray[np.uint8]]:
        """Cut the parts of the composite pictures that were compared: their names, and RGB (N, side, side, 3)."""
        names, thumbnails = [], []
        for name, boxes in sorted(self.parts.items()):
            pixels = self.features.load(name)
            height, width = pixels.shape[:2]
            for top, bottom, left, right in boxes:
                rows = slice(round(top * height), round(bottom * height))
                part = pixels[rows, round(left * width) : round(right * width)]
                names.append(name)
                thumbnails.append(
                    cv2.resize(part, (side_px, side_px), interpolation=cv2.INTER_AREA)
                )
        shape = (len(names), side_px, side_px, 3)
        return names, np.asarray(thumbnails, np.uint8).reshape(shape)


def part_pairs(
    owners: list[str],
    parts: Compact,
    names: tuple[str, ...],
    vectors: Compact,
    side_of: Mapping[str, str] | None = None,
) -> dict[Pair, float]:
    """Pair composite pictures with the nearest pictures of each of their parts; with `side_of`, of other splits."""
    nearest = nearest_vectors(parts, vectors, PART_NEIGHBOURS, closeness_of(MIN_COSINE))
    result: dict[Pair, float] = {}
    for owner, ids, near in zip(
        owners, nearest.ids.tolist(), cosines(nearest.closeness).tolist(), strict=True
    ):
        for place, value in zip(ids, near, strict=True):
            other = names[place] if place >= 0 else owner
            if other != owner and (side_of is None or side_of.get(other) != side_of.get(owner)):
                one, two = sorted((owner, other))
                result[one, two] = max(value, result.get((one, two), 0.0))
    return result


def common_spots(one: Features, two: Features) -> int:
    """Count the spots on which two pictures agree by one affine map; 0 where these lie in a small place (a logo)."""
    matches = KeypointMatches.of(one, two)
    transform, inliers = matches.affine()
    if transform is None or inliers < LEAK_INLIERS:
        return inliers
    moved = matches.source @ transform[:2, :2].T.astype(np.float32) + transform[:2, 2].astype(
        np.float32
    )
    agree = matches.target[np.hypot(*(moved - matches.target).T) < 4]
    if len(agree) < LEAK_INLIERS:
        return 0
    hull = cv2.convexHull(np.ascontiguousarray(agree, np.float32))
    height, width = one.pixels.shape
    return inliers if cv2.contourArea(hull) >= MIN_SPREAD * height * width else 0


def neighbour_pairs(
    names: tuple[str, ...], vectors: Compact, rows: NDArray[np.int64], others: NDArray[np.int64]
) -> dict[Pair, float]:
    """Pair the pictures of `rows` with their nearest ones of `others`: (smaller name, larger name) to cosine."""
    if not (len(rows) and len(others)):
        return {}
    is_same = len(rows) == len(others) and bool((rows == others).all())
    nearest = nearest_vectors(
        vectors[rows], vectors[others], NEIGHBOURS + is_same, closeness_of(MIN_COSINE)
    )
    result: dict[Pair, float] = {}
    near = cosines(nearest.closeness)
    for row, ids, cosine in zip(rows.tolist(), nearest.ids.tolist(), near.tolist(), strict=True):
        for place, value in zip(ids, cosine, strict=True):
            other = int(others[place]) if place >= 0 else row
            if other != row:
                one, two = sorted((names[row], names[other]))
                result[one, two] = value
    return result


def pairs_across(
    names: tuple[str, ...], vectors: Compact, side_of: Mapping[str, str]
) -> dict[Pair, float]:
    """Pair each picture of test and validation with its nearest ones of the other splits."""
    sides = np.array([side_of.get(name, "") for name in names])
    rows = {side: np.flatnonzero(sides == side) for side in ("train", "validation", "test")}
    result: dict[Pair, float] = {}
    for one, other in (("test", "train"), ("validation", "train"), ("test", "validation")):
        result |= neighbour_pairs(names, vectors, rows[one], rows[other])
    return result


def across(pairs: Iterable[SharedContent], side_of: Mapping[str, str]) -> list[SharedContent]:
    """Give the pairs whose pictures are in different splits."""
    return [pair for pair in pairs if side_of.get(pair.a) != side_of.get(pair.b)]
