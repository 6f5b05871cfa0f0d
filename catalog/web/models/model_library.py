"""The contract of a model library: the trained models of a workspace, with figures, curves and errors.

The folders of models belong to training, which the catalog may not import: the command `safelight` passes a library in.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import click

from catalog.workspace.workspace import Workspace

OPENER = "safelight.open_models"
"""Key of the opener in `meta` of the root context of the command."""

State = Literal["finished", "unfinished", "unreadable"]
ModelVerdict = Literal["better than", "cannot be told from", "worse than", "too few groups to tell"]


@dataclass(frozen=True)
class ModelFigure:
    """A metric on `pictures` of so many `groups`; `text` has its 95 % interval, which is null under ten groups."""

    value: float
    low: float | None
    high: float | None
    pictures: int
    groups: int
    text: str


@dataclass(frozen=True)
class HeadFigure:
    """The main figure of a head beside its best baseline; `lead` is their difference, paired on the same groups.

    `family` is classes, values or retrieval, `column` the label's column of the release, `classes` are empty for a
    value. Without a baseline its name is empty, and `baseline` and `verdict` are null.
    """

    task: str
    title: str
    family: str
    column: str
    classes: tuple[str, ...]
    metric: str
    unit: str
    higher_is_better: bool
    model: ModelFigure
    baseline_name: str
    baseline: ModelFigure | None
    lead: ModelFigure | None
    verdict: ModelVerdict | None


@dataclass(frozen=True)
class WeightsSource:
    """Where weights that a user added come from, and under which licence."""

    name: str
    kind: str
    file: str
    package: str
    sha256: str
    licence: str
    trained_on: str
    note: str


@dataclass(frozen=True)
class ModelSummary:
    """One model. Of a folder that cannot be read, or whose training has not ended, `problem` is a sentence.

    `seconds` is the time in its epochs. `run_id` is that of its training report, empty without one; `predicts` says
    whether it predicts pictures.
    """

    model_id: str
    state: State
    problem: str = ""
    recipe: str = ""
    dataset: str = ""
    version: str = ""
    dataset_digest: str = ""
    split_policy: str = ""
    seed: int | None = None
    trained_at: str = ""
    parameters: int | None = None
    epochs: int | None = None
    seconds: float | None = None
    weights: tuple[WeightsSource, ...] = ()
    heads: tuple[HeadFigure, ...] = ()
    run_id: str = ""
    predicts: bool = False


@dataclass(frozen=True)
class BoardEntry:
    """One model in a leaderboard."""

    model_id: str
    recipe: str
    parameters: int | None
    figure: HeadFigure


@dataclass(frozen=True)
class Board:
    """Models with equal dataset version, split policy, head and classes, the best value first."""

    dataset: str
    version: str
    split_policy: str
    task: str
    title: str
    metric: str
    entries: tuple[BoardEntry, ...]


@dataclass(frozen=True)
class ModelList:
    """The models of a workspace, the newest first, and their leaderboards."""

    models: tuple[ModelSummary, ...]
    boards: tuple[Board, ...]


@dataclass(frozen=True)
class Setting:
    """A setting of a training, and its value as text."""

    name: str
    value: str


@dataclass(frozen=True)
class DifferingSetting:
    """A setting with its text in either model."""

    name: str
    first: str
    second: str


@dataclass(frozen=True)
class Curves:
    """The history of a training: one value an epoch and column, null where none was measured."""

    model_id: str
    epochs: tuple[int, ...]
    best_epoch: int | None
    columns: Mapping[str, tuple[float | None, ...]]


@dataclass(frozen=True)
class MetricRow:
    """One row of the metrics of a model, or of a baseline (`predictor`), on all test pictures or a slice of them."""

    task: str
    metric: str
    predictor: str
    slice: str
    value: float
    low: float | None
    high: float | None
    pictures: int
    groups: int


@dataclass(frozen=True)
class Confusion:
    """Test pictures by true class (rows) and predicted class (columns); the last class may be `others`."""

    task: str
    title: str
    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class ConfidenceBin:
    """Test pictures of about one confidence, and the share of them that is right."""

    confidence: float
    right: float
    pictures: int


@dataclass(frozen=True)
class Calibration:
    """How often a head is right by how sure it is, in tenths of confidence."""

    task: str
    title: str
    bins: tuple[ConfidenceBin, ...]


@dataclass(frozen=True)
class ErrorPicture:
    """A test picture with its true and predicted class or value.

    `probability` is that of the predicted class, null for a value; `error` says by how much a value is off.
    """

    sha256: str
    truth: str
    predicted: str
    probability: float | None
    error: str


@dataclass(frozen=True)
class HeadErrors:
    """The test pictures that a head gets most wrong: confidently wrong classes, or the largest errors of a value.

    `wrong` and `tested` are numbers of pictures; of a value all are off by something, so `wrong` is null.
    """

    task: str
    title: str
    wrong: int | None
    tested: int
    pictures: tuple[ErrorPicture, ...]


@dataclass(frozen=True)
class ModelPage:
    """Everything about one model. `card` is Markdown; `problems` are sentences about what cannot be shown.

    `withheld` is the number of test pictures that are never shown, because they were taken down or are blocked.
    """

    summary: ModelSummary
    card: str = ""
    configuration: tuple[Setting, ...] = ()
    curves: Curves | None = None
    metrics: tuple[MetricRow, ...] = ()
    confusions: tuple[Confusion, ...] = ()
    calibrations: tuple[Calibration, ...] = ()
    errors: tuple[HeadErrors, ...] = ()
    withheld: int = 0
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class HeadDifference:
    """A head of two models on the pictures that both were tested on: `lead` is the second minus the first, paired.

    The verdict says what the second model is: better than, or not, the first.
    """

    task: str
    title: str
    metric: str
    unit: str
    higher_is_better: bool
    first: ModelFigure
    second: ModelFigure
    lead: ModelFigure
    verdict: ModelVerdict


@dataclass(frozen=True)
class DifferingPicture:
    """A picture on which two models differ, with what each says."""

    sha256: str
    truth: str
    first: str
    second: str
    first_is_right: bool
    second_is_right: bool


@dataclass(frozen=True)
class HeadDisagreement:
    """The pictures on which two models differ most in one head; `differ` of `both` pictures have another answer."""

    task: str
    title: str
    differ: int
    both: int
    pictures: tuple[DifferingPicture, ...]


@dataclass(frozen=True)
class ModelComparison:
    """Two models of equal data side by side.

    `unequal` are the conditions of their trainings that differ, `settings` the other differences. `curves` are those of
    the first and of the second model.
    """

    first: ModelSummary
    second: ModelSummary
    unequal: tuple[DifferingSetting, ...]
    settings: tuple[DifferingSetting, ...]
    curves: tuple[Curves, ...]
    heads: tuple[HeadDifference, ...]
    disagreements: tuple[HeadDisagreement, ...]
    withheld: int


PictureFilter = Callable[[Collection[str]], Collection[str]]
"""Of SHA-256 of pictures, those that may be shown."""


ReportPage = Literal["report", "panel"]
"""A training report, or the panel of pictures that it leads to."""


class ModelLibrary(Protocol):
    """The models of a workspace. Its methods block, and may be called by several threads."""

    def models(self) -> ModelList:
        """List all models, also unfinished and unreadable ones."""

    def model(self, model_id: str, visible: PictureFilter) -> ModelPage:
        """Read one model; of an unreadable one the summary says why. Raises `NoSuchModelError`."""

    def compare(self, first: str, second: str, visible: PictureFilter) -> ModelComparison:
        """Compare two models; raises `NoSuchModelError`, and `ModelsNotComparableError` with a sentence."""

    def report(self, run_id: str, page: ReportPage = "report") -> bytes:
        """Return the HTML of a page of a training report; raises `NoSuchModelError`."""


OpenModels = Callable[[Workspace], ModelLibrary]


def model_library_opener() -> OpenModels | None:
    """Return what the command `safelight` was given to open the library with."""
    opener: OpenModels | None = click.get_current_context().meta.get(OPENER)
    return opener
