"""Turn a model folder into one of format 1: weights, config.json and ONNX file as commit be721c7 wrote them."""

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from training.export.model_files import contract_of
from training.heads import OrdinalHead
from training.models.headed import ExportedNetwork
from training.predict.saved_model import calibrations_of, heads_of, read_facts, view_of
from training.runs.saved_network import load_network

KEPT = (
    "model_id", "recipe", "recipe_version", "dataset", "version", "dataset_digest", "split_policy",
    "tasks", "bins", "rows_excluded", "rows_train", "rows_validation", "rows_test", "weights_sha256",
    "parameters", "best_epoch", "epochs", "examples_seen", "code_version", "trained_at", "versions",
    "onnx_max_abs_difference",
)  # fmt: skip
HYPERPARAMETERS = (
    "epochs", "batch_size", "learning_rate", "weight_decay", "dropout", "patience", "thumbnail_px",
    "patch_px", "bank", "patches", "width", "features", "balance", "seed",
)  # fmt: skip


class _Stacked(nn.Module):
    """The only output of format 1: the probabilities of all heads, (N, heads, 3)."""

    def __init__(self, model: ExportedNetwork) -> None:
        super().__init__()
        self.model = model

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        return torch.stack(self.model(*inputs), dim=1)


def make_format_1(folder: Path) -> None:
    """Rewrite a finished model of `exif` in place."""
    facts = read_facts(folder)
    heads, calibrations = heads_of(facts), calibrations_of(facts)
    network = load_network(folder, facts)
    stated = {head.name: head.stated(calibrations[head.name]) for head in heads}
    names: tuple[str, ...] = network.input_names  # type: ignore[assignment]  # of a HeadedNetwork
    contract = contract_of(view_of(folder, facts), names, ["probabilities"])
    stacked = _Stacked(ExportedNetwork(network, names, stated)).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter is deprecated
        torch.onnx.export(
            stacked, contract.batch, folder / "model.onnx", dynamo=False, opset_version=17,
            input_names=list(names), output_names=["probabilities"],
            dynamic_axes={name: {0: "n"} for name in (*names, "probabilities")} | {"patches": {0: "n", 1: "p"}},
        )  # fmt: skip
    save_file(
        _old_weights(folder, [head.name for head in heads], calibrations),
        folder / "weights.safetensors",
    )
    first = heads[0]
    assert isinstance(first, OrdinalHead)
    old = {name: facts[name] for name in KEPT} | {
        "format": "safelight-model/1",
        "classes": list(first.classes),
        "config": {name: facts["config"][name] for name in HYPERPARAMETERS},
        "temperature": {name: each["temperature"] for name, each in calibrations.items()},
        "prior": {name: each["prior"] for name, each in calibrations.items()},
    }
    (folder / "config.json").write_text(json.dumps(old))
    (folder / "changes.parquet").unlink()


def _old_weights(
    folder: Path, heads: list[str], calibrations: Mapping[str, Mapping[str, Any]]
) -> dict[str, torch.Tensor]:
    weights = {
        _old_name(name, heads): value
        for name, value in load_file(folder / "weights.safetensors").items()
        if name.startswith("network.")
    }
    return weights | {
        "network.merging": torch.from_numpy(
            np.eye(3, dtype=np.float32)[[0] * 5 + [1] * 3 + [2] * 4]
        ),
        "temperature": torch.tensor([[calibrations[name]["temperature"]] for name in heads]),
        "prior": torch.tensor([calibrations[name]["prior"] for name in heads]),
    }


def _old_name(name: str, heads: list[str]) -> str:
    parts = name.removeprefix("network.backbone.").removeprefix("network.").split(".")
    if parts[0] == "heads":
        parts[1] = str(heads.index(parts[1]))
    return ".".join(["network", *parts])
