import json
import pickle
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from catalog import Workspace, open_catalog
from curation.duplicates.limits import DuplicateLimits
from curation.errors import BadEmbedderError, EmbedderNotFoundError
from curation.run.run import curate
from curation.run.stage_results import Stages
from curation.settings import CurateSettings
from curation.stages.embedder_card import EMBEDDER_METADATA_KEY, EmbedderCard
from curation.stages.embeddings import EfficientNetLite0
from curation.stages.onnx_embedder import OnnxEmbedder, open_embedder
from tests.curation.made_pictures import scene, thumbnail
from tests.curation.onnx_files import CARD, write_card, write_network
from tests.curation.small_catalog import Shot, exif, fill, jpeg, scene as drawn, sound_shots


def thumbnails(*seeds: int) -> NDArray[np.uint8]:
    return np.stack(
        [np.frombuffer(thumbnail(scene(seed)), np.uint8).reshape(288, 288, 3) for seed in seeds]
    )


@pytest.fixture
def network(tmp_path: Path) -> Path:
    path = write_network(tmp_path / "squares.onnx")
    write_card(path)
    return path


def loaded(path: Path) -> OnnxEmbedder:
    result = OnnxEmbedder(path)
    result.load()
    return result


def test_pictures_are_prepared_as_the_card_says(network: Path) -> None:
    pictures = thumbnails(1, 2, 3)
    vectors = loaded(network).embed(pictures)
    # Squares of 8 px of a 64-px picture are squares of 36 px of the thumbnail.
    squares = pictures.reshape(3, 8, 36, 8, 36, 3).mean(axis=(2, 4)).transpose(0, 3, 1, 2)
    weight = np.random.default_rng(0).normal(0, 1, (192, 24))
    expected = ((squares - 120) / 64).reshape(3, -1) @ weight
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(vectors, expected, atol=0.02)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)


def test_layouts_and_fixed_batches_give_the_same_vectors(network: Path, tmp_path: Path) -> None:
    expected = loaded(network).embed(thumbnails(*range(18)))
    for number, ways in enumerate(({"channels_last": True}, {"first_axis": 1})):
        other = write_network(tmp_path / f"other{number}.onnx", **ways)  # type: ignore[arg-type]
        write_card(other)
        np.testing.assert_allclose(loaded(other).embed(thumbnails(*range(18))), expected, atol=1e-5)


def test_weights_and_input_name_the_model_and_limits_do_not(network: Path, tmp_path: Path) -> None:
    name = OnnxEmbedder(network).model_id
    assert name.startswith("squares@")
    write_card(network, candidate_cosine=0.7)
    assert OnnxEmbedder(network).model_id == name
    write_card(network, mean=[0, 0, 0])
    assert OnnxEmbedder(network).model_id != name
    other = write_network(tmp_path / "other.onnx", seed=1)
    write_card(other)
    assert OnnxEmbedder(other).model_id != name


def test_a_card_may_lie_inside_the_file(network: Path) -> None:
    beside = loaded(network)
    model = onnx.load(network)
    onnx.helper.set_model_props(model, {EMBEDDER_METADATA_KEY: json.dumps(CARD)})
    onnx.save(model, network)
    network.with_suffix(".json").unlink()
    inside = loaded(network)
    assert inside.card == beside.card
    np.testing.assert_array_equal(inside.embed(thumbnails(4)), beside.embed(thumbnails(4)))


def test_an_open_embedder_can_travel_to_a_worker(network: Path) -> None:
    here = loaded(network)
    there = pickle.loads(pickle.dumps(here))
    there.load()
    np.testing.assert_array_equal(there.embed(thumbnails(5)), here.embed(thumbnails(5)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "other/1"}, "safelight-embedder/1"),
        ({"name": "a@b"}, "without @"),
        ({"input_px": 8}, "from 32 to 1024"),
        ({"std": [1, 0, 1]}, "std above 0"),
        ({"mean": [1, 2]}, "three numbers"),
        ({"candidate_cosine": 2}, "at most 1"),
        ({"input_pix": 64}, "unknown entry 'input_pix'"),
    ],
)
def test_a_card_that_cannot_be_says_why(
    network: Path, changes: dict[str, object], message: str
) -> None:
    write_card(network, **changes)
    with pytest.raises(BadEmbedderError, match=message):
        OnnxEmbedder(network)


def test_a_file_that_cannot_embed_says_why(network: Path, tmp_path: Path) -> None:
    write_card(network, input_px=96)
    with pytest.raises(BadEmbedderError, match=r"not one of float32, \(N, 3, 96, 96\)"):
        OnnxEmbedder(network).load()
    network.with_suffix(".json").unlink()
    with pytest.raises(BadEmbedderError, match=r"it has no card: write squares\.json beside it"):
        OnnxEmbedder(network)
    several = write_network(tmp_path / "several.onnx", first_axis=4)
    write_card(several)
    with pytest.raises(BadEmbedderError, match="4 pictures at once"):
        OnnxEmbedder(several).load()
    noise = tmp_path / "noise.onnx"
    noise.write_bytes(b"no network")
    with pytest.raises(BadEmbedderError, match="onnxruntime cannot read it"):
        OnnxEmbedder(noise)


def test_a_card_survives_its_text() -> None:
    card = EmbedderCard("mine", 160, candidate_cosine=0.4)
    assert EmbedderCard.from_json(card.to_json({"anything": 1}), "here") == card


def test_embedders_are_found_by_name_and_version_or_path(workspace: Workspace) -> None:
    trained = write_network(workspace.models / "0123abcd" / "model.onnx")
    write_card(trained)
    write_network(workspace.models / "settings" / "model.onnx")  # another recipe's: it has no card
    name = OnnxEmbedder(trained).model_id
    for expected in (name, name[:13], "squares@0123", "models/0123abcd/model.onnx", str(trained)):
        result = open_embedder(expected, workspace)
        assert isinstance(result, OnnxEmbedder)
        assert result.model_id == name
    assert isinstance(open_embedder("", workspace), EfficientNetLite0)
    for expected in ("squares", "squares@", "circles@0123", "none.onnx"):
        with pytest.raises(EmbedderNotFoundError, match=f"known: efficientnet-lite0, {name}"):
            open_embedder(expected, workspace)


def test_limits_come_from_the_card(network: Path) -> None:
    limits = Stages.with_embedder(OnnxEmbedder(network), "off").limits(DuplicateLimits().keeper)
    assert limits.candidates.cosine == 0.5
    assert limits.verification.scene_cosine == 0.45
    assert Stages.with_embedder(None, "off").limits(DuplicateLimits().keeper) == DuplicateLimits()


def test_other_limits_are_another_run(network: Path) -> None:
    before = Stages.with_embedder(OnnxEmbedder(network), "off").ids()
    assert Stages.with_embedder(OnnxEmbedder(network), "off").ids() == before
    write_card(network, candidate_cosine=0.9)
    assert Stages.with_embedder(OnnxEmbedder(network), "off").ids() != before


@pytest.mark.slow
def test_a_run_with_another_embedder_keeps_vectors_of_its_own(workspace: Workspace) -> None:
    path = write_network(workspace.home / "squares.onnx")
    write_card(path)
    copy = Shot("copy.jpg", jpeg(drawn(0), quality=60), exif(0))
    fill(workspace, [*sound_shots(4), copy])
    mine = CurateSettings(runner="threads", workers=1, faces="off", embedder="squares.onnx")
    first = curate(workspace, settings=mine)
    assert first.is_new
    assert first.dropped == {"near_duplicate": 1}
    assert not curate(workspace, settings=mine).is_new
    with open_catalog(workspace) as catalog:
        rows = catalog.records("SELECT model_id, dim, count(*) AS n FROM embeddings GROUP BY ALL")
    assert rows == [{"model_id": OnnxEmbedder(path).model_id, "dim": 24, "n": 5}]
