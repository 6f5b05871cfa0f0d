"""What lies beside the tables and can be made again: results of queries, thumbnails, vectors, frozen copies.

When rows are removed for good all of it is dropped, and `lake/removed` changes: whoever keeps rows in memory, in this
process or another, compares it and lets go of what was read before.
"""

import shutil
import uuid
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from catalog.workspace.files import write_text
from catalog.workspace.workspace import Workspace


def removal_mark(workspace: Workspace) -> str:
    """Return a text that changes whenever rows are removed for good."""
    try:
        return (workspace.lake / "removed").read_text("utf-8")
    except FileNotFoundError:
        return ""


def map_folder(workspace: Workspace) -> Path:
    """Return the folder of the maps of vectors, which are made again when they are missing."""
    return workspace.home / "cache" / "maps"


def drop_caches(workspace: Workspace, assets: Collection[str]) -> None:
    """Delete results, vectors, frozen copies and the thumbnails of `assets`; whoever needs them makes them again."""
    write_text(workspace.lake / "removed", uuid.uuid4().hex)
    cache = workspace.home / "cache"
    for path in (cache / "results").glob("*"):
        path.unlink(missing_ok=True)
    shutil.rmtree(cache / "vectors", ignore_errors=True)  # of encoders, which training makes again
    shutil.rmtree(map_folder(workspace), ignore_errors=True)
    for asset in assets:
        for path in (cache / "thumbnails" / asset[:2]).glob(f"{asset}*"):
            path.unlink(missing_ok=True)
    for copy in (workspace.lake / "frozen").glob("*/*"):
        if copy.is_dir():  # the lock beside it tells that a server is at work
            with suppress(OSError):
                copy.chmod(0o755)
            shutil.rmtree(copy, ignore_errors=True)
