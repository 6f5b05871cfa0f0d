"""Limits of the search for copies. This module imports no heavy library, so a plan can be read without the search."""

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace

INDEX_VERSION = "2"
VERDICT_VERSION = "18"  # raise it when verdicts may change

KEEPER_ORDER = (
    "decodes", "settings", "unframed", "not_upscaled", "pixels", "quality", "taken_first", "seen_first",
)  # fmt: skip
"""Criteria that choose the keeper of a group of copies, the most important first; `keeper.py` defines each."""


@dataclass(frozen=True)
class CandidateLimits:
    """Which pairs become candidates: up to `nearest` of each kind, within `pdq` bits or from `cosine` on.

    Pairs that are not transposed become candidates within `far_pdq` bits where the search meets them
    (`close_hashes.py`): letters over a picture change many bits.
    `plain_pdq` bits hold for pairs of which one picture is plain: its hash is weak evidence, but the only evidence for
    a rotated copy.
    """

    nearest: int = 12
    cosine: float = 0.55
    pdq: int = 31
    far_pdq: int = 72
    plain_pdq: int = 10

    def key(self, *made_by: str) -> str:
        """Name the index of vectors and hashes made by these stages."""
        fields = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        # "Reach" is the name of this class in older code: the key of an index must not change.
        text = "\n".join([INDEX_VERSION, f"Reach({fields})", *made_by])
        return hashlib.sha256(text.encode()).hexdigest()[:12]


@dataclass(frozen=True)
class VerificationLimits:
    """What counts as the same photograph; distances are in pixels of a picture whose longest side is 320.

    The `blind` limits hold where one of two pictures has no EXIF time that could tell two shots apart
    (`distinct_shots.py`). `copy_rules.py` and `comparison.py` say what each limit is for.
    """

    inliers: int = 12
    overlap: float = 0.55
    ncc: float = 0.6
    detail_ncc: float = 0.7
    bad_share: float = 0.05
    drift_px: float = 0.45
    blind_drift_px: float = 0.4
    coherent_px: float = 0.1
    blind_coherent_px: float = 0.09
    small_coherent_px: float = 0.04
    still_coherent_px: float = 0.06
    still_detail_ncc: float = 0.995
    coherent_share: float = 0.55
    large_overlap: float = 0.7
    plain_ncc: float = 0.98
    relief_ncc: float = 0.8
    worst_ncc: float = 0.9
    part_worst_ncc: float = 0.95
    part_textured_share: float = 0.6
    rich_textured_share: float = 0.45
    coloured_textured_share: float = 0.3
    same_chroma_ncc: float = 0.95
    chroma_ncc: float = 0.8
    strict_drift_px: float = 0.08
    rimmed_drift_px: float = 0.2
    slight_drift_px: float = 0.8
    slight_detail_ncc: float = 0.97
    overlay_drift_px: float = 0.06
    overlay_coherent_px: float = 0.025
    overlay_textured: float = 22
    exact_textured: float = 14
    exact_share: float = 0.1
    exact_worst_ncc: float = 0.99
    relit_drift_px: float = 0.2
    exact_detail_ncc: float = 0.998
    exact_drift_px: float = 0.03
    few_drift_px: float = 0.13
    few_coherent_px: float = 0.01
    strict_detail_ncc: float = 0.95
    bend_px: float = 0.3
    spread_px: float = 0.6
    explained_share: float = 0.85
    lens_px: float = 1.5
    lens_overlap: float = 0.7
    lens_drift_px: float = 0.1
    contained: float = 0.9
    mutual: float = 0.8
    part_overlap: float = 0.25
    part_contained: float = 0.5
    whole_overlap: float = 0.9
    photograph_odds: float = -2.5
    mutual_odds: float = -2.0
    slanted_odds: float = 0.0
    slant_px: float = 0.5
    paper_share: float = 0.9
    mode_share: float = 0.85
    page_mode_share: float = 0.7
    paper_odds: float = -0.95
    backdrop_ncc: float = 0.9
    repeated_detail_ncc: float = 0.6
    ground_relief: float = 4.0
    strip_odds: float = 3.0
    unmoved_detail_ncc: float = 0.99
    unmoved_overlap: float = 0.995
    unmoved_fine_ncc: float = 0.9
    unmoved_drift_px: float = 0.5
    unmoved_coherent_px: float = 0.17
    unmoved_left: float = 0.96
    overlay_ncc: float = 0.5
    spots_ncc: float = 0.2
    sure_inliers: int = 48
    overlaid_contained: float = 0.95
    overlaid_paper: float = 0.77
    shade_coherent_px: float = 0.12
    half_ncc: float = 0.7
    half_share: float = 0.38
    close_detail_ncc: float = 0.99
    scene_detail_ncc: float = 0.5
    side_detail_ncc: float = 0.4
    scene_drift_px: float = 1.5
    scene_coherent_px: float = 0.25
    aligned_coherent_px: float = 0.8
    scene_cosine: float = 0.6
    scene_inliers: int = 24

    def blind(self) -> "VerificationLimits":
        """Give the limits for two pictures without EXIF."""
        return replace(
            self,
            drift_px=self.blind_drift_px,
            coherent_px=self.blind_coherent_px,
        )


@dataclass(frozen=True)
class DuplicateLimits:
    """Which pairs are candidates, which are verified as copies, and which copy represents the others."""

    candidates: CandidateLimits = field(default_factory=CandidateLimits)
    verification: VerificationLimits = field(default_factory=VerificationLimits)
    keeper: tuple[str, ...] = KEEPER_ORDER
    threads: int = 2

    def compared_by(self, model_id: str) -> str:
        """Name what verdicts depend on besides the two pictures; verdicts with equal names may be reused."""
        text = json.dumps([VERDICT_VERSION, asdict(self.verification), model_id], sort_keys=True)
        return f"pixels@{VERDICT_VERSION}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
