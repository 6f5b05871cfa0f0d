"""The recipes of photographs' quality: defects without labels and with them, votes, and one begun from the other."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from catalog import Workspace
from tests.training.made_release import make_item, make_release
from training.errors import NoLabelError, OptionError
from training.fit.recipe import Labels
from training.models.encoders import Lite0Levels, Lite0Tones
from training.models.whole_picture import PixelStatistics
from training.predict.predict_files import load_model, predict_picture
from training.recipes import aesthetics, defects
from training.report.report import write_report
from training.runs.run import TrainingRequest, evaluate, train

RNG = np.random.default_rng(0)


def labels_of(index: pl.DataFrame) -> Labels:
    return Labels(index, {"plan": {}})


def test_severities_of_a_release_are_learnt_as_they_are() -> None:
    index = pl.DataFrame(
        {"asset_sha256": ["a", "b"], "noise": [0.1, None], "bad_saturation": [-0.5, 0.2]}
    )
    assert defects.rows(index, defects.DEFAULT).equals(index)
    saturation, noise = defects.heads(labels_of(index), defects.DEFAULT)
    assert (saturation.name, saturation.low, saturation.bins) == ("bad_saturation", -1.0, 21)
    assert (noise.name, noise.low, noise.bins, noise.fill) == ("noise", 0.0, 11, None)


def test_without_severities_a_ladder_is_made() -> None:
    index = pl.DataFrame({"asset_sha256": ["a", "b"], "noise": [None, None]})
    rows = defects.rows(index, defects.DEFAULT.changed(["rungs=3"]))
    assert len(rows) == 2 * (1 + 7 * 3)
    assert len(defects.rows(index, defects.PRESETS["thorough"])) == 2 * (1 + 6 + 6 * 3)
    heads = defects.heads(labels_of(rows), defects.DEFAULT)
    assert [head.name for head in heads] == list(defects.TITLES)
    assert {head.fill for head in heads} == {0.0}
    assert {head.bins for head in heads if head.low < 0} == {21}


@pytest.mark.parametrize(("preset", "bins"), [("nima", 10), ("multicolumn", 11), ("default", 11)])
def test_each_preset_sees_its_columns(preset: str, bins: int) -> None:
    rows = defects.rows(pl.DataFrame({"asset_sha256": ["a"]}), defects.DEFAULT)
    config = defects.PRESETS[preset]
    heads = defects.heads(labels_of(rows), config)
    network = defects.network(config, heads).eval()
    one, all_ = Lite0Levels.dim, Lite0Tones.dim
    vectors = torch.randn(2, all_, generator=torch.Generator().manual_seed(0))
    outputs = network({"vectors": vectors})
    assert outputs["noise"].shape == (2, bins)
    unseen = {"nima": one, "multicolumn": 2 * one, "default": all_}[preset]
    vectors[:, unseen:] = 0.0
    again = network({"vectors": vectors})["noise"]
    assert torch.equal(again, outputs["noise"])
    vectors[:, :unseen] = 0.0
    assert not torch.equal(network({"vectors": vectors})["noise"], again)


def test_the_small_network_learns_from_pixels_alone() -> None:
    config = defects.PRESETS["small"]
    rows = defects.rows(pl.DataFrame({"asset_sha256": ["a"]}), config)
    network = defects.network(config, defects.heads(labels_of(rows), config)).eval()
    assert 40_000 < sum(each.numel() for each in network.parameters()) < 50_000
    generator = torch.Generator().manual_seed(0)
    pictures = torch.randint(0, 256, (2, 2, 3, 48, 48), dtype=torch.uint8, generator=generator)
    outputs = network({"pictures": pictures})
    for place in (0, 1):
        other = pictures.clone()
        other[:, place] = 0
        assert not torch.equal(network({"pictures": other})["noise"], outputs["noise"])


def test_a_network_of_the_same_size_learns_from_statistics_of_pixels() -> None:
    config = defects.PRESETS["statistics"]
    rows = defects.rows(pl.DataFrame({"asset_sha256": ["a"]}), config)
    network = defects.network(config, defects.heads(labels_of(rows), config)).eval()
    assert 40_000 < sum(each.numel() for each in network.parameters()) < 50_000
    encoder = PixelStatistics()
    assert not list(encoder.parameters())
    generator = torch.Generator().manual_seed(0)
    pictures = torch.randint(0, 256, (2, 2, 3, 48, 48), dtype=torch.uint8, generator=generator)
    outputs = network({"vectors": encoder({"pictures": pictures})[:, 0]})
    for place in (0, 1):
        other = pictures.clone()
        other[:, place] = 0
        seen = network({"vectors": encoder({"pictures": other})[:, 0]})
        assert not torch.equal(seen["noise"], outputs["noise"])


def test_strengths_of_a_ladder_may_count_as_much_as_rows_without_the_defect() -> None:
    index = pl.DataFrame({"asset_sha256": [f"{number}" for number in range(60)]})
    for preset, share in (("default", 10 / 39), ("thorough", 1.0), ("statistics", 1.0)):
        config = defects.PRESETS[preset]
        rows = defects.rows(index, config)
        head = next(each for each in defects.heads(labels_of(rows), config) if each.name == "noise")
        weight_of_none, *of_strengths = head.bin_weights
        counts = np.bincount(np.rint(head.targets(rows) * 10).astype(int), minlength=11)
        strengths = [n * w for n, w in zip(counts[1:], of_strengths, strict=True) if n]
        assert np.mean(strengths) / (counts[0] * weight_of_none) == pytest.approx(share, rel=0.1)


def test_other_columns_are_refused() -> None:
    with pytest.raises(OptionError, match="columns=half"):
        defects.network(defects.DEFAULT.changed(["columns=half"]), ())


def test_a_picture_counts_by_its_votes() -> None:
    votes = ["[0,0,0,0,0,0,0,0,0,30]", "[10,0,0,0,0,0,0,0,0,0]", None]
    index = pl.DataFrame({"votes": votes, "weight": [1.0, 1.0, 1.0]})
    assert aesthetics.rows(index, aesthetics.DEFAULT)["weight"].to_list() == [1.5, 0.5, 1.0]
    with pytest.raises(NoLabelError, match="no column votes"):
        aesthetics.heads(labels_of(index.drop("votes")), aesthetics.DEFAULT)


def votes_of(number: int) -> str:
    shares = np.bincount([number % 10], minlength=10) * 0.7 + 0.03
    return json.dumps(RNG.multinomial(50 + number, shares).tolist())


@pytest.mark.slow
def test_votes_then_ladder(workspace: Workspace) -> None:
    (workspace.home / "safelight.toml").write_text("[train]\nthreads = 1\n")
    make_release(workspace, columns={"votes": [votes_of(n) for n in range(40)]})
    request = TrainingRequest("aesthetics", None, "smoke", epochs=2, policies=("split",))
    result = train(workspace, request)
    first = result.models["split"]
    assert write_report(result.folder, workspace).is_file()
    metrics = pl.read_parquet(first / "metrics.parquet")
    assert {"emd_r1", "emd_r2", "spearman", "accuracy"} <= {*metrics["metric"]}
    answer = predict_picture(load_model(workspace, first.name), make_item(0)[1], "a.jpg")["score"]
    assert sum(answer["histogram"]) == pytest.approx(1)
    assert 1 <= answer["value"] <= 10
    second = climb(workspace, f"start={first.name[:8]}")
    assert json.loads((second / "config.json").read_text())["config"]["start"] == first.name
    with pytest.raises(OptionError, match="the same layers"):
        climb(workspace, f"start={first.name}", "hidden=16")


@pytest.mark.slow
def test_statistics_are_part_of_the_exported_model(workspace: Workspace) -> None:
    (workspace.home / "safelight.toml").write_text("[train]\nthreads = 1\n")
    make_release(workspace, columns={"votes": [votes_of(n) for n in range(40)]})
    climb(workspace, preset="statistics")  # with one native patch a picture


def climb(workspace: Workspace, *options: str, preset: str = "smoke") -> Path:
    request = TrainingRequest(
        "defects", None, preset, epochs=2, policies=("split",), options=options
    )
    result = train(workspace, request)
    assert write_report(result.folder, workspace).is_file()
    folder = result.models["split"]
    facts = json.loads((folder / "config.json").read_text())
    assert facts["rows_train"] % (1 + 7 * facts["config"].get("rungs", 1)) == 0
    assert facts["onnx_max_abs_difference"] < 1e-3
    metrics, difference, _ = evaluate(workspace, folder.name)
    assert difference < 1e-6
    assert {"cross_class_correlation", "auc"} <= {*metrics["metric"]}
    for answer in predict_picture(
        load_model(workspace, folder.name), make_item(3)[1], "a.jpg"
    ).values():
        assert -1 <= answer["value"] <= 1
    return folder
