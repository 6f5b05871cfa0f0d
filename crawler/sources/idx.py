"""Source `idx`: MNIST and sets of its kind, an IDX file of pictures and one of labels.

Each picture becomes a PNG that holds its values as they are. It is named by its file and its place: `t10k/00042`.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from catalog import counted
from crawler.errors import InputRefusedError
from crawler.fetch.failures import Failure
from crawler.fetch.fetcher import Answer
from crawler.frontier.items import Item, Listed, Row
from crawler.listing.file_source import FileSource, file_version
from crawler.listing.source import Bring, Page
from crawler.listing.vocabulary import LABELS, photo_id
from crawler.readers.idx_files import png, read_idx
from crawler.settings import CrawlSettings

PAGE = 1000


@dataclass(frozen=True)
class IdxSource(FileSource):
    """The pictures of one file with the labels of the other; `task` says what the labels are."""

    images: str
    labels: str
    task: str = "digit"
    limit: int | None = None
    name: ClassVar[str] = "idx"

    def inputs(self) -> Iterator[Path]:
        """Need both files."""
        yield from (Path(self.images), Path(self.labels))

    @property
    def prefix(self) -> str:
        """The part of the file's name that tells sets apart.

        >>> IdxSource("mnist/t10k-images-idx3-ubyte.gz", "").prefix
        't10k'
        """
        return Path(self.images).name.partition(".")[0].partition("-images")[0]

    def pages(self, crawl_id: str) -> Iterator[Page]:  # noqa: ARG002 - its rows come with the pictures
        """List the pictures in order; raises `InputRefusedError` when the files do not fit together."""
        (n, *_), _ = read_idx(Path(self.images), 3)
        (n_labels,), labels = read_idx(Path(self.labels), 1)
        if n != n_labels:
            why = f"it labels {n_labels} pictures, and there are {n}"
            raise InputRefusedError(Path(self.labels), why)
        version = " ".join(map(file_version, self.inputs()))
        wanted = range(n)[: self.limit]
        for start in wanted[::PAGE]:
            some = wanted[start : start + PAGE]
            yield Page([self._listed(place, labels[place], version) for place in some])

    def bringer(self, settings: CrawlSettings) -> AbstractAsyncContextManager[Bring]:  # noqa: ARG002 - all are small
        """Write each picture as PNG when its turn comes; the file is held in memory."""
        return _bringer(Path(self.images))

    def _listed(self, place: int, label: int, version: str) -> Listed:
        name = f"{self.prefix}/{place:05}"
        said: Row = {"task": self.task, "value": label, "label_source": "dataset"}
        photo: Row = {
            "source": self.name,
            "source_photo_id": name,
            "training_allowed": True,
            "training_basis": "user_dataset",
            LABELS: [said],
        }
        return Listed(photo_id(self.name, name), photo, url=name, version=version)


@asynccontextmanager
async def _bringer(images: Path) -> AsyncIterator[Bring]:
    (n, height, width), values = read_idx(images, 3)
    size = height * width

    async def bring(item: Item) -> Answer:
        place = int(item.url.rpartition("/")[2])
        if place >= n:  # the file became shorter since it was listed
            return Answer(item.url, failure=Failure("final", "missing", counted(n, "picture")))
        return Answer(item.url, png(values[place * size : (place + 1) * size], width, height))

    yield bring
