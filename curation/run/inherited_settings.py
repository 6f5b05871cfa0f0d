"""Fill missing settings of a keeper from its copies.

Re-saved copies often lose their EXIF. The picture is the same, so the settings are the same too. Nothing is
overwritten: only missing values of the keeper are filled, from the copy with most settings.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from curation.rules.bin_edges import SETTINGS
from curation.rules.bins import stops_of

CONFLICT_STOPS = 0.5
"""Valid values of one group that differ by more are a conflict: one of the records is wrong."""

FILLED = (*SETTINGS, "camera", "taken_at")


@dataclass(frozen=True)
class InheritedSettings:
    """Pictures with filled settings; `filled` and `conflicts` map assets to the names of the settings."""

    pictures: pl.DataFrame
    filled: dict[str, str]
    conflicts: dict[str, str]


def inherit_settings(pictures: pl.DataFrame, groups: pl.DataFrame) -> InheritedSettings:
    """Fill the settings, camera and date of keepers from the dropped members of their groups.

    `pictures` has asset_sha256, the settings, camera and taken_at; `groups` has group_id, asset_sha256, is_keeper.
    Of several copies the one with most settings comes first, then the one with the smallest SHA-256.
    """
    members = groups.select("group_id", "asset_sha256", "is_keeper").join(
        pictures.select("asset_sha256", *FILLED), on="asset_sha256"
    )
    n_settings = sum(pl.col(setting).is_not_null().cast(pl.Int32) for setting in SETTINGS)
    members = members.with_columns(n_settings=n_settings).sort(
        "group_id", pl.col("n_settings") * -1, "asset_sha256"
    )
    from_copies = (
        members.filter(~pl.col("is_keeper"))
        .group_by("group_id", maintain_order=True)
        .agg(pl.col(name).drop_nulls().first().name.prefix("from_") for name in FILLED)
    )
    keepers = members.filter("is_keeper").select("group_id", "asset_sha256")
    joined = pictures.join(keepers.join(from_copies, on="group_id"), on="asset_sha256", how="left")
    return InheritedSettings(
        pictures=_with_filled(joined, pictures.columns),
        filled=_inherited_names(joined),
        conflicts=_conflicts(members, keepers),
    )


def _with_filled(joined: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    filled = [pl.coalesce(name, f"from_{name}").alias(name) for name in FILLED]
    return joined.with_columns(filled).select(columns)


def _inherited_names(joined: pl.DataFrame) -> dict[str, str]:
    """Map each keeper to the names of the settings that it inherits."""
    names = [
        pl.when(pl.col(name).is_null() & pl.col(f"from_{name}").is_not_null()).then(pl.lit(name))
        for name in SETTINGS
    ]
    filled = joined.select(
        "asset_sha256", names=pl.concat_list(names).list.drop_nulls().list.join(", ")
    )
    return dict(filled.filter(pl.col("names") != "").iter_rows())


def _conflicts(members: pl.DataFrame, keepers: pl.DataFrame) -> dict[str, str]:
    """Map the keeper of each group to the names of the settings on which its valid records conflict."""
    stops = [stops_of(setting).alias(setting) for setting in SETTINGS]
    differences = (
        members.with_columns(stops)
        .group_by("group_id")
        .agg(pl.col(setting).max() - pl.col(setting).min() for setting in SETTINGS)
    )
    names = [pl.when(pl.col(name) > CONFLICT_STOPS).then(pl.lit(name)) for name in SETTINGS]
    ranges = differences.with_columns(names=pl.concat_list(names).list.drop_nulls().list.join(", "))
    conflicting = ranges.filter(pl.col("names") != "").join(keepers, on="group_id")
    return dict(conflicting.select("asset_sha256", "names").iter_rows())
