"""Read pictures of a release by row number: a slice of a memory-mapped shard, decoded in threads.

The loader returns pixels only. It uses no tag of the file, not even Orientation: a picture without its
metadata gives the same pixels, hence the same prediction.
"""

import io
import mmap
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, Self

import numpy as np
import polars as pl
import simplejpeg
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from training.data.transforms import Pixels, Sample
from training.errors import UndecodablePictureError

ORIENTATION = 0x0112


def decode(data: bytes | memoryview, *, name: str = "picture", min_side: int = 0) -> Pixels:
    """Decode stored pixels (H, W, 3), RGB, without Orientation or any other tag.

    With `min_side` a JPEG may be decoded at a reduced size (n/8, much faster), as long as both sides
    keep at least that many pixels. Raises UndecodablePictureError.
    """
    if bytes(data[:2]) == b"\xff\xd8":
        try:
            return _decode_jpeg(data, min_side)
        except ValueError:  # CMYK and other rare kinds: Pillow decodes them
            pass
    try:
        return _decode_other(data)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UndecodablePictureError(name, str(error)) from error


def _decode_jpeg(data: bytes | memoryview, min_side: int) -> Pixels:
    factor = {"min_height": min_side, "min_width": min_side, "min_factor": 1} if min_side else {}
    pixels: Pixels = simplejpeg.decode_jpeg(data, colorspace="RGB", strict=False, **factor)
    return pixels


def _decode_other(data: bytes | memoryview) -> Pixels:
    with Image.open(io.BytesIO(data)) as picture:
        if isinstance(picture, TiffImagePlugin.TiffImageFile):
            # Pillow rotates a TIFF on load if either of these two has an Orientation.
            picture.tag_v2.pop(ORIENTATION, None)
            picture.getexif().pop(ORIENTATION, None)
        if picture.has_transparency_data:
            clear = picture.convert("RGBA")
            ground = Image.new("RGBA", clear.size, "white")
            return np.asarray(Image.alpha_composite(ground, clear).convert("RGB"))
        return np.asarray(picture.convert("RGB"))


class ShardSource(Protocol):
    """An object that gives the path of each shard, such as a release."""

    def shard(self, name: str) -> Path:
        """Return the path of a shard."""


class ShardReader:
    """Read the original bytes of a picture from mapped shards; a context manager."""

    def __init__(self, release: ShardSource) -> None:
        self._release = release
        self._maps: dict[str, mmap.mmap] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for mapped in self._maps.values():
            mapped.close()
        self._maps.clear()

    def read(self, shard: str, offset: int, length: int) -> bytes:
        """Return `length` bytes at `offset` of a shard."""
        if shard not in self._maps:
            with Path(self._release.shard(shard)).open("rb") as file:
                self._maps[shard] = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return self._maps[shard][offset : offset + length]


class Loader:
    """Map-style loader of prepared samples by index row; a context manager.

    Samples stay in memory if all of them fit into `cache_bytes`; otherwise each request decodes the picture.
    """

    def __init__(
        self,
        release: ShardSource,
        index: pl.DataFrame,
        prepare: Callable[[Pixels], Sample],
        *,
        sample_bytes: int,
        cache_bytes: int,
        threads: int = 2,
    ) -> None:
        self.index = index
        self.shas: list[str] = index["asset_sha256"].to_list()
        self.caches = sample_bytes * len(index) <= cache_bytes
        self._byte_ranges = index.select("shard", "offset", "length").rows()
        self._reader = ShardReader(release)
        self._prepare = prepare
        self._cache: dict[int, Sample] = {}
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="decode")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.shutdown(cancel_futures=True)
        self._reader.__exit__(*error)

    def __len__(self) -> int:
        return len(self._byte_ranges)

    def sample(self, row: int) -> Sample:
        """Return the sample of one row, from memory if it is cached."""
        cached = self._cache.get(row)
        if cached is not None:
            return cached
        sample = self._prepare(
            decode(self._reader.read(*self._byte_ranges[row]), name=self.shas[row])
        )
        if self.caches:
            # Two threads may prepare one row at the same time: both return the sample stored first.
            return self._cache.setdefault(row, sample)
        return sample

    def stream(
        self, batches: Sequence[NDArray[np.int64]], ahead: int = 2
    ) -> Iterator[tuple[NDArray[np.int64], list[Sample]]]:
        """Yield each batch of rows with its samples, decoding `ahead` batches in advance."""
        pending: list[list[Future[Sample]]] = [self._submit(rows) for rows in batches[:ahead]]
        for number, rows in enumerate(batches):
            if number + ahead < len(batches):
                pending.append(self._submit(batches[number + ahead]))
            yield rows, [future.result() for future in pending.pop(0)]

    def _submit(self, rows: NDArray[np.int64]) -> list[Future[Sample]]:
        return [self._pool.submit(self.sample, int(row)) for row in rows]
