"""Compare a trained embedder with EfficientNet-Lite0 and PDQ on edited copies of test pictures.

All three get the same 288-px squares that curation stores. The edits are those of training with other random numbers.
Intervals treat each group of the release as one observation.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog import track
from curation import THUMBNAIL_SIDE_PX, EfficientNetLite0, pdq_similarity
from training.copies.edits import apply_edits, resize_to_square
from training.copies.fit import FIXED_EPOCH, EmbedderRun, PictureSubset, embed_pictures
from training.copies.network import CopyNetwork
from training.copies.retrieval import PRECISIONS, RetrievalScores, recall
from training.data.sampler import cut_batches, row_rng
from training.evaluation.metrics import Ints

COPIES = 4  # of each picture: with one, two, three and four edits
MAX_PICTURES = 1000  # gallery pictures of a comparison
PICTURES_AT_ONCE = 32


@dataclass(frozen=True)
class EmbedderComparison:
    """Scores by predictor over the same queries; `edits` (Q,) counts the edits of each query."""

    scores: dict[str, RetrievalScores]
    edits: Ints

    @property
    def n_pictures(self) -> int:
        """Number of gallery pictures."""
        return int(next(iter(self.scores.values())).similarity.shape[1])


def compare_embedders(
    network: CopyNetwork, pictures: PictureSubset, training: EmbedderRun, *, alone: bool = False
) -> EmbedderComparison:
    """Score edited copies of at most 1,000 pictures against the pictures, by each predictor.

    With `alone` only the network is scored.
    """
    rows = pictures.rows[:MAX_PICTURES]
    originals, copies = _squares(PictureSubset(pictures.loader, rows), training.config.seed)
    original = np.repeat(np.arange(len(rows)), COPIES)
    groups = pictures.loader.index["group_id"].to_list()
    named = [groups[row] or pictures.loader.shas[row] for row in rows[original]]
    _, group = np.unique(named, return_inverse=True)
    similarity = {
        "model": _embed(network, copies, training) @ _embed(network, originals, training).T
    }
    if not alone:
        lite = EfficientNetLite0(device=str(training.device))
        lite.load()
        similarity["efficientnet_lite0"] = lite.embed(copies) @ lite.embed(originals).T
        similarity["pdq"] = pdq_similarity(copies, originals)
    scores = {name: RetrievalScores(values, original, group) for name, values in similarity.items()}
    return EmbedderComparison(scores, np.tile(np.arange(1, COPIES + 1), len(rows)))


def metric_rows(comparison: EmbedderComparison) -> list[dict[str, Any]]:
    """Return rows of the table `metrics`, without the columns that name model and data set."""
    slices = {"all": np.ones(len(comparison.edits), bool)}
    slices |= {f"edits={n}": comparison.edits == n for n in range(1, COPIES + 1)}
    return [
        {
            "predictor": name, "task": "copies", "slice": part,
            "metric": f"recall_at_precision_{precision}", **vars(recall(scores.take(rows), precision)),
        }
        for name, scores in comparison.scores.items()
        for part, rows in slices.items()
        for precision in PRECISIONS
    ]  # fmt: skip


def _squares(pictures: PictureSubset, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the pictures (N, 288, 288, 3) and their edited copies (4 N, 288, 288, 3)."""
    plain, copies = [], []
    batches = cut_batches(pictures.rows, PICTURES_AT_ONCE)
    stream = pictures.loader.stream(batches)
    for rows, samples in track(stream, "edit pictures", len(batches), "batches"):
        for position, (row, sample) in enumerate(zip(rows, samples, strict=True)):
            plain.append(resize_to_square(sample.thumbnail, THUMBNAIL_SIDE_PX))
            rng = row_rng(seed, FIXED_EPOCH - 1, pictures.loader.shas[row])
            background = samples[position - 1].thumbnail
            for count in range(1, COPIES + 1):
                copy = apply_edits(sample.thumbnail, rng, count, background)
                copies.append(resize_to_square(copy, THUMBNAIL_SIDE_PX))
    return np.stack(plain), np.stack(copies)


def _embed(
    network: CopyNetwork, squares: NDArray[np.uint8], training: EmbedderRun
) -> NDArray[np.float32]:
    side = training.config.input_px
    small = np.stack([resize_to_square(each, side) for each in squares])
    return embed_pictures(network, small, training.device)
