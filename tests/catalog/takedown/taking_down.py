"""Take pictures out in tests, and look for what is left of them."""

import pyarrow.parquet as pq

from catalog import Workspace
from catalog.takedown import takedown as steps
from catalog.takedown.takedown import TakedownRequest
from crawler import FrontierQueue

GONE = [n for n in range(24) if n % 4 == 3]


ORDER = TakedownRequest("photographer", "ansel 3", "the author asked for it")


def take_down(workspace: Workspace, order: TakedownRequest) -> steps.Takedown:
    return steps.take_down(workspace, order, FrontierQueue)


def bytes_left(workspace: Workspace, needles: list[bytes], but: tuple[str, ...] = ()) -> list[str]:
    """Name the files below a workspace that hold one of `needles`, looking inside Parquet files too."""
    found = []
    for path in workspace.home.rglob("*"):
        name = path.relative_to(workspace.home).as_posix()
        if not path.is_file() or name.startswith(but):
            continue
        content = path.read_bytes()
        if path.suffix == ".parquet":
            content += repr(pq.read_table(path).to_pylist()).encode()
        if any(needle in content for needle in needles):
            found.append(name)
    return found
