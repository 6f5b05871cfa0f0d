"""Search hyperparameters: train with many configurations and choose the best one on validation.

    reports/search/<id>/study.sqlite     Optuna's own storage; a stopped search continues from it
    reports/search/<id>/trials.parquet   one row a trial

No test picture is looked at, so the figures of the model that is trained afterwards are not chosen by luck.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import optuna
import polars as pl
import torch
from optuna.trial import FrozenTrial, TrialState

from catalog import Workspace, progress_task
from training.errors import OptionError
from training.fit.checkpoint import Checkpoints, TrainingProgress
from training.fit.examples import DatasetParts, cut_parts
from training.fit.run_request import TrainingRequest
from training.fit.task import Task, short_hash
from training.fit.trainer import Training, fit
from training.runs.run import TrainingJob, make_job

POLICY = "split"


@dataclass(frozen=True)
class Dimension:
    """One hyperparameter of the search: some values, or a range (`low` to `high`, logarithmic or not)."""

    name: str
    values: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0
    is_logarithmic: bool = False

    @classmethod
    def parse(cls, text: str) -> "Dimension":
        """Read `name=a,b,c`, `name=low:high` or `name=low:high:log`; raises OptionError.

        >>> Dimension.parse("learning_rate=1e-4:1e-2:log").is_logarithmic, Dimension.parse("hidden=64,128").values
        (True, ('64', '128'))
        """
        name, separator, rest = text.partition("=")
        if ":" not in rest:
            values = tuple(value for value in rest.split(",") if value)
            if not separator or len(values) < 2:
                raise OptionError(text, ["NAME=A,B,...", "NAME=LOW:HIGH", "NAME=LOW:HIGH:log"])
            return cls(name, values)
        low, high, *scale = rest.split(":")
        try:
            made = cls(name, (), float(low), float(high), is_logarithmic=scale == ["log"])
        except ValueError:
            made = cls(name)
        if not made.low < made.high or scale not in ([], ["log"]) or (scale and made.low <= 0):
            raise OptionError(text, ["NAME=LOW:HIGH with LOW below HIGH, above 0 for log"])
        return made

    def suggest(self, trial: optuna.Trial, *, is_whole: bool) -> str:
        """Choose a value for a trial, as text."""
        if self.values:
            return str(trial.suggest_categorical(self.name, self.values))
        if is_whole:
            whole = (int(self.low), int(self.high))
            return str(trial.suggest_int(self.name, *whole, log=self.is_logarithmic))
        return repr(trial.suggest_float(self.name, self.low, self.high, log=self.is_logarithmic))


@dataclass(frozen=True)
class SearchRequest:
    """What to search: a training request, the dimensions, and the number of trials for ranges.

    With values only the whole grid is tried, and `trials` is not used; otherwise TPE chooses.
    """

    training: TrainingRequest
    dimensions: tuple[Dimension, ...]
    trials: int = 20


@dataclass(frozen=True)
class SearchResult:
    """The folder of a search, its trials with the best first, and how many of them are new."""

    folder: Path
    trials: pl.DataFrame
    n_new: int

    @property
    def best_options(self) -> tuple[str, ...]:
        """The options `name=value` of the best trial."""
        names = [name for name in self.trials.columns if name.startswith("set_")]
        row = self.trials.row(0, named=True)
        return tuple(f"{name.removeprefix('set_')}={row[name]}" for name in names)


def search(workspace: Workspace, request: SearchRequest) -> SearchResult:
    """Try configurations until their number is reached; the same request continues where it was stopped.

    Raises OptionError for an unknown hyperparameter, and what `training.train` raises.
    """
    job = make_job(workspace, request.training)
    _check(job.task, request.dimensions)
    folder = workspace.reports / "search" / _search_id(job, request)
    folder.mkdir(parents=True, exist_ok=True)
    study = _study(folder, request)
    n_before = len(_finished(study))
    torch.set_num_threads(job.settings.compute_threads)
    _revive_killed(study)
    with job.open_store() as store, progress_task("search", _target(request), "trials") as bar:
        bar.update(completed=n_before)
        parts = cut_parts(store, job.release, job.task.heads, job.task.config, POLICY)
        while len(_finished(study)) < _target(request):
            _queue_grid(study, request)
            study.optimize(lambda trial: _trained_loss(job, request, parts, trial), n_trials=1)
            bar.advance()
            _table(study).write_parquet(folder / "trials.parquet")
    return SearchResult(folder, _table(study), len(_finished(study)) - n_before)


def _check(task: Task, dimensions: Sequence[Dimension]) -> None:
    """Raise OptionError before any training for a name or value that the recipe does not have."""
    for each in dimensions:
        for value in each.values or (
            str(int(each.low)) if _is_whole(task, each) else repr(each.low),
        ):
            task.config.changed([f"{each.name}={value}"])


def _is_whole(task: Task, dimension: Dimension) -> bool:
    return isinstance(getattr(task.config, dimension.name, None), int)


def _search_id(job: TrainingJob, request: SearchRequest) -> str:
    space = [[d.name, d.values, d.low, d.high, d.is_logarithmic] for d in request.dimensions]
    return short_hash({"model": job.task.model_id(job.release.digest, POLICY), "space": space})


def _target(request: SearchRequest) -> int:
    if not _is_grid(request):
        return request.trials
    target = 1
    for each in request.dimensions:
        target *= len(each.values)
    return target


def _is_grid(request: SearchRequest) -> bool:
    return all(each.values for each in request.dimensions)


def _study(folder: Path, request: SearchRequest) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = optuna.samplers.TPESampler(seed=request.training.seed)
    return optuna.create_study(
        storage=f"sqlite:///{folder / 'study.sqlite'}", study_name="search",
        sampler=sampler, direction="minimize", load_if_exists=True,
    )  # fmt: skip


def _revive_killed(study: optuna.Study) -> None:
    """Try the configurations of trials that were killed or stopped again."""
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
    finished = [trial.params for trial in _finished(study)]
    for trial in study.get_trials(states=(TrialState.FAIL,)):
        if trial.params and trial.params not in finished:
            study.enqueue_trial(trial.params, skip_if_exists=False)
            finished.append(trial.params)


def _queue_grid(study: optuna.Study, request: SearchRequest) -> None:
    """Make the first configuration of the grid that has no finished trial the next one."""
    if not _is_grid(request) or study.get_trials(states=(TrialState.WAITING,)):
        return
    finished = [trial.params for trial in _finished(study)]
    names = [each.name for each in request.dimensions]
    for values in product(*(each.values for each in request.dimensions)):
        params = dict(zip(names, values, strict=True))
        if params not in finished:
            study.enqueue_trial(params)
            return


def _finished(study: optuna.Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def _trained_loss(
    job: TrainingJob, request: SearchRequest, parts: DatasetParts, trial: optuna.Trial
) -> float:
    """Train one configuration and return its best validation loss."""
    options = [
        f"{each.name}={each.suggest(trial, is_whole=_is_whole(job.task, each))}"
        for each in request.dimensions
    ]
    task = replace(job.task, config=job.task.config.changed(options))
    run = TrainingJob(
        job.workspace, job.release, job.index, task, job.settings, job.budget_s
    ).run_for(POLICY)
    torch.manual_seed(task.config.seed)
    training = Training(
        task.build().to(run.device), task.objective, parts.train, parts.validation, run,
        task.recipe.initialise, task.recipe.batches,
    )  # fmt: skip
    with TemporaryDirectory() as folder:
        _, progress = fit(training, Checkpoints(Path(folder) / "checkpoints", "search"))
    _note(trial, progress)
    return progress.best_loss


def _note(trial: optuna.Trial, progress: TrainingProgress) -> None:
    trial.set_user_attr("best_epoch", progress.best_epoch)
    trial.set_user_attr("examples_seen", progress.examples_seen)
    trial.set_user_attr("seconds", progress.total_seconds)


def _table(study: optuna.Study) -> pl.DataFrame:
    """Return finished trials, the best first."""
    rows: list[dict[str, Any]] = [
        {"trial": each.number, "validation_loss": each.value, **each.user_attrs}
        | {f"set_{name}": str(value) for name, value in each.params.items()}
        for each in _finished(study)
    ]
    return pl.DataFrame(rows, infer_schema_length=None).sort("validation_loss", "trial")
