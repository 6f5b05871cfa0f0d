"""Similar pictures for the server: searches in threads, a few at once, and maps that are made once and then kept."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal, TypeVar

from catalog.errors import CatalogError, PictureRefusedError, TooManySearchesError
from catalog.lake.lake import Catalog, open_catalog
from catalog.web.sections.map_colours import MapColours, list_columns, read_colours
from catalog.web.sections.similar import ListedPicture, Tie, list_pictures, read_ties
from catalog.web.similarity.searcher import (
    EmbeddingMap,
    EmbeddingMethod,
    NearestPictures,
    Neighbour,
    OpenSearcher,
    Searcher,
)
from catalog.workspace.workspace import Workspace

UPLOADS_OF_ONE = 4
"""Uploads that may arrive at once, for each search that may be at work."""
COPIES_AMONG = 200
"""Nearest pictures among which the copies that curation verified are looked for: those come first."""
SPARE = 8
"""Pictures that are looked up beside those to be shown, for rows that were taken down meanwhile."""
Result = TypeVar("Result")

Kind = Literal["copy", "same_scene", "near"]


@dataclass(frozen=True)
class SimilarPicture:
    """A picture that looks like another one: the cosine of their vectors, -1 to 1, and what is known about the pair.

    `kind` is near unless curation says more: copy or same_scene. `tie` is its verdict, empty without a comparison.
    """

    cosine: float
    kind: Kind
    tie: Tie
    picture: ListedPicture


@dataclass(frozen=True)
class SimilarPictures:
    """Pictures of the catalog that look like one, of `searched` pictures: copies first, then the most similar."""

    model_id: str
    searched: int
    pictures: tuple[SimilarPicture, ...]


class SimilarityService:
    """The searcher of one workspace, opened on first use. Belongs to one event loop."""

    def __init__(
        self,
        workspace: Workspace,
        opener: OpenSearcher | None,
        *,
        max_at_work: int,
        timeout_s: float,
    ) -> None:
        self._workspace, self._opener = workspace, opener
        self._max_at_work, self._timeout_s = max_at_work, timeout_s
        self._searcher: Searcher | None = None
        self._opening = asyncio.Lock()
        self._threads = ThreadPoolExecutor(max_at_work + 2, "similarity")
        self._at_work = self._arriving = 0
        self._maps: dict[EmbeddingMethod, asyncio.Task[EmbeddingMap]] = {}

    async def nearest(self, sha256: str, limit: int) -> SimilarPictures:
        """Find pictures that look like one of the catalog; raises `NoVectorError`, `TooManySearchesError`."""
        searcher = await self.open()
        wide = max(limit, COPIES_AMONG)
        return await self._search(
            lambda: self._described(searcher.nearest(sha256, wide), limit, own=sha256)
        )

    async def nearest_to(self, read: Callable[[], Awaitable[bytes]], limit: int) -> SimilarPictures:
        """Find pictures that look like an upload; raises as `nearest`, `MissingPartError`, `PictureRefusedError`."""
        searcher = await self.open()
        if self._arriving >= UPLOADS_OF_ONE * self._max_at_work:
            raise TooManySearchesError(self._arriving)
        self._arriving += 1
        try:
            picture = await read()
        finally:
            self._arriving -= 1
        return await self._search(
            lambda: self._described(searcher.nearest_to(picture, limit), limit)
        )

    async def methods(self) -> Sequence[EmbeddingMethod]:
        """Name the methods of projection, the default one first; raises `MissingPartError`."""
        return (await self.open()).methods()

    async def embedding_map(self, method: EmbeddingMethod, wait_s: float) -> EmbeddingMap | None:
        """Return the map of a method as the pictures are now; None when it is not ready in time.

        Raises `NoVectorError` and `MissingPartError`.
        """
        searcher = await self.open()
        task = self._maps.get(method)
        if task is None or task.done():
            work = self._in_thread(lambda: searcher.embedding_map(method))
            task = self._maps[method] = asyncio.create_task(_finish(work))
        ready, _ = await asyncio.wait([task], timeout=wait_s)
        return task.result() if ready else None

    async def columns(self) -> list[dict[str, str]]:
        """List the columns that colour a map."""
        return await self._in_thread(lambda: self._with_catalog(list_columns))

    async def colours(self, column: str, pictures: Sequence[str]) -> MapColours:
        """Read a column for the pictures of a map; raises `QueryError`."""
        return await self._search(
            lambda: self._with_catalog(lambda catalog: read_colours(catalog, column, pictures))
        )

    async def close(self) -> None:
        """End threads and decoders; work that has begun is waited for."""
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)
        if self._searcher is not None:
            await asyncio.to_thread(self._searcher.close)

    async def open(self) -> Searcher:
        """Open the searcher once; raises `MissingPartError` where a library is not installed."""
        if self._opener is None:
            raise CatalogError(
                "this server compares no pictures; start it with the command safelight"
            )
        async with self._opening:
            if self._searcher is None:
                opener, workspace = self._opener, self._workspace
                self._searcher = await self._in_thread(lambda: opener(workspace))
            return self._searcher

    def _described(self, nearest: NearestPictures, limit: int, own: str = "") -> SimilarPictures:
        """Put the copies first and add the rows of the catalog; pictures that it no longer has are left out."""

        def describe(catalog: Catalog) -> SimilarPictures:
            ties = read_ties(catalog, own) if own else {}
            tied = [(each, _tie(each, ties)) for each in nearest.pictures]
            tied.sort(key=lambda pair: _kind(pair[1]) != "copy")
            listed = list_pictures(catalog, [each.sha256 for each, _ in tied[: limit + SPARE]])
            pictures = [
                SimilarPicture(each.cosine, _kind(tie), tie, listed[each.sha256])
                for each, tie in tied
                if each.sha256 in listed
            ]
            return SimilarPictures(nearest.model_id, nearest.searched, tuple(pictures[:limit]))

        return self._with_catalog(describe)

    def _with_catalog(self, function: Callable[[Catalog], Result]) -> Result:
        with open_catalog(self._workspace) as catalog:
            return function(catalog)

    async def _search(self, function: Callable[[], Result]) -> Result:
        """Call a function in a thread, one of a few at once; a thread keeps its turn until it ends."""
        if self._at_work >= self._max_at_work:
            raise TooManySearchesError(self._at_work)
        self._at_work += 1
        task = asyncio.ensure_future(self._in_thread(function))
        task.add_done_callback(self._end_turn)
        try:
            async with asyncio.timeout(self._timeout_s):
                return await asyncio.shield(task)
        except TimeoutError as error:
            limit = f"the search took more than {self._timeout_s:g} s"
            raise PictureRefusedError("too_slow", limit) from error

    def _end_turn(self, work: asyncio.Future[Result]) -> None:
        self._at_work -= 1
        if not work.cancelled():
            work.exception()  # taken, in case nobody waits any more

    async def _in_thread(self, function: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function)


async def _finish(work: Awaitable[Result]) -> Result:
    return await work


def _tie(each: Neighbour, ties: Mapping[str, Tie]) -> Tie:
    return "equal" if each.is_equal else ties.get(each.sha256, "")


def _kind(tie: Tie) -> Kind:
    if tie in ("equal", "copy"):
        return "copy"
    return "same_scene" if tie == "same_scene" else "near"
