from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner, Result

from tests.training.conftest import Trained
from tests.training.made_release import make_item
from training.commands.train import train


def call(trained: Trained, *arguments: str) -> Result:
    return CliRunner().invoke(train, [*arguments, "--home", str(trained.workspace.home)])


def test_recipes_are_listed_with_one_line_each() -> None:
    result = CliRunner().invoke(train, ["recipes"])
    assert result.exit_code == 0
    assert result.output.startswith("exif ")
    assert [line.split()[0] for line in result.output.splitlines()] == ["exif", "copy_detection"]


@pytest.mark.slow
def test_a_repeated_run_says_that_nothing_is_left_to_do(trained: Trained) -> None:
    result = call(trained, "run", "exif", "--preset", "smoke", "--epochs", "2", "--dataset", "made")
    assert result.exit_code == 0, result.output
    assert f"split: model {trained.folder.name} exists, nothing to train" in result.output
    assert "balanced accuracy" in result.output
    assert Path(result.output.splitlines()[-1].removeprefix("report: ")).exists()


def test_unknown_policies_are_refused(trained: Trained) -> None:
    result = call(trained, "run", "exif", "--policies", "split,lucky")
    assert "takes split and random_split" in str(result.exception)


def test_evaluate_says_that_the_figures_are_the_stored_ones(trained: Trained) -> None:
    result = call(trained, "evaluate", trained.folder.name)
    assert result.exit_code == 0, result.output
    stored = pl.read_parquet(trained.folder / "metrics.parquet")
    assert f"{len(stored)} figures, equal to the stored ones" in result.output


def test_predict_prints_three_probabilities_a_setting(trained: Trained, tmp_path: Path) -> None:
    path = tmp_path / "picture.jpg"
    path.write_bytes(make_item(1)[1])
    result = call(trained, "predict", trained.folder.name, str(path))
    lines = result.output.splitlines()
    assert lines[0] == str(path)
    assert [line.split()[0] for line in lines[1:]] == ["f_number", "iso", "exposure_time"]
