"""The section of the report about splits: values that sides share, the closest pairs, metadata baselines."""

import itertools
from dataclasses import dataclass
from typing import Final

from catalog import known_text
from curation.report.tiles import TileGroup, Tiles
from curation.run.summary import CurationSummary
from curation.splits.leaks import LeakAudit
from curation.splits.metadata_leaks import MetadataBaseline

SHOWN_PAIRS: Final = 6
KEYS: Final = {
    "group_id": "groups cut",
    "scene_id": "scenes cut",
    "camera": "cameras shared",
    "photographer": "photographers shared",
    "session": "sessions cut",
    "person": "persons shared",
}


@dataclass(frozen=True)
class SplitAudit:
    """One split policy: pictures by split, the cells of `KEYS` as text, cosines, closest pairs and baselines."""

    policy: str
    n: dict[str, int]
    shared: list[str]
    max_cosine: float
    p99_cosine: float
    closest: TileGroup
    baselines: tuple[MetadataBaseline, ...]
    n_sharing_content: int | None


def pictures_of(summary: CurationSummary) -> list[str]:
    """Name the pictures that the section shows."""
    pairs = itertools.chain(*(audit.pairs[:SHOWN_PAIRS] for audit in summary.audits))
    return [name for pair in pairs for name in (pair.test, pair.train)]


def split_audits(summary: CurationSummary, tiles: Tiles) -> list[SplitAudit]:
    """Give the audit of each policy."""
    return [
        SplitAudit(
            audit.policy,
            audit.n,
            [_shared_cell(audit, key) for key in KEYS],
            audit.max_cosine,
            audit.p99_cosine,
            _closest(audit, tiles),
            audit.baselines,
            audit.n_sharing_content,
        )
        for audit in summary.audits
    ]


def _shared_cell(audit: LeakAudit, key: str) -> str:
    """Write how many values are shared, and the share of pictures that have the key where it is small."""
    cell = f"{audit.shared_values[key]} ({audit.pictures_in_shared[key]})"
    unknown = known_text("", audit.known_shares[key]).strip()
    return unknown if unknown == "unknown" else f"{cell}, {unknown}" if unknown else cell


def _closest(audit: LeakAudit, tiles: Tiles) -> TileGroup:
    shown = [
        tiles.tile(name, f"{side} {name[:8]}, cosine {pair.cosine:.3f}", is_marked=side == "test")
        for pair in audit.pairs[:SHOWN_PAIRS]
        for side, name in (("test", pair.test), ("train", pair.train))
    ]
    return TileGroup(f"Closest pairs of {audit.policy}", len(shown), shown)
