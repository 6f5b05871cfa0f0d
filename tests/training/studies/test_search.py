"""`train search`: a grid is tried whole, a range by TPE, a stopped search continues, validation alone decides."""

import json
import shutil
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from catalog import Workspace
from tests.training.conftest import Trained
from training.commands.train import train
from training.errors import OptionError
from training.fit.run_request import TrainingRequest
from training.runs import run
from training.studies import search as module
from training.studies.search import Dimension, SearchRequest, search

optuna = pytest.importorskip("optuna")
TRAINING = TrainingRequest("exif", preset="smoke", epochs=1)
GRID = (Dimension.parse("learning_rate=0.003,0.0003"), Dimension.parse("features=16,24"))
LARGE_GRID = (Dimension.parse("learning_rate=0.01,0.003,0.001,0.0003"), GRID[1])


@pytest.fixture
def home(trained: Trained, tmp_path: Path) -> Workspace:
    shutil.copytree(trained.workspace.home, tmp_path / "home")
    return Workspace.at(tmp_path / "home")


@pytest.mark.long
def test_a_grid_is_tried_whole_and_once(home: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "assess", None)  # the test pictures stay unseen
    result = search(home, SearchRequest(TRAINING, LARGE_GRID))
    assert result.n_new == 8
    pairs = result.trials.select("set_learning_rate", "set_features").rows()
    assert sorted(pairs) == sorted((a, b) for a in LARGE_GRID[0].values for b in GRID[1].values)
    losses = result.trials["validation_loss"].to_list()
    assert losses == sorted(losses)
    best = dict(option.split("=") for option in result.best_options)
    assert best == dict(zip(("learning_rate", "features"), pairs[0], strict=True))
    assert pl.read_parquet(result.folder / "trials.parquet").equals(result.trials)
    again = search(home, SearchRequest(TRAINING, LARGE_GRID))
    assert (again.n_new, again.folder) == (0, result.folder)


@pytest.mark.long
def test_a_search_that_dies_in_a_trial_continues_with_it(
    home: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = search(home, SearchRequest(TRAINING, GRID)).trials
    shutil.rmtree(home.reports / "search")
    fit, calls = module.fit, []

    def dying(*arguments: object) -> object:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return fit(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "fit", dying)
    with pytest.raises(KeyboardInterrupt):
        search(home, SearchRequest(TRAINING, GRID))
    monkeypatch.undo()
    result = search(home, SearchRequest(TRAINING, GRID))
    assert result.n_new == 2
    columns = ["set_learning_rate", "set_features", "validation_loss"]
    assert sorted(result.trials.select(columns).rows()) == sorted(whole.select(columns).rows())


def test_a_range_is_searched_by_its_number_of_trials(home: Workspace) -> None:
    space = (Dimension.parse("learning_rate=1e-4:1e-2:log"), Dimension.parse("features=16:32"))
    result = search(home, SearchRequest(TRAINING, space, trials=3))
    assert result.n_new == len(result.trials) == 3
    assert all(1e-4 <= float(value) <= 1e-2 for value in result.trials["set_learning_rate"])
    assert all(16 <= int(value) <= 32 for value in result.trials["set_features"])
    assert search(home, SearchRequest(TRAINING, space, trials=4)).n_new == 1


def test_the_command_ends_with_the_command_that_trains_the_best(home: Workspace) -> None:
    words = ["search", "exif", "--preset", "smoke", "--epochs", "1", "--over", "dropout=0.1,0.3"]
    words += ["--dataset", "made"]
    result = CliRunner().invoke(train, [*words, "--home", str(home.home)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    last = result.output.splitlines()[-1]
    assert "train run exif --dataset made --preset smoke --epochs 1 --set dropout=0." in last
    assert last.endswith(f" --home {home.home}")  # it is found from any folder


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hiden=1,2", "did you mean|hiden"), ("dropout=0.1", "NAME=A,B"), ("dropout", "NAME=A,B"),
        ("dropout=0.5:0.1", "LOW below HIGH"), ("dropout=0:1:log", "above 0"), ("dropout=a:b", "LOW"),
        ("epochs=1,many", "epochs"),
    ],
)  # fmt: skip
def test_a_wrong_dimension_is_named_before_anything_is_trained(
    home: Workspace, monkeypatch: pytest.MonkeyPatch, text: str, message: str
) -> None:
    monkeypatch.setattr(module, "fit", None)
    with pytest.raises(OptionError, match=message):
        search(home, SearchRequest(TRAINING, (Dimension.parse(text),)))
    assert not list((home.reports / "search").glob("*/study.sqlite")), json.dumps(text)
