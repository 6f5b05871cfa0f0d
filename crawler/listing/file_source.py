"""What the sources of the user's own files share: they list pages of rows and files, and read below one folder.

`FileSource` reads label files and tables, whose pages stay the same; `FolderReader` reads folders, where files may
come and go while a listing is interrupted, so that it begins again: that changes nothing twice.
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
from crawler.listing.source import (
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
    """A source that reads files of the user's own. A subclass is a frozen dataclass with `name` and `pages`."""

    @property
    def config(self) -> Mapping[str, Any]:
        """Every field that is not at its default: a new option leaves the ids of old crawls as they are."""
        set_ = ((f.name, getattr(self, f.name), f.default) for f in fields(self))  # type: ignore[arg-type]  # a dataclass below
        return {name: value for name, value, default in set_ if value != default}

    @property
    def top(self) -> Path | None:
        """The folder below which the listed files lie; null when only rows come in."""
        return None

    def inputs(self) -> Iterator[Path]:
        """Name the files that must be there before a crawl can start."""
        return iter(())

    def pages(self, crawl_id: str) -> Iterator[ListingPage]:
        """List everything, the same pages each time."""
        raise NotImplementedError

    def refusal(self, name: str) -> Failure | None:  # noqa: ARG002 - a subclass may want it
        """Say why a file must not come in whatever its bytes are; null lets it come."""
        return None

    def size(self, photo: ListedPhoto) -> int:
        """Give the bytes of a listed file; 0 when it is not there."""
        path = self.top / photo.url if self.top and not photo.host else None
        return path.lstat().st_size if path and path.is_file() else 0

    def check(self) -> None:
        """Raise `InputMissingError` or `FolderNotFoundError` unless everything can be read."""
        for path in self.inputs():
            if not path.is_file() or not os.access(path, os.R_OK):
                raise InputMissingError(path)
        if self.top and not (self.top.is_dir() and os.access(self.top, os.R_OK | os.X_OK)):
            raise FolderNotFoundError(self.top)

    async def discover(self, context: CrawlContext) -> Discovery:
        """List the pages away from the loop; an interrupted listing goes on."""
        return await asyncio.to_thread(list_pages, context, self.pages(context.crawl_id))

    def byte_fetcher(self, settings: CrawlSettings) -> AbstractAsyncContextManager[FetchBytes]:
        """Read files below `top` in threads; a name that `refusal` speaks against is not opened."""
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
    """A source whose items are the files below `path`; a subclass says with `listed` what each of them is."""

    path: str
    name: ClassVar[str]

    @property
    def top(self) -> Path:
        """The folder itself."""
        return Path(self.path)

    def to_listed_photo(self, entry: FolderEntry) -> ListedPhoto:
        """Make the listed photo of one file."""
        raise NotImplementedError

    def pages(self, crawl_id: str) -> Iterator[ListingPage]:  # noqa: ARG002 - its rows come with the files
        """List every regular file below the folder, sorted by path part."""
        entries = walk(self.top)
        while batch := list(islice(entries, PAGE)):
            files = [self.to_listed_photo(entry) for entry in batch if entry.name]
            yield ListingPage(files, skipped=len(batch) - len(files))

    async def discover(self, context: CrawlContext) -> Discovery:
        """List the whole folder, from its beginning when a listing was interrupted."""
        cursor = context.frontier.cursor(context.crawl_id)
        if not cursor.finished:
            begin = replace(cursor, page=1, seen=0, skipped=0, rows=0)
            context.frontier.add(context.crawl_id, [], begin)
        return await super().discover(context)


def file_version(path: Path) -> str:
    """Name the state of a file that a listing points at: when it comes or changes, it is read again."""
    try:
        return version_of(path.stat())
    except OSError:
        return ""
