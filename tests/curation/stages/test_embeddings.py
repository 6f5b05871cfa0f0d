import hashlib
import pickle
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest
import torch
from numpy.typing import NDArray
from torch.nn import functional

from curation.stages.embeddings import EfficientNetLite0, Embedding, PartEmbedder
from curation.stages.lite0 import NORM_EPSILON, STAGES, Lite0Trunk, folded, packaged_trunk
from curation.stages.lite0_on_cpu import _Convolution, on_cpu
from curation.stages.lite0_weights import packaged_weights
from tests.curation.made_pictures import encoded, scaled, scene, thumbnail


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def embedder() -> EfficientNetLite0:
    result = EfficientNetLite0(device="cpu")
    result.load()
    return result


def thumbnails(*pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    rows = [np.frombuffer(thumbnail(each), np.uint8).reshape(288, 288, 3) for each in pictures]
    return np.stack(rows)


def test_copies_are_close_and_other_pictures_are_not(embedder: EfficientNetLite0) -> None:
    picture = scene(1)
    copies = thumbnails(picture, encoded(picture, 60), scaled(picture, 0.6), scene(2), scene(3))
    cosines = embedder.embed(copies) @ embedder.embed(copies[:1])[0]
    assert cosines[0] == pytest.approx(1, abs=1e-5)
    assert cosines[1:3].min() > 0.9
    assert cosines[3:].max() < cosines[1:3].min() - 0.1


def test_vectors_have_length_one_and_nothing_gives_nothing(embedder: EfficientNetLite0) -> None:
    vectors = embedder.embed(thumbnails(*[scene(seed) for seed in range(3)]))
    assert vectors.shape == (3, 1280)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    assert embedder.embed(thumbnails(scene(0))[:0]).shape == (0, 1280)


def test_parts_are_embedded_roughly_and_stay_near_their_photograph(
    embedder: EfficientNetLite0,
) -> None:
    pictures = thumbnails(*[scene(seed) for seed in range(6)])
    rough = embedder.embed_parts(pictures)
    assert isinstance(embedder, PartEmbedder)
    np.testing.assert_allclose(np.linalg.norm(rough, axis=1), 1, rtol=1e-5)
    cosines = (rough * embedder.embed(pictures)).sum(axis=1)
    assert cosines.min() > 0.7
    assert cosines.max() < 0.99  # of fewer pixels


def test_the_model_is_named_by_its_weights(embedder: EfficientNetLite0) -> None:
    digest = hashlib.sha256(packaged_weights().read_bytes()).hexdigest()
    assert embedder.model_id == f"efficientnet-lite0-inner@{digest[:12]}"


def test_folding_changes_no_number() -> None:
    """The published layers, run one by one with their batch normalisation, give the same features."""
    state = torch.load(packaged_weights(), weights_only=True)
    trunk = Lite0Trunk().eval()
    trunk.load_state_dict(folded(state))
    pictures = torch.rand(2, 3, 64, 64) * 2 - 1
    with torch.inference_mode():
        expected = plain_forward(state, pictures)
        torch.testing.assert_close(trunk(pictures), expected, rtol=1e-3, atol=1e-3)


def test_the_fused_network_gives_the_same_features() -> None:
    trunk = packaged_trunk().eval()
    fused, pictures = on_cpu(trunk), torch.rand(3, 3, 64, 96) * 2 - 1
    with torch.inference_mode():
        torch.testing.assert_close(fused(pictures), trunk(pictures), rtol=1e-4, atol=1e-4)


def test_without_the_fused_operation_the_network_itself_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(*_: object) -> torch.Tensor:
        raise RuntimeError("not for this processor")

    monkeypatch.setattr(_Convolution, "__call__", missing)
    trunk = packaged_trunk().eval()
    assert on_cpu(trunk) is trunk


def plain_forward(state: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    def layer(x: torch.Tensor, conv: str, norm: str, stride: int = 1) -> torch.Tensor:
        weight = state[f"{conv}.weight"]
        groups = x.shape[1] // weight.shape[1]
        kernel = weight.shape[-1]
        pad = max((-(-x.shape[-1] // stride) - 1) * stride + kernel - x.shape[-1], 0)
        before, after = pad // 2, pad - pad // 2
        padded = functional.pad(x, (before, after, before, after))
        result = functional.conv2d(padded, weight, None, stride, groups=groups)
        numbers = [
            state[f"{norm}.{name}"] for name in ("running_mean", "running_var", "weight", "bias")
        ]
        return functional.batch_norm(result, *numbers, eps=NORM_EPSILON)

    x = functional.relu6(layer(x, "_conv_stem", "_bn0", 2))
    index = 0
    for repeats, _kernel, first_stride, expansion, _channels in STAGES:
        for stride in (first_stride, *[1] * (repeats - 1)):
            name, before = f"_blocks.{index}", x
            if expansion > 1:
                x = functional.relu6(layer(x, f"{name}._expand_conv", f"{name}._bn0"))
            x = functional.relu6(layer(x, f"{name}._depthwise_conv", f"{name}._bn1", stride))
            x = layer(x, f"{name}._project_conv", f"{name}._bn2")
            x = x + before if x.shape == before.shape else x
            index += 1
    return functional.relu6(layer(x, "_conv_head", "_bn1")).mean(dim=(2, 3))


class MeanColour:
    """An embedder that a user might plug in: the mean colour."""

    model_id = "mean-colour@1"

    def load(self) -> None:
        """Need nothing."""

    def embed(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        means = pictures.reshape(len(pictures), -1, 3).mean(axis=1)
        return (means / np.linalg.norm(means, axis=1, keepdims=True)).astype(np.float32)


def test_another_embedder_can_be_plugged_in() -> None:
    batch = pa.RecordBatch.from_pydict(
        {"asset_sha256": ["b", "a"], "thumbnail": [thumbnail(scene(1)), thumbnail(scene(2))]}
    )
    stage = pickle.loads(pickle.dumps(Embedding(MeanColour())))
    stage.setup()
    result = stage.run(batch)
    assert result.schema.names == ["asset_sha256", "model_id", "dim", "vector"]
    assert result.column("asset_sha256").to_pylist() == ["b", "a"]
    assert result.column("model_id").to_pylist() == ["mean-colour@1"] * 2
    assert result.column("dim").to_pylist() == [3, 3]
    assert result.column("vector").type == pa.list_(pa.float32())


def test_the_stage_can_travel_to_a_worker_before_it_is_set_up() -> None:
    stage = pickle.loads(pickle.dumps(Embedding()))
    stage.setup()
    batch = pa.RecordBatch.from_pydict({"asset_sha256": ["a"], "thumbnail": [thumbnail(scene(1))]})
    assert stage.run(batch).column("dim").to_pylist() == [1280]
