"""Read the original bytes of pictures from memory-mapped shards."""

import mmap
from pathlib import Path
from typing import Protocol, Self


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
