"""Prepared samples of a release by row number: read from mapped shards, decoded in threads, kept in memory."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from training.data.arrays import Arrays
from training.data.shards import ShardReader, ShardSource
from training.data.stores.sample_cache import SampleCache
from training.data.views.base import View

CHUNKS_A_THREAD = 2  # of a batch
CHUNK_S = 5e-3  # at least, by the samples before: less is not worth another thread


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
    ) -> Iterator[tuple[NDArray[np.int64], Sequence[Arrays]]]:
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
        self._cache = SampleCache(len(index), cache_bytes)
        self._threads = threads
        self._sample_s = CHUNK_S  # to make one, lately
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
        return self._cache.get(row) or self._made_samples([row])[row]

    def stream(
        self, batches: Sequence[NDArray[np.int64]], ahead: int = 2
    ) -> Iterator[tuple[NDArray[np.int64], Sequence[Arrays]]]:
        """Yield each batch of rows with its samples, decoding `ahead` batches in advance."""
        pending = [self._begin(rows) for rows in batches[:ahead]]
        for number, rows in enumerate(batches):
            if number + ahead < len(batches):
                pending.append(self._begin(batches[number + ahead]))
            yield rows, self._ended(rows, pending.pop(0))

    def _begin(self, rows: NDArray[np.int64]) -> list[Future[dict[int, Arrays]]]:
        """Ask threads for the samples that are not in memory, several a future: futures cost time, too."""
        missing = self._cache.missing(rows).tolist()
        most = self._threads * CHUNKS_A_THREAD
        n_chunks = min(most, max(1, round(len(missing) * self._sample_s / CHUNK_S)))
        size = max(1, -(-len(missing) // n_chunks))
        chunks = [missing[start : start + size] for start in range(0, len(missing), size)]
        return [self._pool.submit(self._made_samples, chunk) for chunk in chunks]

    def _ended(
        self, rows: NDArray[np.int64], futures: Sequence[Future[dict[int, Arrays]]]
    ) -> Sequence[Arrays]:
        """Wait for the samples of a batch."""
        made: dict[int, Arrays] = {}
        for future in futures:
            made |= future.result()
        return self._cache.samples(rows) if self.caches else [made[row] for row in rows.tolist()]

    def _made_samples(self, rows: Sequence[int]) -> dict[int, Arrays]:
        """Make samples, and keep them if all of the store fit into memory."""
        started = time.perf_counter()
        made = {row: self._made_sample(row) for row in rows}
        self._sample_s = (time.perf_counter() - started) / len(rows)
        if self.caches:
            self._cache.add(made)
        return made

    def _made_sample(self, row: int) -> Arrays:
        data = self._reader.read(*self._byte_ranges[row])
        if self._edits:
            return self.view.from_edited_bytes(data, self.shas[row], self._edits[row])
        return self.view.from_bytes(data, self.shas[row])
