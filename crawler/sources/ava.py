"""Source `ava`: votes of many people on photographs, and the photographs when the user has them.

Labels are imported at once; a picture that is imported later has the same `photo_id`, so it has these labels.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import ClassVar

from crawler.frontier.items import ListedPhoto, Row
from crawler.listing.file_source import FileSource, file_version
from crawler.listing.source_contract import ListingPage
from crawler.listing.vocabulary import label_row, listed_row, photo_id
from crawler.readers.vote_files import Votes, read_votes

PAGE = 2000
LICENCE = "AVA: photographs of DPChallenge members, whose authors keep their rights"
BASIS = "ava_no_licence_for_the_photographs"


@dataclass(frozen=True)
class AvaSource(FileSource):
    """The votes in the file `votes`; pictures are `images`/IMAGE_ID`suffix`."""

    votes: str
    images: str | None = None
    suffix: str = ".jpg"
    training_basis: str | None = None
    name: ClassVar[str] = "ava"

    @property
    def top(self) -> Path | None:
        """The folder of the pictures."""
        return Path(self.images) if self.images else None

    def inputs(self) -> Iterator[Path]:
        """Require the file of the votes."""
        yield Path(self.votes)

    def pages(self, crawl_id: str) -> Iterator[ListingPage]:
        """List votes and pictures; unusable entries are counted."""
        entries = read_votes(Path(self.votes))
        while batch := list(islice(entries, PAGE)):
            votes = [entry for entry in batch if entry]
            rows = {
                "photos": [self._row(entry, crawl_id) for entry in votes],
                "labels": [label for entry in votes for label in _labels(entry)],
            }
            files = [self._to_listed_photo(entry) for entry in votes] if self.top else []
            yield ListingPage(files, rows, skipped=len(batch) - len(votes))

    def _row(self, entry: Votes, crawl_id: str) -> Row:
        return listed_row(photo_id(self.name, entry.image_id), self._photo(entry), crawl_id)

    def _photo(self, entry: Votes) -> Row:
        return {
            "source": self.name,
            "source_photo_id": entry.image_id,
            "licence": LICENCE,
            "training_allowed": self.training_basis is not None,
            "training_basis": self.training_basis or BASIS,
            "redistribution_allowed": False,
        }

    def _to_listed_photo(self, entry: Votes) -> ListedPhoto:
        assert self.top is not None, "only with --images"
        name = f"{entry.image_id}{self.suffix}"
        key = photo_id(self.name, entry.image_id)
        return ListedPhoto(key, self._photo(entry), url=name, version=file_version(self.top / name))


def _labels(entry: Votes) -> list[Row]:
    photo = photo_id(AvaSource.name, entry.image_id)
    plain = [int(n) if n.is_integer() else n for n in entry.votes]
    rows = [
        label_row(photo, "votes", json.dumps(plain), "votes"),
        label_row(photo, "mean_score", round(entry.mean, 6), "votes"),
        *(label_row(photo, "tag", tag, "dataset") for tag in dict.fromkeys(entry.tags)),
    ]
    if entry.challenge:
        rows.append(label_row(photo, "challenge", entry.challenge, "dataset"))
    return rows
