"""Labels as columns: labels of the sources, the person in a picture, and the time of collection.

A label of the file has priority over a label of a photo that shows it; of several photos of one file the label of the
smallest photo_id is used (`inputs.py`). The label audit finds photos of one file that contradict each other.
"""

from collections.abc import Mapping, Sequence

import polars as pl

PERSON_TASKS = ("person", "identity", "speaker")
"""Labels that name the person in a picture; a split never separates pictures of one person."""

TIME_TASK = "collected_at"
"""Label with the time at which a source collected a picture; it is used where EXIF has no time."""


def label_columns(
    pictures: pl.DataFrame, labels: pl.DataFrame, groups: pl.DataFrame, tasks: Sequence[str]
) -> pl.DataFrame:
    """Add to `pictures` a text column `label:<task>` for each task, and `person` and `collected_at`.

    A picture without a label gets the label of its copies (`groups` has group_id and asset_sha256) where they agree.
    """
    for task in tasks:
        name = f"label:{task}"
        of_task = labels.filter(pl.col("task") == task).select("asset_sha256", label="value")
        inherited = _agreed(of_task, groups)
        pictures = (
            pictures.join(of_task, on="asset_sha256", how="left", maintain_order="left")
            .join(inherited, on="asset_sha256", how="left", maintain_order="left")
            .with_columns(pl.coalesce("label", "agreed").alias(name))
            .drop("label", "agreed")
        )
    return _with_keys(pictures, labels)


def _agreed(of_task: pl.DataFrame, groups: pl.DataFrame) -> pl.DataFrame:
    """Give for each member of a group of copies the label that all labelled members share."""
    members = groups.select("group_id", "asset_sha256")
    labelled = members.join(of_task, on="asset_sha256").group_by("group_id")
    unanimous = labelled.agg(pl.col("label").unique()).filter(pl.col("label").list.len() == 1)
    of_group = unanimous.select("group_id", agreed=pl.col("label").list.first())
    return members.join(of_group, on="group_id").select("asset_sha256", "agreed")


def _with_keys(pictures: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    order = {task: place for place, task in enumerate(PERSON_TASKS)}
    persons = (
        labels.filter(pl.col("task").is_in(PERSON_TASKS))
        .sort("asset_sha256", pl.col("task").replace_strict(order, default=9))
        .group_by("asset_sha256", maintain_order=True)
        .agg(person_name=pl.col("value").first())
    )
    times = labels.filter(pl.col("task") == TIME_TASK).select(
        "asset_sha256", collected_at=pl.col("value").str.to_datetime(strict=False, time_unit="us")
    )
    joined = pictures.join(persons, on="asset_sha256", how="left", maintain_order="left").join(
        times, on="asset_sha256", how="left", maintain_order="left"
    )
    # Equal names at two sources are two people.
    person = pl.concat_str("source", "person_name", separator="\n").alias("person")
    return joined.with_columns(person).drop("person_name")


def label_rows(items: pl.DataFrame, tasks: Sequence[str]) -> pl.DataFrame:
    """Give the rows of `curated_labels`, without run: labels, the keys of groups, and the time of each item."""
    roles: Mapping[str, tuple[str, str]] = {
        **{f"label:{task}": (task, "label") for task in tasks},
        "session": ("session", "group"),
        "person": ("person", "group"),
        "time": ("time", "time"),
    }
    parts = [
        items.filter(pl.col(column).is_not_null()).select(
            "asset_sha256",
            task=pl.lit(task),
            value=pl.col(column).cast(pl.String),
            role=pl.lit(role),
        )
        for column, (task, role) in roles.items()
    ]
    return pl.concat(parts).sort("asset_sha256", "task")
