"""Run jobs in the sandbox: a few at once (`turns.py` says whose), each with a deadline and a bounded result.

The server never reads what a child made of a stranger's statement: it copies bytes from a pipe to a file and reads one
small JSON report. Pages, sums and other formats of a result are made by other children.
"""

import asyncio
import json
import os
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO, Literal

from catalog.sandbox.sql.copies import Copy, FrozenCopies
from catalog.sandbox.sql.jobs import ChildRequest, Job, ProbeJob, QueryJob
from catalog.sandbox.sql.process import TemplateProcess
from catalog.sandbox.sql.turns import TRIAL_S, Ticket, Turns
from catalog.sandbox.walls.limits import MB, Limits
from catalog.workspace.workspace import Workspace

State = Literal["done", "failed", "refused", "cancelled", "timed_out"]
CHUNK = 2**18
MAX_REPORT = 2 * MB
_OVERHEAD = 4 * MB
"""What an Arrow file may hold beside its rows before the child is killed for lying about the size."""


@dataclass(frozen=True)
class StatementOutcome:
    """How a job ended: its state, what the child reported, and for a failure a sentence and a kind."""

    state: State
    report: Mapping[str, object] = field(default_factory=dict)
    error: str | None = None
    kind: str | None = None
    snapshot_id: int | None = None
    n_bytes: int = 0
    duration_ms: float = 0.0


class QueryPool:
    """Jobs of one workspace. `start` before the first one, `close` at the end; all on one event loop."""

    def __init__(
        self, workspace: Workspace, limits: Limits, *, max_running: int = 2, max_waiting: int = 20
    ) -> None:
        self.limits = limits
        self.closed: Mapping[str, object] = {}
        self._workspace = workspace
        self.turns = Turns(max_running, max_waiting)
        self._light = asyncio.Semaphore(max(2, max_running))
        self._template = TemplateProcess()
        self._starting = asyncio.Lock()
        self._held = ExitStack()

    async def start(self) -> None:
        """Freeze the catalog, start the template and try which walls hold."""
        self._copies = await asyncio.to_thread(FrozenCopies, self._workspace)
        job = ProbeJob("/etc/passwd", str(self._workspace.home))
        probe = await self.run(job, Limits(), None)
        self.closed = dict(_mapping(probe.report.get("closed")))

    async def close(self) -> None:
        """Kill what runs, end the template, delete the frozen copies."""
        self._template.close()
        await asyncio.to_thread(self._template.wait)
        await asyncio.to_thread(self._copies.close)

    async def run(
        self,
        job: Job,
        limits: Limits,
        target: BinaryIO | None,
        *,
        inputs: Sequence[int] = (),
        as_of: int | None = None,
        ticket: Ticket | None = None,
    ) -> StatementOutcome:
        """Do one job, writing its result to `target`; killed when this coroutine is cancelled.

        A statement needs a `ticket` of `turns`; without one it is admitted here.
        Raises `TooManyWaitError`, `SnapshotNotFoundError`, `SandboxError`.
        """
        if not isinstance(job, QueryJob):
            async with self._light:
                return await self._do(job, limits, target, inputs, as_of)
        ticket = ticket or self.turns.admit("")
        try:
            if not await ticket.granted:
                trial = replace(limits, timeout_s=min(TRIAL_S, limits.timeout_s))
                outcome = await self._do(job, trial, target, inputs, as_of)
                if outcome.state != "timed_out" or trial == limits:
                    return outcome
                self.turns.wait_again(ticket)
                await ticket.granted
                _empty(target)
            return await self._do(job, limits, target, inputs, as_of)
        finally:
            self.turns.leave(ticket)

    async def _do(
        self,
        job: Job,
        limits: Limits,
        target: BinaryIO | None,
        inputs: Sequence[int],
        as_of: int | None,
    ) -> StatementOutcome:
        with ExitStack() as held:
            template, copy = await self._ready(as_of, held)
            request = _request(job, limits, copy, template)
            outcome = await self._run(template, request, target, inputs)
        return replace(outcome, snapshot_id=copy.frozen.snapshot_id)

    @property
    def template_pid(self) -> int:
        """The process that forks the children."""
        return self._template.pid

    async def snapshot(self) -> int:
        """Return the newest snapshot, which the next statement reads."""
        async with self._starting:
            return (await asyncio.to_thread(self._copies.newest)).frozen.snapshot_id

    async def _ready(self, as_of: int | None, held: ExitStack) -> tuple[TemplateProcess, Copy]:
        """Give a template with the newest copy attached, and the copy to read, which `held` keeps."""
        async with self._starting:
            newest = await asyncio.to_thread(self._copies.newest)
            await self._attach(newest)
            copy = newest if as_of is None else await asyncio.to_thread(self._copies.at, as_of)
            held.enter_context(self._copies.reading(copy))
            return self._template, copy

    async def _attach(self, newest: Copy) -> None:
        """Have the template read the newest copy. It holds the one before until then: to detach is to read it."""
        if self._template.alive and self._template.copy is newest:
            return
        with ExitStack() as before:
            before.push(self._held)
            self._held = ExitStack()
            self._held.enter_context(self._copies.reading(newest))
            if self._template.is_lost:
                self._template.close()
                await asyncio.to_thread(self._template.wait)
            if self._template.alive:
                await self._template.attach(newest)
            else:
                self._template = TemplateProcess()
                await self._template.start(newest)

    async def _run(
        self,
        template: TemplateProcess,
        request: ChildRequest,
        target: BinaryIO | None,
        inputs: Sequence[int],
    ) -> StatementOutcome:
        limits, started = request.limits, time.monotonic()
        report_out, report_in = os.pipe()
        result_out, result_in = os.pipe()
        try:
            number, ended = template.fork(request, [report_in, result_in, *inputs])
        except BaseException:
            os.close(report_out)
            os.close(result_out)
            raise
        finally:
            os.close(report_in)
            os.close(result_in)
        report, n_bytes, late = b"", 0, False
        room = limits.max_bytes + _OVERHEAD
        try:
            async with asyncio.timeout(limits.timeout_s):
                report, n_bytes = await asyncio.gather(
                    _read(report_out, None, MAX_REPORT), _read(result_out, target, room)
                )  # fmt: skip
        except TimeoutError:
            late = True
        finally:
            template.kill(number)
            died_of = await asyncio.shield(ended)
            template.forget(number)
        outcome = _timed_out(limits) if late else _outcome(report, died_of, limits)
        return replace(outcome, n_bytes=n_bytes, duration_ms=(time.monotonic() - started) * 1e3)


def _request(job: Job, limits: Limits, copy: Copy, template: TemplateProcess) -> ChildRequest:
    """Add to a job what the child needs: limits, and for a statement the catalog."""
    request = ChildRequest(job, limits, copy.remote)
    if not isinstance(job, QueryJob):
        return request
    return replace(
        request,
        readable=tuple(copy.readable),
        data_paths=tuple(copy.frozen.data_paths),
        attach_sql=None if copy is template.copy else copy.frozen.attach_sql,
    )


def _empty(target: BinaryIO | None) -> None:
    """Take back what a trial has written."""
    if target is not None:
        target.seek(0)
        target.truncate()


async def _read(descriptor: int, target: BinaryIO | None, room: int) -> Any:
    """Read a pipe to its end, into `target` (returns the bytes counted) or into memory (returns them)."""
    reader = asyncio.StreamReader(limit=CHUNK)
    loop = asyncio.get_running_loop()
    pipe = os.fdopen(descriptor, "rb", 0)
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    kept, n = [], 0
    try:
        while chunk := await reader.read(CHUNK):
            n += len(chunk)
            if n > room:
                break  # the pipe closes, and the child with it
            if target is None:
                kept.append(chunk)
            else:
                target.write(chunk)
    finally:
        transport.close()
    return b"".join(kept) if target is None else n


def _outcome(report: bytes, died_of: int, limits: Limits) -> StatementOutcome:
    """Judge by the report, or by the signal that kept the child from writing one."""
    try:
        record = _mapping(json.loads(report))
    except (ValueError, RecursionError):
        if died_of == signal.SIGXCPU:
            return _timed_out(limits)
        return StatementOutcome(
            "failed", error=_CRASHED.format(memory=limits.memory_mb), kind="crashed"
        )
    if "error" in record:
        kind = str(record.get("kind"))
        state: State = "refused" if kind == "refused" else "failed"
        return StatementOutcome(state, error=str(record["error"]), kind=kind)
    return StatementOutcome("done", record)


_CRASHED = "the statement ended its process; most often it needs more memory than the {memory} MB that one may use"


def _timed_out(limits: Limits) -> StatementOutcome:
    sentence = f"the statement took longer than {limits.timeout_s:g} s and was stopped"
    return StatementOutcome("timed_out", error=sentence, kind="timed_out")


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}
