"""One small training that several test files look at: 40 made pictures, two epochs, both policies."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from catalog import Release, Workspace
from tests.training.made_release import make_release
from training.runs.run import TrainingRequest, TrainingResult, train


@dataclass(frozen=True)
class Trained:
    workspace: Workspace
    release: Release
    order: TrainingRequest
    outcome: TrainingResult

    @property
    def folder(self) -> Path:
        return self.outcome.models["split"]


@pytest.fixture(scope="session")
def trained(empty_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    home = tmp_path_factory.mktemp("trained") / "home"
    shutil.copytree(empty_home, home)
    (home / "safelight.toml").write_text("[train]\nthreads = 1\n")
    workspace = Workspace.at(home)
    release = make_release(workspace)
    order = TrainingRequest(preset="smoke", epochs=2)
    return Trained(workspace, release, order, train(workspace, order))


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)
