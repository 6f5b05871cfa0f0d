"""Networks by name: a class of a file in the working folder, a function of a library, and timm."""

import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from catalog import MissingPartError, Workspace
from tests.training.made_release import make_item
from tests.training.recipes.test_classify import labelled, metrics
from training import TrainingRequest, train
from training.errors import NetworkError, OptionError
from training.models.by_name import named
from training.models.by_name.named import NamedBackbone, named_module, source_hash
from training.predict.predict_files import load_model, predict_picture
from training.runs.run import evaluate, make_job

__all__ = ["labelled"]

SOURCE = """
from torch import nn

class Small(nn.Sequential):
    def __init__(self, side):
        super().__init__(
            nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.AvgPool2d(side // 2), nn.Flatten()
        )

class Maps(nn.Conv2d):
    def __init__(self):
        super().__init__(3, 8, 3)

class Wide(nn.Linear):
    pass

def number():
    return 3
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets.py").write_text(SOURCE, "utf-8")
    return tmp_path


@pytest.mark.long
def test_a_class_of_the_working_folder_learns_is_exported_and_scored_again(
    labelled: Workspace, folder: Path
) -> None:
    options = ("label=form", "network=nets:Small", "side=32", "batch_size=16", "learning_rate=0.01")
    request = TrainingRequest(
        "classify", preset="smoke", epochs=2, policies=("split",), options=options
    )
    result = train(labelled, request)
    model = result.models["split"]
    assert {"model", "majority", "metadata"} <= metrics(result, "balanced_accuracy").keys()
    _, data = make_item(1)
    loaded = load_model(labelled, model.name)  # by onnxruntime: it needs no file
    answer = predict_picture(loaded, data, "one")["form"]
    assert sum(answer["probabilities"].values()) == pytest.approx(1)
    assert evaluate(labelled, model.name)[1] == 0
    assert train(labelled, request).existed == ("split",)
    (folder / "nets.py").write_text(SOURCE.replace("nn.ReLU", "nn.SiLU"), "utf-8")
    job = make_job(labelled, request)
    assert job.task.model_id(job.release.digest, "split") != model.name, "another file"


def test_a_network_maps_standardised_pictures_to_features(folder: Path) -> None:
    backbone = NamedBackbone("nets:Small", 16).eval()
    assert backbone.features == 8
    pictures = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 3, 16, 16), np.uint8))
    backbone.standardise(pictures)
    assert torch.equal(
        backbone({"pictures": pictures}), backbone.module(backbone.scaled({"pictures": pictures}))
    )
    assert backbone.scaled({"pictures": pictures}).mean().abs() < 1e-5
    assert source_hash("nets:Small") != ""
    assert source_hash("torch.nn:Identity") == ""


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nets:Large", "nets has no class or function Large"),
        ("nets:Maps", r"it gives \(2, 8, 14, 14\), not \(2, F\)"),
        ("nets:Wide", "in_features"),
        ("nets:number", "it gives int, not a torch.nn.Module"),
        ("gone:Net", "there is no gone.py in"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_what_is_wrong_with_a_network_is_said(name: str, message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        NamedBackbone(name, 16)


@pytest.mark.parametrize("name", ["resnet18", ":Net", "nets:"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(OptionError, match="timm:NAME, module:Class"):
        named_module(name, 16)


def test_timm_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(named.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MissingPartError, match=r"pip install 'safelight\[timm\]'"):
        named_module("timm:resnet18", 16)


def test_a_network_of_timm_is_made_without_its_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def create_model(name: str, **options: object) -> nn.Module:
        asked.append((name, options))
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())

    fake = types.ModuleType("timm")
    fake.__dict__.update(
        list_models=lambda: ["resnet18", *map(str, range(1000))], create_model=create_model
    )
    monkeypatch.setitem(sys.modules, "timm", fake)
    monkeypatch.setattr(named.importlib.util, "find_spec", lambda _: object())
    assert NamedBackbone("timm:resnet18", 16).features == 3
    assert asked == [("resnet18", {"pretrained": False, "num_classes": 0})]
    with pytest.raises(OptionError, match="did you mean timm:resnet18") as caught:
        named_module("timm:resnet81", 16)
    assert len(str(caught.value)) < 200


def test_a_function_of_a_library_is_a_network_too() -> None:
    assert isinstance(named_module("torch.nn:Identity", 16), nn.Identity)
