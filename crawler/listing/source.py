"""What a source of pictures is to a session: it lists photos into the frontier and brings their bytes."""

import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from typing import Any, ClassVar, Literal, Protocol

from catalog import Workspace, __version__, write_segment
from catalog import rows as typed
from crawler.errors import ContactMissingError
from crawler.fetch.failures import ErrorClass
from crawler.fetch.fetcher import FetchResponse, HttpFetcher, open_fetcher
from crawler.frontier.frontier import Frontier
from crawler.frontier.items import HostPartition, Item, ListedPhoto, Row
from crawler.settings import CrawlSettings

CONTACT_VARIABLE = "SAFELIGHT_CONTACT"

FetchBytes = Callable[[Item], Awaitable[FetchResponse]]


@dataclass(frozen=True)
class CrawlContext:
    """What a listing works with; `stopping` says whether the session was asked to stop."""

    workspace: Workspace
    frontier: Frontier
    crawl_id: str
    settings: CrawlSettings
    is_stopping: Callable[[], bool]

    def write(self, rows: Mapping[str, list[Row]]) -> None:
        """Write rows that come in without a file: durable when this returns."""
        listed = {table: typed(table, some) for table, some in rows.items() if some}
        if listed:
            write_segment(self.workspace, listed, job=f"crawl:{self.crawl_id}")


@dataclass(frozen=True)
class Discovery:
    """How a listing ended; after `quota` it may go on at `wait_until` (Unix seconds)."""

    status: Literal["finished", "stopped", "quota", "failed"]
    problem: str = ""
    wait_until: float = 0.0
    calls: Mapping[str, int] | None = None


class Source(Protocol):
    """One kind of source with its settings; `BaseSource` has the answers that most sources give."""

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
        """Change settings as the source's address asks for."""

    async def discover(self, context: CrawlContext) -> Discovery:
        """List photos into the frontier from its cursor on, page by page."""

    def byte_fetcher(self, settings: CrawlSettings) -> AbstractAsyncContextManager[FetchBytes]:
        """Open what brings in bytes; it makes one attempt and does not raise."""

    def content_name(self, sha256: str) -> str | None:
        """Name a photo by its bytes; null when the listing names it."""


class BaseSource:
    """What most sources answer. A subclass is a frozen dataclass with `name` and its own `discover` and `bringer`.

    `media` says which kinds of file it brings (image, sound), `over_http` whether it asks hosts over HTTP,
    `rejected` the error class of bytes that are no such file.
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
        """Ask for a contact when hosts are asked over HTTP."""
        if self.over_http:
            user_agent()

    def adjust(self, settings: CrawlSettings) -> CrawlSettings:
        """Change nothing."""
        return settings

    def content_name(self, sha256: str) -> str | None:  # noqa: ARG002 - a subclass may want it
        """Let the listing name the photo."""
        return None


@dataclass(frozen=True)
class ListingPage:
    """Some photos of a listing, and rows that come in without a file: table -> rows."""

    photos: Sequence[ListedPhoto] = ()
    rows: Mapping[str, list[Row]] = field(default_factory=dict)
    skipped: int = 0


def list_pages(context: CrawlContext, pages: Iterable[ListingPage]) -> Discovery:
    """Bring pages into catalog and frontier; an interrupted listing goes on behind the last page kept.

    The same listing must give the same pages again. Rows are durable before the cursor moves, and their keys
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
    """Bring addresses over HTTP; a worker books a host's gate before it begins."""

    def __init__(self, fetcher: HttpFetcher) -> None:
        self._fetcher = fetcher
        self._booked: Counter[str] = Counter()

    async def __call__(self, item: Item) -> FetchResponse:
        """Make one attempt."""
        booked = self._booked[item.host] > 0
        self._booked[item.host] -= booked
        return await self._fetcher.fetch(
            item.url, booked=booked, etag=item.etag, modified=item.modified, hops=item.hops
        )

    def attach(self, frontier: Frontier, partition: HostPartition) -> None:
        """Keep to the hosts of one worker, and keep the pauses that hosts ask for in the frontier."""
        self._fetcher.is_ours = partition.has
        self._fetcher.note_closed = lambda host, wait: frontier.pause_host(host, time.time() + wait)
        self._fetcher.limits.restore_pauses(frontier.paused_hosts())

    def try_acquire(self, host: str) -> bool:
        """Take a seat and a token at a host when it may be asked now."""
        if not self._fetcher.limits.limiter(host).try_acquire():
            return False
        self._booked[host] += 1
        return True

    def wait_s(self, host: str) -> float:
        """How long until a host has a token, in seconds; 0 when it has one."""
        return max(0.0, self._fetcher.limits.limiter(host).wait_s())

    def paused_s(self, host: str) -> float:
        """How long a host wants to be left alone, in seconds."""
        return self._fetcher.limits.limiter(host).paused_s


@asynccontextmanager
async def http_byte_fetcher(settings: CrawlSettings) -> AsyncIterator[HttpByteFetcher]:
    """Open what brings addresses over HTTP, within the limits of `settings`."""
    async with open_fetcher(settings, user_agent()) as fetcher:
        yield HttpByteFetcher(fetcher)


def user_agent() -> str:
    """Say who crawls and how to reach them; raises `ContactMissingError` without a contact."""
    contact = os.environ.get(CONTACT_VARIABLE, "").strip()
    if not contact:
        raise ContactMissingError
    return f"safelight/{__version__} (+{contact})"
