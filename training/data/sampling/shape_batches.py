"""Training batches of one shape each, with equal shares of the classes, drawn with replacement.

Drawing a shape first and then pictures of it repeats the pictures of rare shapes many times. So pictures are drawn
first, each as often as its class needs, and then put into batches by their shape; the last batch of a shape is smaller.
"""

import numpy as np
from numpy.typing import NDArray

from training.data.arrays import MISSING, Floats, Ints


def shape_batches(
    shapes: NDArray[np.int64],
    classes: Ints,
    rng: np.random.Generator,
    *,
    batch_size: int,
    most_repeats: int,
) -> list[Ints]:
    """Return batches of row numbers for one epoch of about as many draws as there are labelled rows.

    `shapes` (N, 2) are equal within a batch; `classes` (N,) get equal shares of the draws, as far as no picture is
    drawn more than `most_repeats` times. A row without a class (MISSING) is not drawn.
    """
    counts = draw_counts(expected_draws(classes, most_repeats), classes, rng)
    rows = np.repeat(np.arange(len(classes)), counts)
    passes = np.concatenate([np.arange(count) for count in counts]) if len(rows) else rows
    codes = np.unique(shapes, axis=0, return_inverse=True)[1].reshape(-1)[rows]
    order = np.lexsort((rng.random(len(rows)), passes, codes))  # equal rows far from each other
    cuts = np.flatnonzero(np.diff(codes[order])) + 1
    batches = [
        part[start : start + batch_size]
        for part in np.split(rows[order], cuts)
        for start in range(0, len(part), batch_size)
    ]
    return [batches[number] for number in rng.permutation(len(batches))]


def expected_draws(classes: Ints, most_repeats: int) -> Floats:
    """Return how often each row is drawn in an epoch on average, (N,).

    >>> expected_draws(np.array([0, 0, 0, 1]), most_repeats=8)
    array([0.66666667, 0.66666667, 0.66666667, 2.        ])
    """
    labelled = classes != MISSING
    numbers, code = np.unique(classes, return_inverse=True)
    sizes = np.bincount(code)
    n_classes = max(1, int((numbers != MISSING).sum()))
    each = labelled.sum() / n_classes / sizes[code]
    return np.asarray(np.where(labelled, np.minimum(each, most_repeats), 0.0))


def draw_counts(expected: Floats, classes: Ints, rng: np.random.Generator) -> Ints:
    """Round expected counts (N,) up or down at random, so that the total of each class stays what is expected."""
    order = np.lexsort((rng.random(len(classes)), classes))
    ends = np.floor(np.cumsum(expected[order]) + rng.random() * (1 - 1e-9) + 1e-9)
    counts = np.zeros(len(expected), np.int64)
    counts[order] = np.diff(ends, prepend=0).astype(np.int64)
    return counts
