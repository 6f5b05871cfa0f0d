"""Export an embedder in the form that curation reads: an ONNX file with its card inside, and the card beside it.

model.onnx   normalised pictures to unit vectors, the card in its metadata; parity.json compares it with torch
model.json   the card (`curation.EmbedderCard`), with all facts under `about`; written last
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import nn

from curation import EMBEDDER_METADATA_KEY, EmbedderCard, OnnxEmbedder
from training.export.model_files import PARITY_SAMPLES, OnnxContract, export_onnx, write_json
from training.models.copy_network import MEAN, STD, CopyNetwork

CARD = "model.json"


def make_card(name: str, input_px: int, candidate_cosine: float) -> EmbedderCard:
    """Make the card: how pictures are prepared, and the lowest cosine of candidate pairs."""
    mean, std = (MEAN,) * 3, (STD,) * 3
    return EmbedderCard(name, input_px, mean, std, candidate_cosine, candidate_cosine)


class _OfNormalised(nn.Module):
    """Map pictures that the caller has normalised, (N, 3, S, S), to unit vectors."""

    def __init__(self, network: CopyNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Map normalised pictures to vectors (N, dim)."""
        return self.network.vectors(pictures)


def export_embedder(network: CopyNetwork, card: EmbedderCard, folder: Path) -> float:
    """Write model.onnx with the card in its metadata, and parity.json; return the largest difference from torch.

    The input is `pictures`, float32 (N, 3, S, S), normalised as the card says; the output `vectors` (N, dim). Sides are
    fixed on purpose.
    """
    side, path = card.input_px, folder / "model.onnx"
    levels = np.random.default_rng(0).integers(0, 256, (PARITY_SAMPLES, 3, side, side))
    batch = torch.from_numpy((levels.astype(np.float32) - MEAN) / STD)
    about = "numpy default_rng(0), whole numbers from 0 to 255, normalised"
    contract = OnnxContract((batch,), ("pictures",), ("vectors",), {}, about)
    difference = export_onnx(_OfNormalised(network), contract, folder)
    model = onnx.load(path)
    onnx.helper.set_model_props(model, {EMBEDDER_METADATA_KEY: card.to_json()})
    onnx.save(model, path)
    return difference


def write_embedder_card(folder: Path, card: EmbedderCard, facts: Mapping[str, Any]) -> None:
    """Write model.json: the card with all facts."""
    write_json(folder / CARD, json.loads(card.to_json(dict(facts))))


def embedder_name(folder: Path) -> str:
    """Return the value of `[curate] embedder` for a model folder, such as `copy_detection@3f9c0e51d7aa`."""
    return OnnxEmbedder(folder / "model.onnx").model_id
