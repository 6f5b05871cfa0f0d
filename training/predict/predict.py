"""Load a trained model from its folder and predict pictures with it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from catalog import Workspace
from training.data.decode import decode
from training.data.transforms import cut, plain
from training.errors import ModelNotFoundError
from training.evaluation.calibration import Calibration
from training.evaluation.metrics import Floats
from training.fit.recipe import Config
from training.fit.trainer import stack
from training.models.networks import StatedProbabilities
from training.recipes import RECIPES

FINISHED = "config.json"  # written last: a folder without it is an unfinished training


@dataclass(frozen=True)
class Model:
    """A trained model: the content of `config.json`, its configuration and its network."""

    facts: dict[str, Any]
    config: Config
    network: StatedProbabilities

    @property
    def heads(self) -> tuple[str, ...]:
        """The predicted settings, in the order of the output."""
        return tuple(self.facts["tasks"])

    @property
    def calibration(self) -> Calibration:
        """Temperatures and class shares that are built into the probabilities."""
        temperature = np.array([self.facts["temperature"][head] for head in self.heads])
        return Calibration(
            temperature, np.array([self.facts["prior"][head] for head in self.heads])
        )


def model_ids(workspace: Workspace) -> list[str]:
    """List the finished models of a workspace."""
    return sorted(path.parent.name for path in workspace.models.glob(f"*/{FINISHED}"))


def load_model(workspace: Workspace, model_id: str) -> Model:
    """Load a finished model by its id or the unique beginning of it; raises ModelNotFoundError."""
    finished = model_ids(workspace)
    matches = [name for name in finished if name.startswith(model_id)] if model_id else []
    if len(matches) != 1:
        raise ModelNotFoundError(model_id, matches or finished)
    return read_model(workspace.models / matches[0])


def read_model(folder: Path) -> Model:
    """Load a model from its folder."""
    facts = json.loads((folder / FINISHED).read_text("utf-8"))
    config = Config(**facts["config"])
    network = RECIPES[facts["recipe"]].build(config)
    heads = len(facts["tasks"])
    model = StatedProbabilities(network, torch.ones(heads), torch.ones(heads, 3))
    model.load_state_dict(load_file(folder / "weights.safetensors"))
    return Model(facts, config, model.eval())


def predict_pictures(model: Model, pictures: Sequence[bytes]) -> Floats:
    """Return probabilities (N, heads, 3) for encoded pictures; rows sum to 1.

    Raises UndecodablePictureError. Each picture is predicted alone, so its probabilities do not depend on
    the others.
    """
    return np.stack(
        [predict_picture(model, data, f"picture {n}") for n, data in enumerate(pictures, 1)]
    )


def predict_picture(model: Model, data: bytes, name: str) -> Floats:
    """Return probabilities (heads, 3) for one encoded picture; raises UndecodablePictureError with its `name`."""
    view = model.config.view
    sample = cut(decode(data, name=name), view)
    with torch.inference_mode():
        inputs = stack([plain(sample, view)], torch.device("cpu"))
        probabilities: Floats = model.network(*inputs)[0].double().numpy()
    return np.asarray(probabilities / probabilities.sum(1, keepdims=True))
