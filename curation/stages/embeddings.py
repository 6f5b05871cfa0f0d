"""Embeddings: the content of a picture as one vector; the cosine of two vectors is the similarity of two pictures.

The default network is the EfficientNet-Lite0 trunk with ImageNet weights from a Python package, so nothing is
downloaded. Batch normalisation is folded into the convolutions when the weights are loaded: the network has only
convolutions, ReLU6 and additions, which `lite0_on_cpu.py` runs as quickly as onnxruntime would. Pictures are scaled to
224 px: 288 px take twice the time for one more percent of the copies. Any object with the methods of `Embedder` can
replace the default; vectors of different `model_id` are never compared. torch is imported together with the weights,
because the import takes seconds and most commands need no network.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.similarity.inner_picture import inner_picture
from curation.stages.lite0_weights import LITE0_DIM, packaged_weights
from curation.stages.stage import THUMBNAIL_SIDE_PX, with_outputs

if TYPE_CHECKING:
    from curation.stages.lite0 import Lite0Trunk
    from curation.stages.lite0_on_cpu import FusedTrunk

INPUT_SIDE, PART_SIDE = 224, 160
CHUNK = 8  # pictures in one forward pass: larger chunks leave the CPU caches


class Embedder(Protocol):
    """Computes vectors of pictures."""

    def load(self) -> None:
        """Read the weights; called once in each worker, before the first `embed`."""

    @property
    def model_id(self) -> str:
        """Name of the network and its weights; empty where it is known only after `load`."""

    def embed(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Map RGB pictures (N, 288, 288, 3) to L2-normalised vectors (N, D)."""


@runtime_checkable
class PartEmbedder(Embedder, Protocol):
    """An embedder with a quicker way for the parts of collages, whose vectors only choose what is compared."""

    def embed_parts(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Map RGB pictures (N, side, side, 3) to L2-normalised vectors (N, D), comparable with those of `embed`."""


class EfficientNetLite0:
    """The default `Embedder`: 1,280 pooled features of the last layer before the classifier."""

    def __init__(self, weights: Path | None = None, device: str | None = None) -> None:
        self.weights = weights
        self.device = device
        self._forward: Lite0Trunk | FusedTrunk | None = None
        self._model_id = ""

    def load(self) -> None:
        """Read the weights (the package's, if no path was given) and move them to the device."""
        import torch

        from curation.stages.lite0 import Lite0Trunk, folded
        from curation.stages.lite0_on_cpu import on_cpu

        state = torch.load(self._path(), map_location="cpu", weights_only=True)
        self.device = self.device or ("cuda" if torch.cuda.is_available() else "cpu")
        trunk = Lite0Trunk()
        trunk.load_state_dict(folded(state))
        trunk.eval().to(self.device)
        trunk.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # the stub lacks it
        self._forward = on_cpu(trunk) if self.device == "cpu" else trunk

    @property
    def model_id(self) -> str:
        """Name the network, what it sees, and the first 12 hex digits of its weights' hash; before `load`, too."""
        if not self._model_id:
            digest = hashlib.sha256(self._path().read_bytes()).hexdigest()
            self._model_id = f"efficientnet-lite0-inner@{digest[:12]}"
        return self._model_id

    def _path(self) -> Path:
        return self.weights or packaged_weights()

    def embed(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Map RGB pictures (N, side, side, 3) to L2-normalised vectors (N, 1280).

        The vector of a page, a screenshot or a framed picture is the mean of its own and that of the photograph in it.
        """
        vectors = self._embed(pictures)
        inner = {
            row: part
            for row, each in enumerate(pictures)
            if (part := inner_picture(each)) is not None
        }
        if inner:
            mixed = vectors[list(inner)] + self._embed(np.stack(list(inner.values())))
            vectors[list(inner)] = mixed / np.linalg.norm(mixed, axis=1, keepdims=True)
        return vectors

    def embed_parts(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Map RGB pictures (N, side, side, 3) to vectors (N, 1280) at 160 px, without a look for pages in them.

        That takes a third of the time and finds as many photographs of collages.
        """
        return self._embed(pictures, PART_SIDE)

    def _embed(self, pictures: NDArray[np.uint8], side_px: int = INPUT_SIDE) -> NDArray[np.float32]:
        import torch
        from torch.nn import functional

        from curation.stages.lite0 import inputs

        assert self._forward is not None, "load() comes first"
        with torch.inference_mode():
            chunks = [
                functional.normalize(self._forward(inputs(chunk, side_px, self.device)))
                .cpu()
                .numpy()
                for chunk in torch.split(torch.from_numpy(pictures), CHUNK)
                if len(chunk)
            ]
        return np.concatenate([np.zeros((0, LITE0_DIM), np.float32), *chunks])


class Embedding:
    """Stage: the vector of each `thumbnail` (288 x 288 RGB bytes)."""

    name = "embedding"
    version = "1"
    inputs = ("thumbnail",)
    outputs = pa.schema(
        [("model_id", pa.string()), ("dim", pa.int32()), ("vector", pa.list_(pa.float32()))]
    )

    def __init__(self, embedder: Embedder | None = None) -> None:
        self.embedder: Embedder = embedder or EfficientNetLite0()

    def setup(self) -> None:
        """Load the network's weights."""
        self.embedder.load()

    def run(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Embed the thumbnails of the batch, rows in the same order."""
        thumbnails = b"".join(batch.column("thumbnail").to_pylist())
        pictures = np.frombuffer(bytearray(thumbnails), np.uint8).reshape(
            -1, THUMBNAIL_SIDE_PX, THUMBNAIL_SIDE_PX, 3
        )
        vectors = self.embedder.embed(pictures)
        n, dim = vectors.shape
        columns: dict[str, Sequence[object]] = {
            "model_id": [self.embedder.model_id] * n,
            "dim": [dim] * n,
            "vector": list(vectors),
        }
        return with_outputs(batch, self.outputs, columns)
