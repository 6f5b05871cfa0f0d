"""Predict pictures with a saved model through onnxruntime, without torch."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from catalog import Workspace
from training.data.arrays import Arrays, Floats, Pixels
from training.data.decode import picture_size
from training.data.views.base import View
from training.errors import EmbedderError, NotQuantisedError, PictureTooSmallError
from training.heads import Head
from training.predict.saved_model import (
    EMBEDDER_CARD,
    LIMITS,
    NETWORK,
    QUANTISED_NETWORK,
    calibrations_of,
    find_model,
    heads_of,
    read_facts,
    view_of,
)

STACKED = "probabilities"  # the only output of models before format 2: (N, heads, 3)

Answers = dict[str, dict[str, Any]]
"""What a model says about one picture: the answer of each head by its name."""


@dataclass(frozen=True)
class Model:
    """A trained model: the content of `config.json` and its folder; `network` is the ONNX file that predicts."""

    folder: Path
    facts: Mapping[str, Any]
    network: str = NETWORK

    @cached_property
    def heads(self) -> tuple[Head, ...]:
        """The heads, in the order of the outputs."""
        return heads_of(self.facts)

    @cached_property
    def view(self) -> View:
        """How a picture is prepared."""
        return view_of(self.folder, self.facts)

    @cached_property
    def limits(self) -> Mapping[str, Any]:
        """What `train limits` measured; empty before."""
        path = self.folder / LIMITS
        limits: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
        return limits

    @cached_property
    def session(self) -> onnxruntime.InferenceSession:
        """The network in onnxruntime, on one thread: predictions of single pictures gain nothing from more."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        return onnxruntime.InferenceSession(
            self.folder / self.network, options, providers=["CPUExecutionProvider"]
        )


def load_model(workspace: Workspace, model_id: str, *, quantised: bool = False) -> Model:
    """Load a finished model by its id or the unique beginning of it, or the quantised form of it.

    Raises ModelNotFoundError, EmbedderError for a model whose vectors are for curation, or NotQuantisedError.
    """
    folder = find_model(workspace, model_id)
    if (folder / EMBEDDER_CARD).exists():
        raise EmbedderError(folder.name)
    if quantised and not (folder / QUANTISED_NETWORK).exists():
        raise NotQuantisedError(folder.name)
    return Model(folder, read_facts(folder), QUANTISED_NETWORK if quantised else NETWORK)


def read_model(folder: Path) -> Model:
    """Load a model from its folder."""
    return Model(folder, read_facts(folder))


def predict_pictures(model: Model, pictures: Sequence[bytes]) -> list[Answers]:
    """Return the answers for encoded pictures; raises UndecodablePictureError.

    Each picture is predicted alone, so its answers do not depend on the others.
    """
    return [predict_picture(model, data, f"picture {n}") for n, data in enumerate(pictures, 1)]


def predict_picture(model: Model, data: bytes, name: str) -> Answers:
    """Return the answer of each head for one encoded picture; raises UndecodablePictureError with its `name`."""
    return answers_of(model, stated_outputs(model, data, name))


def predict_sample(model: Model, sample: Arrays, name: str) -> Answers:
    """Return the answer of each head for a sample of the model's view; raises NoFaceError with the `name`."""
    model.view.check(sample, name)
    return answers_of(model, stated_of_sample(model, sample))


def stated_outputs(model: Model, data: bytes, name: str) -> dict[str, Floats]:
    """Return what each head says about one encoded picture: probabilities (C,), a value (), or a vector (dim,).

    Raises PictureTooSmallError below the limit that `train limits` measured, NoFaceError where the view needs a face.
    """
    if least_side(model):
        check_size(model, picture_size(data), name)
    sample = model.view.from_bytes(data, name)
    model.view.check(sample, name)
    return stated_of_sample(model, sample)


def stated_of_pixels(model: Model, pixels: Pixels) -> dict[str, Floats]:
    """Return what each head says about decoded pixels (H, W, 3) of any size."""
    return stated_of_sample(model, model.view.prepare(pixels))


def least_side(model: Model) -> float:
    """Return the longer side that a picture must have, in px, as `train limits` measured; 0 before."""
    return float(model.limits.get("smallest_side_px") or 0)


def check_size(model: Model, size: tuple[int, int] | None, name: str) -> None:
    """Raise PictureTooSmallError for a picture of this height and width, as stored, that is below the limit."""
    least = least_side(model)
    if size is not None and max(size) < least:
        raise PictureTooSmallError(name, size, round(least))


def answers_of(model: Model, stated: Mapping[str, Floats]) -> Answers:
    """Return the answer of each head to what it states about one picture."""
    calibrations = calibrations_of(model.facts)
    return {
        head.name: head.answer(stated[head.name], calibrations.get(head.name, {}))
        for head in model.heads
    }


def network_inputs(model: Model, sample: Arrays) -> Arrays:
    """Return the arrays that the ONNX file of a model reads, for one sample."""
    arrays = model.view.plain([sample])
    inputs_of_file = {each.name for each in model.session.get_inputs()}
    return {
        key: np.ascontiguousarray(array) for key, array in arrays.items() if key in inputs_of_file
    }


def stated_of_sample(model: Model, sample: Arrays) -> dict[str, Floats]:
    """Return what each head says about one sample of the model's view."""
    session, inputs = model.session, network_inputs(model, sample)
    names = [each.name for each in session.get_outputs()]
    outputs = dict(zip(names, session.run(None, inputs), strict=True))
    if names == [STACKED]:
        stacked = outputs[STACKED][0]
        return {
            head.name: np.asarray(row, np.float64)
            for head, row in zip(model.heads, stacked, strict=True)
        }
    return {key: np.asarray(value[0], np.float64) for key, value in outputs.items()}
