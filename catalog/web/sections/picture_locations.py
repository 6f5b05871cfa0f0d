"""Locations of pictures inside packs. Lookups are batched: two hundred thumbnails of a page are one SQL query."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass

from catalog.errors import AssetNotFoundError
from catalog.lake.lake import open_catalog
from catalog.packs.assets import AssetReader
from catalog.workspace.caches import removal_mark
from catalog.workspace.workspace import Workspace

_MAX_CACHED = 10_000
_BATCH_S = 0.005
_SQL = "SELECT sha256, pack, pack_offset, pack_length, mime FROM assets WHERE sha256 IN (SELECT unnest(?))"


@dataclass(frozen=True)
class PictureLocation:
    """A picture's bytes inside a pack, and its media type."""

    pack: str
    offset: int
    length: int
    mime: str


class PictureLocations:
    """Locations of the pictures of one workspace by SHA-256, with a cache."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._cache: OrderedDict[str, PictureLocation] = OrderedDict()
        self._pending: dict[str, asyncio.Future[PictureLocation]] = {}
        self._task: asyncio.Task[None] | None = None
        self._removal_mark = removal_mark(workspace)

    async def find(self, sha256: str) -> PictureLocation:
        """Return the location of a picture; raises `AssetNotFoundError`."""
        if (mark := removal_mark(self._workspace)) != self._removal_mark:
            self._cache.clear()  # a takedown may have deleted or rewritten the packs
            self._removal_mark = mark
        if sha256 in self._cache:
            self._cache.move_to_end(sha256)
            return self._cache[sha256]
        if sha256 not in self._pending:
            self._pending[sha256] = asyncio.get_running_loop().create_future()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._resolve_pending())
        return await asyncio.shield(self._pending[sha256])

    async def read(self, location: PictureLocation) -> bytes:
        """Read the bytes; raises `AssetNotFoundError`."""
        return await asyncio.to_thread(self._read, location)

    async def _resolve_pending(self) -> None:
        while self._pending:
            await asyncio.sleep(_BATCH_S)
            batch, self._pending = self._pending, {}
            try:
                locations = await asyncio.to_thread(self._query, list(batch))
            except asyncio.CancelledError:  # nobody awaits this task, so cancel each future
                for future in batch.values():
                    future.cancel()
                raise
            except Exception as error:  # noqa: BLE001 - every waiting request gets it
                for future in batch.values():
                    future.set_exception(error)
                    future.exception()  # marks it as retrieved: its request may have ended
                continue
            for sha256, future in batch.items():
                if location := locations.get(sha256):
                    self._cache[sha256] = location
                    future.set_result(location)
                else:
                    future.set_exception(AssetNotFoundError(f"no picture has the SHA-256 {sha256}"))
                    future.exception()  # marks it as retrieved: its request may have ended
            while len(self._cache) > _MAX_CACHED:
                self._cache.popitem(last=False)

    def _query(self, shas: list[str]) -> dict[str, PictureLocation]:
        with open_catalog(self._workspace) as catalog:
            rows = catalog.query(_SQL, [shas]).to_pylist()
        return {
            row["sha256"]: PictureLocation(
                row["pack"], row["pack_offset"], row["pack_length"], row["mime"] or ""
            )
            for row in rows
            if row["pack"]
        }

    def _read(self, location: PictureLocation) -> bytes:
        with AssetReader(self._workspace) as reader:
            return reader.read(location.pack, location.offset, location.length)
