"""Write the folder of a finished embedder; curation reads `model.onnx` and its card, people read the rest.

models/<model_id>/
  model.json           the card (`curation.stages.embedder_card`), with all facts under `about`; written last
  model.onnx           pictures to unit vectors, the card in its metadata; parity.json compares it with torch
  weights.safetensors  the same weights for torch
  history.parquet      one row an epoch
  metrics.parquet      rows of the table `metrics`
  curves.parquet       recall and precision by score, for the report
  README.md            model card
  checkpoints/         newest and best epochs
"""

import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from safetensors.torch import save_file

from curation import EMBEDDER_METADATA_KEY, EmbedderCard
from training.copies.network import MEAN, STD, CopyNetwork
from training.export.onnx_export import PARITY_PICTURES, write_json

TOLERANCE = 1e-4  # of a part of a unit vector


def make_card(name: str, input_px: int, candidate_cosine: float) -> EmbedderCard:
    """Make the card: how pictures are prepared, and the lowest cosine of candidate pairs."""
    mean, std = (MEAN,) * 3, (STD,) * 3
    return EmbedderCard(name, input_px, mean, std, candidate_cosine, candidate_cosine)


def export_weights(network: CopyNetwork, path: Path) -> None:
    """Write the weights as safetensors."""
    state = {name: value.cpu().contiguous() for name, value in network.state_dict().items()}
    save_file(state, path, metadata={"format": "pt"})


def export_onnx(network: CopyNetwork, card: EmbedderCard, folder: Path) -> float:
    """Write model.onnx and parity.json; return the largest difference from torch on a fixed batch.

    The input is `pictures`, float32 (N, 3, S, S), normalised as the card says; the output `vectors` (N, dim).
    """
    side, path = card.input_px, folder / "model.onnx"
    levels = np.random.default_rng(0).integers(0, 256, (PARITY_PICTURES, 3, side, side))
    batch = torch.from_numpy((levels.astype(np.float32) - MEAN) / STD)
    network = network.cpu().eval()
    with warnings.catch_warnings():
        # As in training.export: the newer exporter takes 30 times as long. Sides are fixed on purpose.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network, (batch,), path, dynamo=False, opset_version=17,
            input_names=["pictures"], output_names=["vectors"],
            dynamic_axes={"pictures": {0: "n"}, "vectors": {0: "n"}},
        )  # fmt: skip
    model = onnx.load(path)
    onnx.helper.set_model_props(model, {EMBEDDER_METADATA_KEY: card.to_json()})
    onnx.save(model, path)
    difference = _difference(network, path, batch)
    parity = {
        "batch": "numpy default_rng(0), whole numbers from 0 to 255, normalised",
        "pictures": PARITY_PICTURES,
        "max_abs_difference": difference,
        "tolerance": TOLERANCE,
        "within_tolerance": difference <= TOLERANCE,
        "torch": torch.__version__,
        "onnxruntime": onnxruntime.__version__,
    }
    write_json(folder / "parity.json", parity)
    return difference


def _difference(network: CopyNetwork, path: Path, batch: torch.Tensor) -> float:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    outputs = session.run(None, {"pictures": batch.numpy()})[0]
    with torch.inference_mode():
        expected = network(batch).numpy()
    return float(np.abs(outputs - expected).max())
