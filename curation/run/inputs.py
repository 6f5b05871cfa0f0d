"""Read the inputs of a run from the catalog: one row per picture, with one photo each."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from catalog import Catalog, rows
from curation.decoding.limits import MIN_SIDE_PX
from curation.reading import frame
from curation.rules.bin_edges import SETTINGS
from curation.rules.exif_rules import apply_rules
from curation.run.plan import MIME_OF, PICTURES
from curation.splits.labels import PERSON_TASKS, TIME_TASK

# One file may be listed as several photos. The smallest photo_id represents it: unlike times, it does not depend on
# which download was faster.
_PICTURES = """
    SELECT a.sha256 AS asset_sha256, a.pack, a.pack_offset, a.pack_length, a.jpeg_quality, a.first_seen,
           a.width AS stored_width, a.height AS stored_height,
           p.photo_id, p.source, p.source_photo_id, p.photographer, p.licence, p.attribution, p.page_url,
           p.training_allowed, p.training_basis, p.fetched_at, p.folder, p.rights_at
    FROM assets a JOIN v_all_photos p ON p.asset_sha256 = a.sha256
    WHERE a.mime LIKE ?
    QUALIFY row_number() OVER (PARTITION BY a.sha256 ORDER BY p.photo_id) = 1
    ORDER BY a.sha256
"""
# Columns by name, because workspaces of older code have more.
_EXIF = f"""
    SELECT {", ".join(rows("exif", []).schema.names)}, p.fetched_at FROM exif
    JOIN (SELECT asset_sha256, max(fetched_at) AS fetched_at FROM photos GROUP BY 1) p USING (asset_sha256)
    ORDER BY asset_sha256, exif_source
"""


LABELS = """
    SELECT p.asset_sha256, v.task, v.value, 1 AS place, p.photo_id FROM v_labels v
    JOIN (SELECT DISTINCT photo_id, asset_sha256 FROM photos WHERE asset_sha256 IS NOT NULL) p
      ON v.subject_kind = 'photo' AND v.subject_id = p.photo_id
    UNION ALL
    SELECT subject_id, task, value, 0, '' FROM v_labels WHERE subject_kind = 'asset'
"""
# A label of the file has priority over a label of a photo that shows it.
ONE_LABEL = f"""
    SELECT asset_sha256, task, value FROM ({LABELS}) WHERE task IN (SELECT unnest(?::VARCHAR[]))
    QUALIFY row_number() OVER (PARTITION BY asset_sha256, task ORDER BY place, photo_id) = 1
    ORDER BY asset_sha256, task
"""
SOURCE_ORDER = {"file": 0, "api": 1, "dataset": 2}
"""EXIF sources, the most trusted first: a setting comes from the first source with a valid value."""


@dataclass(frozen=True)
class Inputs:
    """The pictures (one row per asset, sorted), their EXIF records (one row per asset and source), their labels.

    `labels` has asset_sha256, task and value.
    """

    pictures: pl.DataFrame
    exif: pl.DataFrame
    labels: pl.DataFrame

    def has_small(self) -> bool:
        """Say whether some picture is, by its header, below the size at which pictures are compared."""
        side = pl.min_horizontal("stored_width", "stored_height")
        return bool(self.pictures.select((side < MIN_SIDE_PX).any()).item())

    def lines(self) -> list[str]:
        """Give one line per picture that changes whenever the result for it could change."""
        sources = self.exif.group_by("asset_sha256").agg(pl.col("exif_source").sort().str.join("+"))
        joined = self.pictures.join(sources, on="asset_sha256", how="left").sort("asset_sha256")
        parts = (
            pl.when(pl.col(name) == "").then(None).otherwise(pl.col(name)).fill_null("-")
            for name in ("asset_sha256", "photo_id", "exif_source")
        )
        labels = [f"label {json.dumps(row)}" for row in self.labels.iter_rows()]
        return [
            *joined.select(pl.concat_str(parts, separator=" ")).to_series(),
            *labels,
            *self._rights(),
        ]

    def _rights(self) -> list[str]:
        """Give one line per picture whose rights a person recorded, because they change the release."""
        names = ("asset_sha256", "licence", "attribution", "training_allowed", "training_basis")
        recorded = self.pictures.filter(pl.col("rights_at").is_not_null()).select(names)
        return [f"rights {json.dumps(row)}" for row in recorded.iter_rows()]

    def locations(self) -> pa.Table:
        """Give the location of the bytes of each picture, and of the thumbnail inside them (length 0: none).

        Columns: asset_sha256, pack, pack_offset, pack_length, thumbnail_offset, thumbnail_length.
        """
        thumbnail_columns = ("thumbnail_offset", "thumbnail_length")
        thumbnails = self.exif.filter(pl.col("exif_source") == "file").select(
            "asset_sha256", *thumbnail_columns
        )
        locations = self.pictures.select("asset_sha256", "pack", "pack_offset", "pack_length")
        joined = locations.join(thumbnails, on="asset_sha256", how="left", maintain_order="left")
        return joined.with_columns(pl.col(thumbnail_columns).fill_null(0)).to_arrow(
            compat_level=pl.CompatLevel.oldest()
        )


def read_inputs(
    catalog: Catalog, tasks: Mapping[str, str] | None = None, media: str = PICTURES
) -> Inputs:
    """Read all pictures (or sounds, by `media`) that some photo lists, with EXIF and labels.

    `tasks` maps the tasks to read to the names of their labels.
    """
    pictures, tasks = frame(catalog, _PICTURES, (MIME_OF[media],)), tasks or {}
    labels = frame(catalog, ONE_LABEL, ([*tasks, *PERSON_TASKS, TIME_TASK],))
    renamed = {task: label for task, label in tasks.items() if task != label}
    labels = labels.with_columns(pl.col("task").replace(renamed)).sort("asset_sha256", "task")
    labels_of_pictures = labels.join(pictures.select("asset_sha256"), on="asset_sha256", how="semi")
    exif = frame(catalog, _EXIF)
    return Inputs(pictures, exif if media == PICTURES else exif.clear(), labels_of_pictures)


def settings_of(records: pl.DataFrame) -> pl.DataFrame:
    """Merge the EXIF records of each asset after `apply_rules`: per column the first source with a usable value.

    Gives asset_sha256, the three settings, camera, serial_sha256, software, taken_at, exif_width, exif_height.
    """
    plain = ("camera", "serial_sha256", "software", "taken_at", "exif_width", "exif_height")
    order = pl.col("exif_source").replace_strict(SOURCE_ORDER, default=9)
    return (
        records.sort("asset_sha256", order)
        .group_by("asset_sha256", maintain_order=True)
        .agg(
            *(pl.col(f"{s}_valid").drop_nulls().first().alias(s) for s in SETTINGS),
            *(pl.col(name).drop_nulls().first() for name in plain),
        )
    )


def exif_with_rules(
    inputs: Inputs, health: pl.DataFrame, thumbnail_correlation: float
) -> pl.DataFrame:
    """Apply the rules to the EXIF records; the most trusted source of each picture comes first.

    `health` has asset_sha256, thumbnail_correlation and exif_blocks; the rules on thumbnail, size and segments apply
    only to the record from the file.
    """
    sizes = inputs.pictures.select("asset_sha256", "stored_width", "stored_height")
    measured = health.select("asset_sha256", "thumbnail_correlation", "exif_blocks")
    own = measured.join(sizes, on="asset_sha256").with_columns(exif_source=pl.lit("file"))
    records = inputs.exif.join(own, on=["asset_sha256", "exif_source"], how="left")
    order = pl.col("exif_source").replace_strict(SOURCE_ORDER, default=9)
    return apply_rules(records, thumbnail_correlation).sort("asset_sha256", order)
