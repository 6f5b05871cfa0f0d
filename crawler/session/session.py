"""One session of a crawl: a listing fills the frontier while a crew empties it, until the end or a stop."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from crawler.fetch.hosts import host_of
from crawler.fetch.pauses import HostPause, moment_text
from crawler.listing.source import CrawlContext, Discovery, Source
from crawler.session.committer import Committer
from crawler.session.progress import CrawlProgress
from crawler.session.worker import Phase
from crawler.session.workers import WorkerPool, first_error

log = logging.getLogger(__name__)

_POLL_S = 0.1
_PAUSES_S = 1.0  # how often closed hosts are looked up
_WISH_S = 0.5  # how often another process's wish to stop is looked for


@dataclass
class StopRequest:
    """A wish to stop that signals and other threads may make; a second one is impatient."""

    _wishes: list[bool] = field(default_factory=list)

    def request(self) -> None:
        """Ask to stop after what is in work, or, asked again, at once."""
        self._wishes.append(True)

    def is_requested(self) -> bool:
        """Say whether to begin nothing new."""
        return bool(self._wishes)

    def is_immediate(self) -> bool:
        """Say whether to leave even what is in work."""
        return len(self._wishes) > 1


class Session:
    """The work of one session; `run` does it once."""

    def __init__(
        self,
        context: CrawlContext,
        source: Source,
        workers: WorkerPool,
        committer: Committer,
        stop: StopRequest,
        *,
        wait: bool,
    ) -> None:
        """`committer` commits the spool, `wait` waits for an API quota."""
        self._context, self._source, self._workers, self._stop = context, source, workers, stop
        self._committer, self._wait_for_quota = committer, wait
        self._phase: Phase = "listing"
        self._api_pause: list[HostPause] = []
        self._host_pauses: list[HostPause] = []
        self._pauses_read = 0.0
        self.progress = CrawlProgress()

    async def run(self, report: Callable[[CrawlProgress], None]) -> Discovery:
        """Work until the end; return how the listing ended. `report` hears of progress.

        An error in whatever runs beside the crew ends the session, too, and is raised here.
        """

        def hear(progress: CrawlProgress) -> None:
            self._update_progress(progress)
            report(self.progress)

        listing = asyncio.create_task(self._discover())
        try:
            async with asyncio.TaskGroup() as beside:
                tasks = [
                    beside.create_task(self._watch(listing)),
                    beside.create_task(self._committer.run()),
                ]
                await self._workers.run(lambda: self._phase, hear)
                for task in tasks:
                    task.cancel()
            return await listing
        except ExceptionGroup as group:
            raise first_error(group) from group
        finally:
            if not listing.done():
                self._stop.request()  # a listing in a thread ends by this only
                listing.cancel()
                await asyncio.gather(listing, return_exceptions=True)

    async def _discover(self) -> Discovery:
        while True:
            discovery = await self._source.discover(self._context)
            if discovery.status != "quota" or not self._wait_for_quota:
                return discovery
            self._api_pause = [HostPause(api_name(self._source), discovery.wait_until)]
            log.info("quota used up; waiting until %s", moment_text(discovery.wait_until))
            while time.time() < discovery.wait_until and not self._stop.is_requested():  # noqa: ASYNC110  # signals set it
                await asyncio.sleep(_POLL_S)
            self._api_pause = []
            if self._stop.is_requested():
                return discovery

    async def _watch(self, listing: asyncio.Task[Discovery]) -> None:
        """Follow the listing and the queue, and hear wishes to stop; stop when commits have failed for too long."""
        frontier, looked = self._context.frontier, 0.0
        while True:
            if listing.done():
                # Photos that a broken listing has not made ready have no turn: they are left to the next session.
                waiting = frontier.next_due(self._context.crawl_id) is not None
                left = waiting or frontier.counts(self._context.crawl_id).get("in_flight", 0)
                self._phase = "listed" if left else "end"
            if time.monotonic() - looked > _WISH_S:
                looked = time.monotonic()
                wished = frontier.has_request("stop") or self._committer.has_given_up()
                if wished and not self._stop.is_requested():
                    self._stop.request()
            await asyncio.sleep(_POLL_S)

    def _update_progress(self, progress: CrawlProgress) -> None:
        progress.started, self.progress = self.progress.started, progress
        progress.source, progress.crawl_id = self._source.name, self._context.crawl_id
        progress.listing = self._phase == "listing"
        progress.commit_failure = self._committer.commit_failure
        counts = self._context.frontier.counts(self._context.crawl_id)
        progress.queued = counts.get("queued", 0)
        progress.pauses = [*self._api_pause, *self._closed_hosts()]
        progress.read = 0 if counts else self._context.frontier.cursor(self._context.crawl_id).rows

    def _closed_hosts(self) -> list[HostPause]:
        """Return the hosts that pictures wait for, looked up now and then."""
        if self._source.over_http and time.monotonic() - self._pauses_read > _PAUSES_S:
            self._pauses_read = time.monotonic()
            self._host_pauses = self._context.frontier.pauses(self._context.crawl_id)
        return self._host_pauses


def api_name(source: Source) -> str:
    """Name the host of a source's API."""
    return host_of(str(getattr(source, "api_address", ""))) or f"the API of {source.name}"
