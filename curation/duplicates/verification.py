"""Decide whether two pictures are the same photograph, from their pixels.

Candidates that are close by hash or embedding are mostly bursts and look-alikes. A pair is a `duplicate` when one
picture, laid over the other (`alignment.py`), correlates as a whole, in its fine structure and in nearly all
parts, without drift, and when the overlap is most of both pictures: a collage is not a copy of its parts. What
agrees on a map but not in its pixels gets a second look: as photographed from the side, and beside words or
logos that are written over it; both must then leave next to nothing over.
A pair that fits the map but not the pixels is the `same_scene`, which splits keep together. All limits come
from benchmarks/bench_dedupe.py.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from curation.duplicates.distinct_shots import Shot, are_apart
from curation.duplicates.limits import VerificationLimits
from curation.similarity.alignment import (
    Features,
    Fit,
    fit_bent,
    fit_beside_writing,
    fit_by_features,
    fit_whole,
)

MEMORY = 1024  # pictures whose features are kept, about 0.6 MB each
WRITTEN_NCC = 0.5  # with less in common nothing tells writing from another picture
ALIKE_NCC = 0.94  # whole pictures that correlate like this show one scene, with or without features


@dataclass(frozen=True)
class Verdict:
    """`verdict` is duplicate, same_scene or different; `fit` is the evidence; `framed` names who has a frame."""

    verdict: str
    fit: Fit
    framed: tuple[str, ...] = ()


class Verifier:
    """Compares pictures by name and keeps their features. Safe to use from several threads.

    `load` gives upright RGB pixels (height, width, 3), of any size; more than 320 px a side are not used.
    """

    def __init__(
        self, load: Callable[[str], NDArray[np.uint8]], limits: VerificationLimits | None = None
    ) -> None:
        self.limits = limits or VerificationLimits()
        self._load = load
        self._kept: OrderedDict[str, Features] = OrderedDict()
        self._lock = threading.Lock()

    def verify(
        self,
        left: str,
        right: str,
        cosine: float,
        shots: tuple[Shot | None, Shot | None] = (None, None),
    ) -> Verdict:
        """Compare two pictures whose embeddings have this cosine; `shots` says what EXIF knows of each."""
        limits = self.limits if any(shots) else self.limits.blind()
        found = self._by_pixels(left, right, cosine, limits)
        if found.verdict == "duplicate" and are_apart(*shots):
            return replace(found, verdict="same_scene")
        return found

    def _by_pixels(
        self, left: str, right: str, cosine: float, limits: VerificationLimits
    ) -> Verdict:
        one, two = self._features(left), self._features(right)
        framed = tuple(name for name, each in ((left, one), (right, two)) if each.is_framed)
        whole = fit_whole(one, two)
        if is_copy(whole, limits):
            return Verdict("duplicate", whole, framed)
        mapped = fit_by_features(one, two, limits.inliers)
        if is_copy(mapped, limits):
            return Verdict("duplicate", mapped, framed)
        for second in _second_looks(one, two, whole, mapped, limits):
            if is_copy(second, limits):
                return Verdict("duplicate", second, framed)
        best = mapped if mapped.ncc >= whole.ncc else whole
        # A tie joins whole groups in the splits, so it takes more than a copy needs to be looked at.
        shares_geometry = mapped.inliers >= limits.scene_inliers or whole.ncc >= ALIKE_NCC
        is_scene = shares_geometry and cosine >= limits.scene_cosine
        return Verdict("same_scene" if is_scene else "different", best)

    def _features(self, name: str) -> Features:
        with self._lock:
            if name in self._kept:
                self._kept.move_to_end(name)
                return self._kept[name]
        found = Features.of(self._load(name))
        with self._lock:
            self._kept[name] = found
            while len(self._kept) > MEMORY:
                self._kept.popitem(last=False)
        return found


def _second_looks(
    one: Features, two: Features, whole: Fit, mapped: Fit, limits: VerificationLimits
) -> Iterator[Fit]:
    """Fit once more what agrees on a map but not in its pixels: as bent, and beside what is written over it."""
    many = limits.scene_inliers
    is_mapped = mapped.inliers >= many and mapped.overlap >= limits.overlap
    if is_mapped and not mapped.is_plain and _correlates(mapped, limits):
        yield fit_bent(one, two, many)
    if is_mapped or max(whole.ncc, mapped.ncc) >= WRITTEN_NCC:
        yield fit_beside_writing(one, two, many)


def is_copy(fit: Fit, limits: VerificationLimits) -> bool:
    """Tell whether a fit is that of two copies of one photograph; plain pictures need a nearly perfect one."""
    if fit.overlap < limits.overlap:
        return False
    if fit.is_plain:
        return fit.ncc >= limits.plain_ncc
    if not _correlates(fit, limits):
        return False
    if fit.bend_px > 0:
        # A slant explains a part of what a second shot moves: a real one is large and leaves nothing over.
        return fit.bend_px >= limits.bend_px and fit.drift_px <= limits.strict_drift_px
    if fit.written_share > 0:
        fine = fit.detail_ncc >= limits.strict_detail_ncc
        return fine and fit.drift_px <= limits.strict_drift_px
    return fit.drift_px <= limits.drift_px


def _correlates(fit: Fit, limits: VerificationLimits) -> bool:
    return (
        fit.ncc >= limits.ncc
        and fit.detail_ncc >= limits.detail_ncc
        and fit.bad_share <= limits.bad_share
    )
