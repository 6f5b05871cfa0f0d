"""Compare a copy-detection embedder that this machine has trained with EfficientNet-Lite0 and PDQ.

    OMP_NUM_THREADS=1 python -m benchmarks.bench_copy_embedder --data DIR --work DIR --output FILE [--epochs N]

`--data` has photos/ and neardup/ as described in tests/real_data.py. The embedder is trained on one half of the
photographs and evaluated on the other; no source repository is in both. The edits of the test copies (photo_edits.py)
are other code than the edits of training. The gallery also contains burst shots, which are not copies. Finished steps
are stored in `--work`; a stopped run continues from there.
"""

import argparse
import csv
import hashlib
import json
import logging
import platform
import random
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from benchmarks.dedupe_corpus import REPEATED, SAME_PIXELS, SEED, TWICE, _bursts, _photographs
from benchmarks.photo_edits import EDITS, LIGHT
from curation.duplicates.limits import CandidateLimits
from curation.similarity.pdq import BITS, hamming, luma_of, pdq, turned
from curation.stages.embeddings import EfficientNetLite0, Embedder
from curation.stages.onnx_embedder import OnnxEmbedder
from training.data.stores.pictures import SampleStore
from training.data.transforms.edits import resize_to_square
from training.evaluation.intervals import group_bootstrap
from training.evaluation.tasks.copy_comparison import GalleryPictures, compare_embedders
from training.evaluation.tasks.retrieval import (
    PRECISIONS,
    RetrievalScores,
    candidate_cosine,
    recall,
)
from training.export.embedder import export_embedder, make_card
from training.fit.checkpoint import Checkpoints
from training.fit.examples import make_examples
from training.fit.recipe import Labels
from training.fit.task import Task
from training.fit.trainer import Training, fit
from training.fit.training_run import TrainingRun
from training.models.copy_network import CopyNetwork
from training.recipes.copy_detection import DEFAULT, RECIPE, CopyConfig

VALIDATION = 8  # one picture in this many chooses the epoch
GALLERY_SIZE, QUERY_PICTURES, EDITS_EACH = (
    220,
    100,
    8,
)  # photographs; photographs with copies; copies of each
BURSTS_WITH_BURST_41 = REPEATED | {41}  # some of their shots show one photograph
SIDE = 288


class PictureFile:
    """Pictures in one file, as a loader wants them."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def shard(self, name: str) -> Path:
        """Return the path of the file."""
        return self.path / name


@dataclass(frozen=True)
class TestSet:
    """Squares of pictures (G, 288, 288, 3) and copies (Q, ...); gallery position of each original; edit and group."""

    plain: NDArray[np.uint8]
    copies: NDArray[np.uint8]
    original: NDArray[np.int64]
    edit: NDArray[np.str_]
    group: NDArray[np.int64]


def write_training_pictures(data: Path, work: Path) -> pl.DataFrame:
    """Write half 0 into one file; return the byte range of each picture."""
    rows, offset = [], 0
    with (work / "pictures").open("wb") as out:
        for name, picture in _photographs(data, 0):
            bgr = np.ascontiguousarray(picture[..., ::-1])
            _, body = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 92])
            out.write(body.tobytes())
            sha = hashlib.sha256(name.encode()).hexdigest()
            rows.append((sha, "pictures", offset, len(body), name))
            offset += len(body)
    columns = ["asset_sha256", "shard", "offset", "length", "group_id"]
    return pl.DataFrame(rows, columns, orient="row")


def train_embedder(data: Path, work: Path, config: CopyConfig) -> dict[str, float]:
    """Train on half 0, or continue a stopped training, and write model.onnx; return its cost."""
    if (work / "cost.json").exists():
        return dict(json.loads((work / "cost.json").read_text()))
    index = write_training_pictures(data, work)
    task = Task.on(RECIPE, config, Labels(index, {}))
    run = TrainingRun(config, "bench", "split", torch.device("cpu"))
    torch.manual_seed(config.seed)
    started = time.process_time()
    with SampleStore(PictureFile(work), index, task.view, cache_bytes=2**31, threads=1) as store:
        positions = np.arange(len(index))
        validation = make_examples(store, task.heads, positions[positions % VALIDATION == 0])
        train = make_examples(store, task.heads, positions[positions % VALIDATION > 0])
        training = Training(task.build(), task.objective, train, validation, run, RECIPE.initialise)
        network, progress = fit(training, Checkpoints(work / "checkpoints", "bench"))
        assert isinstance(network, CopyNetwork)
        cpu_s = time.process_time() - started
        held_out = GalleryPictures(store, validation.rows, config.seed, config.input_px, run.device)
        comparison = compare_embedders(network, held_out, alone=True)
        cosine = candidate_cosine(comparison.scores["model"])
    export(network, config, cosine, work)
    cost = {
        "cpu_s": cpu_s, "pictures": len(train), "held": len(validation), "epochs": progress.epoch,
        "best": progress.best_epoch, "cosine": cosine, "loss": progress.best_loss,
    }  # fmt: skip
    (work / "cost.json").write_text(json.dumps(cost))
    return cost


def export(network: CopyNetwork, config: CopyConfig, cosine: float, work: Path) -> None:
    card = make_card("copy_detection", config.input_px, cosine)
    export_embedder(network, card, work)
    (work / "model.json").write_text(card.to_json())


def load_test_set(data: Path, work: Path) -> TestSet:
    """Make pictures and copies of half 1, or read those of an earlier run."""
    path = work / "judging.npz"
    if not path.exists():
        test_set = make_test_set(data)
        np.savez(path, **vars(test_set))
    arrays = np.load(path)
    return TestSet(**{name: arrays[name] for name in TestSet.__dataclass_fields__})


def make_test_set(data: Path) -> TestSet:
    rng = random.Random(SEED)
    with (data / "photos/truth.csv").open(encoding="utf-8") as lines:
        repository_by_file = {
            Path(row["file"]).stem[-10:]: row["source_repo"] for row in csv.DictReader(lines)
        }
    seconds = {second for _, second in TWICE}
    photos = [(n, repository_by_file[n], p) for n, p in _photographs(data, 1) if n not in seconds]
    photos = [photos[position] for position in sorted(rng.sample(range(len(photos)), GALLERY_SIZE))]
    photos = drop_identical_pictures(photos)
    queried = set(rng.sample(range(len(photos)), QUERY_PICTURES))
    bursts: set[str] = set()
    for name, picture in _bursts(data, 1):
        number = re.match(r"burst(\d+)_", name)
        if number and int(number[1]) not in BURSTS_WITH_BURST_41:
            if number[0] not in bursts:
                queried.add(len(photos))
            bursts.add(number[0])
            photos.append((name, number[0], picture))
    copies, original, edits, wheel = [], [], [], []
    for position in sorted(queried):
        for _ in range(EDITS_EACH):
            wheel = wheel or rng.sample(sorted(EDITS), len(EDITS))
            edits.append(wheel.pop())
            original.append(position)
            copy = EDITS[edits[-1]](photos[position][2], rng)
            copies.append(resize_to_square(np.ascontiguousarray(copy), SIDE))
    groups = np.unique([group for _, group, _ in photos], return_inverse=True)[1]
    plain = np.stack([resize_to_square(picture, SIDE) for _, _, picture in photos])
    positions = np.array(original)
    return TestSet(plain, np.stack(copies), positions, np.array(edits), groups[positions])


def drop_identical_pictures(
    photos: list[tuple[str, str, NDArray[np.uint8]]],
) -> list[tuple[str, str, NDArray[np.uint8]]]:
    """Drop pictures that are in the archives under two names."""
    small = np.stack([cv2.resize(p, (48, 48)).mean(axis=2).ravel() for _, _, p in photos])
    small -= small.mean(axis=1, keepdims=True)
    small /= np.linalg.norm(small, axis=1, keepdims=True) + 1e-6
    is_twin = (np.tril(small @ small.T, -1) > SAME_PIXELS).any(axis=1)
    return [photo for photo, twin in zip(photos, is_twin, strict=True) if not twin]


ScoreFunction = Callable[[TestSet], NDArray[np.float32]]


def cosines(embedder: Embedder, test_set: TestSet) -> NDArray[np.float32]:
    embedder.load()
    vectors = [embedder.embed(squares) for squares in (test_set.copies, test_set.plain)]
    return vectors[0] @ vectors[1].T


def by_lite0(test_set: TestSet) -> NDArray[np.float32]:
    return cosines(EfficientNetLite0(device="cpu"), test_set)


def pdq_similarity(test_set: TestSet) -> NDArray[np.float32]:
    hashes = [
        np.stack([pdq(luma_of(each)).bits[0] for each in squares])
        for squares in (test_set.copies, test_set.plain)
    ]
    bits = np.min([hamming(view, hashes[1]) for view in turned(hashes[0])], axis=0)
    return np.asarray(1 - bits / (BITS / 2), np.float32)


def score_cached(
    name: str, make: ScoreFunction, test_set: TestSet, work: Path
) -> tuple[RetrievalScores, float]:
    """Return the scores of a predictor and its CPU milliseconds a picture, from an earlier run if it stored them."""
    path = work / f"scores {name}.npz"
    if not path.exists():
        started = time.process_time()
        scores = make(test_set)
        cpu_ms = (
            (time.process_time() - started) * 1000 / (len(test_set.copies) + len(test_set.plain))
        )
        np.savez(path, scores=scores, each=cpu_ms)
    stored = np.load(path)
    return RetrievalScores(stored["scores"], test_set.original, test_set.group), float(
        stored["each"]
    )


def drop_repeated_pictures(test_set: TestSet, trial: RetrievalScores) -> RetrievalScores:
    """Drop pictures that are in the archives twice, also as a photograph and as a burst shot."""
    area = [cv2.resize(each, (48, 48), interpolation=cv2.INTER_AREA) for each in test_set.plain]
    small = np.stack(area).mean(axis=3).reshape(len(area), -1)
    small -= small.mean(axis=1, keepdims=True)
    small /= np.linalg.norm(small, axis=1, keepdims=True) + 1e-6
    first = ~(np.tril(small @ small.T, -1) > SAME_PIXELS).any(axis=1)
    is_kept = first[trial.original]
    place = first.cumsum() - 1
    return RetrievalScores(
        trial.similarity[is_kept][:, first], place[trial.original[is_kept]], trial.group[is_kept]
    )


def edits_of_kept(test_set: TestSet, trial: RetrievalScores) -> NDArray[np.str_]:
    """Return the edits of the copies that `drop_repeated_pictures` keeps."""
    numbered = replace(trial, group=np.arange(len(trial.group)))
    return np.asarray(test_set.edit[drop_repeated_pictures(test_set, numbered).group])


def threshold(trial: RetrievalScores, precision: float) -> float:
    """Return the lowest score at which this share of the pairs are copies."""
    is_copy = np.zeros(trial.similarity.shape, bool)
    is_copy[np.arange(len(trial.original)), trial.original] = True
    order = np.argsort(-trial.similarity.ravel())
    right = is_copy.ravel()[order].cumsum() / np.arange(1, order.size + 1)
    return float(trial.similarity.ravel()[order][np.flatnonzero(right >= precision)[-1]])


def candidates(trial: RetrievalScores, cosine: float) -> tuple[NDArray[np.bool_], float]:
    """Return which copies find their original among the 12 nearest with this cosine, and other candidates per copy."""
    nearest = np.argsort(-trial.similarity, axis=1)[:, : CandidateLimits().nearest]
    close = np.take_along_axis(trial.similarity, nearest, 1) >= cosine
    own = (nearest == trial.original[:, None]) & close
    return own.any(axis=1), float((close.sum() - own.sum()) / len(nearest))


def cosine_at_cost(trial: RetrievalScores, others: float) -> float:
    """Return the lowest cosine, in steps of 0.01, with at most `others` other candidates per copy."""
    steps = np.arange(0, 1, 0.01).round(2).tolist()
    return next(step for step in steps if candidates(trial, step)[1] <= others)


def candidate_lines(
    trials: dict[str, tuple[RetrievalScores, float]], own_cosine: float
) -> list[str]:
    lite, pdq_trial = trials["EfficientNet-Lite0"][0], trials["PDQ"][0]
    by_hash = pdq_trial.similarity[np.arange(len(pdq_trial.original)), pdq_trial.original]
    hashed = by_hash >= 1 - CandidateLimits().pdq / (BITS / 2)
    default = CandidateLimits().cosine
    settings = [
        ("EfficientNet-Lite0", "its default", default),
        ("own", "as its card says", own_cosine),
        ("own", "at the cost of the default", cosine_at_cost(trials["own"][0], candidates(lite, default)[1])),
    ]  # fmt: skip
    lines = [
        "",
        "As candidates for verification: the 12 nearest from the cosine on.",
        "",
        "| network | cosine | copies among them | and PDQ's | other candidates a copy | CPU ms a picture |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    with_pdq = []
    for name, why, cosine in settings:
        trial, each = trials[name]
        is_candidate, n_others = candidates(trial, cosine)
        with_pdq.append(is_candidate | hashed)
        cells = (
            f"{is_candidate.mean():.3f} | {with_pdq[-1].mean():.3f} | {n_others:.2f} | {each:.1f}"
        )
        lines.append(f"| {name} | {cosine} ({why}) | {cells} |")
    lead = with_pdq[2].astype(float) - with_pdq[0]
    sums = np.stack([lead, np.ones(len(lead))], axis=1)
    paired = group_bootstrap(sums, lite.group, lambda each: each[:, 0] / each[:, 1])
    interval = f"{paired.value:+.3f} [{paired.low:+.3f}, {paired.high:+.3f}]"
    lines += [
        "",
        f"With PDQ and at the cost of the default, its lead over the default, paired: {interval}.",
    ]
    return lines


def report(
    edit: NDArray[np.str_], trials: dict[str, tuple[RetrievalScores, float]], own_cosine: float
) -> list[str]:
    light = np.isin(edit, list(LIGHT))
    first = trials["own"][0]
    parts = {"all": np.ones(len(light), bool), "light edits": light, "hard edits": ~light}
    names = list(trials)
    lines = [
        "# An embedder of one's own, from two cores",
        "",
        f"{len(edit)} copies ({len(EDITS)} kinds of edits) of {len(np.unique(first.original))} pictures in "
        f"{len(np.unique(first.group))} groups, among {first.similarity.shape[1]} pictures, some of them of one scene.",
        "Recall is the share of the copies found where 90 % or 99 % of all pairs found are right;",
        "95 % intervals from a bootstrap over source repositories and bursts.",
        "",
        f"| copies | precision | {' | '.join(names)} |",
        "| --- | --- |" + " ---: |" * len(names),
    ]
    for part, rows in parts.items():
        for precision in PRECISIONS:
            cells = [recall(trial.take(rows), precision) for trial, _ in trials.values()]
            texts = [f"{c.value:.3f} [{c.low:.3f}, {c.high:.3f}]" for c in cells]
            lines.append(f"| {part} | {precision} | {' | '.join(texts)} |")
    lines += candidate_lines(trials, own_cosine)
    limits = {name: threshold(trial, PRECISIONS[0]) for name, (trial, _) in trials.items()}
    lines += ["", f"| found at precision {PRECISIONS[0]} | copies | {' | '.join(names)} |"]
    lines += ["| --- | ---: |" + " ---: |" * len(names)]
    for name_of_edit in EDITS:
        rows = edit == name_of_edit
        counts = [
            str(int((trial.similarity[rows, trial.original[rows]] >= limits[name]).sum()))
            for name, (trial, _) in trials.items()
        ]
        lines.append(f"| {name_of_edit} | {int(rows.sum())} | {' | '.join(counts)} |")
    return lines


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("data", "work", "output"):
        arguments.add_argument(f"--{name}", type=Path, required=True)
    arguments.add_argument("--epochs", type=int, default=DEFAULT.epochs)
    options = arguments.parse_args()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    options.work.mkdir(parents=True, exist_ok=True)
    config = replace(DEFAULT, epochs=options.epochs)
    test_set = load_test_set(options.data, options.work)
    trials = {
        "EfficientNet-Lite0": score_cached("lite0", by_lite0, test_set, options.work),
        "PDQ": score_cached("pdq", pdq_similarity, test_set, options.work),
    }  # fmt: skip
    cost = train_embedder(options.data, options.work, config)
    path = options.work / "model.onnx"
    trials = {
        "own": score_cached(
            "own", lambda f: cosines(OnnxEmbedder(path), f), test_set, options.work
        ),
        **trials,
    }
    edit = edits_of_kept(test_set, trials["own"][0])
    trials = {
        name: (drop_repeated_pictures(test_set, trial), each)
        for name, (trial, each) in trials.items()
    }
    lines = report(edit, trials, cost["cosine"])
    lines += [
        "",
        f"Trained on {cost['pictures']} photographs of other repositories ({cost['held']} more chose the epoch "
        f"and the cosine), {cost['epochs']} epochs at {config.input_px} px, "
        f"{config.frozen_blocks} of 16 blocks frozen, seed {config.seed}.",
        "",
        "Command: `OMP_NUM_THREADS=1 python -m benchmarks.bench_copy_embedder --data DATA --work WORK --output FILE"
        f" --epochs {options.epochs}`",
        "",
        f"Python {platform.python_version()}, torch {version('torch')}, onnxruntime {version('onnxruntime')}, numpy "
        f"{version('numpy')}; 2 CPU cores shared with other work, no GPU.",
    ]
    options.output.write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main()
