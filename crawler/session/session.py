"""One session of a crawl: the listing fills the frontier and workers empty it, until the end or a stop request."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from crawler.fetch.hosts import host_of
from crawler.fetch.pauses import HostPause, moment_text
from crawler.listing.call_failure import CallFailure
from crawler.listing.source_contract import CrawlContext, Discovery, Source
from crawler.session.committer import Committer
from crawler.session.progress import CrawlProgress
from crawler.session.worker import Phase
from crawler.session.workers import WorkerPool, first_error

log = logging.getLogger(__name__)

_POLL_S = 0.1
_PAUSES_S = 1.0  # how often paused hosts are read
_REQUESTS_S = 0.5  # how often stop requests of other processes are read


@dataclass
class StopRequest:
    """A stop request, made by signals or other threads; a second one stops immediately."""

    _requests: list[bool] = field(default_factory=list)

    def request(self) -> None:
        """Request to stop after the pictures in work; a second request stops at once."""
        self._requests.append(True)

    def is_requested(self) -> bool:
        """Say whether to start nothing new."""
        return bool(self._requests)

    def is_immediate(self) -> bool:
        """Say whether to cancel the pictures in work, too."""
        return len(self._requests) > 1


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
        """`committer` commits the spool; with `wait` the session waits for an API quota."""
        self._context, self._source, self._workers, self._stop = context, source, workers, stop
        self._committer, self._wait_for_quota = committer, wait
        self._phase: Phase = "listing"
        self._api_pause: list[HostPause] = []
        self._call_failure: CallFailure | None = None
        self._host_pauses: list[HostPause] = []
        self._pauses_read = 0.0
        self.progress = CrawlProgress()

    async def run(self, report: Callable[[CrawlProgress], None]) -> Discovery:
        """Run until the end; return how the listing ended. `report` receives the progress.

        An error in a task beside the workers ends the session, too, and is raised here.
        """

        def on_progress(progress: CrawlProgress) -> None:
            self._update_progress(progress)
            report(self.progress)

        listing = asyncio.create_task(self._discover())
        try:
            async with asyncio.TaskGroup() as background:
                tasks = [
                    background.create_task(self._watch(listing)),
                    background.create_task(self._committer.run()),
                ]
                await self._workers.run(lambda: self._phase, on_progress)
                for task in tasks:
                    task.cancel()
            return await listing
        except ExceptionGroup as group:
            raise first_error(group) from group
        finally:
            if not listing.done():
                self._stop.request()  # a listing in a thread ends only by this
                listing.cancel()
                await asyncio.gather(listing, return_exceptions=True)

    async def _discover(self) -> Discovery:
        while True:
            discovery = await self._source.discover(
                replace(self._context, report_call=self._report_call)
            )
            self._report_call(None)
            if discovery.status != "quota" or not self._wait_for_quota:
                return discovery
            self._api_pause = [HostPause(api_name(self._source), discovery.wait_until)]
            log.info("quota used up; waiting until %s", moment_text(discovery.wait_until))
            while time.time() < discovery.wait_until and not self._stop.is_requested():  # noqa: ASYNC110  # signals set it
                await asyncio.sleep(_POLL_S)
            self._api_pause = []
            if self._stop.is_requested():
                return discovery

    def _report_call(self, failure: CallFailure | None) -> None:
        self._call_failure = failure

    async def _watch(self, listing: asyncio.Task[Discovery]) -> None:
        """Update the phase, and stop on a request of another process or when commits have failed for too long."""
        frontier, requests_read = self._context.frontier, 0.0
        while True:
            if listing.done():
                # Photos that an incomplete listing has not prepared are not due: the next session prepares them.
                waiting = frontier.next_due(self._context.crawl_id) is not None
                left = waiting or frontier.counts(self._context.crawl_id).get("in_flight", 0)
                self._phase = "listed" if left else "end"
            if time.monotonic() - requests_read > _REQUESTS_S:
                requests_read = time.monotonic()
                must_stop = frontier.has_request("stop") or self._committer.has_given_up()
                if must_stop and not self._stop.is_requested():
                    self._stop.request()
            await asyncio.sleep(_POLL_S)

    def _update_progress(self, progress: CrawlProgress) -> None:
        progress.started, self.progress = self.progress.started, progress
        progress.source, progress.crawl_id = self._source.name, self._context.crawl_id
        progress.listing = self._phase == "listing"
        progress.commit_failure = self._committer.commit_failure
        progress.call_failure = self._call_failure
        counts = self._context.frontier.counts(self._context.crawl_id)
        progress.queued = counts.get("queued", 0)
        progress.pauses = [*self._api_pause, *self._paused_hosts()]
        progress.read = 0 if counts else self._context.frontier.cursor(self._context.crawl_id).rows

    def _paused_hosts(self) -> list[HostPause]:
        """Return the paused hosts that pictures wait for, read periodically."""
        if self._source.over_http and time.monotonic() - self._pauses_read > _PAUSES_S:
            self._pauses_read = time.monotonic()
            self._host_pauses = self._context.frontier.pauses(self._context.crawl_id)
        return self._host_pauses


def api_name(source: Source) -> str:
    """Name the host of a source's API."""
    return host_of(str(getattr(source, "api_address", ""))) or f"the API of {source.name}"
