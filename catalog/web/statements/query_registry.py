"""The statements that this server runs or has run: their state, and the files of their results.

Results live below `cache/results/`, readable by the server only, until they are too old or all together too large.
Ids are random: who knows one may read its result.
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
from typing import BinaryIO

from catalog.errors import QueryError, SafelightError
from catalog.sandbox import Limits, Outcome, QueryPool, Ticket
from catalog.web.statements.audit import Audit
from catalog.workspace.workspace import Workspace

log = logging.getLogger(__name__)

MAX_KEPT = 1_000
READING_S = 30.0
"""What a page, summary or file of a result may take: our own statements over what is bounded already."""
FORMATS = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "arrow": "application/vnd.apache.arrow.file",
    "parquet": "application/vnd.apache.parquet",
}


class GoneError(SafelightError):
    """There is no such query, or its result has been deleted."""


class NotDoneError(SafelightError):
    """The query has no result, or not yet."""


@dataclass(frozen=True)
class Asked:
    """A statement as it was sent, and by whom."""

    sql: str
    parameters: Mapping[str, object]
    as_of: int | None
    limits: Limits
    asked_by: str = "local"
    client: str = ""


@dataclass
class Query:
    """One statement on its way."""

    query_id: str
    asked: Asked
    path: Path
    asked_at: datetime
    task: "asyncio.Task[None] | None" = None
    outcome: Outcome | None = None
    used: float = field(default_factory=time.monotonic)

    @property
    def state(self) -> str:
        """`running`, `done`, `failed`, `cancelled` or `timed_out`; what was refused has failed."""
        if self.outcome is None:
            return "running"
        return "failed" if self.outcome.state == "refused" else self.outcome.state

    @property
    def columns(self) -> list[dict[str, str]]:
        """Names and types of the result's columns."""
        found = self.outcome.report.get("columns") if self.outcome else None
        return found if isinstance(found, list) else []

    @property
    def n_rows(self) -> int:
        """Rows of the result that were kept."""
        found = self.outcome.report.get("n_rows") if self.outcome else 0
        return found if isinstance(found, int) else 0


class Queries:
    """The statements of one server, newest last."""

    def __init__(
        self,
        workspace: Workspace,
        pool: QueryPool,
        audit: Audit,
        *,
        max_bytes: int,
        max_age_s: float,
    ) -> None:
        self._pool, self._audit = pool, audit
        self._max_bytes, self._max_age_s = max_bytes, max_age_s
        self._known: OrderedDict[str, Query] = OrderedDict()
        self.folder = workspace.home / "cache" / "results"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        for left in self.folder.iterdir():  # of a server that was killed
            if left.stat().st_mtime < time.time() - max_age_s:
                left.unlink(missing_ok=True)

    def start(self, asked: Asked) -> Query:
        """Begin a statement; raises `TooManyWaitError`."""
        ticket = self._pool.turns.admit(asked.asked_by)
        query_id = secrets.token_urlsafe(16)
        query = Query(query_id, asked, self.folder / f"{query_id}.arrow", datetime.now(UTC))
        self._known[query_id] = query
        query.task = asyncio.create_task(self._run(query, ticket))
        # A task that is cancelled before its first step runs none of its own code.
        query.task.add_done_callback(lambda _: self._ended(query, ticket))
        self._make_room()
        return query

    def find(self, query_id: str) -> Query:
        """Find a statement; raises `GoneError`."""
        query = self._known.get(query_id)
        if query is None:
            raise GoneError("there is no such query, or its result is deleted by now; run it again")
        query.used = time.monotonic()
        return query

    async def wait(self, query: Query, seconds: float) -> None:
        """Wait until a statement has ended, but not longer than this."""
        if query.task is not None:
            await asyncio.wait([query.task], timeout=seconds)

    async def cancel(self, query: Query) -> None:
        """Stop a statement; one that has ended stays as it is."""
        if query.task is not None and query.outcome is None:
            query.task.cancel()
            await asyncio.wait([query.task])

    async def derive(self, query: Query, job: Mapping[str, object], target: BinaryIO) -> None:
        """Make something of a result in the sandbox; raises `NotDoneError`, `GoneError`, `QueryError`."""
        given = self._pool.limits
        limits = replace(
            given, max_bytes=8 * given.max_bytes, timeout_s=max(given.timeout_s, READING_S)
        )
        with self._result(query) as result:
            outcome = await self._pool.run(job, limits, target, inputs=[result.fileno()])
        if outcome.state != "done":
            raise QueryError(outcome.error or "the result cannot be read")

    async def rows(self, query: Query, page: Mapping[str, object]) -> bytes:
        """Give a page of a result as the JSON text of a list of rows."""
        made = BytesIO()
        await self.derive(query, {"kind": "rows", **page}, made)
        return made.getvalue()

    async def summary(self, query: Query) -> bytes:
        """Give what SUMMARIZE says about a result, as JSON text."""
        made = BytesIO()
        await self.derive(query, {"kind": "summary"}, made)
        return made.getvalue()

    async def export(self, query: Query, style: str, *, exact: bool) -> Path:
        """Give the file of a result in one of `FORMATS`, made once."""
        if style == "arrow":
            self._result(query).close()
            return query.path
        path = query.path.with_suffix(f".exact.{style}" if exact else f".{style}")
        if not path.exists():
            aside = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
            try:
                with aside.open("wb") as made:
                    await self.derive(
                        query, {"kind": "export", "format": style, "exact": exact}, made
                    )
                self._result(query).close()  # a takedown may have deleted it meanwhile
                aside.replace(path)
            finally:
                aside.unlink(missing_ok=True)
        return path

    async def close(self) -> None:
        """Stop what runs and delete all results."""
        for query in list(self._known.values()):
            await self.cancel(query)
            self._forget(query)

    def _result(self, query: Query) -> BinaryIO:
        if query.state != "done":
            why = query.outcome.error if query.outcome else "it still runs"
            raise NotDoneError(f"the query has no result: {why}")
        try:
            return query.path.open("rb")
        except FileNotFoundError as error:
            raise GoneError("the result is deleted by now; run the query again") from error

    def _ended(self, query: Query, ticket: Ticket) -> None:
        self._pool.turns.leave(ticket)
        if query.outcome is None:
            query.outcome = Outcome("cancelled", error="the query was cancelled", kind="cancelled")
            self._audit.write(_record(query, query.outcome))

    async def _run(self, query: Query, ticket: Ticket) -> None:
        asked, started = query.asked, time.monotonic()
        job = {"kind": "query", "sql": asked.sql, "parameters": dict(asked.parameters)}
        try:
            with query.path.open("wb") as target:
                query.outcome = await self._pool.run(
                    job, asked.limits, target, as_of=asked.as_of, ticket=ticket
                )
        except asyncio.CancelledError:
            query.outcome = Outcome("cancelled", error="the query was cancelled", kind="cancelled")
        except SafelightError as error:
            query.outcome = Outcome("failed", error=str(error), kind=kind_of(error))
        except OSError as error:  # the disk is full, most often
            query.outcome = Outcome(
                "failed", error=f"the result cannot be kept: {error}", kind="disk"
            )
        except Exception:  # nobody awaits this task: who asked looks at the outcome
            log.exception("a query failed for a reason of ours")
        finally:
            if query.outcome is None:
                query.outcome = Outcome(
                    "failed", error="the server failed; its log says why", kind="bug"
                )
            if not query.outcome.duration_ms:
                took = (time.monotonic() - started) * 1e3
                query.outcome = replace(query.outcome, duration_ms=took)
            if query.outcome.state != "done":
                query.path.unlink(missing_ok=True)
            self._audit.write(_record(query, query.outcome))

    def _make_room(self) -> None:
        """Forget statements that are too old, too many, or whose results are too large all together."""
        ended = sorted((q for q in self._known.values() if q.outcome), key=lambda q: q.used)
        held = sum(path.stat().st_size for path in self.folder.iterdir())
        for query in ended:
            old = time.monotonic() - query.used > self._max_age_s
            if not old and held <= self._max_bytes and len(self._known) <= MAX_KEPT:
                return
            held -= sum(path.stat().st_size for path in self._files(query))
            self._forget(query)

    def _files(self, query: Query) -> list[Path]:
        return list(self.folder.glob(f"{query.query_id}.*"))

    def _forget(self, query: Query) -> None:
        for path in self._files(query):
            path.unlink(missing_ok=True)
        self._known.pop(query.query_id, None)


def kind_of(error: SafelightError) -> str:
    """Name the kind of an error: SnapshotNotFoundError is `snapshot_not_found`."""
    name = type(error).__name__.removesuffix("Error")
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


def _record(query: Query, outcome: Outcome) -> dict[str, object]:
    asked = query.asked
    return {
        "query_id": query.query_id,
        "asked_at": query.asked_at.replace(tzinfo=None).isoformat(),
        "asked_by": asked.asked_by,
        "client": asked.client,
        "sql": asked.sql,
        "parameters_json": json.dumps(asked.parameters) if asked.parameters else None,
        "as_of": asked.as_of,
        "snapshot_id": outcome.snapshot_id,
        "outcome": outcome.state,
        "error": outcome.error,
        "n_rows": query.n_rows,
        "truncated": bool(outcome.report.get("truncated")),
        "duration_ms": round(outcome.duration_ms, 3),
    }
