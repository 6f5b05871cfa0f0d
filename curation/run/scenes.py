"""Scenes and photographers: keys by which a split keeps pictures together."""

import polars as pl

from curation.duplicates.search import Duplicates
from curation.splits.connected_groups import component_ids


def photographer_key() -> pl.Expr:
    """Name a photographer across sources: equal names at two sources are two people."""
    return pl.concat_str("source", "photographer", separator="\n")  # null when either is


def scenes(pictures: list[str], found: Duplicates, bursts: list[tuple[str, str]]) -> dict[str, str]:
    """Name the scene of each picture: duplicates of each other, or the same moment by pixels or by EXIF."""
    groups = found.groups.select("asset_sha256", "group_id").iter_rows()
    same = found.edges.filter(pl.col("verdict") == "same_scene").select("asset_a", "asset_b")
    keys = [(sha, ("group", group)) for sha, group in groups]
    keys += [(sha, ("moment", moment)) for sha, moment in bursts]
    return component_ids(pictures, keys, same.rows())
