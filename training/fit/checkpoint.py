"""Checkpoints: the whole state for an exact resume, one folder for each.

    checkpoints/epoch-0003/model.safetensors     weights and batch-norm statistics
                           average.safetensors   the average of the weights, where there is one
                           state.pt              optimizer, random state, progress, identity
    checkpoints/step-0003-000120/...             inside the fourth epoch, after 120 of its steps

The newest epochs and the best are kept (`Retention`), and the newest step of an unfinished epoch. A folder is written
aside and renamed, so it is always complete.
"""

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from training.errors import CheckpointError


@dataclass(frozen=True)
class Retention:
    """Which checkpoints are kept: the newest `newest` epochs, the best one, and each `every`-th (0: none of them).

    Where they take more than `most_mb` MiB together (0: no limit) the oldest are removed, but never the newest and the
    best.
    """

    newest: int = 2
    every: int = 0
    most_mb: float = 0

    def keeps(self, epoch: int, epochs: list[int], best: int) -> bool:
        """Whether an epoch is kept, of the sorted `epochs` that have a checkpoint."""
        is_nth = self.every > 0 and epoch % self.every == 0
        return epoch in epochs[-max(1, self.newest) :] or epoch == best or is_nth


@dataclass
class TrainingProgress:
    """The progress of a training; `history` has one row an epoch, `curve` the losses by step (`loss_curve`).

    `step` counts the finished steps of the running epoch, `loss_sum` and `seconds` belong to that epoch, too.
    `total_seconds` is the time of all epochs, `waited` the part of it without a batch. `clock_s` also has the time of
    validation and checkpoints.
    """

    epoch: int = 0  # epochs finished
    step: int = 0
    loss_sum: float = 0.0
    seconds: float = 0.0
    waited: float = 0.0
    total_seconds: float = 0.0
    clock_s: float = 0.0
    examples_seen: int = 0
    best_epoch: int = 0
    best_loss: float = float("inf")
    drops: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    curve: list[list[float]] = field(default_factory=list)

    def losses(self, training_loss: float) -> str:
        """Return the losses for a progress line: the running one of this epoch, the best validation so far."""
        best = f", best validation {self.best_loss:.3f}" if self.best_epoch else ""
        return f"loss {training_loss:.3f}{best}"


@dataclass(frozen=True)
class TrainingState:
    """What a checkpoint holds: network, optimizer, and the average of the weights where there is one."""

    network: nn.Module
    optimizer: torch.optim.Optimizer
    average: nn.Module | None = None

    @property
    def best(self) -> nn.Module:
        """The network that is evaluated: the average where there is one."""
        return self.network if self.average is None else self.average


class Checkpoints:
    """The checkpoints of one model; `identity` (its model_id) must match when they are read."""

    def __init__(self, folder: Path, identity: str, retention: Retention | None = None) -> None:
        self.folder = folder
        self.identity = identity
        self.retention = retention or Retention()

    def save(self, state: TrainingState, progress: TrainingProgress) -> None:
        """Write the state and remove the checkpoints that are not kept."""
        target = self._place(progress)
        unfinished = target.with_name(f".{target.name}")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        save_file(_plain(state.network), unfinished / "model.safetensors")
        if state.average is not None:
            save_file(_plain(state.average), unfinished / "average.safetensors")
        content = {
            "identity": self.identity,
            "progress": vars(progress),
            "optimiser": state.optimizer.state_dict(),
            "torch_rng": torch.get_rng_state(),
            "cuda_rng": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        }
        torch.save(content, unfinished / "state.pt")
        shutil.rmtree(target, ignore_errors=True)
        unfinished.rename(target)
        self._remove_old(progress, target)

    def restore(self, state: TrainingState) -> TrainingProgress:
        """Load the newest checkpoint and return its progress; without a checkpoint return a new one."""
        newest = self._newest()
        if newest is None:
            return TrainingProgress()
        content: dict[str, Any] = torch.load(newest / "state.pt", weights_only=True)
        if content["identity"] != self.identity:
            raise CheckpointError(newest.name, "data set or configuration")
        try:
            state.network.load_state_dict(load_file(newest / "model.safetensors"))
        except RuntimeError as error:  # other layers
            raise CheckpointError(newest.name, "version of the recipe or of Safelight") from error
        if state.average is not None:
            state.average.load_state_dict(load_file(newest / "average.safetensors"))
        state.optimizer.load_state_dict(content["optimiser"])
        torch.set_rng_state(content["torch_rng"])
        if content.get("cuda_rng"):
            torch.cuda.set_rng_state_all(content["cuda_rng"])
        return TrainingProgress(**content["progress"])

    def load_best(self, state: TrainingState, epoch: int) -> None:
        """Load the weights that were saved after `epoch` into the network; the average where there is one."""
        name = "model" if state.average is None else "average"
        weights = load_file(self._epoch_folder(epoch) / f"{name}.safetensors")
        state.best.load_state_dict(weights)

    def epochs(self) -> list[int]:
        """List the epochs that have a checkpoint."""
        return sorted(int(path.name.removeprefix("epoch-")) for path in self.folder.glob("epoch-*"))

    def _newest(self) -> Path | None:
        epoch = max(self.epochs(), default=0)
        steps = sorted(self.folder.glob("step-*"), key=_step)
        if steps and _step(steps[-1])[0] >= epoch:
            return steps[-1]
        return self._epoch_folder(epoch) if epoch else None

    def _place(self, progress: TrainingProgress) -> Path:
        if progress.step:
            return self.folder / f"step-{progress.epoch:04d}-{progress.step:06d}"
        return self._epoch_folder(progress.epoch)

    def _epoch_folder(self, epoch: int) -> Path:
        return self.folder / f"epoch-{epoch:04d}"

    def _remove_old(self, progress: TrainingProgress, newest: Path) -> None:
        for path in self.folder.glob("step-*"):
            if path != newest:
                shutil.rmtree(path)
        epochs, best = self.epochs(), progress.best_epoch
        kept = [epoch for epoch in epochs if self.retention.keeps(epoch, epochs, best)]
        for epoch in {*epochs} - {*kept}:
            shutil.rmtree(self._epoch_folder(epoch))
        self._fit_quota([epoch for epoch in kept[:-1] if epoch != best])

    def _fit_quota(self, removable: list[int]) -> None:
        """Remove the oldest of some epochs until all checkpoints fit into the quota."""
        most = self.retention.most_mb * 2**20
        while most and removable and size_of(self.folder) > most:
            shutil.rmtree(self._epoch_folder(removable.pop(0)))


def size_of(folder: Path) -> int:
    """Return the bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _step(path: Path) -> tuple[int, int]:
    _, epoch, step = path.name.split("-")
    return int(epoch), int(step)


def _plain(network: nn.Module) -> dict[str, torch.Tensor]:
    return {
        name: value.detach().cpu().contiguous().clone()
        for name, value in network.state_dict().items()
    }
