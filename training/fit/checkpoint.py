"""Checkpoints: everything that an exact resume needs, one folder an epoch.

    checkpoints/epoch-0003/model.safetensors   weights and batch-norm statistics
                           state.pt            optimiser, random state, best epoch, history, identity

Kept are the newest two and the best; a folder appears whole, by a rename.
"""

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from training.errors import CheckpointError

KEEP = 2


@dataclass
class Progress:
    """How far a training run has come; `history` holds one row an epoch."""

    epoch: int = 0  # epochs finished
    examples_seen: int = 0
    best_epoch: int = 0
    best_loss: float = float("inf")
    history: list[dict[str, float]] = field(default_factory=list)


class Checkpoints:
    """The checkpoints of one model; `identity` (its model_id) must match when they are read."""

    def __init__(self, folder: Path, identity: str) -> None:
        self.folder = folder
        self.identity = identity

    def save(self, network: nn.Module, optimiser: torch.optim.Optimizer, done: Progress) -> None:
        """Write the state after an epoch and remove what is neither new nor best."""
        target = self._of(done.epoch)
        aside = target.with_name(f".{target.name}")
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        save_file(_plain(network), aside / "model.safetensors")
        state = {
            "identity": self.identity,
            "progress": vars(done),
            "optimiser": optimiser.state_dict(),
            "torch_rng": torch.get_rng_state(),
        }
        torch.save(state, aside / "state.pt")
        shutil.rmtree(target, ignore_errors=True)
        aside.rename(target)
        self._tidy(done)

    def restore(self, network: nn.Module, optimiser: torch.optim.Optimizer) -> Progress:
        """Load the newest checkpoint into both and return where it stands; fresh without one."""
        newest = max(self.epochs(), default=0)
        if not newest:
            return Progress()
        state: dict[str, Any] = torch.load(self._of(newest) / "state.pt", weights_only=True)
        if state["identity"] != self.identity:
            raise CheckpointError(self._of(newest).name, "data set or configuration")
        self.load_weights(network, newest)
        optimiser.load_state_dict(state["optimiser"])
        torch.set_rng_state(state["torch_rng"])
        return Progress(**state["progress"])

    def load_weights(self, network: nn.Module, epoch: int) -> None:
        """Load the weights as they were after `epoch`."""
        network.load_state_dict(load_file(self._of(epoch) / "model.safetensors"))

    def epochs(self) -> list[int]:
        """List the epochs whose state is kept."""
        return sorted(int(path.name.removeprefix("epoch-")) for path in self.folder.glob("epoch-*"))

    def _of(self, epoch: int) -> Path:
        return self.folder / f"epoch-{epoch:04d}"

    def _tidy(self, done: Progress) -> None:
        for epoch in self.epochs()[:-KEEP]:
            if epoch != done.best_epoch:
                shutil.rmtree(self._of(epoch))


def _plain(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
