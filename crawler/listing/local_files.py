"""Read files of a user's folder: bounded in size, without following links, whatever their names."""

import asyncio
import os
import re
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from crawler.fetch.failures import Failure
from crawler.fetch.fetcher import FetchResponse
from crawler.frontier.items import Item
from crawler.settings import CrawlSettings

if TYPE_CHECKING:
    from crawler.listing.source_contract import FetchBytes


@asynccontextmanager
async def local_byte_fetcher(top: Path, settings: CrawlSettings) -> AsyncIterator["FetchBytes"]:
    """Open a reader of the files below `top`, in threads; an item's `url` is the path below `top`."""

    async def fetch(item: Item) -> FetchResponse:
        return await asyncio.to_thread(read_file, top, item.url, settings.max_bytes)

    yield fetch


def read_file(top: Path, name: str, max_bytes: int) -> FetchResponse:
    """Read one regular file, or return a failure; a symbolic link is not followed."""
    if not is_below(name):
        failure = Failure("suspicious", "bad_name", "a path that leaves the folder")
        return FetchResponse(name, failure=failure)
    try:
        descriptor = os.open(_locate(top, name), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return FetchResponse(
                    name, failure=Failure("final", "unreadable", "not a regular file")
                )
            body = file.read(max_bytes + 1)
    except FileNotFoundError as error:
        return FetchResponse(name, failure=Failure("final", "missing", str(error.strerror)))
    except OSError as error:
        return FetchResponse(name, failure=Failure("final", "unreadable", str(error.strerror)))
    if len(body) > max_bytes:
        failure = Failure("final", "too_big", f"more than {max_bytes} bytes")
        return FetchResponse(name, failure=failure)
    return FetchResponse(name, body)


def readable_name(name: str) -> str:
    r"""Write a name that is not UTF-8 with \xNN for its odd bytes, so that it fits a text column."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _locate(top: Path, name: str) -> Path:
    plain = top / name
    if "\\x" not in name or os.path.lexists(plain):
        return plain
    name_bytes = re.sub(rb"\\x([0-9a-f]{2})", lambda m: bytes.fromhex(m[1].decode()), name.encode())
    return top / os.fsdecode(name_bytes)


def is_below(name: str) -> bool:
    """Say whether a relative path stays below its folder.

    >>> is_below("17/a.jpg"), is_below("../a.jpg"), is_below("/a.jpg"), is_below("")
    (True, False, False, False)
    """
    return bool(name) and "\0" not in name and not {"", ".", ".."} & set(name.split("/"))
