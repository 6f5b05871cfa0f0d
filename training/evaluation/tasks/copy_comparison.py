"""Compare a trained embedder with EfficientNet-Lite0 and PDQ on edited copies of test pictures.

All three get the same 288-px squares that curation stores. The edits are those of training with other random numbers.
Intervals treat each group of the release as one observation.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from catalog import track
from curation import THUMBNAIL_SIDE_PX, EfficientNetLite0, pdq_similarity
from training.data.arrays import Arrays, Ints
from training.data.sampling.seeds import cut_batches, row_rng
from training.data.stores.pictures import Store
from training.data.transforms.edits import apply_edits, resize_to_square
from training.evaluation.evidence import HeadResult
from training.evaluation.tasks.retrieval import (
    PRECISIONS,
    RetrievalScores,
    candidate_cosine,
    precision_recall_curve,
    recall,
)

COPIES = 4  # of each picture: with one, two, three and four edits
COPIES_EPOCH = -2  # of the random numbers: training uses 0 and above, validation -1
MAX_PICTURES = 1000  # gallery pictures of a comparison
PICTURES_AT_ONCE = 32
CHUNK = 16  # pictures in one forward pass


class EmbedderNetwork(Protocol):
    """A network that maps `pictures` (N, S, S, 3), uint8, to unit vectors (N, dim) under one name."""

    def __call__(self, inputs: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Embed pictures."""
        ...

    def eval(self) -> object:
        """Leave training."""
        ...


@dataclass(frozen=True)
class GalleryPictures:
    """Rows of a store with whole pictures, the seed of their edits, and what the embedder needs."""

    store: Store
    rows: Ints
    seed: int
    input_px: int
    device: torch.device


@dataclass(frozen=True)
class EmbedderComparison:
    """Scores by predictor over the same queries; `edits` (Q,) counts the edits of each query."""

    scores: dict[str, RetrievalScores]
    edits: Ints

    @property
    def n_pictures(self) -> int:
        """Number of gallery pictures."""
        return int(next(iter(self.scores.values())).similarity.shape[1])


def evaluate(
    task: str, network: EmbedderNetwork, validation: GalleryPictures, test: GalleryPictures
) -> HeadResult:
    """Choose the cosine of candidates on validation, then score the embedder and the two others on test."""
    held_out = compare_embedders(network, validation, alone=True)
    comparison = compare_embedders(network, test)
    cosine = candidate_cosine(held_out.scores["model"])
    about = {"candidate_cosine": cosine, "rows_judged": comparison.n_pictures}
    metrics = [row | {"task": task} for row in metric_rows(comparison)]
    return HeadResult(about, metrics, tables={"curves": curves(comparison)})


def compare_embedders(
    network: EmbedderNetwork, pictures: GalleryPictures, *, alone: bool = False
) -> EmbedderComparison:
    """Score edited copies of at most 1,000 pictures against the pictures, by each predictor.

    With `alone` only the network is scored.
    """
    rows = pictures.rows[:MAX_PICTURES]
    originals, copies = _squares(pictures, rows)
    original = np.repeat(np.arange(len(rows)), COPIES)
    groups = pictures.store.index["group_id"].to_list()
    named = [groups[row] or pictures.store.shas[row] for row in rows[original]]
    _, group = np.unique(named, return_inverse=True)
    similarity = {
        "model": _embed(network, copies, pictures) @ _embed(network, originals, pictures).T
    }
    if not alone:
        lite = EfficientNetLite0(device=str(pictures.device))
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
            "predictor": name, "slice": part,
            "metric": f"recall_at_precision_{precision}", **vars(recall(scores.take(rows), precision)),
        }
        for name, scores in comparison.scores.items()
        for part, rows in slices.items()
        for precision in PRECISIONS
    ]  # fmt: skip


def curves(comparison: EmbedderComparison) -> pl.DataFrame:
    """Return recall and precision for falling thresholds by predictor, for plots."""
    parts = []
    for name, scores in comparison.scores.items():
        recalls, precision = precision_recall_curve(scores)
        frame = pl.DataFrame({"recall": recalls, "precision": precision})
        parts.append(frame.with_columns(predictor=pl.lit(name)))
    return pl.concat(parts).filter(pl.col("precision").is_not_nan())


def _squares(
    pictures: GalleryPictures, chosen: Ints
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the pictures (N, 288, 288, 3) and their edited copies (4 N, 288, 288, 3)."""
    plain, copies = [], []
    batches = cut_batches(chosen, PICTURES_AT_ONCE)
    stream = pictures.store.stream(batches)
    for rows, samples in track(stream, "edit pictures", len(batches), "batches"):
        for position, (row, sample) in enumerate(zip(rows, samples, strict=True)):
            plain.append(resize_to_square(sample["picture"], THUMBNAIL_SIDE_PX))
            rng = row_rng(pictures.seed, COPIES_EPOCH, pictures.store.shas[row])
            copies += _copies(sample, samples[position - 1], rng)
    return np.stack(plain), np.stack(copies)


def _copies(sample: Arrays, before: Arrays, rng: np.random.Generator) -> list[NDArray[np.uint8]]:
    """Edit a picture by one to four edits; some copies are pasted onto the picture before it."""
    edited = [
        apply_edits(sample["picture"], rng, count, before["picture"])
        for count in range(1, COPIES + 1)
    ]
    return [resize_to_square(each, THUMBNAIL_SIDE_PX) for each in edited]


def _embed(
    network: EmbedderNetwork, squares: NDArray[np.uint8], pictures: GalleryPictures
) -> NDArray[np.float32]:
    small = np.stack([resize_to_square(each, pictures.input_px) for each in squares])
    return embed_pictures(network, small, pictures.device)


def embed_pictures(
    network: EmbedderNetwork, pictures: NDArray[np.uint8], device: torch.device
) -> NDArray[np.float32]:
    """Map uint8 pictures (N, S, S, 3) to unit vectors (N, dim)."""
    network.eval()
    parts = []
    with torch.inference_mode():
        for part in torch.split(torch.from_numpy(pictures), CHUNK):
            (vectors,) = network({"pictures": part.to(device)}).values()
            parts.append(vectors.float().cpu().numpy())
    return np.concatenate(parts)
