"""Run a crawl: the functions behind `safelight crawl run`, `resume` and `retry`."""

import asyncio
import importlib
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

from catalog import Catalog, Workspace, counted, of_crawl
from crawler.errors import CrawlNotFoundError, NothingToResumeError, WorkerNotRecoveredError
from crawler.fetch.failures import ErrorClass
from crawler.frontier.frontier import Frontier
from crawler.frontier.items import CrawlRecord, DeadLetter
from crawler.listing.source_contract import CrawlContext, Discovery, Source
from crawler.listing.vocabulary import utc_now
from crawler.session.basis import BASIS, id_without_basis, record_basis
from crawler.session.blocklist import read_blocklist
from crawler.session.commit_unit import reconcile, restore_history, write_rows
from crawler.session.committer import Committer
from crawler.session.progress import CrawlProgress
from crawler.session.records import make_crawl_id
from crawler.session.session import Session, StopRequest
from crawler.session.session_lock import open_frontier
from crawler.session.summary import CrawlSummary, session_row, summarise, with_commits
from crawler.session.uncommitted import segments_by_crawl
from crawler.session.worker import Worker
from crawler.session.workers import ProcessWorkerPool, WorkerPool
from crawler.settings import CrawlSettings
from crawler.sources import SOURCES


@dataclass(frozen=True)
class CrawlOptions:
    """How to run a session; the source says what is crawled.

    `changed` are settings by name that this crawl changes from those of the workspace; the frontier stores them, and
    `resume` and `retry` use them.
    `relist` lists a source again whose listing has ended. `retry` queues failed pictures again: of one error
    class, or `all`; those for which the SQL predicate `where` is true. `recrawl_s` fetches pictures again whose last
    fetch is older, in seconds. `workers` is the number of processes; with `cluster` they are actors of a Ray cluster.
    With `wait_for_quota` the session waits for a new API quota; otherwise it stops. `report` receives the progress.
    """

    relist: bool = True
    retry: ErrorClass | Literal["all"] | None = None
    where: str | None = None
    recrawl_s: float | None = None
    workers: int = 1
    cluster: str | None = None
    wait_for_quota: bool = False
    changed: Mapping[str, object] = field(default_factory=dict)
    stop: StopRequest = field(default_factory=StopRequest)
    report: Callable[[CrawlProgress], None] = lambda progress: None  # noqa: ARG005  # silent


def crawl(
    workspace: Workspace,
    source: Source,
    settings: CrawlSettings | None = None,
    options: CrawlOptions | None = None,
) -> CrawlSummary:
    """Crawl `source` into the catalog until its end.

    A repeated crawl of the same source continues where the last session ended. When the listing had ended, the source
    is listed again, and only new photos are fetched. SIGINT and SIGTERM stop the session cleanly when this is called
    from the main thread (call it from a thread when an event loop runs in yours). Raises a `CrawlError` when the crawl
    cannot start; pictures that fail become rows.
    """
    source.check()
    options = options or CrawlOptions()
    _check_cluster(options)
    settings = replace(settings or CrawlSettings(), **dict(options.changed))  # type: ignore[arg-type]  # its own fields
    settings = source.adjust(settings)
    workspace.make()
    with open_frontier(workspace, settings) as (frontier, catalog, gained):
        key = _id_of(source, frontier, catalog)
        restore_history(frontier, catalog, key)
        context = _open_context(workspace, frontier, key, source, settings, options)
        with _stop_on_signals(options.stop):
            summary = _run(context, source, catalog, options)
        total = {name: n + gained.get(name, 0) for name, n in summary.rows.items()}
        summary = replace(summary, rows={**gained, **total})
        if summary.uncommitted:  # the catalog lacks the rows that the queries below need
            return summary
        basis = record_basis(catalog, frontier, key, source.config.get(BASIS))
        return replace(summary, basis=basis, permission=of_crawl(catalog, key))


def _check_cluster(options: CrawlOptions) -> None:
    """Raise `ModuleNotFoundError` for workers on a cluster without Ray, before anything is created."""
    if options.cluster is not None:
        importlib.import_module("ray")


def resume(
    workspace: Workspace,
    settings: CrawlSettings | None = None,
    options: CrawlOptions | None = None,
    *,
    crawl_id: str | None = None,
    wanted: str | None = None,
) -> CrawlSummary:
    """Continue a crawl: the last used one that is open, or the one whose id starts with `crawl_id`.

    When no crawl is open, the segments in the spool are committed. Raises `NothingToResumeError` when there are none.
    `wanted` is the deprecated name of `crawl_id`.
    """
    crawl_id = _renamed(crawl_id, wanted)
    records = _list_crawls(workspace)
    still_open = (record for record in records if record.open)
    record = find_crawl(records, crawl_id) if crawl_id else next(still_open, None)
    if record is None:
        return _commit_spool(workspace, settings or CrawlSettings(), records)
    options = options or CrawlOptions()
    changed = {**record.changed, **options.changed}
    options = replace(options, relist=False, changed=changed)
    return crawl(workspace, source_of(record), settings, options)


def retry(
    workspace: Workspace,
    settings: CrawlSettings | None = None,
    options: CrawlOptions | None = None,
    *,
    crawl_id: str | None = None,
    wanted: str | None = None,
) -> CrawlSummary:
    """Try the failed pictures of one crawl again: transient failures unless `options.retry` says otherwise.

    The crawl is the last used one, or the one whose id starts with `crawl_id`. `wanted` is the deprecated name of
    `crawl_id`.
    """
    options = options or CrawlOptions()
    record = find_crawl(_list_crawls(workspace), _renamed(crawl_id, wanted))
    changed = {**record.changed, **options.changed}
    kind = options.retry or "transient"
    options = replace(options, relist=False, retry=kind, changed=changed)
    return crawl(workspace, source_of(record), settings, options)


def _renamed(crawl_id: str | None, wanted: str | None) -> str | None:
    if wanted is None:
        return crawl_id
    warnings.warn(
        "the argument `wanted` is now `crawl_id`; the old name will be removed",
        DeprecationWarning,
        stacklevel=3,
    )
    return wanted


def dead_letters(
    workspace: Workspace, crawl_id: str | None = None, where: str | None = None
) -> list[DeadLetter]:
    """List the failed photos of a crawl: the last used one, or `crawl_id`; raises `PredicateError`."""
    record = find_crawl(_list_crawls(workspace), crawl_id)
    with Frontier(workspace.frontier) as frontier:
        return frontier.dead_letters(record.crawl_id, where)


def no_retry(
    workspace: Workspace, crawl_id: str | None, kind: ErrorClass | Literal["all"], where: str
) -> str:
    """Explain that a retry of a crawl would choose no picture; return an empty text when it chooses one."""
    record = find_crawl(_list_crawls(workspace), crawl_id)
    with Frontier(workspace.frontier) as frontier:
        if frontier.count_retryable(record.crawl_id, None if kind == "all" else kind, where):
            return ""
    failed = record.counts.get("failed", 0) + record.counts.get("dead", 0)
    of_class = "" if kind == "all" else f" of class {kind}"
    return (
        f"nothing to try again: {counted(failed, 'picture')} of crawl {record.crawl_id} failed, "
        f"none{of_class} matches --where {where!r}"
    )


def find_crawl(records: list[CrawlRecord], crawl_id: str | None) -> CrawlRecord:
    """Find a crawl by the beginning of its id; without one, the last used. Raises `CrawlNotFoundError`."""
    matching = [record for record in records if record.crawl_id.startswith(crawl_id or "")]
    if not matching or (crawl_id and len(matching) > 1):
        raise CrawlNotFoundError(crawl_id or "", [record.crawl_id for record in records])
    return matching[0]


def source_of(record: CrawlRecord) -> Source:
    """Make the source of a crawl from the settings that the frontier stores."""
    source: Source = SOURCES[record.source](**record.config)  # written by the same class
    return source


def _list_crawls(workspace: Workspace) -> list[CrawlRecord]:
    with Frontier(workspace.frontier) as frontier:
        return frontier.crawls()


def _commit_spool(
    workspace: Workspace, settings: CrawlSettings, records: list[CrawlRecord]
) -> CrawlSummary:
    """Commit the segments of finished crawls that stayed in the spool; raises `NothingToResumeError` without any."""
    uncommitted = segments_by_crawl(workspace)
    if not uncommitted:
        raise NothingToResumeError
    with open_frontier(workspace, settings) as (_, _, gained):
        record = next((record for record in records if uncommitted[record.crawl_id]), None)
        name, source = (record.crawl_id, record.source) if record else ("", "spool")
        return CrawlSummary(name, source, "finished", rows=gained)


def _id_of(source: Source, frontier: Frontier, catalog: Catalog) -> str:
    """Return the id of a source's crawl, which does not depend on the basis for training.

    Older versions included the basis; a crawl that exists under such an id keeps it.
    """
    older = make_crawl_id(source.name, source.config)
    sql = "SELECT 1 FROM fetches WHERE crawl_id = ? UNION ALL SELECT 1 FROM photos WHERE crawl_id = ? LIMIT 1"
    if source.config.get(BASIS) is None or frontier.has_crawl(older):
        return older
    return older if catalog.records(sql, [older, older]) else id_without_basis(source)


def _open_context(
    workspace: Workspace,
    frontier: Frontier,
    key: str,
    source: Source,
    settings: CrawlSettings,
    options: CrawlOptions,
) -> CrawlContext:
    """Open the crawl in the frontier, and queue what `options` list again, retry or recrawl."""
    frontier.open_crawl(key, source.name, source.config, options.changed)
    if options.relist and frontier.cursor(key).finished:
        frontier.relist(key)
    if options.retry:
        kind = None if options.retry == "all" else options.retry
        frontier.retry(key, kind, options.where)
    if options.recrawl_s is not None:
        frontier.recrawl(key, time.time() - options.recrawl_s)
    frontier.clear_requests()
    return CrawlContext(workspace, frontier, key, settings, options.stop.is_requested)


def _run(
    context: CrawlContext, source: Source, catalog: Catalog, options: CrawlOptions
) -> CrawlSummary:
    """Run one session, and write its row of table `crawls` however it ends."""
    started, before = utc_now(), context.frontier.cursor(context.crawl_id)
    stop = options.stop
    commit = partial(catalog.commit, retry_s=0)
    committer = Committer(
        commit, context.workspace, context.settings, stop.is_requested, stop.is_immediate
    )
    workers = _worker_pool(context, source, catalog, options, committer)
    session = Session(context, source, workers, committer, stop, wait=options.wait_for_quota)
    discovery, has_ended = Discovery("failed"), False
    try:
        discovery, has_ended = asyncio.run(session.run(options.report)), True
    except WorkerNotRecoveredError:  # for a commit that failed: the summary says so
        discovery, has_ended = Discovery("stopped"), True
    finally:
        summary = summarise(context, source, session, discovery)
        now = context.frontier.cursor(context.crawl_id)
        summary = replace(
            summary,
            listed=max(0, now.seen - before.seen),
            skipped=max(0, now.skipped - before.skipped),
            read=max(0, now.rows - before.rows),
            seconds=(utc_now() - started).total_seconds(),
        )
        row = session_row(summary, source, started)
        write_rows(context.workspace, context.crawl_id, {"crawls": [row]})
        if has_ended:
            committer.commit_until_done()
        else:  # an exception is being raised and must not wait
            committer.commit()
    return with_commits(summary, committer)


def _worker_pool(
    context: CrawlContext,
    source: Source,
    catalog: Catalog,
    options: CrawlOptions,
    committer: Committer,
) -> WorkerPool:
    """Choose the workers: this process, several processes, or actors of a Ray cluster."""

    def recover(owner: str) -> None:
        act = partial(reconcile, context.frontier, catalog, context.settings, owner)
        if not committer.commit_until_done(act):
            raise WorkerNotRecoveredError(owner)

    blocklist = read_blocklist(catalog)
    if options.cluster is not None:
        from crawler.session.cluster import RayWorkerPool

        cluster = (options.cluster, options.workers)
        return RayWorkerPool(context, source, cluster, blocklist, recover)
    if options.workers > 1:
        return ProcessWorkerPool(context, source, options.workers, blocklist, recover)
    return Worker(context, source, blocklist=blocklist, is_immediate=options.stop.is_immediate)


@contextmanager
def _stop_on_signals(stop: StopRequest) -> Iterator[None]:
    """Turn SIGINT and SIGTERM into stop requests, and restore the old handlers afterwards."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    signals = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *_: stop.request()) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
