"""Source `folder`: the pictures below a folder of the user's own, labelled by the folders they lie in.

Every regular file becomes a row or an error row. Hidden files and folders are passed over and counted,
and so are symbolic links (whatever they lead to: inside, it has a path of its own; outside, it is not asked
for) and special files. A file that changed since the last run is read again.
"""

import asyncio
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import ClassVar

from crawler.errors import FolderNotFoundError
from crawler.frontier import Cursor, Listed, Row
from crawler.local_files import local_bringer, readable_name
from crawler.records import photo_id
from crawler.settings import CrawlSettings
from crawler.source import BaseSource, Bring, Desk, Discovery

PAGE = 500


@dataclass(frozen=True)
class Found:
    """A file of the folder, or what was passed over: then `name` is empty."""

    name: str = ""
    size: int = 0
    version: str = ""


@dataclass(frozen=True)
class FolderSource(BaseSource):
    """The pictures below `path`."""

    path: str
    name: ClassVar[str] = "folder"

    @property
    def config(self) -> Mapping[str, str | int | None]:
        """The folder's absolute path."""
        return {"path": self.path}

    def check(self) -> None:
        """Raise `FolderNotFoundError` unless the folder can be listed."""
        if not os.access(self.path, os.R_OK | os.X_OK) or not Path(self.path).is_dir():
            raise FolderNotFoundError(Path(self.path))

    def walk(self) -> Iterator[Found]:
        """List the files below the folder, sorted by path part, and everything passed over."""
        yield from _walk(Path(self.path), "")

    async def discover(self, desk: Desk) -> Discovery:
        """List the whole folder; an interrupted listing begins again, which changes nothing twice."""
        return await asyncio.to_thread(self._list, desk)

    def _list(self, desk: Desk) -> Discovery:
        cursor = desk.frontier.cursor(desk.crawl_id)
        if cursor.finished:
            return Discovery("finished")
        seen = skipped = 0
        for page in _pages(self.walk()):
            if desk.stopping():
                return Discovery("stopped")
            files = [_listed(found) for found in page if found.name]
            seen, skipped = seen + len(files), skipped + len(page) - len(files)
            desk.frontier.add(desk.crawl_id, files, Cursor(seen=seen, skipped=skipped))
        end = Cursor(seen=seen, skipped=skipped, finished=True)
        desk.frontier.add(desk.crawl_id, [], end)
        return Discovery("finished")

    def bringer(self, settings: CrawlSettings) -> AbstractAsyncContextManager[Bring]:
        """Read files in threads."""
        return local_bringer(Path(self.path), settings)


def _pages(found: Iterator[Found]) -> Iterator[list[Found]]:
    while page := list(islice(found, PAGE)):
        yield page


def _walk(top: Path, below: str) -> Iterator[Found]:
    try:
        with os.scandir(top / below) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
    except OSError:
        yield Found(
            readable_name(below), version="unreadable"
        )  # becomes an error row when it is opened
        return
    for entry in listed:
        name = f"{below}/{entry.name}" if below else entry.name
        if entry.name.startswith(".") or entry.is_symlink():
            yield Found()
        elif entry.is_dir():
            yield from _walk(top, name)
        else:
            yield _file(entry, name)


def _file(entry: "os.DirEntry[str]", name: str) -> Found:
    about = entry.stat(follow_symlinks=False)
    if not stat.S_ISREG(about.st_mode):
        return Found()
    return Found(readable_name(name), about.st_size, f"{about.st_size}-{about.st_mtime_ns}")


def _listed(found: Found) -> Listed:
    photo: Row = {
        "source": FolderSource.name,
        "source_photo_id": found.name,
        "folder": found.name.rpartition("/")[0] or None,
        "training_allowed": True,
        "training_basis": "user_folder",
    }
    return Listed(photo_id("folder", found.name), photo, url=found.name, version=found.version)
