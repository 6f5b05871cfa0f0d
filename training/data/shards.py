"""Read the original bytes of pictures from the shards of a release.

A read is one `pread`: it takes no lock, needs no file position and lets other threads run while the disk works. For
processes of one thread shards may be mapped into memory, which takes half the time when they are there already.
"""

import mmap
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, Self

from catalog import ReleaseError, command_name

MOST_OPEN = 256  # files; a process may hold 1,024 by default


class ShardSource(Protocol):
    """An object that gives the path of each shard, such as a release."""

    def shard(self, name: str) -> Path:
        """Return the path of a shard."""


class ShardReader:
    """Read the original bytes of pictures; a context manager.

    Threads may share it. A copy in another process, by fork or by pickling, opens the shards itself.
    """

    def __init__(self, release: ShardSource, *, mapped: bool = False) -> None:
        self._release = release
        # A file that is open keeps its bytes on the disk, also when a bounded cache has dropped it.
        self._most_open = 0 if getattr(release, "may_drop_shards", False) else MOST_OPEN
        self._mapped = mapped and self._most_open > 0
        self._files: dict[str, _ShardFile] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._files.clear()

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_files": {}}

    def read(self, shard: str, offset: int, length: int) -> bytes:
        """Return `length` bytes at `offset` of a shard; raises `ReleaseError` when it ends before."""
        file = self._files.get(shard) or self._open(shard)
        data = file.read(offset, length)
        if len(data) == length:
            return data
        return self._read_on(shard, file, offset, length)

    def _read_on(self, shard: str, file: "_ShardFile", offset: int, length: int) -> bytes:
        """Read in pieces: the kernel gives at most 2 GiB at once."""
        parts: list[bytes] = []
        while length:
            part = os.pread(file.descriptor, length, offset)
            if not part:
                raise ReleaseError(
                    f"{shard} ends before byte {offset + length}, which the index names; check the release "
                    f"with: {command_name()} dataset verify"
                )
            parts.append(part)
            offset, length = offset + len(part), length - len(part)
        return b"".join(parts)

    def _open(self, shard: str) -> "_ShardFile":
        """Open a shard. Two threads may do so at once: both files read the same, and one is closed after its use."""
        for _ in range(3):
            with suppress(FileNotFoundError):  # a bounded cache may have dropped it again
                return self._kept(
                    shard, _ShardFile(self._release.shard(shard), mapped=self._mapped)
                )
        raise ReleaseError(
            f"{shard} is missing; check the release with: {command_name()} dataset verify"
        )

    def _kept(self, shard: str, file: "_ShardFile") -> "_ShardFile":
        """Keep a file open for the next read, in place of the one that has been open for longest."""
        if not self._most_open:
            return file
        if len(self._files) >= self._most_open:
            with suppress(KeyError, RuntimeError, StopIteration):  # another thread was faster
                del self._files[next(iter(self._files))]
        return self._files.setdefault(shard, file)


class _ShardFile:
    """An open shard that is closed when no thread uses it any more."""

    def __init__(self, path: Path, *, mapped: bool) -> None:
        self.descriptor = os.open(path, os.O_RDONLY)
        self._map: mmap.mmap | None = None
        if mapped and os.fstat(self.descriptor).st_size:
            self._map = mmap.mmap(self.descriptor, 0, access=mmap.ACCESS_READ)

    def read(self, offset: int, length: int) -> bytes:
        """Return `length` bytes, or fewer where the file ends."""
        if self._map is not None:
            return self._map[offset : offset + length]
        return os.pread(self.descriptor, length, offset)

    def __del__(self) -> None:
        if hasattr(self, "descriptor"):
            os.close(self.descriptor)
