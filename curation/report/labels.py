"""The section of the report about labels that are likely wrong, with pictures."""

import json
from typing import Final

import polars as pl

from catalog import Catalog, ConsoleLinks, counted
from curation.reading import frame
from curation.report.console_queries import ISSUES
from curation.report.tiles import TileGroup, Tiles
from curation.review.label_audit import KINDS

MAX_PICTURES: Final = 24  # pictures of each kind
_ABOUT: Final = {
    "label_conflict": "Copies of one picture, or sources of one label, contradict each other.",
    "label_doubtful": "Similar pictures, and a model that did not learn from this one, say otherwise.",
    "face_count": "A set of faces should show one face in each picture.",
}
_ISSUES: Final = """
    SELECT kind, asset_sha256, severity, detail, count(*) OVER (PARTITION BY kind) AS n FROM issues
    WHERE run_id = ? AND kind IN (SELECT unnest(?::VARCHAR[]))
    QUALIFY row_number() OVER (PARTITION BY kind ORDER BY severity DESC, asset_sha256, issue_id) <= ?
    ORDER BY kind, severity DESC, asset_sha256, issue_id
"""


def label_issues(catalog: Catalog, run_id: str) -> pl.DataFrame:
    """Read the worst label issues of each kind: kind, asset_sha256, severity, detail (JSON) and n (of that kind)."""
    return frame(catalog, _ISSUES, (run_id, list(KINDS), MAX_PICTURES))


def label_groups(
    run_id: str, issues: pl.DataFrame, tiles: Tiles, links: ConsoleLinks
) -> list[TileGroup]:
    """Group the issues by kind; empty without issues."""
    return [
        TileGroup(
            kind,
            of_kind["n"][0],
            [
                tiles.tile(sha, caption(sha, json.loads(detail)))
                for sha, detail in of_kind.select("asset_sha256", "detail").iter_rows()
            ],
            links.query(ISSUES, [run_id, kind]),
            _ABOUT[kind],
        )
        for kind in KINDS
        if not (of_kind := issues.filter(pl.col("kind") == kind)).is_empty()
    ]


def caption(sha: str, detail: dict[str, object]) -> str:
    """Write the evidence of one label issue as a caption."""
    name = sha[:8]
    if "n_faces" in detail:
        n_faces = detail["n_faces"]
        assert isinstance(n_faces, int), "the audit writes a number"
        return f"{name} {counted(n_faces, 'face')}"
    if "values" in detail:
        values = detail["values"]
        assert isinstance(values, list), "the audit writes a list"
        return f"{name} {detail['task']}: {' or '.join(map(str, values))}"
    return (
        f"{name} {detail['task']}: {_short(detail['label'])}, rather {_short(detail['suggested'])}"
    )


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
