"""Set a trained embedder beside EfficientNet-Lite0 and PDQ, on edited copies of pictures that it never saw.

All three see the same 288-px squares that curation keeps. The edits are those of training, drawn anew; the groups
of the release decide what counts as one observation.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation import THUMBNAIL_SIDE_PX, EfficientNetLite0, pdq_similarity
from training.copies.edits import edited, squashed
from training.copies.fit import FIXED, Pictures, Training, vectors_of
from training.copies.judge import PRECISIONS, Trial, recall
from training.copies.network import CopyNetwork
from training.data.sampler import batches, row_rng
from training.evaluation.metrics import Ints

COPIES = 4  # of each picture: with one, two, three and four edits
MOST_PICTURES = 1000  # that are judged, at most
PICTURES_AT_ONCE = 32


@dataclass(frozen=True)
class Judged:
    """Trials by predictor over the same queries; `edits` (Q,) counts what was done to each."""

    trials: dict[str, Trial]
    edits: Ints

    @property
    def n_pictures(self) -> int:
        """How many pictures stand in the gallery."""
        return int(next(iter(self.trials.values())).scores.shape[1])


def judge(
    network: CopyNetwork, pictures: Pictures, training: Training, *, alone: bool = False
) -> Judged:
    """Compare edited copies of some pictures with the pictures, at most 1,000, by each predictor.

    `alone` leaves the others out.
    """
    rows = pictures.rows[:MOST_PICTURES]
    plain, copies = _squares(Pictures(pictures.loader, rows), training.config.seed)
    original = np.repeat(np.arange(len(rows)), COPIES)
    groups = pictures.loader.index["group_id"].to_list()
    named = [groups[row] or pictures.loader.shas[row] for row in rows[original]]
    _, group = np.unique(named, return_inverse=True)
    scores = {"model": _own(network, copies, training) @ _own(network, plain, training).T}
    if not alone:
        lite = EfficientNetLite0(device=str(training.device))
        lite.load()
        scores["efficientnet_lite0"] = lite.embed(copies) @ lite.embed(plain).T
        scores["pdq"] = pdq_similarity(copies, plain)
    trials = {name: Trial(found, original, group) for name, found in scores.items()}
    return Judged(trials, np.tile(np.arange(1, COPIES + 1), len(rows)))


def metric_rows(judged: Judged) -> list[dict[str, Any]]:
    """Write what was found as rows of `metrics`, without the names of model and data set."""
    slices = {"all": np.ones(len(judged.edits), bool)}
    slices |= {f"edits={n}": judged.edits == n for n in range(1, COPIES + 1)}
    return [
        {
            "predictor": name, "task": "copies", "slice": part,
            "metric": f"recall_at_precision_{precision}", **vars(recall(trial.take(rows), precision)),
        }
        for name, trial in judged.trials.items()
        for part, rows in slices.items()
        for precision in PRECISIONS
    ]  # fmt: skip


def _squares(pictures: Pictures, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Give the pictures (N, 288, 288, 3) and their edited copies (4 N, 288, 288, 3)."""
    plain, copies = [], []
    for rows, samples in pictures.loader.stream(batches(pictures.rows, PICTURES_AT_ONCE)):
        for place, (row, sample) in enumerate(zip(rows, samples, strict=True)):
            plain.append(squashed(sample.thumbnail, THUMBNAIL_SIDE_PX))
            rng = row_rng(seed, FIXED - 1, pictures.loader.shas[row])
            ground = samples[place - 1].thumbnail
            for count in range(1, COPIES + 1):
                copy = edited(sample.thumbnail, rng, count, ground)
                copies.append(squashed(copy, THUMBNAIL_SIDE_PX))
    return np.stack(plain), np.stack(copies)


def _own(
    network: CopyNetwork, squares: NDArray[np.uint8], training: Training
) -> NDArray[np.float32]:
    side = training.config.input_px
    small = np.stack([squashed(each, side) for each in squares])
    return vectors_of(network, small, training.device)
