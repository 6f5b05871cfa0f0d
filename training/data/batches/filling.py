"""Fill batches: read, decode and resize pictures in threads, and replace what cannot be decoded."""

import logging
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import torch

from catalog import UsageError
from training.data.arrays import Pixels
from training.data.crops import PictureView, render
from training.data.sampling.samplers import BatchRows, Rows
from training.data.sampling.seeds import derive_seed
from training.data.selection import Selection
from training.data.shards import ShardReader
from training.errors import UndecodablePictureError

log = logging.getLogger(__name__)

OnBad: TypeAlias = Literal["replace", "mask", "raise"]
ON_BAD = {
    "replace": "take the next picture of the selection that can be decoded",
    "mask": "leave it black; its mask and those of its labels are false",
    "raise": "end with an error",
}
MOST_REPLACEMENTS = 20  # in a row, before the error of the first is raised
_UNUSED = np.random.default_rng(0)  # for views that draw nothing
CHUNKS_A_THREAD = 4  # of a batch: few enough to cost nothing, enough to end at about the same time


@dataclass(frozen=True)
class BadPicture:
    """A picture that could not be decoded, and the id of the one that stands in for it, or null."""

    id: str
    shard: str
    reason: str
    replaced_by: str | None


class BatchFiller:
    """Decode pictures of a selection into memory of batches, in `threads` threads."""

    def __init__(
        self, selection: Selection, *, threads: int, seed: int, on_bad: OnBad = "replace"
    ) -> None:
        if on_bad not in ON_BAD:
            raise UsageError(f"on_bad {on_bad!r} does not exist; there are {', '.join(ON_BAD)}")
        self.selection = selection
        self.bad: dict[int, BadPicture] = {}
        self._threads, self._seed, self._on_bad = threads, seed, on_bad
        self._reader = ShardReader(selection.release)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="decode")

    def start(self, batch: BatchRows, epoch: int, view: PictureView, memory: Pixels) -> "Filling":
        """Begin to fill `memory`, shape (N, height, width, 3), with the N pictures of a batch."""
        rows = batch.rows.copy()
        size = max(1, -(-len(rows) // (self._threads * CHUNKS_A_THREAD)))
        chunks = [slice(start, start + size) for start in range(0, len(rows), size)]
        futures = [
            self._pool.submit(self._fill, rows, chunk, batch.positions, epoch, view, memory)
            for chunk in chunks
        ]
        return Filling(batch, rows, memory, futures)

    def close(self) -> None:
        """Stop the threads."""
        self._pool.shutdown(cancel_futures=True)
        self._reader.__exit__()

    def _fill(
        self,
        rows: Rows,
        chunk: slice,
        positions: Rows,
        epoch: int,
        view: PictureView,
        memory: Pixels,
    ) -> None:
        """Fill one chunk; `rows` then names the pictures that are shown, -1 for one that is masked."""
        for i in range(len(rows))[chunk]:
            # Of the place in the epoch, not of the thread or rank: the same on any number of them.
            rng = self._rng(epoch, int(positions[i])) if view.is_random else _UNUSED
            rows[i] = self._draw(int(rows[i]), rng, view, memory[i])

    def _rng(self, epoch: int, position: int) -> np.random.Generator:
        return np.random.default_rng(derive_seed("augment", self._seed, epoch, position))

    def _draw(self, row: int, rng: np.random.Generator, view: PictureView, out: Pixels) -> int:
        """Draw a picture, or the one that stands in for it; return the row of the picture that is shown."""
        first: UndecodablePictureError | None = None
        for step in range(MOST_REPLACEMENTS):
            shown = (row + step) % len(self.selection)
            try:
                data = self.selection.read(self._reader, shown)
                render(data, view, rng, out, name=self.selection.id(shown))
            except UndecodablePictureError as error:
                first = first or error
                if self._on_bad == "raise":
                    break
                if self._on_bad == "mask":
                    out[:] = 0
                    self._note(row, first, None)
                    return -1
            else:
                if first:
                    self._note(row, first, shown)
                return shown
        assert first is not None
        raise first

    def _note(self, row: int, error: UndecodablePictureError, shown: int | None) -> None:
        """Remember a bad picture, and log it once."""
        if row in self.bad:
            return
        chosen = self.selection
        replaced_by = None if shown is None else chosen.id(shown)
        shard = chosen.shard(row)
        self.bad[row] = BadPicture(chosen.id(row), shard, str(error), replaced_by)
        log.warning("%s in %s; shown in its place: %s", error, shard, replaced_by or "black")


@dataclass(frozen=True)
class Filling:
    """A batch on its way: `rows` are those of the pictures that are shown, once it is full."""

    batch: BatchRows
    rows: Rows
    memory: Pixels
    futures: list[Future[None]]

    def wait(self) -> None:
        """Wait until the batch is full; raises what decoding raised."""
        for future in self.futures:
            future.result()

    def cancel(self) -> None:
        """Give the batch up, and wait until no thread writes into its memory."""
        for future in self.futures:
            future.cancel()
        for future in self.futures:
            if not future.cancelled():
                future.exception()

    def tensors(self, selection: Selection) -> dict[str, Any]:
        """Return the batch: `image` (N, 3, H, W), `mask` (N,), `id`, labels with their masks, columns."""
        shown = self.rows >= 0
        rows = np.where(shown, self.rows, self.batch.rows)
        counts = self.batch.counts & shown
        batch: dict[str, Any] = {
            "image": torch.from_numpy(self.memory).permute(0, 3, 1, 2),
            "id": [selection.id(row) for row in rows],
            "mask": torch.from_numpy(counts),
        }
        for name, label in selection.labels.items():
            batch[name] = torch.from_numpy(label.values[rows])
            batch[f"{name}_mask"] = torch.from_numpy(label.mask[rows] & counts)
        for name, column in selection.columns.items():
            values = column[rows]
            batch[name] = values.tolist() if values.dtype == object else torch.from_numpy(values)
        return batch
