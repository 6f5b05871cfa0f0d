"""The summary of one session of a crawl: what it did, what is left, and the session's row of table `crawls`."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from catalog import Permission, Statement, __version__, command_name
from crawler.fetch.pauses import HostPause, moment_text
from crawler.frontier.items import Row
from crawler.listing.source_contract import CrawlContext, Discovery, Source
from crawler.listing.vocabulary import utc_now
from crawler.session.committer import Committer
from crawler.session.session import Session, api_name

Status = Literal["finished", "stopped", "failed"]

_NO_PHOTOS = Permission(0, 0)


@dataclass(frozen=True)
class CrawlSummary:
    """What one session did.

    `failed` and `errors` count the pictures that failed for good in this session, `standing` all that have failed so
    far, by error. `open` counts the pictures that are not settled, `repeats` and `unchanged` those whose fetch gave no
    new bytes, `read` the rows that came without a file (labels, prices), old and new. `pauses` are the hosts that
    pictures wait for. `uncommitted` counts the segments that stay in the spool because commits failed, for
    `commit_problem`: their pictures are on disk, but not in the catalog.
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
    permission: Permission = _NO_PHOTOS
    pauses: Sequence[HostPause] = ()
    uncommitted: int = 0
    commit_problem: str = ""


def summarise(
    context: CrawlContext, source: Source, session: Session, discovery: Discovery
) -> CrawlSummary:
    """Make the summary of a session from its counts, its frontier and the end of its listing."""
    counts = context.frontier.counts(context.crawl_id)
    left = counts.get("queued", 0) + counts.get("in_flight", 0)
    is_complete = discovery.status == "finished" and not left
    return CrawlSummary(
        context.crawl_id,
        source.name,
        "failed" if discovery.status == "failed" else "finished" if is_complete else "stopped",
        done=session.progress.done,
        failed=session.progress.failed,
        repeats=session.progress.repeats,
        unchanged=session.progress.unchanged,
        open=left,
        bytes=session.progress.bytes,
        problem=discovery.problem or _quota_text(discovery, source),
        errors=session.progress.errors,
        calls=discovery.calls or {},
        standing=context.frontier.errors(context.crawl_id),
        pauses=context.frontier.pauses(context.crawl_id),
    )


def with_commits(summary: CrawlSummary, committer: Committer) -> CrawlSummary:
    """Add the rows that a session committed, and the segments that it left in the spool."""
    summary = replace(summary, rows=committer.rows)
    if committer.commit_failure is None:
        return summary
    reason = committer.commit_failure.reason
    return replace(summary, uncommitted=committer.waiting(), commit_problem=reason)


def session_row(summary: CrawlSummary, source: Source, started: datetime) -> Row:
    """Make the session's row of table `crawls`; it ends now."""
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


def _quota_text(discovery: Discovery, source: Source) -> str:
    if discovery.status != "quota":
        return ""
    return (
        f"{api_name(source)}: the API quota is used up; go on after {moment_text(discovery.wait_until)} "
        f"with: {command_name()} crawl resume"
    )
