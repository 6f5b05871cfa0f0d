"""Source `utkface`: the user's copy of UTKFace, whose file names contain age, gender, ethnicity and collection time.

A name is `age_gender_race_time.jpg`, or ends in `.jpg.chip.jpg` in the aligned and cropped set. Some files have other
names. Their missing part cannot be determined, so these files are quarantined: an error row without a picture.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from crawler.fetch.failures import Failure
from crawler.frontier.items import ListedPhoto, Row
from crawler.listing.file_source import FolderReader
from crawler.listing.folder_walk import FolderEntry
from crawler.listing.vocabulary import LABELS, photo_id

GENDERS = ("male", "female")
ETHNICITIES = ("White", "Black", "Asian", "Indian", "Other")
LICENCE = "UTKFace: non-commercial research only"
BASIS = "utkface_non_commercial_research_only"

_NAME = re.compile(r"(\d{1,3})_([01])_([0-4])_(\d{17})\.jpg(?:\.chip\.jpg)?", re.ASCII)


@dataclass(frozen=True)
class FaceLabels:
    """The labels in a file name: age in years, and the time of collection to the millisecond."""

    age: int
    gender: str
    ethnicity: str
    collected_at: datetime


def read_name(path: str) -> FaceLabels | None:
    """Read the last part of a path; null for a name of another form.

    >>> read_name("26_0_4_20170117171613595.jpg").ethnicity
    'Other'
    >>> read_name("61_1_20170109142408075.jpg.chip.jpg") is None
    True
    """
    parts = _NAME.fullmatch(path.rpartition("/")[2])
    if parts is None:
        return None
    age, gender, race, time = parts.groups()
    try:
        collected = datetime.strptime(f"{time}000", "%Y%m%d%H%M%S%f")  # noqa: DTZ007 - the zone is unknown
    except ValueError:
        return None
    return FaceLabels(int(age), GENDERS[int(gender)], ETHNICITIES[int(race)], collected)


@dataclass(frozen=True)
class UtkFaceSource(FolderReader):
    """The faces below `path`; models may be trained on them only on a basis that the user states."""

    training_basis: str | None = None
    name: ClassVar[str] = "utkface"

    def to_listed_photo(self, entry: FolderEntry) -> ListedPhoto:
        """Label one face by its name; a name of another form is listed, too, and refused when the file is read."""
        photo: Row = {
            "source": self.name,
            "source_photo_id": entry.name,
            "licence": LICENCE,
            "training_allowed": self.training_basis is not None,
            "training_basis": self.training_basis or BASIS,
            "redistribution_allowed": False,
            LABELS: _labels(read_name(entry.name)),
        }
        name = photo_id(self.name, entry.name)
        return ListedPhoto(name, photo, url=entry.name, version=entry.version)

    def refusal(self, name: str) -> Failure | None:
        """Quarantine a file with a name of another form."""
        if read_name(name):
            return None
        return Failure("suspicious", "bad_name", "not age_gender_race_time.jpg")


def _labels(face: FaceLabels | None) -> list[Row]:
    if face is None:
        return []
    values = {"age": face.age, "gender": face.gender, "ethnicity": face.ethnicity}
    labels: list[Row] = [
        {"task": task, "value": value, "label_source": "estimated"}
        for task, value in values.items()
    ]
    when = face.collected_at.isoformat(timespec="milliseconds")
    return [*labels, {"task": "collected_at", "value": when, "label_source": "filename"}]
