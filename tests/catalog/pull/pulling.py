"""Pull releases in tests."""

from pathlib import Path

from catalog import Workspace
from catalog.pull.pull import Pulled, PullOrder, pull

ROOT = Path(__file__).parents[3]


def fetch(target: Workspace, source: str, wanted: str = "cameras@1.0.0", **more: object) -> Pulled:
    return pull(target, PullOrder(wanted, source, chunk_bytes=20_000, **more))  # type: ignore[arg-type]  # what the test varies


def same_files(one: Path, other: Path) -> bool:
    def contents(folder: Path) -> dict[str, bytes]:
        files = (p for p in folder.rglob("*") if p.is_file())
        return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}

    return contents(one) == contents(other)
