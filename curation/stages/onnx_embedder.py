"""Embed pictures by a network from an ONNX file: trained by the recipe `copy_detection`, or any other.

The file takes one input, float32 (N, 3, S, S) or (N, S, S, 3), and its first output is (N, D). It runs through
onnxruntime, on a GPU where onnxruntime supports one. The name of the vectors has a hash of the file and of its input,
so vectors of another network, or of the same network with another input, are never compared.
"""

import hashlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from catalog import Workspace
from curation.errors import BadEmbedderError, EmbedderNotFoundError
from curation.stages.embedder_card import EMBEDDER_METADATA_KEY, EmbedderCard, card_beside
from curation.stages.embeddings import EfficientNetLite0, Embedder

CHUNK = 16  # pictures in one pass
DEFAULT = "efficientnet-lite0"
LEAST_DIM = 2


class OnnxEmbedder:
    """An `Embedder` made of an ONNX file and its card; picklable at any time.

    Raises `BadEmbedderError` where the file or its card cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.card = card_beside(path) or _card_inside(path)
        digest = hashlib.sha256(path.read_bytes() + self.card.input_text.encode()).hexdigest()
        self._model_id = f"{self.card.name}@{digest[:12]}"
        self._session: Any = None  # onnxruntime.InferenceSession, which has no types
        self._is_channels_last = False

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_session": None}

    @property
    def model_id(self) -> str:
        """Name the network and 12 hex digits of the hash of its file and of its input."""
        return self._model_id

    def load(self) -> None:
        """Open the file once; raises `BadEmbedderError` where its input does not match its card."""
        if self._session is None:
            session = _session(self.path)
            self._is_channels_last = _is_channels_last(session, self.path, self.card.input_px)
            self._session = session

    def embed(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Map RGB pictures (N, side, side, 3) to L2-normalised vectors (N, D)."""
        assert self._session is not None, "load() comes first"
        inputs = self._session.get_inputs()[0]
        step = inputs.shape[0] if isinstance(inputs.shape[0], int) else CHUNK
        parts = [
            self._vectors(self._prepared(pictures[start : start + step]), inputs.name)
            for start in range(0, len(pictures), step)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, 0), np.float32)

    def _prepared(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Convert pictures to the size, range and layout of the input."""
        side = (self.card.input_px, self.card.input_px)
        small = [cv2.resize(each, side, interpolation=cv2.INTER_AREA) for each in pictures]
        mean, std = (np.array(each, np.float32) for each in (self.card.mean, self.card.std))
        ready = (np.stack(small).astype(np.float32) - mean) / std
        return (
            ready if self._is_channels_last else np.ascontiguousarray(ready.transpose(0, 3, 1, 2))
        )

    def _vectors(self, ready: NDArray[np.float32], name: str) -> NDArray[np.float32]:
        output = np.asarray(self._session.run(None, {name: ready})[0], np.float32)
        if output.ndim != 2 or len(output) != len(ready) or output.shape[1] < LEAST_DIM:
            raise BadEmbedderError(
                str(self.path), f"its first output has shape {output.shape}, not ({len(ready)}, D)"
            )
        if not np.isfinite(output).all():
            raise BadEmbedderError(str(self.path), "it gave values that are not finite")
        norm = np.linalg.norm(output, axis=1, keepdims=True)
        return np.asarray(output / np.maximum(norm, 1e-9), np.float32)


def open_embedder(name: str, workspace: Workspace) -> Embedder:
    """Open the embedder of the setting `[curate] embedder`.

    It is empty or `efficientnet-lite0` for the default, `name@version` for one that this workspace has trained
    (version: the beginning of its hash or of its model's id), or the path of an ONNX file, relative to the
    workspace. Raises `EmbedderNotFoundError` or `BadEmbedderError`.
    """
    if name in {"", DEFAULT}:
        return EfficientNetLite0()
    if name.endswith(".onnx"):
        path = workspace.home / Path(name).expanduser()
        if not path.is_file():
            raise EmbedderNotFoundError(name, _embedder_names(workspace))
        return OnnxEmbedder(path)
    trained_name, _, version = name.partition("@")
    matches = [
        each
        for each in trained_embedders(workspace)
        if version and _is_named(each, trained_name, version)
    ]
    if len(matches) != 1:
        raise EmbedderNotFoundError(name, _embedder_names(workspace))
    return matches[0]


def trained_embedders(workspace: Workspace) -> list[OnnxEmbedder]:
    """List the embedders below `models/` of a workspace: folders with `model.onnx` and its card."""
    paths = sorted(workspace.models.glob("*/model.onnx"))
    return [OnnxEmbedder(path) for path in paths if path.with_suffix(".json").is_file()]


def run_name(embedder: Embedder) -> str:
    """Name an embedder for the id of a run, with everything that changes the result of the run."""
    if isinstance(embedder, OnnxEmbedder):
        card = embedder.card
        return f"{embedder.model_id} candidates {card.candidate_cosine} scenes {card.scene_cosine}"
    return type(embedder).__name__


def _is_named(embedder: OnnxEmbedder, name: str, version: str) -> bool:
    digest = embedder.model_id.rpartition("@")[2]
    return embedder.card.name == name and any(
        identifier.startswith(version) for identifier in (digest, embedder.path.parent.name)
    )


def _embedder_names(workspace: Workspace) -> list[str]:
    return [DEFAULT, *(each.model_id for each in trained_embedders(workspace))]


def _session(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # batches run side by side already
    options.log_severity_level = 3
    providers = [p for p in onnxruntime.get_available_providers() if p.startswith(("CUDA", "CPU"))]
    try:
        return onnxruntime.InferenceSession(path, options, providers=providers)
    except Exception as error:  # onnxruntime raises many different exceptions
        raise BadEmbedderError(str(path), f"onnxruntime cannot read it: {error}") from error


def _card_inside(path: Path) -> EmbedderCard:
    written = _session(path).get_modelmeta().custom_metadata_map.get(EMBEDDER_METADATA_KEY)
    if written is None:
        raise BadEmbedderError(
            str(path),
            f"it has no card: write {path.with_suffix('.json').name} beside it (docs/curation.md)",
        )
    return EmbedderCard.from_json(written, f"{path} (metadata)")


def _is_channels_last(session: Any, path: Path, side: int) -> bool:
    """Determine the layout of the input; a name or None in its shape stands for any number."""
    inputs = session.get_inputs()
    shape = list(inputs[0].shape) if inputs else []
    fits = len(inputs) == 1 and inputs[0].type == "tensor(float)" and len(shape) == 4
    is_last = fits and shape[3] == 3 and shape[1] != 3
    sides = shape[1:3] if is_last else shape[2:]
    if not fits or any(isinstance(each, int) and each != side for each in sides):
        raise BadEmbedderError(
            str(path),
            f"its input is {[each.type for each in inputs]} {shape}, not one of float32, (N, 3, {side}, {side}) "
            f"or (N, {side}, {side}, 3)",
        )
    if isinstance(shape[0], int) and shape[0] != 1:
        raise BadEmbedderError(
            str(path), f"it takes {shape[0]} pictures at once; export it with a free first axis"
        )
    return is_last
