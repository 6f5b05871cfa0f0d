"""A folder that tells nothing, below which a child finds the frozen catalog and the data.

DuckDB shows paths in many places: settings, the column `filename`, plans, errors, the catalog's own tables. So what a
child is given are paths below a fresh folder of the system's temporary folder, `/tmp/safelight-.../frozen` and `data`.
For the server these are symbolic links. The template makes mounts of them where the system lets it
(`privileges.mount_below`), because DuckDB follows links in the one setting `allowed_directories`.
"""

import os
import shutil
import tempfile
from pathlib import Path

from catalog.sandbox.walls.privileges import VIEW

_PREFIX = "safelight-"
_MARK = "place"
"""Link in a server's folder of copies to its place, by which a later server finds what a killed one left."""


class NeutralFolder:
    """The folder of one server; `folders` are what lies behind the names in it."""

    def __init__(self, copies: Path, folders: dict[str, Path]) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX))
        (copies / _MARK).symlink_to(self.path)
        view = self.path / VIEW
        view.mkdir()
        for name, folder in folders.items():
            (self.path / name).symlink_to(folder.resolve())
            (view / name).mkdir()
        if os.geteuid() == 0:  # children become `nobody`, who passes through without listing
            for passed in (self.path, view):
                passed.chmod(0o711)

    def remove(self) -> None:
        """Delete the folder, not what its links point to."""
        shutil.rmtree(self.path, ignore_errors=True)


def remove_left(copies: Path) -> None:
    """Delete the place of a server that is no more."""
    mark = copies / _MARK
    if not mark.is_symlink():
        return
    place = mark.readlink()
    if place.name.startswith(_PREFIX) and place.parent == Path(tempfile.gettempdir()):
        shutil.rmtree(place, ignore_errors=True)
