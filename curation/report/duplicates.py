"""The report's section on duplicates: the riskiest groups, each with its keeper and the evidence of the others."""

from collections.abc import Mapping
from typing import Any, Final

import polars as pl

from catalog import Catalog, ConsoleLinks
from curation.reading import frame
from curation.report.console_queries import GROUP
from curation.report.tiles import TileGroup, Tiles

MAX_GROUPS: Final = 40
MAX_MEMBERS: Final = 8
# The members of the riskiest groups: those whose weakest accepted edge correlates least.
_RISKIEST: Final = """
    WITH ties AS (
        SELECT run_id, asset_a AS asset_sha256, ncc, cosine FROM duplicate_edges WHERE verdict = 'duplicate'
        UNION ALL
        SELECT run_id, asset_b, ncc, cosine FROM duplicate_edges WHERE verdict = 'duplicate'
    ), ranked AS (
        SELECT g.group_id, min(t.ncc) AS ncc, min(t.cosine) AS cosine
        FROM duplicate_groups g LEFT JOIN ties t USING (run_id, asset_sha256)
        WHERE g.run_id = ? GROUP BY g.group_id
        ORDER BY ncc NULLS LAST, cosine NULLS LAST, g.group_id LIMIT ?
    )
    SELECT g.group_id, g.asset_sha256, g.is_keeper, g.method
    FROM duplicate_groups g JOIN ranked r USING (group_id) WHERE g.run_id = ?
    ORDER BY r.ncc NULLS LAST, r.cosine NULLS LAST, g.group_id, NOT g.is_keeper, g.similarity, g.asset_sha256
"""
# The best accepted edge of each of these pictures, which connects it with its group.
_EDGES: Final = """
    SELECT sha AS asset_sha256, found_by, pdq_distance, cosine, inliers, ncc
    FROM (SELECT *, unnest([asset_a, asset_b]) AS sha FROM duplicate_edges
          WHERE run_id = ? AND verdict = 'duplicate')
    WHERE sha IN (SELECT unnest(?))
    QUALIFY row_number() OVER (PARTITION BY sha ORDER BY ncc DESC NULLS LAST, asset_a, asset_b) = 1
"""


def riskiest_members(catalog: Catalog, run_id: str) -> pl.DataFrame:
    """Read the shown members of the riskiest groups, keepers first.

    Columns: group_id, asset_sha256, is_keeper, method, n (members of the group, also those that are not shown) and the
    best edge: found_by, pdq_distance, cosine, inliers, ncc (all null where there is none).
    """
    members = frame(catalog, _RISKIEST, (run_id, MAX_GROUPS, run_id))
    n, place = pl.len().over("group_id"), pl.int_range(pl.len()).over("group_id")
    shown = members.with_columns(n=n).filter(place < MAX_MEMBERS)
    edges = frame(catalog, _EDGES, (run_id, shown["asset_sha256"].to_list()))
    return shown.join(edges, on="asset_sha256", how="left", maintain_order="left")


def duplicate_groups(
    run_id: str, members: pl.DataFrame, tiles: Tiles, links: ConsoleLinks
) -> list[TileGroup]:
    """Make a group of tiles of each group; the keeper is marked."""
    return [
        TileGroup(
            str(group["group_id"][0]),
            group["n"][0],
            [
                tiles.tile(row["asset_sha256"], _caption(row), is_marked=row["is_keeper"])
                for row in group.iter_rows(named=True)
            ],
            links.query(GROUP, [run_id, group["group_id"][0]]),
        )
        for group in members.partition_by("group_id", maintain_order=True)
    ]


def _caption(member: Mapping[str, Any]) -> str:
    evidence = evidence_of(member) if member["found_by"] else str(member["method"])
    return f"{member['asset_sha256'][:8]} {'keeper' if member['is_keeper'] else evidence}"


def evidence_of(edge: Mapping[str, Any]) -> str:
    """Write the evidence of one edge as text.

    >>> evidence_of({"found_by": "pdq", "ncc": 0.987, "cosine": None, "pdq_distance": 12, "inliers": None})
    'pdq, NCC 0.99, PDQ 12'
    """
    formats = {
        "ncc": "NCC {:.2f}",
        "cosine": "cos {:.2f}",
        "pdq_distance": "PDQ {}",
        "inliers": "{} points",
    }
    parts = [form.format(edge[name]) for name, form in formats.items() if edge[name] is not None]
    return ", ".join([str(edge["found_by"]), *parts])
