"""Memory of batches, used again and again: page-locked where there is a GPU, so that copies to it run beside the work.

A slot is used again when nothing refers to its batch any more; whoever keeps a batch keeps its memory.
"""

import sys
from collections.abc import Sequence

import torch

from training.data.arrays import Pixels


class BatchRing:
    """Slots for batches of pictures (N, H, W, 3), uint8, by their shape."""

    def __init__(self, *, pinned: bool) -> None:
        self._pinned = pinned
        self._slots: list[_Slot] = []

    def take(self, shape: Sequence[int]) -> Pixels:
        """Return memory of this shape that no batch uses."""
        for slot in self._slots:
            if slot.pixels.shape == tuple(shape) and slot.is_free():
                slot.wait_for_copies()
                return slot.pixels
        slot = _Slot(tuple(shape), pinned=self._pinned)
        self._slots.append(slot)
        return slot.pixels

    def mark_copies(self) -> None:
        """Remember which copies to the GPU have begun; memory they read is not written before they end."""
        if self._pinned:
            event = torch.cuda.Event()  # type: ignore[no-untyped-call]  # torch has no types there
            event.record()
            for slot in self._slots:
                slot.copied = event

    def __len__(self) -> int:
        return len(self._slots)


class _Slot:
    """One piece of memory; `copied` happens when the copies to the GPU that have begun are over."""

    def __init__(self, shape: tuple[int, ...], *, pinned: bool) -> None:
        memory = torch.empty(shape, dtype=torch.uint8, pin_memory=pinned)
        self.pixels: Pixels = memory.numpy()
        self.copied: torch.cuda.Event | None = None
        self._references = self._count()  # of the slot alone

    def _count(self) -> int:
        return sys.getrefcount(self.pixels)

    def is_free(self) -> bool:
        """Say whether nothing but this slot refers to the memory, a view of it or a tensor over it."""
        return self._count() == self._references

    def wait_for_copies(self) -> None:
        """Wait until no copy to the GPU reads the memory."""
        if self.copied is not None:
            self.copied.synchronize()
