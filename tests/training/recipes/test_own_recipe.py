"""A recipe that is a file of the user's: what is kept of it, and what is said when it has changed."""

import json
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

import safelight
from catalog import Workspace
from tests.training.made_release import make_release
from training.errors import NoRecipeError
from training.fit.run_request import TrainingRequest, TrainingResult
from training.recipes import load_recipe
from training.runs.own_recipe import save_source
from training.runs.run import train

SOURCE = """
from dataclasses import dataclass

import numpy as np
from torch import nn

from safelight import Config, HeadedNetwork, Recipe, SoftmaxHead, View, picture_features


@dataclass(frozen=True)
class Corner(View):
    kind = "corner"
    sample_bytes = 3 * 32 * 32

    def prepare(self, pixels):
        return {"corner": pixels[:32, :32]}

    def plain(self, samples):
        return {"corners": np.stack([sample["corner"] for sample in samples])}

    def augment(self, samples, rngs):
        return self.plain(samples)

    def simple_features(self, sample):
        return picture_features(sample["corner"])


class Network(nn.Module):
    input_names = ("corners",)
    features = 4

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, self.features)

    def forward(self, inputs, part=""):
        return self.layer(inputs["corners"].float().mean((1, 2)) / 255)


SPEED = "CASE exposure_time_bin WHEN 0 THEN 'fast' WHEN 1 THEN 'medium' WHEN 2 THEN 'slow' END"
COMMON = {"learning_rate": 1e-2}

RECIPE = Recipe(
    name="speed",
    version=1,
    summary="exposure time",
    presets={
        "default": Config(epochs=9, batch_size=32, **COMMON),
        "smoke": Config(epochs=2, batch_size=16, **COMMON),
    },
    view=lambda config: Corner(),
    heads=lambda labels, config: (
        SoftmaxHead(name="speed", column=SPEED, classes=("fast", "slow")),
    ),
    network=lambda config, heads: HeadedNetwork(Network(), heads),
)
"""


@dataclass(frozen=True)
class OwnTraining:
    """A finished training of `file`, with the warnings that it gave."""

    workspace: Workspace
    file: Path
    request: TrainingRequest
    result: TrainingResult
    warnings: list[str]

    @property
    def folder(self) -> Path:
        return self.result.models["split"]


@pytest.fixture(scope="module")
def trained(empty_home: Path, tmp_path_factory: pytest.TempPathFactory) -> OwnTraining:
    folder = tmp_path_factory.mktemp("own")
    shutil.copytree(empty_home, folder / "home")
    (folder / "home" / "safelight.toml").write_text("[train]\nthreads = 1\n")
    workspace = Workspace.at(folder / "home")
    make_release(workspace)
    file = folder / "speed.py"
    file.write_text(SOURCE)
    options = ("batch_size=8", "nesterov=false")
    request = TrainingRequest(
        str(file), preset="smoke", seed=3, policies=("split",), options=options
    )
    with pytest.MonkeyPatch.context() as patch:
        warnings: list[str] = []
        patch.setattr("training.runs.run.log.warning", lambda text, *a: warnings.append(text % a))
        result = train(workspace, request)
    return OwnTraining(workspace, file, request, result, warnings)


@pytest.mark.long
def test_the_report_names_a_command_that_gives_the_same_model(
    trained: OwnTraining, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = json.loads((trained.result.folder / "run.json").read_text())["command"]
    monkeypatch.chdir(trained.workspace.home)
    monkeypatch.setenv("SAFELIGHT_HOME", str(trained.workspace.home))
    words = shlex.split(command)[1:]
    result = CliRunner().invoke(safelight.cli, words, catch_exceptions=False)
    assert f"model {trained.folder.name} exists, nothing to train" in result.output
    page = (trained.result.folder / "report.html").read_text("utf-8")
    assert command in page
    assert f"models/{trained.folder.name}/recipe.py lies in the folder of the workspace" in page


def test_the_saved_recipe_is_the_one_that_was_loaded(tmp_path: Path) -> None:
    file, folder = tmp_path / "speed.py", tmp_path / "model"
    file.write_text(SOURCE)
    folder.mkdir()
    recipe = load_recipe(file)
    file.write_text("edited while the training ran")
    save_source(folder, recipe)
    assert (folder / "recipe.py").read_text() == SOURCE


def test_a_recipe_that_changed_without_a_new_version_is_named(
    trained: OwnTraining, caplog: pytest.LogCaptureFixture
) -> None:
    trained.file.write_text(SOURCE + "\n# a comment\n")
    assert train(trained.workspace, trained.request).existed == ("split",)
    assert not caplog.records
    trained.file.write_text(SOURCE.replace("features = 4", "features = 5"))
    assert train(trained.workspace, trained.request).existed == ("split",)
    [record] = caplog.records
    assert record.getMessage() == (
        f"speed.py has changed since the training of model {trained.folder.name}, but its version is 1 as before: "
        "raise `version` for a new model, or replace this one with --fresh"
    )


def test_values_that_are_no_class_are_counted(trained: OwnTraining) -> None:
    [warning] = trained.warnings
    assert warning.endswith(
        "are left out of speed, because their value is none of its classes: 'medium' (12)"
    )


def test_a_file_without_a_recipe_is_refused(tmp_path: Path) -> None:
    (tmp_path / "speed.py").write_text("x = 1\n")
    with pytest.raises(NoRecipeError, match=r"speed\.py has no RECIPE"):
        load_recipe(tmp_path / "speed.py")
