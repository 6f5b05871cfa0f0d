"""What a confusion matrix and a reliability diagram are drawn from; of many classes the rare ones become one.

Apart from the drawing, because the console shows the same tables and loads no matplotlib.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl

from training.data.arrays import Ints
from training.evaluation.saved_head import CLASS_FAMILY, SavedHead

RELIABILITY_BINS = 10
MANY = 12  # classes that are shown; of more, the others are one class


def labelled(head: SavedHead, predictions: pl.DataFrame) -> pl.DataFrame:
    """Select the predictions of a head whose true class or value is saved."""
    target = "target" if head.family == CLASS_FAMILY else "target_value"
    return predictions.filter((pl.col("task") == head.name) & pl.col(target).is_not_null())


def largest_classes(counts: Sequence[float]) -> list[int]:
    """Return the classes that a figure shows, in their order: all, or the `MANY` most frequent.

    >>> largest_classes([1, 0, *[2] * 12])
    [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]
    """
    numbers = range(len(counts))
    if len(counts) <= MANY:
        return list(numbers)
    return sorted(sorted(numbers, key=lambda number: (-counts[number], number))[:MANY])


def merged(counts: Ints, numbers: Sequence[int]) -> Ints:
    """Keep some classes of a square table, and add up all others in a last row and column.

    >>> merged(np.arange(9).reshape(3, 3), [0, 2]).tolist()
    [[0, 2, 1], [6, 8, 7], [3, 5, 4]]
    """
    if len(numbers) == len(counts):
        return counts
    place = np.full(len(counts), len(numbers))
    place[list(numbers)] = np.arange(len(numbers))
    table = np.zeros((len(numbers) + 1, len(numbers) + 1), dtype=counts.dtype)
    np.add.at(table, (place[:, None], place[None, :]), counts)
    return table
