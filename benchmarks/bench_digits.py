"""Small pictures such as MNIST: the recipe `digits` beside linear, nearest neighbour and SVM.

    safelight --home HOME crawl run idx IMAGES LABELS; ... curate run; ... dataset publish digits
    OMP_NUM_THREADS=1 python3 dev.py bench digits --home HOME --dataset digits --output FILE

Pictures are put in order by their SHA-256; the last 2,000 are tested, every tenth of the others chooses the epoch. No
figure of the test pictures chose anything.
"""

import argparse
import platform
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import sklearn
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.bench_faces import trained_outputs  # noqa: E402
from benchmarks.class_table import Answers, accuracy, timed  # noqa: E402
from benchmarks.code_version import command_line, commit  # noqa: E402
from catalog import Workspace  # noqa: E402
from training.data.stores.pictures import Store  # noqa: E402
from training.fit.run_request import TrainingRequest  # noqa: E402
from training.models.layers import count_parameters  # noqa: E402
from training.runs.run import TrainingJob, make_job  # noqa: E402

N_TEST = 2000
VALIDATION_SHARE = 10  # every tenth training picture chooses the epoch
CLASSIFIERS = {
    "linear (softmax regression, C=0.05)": LogisticRegression(C=0.05, max_iter=300),
    "nearest neighbour (k=3)": KNeighborsClassifier(3),
    "SVM (RBF kernel, C=10)": SVC(C=10.0),
}


def main() -> None:
    """Train, test and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--dataset", default="digits")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--n-test", type=int, default=N_TEST)
    parser.add_argument("--set", dest="options", action="append", default=[])
    options = parser.parse_args()
    torch.set_num_threads(1)
    request = TrainingRequest("digits", dataset=options.dataset, options=tuple(options.options))
    job = make_job(Workspace.at(options.home), request)
    with job.open_store() as store:
        order = np.argsort(store.shas)
        rest, test = order[: -options.n_test], order[-options.n_test :]
        truth = job.task.heads[0].truth(store.index)
        rows = answers(job, store, rest, test)
        n_train = len(rest)
    text = table(job, rows, truth[test], n_train)
    options.output.write_text(text, "utf-8")
    print(text)


def answers(
    job: TrainingJob, store: Store, rest: np.ndarray, test: np.ndarray
) -> dict[str, Answers]:
    """Return what each predictor says about the test pictures."""
    truth = job.task.heads[0].truth(store.index)
    plain = store.view.plain([store.sample(int(row)) for row in range(len(store))])["pictures"]
    pixels = (plain / np.float32(255)).mean(axis=1).reshape(len(store), -1)  # grey
    majority = np.full(len(test), np.bincount(truth[rest]).argmax())
    rows = {"majority": Answers(majority, 0.0)}
    for name, model in CLASSIFIERS.items():
        rows[name] = timed(
            lambda model=model: model.fit(pixels[rest], truth[rest]).predict(pixels[test])
        )
        print(name, accuracy(rows[name].predicted, truth[test]), flush=True)
    chooses = np.arange(len(rest)) % VALIDATION_SHARE == 0

    def learnt() -> np.ndarray:
        raw = trained_outputs(job, store, rest[~chooses], rest[chooses], test)
        return np.asarray(next(iter(raw.values())).argmax(1))

    rows["recipe `digits`"] = timed(learnt)
    return rows


def table(job: TrainingJob, rows: Mapping[str, Answers], truth: np.ndarray, n_train: int) -> str:
    """Write the results as Markdown."""
    lines = [
        f"| {name} | {accuracy(each.predicted, truth)} | {each.cpu_s:.0f} |"
        for name, each in rows.items()
    ]
    ours = rows["recipe `digits`"].predicted
    wrong = np.flatnonzero(ours != truth)
    classes = job.task.heads[0].classes  # type: ignore[attr-defined]  # a head of classes
    pairs = [f"{classes[truth[n]]} as {classes[ours[n]]}" for n in wrong]
    return f"""# Digits of 28 px: {n_train:,} to learn from, {len(truth):,} tested

{command_line()}

Commit {commit()}, Python {platform.python_version()}, torch {torch.__version__}, scikit-learn {sklearn.__version__},
one compute thread. `{job.release.name}@{job.release.version}`: {len(job.index):,} pictures.

| predictor | accuracy | CPU s: training and test |
| --- | --- | --- |
{chr(10).join(lines)}

Brackets: 95 % intervals from a bootstrap over pictures. The classical predictors get grey pixels from 0 to 1 and all
{n_train:,} pictures; of these the recipe uses every tenth to choose its epoch. It has
{count_parameters(job.task.build()):,} parameters. Wrong ({len(wrong)}): {", ".join(sorted(pairs)) or "none"}.

Configuration: `{job.task.config.identity()}`
"""


if __name__ == "__main__":
    main()
