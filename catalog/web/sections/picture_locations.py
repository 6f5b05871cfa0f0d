"""Where pictures lie, asked for many at a time: two hundred thumbnails are one look into the tables."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass

from catalog.errors import AssetNotFoundError
from catalog.lake.lake import open_catalog
from catalog.packs.assets import AssetReader
from catalog.workspace.caches import removal_mark
from catalog.workspace.workspace import Workspace

_KEPT = 10_000
_GATHER_S = 0.005
_SQL = "SELECT sha256, pack, pack_offset, pack_length, mime FROM assets WHERE sha256 IN (SELECT unnest(?))"


@dataclass(frozen=True)
class Place:
    """A picture's bytes inside a pack, and its media type."""

    pack: str
    offset: int
    length: int
    mime: str


class Places:
    """Places of pictures by SHA-256, of one workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._known: OrderedDict[str, Place] = OrderedDict()
        self._wanted: dict[str, asyncio.Future[Place]] = {}
        self._looking: asyncio.Task[None] | None = None
        self._mark = removal_mark(workspace)

    async def find(self, sha256: str) -> Place:
        """Say where a picture lies; raises `AssetNotFoundError`."""
        if (mark := removal_mark(self._workspace)) != self._mark:
            self._known.clear()  # its pack may be deleted, and written anew without some pictures
            self._mark = mark
        if sha256 in self._known:
            self._known.move_to_end(sha256)
            return self._known[sha256]
        if sha256 not in self._wanted:
            self._wanted[sha256] = asyncio.get_running_loop().create_future()
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        return await asyncio.shield(self._wanted[sha256])

    async def read(self, place: Place) -> bytes:
        """Read the bytes; raises `AssetNotFoundError`."""
        return await asyncio.to_thread(self._read, place)

    async def _look(self) -> None:
        while self._wanted:
            await asyncio.sleep(_GATHER_S)
            wanted, self._wanted = self._wanted, {}
            try:
                found = await asyncio.to_thread(self._ask, list(wanted))
            except (
                asyncio.CancelledError
            ):  # nobody awaits this task: whoever waits for a picture is told
                for future in wanted.values():
                    future.cancel()
                raise
            except Exception as error:  # noqa: BLE001 - whoever waits gets it
                for future in wanted.values():
                    future.set_exception(error)
                    future.exception()  # whoever asked may be gone
                continue
            for sha256, future in wanted.items():
                if place := found.get(sha256):
                    self._known[sha256] = place
                    future.set_result(place)
                else:
                    future.set_exception(AssetNotFoundError(f"no picture has the SHA-256 {sha256}"))
                    future.exception()  # whoever asked may be gone: that is no bug to report
            while len(self._known) > _KEPT:
                self._known.popitem(last=False)

    def _ask(self, wanted: list[str]) -> dict[str, Place]:
        with open_catalog(self._workspace) as catalog:
            rows = catalog.query(_SQL, [wanted]).to_pylist()
        return {
            row["sha256"]: Place(
                row["pack"], row["pack_offset"], row["pack_length"], row["mime"] or ""
            )
            for row in rows
            if row["pack"]
        }

    def _read(self, place: Place) -> bytes:
        with AssetReader(self._workspace) as reader:
            return reader.read(place.pack, place.offset, place.length)
