"""The predictor of the prediction page: uploaded pictures, any finished model of the workspace, no torch.

Files are decoded in a sandboxed process. A model that looks at faces gets the picture upright, every other one the
stored pixels, as `safelight predict` does. Camera settings of EXIF are shown beside the answers; no model sees them.
"""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from catalog import (
    FaceBox,
    HeatMap,
    NoSuchModelError,
    PicturePrediction,
    PredictedSubject,
    PredictionModel,
    Refusal,
    Workspace,
)
from curation import SETTINGS, stops_of
from training.data.views import AlignedFaces, View
from training.errors import ModelNotFoundError, NoFaceError, PictureTooSmallError
from training.evaluation.saved_head import saved_heads
from training.predict.each_face import find_turned_faces, predict_face
from training.predict.explained import explained, face_of, largest_faces
from training.predict.head_predictions import head_prediction
from training.predict.predict_files import (
    Answers,
    Model,
    check_size,
    predict_sample,
    read_model,
)
from training.predict.saved_model import (
    EMBEDDER_CARD,
    find_model,
    model_ids,
    read_facts,
    recipe_of,
    view_of,
)
from training.predict.uploads import Upload, UploadDecoder

log = logging.getLogger(__name__)

KEPT_MODELS = 3
MOST_FACES = 12
NAME = "the picture"


class PicturePredictor:
    """Predicts uploaded pictures with the models of one workspace; the models used last stay in memory."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace, self._decoder = workspace, UploadDecoder()
        self._lock = threading.Lock()
        self._models: OrderedDict[Path, Model] = OrderedDict()
        self._described: dict[Path, PredictionModel | None] = {}

    def models(self) -> list[PredictionModel]:
        """List the models that predict pictures: of splits that keep groups whole, then others, each the newest first.

        Unreadable folders are left out.
        """
        folders = [self._workspace.models / name for name in model_ids(self._workspace)]
        described = [each for each in map(self._describe, folders) if each is not None]
        newest = sorted(described, key=lambda each: each.trained_at, reverse=True)
        # What a random split taught is never what a page should offer first.
        return sorted(newest, key=lambda each: each.split_policy == "random_split")

    def predict(self, model_id: str, picture: bytes) -> PicturePrediction:
        """Predict one encoded picture; raises `NoSuchModelError` and `PictureRefusedError`."""
        started = time.monotonic()
        model, about = self._open(model_id)
        of_faces = about.looks_at == "face"
        least = 0 if of_faces else model.view.min_side
        upload = self._decoder.decode(picture, min_side=least, is_upright=of_faces)
        subjects, n_faces, refusal = _subjects(model, upload, of_faces=of_faces)
        height, width = upload.upright_size
        return PicturePrediction(
            about,
            upload.format,
            width,
            height,
            round(time.monotonic() - started, 3),
            subjects,
            n_faces,
            refusal,
        )

    def explain(self, model_id: str, picture: bytes, task: str, face: int) -> HeatMap:
        """Return what counted for one answer; raises `NoSuchModelError` and `PictureRefusedError`."""
        model, about = self._open(model_id)
        of_faces = about.looks_at == "face"
        least = 0 if of_faces else model.view.min_side
        upload = self._decoder.decode(picture, min_side=least, is_upright=of_faces)
        found = face_of(upload.pixels, face, MOST_FACES) if of_faces else None
        return explained(model, upload, task, found)

    def close(self) -> None:
        """End the decoders."""
        self._decoder.close()

    def _open(self, model_id: str) -> tuple[Model, PredictionModel]:
        try:
            folder = find_model(self._workspace, model_id)
        except ModelNotFoundError as error:
            raise NoSuchModelError(str(error)) from error
        about = self._describe(folder)
        if about is None:
            raise NoSuchModelError(f"model {folder.name} does not predict pictures")
        with self._lock:
            model = self._models.pop(folder, None) or read_model(folder)
            self._models[folder] = model
            while len(self._models) > KEPT_MODELS:
                self._models.popitem(last=False)
        return model, about

    def _describe(self, folder: Path) -> PredictionModel | None:
        if folder not in self._described:
            try:
                self._described[folder] = _description(folder)
            except Exception:  # a recipe of a user raises anything; the other models are listed
                log.exception("model %s is not listed: its folder cannot be read", folder.name)
                return None
        return self._described[folder]


def _description(folder: Path) -> PredictionModel | None:
    """Describe a model; None for an embedder, for one without an ONNX file and for one of other files than pictures."""
    if (folder / EMBEDDER_CARD).exists() or not (folder / "model.onnx").exists():
        return None
    facts = read_facts(folder)
    view = view_of(folder, facts)
    if type(view).from_bytes is not View.from_bytes:  # it reads sounds or tables
        return None
    text = {
        name: str(facts.get(name) or "")
        for name in ("recipe", "dataset", "version", "split_policy", "trained_at")
    }
    return PredictionModel(
        folder.name,
        **text,
        predicts=tuple(head.title for head in saved_heads(facts)),
        looks_at="face" if looks_at_faces(folder, facts, view) else "picture",
    )


def looks_at_faces(folder: Path, facts: Mapping[str, Any], view: View) -> bool:
    """Say whether a model was trained on faces, one a picture."""
    return isinstance(view, AlignedFaces) or recipe_of(folder, facts).looks_at == "face"


def _subjects(
    model: Model, upload: Upload, *, of_faces: bool
) -> tuple[tuple[PredictedSubject, ...], int | None, Refusal | None]:
    """Predict the faces or the picture; the number of faces, and why nothing is predicted."""
    if not of_faces:
        subjects, refusal = _whole_picture(model, upload)
        return subjects, None, refusal
    subjects, n_faces = _faces(model, upload)
    return subjects, n_faces, None if n_faces else Refusal("no_face", str(NoFaceError(NAME)))


def _whole_picture(
    model: Model, upload: Upload
) -> tuple[tuple[PredictedSubject, ...], Refusal | None]:
    """Predict the picture, or say why not."""
    try:
        check_size(model, upload.stored_size, NAME)
        answers = predict_sample(model, model.view.prepare(upload.pixels), NAME)
    except PictureTooSmallError as error:
        return (), Refusal("too_small", str(error))
    except NoFaceError as error:
        return (), Refusal("no_face", str(error))
    return (_subject(model, answers, _recorded(upload)),), None


def _faces(model: Model, upload: Upload) -> tuple[tuple[PredictedSubject, ...], int]:
    """Predict the largest faces, from left to right; return the number of all faces, too."""
    scale, recorded = upload.upright_size[1] / upload.pixels.shape[1], _recorded(upload)
    faces = find_turned_faces(upload.pixels)
    subjects = []
    for face in largest_faces(faces, MOST_FACES):
        predicted = predict_face(model, face)
        box = FaceBox(*(round(scale * number, 1) for number in face.box))
        if predicted.refusal:
            refusal = Refusal("too_small", f"this face is {predicted.refusal}")
            subjects.append(PredictedSubject(box, (), refusal))
        else:
            subjects.append(_subject(model, predicted.answers, recorded, box))
    return tuple(subjects), len(faces)


def _subject(
    model: Model, answers: Answers, recorded: pl.DataFrame, box: FaceBox | None = None
) -> PredictedSubject:
    saved = {head.name: head for head in saved_heads(model.facts)}
    return PredictedSubject(
        box,
        tuple(
            head_prediction(head, saved[head.name], answers[head.name], recorded)
            for head in model.heads
        ),
    )


def _recorded(upload: Upload) -> pl.DataFrame:
    """Return the settings of EXIF as one row like those of a release: each setting, and in stops."""
    schema = dict.fromkeys(SETTINGS, pl.Float64)
    row = pl.DataFrame({name: [upload.settings[name]] for name in SETTINGS}, schema=schema)
    return row.with_columns(stops_of(name) for name in SETTINGS)
