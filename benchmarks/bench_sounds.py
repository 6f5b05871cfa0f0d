"""Spoken digits: the recipe `sounds` on takes and on speakers that it has not heard, beside a linear model.

    safelight --home HOME crawl run sounds DIR; ... curate run; ... dataset publish spoken
    OMP_NUM_THREADS=1 python3 dev.py bench sounds --home HOME --dataset spoken --output FILE

Names are `digit_speaker_take.wav`. Takes 0 to 4 are tested by a model of the later ones (the official split of the
Free Spoken Digit Dataset), then each speaker by a model of the others. Every eighth take of the training speakers
chooses the epoch.
"""

import argparse
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import sklearn
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.bench_faces import trained_outputs  # noqa: E402
from benchmarks.class_table import Answers, accuracy, timed  # noqa: E402
from benchmarks.code_version import commit  # noqa: E402
from catalog import Workspace  # noqa: E402
from training.data.stores.pictures import Store  # noqa: E402
from training.fit.run_request import TrainingRequest  # noqa: E402
from training.models.layers import count_parameters  # noqa: E402
from training.runs.run import TrainingJob, make_job  # noqa: E402

FIRST_TAKES = 5
VALIDATION_SHARE = 8  # every eighth take chooses the epoch


@dataclass(frozen=True)
class Result:
    """The answers for one part that was left out: its true classes (N,), ours and those of the linear model."""

    title: str
    truth: np.ndarray
    linear: Answers
    ours: Answers


def main() -> None:
    """Train, test and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--dataset", default="spoken")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--set", dest="options", action="append", default=[])
    options = parser.parse_args()
    torch.set_num_threads(1)
    request = TrainingRequest("sounds", dataset=options.dataset, options=tuple(options.options))
    job = make_job(Workspace.at(options.home), request)
    results = []
    with job.open_store() as store:
        for title, rest, test in parts(store):
            results.append(result(job, store, title, rest, test))
            print(title, accuracy(results[-1].ours.predicted, results[-1].truth), flush=True)
    text = table(job, results)
    options.output.write_text(text, "utf-8")
    print(text)


def parts(store: Store) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield a title, the rows to learn from and the rows to test: by take, then by speaker."""
    speakers, takes = speakers_and_takes(store)
    is_first = takes < FIRST_TAKES
    title = f"takes 0 to {FIRST_TAKES - 1}, speakers known"
    yield title, np.flatnonzero(~is_first), np.flatnonzero(is_first)
    for speaker in sorted(set(speakers)):
        is_left_out = speakers == speaker
        yield speaker, np.flatnonzero(~is_left_out), np.flatnonzero(is_left_out)


def speakers_and_takes(store: Store) -> tuple[np.ndarray, np.ndarray]:
    """Read speaker and take of each row from the name of its file."""
    names = [Path(each).stem.split("_") for each in store.index["source_photo_id"]]
    return np.array([name[1] for name in names]), np.array([int(name[2]) for name in names])


def result(
    job: TrainingJob, store: Store, title: str, rest: np.ndarray, test: np.ndarray
) -> Result:
    """Train on some rows and answer for the others."""
    truth = job.task.heads[0].truth(store.index)
    means = np.array(
        [store.view.simple_features(store.sample(row))[0] for row in range(len(store))]
    )
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    linear = timed(lambda: model.fit(means[rest], truth[rest]).predict(means[test]))
    chooses = speakers_and_takes(store)[1][rest] % VALIDATION_SHARE == FIRST_TAKES

    def learnt() -> np.ndarray:
        raw = trained_outputs(job, store, rest[~chooses], rest[chooses], test)
        return np.asarray(next(iter(raw.values())).argmax(1))

    return Result(title, truth[test], linear, timed(learnt))


def table(job: TrainingJob, results: list[Result]) -> str:
    """Write the results as Markdown."""
    lines = [
        f"| {each.title} | {len(each.truth)} | {accuracy(each.linear.predicted, each.truth)} | "
        f"{accuracy(each.ours.predicted, each.truth)} | {each.ours.cpu_s:.0f} |"
        for each in results
    ]
    by_speaker = results[1:]
    means = [
        np.mean([(getattr(each, name).predicted == each.truth).mean() for each in by_speaker])
        for name in ("linear", "ours")
    ]
    return f"""# Spoken digits: takes and speakers that were left out

Commit {commit()}, Python {platform.python_version()}, torch {torch.__version__}, scikit-learn {sklearn.__version__},
one compute thread. `{job.release.name}@{job.release.version}`: {len(job.index):,} sounds of {len(by_speaker)} speakers.

| left out | sounds | logistic on mean and spread of log-mel bands | recipe `sounds` | CPU s: training and test |
| --- | --- | --- | --- | --- |
{chr(10).join(lines)}
| mean over the speakers | | {means[0]:.4f} | {means[1]:.4f} | |

Brackets: 95 % intervals from a bootstrap over the sounds of that row; they hold for more sounds of the same speaker.
{len(by_speaker)} speakers are too few for an interval that holds for other speakers. The network has
{count_parameters(job.task.build()):,} parameters. Hyperparameters were chosen with these speakers, so the mean over
them is somewhat too high for others; no epoch was chosen by it.

Configuration: `{job.task.config.identity()}`
"""


if __name__ == "__main__":
    main()
