"""The rows of the frontier as Python objects: items, cursors, settlements, crawls."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from crawler.fetch.failures import ErrorClass, Failure
from crawler.frontier.schema import part_of

Row = dict[str, object]


State = Literal["queued", "in_flight", "done", "failed", "dead"]


# Stages of a queued item: an API source lists it, then describes it, then locates its bytes.
LISTED, DESCRIBED, READY = 0, 1, 2


ITEM_COLUMNS = (
    "seq, crawl_id, photo_id, url, host, photo, stage, attempts, base,"
    " hops, etag, modified, settled_at, error_detail, refusal"
)


@dataclass(frozen=True)
class Cursor:
    """The position of a listing: the next page, photos listed so far, files skipped, rows without a file.

    `token` names the next page where an API has no page numbers. `listing` counts the listings of this crawl: each
    relisting has the next number. Stored as JSON under these names.
    """

    page: int = 1
    seen: int = 0
    skipped: int = 0
    finished: bool = False
    token: str = ""
    listing: int = 1
    rows: int = 0


@dataclass(frozen=True)
class ListedPhoto:
    """A photo that a source listed; `photo` holds columns of its photos row as JSON values.

    A changed `version` (size and time of a file, say) queues a photo again that was fetched before.
    """

    photo_id: str
    photo: Row
    url: str = ""
    host: str = ""
    version: str = ""
    stage: int = READY


@dataclass(frozen=True)
class Item:
    """A photo to fetch; `attempts` counts the ended attempts, `base` those before a retry.

    `hops` counts the redirects to hosts of other workers. `etag` and `modified` are the server's validators of the
    bytes that the catalog holds; `error_detail` is the text of the last failure.
    """

    seq: int
    crawl_id: str
    photo_id: str
    url: str
    host: str
    photo: Row
    stage: int
    attempts: int
    base: int
    refusal: Failure | None = None
    hops: int = 0
    etag: str | None = None
    modified: str | None = None
    settled_at: float = 0.0
    error_detail: str | None = None


@dataclass(frozen=True)
class Settlement:
    """The new state of an item in flight, after its row was written."""

    seq: int
    photo_id: str
    state: State
    attempts: int
    not_before: float = 0.0
    error_class: ErrorClass | None = None
    error: str | None = None
    detail: str | None = None
    http_status: int | None = None
    etag: str | None = None
    modified: str | None = None
    content_id: str | None = None  # photo_id by content, when the listing does not name the photo


@dataclass(frozen=True)
class HostPartition:
    """The hosts of one of several workers: those whose part, modulo `count`, is `index`."""

    index: int = 0
    count: int = 1

    @property
    def owner(self) -> str:
        """Name of the worker in the frontier."""
        return f"worker-{self.index}"

    def has(self, host: str) -> bool:
        """Say whether a host belongs to this worker."""
        return part_of(host) % self.count == self.index


ALL_HOSTS = HostPartition()


@dataclass(frozen=True)
class FetchHistory:
    """Earlier fetches of a photo as the catalog records them, for a frontier whose file was lost.

    `url` is the address of the fetched bytes, null when every attempt failed; the rest is as in `Item`.
    """

    photo_id: str
    attempts: int = 0
    url: str | None = None
    settled_at: float = 0.0
    etag: str | None = None
    modified: str | None = None


@dataclass(frozen=True)
class DeadLetter:
    """A photo that failed for good."""

    photo_id: str
    url: str
    attempts: int
    error_class: str
    error: str


@dataclass(frozen=True)
class CrawlRecord:
    """A crawl of the frontier, with its number of items by state.

    `changed` are the settings, by name, that this crawl changes from those of the workspace.
    """

    crawl_id: str
    source: str
    config: Row
    cursor: Cursor
    used_at: float
    counts: Mapping[str, int] = field(default_factory=dict)
    changed: Row = field(default_factory=dict)

    @property
    def open(self) -> bool:
        """Whether the listing has not ended, or items are not settled."""
        waiting = self.counts.get("queued", 0) + self.counts.get("in_flight", 0)
        return waiting > 0 or not self.cursor.finished


def to_json(value: object) -> str:
    """Write a value as the frontier stores it: keys sorted, text as it is."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def read_item(row: tuple[Any, ...]) -> Item:
    """Make an item of a row with `ITEM_COLUMNS`."""
    seq, crawl_id, photo_id, url, host, photo, stage, attempts, base, *more, refusal = row
    failure = Failure(**json.loads(refusal)) if refusal else None
    columns = (seq, crawl_id, photo_id, url, host, json.loads(photo), stage, attempts, base)
    return Item(*columns, failure, *more)
