"""Find sessions: pictures of one camera body, or of one source, without a long pause between them.

Pictures of a session share light, place, people and camera settings, so a split must not separate them. A body is
identified by its serial number; without one, by its model together with the photographer or, where there is no
photographer, the folder. A model alone does not identify a body, because it has many owners. Where EXIF has no time,
the label `collected_at` of the source is used: all pictures that a source collected without a pause are one session.
"""

import polars as pl

from curation.rules.limits import SESSION_MINUTES


def with_sessions(pictures: pl.DataFrame, minutes: float = SESSION_MINUTES) -> pl.DataFrame:
    """Add `time` (of taking, else of collecting) and `session` (text, null where body or time is unknown).

    `pictures` has asset_sha256, source, folder, photographer, camera, serial_sha256, taken_at and collected_at. A
    session is named by its body and its first time.
    """
    owner = pl.coalesce("photographer", "folder")
    by_serial = pl.concat_str(pl.lit("serial"), pl.col("camera").fill_null("-"), "serial_sha256")
    by_model = pl.concat_str(pl.lit("model"), "camera", "source", owner, separator="\n")
    by_source = pl.concat_str(pl.lit("gathered"), "source", separator="\n")
    by_camera = pl.coalesce(by_serial, by_model)
    body = pl.when(pl.col("taken_at").is_not_null()).then(by_camera).otherwise(by_source)
    timed = pictures.with_columns(time=pl.coalesce("taken_at", "collected_at"), body=body)
    complete = timed.filter(pl.col("time").is_not_null() & pl.col("body").is_not_null())
    pause = pl.col("time") - pl.col("time").shift(1).over("body")
    is_first = (pause > pl.duration(seconds=60 * minutes)).fill_null(value=True)
    numbered = (
        complete.sort("body", "time", "asset_sha256")
        .with_columns(is_first=is_first)
        .with_columns(number=pl.col("is_first").cast(pl.Int64).cum_sum().over("body"))
    )
    start = pl.col("time").min().over("body", "number").cast(pl.String)
    named = numbered.select("asset_sha256", session=pl.concat_str("body", start, separator="\n"))
    return timed.drop("body").join(named, on="asset_sha256", how="left", maintain_order="left")
