"""Walk a user's folder: give every regular file, and one empty entry for everything that is skipped.

Skipped are hidden files and folders, special files, and symbolic links: a target inside the folder has a path of its
own, and a target outside is not part of it.
"""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from crawler.listing.local_files import readable_name


@dataclass(frozen=True)
class FolderEntry:
    """A file of the folder, or a skipped entry: then `name` is empty. Size in bytes."""

    name: str = ""
    size: int = 0
    version: str = ""


def walk(top: Path, below: str = "") -> Iterator[FolderEntry]:
    """List the files below `top`, sorted by path part, and an empty entry for each skipped one.

    A folder that cannot be listed is given like a file, so that opening it makes an error row.
    """
    try:
        with os.scandir(top / below) as entries:
            sorted_entries = sorted(entries, key=lambda entry: entry.name)
    except OSError:
        yield FolderEntry(readable_name(below), version="unreadable")
        return
    for entry in sorted_entries:
        name = f"{below}/{entry.name}" if below else entry.name
        if entry.name.startswith(".") or entry.is_symlink():
            yield FolderEntry()
        elif entry.is_dir():
            yield from walk(top, name)
        else:
            yield _file(entry, name)


def _file(entry: "os.DirEntry[str]", name: str) -> FolderEntry:
    status = entry.stat(follow_symlinks=False)
    if not stat.S_ISREG(status.st_mode):
        return FolderEntry()
    return FolderEntry(readable_name(name), status.st_size, version_of(status))


def version_of(status: os.stat_result) -> str:
    """Name the version of a file by its size and time of change."""
    return f"{status.st_size}-{status.st_mtime_ns}"
