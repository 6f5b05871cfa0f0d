"""The model library for the server: opened on first use, each request in a thread, blocked pictures left out."""

import asyncio
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from catalog.errors import CatalogError
from catalog.lake.lake import open_catalog
from catalog.web.models.model_library import (
    ModelComparison,
    ModelLibrary,
    ModelList,
    ModelPage,
    ModelSummary,
    OpenModels,
    ReportPage,
)
from catalog.web.models.showable import is_all_showable, showable
from catalog.workspace.workspace import Workspace

_THREADS = 2

Result = TypeVar("Result")


class ModelService:
    """The models of one workspace. Belongs to one event loop."""

    def __init__(self, workspace: Workspace, opener: OpenModels | None) -> None:
        self._workspace, self._opener = workspace, opener
        self._library: ModelLibrary | None = None
        self._opening = asyncio.Lock()
        self._threads = ThreadPoolExecutor(_THREADS, "models")

    async def models(self) -> ModelList:
        """List all models; raises `MissingPartError`."""
        return await self._call(lambda library: library.models())

    async def model(self, model_id: str) -> ModelPage:
        """Read one model; raises `NoSuchModelError`."""
        return await self._call(lambda library: library.model(model_id, self._visible))

    async def compare(self, first: str, second: str) -> ModelComparison:
        """Compare two models; raises `NoSuchModelError` and `ModelsNotComparableError`."""
        return await self._call(lambda library: library.compare(first, second, self._visible))

    async def report(self, model: ModelSummary, page: ReportPage) -> bytes | None:
        """Return the HTML of a page of a training report, null where a picture of its release may not be shown."""

        def read(library: ModelLibrary) -> bytes | None:
            with open_catalog(self._workspace) as catalog:
                may_be_shown = is_all_showable(catalog, model.dataset, model.version)
            return library.report(model.run_id, page) if may_be_shown else None

        return await self._call(read)

    async def close(self) -> None:
        """End the threads; a request at work is waited for."""
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)

    def _visible(self, shas: Collection[str]) -> set[str]:
        with open_catalog(self._workspace) as catalog:
            return showable(catalog, shas)

    async def _call(self, function: Callable[[ModelLibrary], Result]) -> Result:
        library = await self._open()
        return await self._in_thread(lambda: function(library))

    async def _open(self) -> ModelLibrary:
        if self._opener is None:
            raise CatalogError("this server shows no models; start it with the command safelight")
        async with self._opening:
            if self._library is None:
                opener, workspace = self._opener, self._workspace
                self._library = await self._in_thread(lambda: opener(workspace))
            return self._library

    async def _in_thread(self, function: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function)
