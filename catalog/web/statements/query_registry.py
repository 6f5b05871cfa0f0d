"""The registry of statements that this server runs or has run: their state, and the files of their results.

Results lie below `cache/results/`, readable by the server only, until they are too old or together too large. Query ids
are random: whoever knows an id may read the result.
"""

import asyncio
import json
import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Literal

from catalog.errors import QueryError, SafelightError
from catalog.sandbox import (
    ExportJob,
    FacetJob,
    Job,
    Limits,
    PageJob,
    QueryJob,
    QueryPool,
    StatementOutcome,
    SummaryJob,
    Ticket,
)
from catalog.web.statements.audit_log import AuditLog
from catalog.workspace.workspace import Workspace

log = logging.getLogger(__name__)

MAX_QUERIES = 1_000
MIN_DERIVE_S = 30.0
"""Least deadline for a page, summary or file of a result: our own statements over rows that are already bounded."""
Style = Literal["json", "csv", "arrow", "parquet"]
FORMATS: Mapping[Style, str] = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "arrow": "application/vnd.apache.arrow.file",
    "parquet": "application/vnd.apache.parquet",
}


class GoneError(SafelightError):
    """The query does not exist, or its result has been deleted."""


class NotDoneError(SafelightError):
    """The query has no result, or not yet."""


@dataclass(frozen=True)
class QueryRequest:
    """A statement as it was sent, with its limits and its sender."""

    sql: str
    parameters: Mapping[str, object]
    as_of: int | None
    limits: Limits
    caller: str = "local"
    client: str = ""


@dataclass
class Query:
    """One statement and its state."""

    query_id: str
    request: QueryRequest
    path: Path
    started_at: datetime
    task: "asyncio.Task[None] | None" = None
    outcome: StatementOutcome | None = None
    last_used: float = field(default_factory=time.monotonic)

    @property
    def state(self) -> str:
        """`running`, `done`, `failed`, `cancelled` or `timed_out`; a refused statement has failed."""
        if self.outcome is None:
            return "running"
        return "failed" if self.outcome.state == "refused" else self.outcome.state

    @property
    def columns(self) -> list[dict[str, str]]:
        """Names and types of the result's columns."""
        columns = self.outcome.report.get("columns") if self.outcome else None
        return columns if isinstance(columns, list) else []

    @property
    def n_rows(self) -> int:
        """Rows in the result file."""
        n_rows = self.outcome.report.get("n_rows") if self.outcome else 0
        return n_rows if isinstance(n_rows, int) else 0


class QueryRegistry:
    """The statements of one server, newest last."""

    def __init__(
        self,
        workspace: Workspace,
        pool: QueryPool,
        audit_log: AuditLog,
        *,
        max_bytes: int,
        max_age_s: float,
    ) -> None:
        self._pool, self._audit_log = pool, audit_log
        self._max_bytes, self._max_age_s = max_bytes, max_age_s
        self._queries: OrderedDict[str, Query] = OrderedDict()
        self.folder = workspace.home / "cache" / "results"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        for orphan in self.folder.iterdir():  # results of a server that was killed
            if orphan.stat().st_mtime < time.time() - max_age_s:
                orphan.unlink(missing_ok=True)

    def start(self, request: QueryRequest) -> Query:
        """Start a statement; raises `TooManyWaitError`."""
        ticket = self._pool.turns.admit(request.caller)
        query_id = secrets.token_urlsafe(16)
        query = Query(query_id, request, self.folder / f"{query_id}.arrow", datetime.now(UTC))
        self._queries[query_id] = query
        query.task = asyncio.create_task(self._run(query, ticket))
        # A task that is cancelled before its first step runs none of its own code.
        query.task.add_done_callback(lambda _: self._finish(query, ticket))
        self._evict()
        return query

    def find(self, query_id: str) -> Query:
        """Find a statement; raises `GoneError`."""
        query = self._queries.get(query_id)
        if query is None:
            raise GoneError("there is no such query, or its result is deleted by now; run it again")
        query.last_used = time.monotonic()
        return query

    async def wait(self, query: Query, seconds: float) -> None:
        """Wait until a statement has ended, at most so many seconds."""
        if query.task is not None:
            await asyncio.wait([query.task], timeout=seconds)

    async def cancel(self, query: Query) -> None:
        """Stop a statement; one that has ended stays as it is."""
        if query.task is not None and query.outcome is None:
            query.task.cancel()
            await asyncio.wait([query.task])

    async def derive(self, query: Query, job: Job, target: BinaryIO) -> None:
        """Run a job over a result in the sandbox; raises `NotDoneError`, `GoneError`, `QueryError`."""
        limits = self._pool.limits
        limits = replace(
            limits, max_bytes=8 * limits.max_bytes, timeout_s=max(limits.timeout_s, MIN_DERIVE_S)
        )
        with self._open_result(query) as result:
            outcome = await self._pool.run(job, limits, target, inputs=[result.fileno()])
        if outcome.state != "done":
            raise QueryError(outcome.error or "the result cannot be read")

    async def rows(self, query: Query, page: PageJob) -> bytes:
        """Return a page of a result as the JSON text of a list of rows."""
        target = BytesIO()
        await self.derive(query, page, target)
        return target.getvalue()

    async def summary(self, query: Query) -> bytes:
        """Return the SUMMARIZE of a result as JSON text."""
        target = BytesIO()
        await self.derive(query, SummaryJob(), target)
        return target.getvalue()

    async def facets(self, query: Query) -> bytes:
        """Return how often the values of each column with few values occur, as JSON text."""
        target = BytesIO()
        await self.derive(query, FacetJob(), target)
        return target.getvalue()

    async def export(self, query: Query, style: Style, *, exact: bool) -> Path:
        """Return the file of a result in one of `FORMATS`; it is made once."""
        if style == "arrow":
            self._open_result(query).close()
            return query.path
        path = query.path.with_suffix(f".exact.{style}" if exact else f".{style}")
        if not path.exists():
            partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
            try:
                with partial.open("wb") as target:
                    await self.derive(query, ExportJob(style, exact), target)
                self._open_result(query).close()  # a takedown may have deleted it meanwhile
                partial.replace(path)
            finally:
                partial.unlink(missing_ok=True)
        return path

    async def close(self) -> None:
        """Stop running statements and delete all results."""
        for query in list(self._queries.values()):
            await self.cancel(query)
            self._remove(query)

    def _open_result(self, query: Query) -> BinaryIO:
        if query.state != "done":
            why = query.outcome.error if query.outcome else "it still runs"
            raise NotDoneError(f"the query has no result: {why}")
        try:
            return query.path.open("rb")
        except FileNotFoundError as error:
            raise GoneError("the result is deleted by now; run the query again") from error

    def _finish(self, query: Query, ticket: Ticket) -> None:
        self._pool.turns.leave(ticket)
        if query.outcome is None:
            query.outcome = StatementOutcome(
                "cancelled", error="the query was cancelled", kind="cancelled"
            )
            self._audit_log.write(_audit_record(query, query.outcome))

    async def _run(self, query: Query, ticket: Ticket) -> None:
        request, started = query.request, time.monotonic()
        job = QueryJob(request.sql, dict(request.parameters))
        try:
            with query.path.open("wb") as target:
                query.outcome = await self._pool.run(
                    job, request.limits, target, as_of=request.as_of, ticket=ticket
                )
        except asyncio.CancelledError:
            query.outcome = StatementOutcome(
                "cancelled", error="the query was cancelled", kind="cancelled"
            )
        except SafelightError as error:
            query.outcome = StatementOutcome("failed", error=str(error), kind=kind_of(error))
        except OSError as error:  # the disk is full, most often
            query.outcome = StatementOutcome(
                "failed", error=f"the result cannot be kept: {error}", kind="disk"
            )
        except Exception:  # nobody awaits this task: the caller reads the outcome
            log.exception("a query failed because of a bug")
        finally:
            if query.outcome is None:
                query.outcome = StatementOutcome(
                    "failed", error="the server failed; its log says why", kind="bug"
                )
            if not query.outcome.duration_ms:
                duration_ms = (time.monotonic() - started) * 1e3
                query.outcome = replace(query.outcome, duration_ms=duration_ms)
            if query.outcome.state != "done":
                query.path.unlink(missing_ok=True)
            self._audit_log.write(_audit_record(query, query.outcome))

    def _evict(self) -> None:
        """Remove statements that are too old or too many, or whose results are together too large."""
        ended = sorted((q for q in self._queries.values() if q.outcome), key=lambda q: q.last_used)
        total_bytes = sum(path.stat().st_size for path in self.folder.iterdir())
        for query in ended:
            is_old = time.monotonic() - query.last_used > self._max_age_s
            is_bounded = total_bytes <= self._max_bytes and len(self._queries) <= MAX_QUERIES
            if not is_old and is_bounded:
                return
            total_bytes -= sum(path.stat().st_size for path in self._files(query))
            self._remove(query)

    def _files(self, query: Query) -> list[Path]:
        return list(self.folder.glob(f"{query.query_id}.*"))

    def _remove(self, query: Query) -> None:
        for path in self._files(query):
            path.unlink(missing_ok=True)
        self._queries.pop(query.query_id, None)


def kind_of(error: SafelightError) -> str:
    """Name the kind of an error: SnapshotNotFoundError is `snapshot_not_found`."""
    name = type(error).__name__.removesuffix("Error")
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


def _audit_record(query: Query, outcome: StatementOutcome) -> dict[str, object]:
    request = query.request
    return {
        "query_id": query.query_id,
        "asked_at": query.started_at.replace(tzinfo=None).isoformat(),
        "asked_by": request.caller,
        "client": request.client,
        "sql": request.sql,
        "parameters_json": json.dumps(request.parameters) if request.parameters else None,
        "as_of": request.as_of,
        "snapshot_id": outcome.snapshot_id,
        "outcome": outcome.state,
        "error": outcome.error,
        "n_rows": query.n_rows,
        "truncated": bool(outcome.report.get("truncated")),
        "duration_ms": round(outcome.duration_ms, 3),
    }
