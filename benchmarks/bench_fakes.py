"""Train the recipe `fakes` with a source of photographs or a kind of fakes left out, and test on what was left out.

    safelight --home HOME crawl run folder DIR --class-level 1      DIR/fake/tpdne, DIR/real/unsplash, ...
    safelight --home HOME crawl run utkface DIR2 --training-basis TEXT
    OMP_NUM_THREADS=1 python3 dev.py bench fakes --home HOME --output FILE

Without a data set `fakes` in the workspace one is published from all crawled pictures, without the search for near
copies, which takes longer than everything else on thousands of faces of one cut. Pictures are divided by their hash.
The kind of a picture is its second folder, or its source. `--set` changes the recipe, as in `safelight train run`.
"""

import argparse
import io
import platform
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.code_version import command_line, commit  # noqa: E402
from catalog import Workspace, open_catalog, publish, rows  # noqa: E402
from training.data.shards import ShardReader  # noqa: E402
from training.data.stores.pictures import Store  # noqa: E402
from training.evaluation.baselines import (  # noqa: E402
    BaselineInputs,
    compressed,
    file_table,
    predicted_by_file,
)
from training.evaluation.calibration import calibrate, class_shares  # noqa: E402
from training.evaluation.intervals import group_bootstrap  # noqa: E402
from training.evaluation.tasks.binary import area, area_sums, zone  # noqa: E402
from training.fit.checkpoint import Checkpoints  # noqa: E402
from training.fit.examples import make_examples  # noqa: E402
from training.fit.objective import predict  # noqa: E402
from training.fit.run_request import TrainingRequest  # noqa: E402
from training.fit.trainer import Training, fit  # noqa: E402
from training.runs.run import TrainingJob, make_job  # noqa: E402

NAME = "fakes"
TENTHS = {"train": range(6), "validation": range(6, 7), "test": range(7, 10)}  # of the hashes
DEGRADED = 120  # test pictures of either class for each change
CHANGES = ("as it is", "JPEG 95", "JPEG 70", "JPEG 50", "JPEG 30", "half the size", "blur 1 px")
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Trial:
    """What is trained on and tested on, as kinds of pictures; `shared` kinds are in both, by different pictures."""

    name: str
    train_kinds: tuple[str, ...]
    test_kinds: tuple[str, ...]


def trials(kinds: NDArray[Any]) -> list[Trial]:
    """List the trials for the kinds that there are: each source of photographs left out, then each kind of fakes."""
    there = set(kinds.tolist())
    fakes = [each for each in ("tpdne", "edited") if each in there]
    reals = sorted(there - {"tpdne", "edited"})
    everything = (*fakes, *reals)
    made = [Trial("nothing (inside the set)", everything, everything)]
    for real in reals:
        rest = tuple(each for each in everything if each not in (real, "edited"))
        made.append(Trial(f"{real}; fakes tpdne of a known generator", rest, ("tpdne", real)))
    for fake, real in (("tpdne", "unsplash"), ("edited", "ciplab")):
        rest = tuple(each for each in everything if each not in (fake, real))
        made.append(Trial(f"{fake} and {real}", rest, (fake, real)))
        rest = tuple(each for each in everything if each != fake)
        made.append(Trial(f"{fake}; photographs of known sources", rest, (fake, *reals)))
    return [each for each in made if set(each.train_kinds) & set(fakes)]


def main() -> None:
    """Train, evaluate and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--set", dest="options", action="append", default=[])
    options = parser.parse_args()
    torch.set_num_threads(1)
    workspace = Workspace.at(options.home)
    if not (workspace.releases / NAME).exists():
        make_release(workspace)
    job = make_job(workspace, TrainingRequest(NAME, dataset=NAME, options=tuple(options.options)))
    started = time.process_time()
    with job.open_store() as store:
        encoded = time.process_time()
        bench = LeaveOneOut(job, store)
        lines = [bench.line(each) for each in trials(bench.kinds)]
        changed = bench.changed_lines()
    seconds = (encoded - started, time.process_time() - encoded)
    text = table(job, bench, lines, changed, seconds)
    options.output.write_text(text, "utf-8")
    print(text)


def make_release(workspace: Workspace) -> None:
    """Publish all crawled pictures, divided by their hash."""
    with open_catalog(workspace) as catalog:
        photos = catalog.records(
            "SELECT a.sha256 AS asset_sha256, ANY_VALUE(p.photo_id) AS photo_id, ANY_VALUE(p.source) AS source, "
            "MIN(p.source_photo_id) AS source_photo_id, ANY_VALUE(a.width) AS width, ANY_VALUE(a.height) AS height, "
            "ANY_VALUE(a.jpeg_quality) AS jpeg_quality, BOOL_AND(p.training_allowed) AS training_allowed, "
            "ANY_VALUE(p.training_basis) AS training_basis, MIN(l.value) AS class "
            "FROM assets a JOIN photos p ON p.asset_sha256 = a.sha256 "
            "LEFT JOIN labels l ON l.subject_id = p.photo_id AND l.task = 'class' "
            "WHERE a.header_status = 'ok' GROUP BY a.sha256"
        )
    labels = [each.pop("class") for each in photos]
    for each in photos:
        part = next(n for n, tenths in TENTHS.items() if tenth(each["asset_sha256"]) in tenths)
        each |= {
            "run_id": "bench",
            "group_id": each["asset_sha256"],
            "split": part,
            "random_split": part,
        }
    items = rows("curated_items", photos).append_column("class", pa.array(labels))
    plan = {"labels": ["class"], "seed": 0, "bins": {}}
    publish(workspace, NAME, items, plan=plan, run_id="bench")


def tenth(sha256: str) -> int:
    """Return a number from 0 to 9 that the hash of a picture decides."""
    return int(sha256[:8], 16) % 10


class LeaveOneOut:
    """One release with its vectors: trains on some kinds and scores others."""

    def __init__(self, job: TrainingJob, store: Store) -> None:
        self.job, self.store = job, store
        self.head = job.task.heads[0]
        self.truth = self.head.truth(store.index)
        folders = [name.split("/") for name in store.index["source_photo_id"]]
        sources = store.index["source"].to_list()
        self.kinds = np.array(
            [f[1] if len(f) > 2 else s for f, s in zip(folders, sources, strict=True)]
        )
        self.part = np.array([tenth(sha) for sha in store.shas])
        codes = store.index["group_id"].to_numpy().astype(str)
        self.groups = np.unique(codes, return_inverse=True)[1]

    def rows(self, kinds: tuple[str, ...], part: str, *, without: tuple[str, ...] = ()) -> Rows:
        """Return the rows of some kinds in a part of the hashes; kinds that are not trained on are used whole."""
        inside = np.isin(self.part, list(TENTHS[part])) | ~np.isin(self.kinds, without)
        return np.flatnonzero(np.isin(self.kinds, kinds) & inside & (self.truth >= 0))

    def trained(self, trial: Trial) -> tuple[Any, Any, dict[str, Any], dict[str, Rows]]:
        """Train on the kinds of a trial; return network, calibration, zone and the rows of each part."""
        parts = {
            part: self.rows(trial.train_kinds, part, without=trial.train_kinds) for part in ("train", "validation")
        }  # fmt: skip
        parts["test"] = self.rows(trial.test_kinds, "test", without=trial.train_kinds)
        task, run = self.job.task, self.job.run_for("split")
        examples = {
            name: make_examples(self.store, task.heads, rows) for name, rows in parts.items()
        }
        torch.manual_seed(task.config.seed)
        training = Training(
            task.build(), task.objective, examples["train"], examples["validation"], run, task.recipe.initialise,
            task.recipe.batches,
        )  # fmt: skip
        with tempfile.TemporaryDirectory() as folder:
            network, _ = fit(training, Checkpoints(Path(folder) / "checkpoints", "bench"))
        raw = predict(network, task.heads, examples["validation"], run)[self.head.name]
        truth = self.truth[parts["validation"]]
        prior = class_shares(self.truth[parts["train"]], np.ones(len(parts["train"])), 2)
        calibration = calibrate(raw, truth, prior)
        limits = zone(calibration.stated(raw), truth, self.head.target_error)
        return network, calibration, limits, parts

    def line(self, trial: Trial) -> str:
        """Train and test once; return a row of the table."""
        network, calibration, limits, parts = self.trained(trial)
        test, run = (
            make_examples(self.store, self.job.task.heads, parts["test"]),
            self.job.run_for("split"),
        )
        stated = calibration.stated(
            predict(network, self.job.task.heads, test, run)[self.head.name]
        )
        truth = self.truth[parts["test"]]
        cells = [self.figure(stated[:, 1], parts["test"])]
        cells += [self.figure(score, parts["test"]) for score in self.baselines(parts)]
        answered = self.head.is_answered(stated, limits)
        wrong = answered & (self.head.decide(stated, limits) != truth)
        right = (self.head.decide(stated, limits) == truth).astype(float)
        cells.append(f"{np.mean([right[truth == each].mean() for each in (0, 1)]):.2f}")
        cells.append(f"{answered.mean():.2f}")
        cells += [f"{wrong[truth == each].mean():.2f}" for each in (0, 1)]
        counts = f"{(truth == 0).sum()} / {(truth == 1).sum()}"
        print(trial.name, cells, flush=True)
        return f"| {trial.name} | {counts} | {' | '.join(cells)} |"

    def figure(self, score: NDArray[Any], rows_: Rows) -> str:
        """Return the area under the ROC curve with its interval over groups."""
        each = group_bootstrap(area_sums(self.truth[rows_], score), self.groups[rows_], area)
        return f"{each.value:.3f} [{each.low:.3f}, {each.high:.3f}]"

    def baselines(self, parts: dict[str, Rows]) -> list[NDArray[Any]]:
        """Return the scores of the stored file, of the file that is seen and its bytes, and of simple features."""
        view, index = self.store.view, self.store.index
        scenes, statistics = {}, {}
        for name, rows_ in parts.items():
            pairs = [view.simple_features(self.store.sample(int(row))) for row in rows_]
            scenes[name] = np.stack([scene for scene, _ in pairs])
            statistics[name] = np.stack([numbers for _, numbers in pairs])
        n = view.n_file_statistics
        inputs = {
            "file": {name: file_table(index[rows_]) for name, rows_ in parts.items()},
            "file_seen": {name: numbers[:, -n:-1] for name, numbers in statistics.items()},
            "bytes_seen": {name: numbers[:, -1:] for name, numbers in statistics.items()},
            "simple": compressed(scenes, statistics)["tiny_features"],
        }
        everything = BaselineInputs({}, {}, np.arange(len(parts["train"])), inputs)
        by_name = predicted_by_file(everything, self.truth[parts["train"]], 2)
        return [each["test"][:, 1] for each in by_name.values()]

    def changed_lines(self) -> list[str]:
        """Leave the photographs of one source out, and change the test pictures as they may be on their way."""
        real = "unsplash" if "unsplash" in self.kinds else str(self.kinds[self.truth == 0][0])
        kinds = tuple(sorted(set(self.kinds.tolist()) - {real, "edited"}))
        network, calibration, limits, parts = self.trained(Trial("changed", kinds, ("tpdne", real)))
        test = parts["test"]
        some = np.concatenate([test[self.truth[test] == each][:DEGRADED] for each in (0, 1)])
        task, run = self.job.task, self.job.run_for("split")
        lines = []
        with ShardReader(self.job.release) as reader:
            places = self.store.index.select("shard", "offset", "length").rows()
            files = [bytes(reader.read(*places[row])) for row in some]
        for change in CHANGES:
            vectors = []
            for start in range(0, len(files), 16):
                samples = [
                    task.view.from_bytes(changed(data, change), "test")
                    for data in files[start : start + 16]
                ]
                vectors.append(encoded(task.encoders, task.view.plain(samples), run))
            with torch.inference_mode():
                output = network({"vectors": torch.from_numpy(np.concatenate(vectors))})[
                    self.head.name
                ]
            stated = calibration.stated(output.double().numpy())
            answered = self.head.is_answered(stated, limits)
            wrong = answered & (self.head.decide(stated, limits) != self.truth[some])
            lines.append(
                f"| {change} | {self.figure(stated[:, 1], some)} | {answered.mean():.2f} | {wrong.mean():.2f} |"
            )
            print(lines[-1], flush=True)
        return lines


def encoded(encoders: Any, arrays: Any, run: Any) -> NDArray[Any]:
    """Return the vectors of a plain batch, the mean over its variants, those of all encoders joined."""
    parts = [encoder.encode(arrays, run.device).mean(axis=1) for encoder in encoders]
    return np.concatenate(parts, axis=1)


def changed(data: bytes, change: str) -> bytes:
    """Compress, shrink or blur an encoded picture."""
    if change == "as it is":
        return data
    picture = Image.open(io.BytesIO(data)).convert("RGB")
    quality = int(change.split()[1]) if change.startswith("JPEG") else 90
    if change.startswith("half"):
        picture = picture.resize(
            (picture.width // 2, picture.height // 2), Image.Resampling.LANCZOS
        )
    elif change.startswith("blur"):
        picture = picture.filter(ImageFilter.GaussianBlur(1))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=quality)
    return out.getvalue()


def table(
    job: TrainingJob, bench: LeaveOneOut, lines: list[str], changed_: list[str], seconds: tuple[float, float]
) -> str:  # fmt: skip
    """Write the results as Markdown."""
    kinds = ", ".join(
        f"{name} {n}" for name, n in zip(*np.unique(bench.kinds, return_counts=True), strict=True)
    )
    encoders = ", ".join(encoder.id for encoder in job.task.encoders)
    newline = "\n"
    return f"""# Real or generated faces, with sources and generators left out

{command_line()}

Commit {commit()}, Python {platform.python_version()}, torch {torch.__version__}, one compute thread.
Pictures: {kinds}. Encoder {encoders}.
CPU: encoding {seconds[0]:.0f} s (0: the vectors were kept), trainings with evaluation {seconds[1]:.0f} s.

AUC with its 95 % interval over groups. `file`: a forest on width, height, JPEG quality and bytes of the stored file,
before alignment; `file seen`: a forest on size and JPEG tables of what the model sees, aligned and of one JPEG quality:
the shortcut check, 0.5 where files say nothing; `bytes seen`: on the bytes of that JPEG, which follow from the detail
of the face; `simple`: a forest on the scene at 32 px and eleven statistics of the aligned face.
Where validation has fewer than 20 fakes or photographs the model never answers.
Right (mean of both classes, threshold of validation), answered, and the shares of photographs and of fakes with a wrong
answer are those of the model; its zone without an answer was set on validation for {bench.head.target_error:.0%}.

| left out | real / fake | model | file | file seen | bytes seen | simple | right | answered | real wrong | fake wrong |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
{newline.join(lines)}

Photographs of unsplash left out, {DEGRADED} test pictures of either class, changed before they are looked at:

| change | model | answered | wrong |
| --- | --- | --- | --- |
{newline.join(changed_)}

That half of the networks see the early levels alone, which levels these are, and that small sources are drawn more
often was chosen while these same left-out sources were seen, so the figures are favourable.

Kinds: tpdne is StyleGAN2, edited are faces that people changed by hand, ciplab the photographs of the same set.

Configuration: `{job.task.config.identity()}`
"""


if __name__ == "__main__":
    main()
