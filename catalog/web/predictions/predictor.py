"""The contract of a predictor: what a model says about the bytes of one picture.

The models belong to training, which the catalog may not import: the command `safelight` passes a predictor in.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import click

from catalog.web.sections.uploaded import CatalogPicture
from catalog.workspace.workspace import Workspace

OPENER = "safelight.open_predictor"
"""Key of the opener in `meta` of the root context of the command."""


@dataclass(frozen=True)
class PredictionModel:
    """A finished model that predicts pictures: `name@version` of its release, and the titles of what it predicts.

    A model that looks at the `face` gives an answer for each face of a picture, else one for the picture.
    """

    model_id: str
    recipe: str
    dataset: str
    version: str
    split_policy: str
    trained_at: str
    predicts: tuple[str, ...]
    looks_at: Literal["picture", "face"]


@dataclass(frozen=True)
class ClassProbability:
    """One class of a head: its name, what it contains (else its name) and its probability."""

    name: str
    description: str
    probability: float


@dataclass(frozen=True)
class Scale:
    """The numbers that a value can be, `low` to `high`."""

    low: float
    high: float


@dataclass(frozen=True)
class VoteShare:
    """The share of people, 0 to 1, that a head expects to give a score."""

    score: float
    share: float


@dataclass(frozen=True)
class HeadPrediction:
    """The answer of one head, `text` in words.

    `predicted` is the name of the class, null for a value and where the head cannot tell (`is_refused`). `classes` are
    empty for a value; `low` and `high` are the 90 % interval of a value, null where it was not measured. `scale` is
    null for a value without bounds. `votes` are the histogram of a head that learnt one. `recorded` is what the EXIF
    data of the file says, `recorded_class` the class of that.
    """

    task: str
    title: str
    text: str
    predicted: str | None = None
    is_refused: bool = False
    classes: tuple[ClassProbability, ...] = ()
    value: float | None = None
    low: float | None = None
    high: float | None = None
    unit: str = ""
    scale: Scale | None = None
    votes: tuple[VoteShare, ...] = ()
    recorded: str | None = None
    recorded_class: str | None = None


@dataclass(frozen=True)
class FaceBox:
    """Where a face lies, in px of the upright picture."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Refusal:
    """Why a model says nothing about a picture or a face: `no_face` or `too_small`, and a sentence."""

    kind: str
    text: str


@dataclass(frozen=True)
class PredictedSubject:
    """The answers about one face, or about the whole picture (without a box), or why there are none."""

    box: FaceBox | None
    heads: tuple[HeadPrediction, ...]
    refusal: Refusal | None = None


@dataclass(frozen=True)
class PicturePrediction:
    """What a model says about one picture; `width` and `height` in px are those of the upright picture.

    `faces` is the number of faces in the picture, null for a model that looks at the picture; only the largest ones
    are predicted, from left to right. The server adds `in_catalog`.
    """

    model: PredictionModel
    format: str
    width: int
    height: int
    seconds: float
    subjects: tuple[PredictedSubject, ...]
    faces: int | None = None
    refusal: Refusal | None = None
    in_catalog: CatalogPicture | None = None


@dataclass(frozen=True)
class HeatMap:
    """What of a picture counted for one answer, by covering one window after the other.

    `rows` are the cells of `area` of the upright picture from top to bottom, each from left to right: how much less the
    model says `about` (a class, or the value in `unit`) where the cell is covered; above 0 the cell speaks for it.
    `plain` is what it says of the uncovered picture. `windows` were covered in `seconds`.
    """

    task: str
    about: str
    unit: str
    plain: float
    area: FaceBox
    rows: tuple[tuple[float, ...], ...]
    windows: int
    seconds: float


class Predictor(Protocol):
    """The finished models of a workspace. Its methods block, and may be called by several threads."""

    def models(self) -> Sequence[PredictionModel]:
        """List the models that predict pictures, the newest first."""

    def predict(self, model_id: str, picture: bytes) -> PicturePrediction:
        """Predict one encoded picture.

        Raises `NoSuchModelError`, and `PictureRefusedError` for a file that cannot be decoded or is beyond the limits.
        """

    def explain(self, model_id: str, picture: bytes, task: str, face: int) -> HeatMap:
        """Return what counted for the answer of one head, about face number `face` from the left (0: the first).

        Takes as long as some dozens of predictions, at most about 15 s. Raises `NoSuchModelError`, also for a task that
        the model has not, and `PictureRefusedError`, also where the model says nothing about the picture.
        """

    def close(self) -> None:
        """End the processes that decode."""


OpenPredictor = Callable[[Workspace], Predictor]


def predictor_opener() -> OpenPredictor | None:
    """Return what the command `safelight` was given to open a predictor with."""
    opener: OpenPredictor | None = click.get_current_context().meta.get(OPENER)
    return opener
