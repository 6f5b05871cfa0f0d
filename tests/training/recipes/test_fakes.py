"""The recipe `fakes`: its labels, its averaged networks, and a whole training on made pictures."""

import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from catalog import Workspace
from curation.stages import faces
from tests.training.made_release import make_item, make_release
from training import TrainingRequest, train
from training.data.labels import label_values
from training.data.views import AlignedFaces
from training.errors import NoFaceError, NoLabelError
from training.fit.recipe import Labels
from training.heads import BinaryHead
from training.predict.predict_files import load_model, predict_picture
from training.recipes.fakes import DEFAULT, RECIPE, SMOKE, expression, heads, network
from training.report import tables
from training.report.saved_run import read_run
from training.runs.run import evaluate


def head(index: pl.DataFrame, *options: str) -> BinaryHead:
    [made] = heads(Labels(index, {}), SMOKE.changed(options))
    assert isinstance(made, BinaryHead)
    return made


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("class", ["fake", "real", "Fake", "REAL"]),
        ("folder", ["train/fake/gan", "real", "test/fake", "old/real/unsplash"]),
        ("real_or_fake", ["generated", "photo", "deepfake", "original"]),
        ("is_fake", [True, False, True, False]),
        ("synthetic", [1, 0, 1, 0]),
    ],
)
def test_the_label_is_found_in_any_spelling(column: str, values: list[object]) -> None:
    made = head(pl.DataFrame({"class": ["a", "b", "c", "d"]} | {column: values}))
    assert made.truth(pl.DataFrame({column: values})).tolist() == [1, 0, 1, 0]
    assert made.classes == ("real", "fake")


def test_pictures_of_sources_of_photographs_are_real_and_others_without_a_label_are_masked() -> (
    None
):
    index = pl.DataFrame(
        {"class": ["fake", None, None, "other"], "source": ["folder", "utkface", "folder", "folder"]}
    )  # fmt: skip
    assert head(index).truth(index).tolist() == [1, 0, -1, -1]


def test_a_label_that_is_no_such_label_is_refused() -> None:
    with pytest.raises(NoLabelError, match="real_or_fake"):
        heads(Labels(pl.DataFrame({"class": ["cat", "dog"]}), {}), SMOKE)
    with pytest.raises(NoLabelError, match="kind"):
        head(pl.DataFrame({"class": ["cat", "dog"]}), "label=kind")
    with pytest.raises(NoLabelError, match="real"):  # true of a column is_real does not mean fake
        head(pl.DataFrame({"is_real": [True, False]}), "label=is_real")


def test_the_networks_differ_and_their_probabilities_are_averaged() -> None:
    made = head(pl.DataFrame({"class": ["fake", "real"]}))
    both = network(SMOKE, (made,)).eval()
    lengths = [len(backbone.mean) for backbone in both.backbones]
    assert lengths == [7808, SMOKE.texture]
    vectors = {"vectors": torch.randn(8, lengths[0])}
    for backbone in both.backbones:
        backbone.standardise(vectors["vectors"])
    alone = [member(vectors)[made.name].exp() for member in both.members]
    assert len(alone) == SMOKE.networks
    assert not torch.allclose(alone[0], alone[1])
    torch.testing.assert_close(both(vectors)[made.name].exp(), torch.stack(alone).mean(0))


def test_degraded_copies_are_trained_on_and_not_predicted_on() -> None:
    view = RECIPE.view(DEFAULT)
    assert (view.variants, view.plain_variants) == (DEFAULT.variants, 2)


def test_the_expression_keeps_quotes_and_case() -> None:
    index = pl.DataFrame({"class": ["AI", "it's real", "aim"]})
    assert label_values(index, expression("class", index)).to_list() == ["fake", None, None]
    assert np.all(head(pl.DataFrame({"class": ["AI", "real"]})).truth(index) == [1, -1, -1])


@pytest.mark.slow
@pytest.mark.skipif(faces.weights() is None, reason="safelight[faces] is missing")
def test_a_training_states_files_threshold_and_answers(
    empty_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    shutil.copytree(empty_home, home)
    (home / "safelight.toml").write_text("[train]\nthreads = 1\n")
    workspace = Workspace.at(home)
    make_release(workspace, 120)
    label = "label=CASE WHEN iso > 400 THEN 'fake' ELSE 'real' END"
    request = TrainingRequest(RECIPE.name, preset="smoke", policies=("split",), options=(label,))
    folder = train(workspace, request).models["split"]
    metrics = pl.read_parquet(folder / "metrics.parquet").filter(pl.col("metric") == "auc")
    by_name = dict(metrics.select("predictor", "value").rows())
    assert {"model", "file", "bytes_seen", "majority", "tiny_features"} <= set(by_name)
    assert by_name["file_seen"] == 0.5  # one size and one JPEG quality for all
    config = json.loads((folder / "config.json").read_text())
    assert {"threshold", "negative_below", "positive_above"} <= set(
        config["calibration"]["real_or_fake"]
    )
    assert json.loads((folder / "parity.json").read_text())["within_tolerance"]
    assert evaluate(workspace, folder.name)[1] == 0
    [section] = tables.zones(read_run(run_folder(workspace), workspace.models))
    assert section["threshold"] == config["calibration"]["real_or_fake"]["threshold"]

    model = load_model(workspace, folder.name)
    stored = dict(
        pl.read_parquet(folder / "predictions.parquet").select("asset_sha256", "answer").rows()
    )
    pictures = {row["asset_sha256"]: data for row, data in map(make_item, range(120))}
    sha = next(iter(stored))
    with pytest.raises(NoFaceError):
        predict_picture(model, pictures[sha], sha)
    monkeypatch.setattr(AlignedFaces, "check", lambda *_: None)
    answer = predict_picture(model, pictures[sha], sha)["real_or_fake"]
    expected = json.loads(stored[sha])["probabilities"]["fake"]
    assert answer["probabilities"]["fake"] == pytest.approx(expected, abs=0.02)


def run_folder(workspace: Workspace) -> Path:
    """Return the only run folder of a workspace."""
    [folder] = (workspace.reports / "training").iterdir()
    return folder
