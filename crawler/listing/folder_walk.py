"""Walk a folder of the user's own: every regular file, and a count of what is passed over.

Hidden files and folders are passed over, and so are symbolic links (whatever they lead to: inside, it has a
path of its own; outside, it is not asked for) and special files.
"""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from crawler.listing.local_files import readable_name


@dataclass(frozen=True)
class FolderEntry:
    """A file of the folder, or what was passed over: then `name` is empty. Size in bytes."""

    name: str = ""
    size: int = 0
    version: str = ""


def walk(top: Path, below: str = "") -> Iterator[FolderEntry]:
    """List the files below `top`, sorted by path part, and everything passed over.

    A folder that cannot be listed comes as a file, so that opening it makes its error row.
    """
    try:
        with os.scandir(top / below) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
    except OSError:
        yield FolderEntry(readable_name(below), version="unreadable")
        return
    for entry in listed:
        name = f"{below}/{entry.name}" if below else entry.name
        if entry.name.startswith(".") or entry.is_symlink():
            yield FolderEntry()
        elif entry.is_dir():
            yield from walk(top, name)
        else:
            yield _file(entry, name)


def _file(entry: "os.DirEntry[str]", name: str) -> FolderEntry:
    about = entry.stat(follow_symlinks=False)
    if not stat.S_ISREG(about.st_mode):
        return FolderEntry()
    return FolderEntry(readable_name(name), about.st_size, version_of(about))


def version_of(about: os.stat_result) -> str:
    """Write size and time of change: another text means that the file must be read again."""
    return f"{about.st_size}-{about.st_mtime_ns}"
