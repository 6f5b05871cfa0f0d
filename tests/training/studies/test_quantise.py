"""A quantised model is smaller, answers nearly alike, and says what it loses."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from tests.factories import jpeg
from tests.training.conftest import Trained
from tests.training.made_release import photograph
from training.commands.models import models
from training.commands.train import train as train_command
from training.errors import NotQuantisedError
from training.predict.predict_files import load_model, predict_picture
from training.studies.quantise import chosen_way


@pytest.fixture(scope="module")
def quantised(trained: Trained) -> dict[str, object]:
    """What `models export --quantise` leaves, and prints."""
    with pytest.raises(NotQuantisedError, match="models export"):
        load_model(trained.workspace, trained.folder.name, quantised=True)
    words = ["export", trained.folder.name, "--quantise", "--home", str(trained.workspace.home)]
    result = CliRunner().invoke(models, words)
    assert result.exit_code == 0, result.output
    assert "model.int8.onnx" in result.output
    facts: dict[str, object] = json.loads((trained.folder / "quantised.json").read_text())
    return facts | {"printed": result.output}


def test_the_figures_of_both_are_those_of_the_same_test_pictures(
    quantised: dict[str, dict[str, dict[str, float]]], trained: Trained
) -> None:
    assert quantised["bytes"]["quantised"] < quantised["bytes"]["float"]
    assert set(quantised["heads"]) == {"f_number", "iso", "exposure_time"}
    for row in quantised["heads"].values():
        assert row["change"] == pytest.approx(row["quantised"] - row["float"])
        assert 0 < row["n"] <= quantised["test_pictures"]  # type: ignore[operator]  # a number
    assert str(quantised["way"]) in str(quantised["printed"])


def test_answers_of_both_are_alike_but_not_the_same_network(
    quantised: dict[str, object], trained: Trained
) -> None:
    whole = load_model(trained.workspace, trained.folder.name)
    small = load_model(trained.workspace, trained.folder.name, quantised=True)
    gaps = []
    for number in range(8):
        data = jpeg(image=photograph(number, (number % 3, 1, 2)))
        ours, theirs = (predict_picture(each, data, "a picture") for each in (whole, small))
        shares = [
            [each["iso"]["probabilities"][n] for n in ("low", "high")] for each in (ours, theirs)
        ]
        gaps.append(np.abs(np.subtract(*shares)).max())
    assert 0 < max(gaps) < 0.2


def test_predict_takes_the_smaller_network(
    quantised: dict[str, object], trained: Trained, tmp_path: Path
) -> None:
    file = tmp_path / "one.jpg"
    file.write_bytes(jpeg(image=photograph(3, (0, 1, 2))))
    words = ["predict", trained.folder.name, str(file), "--format", "json", "--home"]
    outputs = [
        CliRunner().invoke(train_command, [*words, str(trained.workspace.home), *more]).stdout
        for more in ([], ["--quantised"])
    ]
    first, second = ([json.loads(line) for line in text.splitlines()] for text in outputs)
    assert [row["task"] for row in first] == [row["task"] for row in second]
    assert outputs[0] != outputs[1]


def test_the_smallest_way_that_loses_little_is_chosen() -> None:
    sizes = {"static": 1, "dynamic": 9}
    assert chosen_way({"static": 0.001, "dynamic": -0.1}, sizes) == "static"
    assert chosen_way({"static": 0.3, "dynamic": 0.0}, sizes) == "dynamic"
    assert chosen_way({"static": 0.3, "dynamic": 0.4}, sizes) == "static"  # the least bad
