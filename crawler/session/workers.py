"""The worker pool of a session: one worker in this process, or several in processes of their own.

A worker process reads its job as one JSON line from standard input and writes its counts as JSON lines to standard
output. Later lines of its input are phases. When the input closes, because the session stops or was killed, the worker
drains and exits.
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
from crawler.frontier.items import HostPartition
from crawler.listing.child_process import child_process
from crawler.listing.source_contract import CrawlContext, Source
from crawler.session.blocklist import Blocklist
from crawler.session.progress import CrawlProgress
from crawler.session.worker import Phase, Worker
from crawler.settings import CrawlSettings

log = logging.getLogger(__name__)

_FLAG = "--worker"
_POLL_S = 0.1
_MOST_DEATHS = 3


def first_error(group: ExceptionGroup[Exception]) -> Exception:
    """Return the first error of a group of tasks and of nested groups: the others follow from it."""
    error: Exception = group
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


class WorkerPool(Protocol):
    """One or more workers of one session."""

    async def run(
        self, phase: Callable[[], Phase], report: Callable[[CrawlProgress], None]
    ) -> None:
        """Work until the end; `report` receives the sum of all workers' progress."""


class ProcessWorkerPool:
    """Several workers in processes of their own, each with a partition of the hosts."""

    def __init__(
        self,
        context: CrawlContext,
        source: Source,
        workers: int,
        blocklist: Blocklist,
        recover: Callable[[str], None],
    ) -> None:
        """`recover` reconciles the frontier with the segments of a dead worker, by its name in the frontier."""
        self._context, self._source, self._recover = context, source, recover
        self._blocklist = blocklist
        self._partitions = [HostPartition(index, workers) for index in range(workers)]
        self._progress_by_worker = {partition: CrawlProgress() for partition in self._partitions}
        self._deaths = 0

    async def run(
        self, phase: Callable[[], Phase], report: Callable[[CrawlProgress], None]
    ) -> None:
        """Run the workers; a worker that dies is replaced."""

        async def report_total() -> None:
            while True:
                report(self._total())
                await asyncio.sleep(_POLL_S)

        try:
            async with asyncio.TaskGroup() as background:
                reporting = background.create_task(report_total())
                async with asyncio.TaskGroup() as tasks:
                    for partition in self._partitions:
                        tasks.create_task(self._run_with_restarts(partition, phase))
                reporting.cancel()
        except ExceptionGroup as group:
            raise first_error(group) from group
        finally:
            report(self._total())

    def _total(self) -> CrawlProgress:
        total = CrawlProgress()
        for progress in self._progress_by_worker.values():
            total.add(progress)
        return total

    async def _run_with_restarts(
        self, partition: HostPartition, phase: Callable[[], Phase]
    ) -> None:
        """Run one worker to its end, in a new process when the old one dies."""
        earlier = CrawlProgress()
        while True:
            code, progress = await self._run_child(partition, phase, earlier)
            earlier.add(progress)
            if code == 0 or self._context.is_stopping():
                return
            self._deaths += 1
            log.warning(
                "%s died with code %s; its pictures go back to the queue", partition.owner, code
            )
            await asyncio.to_thread(self._recover, partition.owner)
            if self._deaths > _MOST_DEATHS:
                raise WorkersKeepDyingError(
                    str(self._context.workspace.logs / self._log_name(partition))
                )

    async def _run_child(
        self, partition: HostPartition, phase: Callable[[], Phase], earlier: CrawlProgress
    ) -> tuple[int, CrawlProgress]:
        job = {
            "home": str(self._context.workspace.home),
            "crawl_id": self._context.crawl_id,
            "source": [self._source.name, dict(self._source.config)],
            "settings": asdict(self._context.settings),
            "share": [partition.index, partition.count],
            "blocklist": self._blocklist.to_json(),
        }
        progress, log_file = (
            CrawlProgress(),
            self._context.workspace.logs / self._log_name(partition),
        )
        async with child_process(__name__, _FLAG, log_file) as child:
            await self._communicate(child, job, phase, partition, earlier, progress)
            return await child.wait(), progress

    async def _communicate(
        self,
        child: asyncio.subprocess.Process,
        job: object,
        phase: Callable[[], Phase],
        partition: HostPartition,
        earlier: CrawlProgress,
        progress: CrawlProgress,
    ) -> None:
        assert child.stdin is not None, "stdin and stdout are pipes"
        assert child.stdout is not None, "stdin and stdout are pipes"
        child.stdin.write(json.dumps(job).encode() + b"\n")
        sent: Phase = "listing"
        reading = asyncio.create_task(child.stdout.readline())
        while True:
            if (now := phase()) != sent and not child.stdin.is_closing():
                sent = now
                child.stdin.write(f"{now}\n".encode())
            if self._context.is_stopping() and not child.stdin.is_closing():
                child.stdin.close()
            await asyncio.wait([reading], timeout=_POLL_S)
            if not reading.done():
                continue
            if not (line := reading.result()):
                return
            reading = asyncio.create_task(child.stdout.readline())
            for name, value in json.loads(line).items():
                setattr(progress, name, value)
            both = CrawlProgress()
            both.add(earlier)
            both.add(progress)
            self._progress_by_worker[partition] = both

    def _log_name(self, partition: HostPartition) -> str:
        return f"{partition.owner}-{self._context.crawl_id}.log"


def main() -> None:
    """Run one worker in this process."""
    from crawler.sources import SOURCES

    start_logging()
    job = json.loads(sys.stdin.readline())
    name, config = job["source"]
    workspace, partition = Workspace.at(job["home"]), HostPartition(*job["share"])
    session_input = _SessionInput()
    blocklist = Blocklist.from_json(job["blocklist"])
    with Frontier(workspace.frontier) as frontier:
        settings = CrawlSettings(**job["settings"])
        context = CrawlContext(
            workspace, frontier, job["crawl_id"], settings, session_input.stopped.is_set
        )
        worker = Worker(context, SOURCES[name](**config), partition, blocklist=blocklist)
        asyncio.run(worker.run(lambda: session_input.phase, _ProgressWriter()))


class _SessionInput:
    """Read phases of the session from standard input, in a thread."""

    def __init__(self) -> None:
        self.phase: Phase = "listing"
        self.stopped = threading.Event()
        # The session stops its workers by closing their input; signals to the group are for the session.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: self.stopped.set())
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            for line in sys.stdin:
                self.phase = line.strip()  # type: ignore[assignment]  # the session writes phases
        finally:
            self.stopped.set()  # the session has ended


class _ProgressWriter:
    """Write the counts to standard output when they change."""

    def __init__(self) -> None:
        self._written = ""

    def __call__(self, progress: CrawlProgress) -> None:
        values = asdict(progress)
        counts = json.dumps({name: values[name] for name in (*CrawlProgress.COUNTS, "errors")})
        if counts != self._written:
            self._written = counts
            sys.stdout.write(counts + "\n")
            sys.stdout.flush()


if __name__ == "__main__" and sys.argv[1:] == [_FLAG]:
    main()
