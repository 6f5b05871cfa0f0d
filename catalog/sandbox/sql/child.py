"""What a forked child does: give up its rights, do one job, write the outcome, end.

A child gets everything it needs as open files: where to write the result (a pipe), where to write its report (a pipe),
and what to read (a file with a result or a picture). It opens nothing but the frozen catalog and the lake's data.
"""

import json
import os
import re
import resource
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import duckdb
import pyarrow as pa

from catalog.errors import QueryError
from catalog.sandbox.results.facets import write_facets
from catalog.sandbox.results.formats import (
    Sink,
    open_result,
    page,
    quoted_name,
    values,
    write_csv,
    write_json,
    write_parquet,
)
from catalog.sandbox.results.summary import write_summary
from catalog.sandbox.sql.allowed import Allowed, with_relations
from catalog.sandbox.sql.jobs import (
    ChildRequest,
    ExportJob,
    FacetJob,
    PageJob,
    ProbeJob,
    QueryJob,
    SoundPlotJob,
    SummaryJob,
    ThumbnailJob,
)
from catalog.sandbox.sql.statements import check_statement
from catalog.sandbox.sql.thumbnails import write_sound_plot, write_thumbnail
from catalog.sandbox.walls import landlock, privileges
from catalog.sandbox.walls.closed import what_is_closed
from catalog.sandbox.walls.limits import MB, Limits
from catalog.workspace.error_lines import first_paragraph

DuckDB = duckdb.DuckDBPyConnection

ROWS_PER_BATCH = 2_048
MAX_COLUMNS = 2_000
_ROOM = 512 * MB
"""Address space beside DuckDB's own memory: thread stacks, arenas, Arrow."""
# Types that Arrow, Parquet and every reader of them share; all others leave the sandbox as text.
_PORTABLE = re.compile(
    "BOOLEAN|U?(TINY|SMALL|BIG)INT|U?INTEGER|HUGEINT|FLOAT|DOUBLE|VARCHAR|DATE|TIME|BLOB|JSON|UUID"
    "|DECIMAL.*|ENUM.*|TIMESTAMP.*"
)
_RARE = re.compile("INTERVAL|BIT|UNION|TIME WITH|VARIANT|GEOMETRY|UHUGEINT|BIGNUM|TIME_NS")


@dataclass(frozen=True)
class Task:
    """A request with what it needs: DuckDB, and open files to read."""

    request: ChildRequest
    connection: DuckDB
    inputs: Sequence[int]
    allowed: Allowed


def run(
    request: ChildRequest,
    connection: DuckDB,
    descriptors: Sequence[int],
    allowed: Allowed,
    *,
    nobody: bool,
) -> dict[str, object]:
    """Do one job; return what the report says: the outcome, or `error` and `kind`.

    `nobody` says whether the user `nobody` can read what the child reads, so that the child becomes that user.
    """
    out, *inputs = descriptors
    sink = Sink(out)
    try:
        give_up_rights(request, connection, nobody=nobody)
        report = _do(Task(request, connection, inputs, allowed), sink)
        sink.flush()
    except QueryError as error:
        return {"error": str(error), "kind": "refused"}
    except duckdb.Error as error:
        memory = isinstance(error, duckdb.OutOfMemoryException)
        return {"error": first_paragraph(error), "kind": "out_of_memory" if memory else "failed"}
    except MemoryError:
        return {
            "error": "the statement needs more memory than one query may use",
            "kind": "out_of_memory",
        }
    except BrokenPipeError:
        return {"error": "nobody waits for the result", "kind": "cancelled"}
    except (
        ValueError,
        TypeError,
        ArithmeticError,
        OSError,
        RecursionError,
        pa.ArrowException,
    ) as error:
        return {"error": first_paragraph(error), "kind": "failed"}
    return report


def give_up_rights(request: ChildRequest, connection: DuckDB, *, nobody: bool) -> None:
    """Close every wall around this process, the outermost first."""
    job, limits = request.job, request.limits
    without = job.without if isinstance(job, QueryJob) else ()
    if request.attach_sql:  # another snapshot; to detach the first one DuckDB opens it once more
        connection.execute("USE memory")
        connection.execute("DETACH DATABASE IF EXISTS lake")
        connection.execute(request.attach_sql)
    if "user" not in without and nobody:
        privileges.become_nobody()
    privileges.die_with_parent()
    if "limits" not in without:
        _limit(limits)
    privileges.drop_capabilities()
    if "landlock" not in without:
        landlock.restrict_to(request.readable, network=request.network)
    if isinstance(job, QueryJob):
        _start_threads(connection, limits)
    if "duckdb" not in without:
        _lock(connection, limits, request.data_paths)
    if "limits" not in without and isinstance(job, QueryJob | ProbeJob):
        # DuckDB's threads run by now. The other jobs run no statement of a stranger, but scan Arrow, which has its own.
        privileges.limit(resource.RLIMIT_NPROC, 0)


def _limit(limits: Limits) -> None:
    privileges.limit(resource.RLIMIT_CORE, 0)
    privileges.limit(resource.RLIMIT_FSIZE, 0)  # the result leaves by a pipe
    privileges.limit(resource.RLIMIT_NOFILE, 256)
    privileges.limit(resource.RLIMIT_CPU, limits.cpu_s)
    if mapped := privileges.address_space():
        privileges.limit(resource.RLIMIT_AS, mapped + limits.memory_mb * MB + _ROOM)


def _start_threads(connection: DuckDB, limits: Limits) -> None:
    """Start DuckDB's threads while this process may still; they inherit its walls."""
    connection.execute(f"SET threads = {limits.threads:d}")


def _lock(connection: DuckDB, limits: Limits, data_paths: Sequence[str]) -> None:
    connection.execute(f"SET memory_limit = '{limits.memory_mb:d}MiB'")
    allowed = ", ".join("'" + path.replace("'", "''") + "'" for path in data_paths)
    connection.execute(f"SET allowed_directories = [{allowed}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _do(task: Task, sink: Sink) -> dict[str, object]:
    match task.request.job:
        case QueryJob() as job:
            return _query(task, job, sink)
        case ProbeJob() as job:
            return _probe(task.connection, job)
        case PageJob() as job:
            _page(task, job, sink)
        case ExportJob() as job:
            _export(task, job, sink)
        case SummaryJob():
            write_summary(task.connection, open_result(task.inputs[0]).read_all(), sink)
        case FacetJob() as job:
            write_facets(task.connection, open_result(task.inputs[0]).read_all(), job.values, sink)
        case ThumbnailJob() as job:
            write_thumbnail(task.inputs[0], job.side, sink)
        case SoundPlotJob() as job:
            write_sound_plot(task.inputs[0], job, sink)
    return {}


def _query(task: Task, job: QueryJob, sink: Sink) -> dict[str, object]:
    limits = task.request.limits
    relation: Any = task.connection.sql(_checked(task, job), params=job.parameters or None)
    if relation is None:  # tests without the check: a statement that gives no rows
        return {"columns": [], "n_rows": 0, "truncated": False}
    if len(relation.columns) > MAX_COLUMNS:
        raise QueryError(
            f"the result has {len(relation.columns)} columns; {MAX_COLUMNS} are allowed"
        )
    names = distinct(relation.columns)
    types = [str(kind) for kind in relation.types]
    reader = _portable(relation, types).to_arrow_reader(ROWS_PER_BATCH)
    n_rows, truncated = _stream(reader, names, sink, limits)
    columns = [{"name": n, "type": t} for n, t in zip(names, types, strict=True)]
    return {"columns": columns, "n_rows": n_rows, "truncated": truncated}


def _checked(task: Task, job: QueryJob) -> str:
    """Check the statement, and return what is to be run for it."""
    if "statements" in job.without:
        return job.sql
    allowed = task.allowed
    if task.request.attach_sql:  # another snapshot may have other tables
        allowed = with_relations(allowed, task.connection)
    checked = check_statement(task.connection, job.sql, allowed)
    for before in checked.before:
        task.connection.execute(before)
    return checked.sql


def distinct(names: Sequence[str]) -> list[str]:
    """Give columns of one name different ones.

    >>> distinct(["a", "a", "a_1", "a"])
    ['a', 'a_2', 'a_1', 'a_3']
    """
    taken, names_out = set(names), []
    for number, name in enumerate(names):
        if name in names[:number]:
            name = next(n for i in range(1, len(names) + 1) if (n := f"{name}_{i}") not in taken)  # noqa: PLW2901 - the new name
            taken.add(name)
        names_out.append(name)
    return names_out


def _portable(relation: Any, types: Sequence[str]) -> Any:
    """Turn columns of rare types (INTERVAL, BIT, UNION ...) into text."""
    rare = [not _is_portable(kind) for kind in types]
    if not any(rare):
        return relation
    return relation.project(
        ", ".join(f"CAST(#{n} AS VARCHAR)" if odd else f"#{n}" for n, odd in enumerate(rare, 1))
    )


def _is_portable(kind: str) -> bool:
    if kind.startswith(("STRUCT", "MAP")):
        return not _RARE.search(kind)
    return bool(_PORTABLE.fullmatch(kind.rstrip("[]0123456789")))


def _stream(reader: Any, names: list[str], sink: Sink, limits: Limits) -> tuple[int, bool]:
    """Write batches as an Arrow file until a limit is met; return the rows written and whether some are missing."""
    schema = pa.schema(
        [field.with_name(name) for field, name in zip(reader.schema, names, strict=True)]
    )
    n_rows = 0
    with pa.ipc.new_file(pa.PythonFile(sink, "w"), schema) as writer:
        for batch in reader:
            kept = batch.slice(0, limits.max_rows - n_rows)
            kept = _that_fits(kept, limits.max_bytes - sink.written)
            if len(batch) and not len(kept) and n_rows == 0 and limits.max_rows:
                raise QueryError(
                    f"one row is larger than a result may be ({limits.max_bytes // MB} MB)"
                )
            writer.write_batch(pa.RecordBatch.from_arrays(kept.columns, schema=schema))
            n_rows += len(kept)
            if len(kept) < len(batch):
                return n_rows, True
    return n_rows, False


def _that_fits(batch: Any, room: int) -> Any:
    """Take as many rows from the top as fit into `room` bytes."""
    if batch.nbytes <= room:
        return batch
    low, high = 0, len(batch)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if batch.slice(0, middle).nbytes <= room else (low, middle - 1)
    return batch.slice(0, low)


def _page(task: Task, job: PageJob, sink: Sink) -> None:
    reader, by = open_result(task.inputs[0]), job.order_by
    if by is None:
        task.connection.register("result", page(reader, job.offset, job.limit))
        payload = values(task.connection, "result")
    elif by not in reader.schema.names:
        raise QueryError(
            f"the result has no column {by!r}; it has: {', '.join(reader.schema.names[:20])}"
        )
    else:
        task.connection.register("result", reader.read_all())
        direction = "DESC" if job.descending else "ASC"
        rest = (
            f"ORDER BY result.{quoted_name(by)} {direction} NULLS LAST"
            f" LIMIT {job.limit:d} OFFSET {job.offset:d}"
        )
        payload = values(task.connection, "result", rest)
    sink.write(json.dumps(payload, ensure_ascii=False).encode())


def _export(task: Task, job: ExportJob, sink: Sink) -> None:
    reader = open_result(task.inputs[0])
    if job.format == "json":
        write_json(task.connection, reader, sink)
    elif job.format == "csv":
        write_csv(task.connection, reader, sink, exact=job.exact)
    else:
        write_parquet(reader, sink)


def _probe(connection: DuckDB, job: ProbeJob) -> dict[str, object]:
    attempts: dict[str, Callable[[], object]] = {
        "settings_are_locked": lambda: connection.execute("SET threads = 1"),
        "duckdb_opens_no_files_outside": lambda: connection.execute(
            "SELECT size FROM read_blob(?)", [job.outside]
        ).fetchall(),
    }
    return {"closed": what_is_closed(asdict(job), attempts, (OSError, duckdb.Error))}


def finish(report: dict[str, object], descriptor: int) -> None:
    """Write the report; the reader knows that it is whole by the end of the pipe."""
    with open(descriptor, "wb") as out:
        out.write(json.dumps(report).encode())


def end() -> None:
    """End this process at once, without the clean-up of the parent whose copy it is."""
    os._exit(0)
