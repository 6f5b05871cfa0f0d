"""What the frontier hands out and takes in: items, cursors, settlements, records."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from crawler.fetch.failures import ErrorClass, Failure
from crawler.frontier.schema import part_of

Row = dict[str, object]


State = Literal["queued", "in_flight", "done", "failed", "dead"]


# Stages of a queued item: an API source first lists it, then describes it, then says where its bytes are.
LISTED, DESCRIBED, READY = 0, 1, 2


_ITEM = "seq, crawl_id, photo_id, url, host, photo, stage, attempts, base, hops, etag, modified, settled_at, refusal"


@dataclass(frozen=True)
class Cursor:
    """How far a listing is: the next page, the photos seen so far, files passed over, rows without a file, the end.

    `token` is what an API wants for its next page when a number does not do. `listing` counts the listings
    of this crawl: each relisting has the next number.
    """

    page: int = 1
    seen: int = 0
    skipped: int = 0
    finished: bool = False
    token: str = ""
    listing: int = 1
    rows: int = 0


@dataclass(frozen=True)
class Listed:
    """A photo that a source listed; `photo` holds columns of its photos row as JSON values.

    A changed `version` (size and time of a file, say) queues a known photo again.
    """

    photo_id: str
    photo: Row
    url: str = ""
    host: str = ""
    version: str = ""
    stage: int = READY


@dataclass(frozen=True)
class Item:
    """A photo whose bytes are wanted; `attempts` counts the ended ones, `base` those before a retry.

    `hops` counts redirects that led it to another worker's host. `etag` and `modified` are what the server said
    about the bytes that the catalog holds.
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


@dataclass(frozen=True)
class Settlement:
    """What became of an item in flight after its row was written."""

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
    content_id: str | None = None  # photo that came in when only its bytes tell which


@dataclass(frozen=True)
class Share:
    """The hosts that one of several workers asks: those whose part, divided by `count`, leaves `index`."""

    index: int = 0
    count: int = 1

    @property
    def owner(self) -> str:
        """Name of the worker in the frontier."""
        return f"worker-{self.index}"

    def has(self, host: str) -> bool:
        """Say whether a host belongs to this worker."""
        return part_of(host) % self.count == self.index


ALL_HOSTS = Share()


@dataclass(frozen=True)
class Learned:
    """What the catalog knows of a photo of a crawl that the frontier does not know (any more).

    `url` is where its bytes came from, null when they never came; the rest is as in `Item`.
    """

    photo_id: str
    attempts: int = 0
    url: str | None = None
    settled_at: float = 0.0
    etag: str | None = None
    modified: str | None = None


@dataclass(frozen=True)
class DeadLetter:
    """A photo that was given up."""

    photo_id: str
    url: str
    attempts: int
    error_class: str
    error: str


@dataclass(frozen=True)
class CrawlRecord:
    """A crawl that the frontier knows, with its number of items by state.

    `changed` are the settings that its order changed from those of the workspace, by name.
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
        """Whether there is work left: an unfinished listing, or items not settled."""
        waiting = self.counts.get("queued", 0) + self.counts.get("in_flight", 0)
        return waiting > 0 or not self.cursor.finished


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _item(row: tuple[Any, ...]) -> Item:
    seq, crawl_id, photo_id, url, host, photo, stage, attempts, base, *more, refusal = row
    failure = Failure(**json.loads(refusal)) if refusal else None
    about = (seq, crawl_id, photo_id, url, host, json.loads(photo), stage, attempts, base)
    return Item(*about, failure, *more)
