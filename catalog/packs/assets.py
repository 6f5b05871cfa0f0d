"""Read original bytes back from the packs: one `pread` a picture, or one ranged request where they lie in a bucket."""

from collections.abc import Sequence
from typing import NoReturn

from catalog.errors import AssetNotFoundError
from catalog.packs.objects import open_objects
from catalog.packs.shards import ImageRange
from catalog.program_name import command_name
from catalog.workspace.workspace import Workspace

PACKS = "packs"
_MISSING = f"pack {{}} is missing; check the workspace with: {command_name()} catalog verify"


class AssetReader:
    """Read pictures from packs, keeping the last few packs open. Use as a context manager.

    One thread at a time: opening a pack closes the one that was not read for longest.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._objects = open_objects(workspace)

    def read(self, pack: str, offset: int, length: int) -> bytes:
        """Return the bytes of one picture; `assets` says where it lies.

        Raises `AssetNotFoundError` when the pack is gone or shorter than that.
        """
        try:
            body = self._objects.read(f"{PACKS}/{pack}", offset, length)
        except FileNotFoundError as error:
            raise AssetNotFoundError(_MISSING.format(pack)) from error
        return body if len(body) == length else _cut_short(pack, offset, length)

    def read_many(self, places: Sequence[tuple[str, int, int]]) -> list[bytes]:
        """Return the bytes of several pictures (pack, offset, length), in order: fast where each is a round trip.

        Raises `AssetNotFoundError` as `read` does.
        """
        if not self._objects.remote:
            return [self.read(*place) for place in places]
        bodies_by_place: dict[tuple[str, int, int], bytes] = {}
        for pack in dict.fromkeys(place[0] for place in places):
            in_pack = [place for place in places if place[0] == pack]
            ranges = [ImageRange(offset, length) for _, offset, length in in_pack]
            try:
                bodies = self._objects.read_many(f"{PACKS}/{pack}", ranges)
            except FileNotFoundError as error:
                raise AssetNotFoundError(_MISSING.format(pack)) from error
            for place, body in zip(in_pack, bodies, strict=True):
                bodies_by_place[place] = body if len(body) == place[2] else _cut_short(*place)
        return [bodies_by_place[place] for place in places]

    def close(self) -> None:
        """Close the open packs."""
        self._objects.close()

    def __enter__(self) -> "AssetReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def list_packs(workspace: Workspace) -> list[str]:
    """List the names of all packs, those too that no row mentions."""
    objects = open_objects(workspace)
    names = (stored.name.removeprefix(f"{PACKS}/") for stored in objects.listed(PACKS))
    return [name for name in names if name.endswith(".parquet") and "/" not in name]


def _cut_short(pack: str, offset: int, length: int) -> NoReturn:
    raise AssetNotFoundError(f"pack {pack} ends before byte {offset + length}")
