"""Spoken digits: the recipe `sounds` on takes and on speakers that it has not heard, beside a linear model.

    safelight --home HOME crawl run sounds DIR; ... curate run; ... dataset publish spoken
    OMP_NUM_THREADS=1 python3 dev.py bench sounds --home HOME --dataset spoken --output FILE

Names are `digit_speaker_take.wav`. Takes 0 to 4 are tested by a model of the later ones (the official split of the
Free Spoken Digit Dataset), then each speaker by a model of the others; each with several seeds. No epoch is chosen, so
all of the others are learnt from; the curve of validation is that of one of their takes.
"""

import argparse
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
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
from benchmarks.class_table import Answers, accuracy, mean_share, timed  # noqa: E402
from benchmarks.code_version import command_line, commit  # noqa: E402
from catalog import Workspace  # noqa: E402
from training.data.stores.pictures import Store  # noqa: E402
from training.fit.run_request import TrainingRequest  # noqa: E402
from training.models.layers import count_parameters  # noqa: E402
from training.runs.run import TrainingJob, make_job  # noqa: E402

FIRST_TAKES = 5
WATCHED_TAKE = 5  # the take whose loss is in the curve of validation; it is learnt from, too


@dataclass(frozen=True)
class Result:
    """The answers for one part that was left out: its true classes (N,), those of the linear model, ours by seed."""

    title: str
    truth: np.ndarray
    linear: Answers
    ours: list[Answers]

    def right(self) -> np.ndarray:
        """Return the share of seeds that answer each sound rightly, (N,)."""
        return np.mean([each.predicted == self.truth for each in self.ours], axis=0)


def main() -> None:
    """Train, test and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--dataset", default="spoken")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--set", dest="options", action="append", default=[])
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    jobs = [job_of(options, seed) for seed in range(options.seeds)]
    results = []
    with jobs[0].open_store() as store:
        for title, rest, test in parts(store):
            results.append(result(jobs, store, title, rest, test))
            print(title, mean_share(results[-1].right()), flush=True)
    text = table(jobs[0], results)
    options.output.write_text(text, "utf-8")
    print(text)


def job_of(options: argparse.Namespace, seed: int) -> TrainingJob:
    """Make the training of a seed."""
    words = (*options.options, f"seed={seed}")
    request = TrainingRequest("sounds", dataset=options.dataset, options=words)
    return make_job(Workspace.at(options.home), request)


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
    jobs: list[TrainingJob], store: Store, title: str, rest: np.ndarray, test: np.ndarray
) -> Result:
    """Train on some rows with each seed, and answer for the others."""
    truth = jobs[0].task.heads[0].truth(store.index)
    means = np.array(
        [store.view.simple_features(store.sample(row))[0] for row in range(len(store))]
    )
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    linear = timed(lambda: model.fit(means[rest], truth[rest]).predict(means[test]))
    watched = rest[speakers_and_takes(store)[1][rest] == WATCHED_TAKE]

    def learnt(job: TrainingJob) -> np.ndarray:
        raw = trained_outputs(job, store, rest, watched, test)
        return np.asarray(next(iter(raw.values())).argmax(1))

    return Result(title, truth[test], linear, [timed(partial(learnt, job)) for job in jobs])


def table(job: TrainingJob, results: list[Result]) -> str:
    """Write the results as Markdown."""
    speakers = results[1:]
    seeds = range(len(results[0].ours))
    linear = np.mean([(each.linear.predicted == each.truth).mean() for each in speakers])
    by_seed = [
        np.mean([(each.ours[seed].predicted == each.truth).mean() for each in speakers])
        for seed in seeds
    ]
    mean = " | ".join(f"{each:.4f}" for each in (linear, *by_seed, np.mean(by_seed)))
    columns = [
        "left out", "sounds", "logistic on mean and spread of log-mel bands",
        *(f"recipe `sounds`, seed {seed}" for seed in seeds),
        "mean of the seeds", "CPU s a seed: training and test",
    ]  # fmt: skip
    newline = "\n"
    return f"""# Spoken digits: takes and speakers that were left out

{command_line()}

Commit {commit()}, Python {platform.python_version()}, torch {torch.__version__}, scikit-learn {sklearn.__version__},
one compute thread. `{job.release.name}@{job.release.version}`: {len(job.index):,} sounds of {len(speakers)} speakers.

| {" | ".join(columns)} |
| {" | ".join(["---"] * len(columns))} |
{newline.join(map(line, results))}
| mean over the speakers | | {mean} | |

Brackets: 95 % intervals from a bootstrap over the sounds of that row; they hold for more sounds of the same speaker.
{len(speakers)} speakers are too few for an interval that holds for other speakers. The network has
{count_parameters(job.task.build()):,} parameters. Hyperparameters were chosen with these speakers, so the mean over
them is somewhat too high for others; the last epoch is taken, none was chosen.

Configuration, but for the seed: `{job.task.config.identity()}`
"""


def line(each: Result) -> str:
    """Write the row of a part that was left out."""
    seeds = [f"{(answers.predicted == each.truth).mean():.4f}" for answers in each.ours]
    cells = [
        each.title, str(len(each.truth)), accuracy(each.linear.predicted, each.truth), *seeds,
        mean_share(each.right()), f"{np.mean([answers.cpu_s for answers in each.ours]):.0f}",
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
