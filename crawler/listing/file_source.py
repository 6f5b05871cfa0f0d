"""Base classes of the sources that read a user's files: they list pages of rows and files below one folder.

`FileSource` reads label files and tables, whose pages do not change. `FolderReader` reads folders, in which files may
appear and vanish while a listing is interrupted, so it lists from the beginning; a repeated page is harmless.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, fields, replace
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

from crawler.errors import FolderNotFoundError, InputMissingError
from crawler.fetch.failures import Failure
from crawler.fetch.fetcher import FetchResponse
from crawler.frontier.items import Item, ListedPhoto
from crawler.listing.folder_walk import FolderEntry, version_of, walk
from crawler.listing.local_files import local_byte_fetcher
from crawler.listing.source_contract import (
    BaseSource,
    CrawlContext,
    Discovery,
    FetchBytes,
    ListingPage,
    list_pages,
)
from crawler.settings import CrawlSettings

PAGE = 500


class FileSource(BaseSource):
    """A source that reads a user's files. A subclass is a frozen dataclass with `name` and `pages`."""

    @property
    def config(self) -> Mapping[str, Any]:
        """Every field that differs from its default, so a new option does not change the ids of old crawls."""
        values = ((f.name, getattr(self, f.name), f.default) for f in fields(self))  # type: ignore[arg-type]  # a dataclass below
        return {name: value for name, value, default in values if value != default}

    @property
    def top(self) -> Path | None:
        """The folder of the listed files; null for a source of rows without files."""
        return None

    def inputs(self) -> Iterator[Path]:
        """Give the files that must exist before a crawl can start."""
        return iter(())

    def pages(self, crawl_id: str) -> Iterator[ListingPage]:
        """List everything; repeated calls give the same pages."""
        raise NotImplementedError

    def refusal(self, name: str) -> Failure | None:  # noqa: ARG002 - a subclass may want it
        """Return why a file is refused by its name; null when it may be read."""
        return None

    def size(self, photo: ListedPhoto) -> int:
        """Return the size of a listed file in bytes; 0 when it does not exist."""
        path = self.top / photo.url if self.top and not photo.host else None
        return path.lstat().st_size if path and path.is_file() else 0

    def check(self) -> None:
        """Raise `InputMissingError` or `FolderNotFoundError` unless files and folder are readable."""
        for path in self.inputs():
            if not path.is_file() or not os.access(path, os.R_OK):
                raise InputMissingError(path)
        if self.top and not (self.top.is_dir() and os.access(self.top, os.R_OK | os.X_OK)):
            raise FolderNotFoundError(self.top)

    async def discover(self, context: CrawlContext) -> Discovery:
        """List the pages in a thread; an interrupted listing continues."""
        return await asyncio.to_thread(list_pages, context, self.pages(context.crawl_id))

    def byte_fetcher(self, settings: CrawlSettings) -> AbstractAsyncContextManager[FetchBytes]:
        """Read files below `top` in threads; a file that `refusal` refuses is not opened."""
        return _guarded(self, settings)


@asynccontextmanager
async def _guarded(source: FileSource, settings: CrawlSettings) -> AsyncIterator[FetchBytes]:
    async with local_byte_fetcher(source.top or Path(os.devnull), settings) as read:

        async def fetch(item: Item) -> FetchResponse:
            failure = source.refusal(item.url)
            return FetchResponse(item.url, failure=failure) if failure else await read(item)

        yield fetch


@dataclass(frozen=True)
class FolderReader(FileSource):
    """A source whose items are the files below `path`; a subclass maps each to a photo (`to_listed_photo`)."""

    path: str
    name: ClassVar[str]

    @property
    def top(self) -> Path:
        """The folder itself."""
        return Path(self.path)

    def to_listed_photo(self, entry: FolderEntry) -> ListedPhoto:
        """Map one file to a photo."""
        raise NotImplementedError

    def pages(self, crawl_id: str) -> Iterator[ListingPage]:  # noqa: ARG002 - its rows come with the files
        """List every regular file below the folder, sorted by path part."""
        entries = walk(self.top)
        while batch := list(islice(entries, PAGE)):
            files = [self.to_listed_photo(entry) for entry in batch if entry.name]
            yield ListingPage(files, skipped=len(batch) - len(files))

    async def discover(self, context: CrawlContext) -> Discovery:
        """List the whole folder; an interrupted listing starts again."""
        cursor = context.frontier.cursor(context.crawl_id)
        if not cursor.finished:
            begin = replace(cursor, page=1, seen=0, skipped=0, rows=0)
            context.frontier.add(context.crawl_id, [], begin)
        return await super().discover(context)


def file_version(path: Path) -> str:
    """Name the version of a file, empty when it does not exist; a changed version is read again."""
    try:
        return version_of(path.stat())
    except OSError:
        return ""
