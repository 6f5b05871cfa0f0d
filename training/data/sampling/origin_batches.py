"""Training batches in which small origins of pictures count for more than their number, drawn with replacement.

Where one of several sources has most of the pictures of a class, a network learns that source. Each origin is drawn as
often as the square root of its size says; the classes keep their shares.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from training.data.arrays import MISSING, Floats, Ints
from training.data.sampling.seeds import cut_batches
from training.data.sampling.shape_batches import draw_counts

LEAST = 20  # pictures; smaller origins of a class, such as a folder for each person, count as one


def origin_batches(
    origins: NDArray[np.int64], classes: Ints, rng: np.random.Generator, batch_size: int
) -> list[Ints]:
    """Return batches of row numbers for one epoch; a row without a class (MISSING) is not drawn."""
    rows = np.repeat(
        np.arange(len(classes)), draw_counts(expected_draws(origins, classes), classes, rng)
    )
    return cut_batches(rng.permutation(rows), batch_size)


def expected_draws(origins: NDArray[np.int64], classes: Ints) -> Floats:
    """Return how often each row is drawn in an epoch on average, (N,).

    >>> origins, classes = np.repeat([0, 1, 2], [900, 100, 200]), np.repeat([0, 1], [1000, 200])
    >>> expected_draws(origins, classes)[[0, 900, 1000]].round(2)
    array([0.83, 2.5 , 1.  ])
    """
    codes = np.unique(np.stack([classes, origins]), axis=1, return_inverse=True)[1].reshape(-1)
    is_small = np.bincount(codes)[codes] < LEAST
    codes[is_small] = codes.max() + 2 + classes[is_small]  # MISSING is -1
    weights = np.bincount(codes)[codes] ** -0.5
    expected = np.zeros(len(classes))
    for number in np.unique(classes[classes != MISSING]):
        rows = classes == number
        expected[rows] = weights[rows] * rows.sum() / weights[rows].sum()
    return expected


def origins_of(index: pl.DataFrame) -> NDArray[np.int64]:
    """Return a number for the origin of each row (N,): its source and the first two folders of its name there.

    >>> names = ["fake/gan/1.jpg", "fake/gan/2.jpg", "real/web/1.jpg", "1.jpg"]
    >>> origins_of(pl.DataFrame({"source": ["folder"] * 3 + ["utkface"], "source_photo_id": names}))
    array([0, 0, 1, 2])
    """
    none = pl.lit("")
    source = pl.col("source").cast(pl.String) if "source" in index.columns else none
    folders = none
    if "source_photo_id" in index.columns:
        parts = pl.col("source_photo_id").cast(pl.String).str.split("/")
        folders = parts.list.head(parts.list.len() - 1).list.head(2).list.join("/")
    names = index.with_columns(
        origin=pl.concat_str(source, folders, separator="/", ignore_nulls=True)
    )["origin"]
    keys = names.to_numpy().astype(str)
    return np.asarray(np.unique(keys, return_inverse=True)[1], np.int64)
