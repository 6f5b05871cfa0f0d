"""The report's section on dropped pictures: some of each reason; files that do not decode show what is wrong."""

from collections.abc import Mapping
from typing import Any, Final

import polars as pl

from catalog import Catalog, ConsoleLinks
from curation.reading import frame
from curation.report.console_queries import DECISIONS
from curation.report.tiles import Tile, TileGroup, Tiles, describe_problem
from curation.run.summary import CurationSummary

SAMPLES_PER_REASON: Final = 6
_EVIDENCE_CHARS: Final = 60
_SAMPLES: Final = """
    SELECT rule, reason, asset_sha256, evidence FROM decisions WHERE run_id = ? AND decision = 'drop'
    QUALIFY row_number() OVER (PARTITION BY reason ORDER BY asset_sha256) <= ?
    ORDER BY reason, asset_sha256
"""


def dropped_samples(catalog: Catalog, run_id: str) -> pl.DataFrame:
    """Read up to `SAMPLES_PER_REASON` pictures of each reason: rule, reason, asset_sha256, evidence."""
    return frame(catalog, _SAMPLES, (run_id, SAMPLES_PER_REASON))


def dropped_groups(
    summary: CurationSummary, samples: pl.DataFrame, tiles: Tiles, links: ConsoleLinks
) -> list[TileGroup]:
    """Group the samples by reason."""
    return [
        TileGroup(
            reason,
            n,
            [
                _tile(row, tiles)
                for row in samples.filter(pl.col("reason") == reason).iter_rows(named=True)
            ],
            links.query(DECISIONS, [summary.run_id, "drop", reason]),
        )
        for reason, n in summary.dropped.items()
    ]


def _tile(row: Mapping[str, Any], tiles: Tiles) -> Tile:
    sha, evidence = row["asset_sha256"], str(row["evidence"] or "")
    if row["rule"] == "decode":
        return tiles.tile(sha, sha[:8], problem=describe_problem(row["reason"], evidence))
    is_sha = len(evidence) == 64 and evidence.isalnum()
    text = f"kept: {evidence[:8]}" if is_sha else evidence[:_EVIDENCE_CHARS]
    return tiles.tile(sha, f"{sha[:8]} {text}")
