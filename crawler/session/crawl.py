"""Run a crawl: the function behind `safelight crawl run`, `resume` and `retry`."""

import asyncio
import contextlib
import importlib
import json
import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Literal

from filelock import FileLock, Timeout

from catalog import (
    Catalog,
    Permission,
    Statement,
    Workspace,
    __version__,
    of_crawl,
    open_catalog,
    rows,
    tombstone,
    write_segment,
)
from crawler.errors import (
    CrawlNotFoundError,
    NothingToResumeError,
    NotRunningError,
    SessionRunningError,
    StopTimeoutError,
    WorkerNotRecoveredError,
)
from crawler.fetch.failures import ErrorClass
from crawler.fetch.pauses import HostPause, moment_text
from crawler.frontier.frontier import Frontier
from crawler.frontier.items import CrawlRecord, DeadLetter, Row
from crawler.listing.source import Desk, Discovery, Source
from crawler.listing.vocabulary import utc_now
from crawler.session.basis import BASIS, order_id, record_basis
from crawler.session.blocklist import Kind, checked, count_known, read_blocklist, require_blocked
from crawler.session.commit_unit import learn_crawl, reconcile, write_rows
from crawler.session.committer import Committer
from crawler.session.progress import Tally
from crawler.session.records import crawl_id
from crawler.session.session import Session, StopRequest, api_name
from crawler.session.uncommitted import segments_by_crawl
from crawler.session.worker import Worker
from crawler.session.workers import Crew, ProcessCrew
from crawler.settings import CrawlSettings
from crawler.sources import SOURCES

Status = Literal["finished", "stopped", "failed"]


log = logging.getLogger(__name__)

NOTHING = Permission(0, 0)


@dataclass(frozen=True)
class CrawlSummary:
    """What one session did.

    `failed` and `errors` count pictures given up in it, `standing` all that are given up now, by error, `open` those
    still wanted, `repeats` and `unchanged` pictures that brought no new bytes, `read` rows that came in without a file
    (labels, prices), old and new, `pauses` the hosts that pictures still wait for. `uncommitted` counts the segments
    that wait in the spool because commits failed, for `commit_problem`: what they hold is fetched and safe, but not in
    the catalog.
    """

    crawl_id: str
    source: str
    status: Status
    listed: int = 0
    skipped: int = 0
    read: int = 0
    done: int = 0
    failed: int = 0
    open: int = 0
    bytes: int = 0
    seconds: float = 0.0
    repeats: int = 0
    unchanged: int = 0
    problem: str = ""
    errors: Mapping[str, int] = field(default_factory=dict)
    calls: Mapping[str, int] = field(default_factory=dict)
    rows: Mapping[str, int] = field(default_factory=dict)
    standing: Mapping[str, int] = field(default_factory=dict)
    basis: Statement | None = None
    permission: Permission = NOTHING
    pauses: Sequence[HostPause] = ()
    uncommitted: int = 0
    commit_problem: str = ""


@dataclass(frozen=True)
class CrawlOptions:
    """How to run a session; none of it says what is crawled.

    `changed` are settings by name that differ for this crawl from those it is started with; the frontier keeps them and
    `resume` and `retry` use them.
    `relist` lists a source again whose listing had ended. `retry` queues failed pictures again: of one error
    class, or `all`; those for which the SQL predicate `where` holds. `recrawl_s` asks again for pictures that came in
    longer ago, in seconds. `workers` is the number of processes; with `cluster` they are actors of a Ray cluster.
    `wait_for_quota` waits where the session would stop. `report` hears of progress.
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
    report: Callable[[Tally], None] = lambda tally: None  # noqa: ARG005  # silent


def crawl(
    workspace: Workspace,
    source: Source,
    settings: CrawlSettings | None = None,
    options: CrawlOptions | None = None,
) -> CrawlSummary:
    """Crawl `source` into the catalog until its end, and say what came of it.

    The same source goes on where its last session ended; when that was the end, it is listed again, and only new
    photos are fetched. SIGINT and SIGTERM stop it in good order when it is called from the main thread (call it
    from a thread when an event loop runs in yours). Raises a `CrawlError` when it cannot start; pictures that
    fail are rows.
    """
    source.check()
    options = options or CrawlOptions()
    _check_cluster(options)
    settings = replace(settings or CrawlSettings(), **dict(options.changed))  # type: ignore[arg-type]  # its own fields
    settings = source.adjust(settings)
    workspace.make()
    with open_frontier(workspace, settings) as (frontier, catalog, gained):
        key = _key_of(source, frontier, catalog)
        learn_crawl(frontier, catalog, key)
        desk = _open_desk(workspace, frontier, key, source, settings, options)
        with _stop_on_signals(options.stop):
            summary = _run(desk, source, catalog, options)
        total = {name: n + gained.get(name, 0) for name, n in summary.rows.items()}
        summary = replace(summary, rows={**gained, **total})
        if summary.uncommitted:  # the catalog does not know yet what it would be asked about
            return summary
        basis = record_basis(catalog, frontier, key, source.config.get(BASIS))
        return replace(summary, basis=basis, permission=of_crawl(catalog, key))


def _check_cluster(options: CrawlOptions) -> None:
    """Raise `ModuleNotFoundError` for workers on a cluster without Ray, before anything is made."""
    if options.cluster is not None:
        importlib.import_module("ray")


def _key_of(source: Source, frontier: Frontier, catalog: Catalog) -> str:
    """Name the crawl of a source, whatever its basis for training, which may be stated later.

    Crawls of older versions are named with their basis and go on under that name.
    """
    older = crawl_id(source.name, source.config)
    known = "SELECT 1 FROM fetches WHERE crawl_id = ? UNION ALL SELECT 1 FROM photos WHERE crawl_id = ? LIMIT 1"
    if source.config.get(BASIS) is None or frontier.knows(older):
        return older
    return older if catalog.records(known, [older, older]) else order_id(source)


def _open_desk(
    workspace: Workspace,
    frontier: Frontier,
    key: str,
    source: Source,
    settings: CrawlSettings,
    options: CrawlOptions,
) -> Desk:
    """Bring the crawl's part of the frontier into the state that the options ask for."""
    frontier.open_crawl(key, source.name, source.config, options.changed)
    if options.relist and frontier.cursor(key).finished:
        frontier.relist(key)
    if options.retry:
        kind = None if options.retry == "all" else options.retry
        frontier.retry(key, kind, options.where)
    if options.recrawl_s is not None:
        frontier.recrawl(key, time.time() - options.recrawl_s)
    frontier.forget_wishes()
    return Desk(workspace, frontier, key, settings, options.stop.asked)


def _run(desk: Desk, source: Source, catalog: Catalog, options: CrawlOptions) -> CrawlSummary:
    """Work, and write the session's own row however it ends."""
    started, before = utc_now(), desk.frontier.cursor(desk.crawl_id)
    stop = options.stop
    commit = partial(catalog.commit, retry_s=0)
    committer = Committer(commit, desk.workspace, desk.settings, stop.asked, stop.impatient)
    crew = _crew(desk, source, catalog, options, committer)
    session = Session(desk, source, crew, committer, stop, wait=options.wait_for_quota)
    found, work_ended = Discovery("failed"), False
    try:
        found, work_ended = asyncio.run(session.run(options.report)), True
    except WorkerNotRecoveredError:  # for a commit that failed: the summary says so
        found, work_ended = Discovery("stopped"), True
    finally:
        summary = _summary(desk, source, session, found)
        now = desk.frontier.cursor(desk.crawl_id)
        summary = replace(
            summary,
            listed=max(0, now.seen - before.seen),
            skipped=max(0, now.skipped - before.skipped),
            read=max(0, now.rows - before.rows),
            seconds=(utc_now() - started).total_seconds(),
        )
        write_rows(desk.workspace, desk.crawl_id, {"crawls": [_row(summary, source, started)]})
        if work_ended:
            committer.commit_to_the_end()
        else:  # an error is on its way, which must not wait
            committer.commit()
    return _with_commits(summary, committer)


def _with_commits(summary: CrawlSummary, committer: Committer) -> CrawlSummary:
    """Say what the commits of a session added, and what they left in the spool."""
    summary = replace(summary, rows=committer.rows)
    if committer.trouble is None:
        return summary
    reason = committer.trouble.reason
    return replace(summary, uncommitted=committer.waiting(), commit_problem=reason)


def _crew(
    desk: Desk, source: Source, catalog: Catalog, options: CrawlOptions, committer: Committer
) -> Crew:
    """Choose who works: this process, several processes, or actors of a Ray cluster."""

    def recover(owner: str) -> None:
        act = partial(reconcile, desk.frontier, catalog, desk.settings, owner)
        if not committer.commit_to_the_end(act):
            raise WorkerNotRecoveredError(owner)

    blocked = read_blocklist(catalog)
    if options.cluster is not None:
        from crawler.session.cluster import RayCrew

        return RayCrew(desk, source, (options.cluster, options.workers), blocked, recover)
    if options.workers > 1:
        return ProcessCrew(desk, source, options.workers, blocked, recover)
    return Worker(desk, source, blocklist=blocked, impatient=options.stop.impatient)


@contextmanager
def open_frontier(
    workspace: Workspace, settings: CrawlSettings
) -> Iterator[tuple[Frontier, Catalog, dict[str, int]]]:
    """Open frontier and catalog for a session, brought up to each other, when no other session runs.

    One after the other, because limits of hosts and API keys hold within a session. Gives the rows that a killed
    session had left in the spool, too. Raises `SessionRunningError` after `turn_s`.
    """
    lock = _take_turn(workspace, settings.turn_s)
    with contextlib.ExitStack() as stack:
        stack.callback(lock.release)
        frontier = stack.enter_context(Frontier(workspace.frontier))
        catalog = stack.enter_context(open_catalog(workspace))
        gained = catalog.commit()
        reconcile(frontier, catalog, settings)
        yield frontier, catalog, gained


def _take_turn(workspace: Workspace, patience_s: float) -> FileLock:
    lock = FileLock(f"{workspace.frontier}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if patience_s > 0:
            log.warning("another crawl is running in %s; waiting for its end", workspace.home)
        try:
            lock.acquire(timeout=patience_s)
        except Timeout as error:
            raise SessionRunningError(workspace.home) from error
    return lock


def resume(
    workspace: Workspace,
    settings: CrawlSettings | None = None,
    options: CrawlOptions | None = None,
    *,
    wanted: str | None = None,
) -> CrawlSummary:
    """Go on with a crawl, the last one used that is not at its end unless `wanted` names another.

    When none is open, what a session has left in the spool is committed. Raises `NothingToResumeError`.
    """
    known = _known(workspace)
    still_open = (record for record in known if record.open)
    record = find_crawl(known, wanted) if wanted else next(still_open, None)
    if record is None:
        return _commit_the_rest(workspace, settings or CrawlSettings(), known)
    options = options or CrawlOptions()
    changed = {**record.changed, **options.changed}
    options = replace(options, relist=False, changed=changed)
    return crawl(workspace, source_of(record), settings, options)


def _commit_the_rest(
    workspace: Workspace, settings: CrawlSettings, known: list[CrawlRecord]
) -> CrawlSummary:
    """Commit what sessions that have nothing left to fetch could not; raises `NothingToResumeError`."""
    uncommitted = segments_by_crawl(workspace)
    if not uncommitted:
        raise NothingToResumeError
    with open_frontier(workspace, settings) as (_, _, gained):
        record = next((record for record in known if uncommitted[record.crawl_id]), None)
        name, source = (record.crawl_id, record.source) if record else ("", "spool")
        return CrawlSummary(name, source, "finished", rows=gained)


def retry(
    workspace: Workspace,
    settings: CrawlSettings | None = None,
    options: CrawlOptions | None = None,
    *,
    wanted: str | None = None,
) -> CrawlSummary:
    """Try failed pictures again (transient ones unless `options.retry` says otherwise) in one crawl.

    It is the last one used unless `wanted` names another.
    """
    options = options or CrawlOptions()
    record = find_crawl(_known(workspace), wanted)
    changed = {**record.changed, **options.changed}
    kind = options.retry or "transient"
    options = replace(options, relist=False, retry=kind, changed=changed)
    return crawl(workspace, source_of(record), settings, options)


def dead_letters(
    workspace: Workspace, wanted: str | None = None, where: str | None = None
) -> list[DeadLetter]:
    """List the photos that a crawl gave up: the last one used, or `wanted`; raises `PredicateError`."""
    record = find_crawl(_known(workspace), wanted)
    with Frontier(workspace.frontier) as frontier:
        return frontier.dead_letters(record.crawl_id, where)


def ask_to_stop(workspace: Workspace, *, wait: bool = True) -> None:
    """Ask the session that runs in a workspace to stop; raises `NotRunningError` when there is none."""
    lock = FileLock(f"{workspace.frontier}.lock")
    if _is_free(lock):
        raise NotRunningError(workspace.home)
    with Frontier(workspace.frontier) as frontier:
        frontier.wish("stop")
        until = time.monotonic() + _STOP_WITHIN_S
        # A session that has waited for its turn takes the wish away when it begins.
        while wait and frontier.wished("stop") and not _is_free(lock):
            if time.monotonic() > until:
                raise StopTimeoutError(workspace.home, _STOP_WITHIN_S)
            time.sleep(_POLL_S)


def _is_free(lock: FileLock) -> bool:
    try:
        with lock.acquire(timeout=0):
            return True
    except Timeout:
        return False


def block(workspace: Workspace, kind: Kind, value: str, reason: str) -> int:
    """Keep something out of all later crawls; return how many photos of the catalog it is about.

    Raises `BlockRefusedError` for a value that is none of its kind or would block too much.
    """
    value = checked(kind, value)
    workspace.make()
    with open_catalog(workspace) as catalog:
        _write_tombstone(workspace, tombstone(kind, value, reason, blocks=True))
        catalog.commit()
        return count_known(catalog, kind, value)


def unblock(workspace: Workspace, kind: Kind, value: str, reason: str) -> int:
    """Let later crawls bring in again what `block` kept out; return how many photos of the catalog it is about.

    The old row stays, a newer one lifts it. Raises `NotBlockedError`.
    """
    value = checked(kind, value)
    with open_catalog(workspace) as catalog:
        require_blocked(catalog, kind, value)
        _write_tombstone(workspace, tombstone(kind, value, reason, blocks=False))
        catalog.commit()
        if workspace.frontier.exists():
            with Frontier(workspace.frontier) as frontier:
                frontier.forget_blanked()
        return count_known(catalog, kind, value)


def _write_tombstone(workspace: Workspace, row: Row) -> None:
    write_segment(workspace, {"tombstones": rows("tombstones", [row])}, job="block")


_STOP_WITHIN_S = 60.0
_POLL_S = 0.1


def _known(workspace: Workspace) -> list[CrawlRecord]:
    with Frontier(workspace.frontier) as frontier:
        return frontier.crawls()


def find_crawl(known: list[CrawlRecord], wanted: str | None) -> CrawlRecord:
    """Find a crawl by the beginning of its id, or the last one used; raises `CrawlNotFoundError`."""
    found = [record for record in known if record.crawl_id.startswith(wanted or "")]
    if not found or (wanted and len(found) > 1):
        raise CrawlNotFoundError(wanted or "", [record.crawl_id for record in known])
    return found[0]


def source_of(record: CrawlRecord) -> Source:
    """Make the source of a crawl from what the frontier keeps."""
    source: Source = SOURCES[record.source](**record.config)  # written by the same class
    return source


@contextmanager
def _stop_on_signals(stop: StopRequest) -> Iterator[None]:
    """Turn SIGINT and SIGTERM into a wish to stop, and put the old handlers back."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    wanted = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *_: stop.ask()) for number in wanted}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _summary(desk: Desk, source: Source, session: Session, found: Discovery) -> CrawlSummary:
    counts = desk.frontier.counts(desk.crawl_id)
    left = counts.get("queued", 0) + counts.get("in_flight", 0)
    whole = found.status == "finished" and not left
    return CrawlSummary(
        desk.crawl_id,
        source.name,
        "failed" if found.status == "failed" else "finished" if whole else "stopped",
        done=session.tally.done,
        failed=session.tally.failed,
        repeats=session.tally.repeats,
        unchanged=session.tally.unchanged,
        open=left,
        bytes=session.tally.bytes,
        problem=found.problem or _quota_text(found, source),
        errors=session.tally.errors,
        calls=found.calls or {},
        standing=desk.frontier.errors(desk.crawl_id),
        pauses=desk.frontier.pauses(desk.crawl_id),
    )


def _quota_text(found: Discovery, source: Source) -> str:
    if found.status != "quota":
        return ""
    return (
        f"{api_name(source)}: the API quota is used up; go on after {moment_text(found.wait_until)} "
        "with: safelight crawl resume"
    )


def _row(summary: CrawlSummary, source: Source, started: datetime) -> Row:
    return {
        "crawl_id": summary.crawl_id,
        "source": source.name,
        "config_json": json.dumps(source.config, sort_keys=True),
        "code_version": __version__,
        "started_at": started,
        "finished_at": utc_now(),
        "status": summary.status,
        "n_listed": summary.listed,
        "n_done": summary.done,
        "n_failed": summary.failed,
        "robots_policy": source.robots_policy,
    }
