"""The losses of a training by step, in a bounded number of points: the older a long training, the wider a point.

A point is a list of numbers, because a checkpoint holds nothing else: the place in epochs, the number of steps and the
sum of their losses, the number of validation batches and the sum of theirs.
"""

from collections.abc import Sequence

import polars as pl

MOST_POINTS = 2000
Point = list[float]


def add_step(
    points: list[Point], place: float, loss: float, validation: float | None = None
) -> None:
    """Add a step that ended at `place` (in epochs), with the loss of a validation batch if there was one.

    >>> points = []
    >>> for step in range(5000):
    ...     add_step(points, step / 1000, 2.0, 3.0 if step % 10 == 0 else None)
    >>> table = curve_table(points)
    >>> table["steps"].sum(), table["train_loss"].max(), table["validation_loss"].max(), len(table)
    (5000, 2.0, 3.0, 1250)
    """
    step = [place, 1, loss, float(validation is not None), validation or 0.0]
    if points and len(points) > 1 and points[-1][1] < points[0][1]:
        points[-1] = _joined(points[-1], step)
    else:
        points.append(step)
    if len(points) > MOST_POINTS:
        points[:] = [_joined(*pair) for pair in zip(points[::2], points[1::2], strict=False)] + (
            points[-1:] if len(points) % 2 else []
        )


def _joined(one: Point, other: Point) -> Point:
    return [other[0], *(a + b for a, b in zip(one[1:], other[1:], strict=True))]


def curve_table(points: Sequence[Point]) -> pl.DataFrame:
    """Return `place`, `steps`, the mean `train_loss` and `validation_loss` (null without a batch) of each point."""
    names = ("place", "steps", "train", "batches", "validation")
    frame = pl.DataFrame(points, schema=dict.fromkeys(names, pl.Float64), orient="row")
    return frame.select(
        "place",
        pl.col("steps").cast(pl.Int64),
        train_loss=pl.col("train") / pl.col("steps"),
        validation_loss=pl.when(pl.col("batches") > 0).then(
            pl.col("validation") / pl.col("batches")
        ),
    )


def moving_average(curve: pl.DataFrame, column: str, share: int = 30) -> pl.DataFrame:
    """Return `place` and the mean of a loss over the last points, of which there are `share` windows in the curve."""
    known = curve.drop_nulls(column)
    window = max(1, len(known) // share)
    return known.select(
        "place", pl.col(column).rolling_mean(window, min_samples=window)
    ).drop_nulls()
