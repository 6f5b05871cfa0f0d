"""What docs/training.md shows is what runs: its recipe, its commands, its options and its settings."""

import dataclasses
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import click
import pytest
import torch
from click.testing import CliRunner

import safelight
from catalog import Workspace
from tests.training.conftest import Trained
from tests.training.made_release import make_item
from training.fit.config import Config
from training.settings import TrainSettings

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "training.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.mark.long
def test_the_recipe_of_the_page_ends_in_a_report(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    shutil.copytree(trained.workspace.home, home)
    monkeypatch.setenv("SAFELIGHT_HOME", str(home))
    monkeypatch.chdir(tmp_path)
    [recipe] = (each for each in blocks("python") if each.startswith("# noise.py"))
    [use] = (each for each in blocks("python") if "MODEL_ID" in each)
    (tmp_path / "noise.py").write_text(recipe)
    line = next(
        line for line in PAGE.splitlines() if line.startswith("safelight train run ./noise.py")
    )
    words = shlex.split(line.replace("mine", "made"))[1:]
    result = CliRunner().invoke(safelight.cli, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    report = Path(re.findall(r"^report: (/.*)$", result.output, re.MULTILINE)[0])
    assert "noise" in report.read_text("utf-8")
    before = {path.name for path in trained.workspace.models.iterdir()}
    names = [path.name for path in Workspace.at(home).models.iterdir() if path.name not in before]
    (tmp_path / "photo.jpg").write_bytes(make_item(3)[1])
    printed: list[object] = []
    exec(use.replace("MODEL_ID", names[0]), {"print": printed.append})
    assert printed
    assert isinstance(printed[0], dict)
    assert set(printed[0]["probabilities"]) == {"clean", "noisy"}
    again = CliRunner().invoke(
        safelight.cli, ["train", "evaluate", names[0]], catch_exceptions=False
    )
    assert "equal to the stored ones" in again.output


def test_the_network_of_the_page_gives_one_row_for_each_picture() -> None:
    [network] = (each for each in blocks("python") if each.startswith("# nets.py"))
    names: dict[str, Any] = {"__name__": "nets"}
    exec(network, names)
    for side in (32, 65):
        assert names["Small"]()(torch.zeros(2, 3, side, side)).shape == (2, 16)


def test_every_command_and_option_of_the_page_exists() -> None:
    lines = [line.split("  #")[0] for block in blocks("") for line in block.splitlines()]
    for line in filter(lambda text: text.startswith("safelight "), lines):
        command: click.Command = safelight.cli
        for word in shlex.split(line)[1:]:
            if isinstance(command, click.Group):
                found = command.get_command(click.Context(command), word)
                assert found, line
                command = found
            elif word.startswith("--"):
                assert word in {flag for p in command.params for flag in p.opts}, line


def test_every_hyperparameter_and_setting_of_the_page_exists() -> None:
    names = {field.name for field in dataclasses.fields(Config)}
    paragraph = PAGE[PAGE.index("`--set` takes") :].split("\n\n")[0]
    listed = set(re.findall(r"`(\w+)`", paragraph)) - {"prior", "weights"}
    assert listed <= names
    shown = {"epochs", "seed", "learning_rate", "nesterov", "fused"}
    assert names <= listed | shown, "a hyperparameter that the page does not tell of"
    [settings] = blocks("toml")
    for name in re.findall(r"^(\w+) =", settings, re.MULTILINE):
        assert name in {field.name for field in dataclasses.fields(TrainSettings)}
