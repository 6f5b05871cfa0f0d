"""The recipe `good_photos`: its labels, its size, its batches, and a whole training on made pictures."""

import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

from catalog import Workspace
from tests.training.made_release import make_release
from training import TrainingRequest, train
from training.data.bias_tables import BIASES
from training.errors import NoLabelError
from training.fit.recipe import Labels
from training.heads import Head
from training.models.layers import count_parameters
from training.predict.predict_files import load_model, predict_picture
from training.recipes.good_photos import DEFAULT, RECIPE, SMOKE, heads, network
from training.report.report import write_report
from training.runs.run import evaluate
from training.runs.saved_network import load_network
from training.studies.dream import dream


def head(index: pl.DataFrame, *options: str) -> Head:
    [made] = heads(Labels(index, {}), SMOKE.changed(options))
    return made


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("class", ["good", "bad", "Good", "BAD"]),
        ("folder", ["01_Good photos/rome", "02-bad", "good", "x/rejected"]),
        ("folder", ["keepers", "others", "keep", "not good"]),
        ("is_good", [True, False, True, False]),
        ("bad", [0, 1, 0, 1]),
        ("good_or_bad", ["good", "bad", "good", "bad"]),
    ],
)
def test_the_label_is_found_in_any_spelling(column: str, values: list[object]) -> None:
    index = pl.DataFrame({column: values})
    assert head(index).truth(index).tolist() == [1, 0, 1, 0]


def test_a_rating_becomes_the_label_by_an_expression() -> None:
    index = pl.DataFrame({"rating": [7.1, 3.0, None]})
    label = "label=CASE WHEN rating > 5 THEN 'good' WHEN rating <= 5 THEN 'bad' END"
    assert head(index, label).truth(index).tolist() == [1, 0, -1]


def test_a_release_without_good_and_bad_is_refused() -> None:
    with pytest.raises(NoLabelError, match="good_or_bad"):
        head(pl.DataFrame({"class": ["cat", "dog"]}))


def test_the_network_has_40_to_50_thousand_parameters() -> None:
    made = network(DEFAULT, heads(Labels(pl.DataFrame({"class": ["good", "bad"]}), {}), DEFAULT))
    assert 40_000 <= count_parameters(made) <= 50_000


@pytest.mark.slow
def test_a_training_learns_made_labels_and_predicts_every_size_the_same_in_onnx(
    empty_home: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    shutil.copytree(empty_home, home)
    (home / "safelight.toml").write_text("[train]\nthreads = 1\n")
    workspace = Workspace.at(home)
    make_release(workspace, 120)
    label = "label=CASE WHEN iso > 400 THEN 'bad' WHEN iso <= 400 THEN 'good' END"
    request = TrainingRequest(RECIPE.name, preset="smoke", policies=("split",), options=(label,))
    folder = train(workspace, request).models["split"]
    metrics = pl.read_parquet(folder / "metrics.parquet").filter(
        (pl.col("metric") == "auc") & (pl.col("slice") == "all")
    )
    areas = dict(metrics.select("predictor", "value").rows())
    assert areas["model"] > 0.8
    assert {"majority", "file", "metadata", "tiny_features", *BIASES} <= set(areas)
    config = json.loads((folder / "config.json").read_text())
    assert config["calibration"]["good_or_bad"]["threshold"]
    assert json.loads((folder / "parity.json").read_text())["within_tolerance"]
    assert evaluate(workspace, folder.name)[1] < 1e-6
    check_sizes(workspace, folder, config)
    made = dream(workspace, folder.name, folder / "480x320.png", steps=3)
    assert list(made.logits) == sorted(made.logits)
    assert all(path.is_file() for path in made.files)
    [run] = (workspace.reports / "training").iterdir()
    page = write_report(run, workspace).read_text()
    assert "Could it be something else" in page
    assert "12 worst" in page
    assert (run / "best_and_worst.png").exists() or "faces could not be hidden" in page


def check_sizes(workspace: Workspace, folder: Path, config: dict[str, object]) -> None:
    """Compare ONNX with torch on files of several sizes, and both of one padded batch."""
    model, torch_network = load_model(workspace, folder.name), load_network(folder, config)
    rng = np.random.default_rng(0)
    for width, height in ((480, 320), (480, 544), (480, 720), (320, 480), (37, 21)):
        path = folder / f"{width}x{height}.png"
        pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
        answer = predict_picture(model, path.read_bytes(), path.name)["good_or_bad"]
        arrays = model.view.plain([model.view.prepare(pixels)])
        with torch.inference_mode():
            output = torch_network({k: torch.from_numpy(a) for k, a in arrays.items()})
        head, calibration = model.heads[0], config["calibration"]["good_or_bad"]  # type: ignore[index]  # JSON
        stated = head.stated(calibration)(output["good_or_bad"])[0]
        assert answer["probabilities"]["good"] == pytest.approx(float(stated[1]), abs=1e-4)
