"""Heat maps lie where the answer is, and the report shows them or says why there are none."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from tests.training.conftest import Trained
from training.commands.train import train as train_command
from training.errors import NoFeatureMapsError
from training.explain.grad_cam import Explainer
from training.explain.overlay import as_picture, overlay
from training.explain.picture_maps import explain_files, write_heat_maps
from training.heads import RegressionHead, SoftmaxHead
from training.predict.predict_files import Model, read_model
from training.recipes.digits import SMOKE, network, view
from training.report.report import write_report

HEADS = (
    SoftmaxHead(name="colour", column="colour", classes=("red", "green")),
    RegressionHead(name="amount", column="amount"),
)
SIDE, BLOB = 48, 10
CONFIG = dataclasses.replace(SMOKE, side=SIDE)


def with_captum() -> None:
    pytest.importorskip("captum", reason="needs pip install 'safelight[explain]'")


def blobs(n: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    """Make noise with one red or green blob: pictures (N, 3, S, S), the colour, and the blob's corner (N, 2)."""
    rng = np.random.default_rng(seed)
    pictures = rng.integers(60, 140, (n, 3, SIDE, SIDE)).astype(np.uint8)
    colours, corners = rng.integers(0, 2, n), rng.integers(0, SIDE - BLOB, (n, 2))
    for picture, colour, (top, left) in zip(pictures, colours, corners, strict=True):
        picture[colour, top : top + BLOB, left : left + BLOB] = 250
    return pictures, colours, corners


@pytest.fixture(scope="module")
def looker(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A model that has learnt the colour of the blob, in a folder as trainings leave it."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    made = network(CONFIG, HEADS)
    pictures, colours, _ = blobs(96, 0)
    backbone: nn.Module = made.backbone
    backbone.standardise(torch.from_numpy(pictures))
    optimizer = torch.optim.AdamW(made.parameters(), 4e-3)
    for step in range(36):
        rows = np.arange(24) + 24 * (step % 4)
        output = made({"pictures": torch.from_numpy(pictures[rows])})
        truth = torch.from_numpy(colours[rows])
        loss = nn.functional.nll_loss(output["colour"], truth)
        loss = loss + nn.functional.mse_loss(output["amount"], truth.float())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    folder = tmp_path_factory.mktemp("looker")
    save_file(
        {f"network.{k}": v for k, v in made.state_dict().items()}, folder / "weights.safetensors"
    )
    facts = {
        "model_id": folder.name, "recipe": "digits", "config": dataclasses.asdict(CONFIG),
        "view": {"kind": "small_pictures", **dataclasses.asdict(view(CONFIG))},
        "heads": [head.describe() for head in HEADS],
        "calibration": {"colour": {"temperature": 1.0, "prior": [0.5, 0.5]}, "amount": {}},
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(facts))
    return read_model(folder)


def test_the_heat_of_a_blob_lies_on_the_blob(looker: Model) -> None:
    with_captum()
    explainer = Explainer(looker)
    pictures, colours, corners = blobs(24, 1)
    hits = 0
    for picture, colour, corner in zip(pictures, colours, corners, strict=True):
        seen, maps = explainer.explain({"picture": np.moveaxis(picture, 0, -1)})
        assert seen.shape == (SIDE, SIDE, 3)
        assert [each.head for each in maps] == ["colour", "amount"]
        heat = maps[0].heat
        assert heat.shape == (12, 12)
        assert 0 <= heat.min() <= heat.max() <= 1
        if maps[0].stated.argmax() == colour and heat.max() > 0:
            hottest = np.array(np.unravel_index(heat.argmax(), heat.shape)) * 4 + 2
            hits += bool((np.abs(hottest - (corner + BLOB / 2)) <= BLOB).all())
    assert hits >= 15  # by chance about 4


def test_an_overlay_is_bright_where_the_heat_is() -> None:
    heat = np.zeros((4, 4), np.float32)
    heat[0, 3] = 1.0
    drawn = np.asarray(overlay(np.full((40, 60, 3), 90, np.uint8), heat), int).sum(axis=2)
    assert drawn[:8, 50:].mean() > drawn[30:, :10].mean() + 100
    mels = np.zeros((10, 20), np.float32)
    mels[0] = 1.0  # the lowest band
    heat = np.zeros((5, 5), np.float32)
    heat[0] = 1.0
    picture, drawn = np.asarray(as_picture(mels), int), np.asarray(overlay(mels, heat), int)
    assert picture[-1].mean() > picture[0].mean()  # stands at the bottom
    assert drawn[-1].mean() > drawn[0].mean()


@pytest.mark.long
def test_the_report_shows_maps_of_a_network_on_pictures(trained: Trained) -> None:
    with_captum()
    facts = json.loads(write_heat_maps(trained.outcome.folder, trained.workspace).read_text())
    assert facts["note"] == ""
    assert list(facts["sheets"])[:2] == ["Best", "Worst"]
    html = write_report(trained.outcome.folder, trained.workspace).read_text("utf-8")
    assert "Where the model looks" in html
    assert html.count("below each its heat maps") == len(facts["sheets"])


def test_the_command_writes_an_overlay_for_each_file_and_head(
    trained: Trained, tmp_path: Path
) -> None:
    with_captum()
    files = []
    for folder in ("one", "two"):  # of equal names
        (tmp_path / folder).mkdir()
        files.append(tmp_path / folder / "picture.png")
        Image.effect_noise((150, 110), 60).convert("RGB").save(files[-1])
    words = ["explain", trained.folder.name, *map(str, files), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(train_command, [*words, "--home", str(trained.workspace.home)])
    assert result.exit_code == 0, result.output
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert len(written) == 2 * len(trained.outcome.models) + 2
    assert "picture-1-iso.png" in written
    with Image.open(tmp_path / "out" / "picture-2-iso.png") as drawn:
        assert drawn.size[0] == drawn.size[1]


def test_a_network_on_vectors_of_a_file_has_no_maps(trained: Trained, tmp_path: Path) -> None:
    with_captum()
    explained = explain_files(trained.workspace, trained.folder.name, [], tmp_path)
    assert explained == []
    from training.explain.grad_cam import seen_array

    with pytest.raises(NoFeatureMapsError, match="not available"):
        seen_array(("vectors",), "a model")
