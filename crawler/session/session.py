"""One session of a crawl: a listing fills the frontier while a crew empties it, until the end or a stop."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from crawler.fetch.hosts import host_of
from crawler.fetch.pauses import HostPause, moment_text
from crawler.listing.source import Desk, Discovery, Source
from crawler.session.committer import Committer
from crawler.session.progress import Tally
from crawler.session.worker import Phase
from crawler.session.workers import Crew, first_error

log = logging.getLogger(__name__)

_POLL_S = 0.1
_PAUSES_S = 1.0  # how often closed hosts are looked up
_WISH_S = 0.5  # how often another process's wish to stop is looked for


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
        crew: Crew,
        committer: Committer,
        stop: StopRequest,
        *,
        wait: bool,
    ) -> None:
        """`committer` commits the spool, `wait` waits for an API quota."""
        self._desk, self._source, self._crew, self._stop = desk, source, crew, stop
        self._committer, self._wait_for_quota = committer, wait
        self._phase: Phase = "listing"
        self._api_pause: list[HostPause] = []
        self._host_pauses: list[HostPause] = []
        self._pauses_read = 0.0
        self.tally = Tally()

    async def run(self, report: Callable[[Tally], None]) -> Discovery:
        """Work until the end; return how the listing ended. `report` hears of progress.

        An error in whatever runs beside the crew ends the session, too, and is raised here.
        """

        def hear(tally: Tally) -> None:
            self._take_in(tally)
            report(self.tally)

        listing = asyncio.create_task(self._discover())
        try:
            async with asyncio.TaskGroup() as beside:
                tasks = [
                    beside.create_task(self._watch(listing)),
                    beside.create_task(self._committer.run()),
                ]
                await self._crew.run(lambda: self._phase, hear)
                for task in tasks:
                    task.cancel()
            return await listing
        except ExceptionGroup as group:
            raise first_error(group) from group
        finally:
            if not listing.done():
                self._stop.ask()  # a listing in a thread ends by this only
                listing.cancel()
                await asyncio.gather(listing, return_exceptions=True)

    async def _discover(self) -> Discovery:
        while True:
            found = await self._source.discover(self._desk)
            if found.status != "quota" or not self._wait_for_quota:
                return found
            self._api_pause = [HostPause(api_name(self._source), found.wait_until)]
            log.info("quota used up; waiting until %s", moment_text(found.wait_until))
            while time.time() < found.wait_until and not self._stop.asked():  # noqa: ASYNC110  # signals set it
                await asyncio.sleep(_POLL_S)
            self._api_pause = []
            if self._stop.asked():
                return found

    async def _watch(self, listing: asyncio.Task[Discovery]) -> None:
        """Follow the listing and the queue, and hear wishes to stop; stop when commits have failed for too long."""
        frontier, looked = self._desk.frontier, 0.0
        while True:
            if listing.done():
                # Photos that a broken listing has not made ready have no turn: they are left to the next session.
                waiting = frontier.next_due(self._desk.crawl_id) is not None
                left = waiting or frontier.counts(self._desk.crawl_id).get("in_flight", 0)
                self._phase = "listed" if left else "end"
            if time.monotonic() - looked > _WISH_S:
                looked = time.monotonic()
                wished = frontier.wished("stop") or self._committer.has_given_up()
                if wished and not self._stop.asked():
                    self._stop.ask()
            await asyncio.sleep(_POLL_S)

    def _take_in(self, tally: Tally) -> None:
        tally.started, self.tally = self.tally.started, tally
        tally.source, tally.crawl_id = self._source.name, self._desk.crawl_id
        tally.listing = self._phase == "listing"
        tally.trouble = self._committer.trouble
        counts = self._desk.frontier.counts(self._desk.crawl_id)
        tally.queued = counts.get("queued", 0)
        tally.pauses = [*self._api_pause, *self._closed_hosts()]
        tally.read = 0 if counts else self._desk.frontier.cursor(self._desk.crawl_id).rows

    def _closed_hosts(self) -> list[HostPause]:
        """Return the hosts that pictures wait for, looked up now and then."""
        if self._source.over_http and time.monotonic() - self._pauses_read > _PAUSES_S:
            self._pauses_read = time.monotonic()
            self._host_pauses = self._desk.frontier.pauses(self._desk.crawl_id)
        return self._host_pauses


def api_name(source: Source) -> str:
    """Name the host of a source's API."""
    return host_of(str(getattr(source, "api_address", ""))) or f"the API of {source.name}"
