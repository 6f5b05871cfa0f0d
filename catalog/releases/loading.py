"""Read a release in Python: `catalog.load("cameras@1.2.0", split="train")`."""

import mmap
import warnings
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from catalog.errors import MissingPartError
from catalog.releases.release import Release, find_release
from catalog.releases.revocations import read_revocations, revocation_of
from catalog.releases.selection import select_rows
from catalog.workspace.workspace import Workspace, find_workspace

if TYPE_CHECKING:
    import polars as pl
    from PIL import Image


Bytes = bytes  # `Pictures.bytes` hides the name inside its class


class Pictures:
    """The pictures of one release, or of one split of it; `release` says which.

    `index` has one row a picture; picture number i is that of its row i. Shards are mapped into memory, so reading
    in any order costs one copy. Use as a context manager, or `close` it.
    """

    def __init__(self, release: Release, split: str | None = None) -> None:
        self.release = release
        self.split = split
        self._maps: dict[str, mmap.mmap] = {}
        self._table = release.index().take(select_rows(release, split))
        self._shards = self._table["shard"]
        self._ranges = [self._table[name].to_numpy() for name in ("offset", "length")]

    @cached_property
    def index(self) -> "pl.DataFrame":
        """Labels, split, group and place of every picture; raises `MissingPartError` without polars."""
        try:
            import polars as pl
        except ModuleNotFoundError as error:
            raise MissingPartError("polars", "train") from error
        frame = pl.from_arrow(self._table)
        assert isinstance(frame, pl.DataFrame)
        return frame

    def bytes(self, i: int) -> Bytes:
        """Give the original bytes of picture `i`."""
        shard = self._shards[i].as_py()
        offset, length = (int(values[i]) for values in self._ranges)
        if shard not in self._maps:
            with self.release.shard(shard).open("rb") as raw:
                self._maps[shard] = mmap.mmap(raw.fileno(), 0, access=mmap.ACCESS_READ)
        return self._maps[shard][offset : offset + length]

    def image(self, i: int) -> "Image.Image":
        """Decode picture `i` with Pillow, turned upright; raises `MissingPartError` without Pillow."""
        try:
            from PIL import Image, ImageOps
        except ModuleNotFoundError as error:
            raise MissingPartError("Pillow", "train") from error
        from io import BytesIO

        with Image.open(BytesIO(self.bytes(i))) as picture:
            return ImageOps.exif_transpose(picture)

    def __len__(self) -> int:
        return len(self._table)

    def __getitem__(self, i: int) -> NoReturn:
        """Raise `TypeError`: rows have no single form that a `DataLoader` could collate."""
        raise TypeError(self._advice())

    def __reduce__(self) -> NoReturn:
        """Raise `TypeError`: mapped shards do not travel to the workers of a `DataLoader`."""
        raise TypeError(self._advice())

    def _advice(self) -> str:
        split = f", split={self.split!r}" if self.split else ""
        release = f"{self.release.name}@{self.release.version}"
        return (
            f"for a torch DataLoader use safelight.dataset({release!r}{split}); these pictures are read with "
            "index, bytes(i) and image(i)"
        )

    def __iter__(self) -> Iterator[tuple[dict[str, Any], Bytes]]:
        """Give (row of the index, original bytes) of every picture, in order."""
        i = 0
        for batch in self._table.to_batches(max_chunksize=1024):
            for row in batch.to_pylist():
                yield row, self.bytes(i)
                i += 1

    def close(self) -> None:
        """Let go of the shards."""
        while self._maps:
            self._maps.popitem()[1].close()

    def __enter__(self) -> "Pictures":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def load(
    release: str,
    split: str | None = None,
    *,
    home: str | Path | None = None,
    workspace: Workspace | str | Path | None = None,
) -> Pictures:
    """Open a release (`name` or `name@1.2.0`) of the workspace at `home` (SAFELIGHT_HOME, else ./workspace).

    `workspace` is another name of `home`. `split` is train, validation or test; None gives all. Raises
    `ReleaseNotFoundError`, `NoWorkspaceError`, and `ReleaseError` when there is no such split or a takedown has deleted
    the data; warns when the release was revoked.
    """
    return Pictures(open_release(release, workspace or home), split)


def open_release(release: str, workspace: Workspace | str | Path | None = None) -> Release:
    """Find a release (`name` or `name@1.2.0`) to read from; warns when it was revoked.

    Raises `ReleaseNotFoundError` and `NoWorkspaceError`.
    """
    workspace = find_workspace(workspace)
    published = find_release(workspace, release)
    identity = (published.name, published.version, published.digest)
    if revoked := revocation_of(read_revocations(workspace.releases), *identity):
        warnings.warn(str(revoked), stacklevel=3)
    return published
