"""Give a keeper the settings that it lost and its copies still have.

Copies that were re-saved often lose their EXIF; the picture is the same, so the settings are too. Nothing is
overwritten: only what the keeper lacks is filled, from the copy that knows most.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from curation.exif.bin_edges import SETTINGS
from curation.exif.bins import stops_of

CONFLICT_STOPS = 0.5
"""Valid values of one group that lie further apart contradict each other: one of the records is wrong."""

FILLED = (*SETTINGS, "camera", "taken_at")


@dataclass(frozen=True)
class Inherited:
    """Pictures with filled settings, and as asset to evidence what was filled and what contradicts."""

    pictures: pl.DataFrame
    filled: dict[str, str]
    conflicts: dict[str, str]


def inherit_settings(pictures: pl.DataFrame, groups: pl.DataFrame) -> Inherited:
    """Fill the settings, camera and date of keepers from the dropped members of their groups.

    `pictures` has asset_sha256, the settings, camera and taken_at; `groups` has group_id, asset_sha256, is_keeper.
    Of several copies the one with most settings is asked first, then the smallest SHA-256.
    """
    members = groups.select("group_id", "asset_sha256", "is_keeper").join(
        pictures.select("asset_sha256", *FILLED), on="asset_sha256"
    )
    known = sum(pl.col(setting).is_not_null().cast(pl.Int32) for setting in SETTINGS)
    members = members.with_columns(known=known).sort(
        "group_id", pl.col("known") * -1, "asset_sha256"
    )
    offered = (
        members.filter(~pl.col("is_keeper"))
        .group_by("group_id", maintain_order=True)
        .agg(pl.col(name).drop_nulls().first().name.prefix("from_") for name in FILLED)
    )
    keepers = members.filter("is_keeper").select("group_id", "asset_sha256")
    joined = pictures.join(keepers.join(offered, on="group_id"), on="asset_sha256", how="left")
    return Inherited(
        pictures=_filled(joined, pictures.columns),
        filled=_said(joined),
        conflicts=_conflicts(members, keepers),
    )


def _filled(joined: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    filled = [pl.coalesce(name, f"from_{name}").alias(name) for name in FILLED]
    return joined.with_columns(filled).select(columns)


def _said(joined: pl.DataFrame) -> dict[str, str]:
    """Name the settings that each keeper inherits."""
    names = [
        pl.when(pl.col(name).is_null() & pl.col(f"from_{name}").is_not_null()).then(pl.lit(name))
        for name in SETTINGS
    ]
    told = joined.select(
        "asset_sha256", said=pl.concat_list(names).list.drop_nulls().list.join(", ")
    )
    return dict(told.filter(pl.col("said") != "").iter_rows())


def _conflicts(members: pl.DataFrame, keepers: pl.DataFrame) -> dict[str, str]:
    """Name, at the keeper, the settings on which valid records of one group differ."""
    stops = [stops_of(setting).alias(setting) for setting in SETTINGS]
    apart = (
        members.with_columns(stops)
        .group_by("group_id")
        .agg(pl.col(setting).max() - pl.col(setting).min() for setting in SETTINGS)
    )
    names = [pl.when(pl.col(name) > CONFLICT_STOPS).then(pl.lit(name)) for name in SETTINGS]
    told = apart.with_columns(said=pl.concat_list(names).list.drop_nulls().list.join(", "))
    torn = told.filter(pl.col("said") != "").join(keepers, on="group_id")
    return dict(torn.select("asset_sha256", "said").iter_rows())
