"""Source `imdb-wiki`: the user's copy of IMDB-WIKI, a `.mat` file beside folders of face pictures.

The persons' identities are not stored: the fields `name`, `celeb_names` and `celeb_id` are dropped. The paths of the
pictures contain a person's number and date of birth, so a picture is named by its row in the file: `wiki/000042`. The
path is read from the file again when the picture is read.
"""

import asyncio
import json
import math
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

from crawler.errors import InputRefusedError
from crawler.fetch.fetcher import FetchResponse
from crawler.frontier.items import Item, ListedPhoto, Row
from crawler.listing.file_source import FileSource, file_version
from crawler.listing.local_files import is_below, local_byte_fetcher
from crawler.listing.source_contract import FetchBytes, ListingPage
from crawler.listing.vocabulary import LABELS, photo_id
from crawler.settings import CrawlSettings

PAGE = 1000
AGES = range(121)  # years; other values are errors in the dates
GENDERS = ("female", "male")
LICENCE = "IMDB-WIKI: academic research only"
BASIS = "imdb_wiki_academic_research_only"

_DAYS = 366  # Matlab counts days from year 0, Python from year 1
_FIELDS = ("dob", "photo_taken", "full_path", "gender", "face_location")
_SCORES = ("face_score", "second_face_score")


@dataclass(frozen=True)
class FaceRow:
    """One row of the file: age in years, box as x1, y1, x2, y2 in pixels, whether exactly one face was detected."""

    name: str
    path: str
    age: int | None
    gender: str | None
    box: tuple[float, ...]
    one_face: bool


@dataclass(frozen=True)
class ImdbWikiSource(FileSource):
    """The rows of `mat`; pictures are below `images`, by default the folder of the file.

    Rows without a detected face or with a second one are skipped unless `keep_all`.
    """

    mat: str
    images: str | None = None
    keep_all: bool = False
    training_basis: str | None = None
    name: ClassVar[str] = "imdb-wiki"

    @property
    def top(self) -> Path:
        """The folder of the pictures; the paths in the file are relative to it."""
        return Path(self.images) if self.images else Path(self.mat).parent

    def inputs(self) -> Iterator[Path]:
        """Require the `.mat` file."""
        yield Path(self.mat)

    def pages(self, crawl_id: str) -> Iterator[ListingPage]:  # noqa: ARG002 - its rows come with the files
        """List the rows in order; an impossible age is omitted and counted."""
        rows = read_rows(Path(self.mat))
        while part := list(islice(rows, PAGE)):
            accepted = [row for row in part if row.one_face or self.keep_all]
            ageless = sum(row.age is None for row in accepted)
            yield ListingPage(
                [self._to_listed_photo(row) for row in accepted],
                skipped=len(part) - len(accepted) + ageless,
            )

    def size(self, photo: ListedPhoto) -> int:
        """Read the size from the version: the address names the row, not the path."""
        return int(photo.version.partition("-")[0] or 0)

    def byte_fetcher(self, settings: CrawlSettings) -> AbstractAsyncContextManager[FetchBytes]:
        """Read the picture of a row in a thread."""
        return _byte_fetcher(self, settings)

    def _to_listed_photo(self, row: FaceRow) -> ListedPhoto:
        photo: Row = {
            "source": self.name,
            "source_photo_id": row.name,
            "licence": LICENCE,
            "training_allowed": self.training_basis is not None,
            "training_basis": self.training_basis or BASIS,
            "redistribution_allowed": False,
            LABELS: _labels(row),
        }
        version = file_version(self.top / row.path) if is_below(row.path) else ""
        return ListedPhoto(photo_id(self.name, row.name), photo, url=row.name, version=version)


def read_rows(path: Path) -> Iterator[FaceRow]:
    """Read a file of IMDB-WIKI; raises `InputRefusedError` for another file."""
    kind, fields = _load(path)
    columns = [list(fields[name]) for name in (*_FIELDS, *_SCORES)]
    if len({len(column) for column in columns}) != 1:
        raise InputRefusedError(path, "its fields have different lengths")
    for number, cells in enumerate(zip(*columns, strict=True)):
        yield _row(f"{kind}/{number:06}", cells)


def _load(path: Path) -> tuple[str, Mapping[str, Any]]:
    import numpy as np
    from scipy.io import loadmat

    try:
        variables = loadmat(path)
    except Exception as error:
        raise InputRefusedError(path, f"no .mat file that can be read ({error})") from error
    kind = next((name for name in ("imdb", "wiki") if name in variables), None)
    if kind is None or not variables[kind].dtype.names or not variables[kind].size:
        raise InputRefusedError(path, "it holds no struct `imdb` or `wiki`")
    struct = variables[kind].ravel()[0]
    if lost := {*_FIELDS, *_SCORES} - {*struct.dtype.names}:
        raise InputRefusedError(path, f"no field {', '.join(sorted(lost))}")
    return kind, {name: np.ravel(struct[name]) for name in (*_FIELDS, *_SCORES)}


def _row(name: str, cells: Sequence[Any]) -> FaceRow:
    born, taken, path, gender, box, score, second = cells
    first = path.ravel()[0] if getattr(path, "size", 0) else ""
    return FaceRow(
        name,
        str(first),
        age(float(born), float(taken)),
        GENDERS[int(gender)] if gender in (0, 1) else None,
        tuple(round(float(side), 2) for side in box.ravel()),
        # No face is a score of minus infinity, no second face is NaN.
        math.isfinite(score) and math.isnan(second),
    )


def age(born: float, taken: float) -> int | None:
    """Compute the age in a year from a Matlab day number, on 1 July; null when it is impossible.

    >>> age(723671.0, 2009.0)  # born on 1981-05-05
    28
    >>> age(366.0, 2009.0) is None  # the year 0
    True
    """
    day = born - _DAYS
    if not (1 <= day <= date.max.toordinal() and math.isfinite(taken)):
        return None
    birth = date.fromordinal(int(day))
    years = int(taken) - birth.year - (birth.month >= 7)
    return years if years in AGES else None


def _labels(row: FaceRow) -> list[Row]:
    box = json.dumps(row.box) if len(row.box) == 4 else None
    labels = {"age": row.age, "gender": row.gender, "face_box": box}
    return [
        {"task": task, "value": value, "label_source": "estimated"}
        for task, value in labels.items()
        if value is not None
    ]


@asynccontextmanager
async def _byte_fetcher(
    source: ImdbWikiSource, settings: CrawlSettings
) -> AsyncIterator[FetchBytes]:
    paths: dict[str, str] = {}
    reading = asyncio.Lock()

    async def path_of(name: str) -> str:
        async with reading:
            if not paths:  # on the first picture: a large file takes seconds
                rows = await asyncio.to_thread(lambda: list(read_rows(Path(source.mat))))
                paths.update((row.name, row.path) for row in rows)
        return paths.get(name, "")

    async with local_byte_fetcher(source.top, settings) as read:

        async def fetch(item: Item) -> FetchResponse:
            response = await read(replace(item, url=await path_of(item.url)))
            return replace(response, url=item.url)

        yield fetch
