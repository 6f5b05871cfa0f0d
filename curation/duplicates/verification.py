"""Decide whether two pictures are the same photograph, from their pixels.

Most candidates that are close by hash or embedding are bursts and look-alikes. A pair is a `duplicate` when one
picture, aligned with the other (`comparison.py`), correlates as a whole, in its fine structure and in nearly all parts,
without parts that moved together (`copy_rules.py`), and when the overlap is most of both pictures: a collage is not a
copy of its parts. A pair whose keypoints agree but whose pixels do not is the `same_scene`, which splits keep together.
All limits come from the tuning half of benchmarks/bench_hard_copies.py.
"""

from dataclasses import dataclass, replace

from curation.duplicates.comparison import compare_pictures, shares_geometry
from curation.duplicates.distinct_shots import Shot, are_distinct_shots
from curation.duplicates.limits import VerificationLimits
from curation.similarity.fit_measures import Fit
from curation.similarity.picture_features import FeatureCache


@dataclass(frozen=True)
class Verdict:
    """`verdict` is duplicate, same_scene or different; `fit` is the evidence; `framed` has the names with a frame."""

    verdict: str
    fit: Fit
    framed: tuple[str, ...] = ()


class Verifier:
    """Compares pictures by name. Safe to use from several threads."""

    def __init__(self, features: FeatureCache, limits: VerificationLimits | None = None) -> None:
        self.limits = limits or VerificationLimits()
        self._blind = self.limits.blind()
        self._features = features

    def verify(
        self,
        left: str,
        right: str,
        cosine: float,
        shots: tuple[Shot | None, Shot | None] = (None, None),
    ) -> Verdict:
        """Compare two pictures whose embeddings have this cosine; `shots` are their shots, None without EXIF."""
        limits = self.limits if all(shots) else self._blind
        is_apart = are_distinct_shots(*shots)
        verdict = self._by_pixels(left, right, cosine, limits, is_apart=is_apart)
        if verdict.verdict == "duplicate" and is_apart:
            return replace(verdict, verdict="same_scene")
        return verdict

    def _by_pixels(
        self, left: str, right: str, cosine: float, limits: VerificationLimits, *, is_apart: bool
    ) -> Verdict:
        one, two = self._features.of(left), self._features.of(right)
        framed = tuple(name for name, each in ((left, one), (right, two)) if each.is_framed)
        # One same_scene pair joins whole groups in the splits, so it needs more evidence than a candidate for a copy.
        is_close = cosine >= limits.scene_cosine
        compared = compare_pictures(one, two, limits, as_scene=is_apart and is_close)
        if compared.is_copy:
            return Verdict("duplicate", compared.fit, framed)
        is_scene = is_close and shares_geometry(compared.inliers, compared.whole_ncc, limits)
        return Verdict("same_scene" if is_scene else "different", compared.fit)
