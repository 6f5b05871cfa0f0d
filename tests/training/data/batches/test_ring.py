"""Memory of batches is used again when nothing refers to it, and only then."""

import gc

import numpy as np
import torch

from training.data.batches.ring import BatchRing


def test_memory_is_used_again_when_its_batch_is_gone() -> None:
    ring = BatchRing(pinned=False)
    batch = torch.from_numpy(ring.take((2, 4, 4, 3)))
    address = batch.data_ptr()
    del batch
    assert torch.from_numpy(ring.take((2, 4, 4, 3))).data_ptr() == address
    assert len(ring) == 1
    ring.take((1, 4, 4, 3))
    assert len(ring) == 2  # another shape


def test_whoever_keeps_a_batch_or_a_part_of_it_keeps_its_memory() -> None:
    ring = BatchRing(pinned=False)
    for keep in (
        torch.from_numpy,
        lambda pixels: torch.from_numpy(pixels[:1]).permute(0, 3, 1, 2),
        lambda pixels: torch.from_numpy(pixels)[0, 0],
        lambda pixels: torch.from_numpy(pixels).numpy(),
        lambda pixels: np.asarray(memoryview(pixels)),
    ):
        kept = keep(ring.take((2, 4, 4, 3)))
        kept[:] = 7
        ring.take((2, 4, 4, 3))[:] = 0
        assert (kept == 7).all()
        del kept
        gc.collect(0)
    assert len(ring) == 2  # the one that was kept, and the one that took its place
