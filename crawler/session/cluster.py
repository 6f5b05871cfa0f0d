"""Workers as actors of a Ray cluster; one actor serves them the frontier.

The workspace must be on storage that every node can access, because workers write segments there. Only the frontier's
actor, on the node of the session, opens its SQLite file.
"""

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from catalog import Workspace, first_line, join_ray, last_line
from crawler.errors import FrontierLostError, WorkersKeepDyingError
from crawler.frontier.frontier import Frontier
from crawler.frontier.items import HostPartition
from crawler.listing.source_contract import CONTACT_VARIABLE, CrawlContext, Source
from crawler.session.blocklist import Blocklist
from crawler.session.progress import CrawlProgress
from crawler.session.worker import Phase, Worker
from crawler.session.workers import first_error
from crawler.settings import CrawlSettings

log = logging.getLogger(__name__)

_POLL_S = 0.2
_MOST_DEATHS = 3


class FrontierActor:
    """Serve the methods of the frontier by name."""

    def __init__(self, home: str) -> None:
        self._frontier = Frontier(Workspace.at(home).frontier)

    def call(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call one method of the frontier."""
        return getattr(self._frontier, name)(*args, **kwargs)


class RemoteFrontier:
    """A frontier whose methods are calls of its actor."""

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            plain = tuple(list(a) if hasattr(a, "__next__") else a for a in args)
            return ray.get(self._actor.call.remote(name, plain, kwargs))

        return call


class WorkerActor:
    """One worker; `exchange` returns its progress while it works."""

    def __init__(self, job: dict[str, Any], frontier: Any, blocklist: Blocklist) -> None:
        from crawler.sources import SOURCES

        self._phase: Phase = "listing"
        self._stopping = False
        name, config = job["source"]
        context = CrawlContext(
            Workspace.at(job["home"]),
            RemoteFrontier(frontier),  # type: ignore[arg-type]  # has the same methods
            job["crawl_id"],
            CrawlSettings(**job["settings"]),
            lambda: self._stopping,
        )
        partition = HostPartition(*job["share"])
        self._worker = Worker(context, SOURCES[name](**config), partition, blocklist=blocklist)

    async def run(self) -> CrawlProgress:
        """Work until the phase is end."""
        await self._worker.run(lambda: self._phase, lambda progress: None)  # noqa: ARG005 - see `exchange`
        return self._worker.progress

    async def exchange(self, phase: Phase, *, is_stopping: bool) -> CrawlProgress:
        """Take the phase of the session, and return the progress of this worker."""
        self._phase, self._stopping = phase, is_stopping
        return self._worker.progress


class RayWorkerPool:
    """Workers on a Ray cluster: `address` as ray.init takes it (local, auto, ray://...)."""

    def __init__(
        self,
        context: CrawlContext,
        source: Source,
        cluster: tuple[str, int],
        blocklist: Blocklist,
        recover: Callable[[str], None],
    ) -> None:
        """`cluster` is its address and the number of workers; `recover` as for `ProcessWorkerPool`."""
        self._context, self._source, self._recover = context, source, recover
        self._blocklist = blocklist
        (self._address, workers), self._deaths = cluster, 0
        self._running: set[HostPartition] = set()
        self._frontier: Any = None
        self._log = ""
        self._partitions = [HostPartition(index, workers) for index in range(workers)]

    async def run(
        self, phase: Callable[[], Phase], report: Callable[[CrawlProgress], None]
    ) -> None:
        """Run the actors; an actor that dies is replaced.

        Raises `ClusterError`, `UsageError` where the current folder would hide our packages from them,
        `FrontierLostError`.
        """
        self._log = _log_folder(join_ray(self._address))
        try:
            frontier = self._serve_frontier()
            progress_by_worker: dict[str, list[CrawlProgress]] = {
                partition.owner: [] for partition in self._partitions
            }
            async with asyncio.TaskGroup() as tasks:
                for partition in self._partitions:
                    start = partial(self._start, partition, frontier)
                    tasks.create_task(
                        self._run_with_restarts(
                            partition, start, phase, progress_by_worker[partition.owner]
                        )
                    )
                tasks.create_task(self._report_progress(progress_by_worker, report))
        except ExceptionGroup as group:
            raise first_error(group) from group
        finally:
            ray.shutdown()

    def _serve_frontier(self) -> Any:
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        actor = ray.remote(FrontierActor).options(num_cpus=0, scheduling_strategy=here)
        self._frontier = actor.remote(str(self._context.workspace.home))
        return self._frontier

    async def _report_progress(
        self,
        progress_by_worker: Mapping[str, list[CrawlProgress]],
        report: Callable[[CrawlProgress], None],
    ) -> None:
        """Report the sum of all actors' progress, until each actor has ended."""
        while True:
            total = CrawlProgress()
            for progress in [
                progress for of_worker in progress_by_worker.values() for progress in of_worker
            ]:
                total.add(progress)
            report(total)
            if not self._running:
                return
            await asyncio.sleep(_POLL_S)

    async def _run_with_restarts(
        self,
        partition: HostPartition,
        start: Callable[[], Any],
        phase: Callable[[], Phase],
        progress_by_worker: list[CrawlProgress],
    ) -> None:
        """Run one worker to its end, in a new actor when the old one dies."""
        self._running.add(partition)
        while True:
            progress_by_worker.append(CrawlProgress())
            try:
                progress_by_worker[-1] = await self._run_actor(start(), phase, progress_by_worker)
            except ray.exceptions.RayActorError as error:
                self._deaths += 1
                why = first_line(error)
                log.warning("%s died: %s", partition.owner, why)
                await self._check_frontier()
                await asyncio.to_thread(self._recover, partition.owner)
                if self._deaths > _MOST_DEATHS:
                    raise WorkersKeepDyingError(self._log) from error
            else:
                self._running.discard(partition)
                return

    async def _check_frontier(self) -> None:
        """Raise `FrontierLostError` when not the worker died, but the actor of the frontier."""
        try:
            await asyncio.to_thread(ray.get, self._frontier.call.remote("paused_hosts", (), {}))
        except ray.exceptions.RayActorError as error:
            why = last_line(str(error))
            raise FrontierLostError(why, self._log) from error

    async def _run_actor(
        self, actor: Any, phase: Callable[[], Phase], progress_by_worker: list[CrawlProgress]
    ) -> CrawlProgress:
        """Send the phase of the session to an actor until it ends; return its progress."""
        work = asyncio.wrap_future(actor.run.remote().future())
        while not work.done():
            await asyncio.wait([work], timeout=_POLL_S)
            if not work.done():
                progress_by_worker[-1] = await actor.exchange.remote(
                    phase(), is_stopping=self._context.is_stopping()
                )
        counts: CrawlProgress = await work
        return counts

    def _start(self, partition: HostPartition, frontier: Any) -> Any:
        job = {
            "home": str(self._context.workspace.home),
            "crawl_id": self._context.crawl_id,
            "source": [self._source.name, dict(self._source.config)],
            "settings": asdict(self._context.settings),
            "share": [partition.index, partition.count],
        }
        options = {"runtime_env": {"env_vars": _contact()}, "num_cpus": 1}
        return ray.remote(WorkerActor).options(**options).remote(job, frontier, self._blocklist)


def _log_folder(began: Any) -> str:
    """Return where Ray writes the logs of this node; a client of a remote cluster has none."""
    session = getattr(began, "address_info", {}).get("session_dir", "")
    return f"{session}/logs" if session else "/tmp/ray/session_latest/logs of the head node"  # noqa: S108 - Ray's folder


def _contact() -> dict[str, str]:
    """Return the environment with the contact of the User-Agent."""
    return {CONTACT_VARIABLE: os.environ.get(CONTACT_VARIABLE, "")}
