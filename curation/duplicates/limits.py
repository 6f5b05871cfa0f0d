"""The limits of the search for copies, without the search: a plan reads them before anything heavy is loaded."""

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace

INDEX_VERSION = "2"
VERDICT_VERSION = "3"  # raise it when verdicts may change

KEEPER_ORDER = (
    "decodes", "settings", "unframed", "not_upscaled", "pixels", "quality", "taken_first", "seen_first",
)  # fmt: skip
"""What makes the keeper of a group of copies, the weightiest first; `keeper.py` says how each is judged."""


@dataclass(frozen=True)
class Reach:
    """How far the nearest are looked for: up to `nearest` of each kind, within `pdq` bits or from `cosine` on.

    `plain_pdq` bits are for pairs of which one is plain: hashes say little there, but a turned copy has no other sign.
    """

    nearest: int = 12
    cosine: float = 0.62
    pdq: int = 31
    plain_pdq: int = 10

    def key(self, *made_by: str) -> str:
        """Name the index of vectors and hashes made by these stages."""
        text = "\n".join([INDEX_VERSION, repr(self), *made_by])
        return hashlib.sha256(text.encode()).hexdigest()[:12]


@dataclass(frozen=True)
class VerificationLimits:
    """What counts as the same photograph; distances are in pixels of a picture whose longest side is 320.

    The `blind` ones are for two pictures of which no EXIF could say that they are two shots (`distinct_shots.py`).
    """

    inliers: int = 12
    overlap: float = 0.55
    ncc: float = 0.6
    detail_ncc: float = 0.7
    bad_share: float = 0.25
    drift_px: float = 0.25
    blind_drift_px: float = 0.15
    plain_ncc: float = 0.98
    strict_drift_px: float = 0.15
    blind_strict_drift_px: float = 0.08
    strict_detail_ncc: float = 0.9
    bend_px: float = 1.0
    scene_cosine: float = 0.6
    scene_inliers: int = 24

    def blind(self) -> "VerificationLimits":
        """Give the limits for two pictures without EXIF."""
        return replace(
            self, drift_px=self.blind_drift_px, strict_drift_px=self.blind_strict_drift_px
        )


@dataclass(frozen=True)
class DuplicateLimits:
    """Where candidates begin, what verification calls the same, and which copy represents the others."""

    reach: Reach = field(default_factory=Reach)
    verification: VerificationLimits = field(default_factory=VerificationLimits)
    keeper: tuple[str, ...] = KEEPER_ORDER
    threads: int = 2

    def compared_by(self, model_id: str) -> str:
        """Name what verdicts depend on besides the two pictures; equal names may share them."""
        text = json.dumps([VERDICT_VERSION, asdict(self.verification), model_id], sort_keys=True)
        return f"pixels@{VERDICT_VERSION}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
