"""Source `folder`: the pictures below a user's folder, labelled by their folders.

Every regular file becomes a row or an error row; skipped entries are counted (see `folder_walk.py`). A file that
changed since the last run is read again.
"""

from dataclasses import dataclass
from typing import ClassVar

from crawler.frontier.items import ListedPhoto, Row
from crawler.listing.file_source import FolderReader
from crawler.listing.folder_walk import FolderEntry
from crawler.listing.vocabulary import LABELS, photo_id


@dataclass(frozen=True)
class FolderSource(FolderReader):
    """The pictures below `path`, all by `author` if it is set.

    The whole path of a picture's folder is its label `folder`. With `class_level` N the N-th folder of the path is its
    label `class` too, and the first other one its label `group`: the trip of `good/2019-rome/IMG.jpg` at level 1.
    """

    class_level: int | None = None
    author: str | None = None
    name: ClassVar[str] = "folder"

    def to_listed_photo(self, entry: FolderEntry) -> ListedPhoto:
        """Label one file by its path; a file above `class_level` has no class and no group."""
        photo: Row = {
            "source": self.name,
            "source_photo_id": entry.name,
            "folder": entry.name.rpartition("/")[0] or None,
            "photographer": self.author,
            "training_allowed": True,
            "training_basis": "user_folder",
            LABELS: self._labels(entry.name.split("/")[:-1]),
        }
        name = photo_id(self.name, entry.name)
        return ListedPhoto(name, photo, url=entry.name, version=entry.version)

    def _labels(self, folders: list[str]) -> list[Row]:
        level = self.class_level
        if level is None or len(folders) < level:
            return []
        others = folders[: level - 1] + folders[level:]
        labels = {"class": folders[level - 1]} | ({"group": others[0]} if others else {})
        return [
            {"task": task, "value": value, "label_source": "folder_name"}
            for task, value in labels.items()
        ]
