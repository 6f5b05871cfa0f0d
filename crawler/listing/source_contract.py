"""The contract of a source: it lists photos into the frontier and fetches their bytes."""

import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from typing import Any, ClassVar, Literal, Protocol

from catalog import Workspace, __version__, rows as typed, write_segment
from crawler.errors import ContactMissingError
from crawler.fetch.failures import ErrorClass
from crawler.fetch.fetcher import FetchResponse, HttpFetcher, open_fetcher
from crawler.fetch.rate_limits import HostPermit
from crawler.frontier.frontier import Frontier
from crawler.frontier.items import HostPartition, Item, ListedPhoto, Row
from crawler.listing.call_failure import CallFailure
from crawler.settings import CrawlSettings

CONTACT_VARIABLE = "SAFELIGHT_CONTACT"

FetchBytes = Callable[[Item], Awaitable[FetchResponse]]


@dataclass(frozen=True)
class CrawlContext:
    """What a listing and its workers need; `is_stopping` says whether the session is to stop.

    `report_call` receives each failed call of a listing that goes on, and None when a call has succeeded again.
    """

    workspace: Workspace
    frontier: Frontier
    crawl_id: str
    settings: CrawlSettings
    is_stopping: Callable[[], bool]
    report_call: Callable[[CallFailure | None], None] = lambda _: None

    def write(self, rows: Mapping[str, list[Row]]) -> None:
        """Write rows without files; they are durable when this returns."""
        tables = {table: typed(table, batch) for table, batch in rows.items() if batch}
        if tables:
            write_segment(self.workspace, tables, job=f"crawl:{self.crawl_id}")


@dataclass(frozen=True)
class Discovery:
    """How a listing ended; after `quota` it may continue at `wait_until` (Unix seconds)."""

    status: Literal["finished", "stopped", "quota", "failed"]
    problem: str = ""
    wait_until: float = 0.0
    calls: Mapping[str, int] | None = None


class Source(Protocol):
    """One kind of source with its settings; `BaseSource` has defaults for most methods."""

    name: ClassVar[str]
    robots_policy: ClassVar[str]
    media: ClassVar[frozenset[str]]
    over_http: ClassVar[bool]
    rejected: ClassVar[ErrorClass]

    @property
    def config(self) -> Mapping[str, Any]:
        """Settings that say what is crawled, without secrets; `type(self)(**config)` is the same source."""

    def check(self) -> None:
        """Raise a `CrawlError` when a crawl cannot start (a missing key, folder or contact)."""

    def adjust(self, settings: CrawlSettings) -> CrawlSettings:
        """Change settings as the source's address requires."""

    async def discover(self, context: CrawlContext) -> Discovery:
        """List photos into the frontier, page by page, from the cursor on."""

    def byte_fetcher(self, settings: CrawlSettings) -> AbstractAsyncContextManager[FetchBytes]:
        """Open the function that fetches the bytes of an item: it makes one attempt and does not raise."""

    def content_name(self, sha256: str) -> str | None:
        """Name a photo by its bytes; null when the listing names it."""


class BaseSource:
    """Defaults of a source. A subclass is a frozen dataclass with `name`, `discover` and `byte_fetcher`.

    `media` names the kinds of file that it lists (image, sound), `over_http` says whether it requests hosts over HTTP,
    `rejected` is the error class of bytes that are not such a file.
    """

    robots_policy: ClassVar[str] = "not_applicable"
    media: ClassVar[frozenset[str]] = frozenset({"image"})
    over_http: ClassVar[bool] = False
    rejected: ClassVar[ErrorClass] = "final"

    @property
    def config(self) -> Mapping[str, Any]:
        """Every field of the dataclass."""
        return asdict(self)  # type: ignore[call-overload,no-any-return]  # a dataclass below

    def check(self) -> None:
        """Raise `ContactMissingError` when the source needs a contact for HTTP and there is none."""
        if self.over_http:
            user_agent()

    def adjust(self, settings: CrawlSettings) -> CrawlSettings:
        """Change nothing."""
        return settings

    def content_name(self, sha256: str) -> str | None:  # noqa: ARG002 - a subclass may want it
        """Return null: the listing names the photo."""
        return None


@dataclass(frozen=True)
class ListingPage:
    """A page of a listing: photos, and rows without files by table."""

    photos: Sequence[ListedPhoto] = ()
    rows: Mapping[str, list[Row]] = field(default_factory=dict)
    skipped: int = 0


def list_pages(context: CrawlContext, pages: Iterable[ListingPage]) -> Discovery:
    """Write pages into catalog and frontier; an interrupted listing continues after the last written page.

    A repeated listing must give the same pages. Rows are durable before the cursor moves, and their keys
    make a repeated page harmless.
    """
    cursor = context.frontier.cursor(context.crawl_id)
    if cursor.finished:
        return Discovery("finished")
    for page in islice(pages, cursor.page - 1, None):
        if context.is_stopping():
            return Discovery("stopped")
        context.write(page.rows)
        cursor = replace(
            cursor,
            page=cursor.page + 1,
            seen=cursor.seen + len(page.photos),
            skipped=cursor.skipped + page.skipped,
            rows=cursor.rows + sum(map(len, page.rows.values())),
        )
        context.frontier.add(context.crawl_id, page.photos, cursor)
    context.frontier.add(context.crawl_id, [], replace(cursor, finished=True))
    return Discovery("finished")


class HttpByteFetcher:
    """Fetch items over HTTP; a worker acquires a permit of the host (`try_acquire`) before it starts an item."""

    def __init__(self, fetcher: HttpFetcher) -> None:
        self._fetcher = fetcher

    async def __call__(self, item: Item, permit: HostPermit | None = None) -> FetchResponse:
        """Make one attempt, and release its permit."""
        return await self._fetcher.fetch(
            item.url, permit=permit, etag=item.etag, modified=item.modified, hops=item.hops
        )

    def attach(self, frontier: Frontier, partition: HostPartition) -> None:
        """Fetch only from the hosts of one worker, and share the pauses of hosts through the frontier."""
        self._fetcher.is_ours = partition.has
        self._fetcher.on_pause = lambda host, wait: frontier.pause_host(host, time.time() + wait)
        self._fetcher.limits.restore_pauses(frontier.paused_hosts())

    def try_acquire(self, host: str) -> HostPermit | None:
        """Take a slot and a token of a host when both are free now."""
        return self._fetcher.limits.try_acquire(host)

    def wait_s(self, host: str) -> float:
        """Seconds until a token of a host is free; 0 when one is free now."""
        return max(0.0, self._fetcher.limits.limiter(host).wait_s())

    def paused_s(self, host: str) -> float:
        """Return the rest of a host's pause, in seconds."""
        return self._fetcher.limits.limiter(host).paused_s


@asynccontextmanager
async def http_byte_fetcher(settings: CrawlSettings) -> AsyncIterator[HttpByteFetcher]:
    """Open an HTTP client that keeps the limits of `settings`."""
    async with open_fetcher(settings, user_agent()) as fetcher:
        yield HttpByteFetcher(fetcher)


def user_agent() -> str:
    """Return the User-Agent with its contact; raises `ContactMissingError` without one."""
    contact = os.environ.get(CONTACT_VARIABLE, "").strip()
    if not contact:
        raise ContactMissingError
    return f"safelight/{__version__} (+{contact})"
