"""Source `folder`: the pictures below a folder of the user's own, labelled by the folders they lie in.

Every regular file becomes a row or an error row. Hidden files and folders are passed over and counted,
and so are symbolic links (whatever they lead to: inside, it has a path of its own; outside, it is not asked
for) and special files. A file that changed since the last run is read again.
"""

import asyncio
import os
import re
import stat
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import ClassVar

from crawler.errors import FolderNotFoundError
from crawler.failures import Failure
from crawler.fetcher import Answer
from crawler.frontier import Cursor, Item, Listed, Row
from crawler.records import photo_id
from crawler.settings import CrawlSettings
from crawler.source import Bring, Desk, Discovery

PAGE = 500


@dataclass(frozen=True)
class Found:
    """A file of the folder, or what was passed over: then `name` is empty."""

    name: str = ""
    size: int = 0
    version: str = ""


@dataclass(frozen=True)
class FolderSource:
    """The pictures below `path`."""

    path: str
    name: ClassVar[str] = "folder"
    robots_policy: ClassVar[str] = "not_applicable"

    @property
    def config(self) -> Mapping[str, str | int | None]:
        """The folder's absolute path."""
        return {"path": self.path}

    def check(self) -> None:
        """Raise `FolderNotFoundError` unless the folder can be listed."""
        if not os.access(self.path, os.R_OK | os.X_OK) or not Path(self.path).is_dir():
            raise FolderNotFoundError(Path(self.path))

    def adjust(self, settings: CrawlSettings) -> CrawlSettings:
        """Change nothing."""
        return settings

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

    @asynccontextmanager
    async def bringer(self, settings: CrawlSettings) -> AsyncIterator[Bring]:
        """Read files in threads."""

        async def bring(item: Item) -> Answer:
            return await asyncio.to_thread(_read, Path(self.path), item.url, settings.max_bytes)

        yield bring


def _pages(found: Iterator[Found]) -> Iterator[list[Found]]:
    while page := list(islice(found, PAGE)):
        yield page


def _walk(top: Path, below: str) -> Iterator[Found]:
    try:
        with os.scandir(top / below) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
    except OSError:
        yield Found(
            _readable(below), version="unreadable"
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
    return Found(_readable(name), about.st_size, f"{about.st_size}-{about.st_mtime_ns}")


def _listed(found: Found) -> Listed:
    photo: Row = {
        "source": FolderSource.name,
        "source_photo_id": found.name,
        "folder": found.name.rpartition("/")[0] or None,
        "training_allowed": True,
        "training_basis": "user_folder",
    }
    return Listed(photo_id("folder", found.name), photo, url=found.name, version=found.version)


def _read(top: Path, name: str, max_bytes: int) -> Answer:
    """Read one regular file, or say why not; a link that took its place is not followed."""
    try:
        descriptor = os.open(_locate(top, name), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return Answer(name, failure=Failure("final", "unreadable", "not a regular file"))
            body = file.read(max_bytes + 1)
    except FileNotFoundError as error:
        return Answer(name, failure=Failure("final", "missing", str(error.strerror)))
    except OSError as error:
        return Answer(name, failure=Failure("final", "unreadable", str(error.strerror)))
    if len(body) > max_bytes:
        failure = Failure("final", "too_big", f"more than {max_bytes} bytes")
        return Answer(name, failure=failure)
    return Answer(name, body)


def _readable(name: str) -> str:
    r"""Write a name that is not UTF-8 with \xNN for its odd bytes, so that every table can hold it."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _locate(top: Path, name: str) -> Path:
    plain = top / name
    if "\\x" not in name or os.path.lexists(plain):
        return plain
    odd = re.sub(rb"\\x([0-9a-f]{2})", lambda m: bytes.fromhex(m[1].decode()), name.encode())
    return top / os.fsdecode(odd)
