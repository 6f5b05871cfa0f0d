"""Run jobs in a real sandbox from tests that are no coroutines."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO

import pyarrow as pa

from catalog import Workspace
from catalog.sandbox import Limits, QueryJob, QueryPool, StatementOutcome
from catalog.sandbox.sql.jobs import Wall

SMALL = Limits(timeout_s=20, max_rows=1_000, max_bytes=2**20, memory_mb=256, threads=1)


class Sandbox:
    """A pool and the loop that it runs on."""

    def __init__(self, runner: asyncio.Runner, pool: QueryPool) -> None:
        self.runner, self.pool = runner, pool

    def ask(
        self,
        sql: str,
        *,
        limits: Limits = SMALL,
        without: Sequence[Wall] = (),
        as_of: int | None = None,
        parameters: dict[str, object] | None = None,
    ) -> tuple[StatementOutcome, bytes]:
        """Run a statement, with some walls left out."""
        out = BytesIO()
        job = QueryJob(sql, parameters, tuple(without))
        outcome = self.runner.run(self.pool.run(job, limits, out, as_of=as_of))
        return outcome, out.getvalue()

    def rows(
        self, sql: str, *, as_of: int | None = None, **parameters: object
    ) -> list[tuple[object, ...]]:
        """Run a good statement and give its rows."""
        outcome, body = self.ask(sql, as_of=as_of, parameters=parameters)
        assert outcome.state == "done", outcome.error
        table = pa.ipc.open_file(pa.py_buffer(body)).read_all()
        return [tuple(row.values()) for row in table.to_pylist()]


@contextmanager
def sandbox_of(workspace: Workspace) -> Iterator[Sandbox]:
    """Start a sandbox for one workspace."""
    with asyncio.Runner() as runner:

        async def start() -> QueryPool:
            pool = QueryPool(workspace, SMALL)
            await pool.start()
            return pool

        pool = runner.run(start())
        try:
            yield Sandbox(runner, pool)
        finally:
            runner.run(pool.close())
