"""The rows of a ladder, with what the name of a row decides of its edit."""

import polars as pl

from training.data.stores.pictures import row_names
from training.data.transforms.ladder import exposure_side, with_rungs

SIDE = "exposure_side"
"""Column of a ladder: -1 for a picture that was made too dark, 1 for too bright, null for other rows."""


def ladder_rows(index: pl.DataFrame, rungs: int, *, sided: bool = False) -> pl.DataFrame:
    """Put `rungs` rows for every defect behind each row; with `sided` they have the side of a wrong exposure."""
    ladder = with_rungs(index, rungs)
    if not sided:
        return ladder
    named = zip(row_names(ladder), ladder["edit"], strict=True)
    return ladder.with_columns(pl.Series(SIDE, [exposure_side(*row) for row in named], pl.Float64))
