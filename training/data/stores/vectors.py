"""Vectors of a frozen encoder, kept in Parquet: a second head on the same pictures decodes and encodes nothing.

    cache/vectors/<encoder>-<view>/<n>.parquet   asset_sha256, vectors (V x D, float16), scene, statistics

A vector is a function of the picture's bytes, the encoder's weights and the view, so releases share the files. They may
be deleted at any time.
"""

import json
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from catalog import track
from training.data.arrays import Arrays
from training.data.sampling.seeds import cut_batches, derive_seed
from training.data.stores.pictures import SampleStore
from training.data.views.base import View
from training.data.views.crops import Vectors

AT_ONCE = 64  # pictures encoded together
IN_FILE = 2048  # pictures in one file, so a killed encoding loses little

Encode = Callable[[Arrays], NDArray[np.float32]]
"""Maps a batch with every variant of the pictures to vectors (N, V, D)."""


class EncodedStore:
    """The vectors of all rows of a store as samples; it satisfies `Store`."""

    def __init__(self, pictures: SampleStore, encoder: str, dim: int, folder: Path) -> None:
        self.index, self.shas = pictures.index, pictures.shas
        self._pictures = pictures
        view = pictures.view
        variants = int(view.variants)  # type: ignore[attr-defined]  # of a view of squares
        self.view = Vectors(variants, dim, view.plain_variants or variants, view.n_file_statistics)
        self._folder = folder / f"{encoder}-{_view_id(pictures.view)}"
        self._samples: dict[str, Arrays] = {}

    def __len__(self) -> int:
        return len(self.shas)

    def fill(self, encode: Encode, threads: int = 1) -> int:
        """Read the vectors that exist and compute the others; return the number of pictures that were encoded.

        So many threads encode a batch each.
        """
        self._read()
        missing = [row for row, sha in enumerate(self.shas) if sha not in self._samples]
        batches = cut_batches(np.array(missing, np.int64), AT_ONCE)
        encoded = self._encoded(batches, encode, threads)
        unsaved: list[str] = []
        for rows, samples, vectors in track(encoded, "encode pictures", len(batches), "batches"):
            for row, sample, each in zip(rows, samples, vectors, strict=True):
                self._samples[self.shas[row]] = self._row(sample, each)
                unsaved.append(self.shas[row])
            if len(unsaved) >= IN_FILE:
                self._write(unsaved)
                unsaved = []
        self._write(unsaved)
        return len(missing)

    def _encoded(
        self, batches: Sequence[NDArray[np.int64]], encode: Encode, threads: int
    ) -> Iterator[tuple[NDArray[np.int64], Sequence[Arrays], NDArray[np.float16]]]:
        """Yield rows, samples and vectors of each batch in order, a batch in work for each thread."""

        def run(samples: Sequence[Arrays]) -> NDArray[np.float16]:
            return encode(self._pictures.view.every_variant(samples)).astype(np.float16)

        pending: deque[tuple[NDArray[np.int64], Sequence[Arrays], Future[NDArray[np.float16]]]]
        pending = deque()
        with ThreadPoolExecutor(threads, thread_name_prefix="encode") as pool:
            for rows, samples in self._pictures.stream(batches):
                pending.append((rows, samples, pool.submit(run, samples)))
                if len(pending) > threads:
                    first, of_first, vectors = pending.popleft()
                    yield first, of_first, vectors.result()
            yield from ((rows, samples, vectors.result()) for rows, samples, vectors in pending)

    def sample(self, row: int) -> Arrays:
        """Return the vectors of one row and its simple features."""
        return self._samples[self.shas[row]]

    def stream(
        self,
        batches: Sequence[NDArray[np.int64]],
        ahead: int = 2,  # noqa: ARG002 - nothing to fetch
    ) -> Iterator[tuple[NDArray[np.int64], Sequence[Arrays]]]:
        """Yield each batch of rows with its samples."""
        for rows in batches:
            yield rows, [self.sample(int(row)) for row in rows]

    def _row(self, sample: Arrays, vectors: NDArray[np.float16]) -> Arrays:
        scene, statistics = self._pictures.view.simple_features(sample)
        whole = np.round(scene * 255).astype(np.uint8)
        return {"vectors": vectors, "scene": whole, "statistics": statistics.astype(np.float32)}

    def _read(self) -> None:
        wanted = set(self.shas)
        for path in sorted(self._folder.glob("*.parquet")):
            frame = pl.read_parquet(path).filter(pl.col("asset_sha256").is_in(list(wanted)))
            for row in frame.iter_rows(named=True):
                self._samples[row["asset_sha256"]] = self._parsed(row)

    def _parsed(self, row: Mapping[str, Any]) -> Arrays:
        vectors = np.frombuffer(row["vectors"], np.float16)
        return {
            "vectors": vectors.reshape(self.view.variants, self.view.dim),
            "scene": np.frombuffer(row["scene"], np.uint8),
            "statistics": np.frombuffer(row["statistics"], np.float32),
        }

    def _write(self, shas: Sequence[str]) -> None:
        """Write a file aside and rename it, so that no other process reads half of it."""
        if not shas:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        rows = [
            {
                "asset_sha256": sha,
                **{key: array.tobytes() for key, array in self._samples[sha].items()},
            }
            for sha in shas
        ]
        path = self._folder / f"{uuid.uuid4().hex}.parquet"
        aside = path.with_suffix(".tmp")
        pl.DataFrame(rows).write_parquet(aside)
        aside.rename(path)


class JoinedStore:
    """The vectors of several encoders of the same pictures, one behind the other; it satisfies `Store`."""

    def __init__(self, stores: Sequence[EncodedStore]) -> None:
        self._stores = stores
        self.index, self.shas = stores[0].index, stores[0].shas
        self.view = replace(stores[0].view, dim=sum(store.view.dim for store in stores))

    def __len__(self) -> int:
        return len(self.shas)

    def sample(self, row: int) -> Arrays:
        """Return the joined vectors of one row and its simple features."""
        parts = [store.sample(row) for store in self._stores]
        return {**parts[0], "vectors": np.concatenate([part["vectors"] for part in parts], axis=1)}

    def stream(
        self,
        batches: Sequence[NDArray[np.int64]],
        ahead: int = 2,  # noqa: ARG002 - nothing to fetch
    ) -> Iterator[tuple[NDArray[np.int64], Sequence[Arrays]]]:
        """Yield each batch of rows with its samples."""
        for rows in batches:
            yield rows, [self.sample(int(row)) for row in rows]


def _view_id(view: View) -> str:
    parts = [type(view).__name__, vars(view), *filter(None, [view.n_file_statistics])]
    return f"{derive_seed(json.dumps(parts, sort_keys=True)):016x}"
