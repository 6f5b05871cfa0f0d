"""Prepared samples of a release by row number: read from mapped shards, decoded in threads, kept in memory."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from training.data.arrays import Arrays
from training.data.shards import ShardReader, ShardSource
from training.data.views.base import View

CHUNKS_A_THREAD = 2  # of a batch


class Store(Protocol):
    """Prepared samples by index row."""

    index: pl.DataFrame
    shas: list[str]

    @property
    def view(self) -> View:
        """The view of the samples."""
        ...

    def sample(self, row: int) -> Arrays:
        """Return the sample of one row."""
        ...

    def stream(
        self, batches: Sequence[NDArray[np.int64]], ahead: int = 2
    ) -> Iterator[tuple[NDArray[np.int64], list[Arrays]]]:
        """Yield each batch of rows with its samples."""
        ...

    def __len__(self) -> int: ...


def row_names(index: pl.DataFrame) -> list[str]:
    """Name each row by the SHA-256 of its picture, and by its edit where a recipe makes rows of edited pictures."""
    if "edit" not in index.columns:
        return index["asset_sha256"].to_list()
    return index.select(pl.format("{}#{}", "asset_sha256", "edit")).to_series().to_list()


class SampleStore:
    """Prepared samples by index row; a context manager.

    Samples stay in memory if all of them fit into `cache_bytes`; otherwise each request decodes the picture.
    """

    def __init__(
        self,
        release: ShardSource,
        index: pl.DataFrame,
        view: View,
        *,
        cache_bytes: int,
        threads: int = 2,
    ) -> None:
        self.index = index
        self._edits: list[str] = index["edit"].to_list() if "edit" in index.columns else []
        self.shas: list[str] = row_names(index)
        self.caches = view.bytes_of(index) <= cache_bytes
        self._byte_ranges = index.select("shard", "offset", "length").rows()
        self._reader = ShardReader(release)
        self.view = view
        self._cache: dict[int, Arrays] = {}
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="decode")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.shutdown(cancel_futures=True)
        self._reader.__exit__(*error)

    def __len__(self) -> int:
        return len(self._byte_ranges)

    def sample(self, row: int) -> Arrays:
        """Return the sample of one row, from memory if it is cached."""
        cached = self._cache.get(row)
        if cached is not None:
            return cached
        data = self._reader.read(*self._byte_ranges[row])
        sample = (
            self.view.from_edited_bytes(data, self.shas[row], self._edits[row])
            if self._edits
            else self.view.from_bytes(data, self.shas[row])
        )
        if self.caches:
            # Two threads may prepare one row at the same time: both return the sample stored first.
            return self._cache.setdefault(row, sample)
        return sample

    def stream(
        self, batches: Sequence[NDArray[np.int64]], ahead: int = 2
    ) -> Iterator[tuple[NDArray[np.int64], list[Arrays]]]:
        """Yield each batch of rows with its samples, decoding `ahead` batches in advance."""
        pending = [self._begin(rows) for rows in batches[:ahead]]
        for number, rows in enumerate(batches):
            if number + ahead < len(batches):
                pending.append(self._begin(batches[number + ahead]))
            made: dict[int, Arrays] = {}
            for future in pending.pop(0):
                made |= future.result()
            yield rows, [made.get(row) or self.sample(row) for row in rows.tolist()]

    def _begin(self, rows: NDArray[np.int64]) -> list[Future[dict[int, Arrays]]]:
        """Ask threads for the samples that are not in memory, several a future: futures cost time, too."""
        missing = [row for row in rows.tolist() if row not in self._cache]
        size = max(1, -(-len(missing) // (self._threads * CHUNKS_A_THREAD)))
        chunks = [missing[start : start + size] for start in range(0, len(missing), size)]
        return [self._pool.submit(self._samples, chunk) for chunk in chunks]

    def _samples(self, rows: Sequence[int]) -> dict[int, Arrays]:
        return {row: self.sample(row) for row in rows}
