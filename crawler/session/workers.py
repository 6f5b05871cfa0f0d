"""Who does the work of a session: one worker in this process, or several in processes of their own.

A process is told its job as one JSON line on standard input and reports its counts as JSON lines on standard output.
Later lines on its input are phases; when input closes, because the session stops or was killed, it drains and goes.
"""

import asyncio
import json
import logging
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from typing import Protocol

from catalog import Workspace, start_logging
from crawler.errors import WorkersKeepDyingError
from crawler.frontier.frontier import Frontier
from crawler.frontier.items import Share
from crawler.listing.child_process import child_process
from crawler.listing.source import Desk, Source
from crawler.session.blocklist import Blocklist
from crawler.session.progress import Tally
from crawler.session.worker import Phase, Worker
from crawler.settings import CrawlSettings

log = logging.getLogger(__name__)

_FLAG = "--worker"
_POLL_S = 0.1
_MOST_DEATHS = 3


def first_error(group: ExceptionGroup[Exception]) -> Exception:
    """Give the first error of a group of tasks, and of the groups in it: the others follow from it."""
    error: Exception = group
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


class Crew(Protocol):
    """One or more workers, for one session."""

    async def run(self, phase: Callable[[], Phase], report: Callable[[Tally], None]) -> None:
        """Work until the end; `report` hears of the counts of all workers together."""


class ProcessCrew:
    """Several workers in processes of their own, each with its share of the hosts."""

    def __init__(
        self,
        desk: Desk,
        source: Source,
        workers: int,
        blocklist: Blocklist,
        recover: Callable[[str], None],
    ) -> None:
        """`recover` brings the frontier up to what a worker that died had written, by its name there."""
        self._desk, self._source, self._recover = desk, source, recover
        self._blocklist = blocklist
        self._shares = [Share(index, workers) for index in range(workers)]
        self._tallies = {share: Tally() for share in self._shares}
        self._deaths = 0

    async def run(self, phase: Callable[[], Phase], report: Callable[[Tally], None]) -> None:
        """Start the workers, and start one that dies anew."""

        async def tell() -> None:
            while True:
                report(self._together())
                await asyncio.sleep(_POLL_S)

        try:
            async with asyncio.TaskGroup() as beside:
                telling = beside.create_task(tell())
                async with asyncio.TaskGroup() as tasks:
                    for share in self._shares:
                        tasks.create_task(self._keep(share, phase))
                telling.cancel()
        except ExceptionGroup as group:
            raise first_error(group) from group
        finally:
            report(self._together())

    def _together(self) -> Tally:
        whole = Tally()
        for tally in self._tallies.values():
            whole.add(tally)
        return whole

    async def _keep(self, share: Share, phase: Callable[[], Phase]) -> None:
        """Let one worker work to its end, in a new process when the old one dies."""
        earlier = Tally()
        while True:
            code, tally = await self._attend(share, phase, earlier)
            earlier.add(tally)
            if code == 0 or self._desk.stopping():
                return
            self._deaths += 1
            log.warning(
                "%s died with code %s; its pictures go back to the queue", share.owner, code
            )
            await asyncio.to_thread(self._recover, share.owner)
            if self._deaths > _MOST_DEATHS:
                raise WorkersKeepDyingError(f"logs/{self._log_name(share)}")

    async def _attend(
        self, share: Share, phase: Callable[[], Phase], earlier: Tally
    ) -> tuple[int, Tally]:
        job = {
            "home": str(self._desk.workspace.home),
            "crawl_id": self._desk.crawl_id,
            "source": [self._source.name, dict(self._source.config)],
            "settings": asdict(self._desk.settings),
            "share": [share.index, share.count],
            "blocklist": self._blocklist.as_json(),
        }
        tally, log_file = Tally(), self._desk.workspace.logs / self._log_name(share)
        async with child_process(__name__, _FLAG, log_file) as child:
            await self._talk(child, job, phase, share, earlier, tally)
            return await child.wait(), tally

    async def _talk(
        self,
        child: asyncio.subprocess.Process,
        job: object,
        phase: Callable[[], Phase],
        share: Share,
        earlier: Tally,
        tally: Tally,
    ) -> None:
        assert child.stdin is not None, "asked for a pipe"
        assert child.stdout is not None, "asked for a pipe"
        child.stdin.write(json.dumps(job).encode() + b"\n")
        told: Phase = "listing"
        reading = asyncio.create_task(child.stdout.readline())
        while True:
            if (now := phase()) != told and not child.stdin.is_closing():
                told = now
                child.stdin.write(f"{now}\n".encode())
            if self._desk.stopping() and not child.stdin.is_closing():
                child.stdin.close()
            await asyncio.wait([reading], timeout=_POLL_S)
            if not reading.done():
                continue
            if not (line := reading.result()):
                return
            reading = asyncio.create_task(child.stdout.readline())
            for name, value in json.loads(line).items():
                setattr(tally, name, value)
            both = Tally()
            both.add(earlier)
            both.add(tally)
            self._tallies[share] = both

    def _log_name(self, share: Share) -> str:
        return f"{share.owner}-{self._desk.crawl_id}.log"


def main() -> None:
    """Be one worker's process."""
    from crawler.sources import SOURCES

    start_logging()
    job = json.loads(sys.stdin.readline())
    name, config = job["source"]
    workspace, share = Workspace.at(job["home"]), Share(*job["share"])
    heard = _Listener()
    blocklist = Blocklist.from_json(job["blocklist"])
    with Frontier(workspace.frontier) as frontier:
        settings = CrawlSettings(**job["settings"])
        desk = Desk(workspace, frontier, job["crawl_id"], settings, heard.stopped.is_set)
        worker = Worker(desk, SOURCES[name](**config), share, blocklist=blocklist)
        asyncio.run(worker.run(lambda: heard.phase, _Reporter()))


class _Listener:
    """Hear the session on standard input, in a thread."""

    def __init__(self) -> None:
        self.phase: Phase = "listing"
        self.stopped = threading.Event()
        # The session stops its workers by closing their input; a signal to the group is for the session.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: self.stopped.set())
        threading.Thread(target=self._hear, daemon=True).start()

    def _hear(self) -> None:
        try:
            for line in sys.stdin:
                self.phase = line.strip()  # type: ignore[assignment]  # the session writes phases
        finally:
            self.stopped.set()  # a session that cannot be heard any more is gone


class _Reporter:
    """Write counts to standard output when they change."""

    def __init__(self) -> None:
        self._said = ""

    def __call__(self, tally: Tally) -> None:
        about = asdict(tally)
        counts = json.dumps({name: about[name] for name in (*Tally.COUNTS, "errors")})
        if counts != self._said:
            self._said = counts
            sys.stdout.write(counts + "\n")
            sys.stdout.flush()


if __name__ == "__main__" and sys.argv[1:] == [_FLAG]:
    main()
