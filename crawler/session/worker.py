"""One worker of a session: claim, fetch, look at the bytes, commit, until told that nothing more will come.

A worker asks only the hosts of its share, so each host knows one worker and politeness needs no messages between them.
Everything that must survive is in the frontier and in segments; a worker holds only what is in flight, at most
`unit_images` pictures. That bound is also the most that a kill can cost in downloads.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Literal

from crawler.examination.decoding import examine_crawled
from crawler.fetch.failures import Failure
from crawler.fetch.fetcher import Answer
from crawler.frontier.items import ALL_HOSTS, Item, Share
from crawler.listing.source import Bring, Desk, HttpBring, Source
from crawler.listing.vocabulary import utc_now
from crawler.session.blocklist import NOTHING_BLOCKED, Blocklist
from crawler.session.commit_unit import commit_unit
from crawler.session.progress import Tally
from crawler.session.records import Brought

Phase = Literal["listing", "listed", "end"]
"""What the session says: photos may still be listed, all are listed, nothing more will come."""

_POLL_S = 0.1
_CLAIM = 64  # items taken at once: a claim is one write to disk
_EXAMINERS = 2  # threads that hash and wait for decoder processes, which read headers and EXIF
_LONG_PAUSE_S = 2.0  # items of a host that is closed for longer go back to the frontier


class Worker:
    """The work of one worker in one session; `run` does it once."""

    def __init__(
        self,
        desk: Desk,
        source: Source,
        share: Share = ALL_HOSTS,
        *,
        blocklist: Blocklist = NOTHING_BLOCKED,
        impatient: Callable[[], bool] = lambda: False,
    ) -> None:
        """`impatient` says whether to leave even what is in work."""
        self._desk, self._source, self._share = desk, source, share
        self._blocklist, self._impatient = blocklist, impatient
        self.tally = Tally()
        self._ready: dict[str, deque[Item]] = {}
        self._working: dict[asyncio.Task[Brought], Item] = {}
        self._unit: list[Brought] = []
        self._commit: asyncio.Task[None] | None = None
        self._committing = 0
        self._oldest, self._claim_at = time.monotonic(), 0.0
        self._examiners = ThreadPoolExecutor(_EXAMINERS, "examine")

    async def run(self, phase: Callable[[], Phase], report: Callable[[Tally], None]) -> None:
        """Work until `phase` says end or the session is asked to stop; `report` hears of progress."""
        try:
            async with self._source.bringer(self._desk.settings) as bring:
                if isinstance(bring, HttpBring):
                    bring.attach(self._desk.frontier, self._share)
                while not self._desk.stopping() and phase() != "end":
                    self._claim()
                    self._begin(bring)
                    await self._step(bring, phase() == "listing")
                    report(self.tally)
                await self._drain()
        finally:
            await self._put_away()
        report(self.tally)

    def _claim(self) -> None:
        """Take items from hosts that have none waiting here; after an empty answer wait a little."""
        settings, now = self._desk.settings, time.monotonic()
        waiting = sum(map(len, self._ready.values()))
        room = min(_CLAIM - waiting, settings.unit_images - self._in_flight())
        if room <= 0 or now < self._claim_at:
            return
        each = max(8, 2 * settings.per_host) if self._source.over_http else _CLAIM
        found = self._desk.frontier.claim(
            self._desk.crawl_id,
            room,
            time.time(),
            share=self._share,
            busy=list(self._ready),
            each=each,
        )
        self._claim_at = 0.0 if found else now + _POLL_S
        for item in found:
            self._ready.setdefault(item.host, deque()).append(item)

    def _in_flight(self) -> int:
        waiting = sum(map(len, self._ready.values()))
        return waiting + len(self._working) + len(self._unit) + self._committing

    def _begin(self, bring: Bring) -> None:
        """Start what its host allows now."""
        if self._is_full():  # memory is bounded: no more bytes until these are on disk
            return
        http = bring if isinstance(bring, HttpBring) else None
        for host, items in list(self._ready.items()):
            while items and len(self._working) < self._desk.settings.concurrency:
                if items[0].refusal is None and http and not http.book(host):
                    break
                item = items.popleft()
                self._working[asyncio.create_task(self._bring(bring, item))] = item
            if items and http and http.closed_s(host) > _LONG_PAUSE_S:
                self._desk.frontier.release(items)
                items.clear()
            if not items:
                del self._ready[host]

    async def _bring(self, bring: Bring, item: Item) -> Brought:
        """Make one attempt, and look at the bytes away from the loop."""
        photographer = item.photo.get("photographer")
        if item.refusal:
            answer = Answer(item.url, failure=item.refusal)
        elif kind := self._blocklist.names(item.photo_id, item.url, photographer):
            answer = Answer(item.url, failure=Failure("final", "tombstoned", kind))
        else:
            answer = await bring(item)
        loop = asyncio.get_running_loop()
        pixels = self._desk.settings.max_pixels
        return await loop.run_in_executor(
            self._examiners, examined, item, answer, pixels, self._source
        )

    async def _step(self, bring: Bring, listing: bool) -> None:
        """Wait until something happens, and take it in."""
        waiting: set[asyncio.Task[Any]] = {*self._working}
        waiting |= {self._commit} if self._commit and not self._commit.done() else set()
        if waiting:
            pause = self._pause_s(bring)
            await asyncio.wait(waiting, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
        else:
            await asyncio.sleep(self._pause_s(bring))
        self._take_in()
        idle = not listing and not self._working and not self._ready
        await self._commit_if_due(idle=idle)
        self.tally.in_flight = len(self._working)

    def _pause_s(self, bring: Bring) -> float:
        """Wait no longer than until the next host with items may be asked."""
        if (
            not isinstance(bring, HttpBring)
            or len(self._working) >= self._desk.settings.concurrency
        ):
            return _POLL_S
        waits = (bring.wait_s(host) for host in self._ready)
        return min([_POLL_S, *filter(None, waits)])  # 0: it waits for a seat, not for a time

    def _take_in(self) -> None:
        for task in [task for task in self._working if task.done()]:
            item, brought = self._working.pop(task), task.result()
            if brought.elsewhere:
                self._desk.frontier.hand_over(item, brought.elsewhere)
                continue
            if not self._unit:
                self._oldest = time.monotonic()
            self._unit.append(brought)
        self._claim_at = (
            0.0 if len(self._working) < self._desk.settings.concurrency // 2 else self._claim_at
        )

    async def _commit_if_due(self, *, idle: bool) -> None:
        if self._commit and self._commit.done():
            self._commit.result()  # raises what went wrong
            self._commit = None
        late = time.monotonic() - self._oldest >= self._desk.settings.unit_s
        due = idle or late or self._is_full() or self._is_stuck()
        if self._unit and not self._commit and due:
            unit, self._unit = self._unit, []
            self._committing = len(unit)
            self._commit = asyncio.create_task(self._commit_unit(unit))

    def _is_full(self) -> bool:
        """Say whether what came in and is not being written is a whole unit."""
        settings = self._desk.settings
        bytes_in = sum(len(brought.body) for brought in self._unit)
        return len(self._unit) >= settings.unit_images or bytes_in >= settings.unit_bytes

    def _is_stuck(self) -> bool:
        """Say whether pictures that only wait to be written keep others from being claimed."""
        most = self._desk.settings.unit_images
        return self._in_flight() >= most and len(self._unit) >= most // 4

    async def _commit_unit(self, unit: list[Brought]) -> None:
        desk = self._desk
        kept = await asyncio.to_thread(
            commit_unit,
            *(desk.workspace, desk.frontier, desk.settings, unit),
            owner=self._share.owner,
            blocklist=self._blocklist,
        )
        for brought, settlement in kept.settled:
            self.tally.count(brought, settlement.state)
        if kept.put_off:
            await asyncio.sleep(_POLL_S)
        self._unit += kept.put_off
        self._committing = 0

    async def _drain(self) -> None:
        """Give what is in work some time, begin nothing new."""
        self._give_back()
        end = time.monotonic() + self._desk.settings.drain_s
        while self._working and time.monotonic() < end and not self._impatient():
            await asyncio.wait(self._working, timeout=_POLL_S)
            self._take_in()

    def _give_back(self) -> None:
        self._desk.frontier.release([item for items in self._ready.values() for item in items])
        self._ready = {}

    async def _put_away(self) -> None:
        """Commit what came in, give the rest back, whatever the reason for the end."""
        self._give_back()
        for task in self._working:
            task.cancel()
        await asyncio.gather(*self._working, return_exceptions=True)
        self._desk.frontier.release(self._working.values())
        self._working = {}
        if self._commit:
            await asyncio.gather(self._commit, return_exceptions=False)
        end = time.monotonic() + self._desk.settings.drain_s
        while self._unit and time.monotonic() < end:
            unit, self._unit = self._unit, []
            await self._commit_unit(unit)
        self._desk.frontier.release(brought.item for brought in self._unit)
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
        answer.modified,
        outcome="unchanged" if answer.unchanged else "done",
        elsewhere=answer.elsewhere,
    )
    if answer.failure or answer.unchanged or answer.elsewhere:
        return brought
    found = examine_crawled(answer.body, max_pixels=max_pixels, media=source.media)
    if found.rejected:
        failure = Failure(source.rejected, found.rejected, http_status=answer.http_status)
        return replace(brought, failure=failure)
    return replace(
        brought,
        sha256=found.sha256,
        asset=found.asset,
        exif=found.exif,
        content_name=source.content_name(found.sha256),
    )
