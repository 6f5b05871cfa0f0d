"""Decide whether two pictures are the same photograph, from their pixels.

Most candidates that are close by hash or embedding are bursts and look-alikes. A pair is a `duplicate` when one
picture, aligned with the other (`alignment.py`), correlates as a whole, in its fine structure and in nearly all parts,
without drift, and when the overlap is most of both pictures: a collage is not a copy of its parts. Where keypoints
agree but pixels do not, two further fits are tried: a projective one, as of a picture photographed from the side, and
one that leaves out text or logos over the picture. Both have stricter limits.
A pair whose keypoints agree but whose pixels do not is the `same_scene`, which splits keep together. All limits come
from benchmarks/bench_dedupe.py.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from curation.duplicates.distinct_shots import Shot, are_distinct_shots
from curation.duplicates.limits import VerificationLimits
from curation.similarity.alignment import (
    fit_by_features,
    fit_projective,
    fit_whole,
    fit_without_overlay,
)
from curation.similarity.fit_measures import Fit
from curation.similarity.picture_features import Features

CACHE_SIZE = 4096  # pictures whose features are kept, about 0.15 MB each
OVERLAY_NCC = 0.5  # below it an overlay cannot be told from another picture
SCENE_NCC = 0.94  # whole pictures above it show one scene, with or without keypoints


@dataclass(frozen=True)
class Verdict:
    """`verdict` is duplicate, same_scene or different; `fit` is the evidence; `framed` has the names with a frame."""

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
        self._cache: OrderedDict[str, Features] = OrderedDict()
        self._lock = threading.Lock()

    def verify(
        self,
        left: str,
        right: str,
        cosine: float,
        shots: tuple[Shot | None, Shot | None] = (None, None),
    ) -> Verdict:
        """Compare two pictures whose embeddings have this cosine; `shots` are their shots, None without EXIF."""
        limits = self.limits if any(shots) else self.limits.blind()
        verdict = self._by_pixels(left, right, cosine, limits)
        if verdict.verdict == "duplicate" and are_distinct_shots(*shots):
            return replace(verdict, verdict="same_scene")
        return verdict

    def _by_pixels(
        self, left: str, right: str, cosine: float, limits: VerificationLimits
    ) -> Verdict:
        one, two = self._features(left), self._features(right)
        framed = tuple(name for name, each in ((left, one), (right, two)) if each.is_framed)
        whole = fit_whole(one, two)
        if is_copy(whole, limits):
            return Verdict("duplicate", whole, framed)
        by_features = fit_by_features(one, two, limits.inliers)
        if is_copy(by_features, limits):
            return Verdict("duplicate", by_features, framed)
        for fit in _further_fits(one, two, whole, by_features, limits):
            if is_copy(fit, limits):
                return Verdict("duplicate", fit, framed)
        best = by_features if by_features.ncc >= whole.ncc else whole
        # One same_scene pair joins whole groups in the splits, so it needs more evidence than a candidate for a copy.
        shares_geometry = by_features.inliers >= limits.scene_inliers or whole.ncc >= SCENE_NCC
        is_scene = shares_geometry and cosine >= limits.scene_cosine
        return Verdict("same_scene" if is_scene else "different", best)

    def _features(self, name: str) -> Features:
        with self._lock:
            if name in self._cache:
                self._cache.move_to_end(name)
                return self._cache[name]
        features = Features.of(self._load(name))
        with self._lock:
            self._cache[name] = features
            while len(self._cache) > CACHE_SIZE:
                self._cache.popitem(last=False)
        return features


def _further_fits(
    one: Features, two: Features, whole: Fit, by_features: Fit, limits: VerificationLimits
) -> Iterator[Fit]:
    """Fit once more where keypoints agree but pixels do not: by a projective transform, and without overlays."""
    min_inliers = limits.scene_inliers
    is_aligned = by_features.inliers >= min_inliers and by_features.overlap >= limits.overlap
    if is_aligned and not by_features.is_plain and _correlates(by_features, limits):
        yield fit_projective(one, two, min_inliers)
    if is_aligned or max(whole.ncc, by_features.ncc) >= OVERLAY_NCC:
        yield fit_without_overlay(one, two, min_inliers)


def is_copy(fit: Fit, limits: VerificationLimits) -> bool:
    """Decide whether a fit is that of two copies of one photograph; plain pictures need a nearly perfect fit."""
    if fit.overlap < limits.overlap:
        return False
    if fit.is_plain:
        return fit.ncc >= limits.plain_ncc
    if not _correlates(fit, limits):
        return False
    if fit.bend_px > 0:
        # A projective transform explains a part of the movement between two shots. A real slant is large and leaves
        # no drift.
        return fit.bend_px >= limits.bend_px and fit.drift_px <= limits.strict_drift_px
    if fit.overlay_share > 0:
        has_detail = fit.detail_ncc >= limits.strict_detail_ncc
        return has_detail and fit.drift_px <= limits.strict_drift_px
    return fit.drift_px <= limits.drift_px


def _correlates(fit: Fit, limits: VerificationLimits) -> bool:
    return (
        fit.ncc >= limits.ncc
        and fit.detail_ncc >= limits.detail_ncc
        and fit.bad_share <= limits.bad_share
    )
