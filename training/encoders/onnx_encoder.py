"""Run an encoder that a user brought, in onnxruntime."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from training.data.arrays import Arrays
from training.encoders.encoder_card import EncoderCard
from training.encoders.encoder_graph import PICTURES, VECTORS
from training.encoders.library import CARD, GRAPH, find_encoder, open_session
from training.errors import EncoderFileError

CHUNK = 16  # pictures in one pass: larger chunks leave the CPU caches


@dataclass(frozen=True)
class OnnxEncoder:
    """A user's encoder with its card; `path` is the ONNX file."""

    card: EncoderCard
    path: Path

    @property
    def id(self) -> str:
        """The name with the hash of the weights."""
        return self.card.id

    @property
    def dim(self) -> int:
        """The length of a vector."""
        return self.card.dim

    @cached_property
    def session(self) -> onnxruntime.InferenceSession:
        """The graph in onnxruntime; raises EncoderFileError when the file is not the one of the card."""
        data = self.path.read_bytes()
        if hashlib.sha256(data).hexdigest() != self.card.weights_sha256:
            raise EncoderFileError(
                f"{self.path} has changed since it was added; add {self.card.name} again with --replace"
            )
        return open_session(data)

    def encode(self, arrays: Arrays, _device: object = None) -> NDArray[np.float32]:
        """Map uint8 `pictures` (N, V, 3, S, S) to vectors (N, V, D), in chunks."""
        pictures = arrays["pictures"]
        flat = pictures.reshape(-1, *pictures.shape[2:])
        chunks = range(0, len(flat), CHUNK)
        parts = [
            self.session.run([VECTORS], {PICTURES: np.ascontiguousarray(flat[n : n + CHUNK])})[0]
            for n in chunks
        ]
        vectors = np.concatenate(parts).reshape(*pictures.shape[:2], self.dim)
        return np.asarray(vectors, np.float32)


def open_onnx_encoder(models: Path | None, name: str) -> OnnxEncoder:
    """Open an encoder of a workspace by name; raises EncoderNotFoundError."""
    folder = find_encoder(models, name)
    return OnnxEncoder(EncoderCard.from_json((folder / CARD).read_bytes()), folder / GRAPH)
