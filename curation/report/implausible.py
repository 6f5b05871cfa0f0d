"""The report's section on settings that a model finds hardest to believe."""

import json
from typing import Final

import polars as pl

from catalog import Catalog, ConsoleLinks
from curation.reading import frame
from curation.report.console_queries import IMPLAUSIBLE
from curation.report.exif import evidence_text
from curation.report.tiles import TileGroup, Tiles

MAX_PICTURES: Final = 24
_LEAST_PLAUSIBLE: Final = (
    f"SELECT *, count(*) OVER () AS n FROM ({IMPLAUSIBLE}) "
    "ORDER BY severity DESC, asset_sha256 LIMIT $2"
)


def least_plausible(catalog: Catalog, run_id: str) -> pl.DataFrame:
    """Read the least plausible settings of kept pictures: asset_sha256, severity, detail (JSON) and n (of all)."""
    return frame(catalog, _LEAST_PLAUSIBLE, (run_id, MAX_PICTURES))


def implausible_group(
    run_id: str, issues: pl.DataFrame, tiles: Tiles, links: ConsoleLinks
) -> TileGroup | None:
    """Show the settings with the lowest probability by a model; None without predictions."""
    if issues.is_empty():
        return None
    shown = []
    for sha, text in issues.select("asset_sha256", "detail").iter_rows():
        detail = json.loads(text)
        claim = evidence_text(json.dumps({detail["setting"]: detail["value"]}))
        shown.append(tiles.tile(sha, f"{sha[:8]} {claim}, p {detail['probability']:.3f}"))
    return TileGroup("", issues["n"][0], shown, links.query(IMPLAUSIBLE, [run_id]))
