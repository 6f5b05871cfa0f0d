"""Fetch one file by many byte ranges at once, going on where a connection broke."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from catalog.errors import ReleaseError
from catalog.pull.backoff import TransientError, retrying
from catalog.pull.cache import BlobCache, Chunk, Part
from catalog.pull.sources import ReleaseSource

log = logging.getLogger(__name__)

Count = Callable[[int], None]
"""Told how many bytes have just come in."""


@dataclass(frozen=True)
class Fetcher:
    """Fetch files of the release `NAME/VERSION`, `jobs` ranges of at most `chunk_bytes` at once."""

    source: ReleaseSource
    release: str
    jobs: int
    chunk_bytes: int

    async def fetch(self, cache: BlobCache, part: Part, count: Count) -> None:
        """Make a part whole; once more from the start when its SHA-256 turns out wrong, then `ReleaseError`."""
        await self._fetch_chunks(part, count)
        try:
            await asyncio.to_thread(part.settle)
        except ReleaseError:
            log.warning("%s came in damaged; fetching it once more", part.file.path)
            part = cache.part(part.file)
            await self._fetch_chunks(part, count)
            await asyncio.to_thread(part.settle)

    async def _fetch_chunks(self, part: Part, count: Count) -> None:
        waiting = list(part.missing(self.chunk_bytes))[::-1]

        async def work() -> None:
            while waiting:
                chunk = waiting.pop()
                body = await self._fetch_chunk(part, chunk, count)
                await asyncio.to_thread(part.write, chunk, body)

        tasks = [asyncio.create_task(work()) for _ in range(max(self.jobs, 1))]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _fetch_chunk(self, part: Part, chunk: Chunk, count: Count) -> bytes:
        body, size = bytearray(), chunk.stop - chunk.start
        async for attempt in retrying():
            with attempt:
                start = chunk.start + len(body)
                async for piece in self.source.stream(self.release, part.file, start, chunk.stop):
                    attempt.retry_state.attempt_number = 1  # only failures in a row count
                    body += piece
                    count(len(piece))
                if len(body) < size:
                    raise TransientError(f"{self.source.name} ended {part.file.path} early")
        if len(body) > size:
            raise ReleaseError(f"{self.source.name} sent more of {part.file.path} than asked for")
        return bytes(body)
