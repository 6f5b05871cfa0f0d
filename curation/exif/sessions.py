"""Find sessions: pictures of one camera body, or of one collector, without a long pause between them.

Pictures of a session share light, place, people and settings of the camera, so no split may part them. A body is known
by its serial number; without one, by its model together with the photographer or, for files of nobody, the folder. A
model alone is no body: its owners take pictures at all times. Where EXIF has no time, a source may say
when it gathered a picture (`collected_at`): all that it gathered without a pause is a session.
"""

import polars as pl

from curation.exif.limits import SESSION_MINUTES


def with_sessions(pictures: pl.DataFrame, minutes: float = SESSION_MINUTES) -> pl.DataFrame:
    """Add `time` (of taking, else of collecting) and `session` (text, null where body or time are unknown).

    `pictures` has asset_sha256, source, folder, photographer, camera, serial_sha256, taken_at and collected_at. A
    session is named by its body and its first moment.
    """
    owner = pl.coalesce("photographer", "folder")
    by_serial = pl.concat_str(pl.lit("serial"), pl.col("camera").fill_null("-"), "serial_sha256")
    by_model = pl.concat_str(pl.lit("model"), "camera", "source", owner, separator="\n")
    gathered = pl.concat_str(pl.lit("gathered"), "source", separator="\n")
    taken = pl.coalesce(by_serial, by_model)
    body = pl.when(pl.col("taken_at").is_not_null()).then(taken).otherwise(gathered)
    timed = pictures.with_columns(time=pl.coalesce("taken_at", "collected_at"), body=body)
    known = timed.filter(pl.col("time").is_not_null() & pl.col("body").is_not_null())
    pause = pl.col("time") - pl.col("time").shift(1).over("body")
    is_first = (pause > pl.duration(seconds=60 * minutes)).fill_null(value=True)
    numbered = (
        known.sort("body", "time", "asset_sha256")
        .with_columns(is_first=is_first)
        .with_columns(number=pl.col("is_first").cast(pl.Int64).cum_sum().over("body"))
    )
    start = pl.col("time").min().over("body", "number").cast(pl.String)
    named = numbered.select("asset_sha256", session=pl.concat_str("body", start, separator="\n"))
    return timed.drop("body").join(named, on="asset_sha256", how="left", maintain_order="left")
