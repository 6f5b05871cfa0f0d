"""Read original bytes back from the packs, one `pread` a picture."""

import os
from collections import OrderedDict

from catalog.errors import AssetNotFoundError
from catalog.workspace import Workspace

OPEN_PACKS = 64


class AssetReader:
    """Read pictures from packs, keeping the last few packs open. Use as a context manager."""

    def __init__(self, workspace: Workspace) -> None:
        self._folder = workspace.packs
        self._open: OrderedDict[str, int] = OrderedDict()

    def read(self, pack: str, offset: int, length: int) -> bytes:
        """Return the bytes of one picture; `assets` says where it lies.

        Raises `AssetNotFoundError` when the pack is gone or shorter than that.
        """
        body = os.pread(self._descriptor(pack), length, offset)
        if len(body) != length:
            raise AssetNotFoundError(f"pack {pack} ends before byte {offset + length}")
        return body

    def _descriptor(self, pack: str) -> int:
        if pack in self._open:
            self._open.move_to_end(pack)
            return self._open[pack]
        try:
            descriptor = os.open(self._folder / pack, os.O_RDONLY)
        except FileNotFoundError as error:
            raise AssetNotFoundError(
                f"pack {pack} is missing; check the workspace with: safelight catalog verify"
            ) from error
        self._open[pack] = descriptor
        if len(self._open) > OPEN_PACKS:
            os.close(self._open.popitem(last=False)[1])
        return descriptor

    def close(self) -> None:
        """Close the open packs."""
        while self._open:
            os.close(self._open.popitem()[1])

    def __enter__(self) -> "AssetReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
