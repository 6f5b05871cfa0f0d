"""Source `idx`: MNIST and similar datasets, an IDX file of pictures and one of labels.

Each picture becomes a PNG with the same values. It is named by its file and its index: `t10k/00042`.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from catalog import counted
from crawler.errors import InputRefusedError
from crawler.fetch.failures import Failure
from crawler.fetch.fetcher import FetchResponse
from crawler.frontier.items import Item, ListedPhoto, Row
from crawler.listing.file_source import FileSource, file_version
from crawler.listing.source_contract import FetchBytes, ListingPage
from crawler.listing.vocabulary import LABELS, photo_id
from crawler.readers.idx_files import png, read_idx
from crawler.settings import CrawlSettings

PAGE = 1000


@dataclass(frozen=True)
class IdxSource(FileSource):
    """The pictures of one file with the labels of the other; `task` names the labels."""

    images: str
    labels: str
    task: str = "digit"
    limit: int | None = None
    name: ClassVar[str] = "idx"

    def inputs(self) -> Iterator[Path]:
        """Require both files."""
        yield from (Path(self.images), Path(self.labels))

    @property
    def prefix(self) -> str:
        """The part of the file's name that distinguishes datasets.

        >>> IdxSource("mnist/t10k-images-idx3-ubyte.gz", "").prefix
        't10k'
        """
        return Path(self.images).name.partition(".")[0].partition("-images")[0]

    def pages(self, crawl_id: str) -> Iterator[ListingPage]:  # noqa: ARG002 - its rows come with the pictures
        """List the pictures in order; raises `InputRefusedError` when the numbers of pictures and labels differ."""
        (n, *_), _ = read_idx(Path(self.images), 3)
        (n_labels,), labels = read_idx(Path(self.labels), 1)
        if n != n_labels:
            why = f"it labels {counted(n_labels, 'picture')}, and there are {n}"
            raise InputRefusedError(Path(self.labels), why)
        version = " ".join(map(file_version, self.inputs()))
        indices = range(n)[: self.limit]
        for start in indices[::PAGE]:
            batch = indices[start : start + PAGE]
            yield ListingPage(
                [self._to_listed_photo(index, labels[index], version) for index in batch]
            )

    def byte_fetcher(self, settings: CrawlSettings) -> AbstractAsyncContextManager[FetchBytes]:  # noqa: ARG002 - all are small
        """Write each picture as PNG on demand; the file is in memory."""
        return _byte_fetcher(Path(self.images))

    def _to_listed_photo(self, index: int, label: int, version: str) -> ListedPhoto:
        name = f"{self.prefix}/{index:05}"
        row: Row = {"task": self.task, "value": label, "label_source": "dataset"}
        photo: Row = {
            "source": self.name,
            "source_photo_id": name,
            "training_allowed": True,
            "training_basis": "user_dataset",
            LABELS: [row],
        }
        return ListedPhoto(photo_id(self.name, name), photo, url=name, version=version)


@asynccontextmanager
async def _byte_fetcher(images: Path) -> AsyncIterator[FetchBytes]:
    (n, height, width), values = read_idx(images, 3)
    size = height * width

    async def fetch(item: Item) -> FetchResponse:
        index = int(item.url.rpartition("/")[2])
        if index >= n:  # the file became shorter since it was listed
            return FetchResponse(
                item.url, failure=Failure("final", "missing", counted(n, "picture"))
            )
        return FetchResponse(
            item.url, png(values[index * size : (index + 1) * size], width, height)
        )

    yield fetch
