"""Shards of remote releases that are here for a while: fetched when they are needed, dropped when room is.

    stream/sha256/ab/<digest>   a whole shard; the time of its file is that of its latest use
           parts/               shards on their way, as in cache.py
           fetch.lock           held while one is fetched, with many ranges at once, and room is made for it

Processes may share a folder. A shard that is dropped while somebody reads it is read to the end: its bytes stay until
its file is closed.
"""

import asyncio
import logging
import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from catalog.errors import ReleaseError, UsageError
from catalog.number_formats import format_bytes
from catalog.pull.cache import BlobCache
from catalog.pull.fetching import Fetcher
from catalog.pull.sources import open_source
from catalog.releases.manifest import ReleaseFile

log = logging.getLogger(__name__)

SPARE_BYTES = 64 * 2**20
TOUCH_S = 5.0  # how exactly the latest use of a shard is remembered


@dataclass(frozen=True)
class Remote:
    """Where a release is fetched from: its source, `NAME/VERSION`, and how hard."""

    source: str
    release: str
    jobs: int
    chunk_bytes: int

    async def fetch(self, cache: BlobCache, file: ReleaseFile) -> None:
        """Bring one file into the cache, with the right SHA-256 or not at all."""
        async with open_source(self.source) as source:
            fetcher = Fetcher(source, self.release, self.jobs, self.chunk_bytes)
            await fetcher.fetch(cache, cache.part(file), lambda _: None)


class ShardCache:
    """A folder of at most `limit_bytes` of shards; threads may share it."""

    def __init__(self, remote: Remote, folder: Path, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self._remote = remote
        self._cache = BlobCache(folder)
        self._lock = threading.Lock()
        self._touched: dict[str, float] = {}

    def path(self, file: ReleaseFile) -> Path:
        """Return the path of a shard that is here, after fetching it where it is not; raises `ReleaseError`."""
        path = self._cache.path(file.sha256)
        if not self.holds(file):
            # The first lock is for threads: waiting for one between processes means asking for it again and again.
            with self._lock, FileLock(self._cache.folder / "fetch.lock"):
                if not self.holds(file):
                    self._fetch(file)
        self._touch(path)
        return path

    def holds(self, file: ReleaseFile) -> bool:
        """Say whether a shard is here whole: it was hashed when it came."""
        try:
            return self._cache.path(file.sha256).stat().st_size == file.bytes
        except FileNotFoundError:
            return False

    def _fetch(self, file: ReleaseFile) -> None:
        started = time.monotonic()
        self._make_room(file)
        asyncio.run(self._remote.fetch(self._cache, file))
        seconds = time.monotonic() - started
        log.info("fetched %s, %d bytes in %.1f s", file.path, file.bytes, seconds)

    def _touch(self, path: Path) -> None:
        """Note that a shard is in use."""
        now = time.monotonic()
        if now - self._touched.get(path.name, -TOUCH_S) >= TOUCH_S:
            self._touched[path.name] = now
            with suppress(FileNotFoundError):
                os.utime(path)

    def _make_room(self, file: ReleaseFile) -> None:
        """Drop the shards that were not used for longest until `file` fits; raises `ReleaseError` on a full disk."""
        if file.bytes > self.limit_bytes:
            raise UsageError(
                f"cache_bytes={self.limit_bytes} is less than one shard: {file.path} is {file.bytes} bytes"
            )
        held = sorted(self._held())
        excess = sum(size for _, size, _ in held) + file.bytes - self.limit_bytes
        for _, size, path in held:
            if excess <= 0:
                break
            path.unlink(missing_ok=True)
            excess -= size
        free = shutil.disk_usage(self._cache.folder).free
        if free < file.bytes + SPARE_BYTES:
            raise ReleaseError(
                f"{file.path} is {format_bytes(file.bytes)}, but only {format_bytes(free)} are free at "
                f"{self._cache.folder}; make room or set SAFELIGHT_CACHE to a larger disk"
            )

    def _held(self) -> Iterator[tuple[float, int, Path]]:
        """Give the time of the latest use, the size and the path of every shard that is here."""
        for path in (self._cache.folder / "sha256").glob("*/*"):
            with suppress(FileNotFoundError):  # another process has dropped it
                status = path.stat()
                yield status.st_mtime, status.st_size, path
