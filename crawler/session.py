"""One session of a crawl: list, fetch, commit, until nothing is left or somebody says stop.

Everything that must survive is in the frontier and in segments; a session holds only what is in flight, at
most `unit_images` pictures. That bound is also the most that a kill can cost in downloads.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from crawler.examine import examine
from crawler.failures import Failure
from crawler.fetcher import Answer
from crawler.frontier import Frontier, Item
from crawler.progress import Tally
from crawler.records import Brought, utc_now
from crawler.settings import CrawlSettings
from crawler.source import Bring, Desk, Discovery, Source
from crawler.units import commit_unit

log = logging.getLogger(__name__)

_POLL_S = 0.1
_CLAIM = 64  # items taken at once: a claim is one write to disk
_EXAMINERS = 2  # threads that hash and read EXIF


@dataclass
class StopRequest:
    """A wish to stop that signals and other threads may make; a second one is impatient."""

    _wishes: list[bool] = field(default_factory=list)

    def ask(self) -> None:
        """Ask to stop after what is in work, or, asked again, at once."""
        self._wishes.append(True)

    def asked(self) -> bool:
        """Say whether to begin nothing new."""
        return bool(self._wishes)

    def impatient(self) -> bool:
        """Say whether to leave even what is in work."""
        return len(self._wishes) > 1


class Session:
    """The work of one session; `run` does it once."""

    def __init__(
        self,
        desk: Desk,
        source: Source,
        publish: Callable[[], dict[str, int]],
        stop: StopRequest,
        report: Callable[[Tally], None],
        *,
        wait: bool,
    ) -> None:
        """`publish` commits the spool, `report` hears of progress, `wait` waits for an API quota."""
        self._desk, self._source, self._stop = desk, source, stop
        self._publish, self._report, self._wait_for_quota = publish, report, wait
        self._rows: dict[str, int] = {}
        self.tally = Tally()
        self.errors: dict[str, int] = {}
        self._claimed: list[Item] = []
        self._working: dict[asyncio.Task[Brought], Item] = {}
        self._unit: list[Brought] = []
        self._commit: asyncio.Task[None] | None = None
        self._committing = 0
        self._oldest = self._published = time.monotonic()
        self._examiners = ThreadPoolExecutor(_EXAMINERS, "examine")

    @property
    def _frontier(self) -> Frontier:
        return self._desk.frontier

    @property
    def _settings(self) -> CrawlSettings:
        return self._desk.settings

    async def run(self) -> Discovery:
        """Work until the end; return how the listing ended."""
        listing = asyncio.create_task(self._discover())
        try:
            async with self._source.bringer(self._settings) as bring:
                await self._work(bring, listing)
            return await listing
        finally:
            await self._put_away(listing)

    async def _discover(self) -> Discovery:
        while True:
            found = await self._source.discover(self._desk)
            if found.status != "quota" or not self._wait_for_quota:
                return found
            log.info("quota used up; waiting until %s", time.ctime(found.wait_until))
            while time.time() < found.wait_until and not self._stop.asked():  # noqa: ASYNC110  # signals set it
                await asyncio.sleep(_POLL_S)
            if self._stop.asked():
                return found

    async def _work(self, bring: Bring, listing: asyncio.Task[Discovery]) -> None:
        while not self._stop.asked():
            self._begin(bring)
            if listing.done() and self._is_idle() and self._next_due() is None:
                return
            await self._step(listing)
        await self._drain()

    def _begin(self, bring: Bring) -> None:
        """Claim what there is room for, and start it."""
        settings = self._settings
        in_flight = sum(map(len, (self._claimed, self._working, self._unit))) + self._committing
        room = min(_CLAIM, settings.unit_images - in_flight)
        if not self._claimed and room > 0:
            self._claimed = self._frontier.claim(self._desk.crawl_id, room, time.time())
        if self._is_full():  # memory is bounded: no more bytes until these are on disk
            return
        while self._claimed and len(self._working) < settings.concurrency:
            item = self._claimed.pop(0)
            self._working[asyncio.create_task(self._bring(bring, item))] = item

    async def _bring(self, bring: Bring, item: Item) -> Brought:
        """Make one attempt, and look at the bytes away from the loop."""
        if item.refusal:
            answer = Answer(item.url, failure=item.refusal)
        else:
            answer = await bring(item)
        loop = asyncio.get_running_loop()
        pixels = self._settings.max_pixels
        return await loop.run_in_executor(
            self._examiners, examined, item, answer, pixels, self._source
        )

    async def _step(self, listing: asyncio.Task[Discovery]) -> None:
        """Wait until something happens, and take it in."""
        waiting: set[asyncio.Task[Any]] = {*self._working}
        waiting |= {task for task in (listing, self._commit) if task and not task.done()}
        if waiting:
            await asyncio.wait(waiting, timeout=_POLL_S, return_when=asyncio.FIRST_COMPLETED)
        else:
            await asyncio.sleep(_POLL_S)
        self._take_in()
        await self._commit_if_due(idle=listing.done() and not self._working and not self._claimed)
        self.tally.listing = not listing.done()
        self.tally.queued = self._frontier.counts(self._desk.crawl_id).get("queued", 0)
        self._report(self.tally)

    def _take_in(self) -> None:
        for task in [task for task in self._working if task.done()]:
            del self._working[task]
            if not self._unit:
                self._oldest = time.monotonic()
            self._unit.append(task.result())

    async def _commit_if_due(self, *, idle: bool) -> None:
        if self._commit and self._commit.done():
            self._commit.result()  # raises what went wrong
            self._commit = None
        due = idle or self._is_full() or time.monotonic() - self._oldest >= self._settings.unit_s
        if self._unit and not self._commit and due:
            unit, self._unit = self._unit, []
            self._committing = len(unit)
            self._commit = asyncio.create_task(self._commit_unit(unit))

    def _is_full(self) -> bool:
        """Say whether what came in and is not being written is a whole unit."""
        settings = self._settings
        bytes_in = sum(len(brought.body) for brought in self._unit)
        return len(self._unit) >= settings.unit_images or bytes_in >= settings.unit_bytes

    async def _commit_unit(self, unit: list[Brought]) -> None:
        desk = self._desk
        settled = await asyncio.to_thread(
            commit_unit, desk.workspace, desk.frontier, desk.settings, unit
        )
        for brought, settlement in zip(unit, settled, strict=True):
            self._count(brought, settlement.state)
        self._committing = 0
        if time.monotonic() - self._published > self._settings.publish_s:
            self._published = time.monotonic()
            self.count_rows(await asyncio.to_thread(self._publish))

    def count_rows(self, gained: Mapping[str, int]) -> dict[str, int]:
        """Add rows gained by a commit of the spool; return all that the session gained."""
        for table, n in gained.items():
            self._rows[table] = self._rows.get(table, 0) + n
        return self._rows

    def _count(self, brought: Brought, state: str) -> None:
        if brought.failure is None:
            self.tally.done += 1
            self.tally.bytes += len(brought.body)
        elif state != "queued":
            self.tally.failed += 1
            self.errors[brought.failure.error] = self.errors.get(brought.failure.error, 0) + 1

    def _is_idle(self) -> bool:
        return not (self._claimed or self._working or self._unit or self._commit)

    def _next_due(self) -> float | None:
        return self._frontier.next_due(self._desk.crawl_id)

    async def _drain(self) -> None:
        """Give what is in work some time, begin nothing new."""
        self._frontier.release(self._claimed)
        self._claimed = []
        end = time.monotonic() + self._settings.drain_s
        while self._working and time.monotonic() < end and not self._stop.impatient():
            await asyncio.wait(self._working, timeout=_POLL_S)
            self._take_in()

    async def _put_away(self, listing: asyncio.Task[Discovery]) -> None:
        """Commit what came in, give the rest back, whatever the reason for the end."""
        if not listing.done() and not self._stop.asked():
            listing.cancel()
        for task in self._working:
            task.cancel()
        await asyncio.gather(*self._working, return_exceptions=True)
        self._frontier.release([*self._claimed, *self._working.values()])
        if self._commit:
            await asyncio.gather(self._commit, return_exceptions=False)
        if self._unit:
            await self._commit_unit(self._unit)
        self._examiners.shutdown()


def examined(item: Item, answer: Answer, max_pixels: int, source: Source) -> Brought:
    """Look at the bytes of an answer; bytes that are not what the source brings are a failure."""
    brought = Brought(
        item,
        item.attempts + 1,
        answer.url,
        utc_now(),
        answer.body,
        answer.failure,
        answer.http_status,
        answer.duration_ms,
        answer.content_type,
        answer.etag,
    )
    if answer.failure:
        return brought
    found = examine(answer.body, max_pixels=max_pixels, media=source.media)
    if found.rejected:
        failure = Failure("final", found.rejected, http_status=answer.http_status)
        return replace(brought, failure=failure)
    return replace(
        brought,
        sha256=found.sha256,
        asset=found.asset,
        exif=found.exif,
        content_name=source.content_name(found.sha256),
    )
