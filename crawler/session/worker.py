"""One worker of a session: it claims items, fetches and examines them, and commits units, until the phase is end.

A worker requests only the hosts of its partition, so the limits of a host need no messages between workers. Everything
that must survive a kill is in the frontier and in segments. A worker holds only items in flight, at most `unit_images`
pictures, so a kill costs at most so many downloads.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any, Literal

from crawler.examination.decoding import examine_crawled
from crawler.fetch.failures import Failure
from crawler.fetch.fetcher import FetchResponse
from crawler.frontier.items import ALL_HOSTS, HostPartition, Item
from crawler.listing.source_contract import CrawlContext, FetchBytes, HttpByteFetcher, Source
from crawler.listing.vocabulary import utc_now
from crawler.session.blocklist import NOTHING_BLOCKED, Blocklist
from crawler.session.commit_unit import commit_unit
from crawler.session.progress import CrawlProgress
from crawler.session.records import FetchResult

Phase = Literal["listing", "listed", "end"]
"""The phase of a session: photos are still being listed, all are listed, no item is left."""

_POLL_S = 0.1
_CLAIM = 64  # items per claim: a claim is one write to disk
_EXAMINERS = (
    2  # threads that hash bytes and wait for decoder processes, which read headers and EXIF
)
_LONG_PAUSE_S = 2.0  # items of a host with a longer pause return to the frontier


class Worker:
    """The work of one worker in one session; `run` does it once."""

    def __init__(
        self,
        context: CrawlContext,
        source: Source,
        partition: HostPartition = ALL_HOSTS,
        *,
        blocklist: Blocklist = NOTHING_BLOCKED,
        is_immediate: Callable[[], bool] = lambda: False,
    ) -> None:
        """`is_immediate` says whether to cancel the pictures in work when the session stops."""
        self._context, self._source, self._partition = context, source, partition
        self._blocklist, self._is_immediate = blocklist, is_immediate
        self.progress = CrawlProgress()
        self._ready: dict[str, deque[Item]] = {}
        self._working: dict[asyncio.Task[FetchResult], Item] = {}
        self._unit: list[FetchResult] = []
        self._commit: asyncio.Task[None] | None = None
        self._n_committing = 0
        self._oldest, self._claim_at = time.monotonic(), 0.0
        self._examiners = ThreadPoolExecutor(_EXAMINERS, "examine")

    async def run(
        self, phase: Callable[[], Phase], report: Callable[[CrawlProgress], None]
    ) -> None:
        """Work until the phase is end or the session is to stop; `report` receives the progress."""
        try:
            async with self._source.byte_fetcher(self._context.settings) as fetch:
                if isinstance(fetch, HttpByteFetcher):
                    fetch.attach(self._context.frontier, self._partition)
                while not self._context.is_stopping() and phase() != "end":
                    self._claim()
                    self._start_fetches(fetch)
                    await self._wait(fetch, phase() == "listing")
                    report(self.progress)
                await self._drain()
        finally:
            await self._shut_down()
        report(self.progress)

    def _claim(self) -> None:
        """Claim items of hosts that have none waiting here; after an empty claim, pause."""
        settings, now = self._context.settings, time.monotonic()
        waiting = sum(map(len, self._ready.values()))
        room = min(_CLAIM - waiting, settings.unit_images - self._in_flight())
        if room <= 0 or now < self._claim_at:
            return
        each = max(8, 2 * settings.per_host) if self._source.over_http else _CLAIM
        items = self._context.frontier.claim(
            self._context.crawl_id,
            room,
            time.time(),
            partition=self._partition,
            busy=list(self._ready),
            each=each,
        )
        self._claim_at = 0.0 if items else now + _POLL_S
        for item in items:
            self._ready.setdefault(item.host, deque()).append(item)

    def _in_flight(self) -> int:
        waiting = sum(map(len, self._ready.values()))
        return waiting + len(self._working) + len(self._unit) + self._n_committing

    def _start_fetches(self, fetch: FetchBytes) -> None:
        """Start the fetches that the limits of their hosts allow now."""
        if self._is_full():  # bounds memory: no more bytes until these are on disk
            return
        http = fetch if isinstance(fetch, HttpByteFetcher) else None
        for host, items in list(self._ready.items()):
            while items and len(self._working) < self._context.settings.concurrency:
                if not (admitted := self._admit(fetch, items[0])):
                    break
                item = items.popleft()
                self._working[asyncio.create_task(self._fetch(admitted, item))] = item
            if items and http and http.paused_s(host) > _LONG_PAUSE_S:
                self._context.frontier.release(items)
                items.clear()
            if not items:
                del self._ready[host]

    def _admit(self, fetch: FetchBytes, item: Item) -> FetchBytes | None:
        """Return how to fetch an item now, or null while its host has no free slot or token."""
        if failure := item.refusal or self._find_tombstone(item):
            return partial(_refuse, failure)
        if not isinstance(fetch, HttpByteFetcher):
            return fetch
        permit = fetch.try_acquire(item.host)
        return partial(fetch, permit=permit) if permit else None

    def _find_tombstone(self, item: Item) -> Failure | None:
        kind = self._blocklist.find_reason(item.photo_id, item.url, item.photo.get("photographer"))
        return Failure("final", "tombstoned", kind) if kind else None

    async def _fetch(self, fetch: FetchBytes, item: Item) -> FetchResult:
        """Make one attempt, and examine the bytes in a thread."""
        response = await fetch(item)
        loop = asyncio.get_running_loop()
        pixels = self._context.settings.max_pixels
        return await loop.run_in_executor(
            self._examiners, examine_response, item, response, pixels, self._source
        )

    async def _wait(self, fetch: FetchBytes, listing: bool) -> None:
        """Wait until a task ends, and collect results."""
        waiting: set[asyncio.Task[Any]] = {*self._working}
        waiting |= {self._commit} if self._commit and not self._commit.done() else set()
        if waiting:
            pause = self._pause_s(fetch)
            await asyncio.wait(waiting, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
        else:
            await asyncio.sleep(self._pause_s(fetch))
        self._collect_results()
        idle = not listing and not self._working and not self._ready
        await self._commit_if_due(idle=idle)
        self.progress.in_flight = len(self._working)

    def _pause_s(self, fetch: FetchBytes) -> float:
        """Return how long to wait: at most until a token of a host with items is free."""
        if (
            not isinstance(fetch, HttpByteFetcher)
            or len(self._working) >= self._context.settings.concurrency
        ):
            return _POLL_S
        waits = (fetch.wait_s(host) for host in self._ready)
        return min([_POLL_S, *filter(None, waits)])  # 0: the host has a token but no free slot

    def _collect_results(self) -> None:
        for task in [task for task in self._working if task.done()]:
            item, result = self._working.pop(task), task.result()
            if result.elsewhere:
                self._context.frontier.requeue_redirect(item, result.elsewhere)
                continue
            if not self._unit:
                self._oldest = time.monotonic()
            self._unit.append(result)
        self._claim_at = (
            0.0 if len(self._working) < self._context.settings.concurrency // 2 else self._claim_at
        )

    async def _commit_if_due(self, *, idle: bool) -> None:
        if self._commit and self._commit.done():
            self._commit.result()  # raises the error of the commit
            self._commit = None
        late = time.monotonic() - self._oldest >= self._context.settings.unit_s
        due = idle or late or self._is_full() or self._is_stuck()
        if self._unit and not self._commit and due:
            unit, self._unit = self._unit, []
            self._n_committing = len(unit)
            self._commit = asyncio.create_task(self._commit_unit(unit))

    def _is_full(self) -> bool:
        """Say whether the results that are not being written make a full unit."""
        settings = self._context.settings
        bytes_in = sum(len(result.body) for result in self._unit)
        return len(self._unit) >= settings.unit_images or bytes_in >= settings.unit_bytes

    def _is_stuck(self) -> bool:
        """Say whether pictures that wait to be written prevent new claims."""
        most = self._context.settings.unit_images
        return self._in_flight() >= most and len(self._unit) >= most // 4

    async def _commit_unit(self, unit: list[FetchResult]) -> None:
        context = self._context
        outcome = await asyncio.to_thread(
            commit_unit,
            *(context.workspace, context.frontier, context.settings, unit),
            owner=self._partition.owner,
            blocklist=self._blocklist,
        )
        for result, settlement in outcome.settled:
            self.progress.count(result, settlement.state)
        if outcome.postponed:
            await asyncio.sleep(_POLL_S)
        self._unit += outcome.postponed
        self._n_committing = 0

    async def _drain(self) -> None:
        """Wait for the pictures in work, up to `drain_s`; start nothing new."""
        self._release_ready()
        end = time.monotonic() + self._context.settings.drain_s
        while self._working and time.monotonic() < end and not self._is_immediate():
            await asyncio.wait(self._working, timeout=_POLL_S)
            self._collect_results()

    def _release_ready(self) -> None:
        self._context.frontier.release([item for items in self._ready.values() for item in items])
        self._ready = {}

    async def _shut_down(self) -> None:
        """Commit the results and release all other items, whatever the reason for the end."""
        self._release_ready()
        for task in self._working:
            task.cancel()
        await asyncio.gather(*self._working, return_exceptions=True)
        self._context.frontier.release(self._working.values())
        self._working = {}
        if self._commit:
            await asyncio.gather(self._commit, return_exceptions=False)
        end = time.monotonic() + self._context.settings.drain_s
        while self._unit and time.monotonic() < end:
            unit, self._unit = self._unit, []
            await self._commit_unit(unit)
        self._context.frontier.release(result.item for result in self._unit)
        self._examiners.shutdown()


async def _refuse(failure: Failure, item: Item) -> FetchResponse:
    """Fail an item without a request."""
    return FetchResponse(item.url, failure=failure)


def examine_response(
    item: Item, response: FetchResponse, max_pixels: int, source: Source
) -> FetchResult:
    """Examine the bytes of a response; bytes of another kind than the source's media are a failure."""
    result = FetchResult(
        item,
        item.attempts + 1,
        response.url,
        utc_now(),
        response.body,
        response.failure,
        response.http_status,
        response.duration_ms,
        response.content_type,
        response.etag,
        response.modified,
        outcome="unchanged" if response.unchanged else "done",
        elsewhere=response.elsewhere,
    )
    if response.failure or response.unchanged or response.elsewhere:
        return result
    examination = examine_crawled(response.body, max_pixels=max_pixels, media=source.media)
    if examination.rejected:
        failure = Failure(source.rejected, examination.rejected, http_status=response.http_status)
        return replace(result, failure=failure)
    return replace(
        result,
        sha256=examination.sha256,
        asset=examination.asset,
        exif=examination.exif,
        content_name=source.content_name(examination.sha256),
    )
