"""What a copy-detection embedder trained on this machine brings over EfficientNet-Lite0 and PDQ.

    OMP_NUM_THREADS=1 python -m benchmarks.bench_copy_embedder --data DIR --work DIR --output FILE [--epochs N]

`--data` has photos/ and neardup/ as described in tests/real_data.py. The embedder learns from one half of the
photographs and is judged on the other; no source repository is in both, and the edits of the judged copies
(photo_edits.py) are other code than those of training. Shots of bursts stand among the pictures that are not copies.
What is done is kept in `--work`, where a run that was stopped goes on.
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
from training.copies.comparison import compare_embedders
from training.copies.edits import resize_to_square
from training.copies.export import export_onnx, make_card
from training.copies.fit import EmbedderRun, PictureSubset, fit, whole_picture
from training.copies.network import CopyNetwork, build
from training.copies.retrieval import PRECISIONS, RetrievalScores, candidate_cosine, recall
from training.data.loader import Loader
from training.evaluation.intervals import group_bootstrap
from training.fit.checkpoint import Checkpoints
from training.fit.embedder_recipe import CopyConfig
from training.recipes.copy_detection import DEFAULT

VALIDATION = 8  # one picture in this many chooses the epoch
GALLERY, QUERIED, EDITS_EACH = 220, 100, 8  # photographs; photographs with copies; copies of each
BURSTS_WITH_BURST_41 = REPEATED | {41}  # some of their shots show one photograph
SIDE = 288


class Folder:
    """Pictures in one file, as a loader wants them."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def shard(self, name: str) -> Path:
        """Say where the file lies."""
        return self.path / name


@dataclass(frozen=True)
class Judging:
    """Squares of pictures (G, 288, 288, 3) and of copies (Q, ...), the place of each original, its edit and group."""

    plain: NDArray[np.uint8]
    copies: NDArray[np.uint8]
    original: NDArray[np.int64]
    edit: NDArray[np.str_]
    group: NDArray[np.int64]


def learnable(data: Path, work: Path) -> pl.DataFrame:
    """Put half 0 into one file and say where each picture lies."""
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


def trained(data: Path, work: Path, config: CopyConfig) -> dict[str, float]:
    """Train on half 0, or go on, and write model.onnx; gives what it cost."""
    if (work / "cost.json").exists():
        return dict(json.loads((work / "cost.json").read_text()))
    index = learnable(data, work)
    torch.manual_seed(config.seed)
    network = build(config.dim, config.frozen_blocks)
    training = EmbedderRun(config, "bench", torch.device("cpu"))
    started = time.process_time()
    with Loader(
        Folder(work), index, lambda pixels: whole_picture(pixels, config.stored_px),
        sample_bytes=3 * config.stored_px**2, cache_bytes=2**31, threads=1,
    ) as loader:  # fmt: skip
        places = np.arange(len(index))
        held = PictureSubset(loader, places[places % VALIDATION == 0])
        learnt = PictureSubset(loader, places[places % VALIDATION > 0])
        done = fit(network, learnt, held, training, Checkpoints(work / "checkpoints", "bench"))
        cpu_s = time.process_time() - started
        cosine = candidate_cosine(
            compare_embedders(network, held, training, alone=True).scores["model"]
        )
    export(network, config, cosine, work)
    cost = {
        "cpu_s": cpu_s, "pictures": len(learnt), "held": len(held), "epochs": done.epoch,
        "best": done.best_epoch, "cosine": cosine, "loss": done.best_loss,
    }  # fmt: skip
    (work / "cost.json").write_text(json.dumps(cost))
    return cost


def export(network: CopyNetwork, config: CopyConfig, cosine: float, work: Path) -> None:
    card = make_card("copy_detection", config.input_px, cosine)
    export_onnx(network, card, work)
    (work / "model.json").write_text(card.to_json())


def judging(data: Path, work: Path) -> Judging:
    """Make pictures and copies of half 1, or read those of a run before."""
    path = work / "judging.npz"
    if not path.exists():
        made = made_judging(data)
        np.savez(path, **vars(made))
    found = np.load(path)
    return Judging(**{name: found[name] for name in Judging.__dataclass_fields__})


def made_judging(data: Path) -> Judging:
    rng = random.Random(SEED)
    with (data / "photos/truth.csv").open(encoding="utf-8") as lines:
        home = {Path(row["file"]).stem[-10:]: row["source_repo"] for row in csv.DictReader(lines)}
    seconds = {second for _, second in TWICE}
    photos = [(n, home[n], p) for n, p in _photographs(data, 1) if n not in seconds]
    photos = [photos[place] for place in sorted(rng.sample(range(len(photos)), GALLERY))]
    photos = without_twins(photos)
    queried = set(rng.sample(range(len(photos)), QUERIED))
    seen: set[str] = set()
    for name, picture in _bursts(data, 1):
        number = re.match(r"burst(\d+)_", name)
        if number and int(number[1]) not in BURSTS_WITH_BURST_41:
            if number[0] not in seen:
                queried.add(len(photos))
            seen.add(number[0])
            photos.append((name, number[0], picture))
    copies, original, edits, wheel = [], [], [], []
    for place in sorted(queried):
        for _ in range(EDITS_EACH):
            wheel = wheel or rng.sample(sorted(EDITS), len(EDITS))
            edits.append(wheel.pop())
            original.append(place)
            copy = EDITS[edits[-1]](photos[place][2], rng)
            copies.append(resize_to_square(np.ascontiguousarray(copy), SIDE))
    groups = np.unique([group for _, group, _ in photos], return_inverse=True)[1]
    plain = np.stack([resize_to_square(picture, SIDE) for _, _, picture in photos])
    places = np.array(original)
    return Judging(plain, np.stack(copies), places, np.array(edits), groups[places])


def without_twins(
    photos: list[tuple[str, str, NDArray[np.uint8]]],
) -> list[tuple[str, str, NDArray[np.uint8]]]:
    """Leave out pictures that lie in the archives under two names."""
    small = np.stack([cv2.resize(p, (48, 48)).mean(axis=2).ravel() for _, _, p in photos])
    small -= small.mean(axis=1, keepdims=True)
    small /= np.linalg.norm(small, axis=1, keepdims=True) + 1e-6
    is_twin = (np.tril(small @ small.T, -1) > SAME_PIXELS).any(axis=1)
    return [photo for photo, twin in zip(photos, is_twin, strict=True) if not twin]


Scores = Callable[[Judging], NDArray[np.float32]]


def by(embedder: Embedder, found: Judging) -> NDArray[np.float32]:
    embedder.load()
    vectors = [embedder.embed(squares) for squares in (found.copies, found.plain)]
    return vectors[0] @ vectors[1].T


def by_pdq(found: Judging) -> NDArray[np.float32]:
    hashes = [
        np.stack([pdq(luma_of(each)).bits[0] for each in squares])
        for squares in (found.copies, found.plain)
    ]
    bits = np.min([hamming(view, hashes[1]) for view in turned(hashes[0])], axis=0)
    return np.asarray(1 - bits / (BITS / 2), np.float32)


def scored(name: str, make: Scores, found: Judging, work: Path) -> tuple[RetrievalScores, float]:
    """Give the scores of a predictor and its CPU milliseconds a picture; those of a run before are kept."""
    path = work / f"scores {name}.npz"
    if not path.exists():
        started = time.process_time()
        scores = make(found)
        each = (time.process_time() - started) * 1000 / (len(found.copies) + len(found.plain))
        np.savez(path, scores=scores, each=each)
    kept = np.load(path)
    return RetrievalScores(kept["scores"], found.original, found.group), float(kept["each"])


def once(found: Judging, trial: RetrievalScores) -> RetrievalScores:
    """Leave out what lies in the archives twice, also as a photograph and as a shot of a burst."""
    area = [cv2.resize(each, (48, 48), interpolation=cv2.INTER_AREA) for each in found.plain]
    small = np.stack(area).mean(axis=3).reshape(len(area), -1)
    small -= small.mean(axis=1, keepdims=True)
    small /= np.linalg.norm(small, axis=1, keepdims=True) + 1e-6
    first = ~(np.tril(small @ small.T, -1) > SAME_PIXELS).any(axis=1)
    kept = first[trial.original]
    place = first.cumsum() - 1
    return RetrievalScores(
        trial.similarity[kept][:, first], place[trial.original[kept]], trial.group[kept]
    )


def kept_edits(found: Judging, trial: RetrievalScores) -> NDArray[np.str_]:
    """Name the edits of the copies that `once` keeps."""
    numbered = replace(trial, group=np.arange(len(trial.group)))
    return np.asarray(found.edit[once(found, numbered).group])


def threshold(trial: RetrievalScores, precision: float) -> float:
    """Give the lowest score from which on so many of the pairs are copies."""
    is_copy = np.zeros(trial.similarity.shape, bool)
    is_copy[np.arange(len(trial.original)), trial.original] = True
    order = np.argsort(-trial.similarity.ravel())
    right = is_copy.ravel()[order].cumsum() / np.arange(1, order.size + 1)
    return float(trial.similarity.ravel()[order][np.flatnonzero(right >= precision)[-1]])


def candidates(trial: RetrievalScores, cosine: float) -> tuple[NDArray[np.bool_], float]:
    """Say which copies are among the 12 nearest from this cosine on, and how many other pictures a copy brings."""
    nearest = np.argsort(-trial.similarity, axis=1)[:, : CandidateLimits().nearest]
    close = np.take_along_axis(trial.similarity, nearest, 1) >= cosine
    own = (nearest == trial.original[:, None]) & close
    return own.any(axis=1), float((close.sum() - own.sum()) / len(nearest))


def as_dear(trial: RetrievalScores, others: float) -> float:
    """Give the lowest cosine, in steps of 0.01, that brings at most so many other pictures a copy."""
    steps = np.arange(0, 1, 0.01).round(2).tolist()
    return next(step for step in steps if candidates(trial, step)[1] <= others)


def candidate_lines(
    trials: dict[str, tuple[RetrievalScores, float]], own_cosine: float
) -> list[str]:
    lite, pdq_trial = trials["EfficientNet-Lite0"][0], trials["PDQ"][0]
    by_hash = pdq_trial.similarity[np.arange(len(pdq_trial.original)), pdq_trial.original]
    hashed = by_hash >= 1 - CandidateLimits().pdq / (BITS / 2)
    default = CandidateLimits().cosine
    asked = [
        ("EfficientNet-Lite0", "its default", default),
        ("own", "as its card says", own_cosine),
        ("own", "at the cost of the default", as_dear(trials["own"][0], candidates(lite, default)[1])),
    ]  # fmt: skip
    lines = [
        "",
        "As candidates for verification: the 12 nearest from the cosine on.",
        "",
        "| network | cosine | copies among them | and PDQ's | other candidates a copy | CPU ms a picture |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    reached = []
    for name, why, cosine in asked:
        trial, each = trials[name]
        found, others = candidates(trial, cosine)
        reached.append(found | hashed)
        cells = f"{found.mean():.3f} | {reached[-1].mean():.3f} | {others:.2f} | {each:.1f}"
        lines.append(f"| {name} | {cosine} ({why}) | {cells} |")
    lead = reached[2].astype(float) - reached[0]
    sums = np.stack([lead, np.ones(len(lead))], axis=1)
    paired = group_bootstrap(sums, lite.group, lambda each: each[:, 0] / each[:, 1])
    told = f"{paired.value:+.3f} [{paired.low:+.3f}, {paired.high:+.3f}]"
    lines += [
        "",
        f"With PDQ and at the cost of the default, its lead over the default, paired: {told}.",
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
            shown = [f"{c.value:.3f} [{c.low:.3f}, {c.high:.3f}]" for c in cells]
            lines.append(f"| {part} | {precision} | {' | '.join(shown)} |")
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
    given = arguments.parse_args()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    given.work.mkdir(parents=True, exist_ok=True)
    config = replace(DEFAULT, epochs=given.epochs)
    found = judging(given.data, given.work)
    trials = {
        "EfficientNet-Lite0": scored("lite0", lambda f: by(EfficientNetLite0(device="cpu"), f), found, given.work),
        "PDQ": scored("pdq", by_pdq, found, given.work),
    }  # fmt: skip
    cost = trained(given.data, given.work, config)
    path = given.work / "model.onnx"
    trials = {
        "own": scored("own", lambda f: by(OnnxEmbedder(path), f), found, given.work),
        **trials,
    }
    edit = kept_edits(found, trials["own"][0])
    trials = {name: (once(found, trial), each) for name, (trial, each) in trials.items()}
    lines = report(edit, trials, cost["cosine"])
    lines += [
        "",
        f"Trained on {cost['pictures']} photographs of other repositories ({cost['held']} more chose the epoch "
        f"and the cosine), {cost['epochs']} epochs at {config.input_px} px, "
        f"{config.frozen_blocks} of 16 blocks frozen, seed {config.seed}.",
        "",
        "Command: `OMP_NUM_THREADS=1 python -m benchmarks.bench_copy_embedder --data DATA --work WORK --output FILE"
        f" --epochs {given.epochs}`",
        "",
        f"Python {platform.python_version()}, torch {version('torch')}, onnxruntime {version('onnxruntime')}, numpy "
        f"{version('numpy')}; 2 CPU cores shared with other work, no GPU.",
    ]
    given.output.write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main()
