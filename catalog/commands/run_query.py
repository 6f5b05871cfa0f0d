"""Ask the tables from this machine: values of parameters as people type them, and answers as files."""

import asyncio
import json
import tempfile
from collections.abc import Mapping, Sequence
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from catalog.commands.interrupts import stoppable
from catalog.commands.printing import render
from catalog.commands.text_table import terminal_width
from catalog.errors import QueryError, UsageError
from catalog.lake.lake import open_catalog
from catalog.tables.questions import Question
from catalog.workspace.workspace import Workspace


def typed(words: Sequence[str]) -> dict[str, object]:
    """Read `name=value` words: numbers, true, false, null, lists and "texts" as in JSON, all else is text.

    >>> typed(["n=3", "source=unsplash", 'version="1"', "who=null"])
    {'n': 3, 'source': 'unsplash', 'version': '1', 'who': None}
    """
    values: dict[str, object] = {}
    for word in words:
        name, sign, text = word.partition("=")
        if not sign or not name.isidentifier():
            raise UsageError(f"{word!r} is no name=value")
        try:
            values[name] = json.loads(text)
        except ValueError:
            values[name] = text
    return values


def filled(question: Question, given: Mapping[str, object]) -> dict[str, object]:
    """Give every parameter of a question its value, or its default; raises `UsageError` on an unknown name."""
    defaults = {parameter.name: parameter.default for parameter in question.parameters}
    if strange := sorted(set(given) - set(defaults)):
        names = ", ".join(defaults) or "none"
        raise UsageError(f"{question.name} has no parameter {strange[0]}; it has: {names}")
    return {**defaults, **given}


def ask(
    workspace: Workspace,
    sql: str,
    parameters: Mapping[str, object],
    *,
    as_of: int | None,
    sandbox: bool,
) -> pa.Table:
    """Run one reading statement and return its rows; raises `QueryError`, `SnapshotNotFoundError`.

    With `sandbox` it runs as statements of strangers do, within their limits.
    """
    if sandbox:
        return asyncio.run(_ask_in_sandbox(workspace, sql, parameters, as_of))
    with open_catalog(workspace, as_of=as_of) as tables:
        return stoppable(lambda: tables.query(sql, parameters), tables.interrupt)


async def _ask_in_sandbox(
    workspace: Workspace, sql: str, parameters: Mapping[str, object], as_of: int | None
) -> pa.Table:
    from catalog.sandbox import Limits, QueryJob, QueryPool

    open_catalog(workspace).close()  # makes tables that are missing
    pool = QueryPool(workspace, Limits())
    try:
        await pool.start()
        with tempfile.TemporaryFile() as result:
            job = QueryJob(sql, dict(parameters))
            outcome = await pool.run(job, pool.limits, result, as_of=as_of)
            if outcome.state != "done":
                raise QueryError(outcome.error or "the sandbox gave no result")
            result.seek(0)
            return pa.ipc.open_file(result).read_all()
    finally:
        await pool.close()


def write(rows: pa.Table, style: str, target: BinaryIO) -> None:
    """Write rows in one of `catalog.commands.formats.FORMATS`; raises `QueryError` where Parquet cannot hold a type."""
    if style == "arrow":
        with pa.ipc.new_file(target, rows.schema) as writer:
            writer.write_table(rows)
    elif style == "parquet":
        try:
            pq.write_table(rows, target, compression="zstd")
        except pa.ArrowNotImplementedError as error:
            raise QueryError(f"Parquet cannot hold this: {error}. CAST it to VARCHAR.") from error
    else:
        target.write(
            render(rows, style, width=terminal_width() if target.isatty() else None).encode()
            + b"\n"
        )
