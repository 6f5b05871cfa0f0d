"""Training in several processes, as `torchrun` starts them: every rank holds the network and a part of each batch.

The batches are those of one process. A rank takes every n-th row of each; gradients and losses are averaged, so all
ranks hold the same weights. Rank 0 alone writes checkpoints, the log and the model. Batch norm uses the rows of its
rank in training; its statistics are averaged before each validation.

    torchrun --nproc-per-node 2 -m safelight train run faces --dataset faces
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import torch
from numpy.typing import NDArray
from torch import distributed, nn

LONGEST_WAIT = timedelta(hours=12)  # of the other ranks, while rank 0 encodes pictures or evaluates
FEWEST_ROWS = 2  # of a rank: batch norm needs two


@dataclass(frozen=True)
class Ranks:
    """The rank of this process among `size` processes; the methods are called by all of them in the same order."""

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes files."""
        return self.rank == 0

    def part(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the rows of this rank; every rank takes all of a batch that is too small to be cut."""
        return rows if len(rows) < FEWEST_ROWS * self.size else rows[self.rank :: self.size]

    def total(self, value: torch.Tensor) -> torch.Tensor:
        """Return the sum of a scalar over the ranks, without a gradient."""
        if self.size == 1:
            return value
        total = value.detach().clone()
        distributed.all_reduce(total)
        return total

    def mean_gradients(self, network: nn.Module) -> None:
        """Replace the gradients by their means over the ranks; a parameter without one keeps none."""
        if self.size == 1:
            return
        gradients = [each.grad for each in network.parameters() if each.grad is not None]
        self._average(gradients)

    def mean_buffers(self, network: nn.Module) -> None:
        """Replace the statistics of batch norm by their means over the ranks."""
        if self.size > 1:
            self._average([each for each in network.buffers() if each.is_floating_point()])

    def mean_loss(self, loss: float, *, stop: bool) -> tuple[float, bool]:
        """Return the mean loss of a step, and whether any rank was told to stop."""
        if self.size == 1:
            return loss, stop
        sums = torch.tensor([loss, float(stop)], dtype=torch.float64, device=self._device)
        distributed.all_reduce(sums)
        return float(sums[0]) / self.size, bool(sums[1] > 0)

    def of_first(self, value: float) -> float:
        """Return what rank 0 has: times and losses that decide must be equal everywhere."""
        if self.size == 1:
            return value
        held = torch.tensor([value], dtype=torch.float64, device=self._device)
        distributed.broadcast(held, 0)
        return float(held)

    def wait(self) -> None:
        """Wait for all ranks."""
        if self.size > 1:
            distributed.barrier()

    @contextmanager
    def first_alone(self) -> Iterator[None]:
        """Run the block in rank 0 first, then in the others, which find its files."""
        if not self.is_first:
            self.wait()
        yield
        if self.is_first:
            self.wait()

    @property
    def _device(self) -> str:
        return "cuda" if distributed.get_backend() == "nccl" else "cpu"

    def _average(self, tensors: Sequence[torch.Tensor]) -> None:
        if not tensors:
            return
        flat = torch.cat([each.reshape(-1) for each in tensors])
        distributed.all_reduce(flat)
        flat /= self.size
        for each, part in zip(
            tensors, torch.split(flat, [t.numel() for t in tensors]), strict=True
        ):
            each.copy_(part.view_as(each))


def this_rank() -> Ranks:
    """Return the rank of this process; the only one where no process group is open."""
    if distributed.is_available() and distributed.is_initialized():
        return Ranks(distributed.get_rank(), distributed.get_world_size())
    return Ranks()


@contextmanager
def joined() -> Iterator[Ranks]:
    """Join the processes that `torchrun` started; do nothing without it, or where Ray Train has joined them."""
    if int(os.environ.get("WORLD_SIZE", "1")) < 2 or this_rank().size > 1:
        yield this_rank()
        return
    if is_cuda := torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    distributed.init_process_group("nccl" if is_cuda else "gloo", timeout=LONGEST_WAIT)
    try:
        yield this_rank()
    finally:
        distributed.destroy_process_group()
