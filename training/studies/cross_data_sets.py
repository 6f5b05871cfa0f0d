"""Train one recipe on several data sets and test each model on each of them: what is learnt beyond one's own pictures.

Test pictures of another data set that the model was trained on, by their bytes, are left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from catalog import Workspace, counted
from training.data.arrays import MISSING
from training.errors import TrainingError
from training.evaluation.intervals import Interval, group_bootstrap
from training.evaluation.tasks.binary import area, area_sums
from training.fit.examples import cut_parts, make_examples
from training.fit.objective import predict
from training.fit.run_request import TrainingRequest
from training.heads.binary import BinaryHead
from training.predict.saved_model import read_facts
from training.runs.run import TrainingJob, make_job, train
from training.runs.saved_network import load_network

POLICY = "split"


@dataclass(frozen=True)
class CrossCell:
    """The area under the ROC curve of the model of `trained` on the test pictures of `tested`."""

    trained: str
    tested: str
    auc: Interval
    n_left_out: int


def cross(
    workspace: Workspace,
    request: TrainingRequest,
    datasets: Sequence[str],
    labels: Mapping[str, str] | None = None,
) -> list[CrossCell]:
    """Train on each data set, test on all of them; models that are there are not trained again.

    `labels` has the column or SQL expression of data sets whose label is another than that of the request.
    Raises TrainingError for a recipe whose only head does not have two classes, or fewer than two data sets.
    """
    if len(set(datasets)) < 2:
        raise TrainingError("a cross-data-set matrix needs at least two data sets")
    requests = {name: _on(request, name, labels or {}) for name in datasets}
    jobs = {name: make_job(workspace, each) for name, each in requests.items()}
    for name, job in jobs.items():
        if (
            len(job.task.heads) != 1
            or not isinstance(job.task.heads[0], BinaryHead)
            or job.task.encoders
        ):
            raise TrainingError(
                f"recipe {job.task.recipe.name} does not tell two classes from pictures in {name}, "
                "so there is no matrix of areas"
            )
    folders = {name: train(workspace, each).models[POLICY] for name, each in requests.items()}
    seen = {name: _trained_on(job) for name, job in jobs.items()}
    cells = []
    for tested, job in jobs.items():
        for trained, folder in folders.items():
            left_out = seen[trained] if trained != tested else frozenset()
            cells.append(_cell(job, folder, (trained, tested), left_out))
    return sorted(cells, key=lambda cell: [*jobs].index(cell.trained))


def _on(request: TrainingRequest, dataset: str, labels: Mapping[str, str]) -> TrainingRequest:
    own = (f"label={labels[dataset]}",) if dataset in labels else ()
    return TrainingRequest(
        request.recipe, dataset, request.preset, request.epochs, request.seed, (POLICY,),
        options=(*request.options, *own),
    )  # fmt: skip


def labels_by_data_set(
    texts: Sequence[str], datasets: Sequence[str]
) -> tuple[str | None, dict[str, str]]:
    """Return the label of all data sets, if one is given, and those that are given as DATASET=LABEL.

    Raises TrainingError where two labels are for the same data sets.

    >>> labels_by_data_set(["good", "ava=mean_score > 6 AS good"], ["mine", "ava"])
    ('good', {'ava': 'mean_score > 6 AS good'})
    """
    found: dict[str, str] = {}
    for text in texts:
        name, equals, label = text.partition("=")
        place, value = (name, label) if equals and name in datasets else ("", text)
        if place in found:
            raise TrainingError(
                f"two labels for {place or 'all data sets'}: {found[place]} and {value}; "
                "give that of one data set as DATASET=LABEL"
            )
        found[place] = value
    return found.pop("", None), found


def _trained_on(job: TrainingJob) -> frozenset[str]:
    used = job.index.filter(pl.col(POLICY).is_in(["train", "validation"]))
    return frozenset(used["asset_sha256"].to_list())


def _cell(
    job: TrainingJob, folder: Path, names: tuple[str, str], left_out: frozenset[str]
) -> CrossCell:
    """Score the model of a folder on the test pictures of a job, without those it knows."""
    head, run = job.task.heads[0], job.run_for(POLICY)
    network = load_network(folder, read_facts(folder)).to(run.device)
    with job.open_store() as store:
        rows = cut_parts(store, job.release, job.task.heads, job.task.config, POLICY).test.rows
        is_new = np.array([store.shas[row] not in left_out for row in rows])
        examples = make_examples(store, job.task.heads, rows[is_new])
        truth = examples.truth[head.name]
        labelled = np.flatnonzero(truth != MISSING)
        if len(np.unique(truth[labelled])) < 2:
            raise TrainingError(f"the test pictures of {names[1]} are not of both classes")
        score = predict(network, job.task.heads, examples, run)[head.name][labelled, 1]
        sums = area_sums(truth[labelled], score)
        auc = group_bootstrap(sums, examples.groups[labelled], area)
    return CrossCell(*names, auc, int((~is_new).sum()))


def matrix_lines(cells: Sequence[CrossCell]) -> list[str]:
    """Write the matrix as lines of text, a row for each model."""
    tested = list(dict.fromkeys(cell.tested for cell in cells))
    rows = [["trained on", *(f"tested on {name}" for name in tested)]]
    for trained in dict.fromkeys(cell.trained for cell in cells):
        by_test = {cell.tested: cell for cell in cells if cell.trained == trained}
        rows.append([trained, *(_text(by_test[name]) for name in tested)])
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return [
        "  ".join(f"{text:<{width}}" for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _text(cell: CrossCell) -> str:
    auc = cell.auc
    interval = "" if auc.low is None else f" [{auc.low:.3f}, {auc.high:.3f}]"
    left_out = f", {cell.n_left_out} known left out" if cell.n_left_out else ""
    return f"{auc.value:.3f}{interval} ({counted(auc.n, 'picture')}{left_out})"
