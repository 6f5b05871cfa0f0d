"""Models of format 1 load, predict and are scored as before."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from catalog import Workspace
from tests.training.conftest import Trained
from tests.training.made_release import make_item
from tests.training.old_model import make_format_1
from training.fit.objective import to_device
from training.predict.predict_files import predict_pictures, read_model
from training.predict.saved_model import read_facts
from training.report.report import write_report
from training.runs.run import evaluate
from training.runs.saved_network import load_network


@pytest.fixture
def old(trained: Trained, workspace: Workspace) -> Path:
    """A workspace like that of the trained model, whose model is of format 1."""
    shutil.rmtree(workspace.home)
    shutil.copytree(trained.workspace.home, workspace.home)
    folder = workspace.models / trained.folder.name
    make_format_1(folder)
    return folder


def test_weights_of_format_1_give_the_same_outputs(trained: Trained, old: Path) -> None:
    names = load_file(old / "weights.safetensors").keys()
    assert {"network.heads.0.score.weight", "network.merging", "temperature", "prior"} <= names
    facts = read_facts(old)
    assert facts["format"] == "safelight-model/1"
    assert "heads" not in facts
    model = read_model(trained.folder)
    samples = [model.view.from_bytes(make_item(n)[1], "") for n in range(4)]
    inputs = to_device(model.view.plain(samples), torch.device("cpu"))
    before, after = (
        load_network(folder, read_facts(folder))(inputs) for folder in (trained.folder, old)
    )
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_model_of_format_1_answers_as_before(trained: Trained, old: Path) -> None:
    """Its ONNX file has one output for all heads, its heads and calibration are those of its class edges."""
    now, then = read_model(trained.folder), read_model(old)
    assert [output.name for output in then.session.get_outputs()] == ["probabilities"]
    assert then.heads == now.heads
    assert then.view == now.view
    pictures = [make_item(n)[1] for n in range(3)]
    for one, other in zip(*(predict_pictures(m, pictures) for m in (now, then)), strict=True):
        assert list(one) == list(other)
        for name, answer in one.items():
            assert other[name]["class"] == answer["class"]
            shares, expected = other[name]["probabilities"], answer["probabilities"]
            assert shares == pytest.approx(expected, abs=1e-6)


@pytest.mark.slow
def test_a_model_of_format_1_is_scored_and_reported_as_before(
    trained: Trained, old: Path, workspace: Workspace
) -> None:
    again = evaluate(workspace, old.name)
    assert again.difference == 0
    assert len(again.metrics)
    assert not again.lost_slices
    run = workspace.reports / "training" / trained.outcome.folder.name
    page = write_report(run, workspace).read_text("utf-8")
    assert "Aperture" in page
    assert old.name in page
