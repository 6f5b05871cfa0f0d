"""Source `sounds`: a folder of WAV files whose names contain labels, such as a word and its speaker.

The default pattern is that of the Free Spoken Digit Dataset, `digit_speaker_take.wav`. A user's pattern is a regular
expression whose named groups become labels.
"""

import re
from dataclasses import dataclass
from typing import ClassVar

from crawler.errors import PatternRefusedError
from crawler.fetch.failures import Failure
from crawler.frontier.items import ListedPhoto, Row
from crawler.listing.file_source import FolderReader
from crawler.listing.folder_walk import FolderEntry
from crawler.listing.vocabulary import LABELS, photo_id

SPOKEN_DIGIT = r"(?P<digit>\d)_(?P<speaker>[^_]+)_(?P<take>\d+)\.wav"


@dataclass(frozen=True)
class SoundsSource(FolderReader):
    """The sounds below `path`; `pattern` matches a whole file name."""

    pattern: str = SPOKEN_DIGIT
    name: ClassVar[str] = "sounds"
    media: ClassVar[frozenset[str]] = frozenset({"sound"})

    def check(self) -> None:
        """Raise `PatternRefusedError` for an invalid pattern or one without named groups."""
        super().check()
        try:
            groups = re.compile(self.pattern).groupindex
        except re.error as error:
            raise PatternRefusedError(self.pattern, str(error)) from error
        if not groups:
            raise PatternRefusedError(self.pattern, "it has no named group such as (?P<word>...)")

    def to_listed_photo(self, entry: FolderEntry) -> ListedPhoto:
        """Label one sound by its name; a name that does not match is refused when the file is read."""
        photo: Row = {
            "source": self.name,
            "source_photo_id": entry.name,
            "training_allowed": True,
            "training_basis": "user_folder",
            LABELS: [
                {"task": task, "value": value, "label_source": "filename"}
                for task, value in (self._name_labels(entry.name) or {}).items()
                if value is not None
            ],
        }
        name = photo_id(self.name, entry.name)
        return ListedPhoto(name, photo, url=entry.name, version=entry.version)

    def refusal(self, name: str) -> Failure | None:
        """Quarantine a file whose name does not match the pattern."""
        if self._name_labels(name) is not None:
            return None
        return Failure("suspicious", "bad_name", f"does not match {self.pattern}")

    def _name_labels(self, path: str) -> dict[str, str | None] | None:
        match = re.fullmatch(self.pattern, path.rpartition("/")[2])
        return match.groupdict() if match else None
