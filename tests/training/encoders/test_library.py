"""Encoders that a user brings: what is read, what is refused, and what is remembered of their origin."""

import io
import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import psutil
import pytest
import torch
from safetensors.torch import save_file

from tests.training.encoders.small_graphs import (
    SIDE,
    expected_vector,
    mine,
    package,
    topology,
    weight_bytes,
)
from training.encoders.architectures import Vgg16
from training.encoders.encoder_card import EncoderCard
from training.encoders.library import (
    EncoderSource,
    add_encoder,
    find_encoder,
    list_encoders,
    remove_encoder,
)
from training.encoders.onnx_encoder import open_onnx_encoder
from training.errors import EncoderExistsError, EncoderFileError, EncoderNotFoundError

CARD = {"side": SIDE, "mean": 20, "scale": [50, 50, 50]}


def add(models: Path, path: Path, **changes: Any) -> EncoderCard:
    values = {"name": "mine", "card": CARD} | changes
    return add_encoder(models, EncoderSource(path=path, **values))


def vectors(models: Path, name: str, pictures: np.ndarray) -> np.ndarray:
    return open_onnx_encoder(models, name).encode({"pictures": pictures})


def test_a_tfjs_graph_gives_what_its_operations_give_one_by_one(tmp_path: Path) -> None:
    card = add(tmp_path, mine(tmp_path))
    pictures = np.random.default_rng(1).integers(0, 256, (3, 2, 3, SIDE, SIDE), dtype=np.uint8)
    made = vectors(tmp_path, "mine", pictures)
    expected = np.stack([[expected_vector(p, 20, 50) for p in each] for each in pictures])
    assert made.shape == (3, 2, card.dim)
    assert np.abs(made - expected).max() < 1e-4


def test_colours_may_be_in_the_other_order(tmp_path: Path) -> None:
    add(tmp_path, mine(tmp_path), card=CARD | {"colours": "bgr"})
    picture = np.random.default_rng(1).integers(0, 256, (1, 1, 3, SIDE, SIDE), dtype=np.uint8)
    expected = expected_vector(picture[0, 0, ::-1], 20, 50)
    assert np.abs(vectors(tmp_path, "mine", picture)[0, 0] - expected).max() < 1e-4


def test_pictures_of_another_size_are_resized(tmp_path: Path) -> None:
    add(tmp_path, mine(tmp_path))
    flat = np.full((1, 1, 3, 40, 40), 90, np.uint8)
    same = np.full((1, 1, 3, SIDE, SIDE), 90, np.uint8)
    assert np.allclose(vectors(tmp_path, "mine", flat), vectors(tmp_path, "mine", same), atol=1e-4)


def test_origin_and_licence_are_remembered(tmp_path: Path) -> None:
    path = mine(tmp_path)
    card = add(tmp_path, path)
    assert list_encoders(tmp_path) == [card]
    assert (card.package, card.licence, card.kind) == ("mine 1.2.3", "MIT", "TF.js graph")
    assert card.file == "mine-1.2.3.tgz:package/models/mine.json"
    with path.open("rb") as file:
        import hashlib

        assert card.sha256 == hashlib.file_digest(file, "sha256").hexdigest()
    assert add(tmp_path, path, licence="CC0", name="other").licence == "CC0"


def test_a_name_keeps_its_weights_until_they_are_replaced(tmp_path: Path) -> None:
    path = mine(tmp_path)
    first = add(tmp_path, path)
    assert add(tmp_path, path) == first
    changed = CARD | {"outputs": ["logits"]}
    with pytest.raises(EncoderExistsError, match="--replace"):
        add(tmp_path, mine(tmp_path), card=changed)
    source = EncoderSource("mine", mine(tmp_path), card=changed)
    assert add_encoder(tmp_path, source, replaces=True).dim == 5
    remove_encoder(tmp_path, "mine")
    with pytest.raises(EncoderNotFoundError, match="only lite0"):
        find_encoder(tmp_path, "mine")


def test_a_file_that_was_changed_behind_its_card_is_refused(tmp_path: Path) -> None:
    add(tmp_path, mine(tmp_path))
    path = tmp_path / "encoders" / "mine" / "encoder.onnx"
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(EncoderFileError, match="has changed since"):
        vectors(tmp_path, "mine", np.zeros((1, 1, 3, SIDE, SIDE), np.uint8))


@pytest.mark.parametrize("kind", ["folder", "file", "zip"])
def test_a_graph_may_be_a_folder_a_file_or_a_zip(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "given"
    folder.mkdir()
    (folder / "mine.json").write_text(json.dumps(topology()))
    (folder / "mine.bin").write_bytes(weight_bytes())
    path = {"folder": folder, "file": folder / "mine.json", "zip": tmp_path / "mine.zip"}[kind]
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for each in folder.iterdir():
                archive.write(each, f"models/{each.name}")
    assert add(tmp_path, path).dim == 2 * 4 + 2 * 8 + 5


def nodes_with(**changes: Any) -> dict[str, Any]:
    nodes = topology()["modelTopology"]["node"]
    return {"modelTopology": {"node": [each | changes.get(each["name"], {}) for each in nodes]}}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (nodes_with(logits={"op": "PyFunc"}), "operations that are not read: PyFunc"),
        (nodes_with(first={"input": ["filtered", "kernel", "shift"]}), "cycle"),
        (nodes_with(first={"input": ["nothing", "kernel", "shift"]}), "input nothing, which is missing"),
        ({"modelTopology": {"model_config": {}}}, "not a TF.js graph model"),
        ({"weightsManifest": [{"paths": ["../mine.bin"], "weights": []}]}, "not a bare name"),
        ({"weightsManifest": [{"paths": ["/etc/passwd"], "weights": []}]}, "not a bare name"),
        ({"weightsManifest": [{"paths": ["other.bin"], "weights": []}]}, "has no file"),
        ({"weightsManifest": [{"paths": ["mine.bin"], "weights": [
            {"name": "huge", "shape": [10**9, 10**9], "dtype": "float32"}]}]}, "end before"),
        ({"weightsManifest": [{"paths": ["mine.bin"], "weights": [
            {"name": "code", "shape": [1], "dtype": "string"}]}]}, "type string"),
    ],
)  # fmt: skip
def test_a_graph_that_cannot_be_used_is_refused_with_the_reason(
    tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(EncoderFileError, match=reason):
        add(tmp_path, mine(tmp_path, **changes))
    assert list_encoders(tmp_path) == []


def test_a_truncated_package_and_one_with_links_are_refused(tmp_path: Path) -> None:
    path = mine(tmp_path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(EncoderFileError, match="cannot be read"):
        add(tmp_path, path)
    with tarfile.open(path, "w:gz") as archive:
        for name, target in (
            ("package/mine.json", "/etc/passwd"),
            ("package/mine.bin", "/etc/passwd"),
        ):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            archive.addfile(entry)
    with pytest.raises(EncoderFileError, match="no graph is called mine"):
        add(tmp_path, path)


def test_among_several_graphs_one_is_chosen_by_name_or_member(tmp_path: Path) -> None:
    data = json.dumps(topology()).encode()
    files = {"a.json": data, "a.bin": b"", "b.json": data, "b.bin": b"", "mine.bin": weight_bytes()}
    path = package(tmp_path, files)
    with pytest.raises(EncoderFileError, match=r"--member: package/a.json, package/b.json"):
        add(tmp_path, path)
    assert add(tmp_path, path, member="package/b.json").file.endswith("b.json")


@pytest.mark.parametrize("name", ["", "../x", "a/b", "lite0", "lite0+x", ".hidden"])
def test_a_name_is_plain(tmp_path: Path, name: str) -> None:
    with pytest.raises(EncoderFileError, match="cannot be called"):
        add(tmp_path, mine(tmp_path), name=name)


@pytest.mark.parametrize(
    ("card", "reason"),
    [({"sides": 3}, "no field 'sides'"), ({"side": 3}, "from 16"), ({"scale": 0}, "scale"),
     ({"colours": "cmyk"}, "rgb or bgr"), ({"outputs": ["nothing"]}, "no tensor 'nothing'")],
)  # fmt: skip
def test_a_wrong_card_is_refused(tmp_path: Path, card: dict[str, Any], reason: str) -> None:
    with pytest.raises(EncoderFileError, match=reason):
        add(tmp_path, mine(tmp_path), card=CARD | card)


class Small(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.last = torch.nn.Conv2d(3, 4, 3, 2), torch.nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(torch.relu(self.conv(x)).mean(dim=(2, 3)))


def exported(folder: Path, network: torch.nn.Module, opset: int) -> Path:
    file = io.BytesIO()
    torch.onnx.export(
        network.eval(), (torch.zeros(1, 3, SIDE, SIDE),), file, dynamo=False, opset_version=opset,
        dynamic_axes={"x": {0: "n"}}, input_names=["x"],
    )  # fmt: skip
    (folder / "mine.onnx").write_bytes(file.getvalue())
    return folder / "mine.onnx"


@pytest.mark.parametrize("opset", [13, 17, 18])
def test_an_onnx_model_gives_its_results_and_its_last_maps(tmp_path: Path, opset: int) -> None:
    network = Small()
    card = add(tmp_path, exported(tmp_path, network, opset), card={"side": SIDE, "scale": 255})
    picture = np.random.default_rng(1).integers(0, 256, (1, 1, 3, SIDE, SIDE), dtype=np.uint8)
    made = vectors(tmp_path, "mine", picture)[0, 0]
    x = torch.from_numpy(picture[0]).float() / 255
    with torch.inference_mode():
        last = torch.relu(network.conv(x))[0]
        expected = torch.cat([last.mean((1, 2)), last.amax((1, 2)), network(x)[0]]).numpy()
    assert card.dim == 10
    assert np.abs(made - expected).max() < 1e-4


def test_an_onnx_model_with_weights_elsewhere_is_refused(tmp_path: Path) -> None:
    path = exported(tmp_path, Small(), 17)
    model = onnx.load(path)
    onnx.save(model, path, save_as_external_data=True, location="away.bin", size_threshold=0)
    with pytest.raises(EncoderFileError, match=r"other files|not a valid ONNX"):
        add(tmp_path, path, card={"side": SIDE})


def test_an_onnx_model_for_one_picture_at_a_time_is_refused(tmp_path: Path) -> None:
    class One(Small):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.last(torch.relu(self.conv(x)).reshape(1, 4, -1).mean(dim=2))

    with pytest.raises(EncoderFileError, match=r"does not run|other vectors"):
        add(tmp_path, exported(tmp_path, One(), 17), card={"side": SIDE})


def test_what_is_no_graph_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.onnx"
    path.write_bytes(b"\x80\x04not a graph")
    with pytest.raises(EncoderFileError, match="not a valid ONNX model"):
        add(tmp_path, path)


def test_safetensors_fill_an_architecture_that_the_card_names(tmp_path: Path) -> None:
    network = Vgg16(width=8)
    path = tmp_path / "mine.safetensors"
    save_file(network.state_dict(), path)
    card = {"architecture": "vgg16", "side": 64, "scale": 255}
    assert add(tmp_path, path, card=card).dim == 2 * (4 + 8 + 8 + 8)  # at 16, 8, 4 and 2 px
    picture = np.random.default_rng(1).integers(0, 256, (1, 1, 3, 64, 64), dtype=np.uint8)
    made = vectors(tmp_path, "mine", picture)[0, 0]
    with torch.inference_mode():
        last = network(torch.from_numpy(picture[0]).float() / 255)[0][0]
    assert np.abs(made[-16:-8] - last.mean((1, 2)).numpy()).max() < 1e-4
    with pytest.raises(EncoderFileError, match="architecture"):
        add(tmp_path, path, card={"side": 64})
    save_file({"features.0.weight": torch.zeros(1, 3, 3, 3)}, path)
    with pytest.raises(EncoderFileError, match="do not fit vgg16"):
        add(tmp_path, path, card=card)


@pytest.mark.slow
@pytest.mark.skipif(
    psutil.virtual_memory().available < 9 * 2**30, reason="0.5 GB of weights take 7 GB while they are added"
)  # fmt: skip
def test_the_age_network_dex_is_read_at_its_full_size(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = Vgg16(results=101)
    assert sum(weight.numel() for weight in network.parameters()) == 134_674_341
    path = tmp_path / "dex.safetensors"
    save_file(network.state_dict(), path)
    added = add(
        tmp_path, path, name="dex", card={"architecture": "vgg16", "side": 224, "scale": 255}
    )
    picture = np.random.default_rng(1).integers(0, 256, (1, 1, 3, 224, 224), dtype=np.uint8)
    made = vectors(tmp_path, "dex", picture)[0, 0]
    assert made.shape == (added.dim,)
    with torch.inference_mode():
        _, hidden, ages = network.eval()(torch.from_numpy(picture[0]).float() / 255)
    assert np.abs(made[-101:] - ages[0].numpy()).max() < 1e-5
    assert np.abs(made[-101 - 4096 : -101] - hidden[0].numpy()).max() < 1e-3
