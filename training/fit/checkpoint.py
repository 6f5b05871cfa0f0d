"""Checkpoints: the whole state for an exact resume, one folder an epoch.

    checkpoints/epoch-0003/model.safetensors   weights and batch-norm statistics
                           state.pt            optimiser, random state, best epoch, history, identity

The newest two and the best are kept. A folder is written aside and renamed, so it is always complete.
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
class TrainingProgress:
    """The progress of a training run; `history` has one row an epoch."""

    epoch: int = 0  # epochs finished
    examples_seen: int = 0
    best_epoch: int = 0
    best_loss: float = float("inf")
    history: list[dict[str, float]] = field(default_factory=list)

    def losses(self, training_loss: float) -> str:
        """Return the losses for a progress line: the running one of this epoch, the best validation so far."""
        best = f", best validation {self.best_loss:.3f}" if self.best_epoch else ""
        return f"loss {training_loss:.3f}{best}"


class Checkpoints:
    """The checkpoints of one model; `identity` (its model_id) must match when they are read."""

    def __init__(self, folder: Path, identity: str) -> None:
        self.folder = folder
        self.identity = identity

    def save(
        self, network: nn.Module, optimiser: torch.optim.Optimizer, progress: TrainingProgress
    ) -> None:
        """Write the state after an epoch and remove checkpoints that are neither new nor best."""
        target = self._epoch_folder(progress.epoch)
        unfinished = target.with_name(f".{target.name}")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        save_file(_plain(network), unfinished / "model.safetensors")
        state = {
            "identity": self.identity,
            "progress": vars(progress),
            "optimiser": optimiser.state_dict(),
            "torch_rng": torch.get_rng_state(),
        }
        torch.save(state, unfinished / "state.pt")
        shutil.rmtree(target, ignore_errors=True)
        unfinished.rename(target)
        self._remove_old(progress)

    def restore(self, network: nn.Module, optimiser: torch.optim.Optimizer) -> TrainingProgress:
        """Load the newest checkpoint into both and return its progress; without a checkpoint return a new one."""
        newest = max(self.epochs(), default=0)
        if not newest:
            return TrainingProgress()
        state: dict[str, Any] = torch.load(
            self._epoch_folder(newest) / "state.pt", weights_only=True
        )
        if state["identity"] != self.identity:
            raise CheckpointError(self._epoch_folder(newest).name, "data set or configuration")
        self.load_weights(network, newest)
        optimiser.load_state_dict(state["optimiser"])
        torch.set_rng_state(state["torch_rng"])
        return TrainingProgress(**state["progress"])

    def load_weights(self, network: nn.Module, epoch: int) -> None:
        """Load the weights that were saved after `epoch`."""
        network.load_state_dict(load_file(self._epoch_folder(epoch) / "model.safetensors"))

    def epochs(self) -> list[int]:
        """List the epochs that have a checkpoint."""
        return sorted(int(path.name.removeprefix("epoch-")) for path in self.folder.glob("epoch-*"))

    def _epoch_folder(self, epoch: int) -> Path:
        return self.folder / f"epoch-{epoch:04d}"

    def _remove_old(self, progress: TrainingProgress) -> None:
        for epoch in self.epochs()[:-KEEP]:
            if epoch != progress.best_epoch:
                shutil.rmtree(self._epoch_folder(epoch))


def _plain(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
