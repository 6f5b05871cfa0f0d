"""Run a chain of stages over many assets: by Daft (laptop or Ray cluster) or by plain threads.

The whole chain runs on one batch at a time, so pictures and thumbnails exist only as long as their batch.
Both runners give the same rows. Threads need no further library and start at once; Daft plans, spills and runs on a
cluster without a change to the stages. OpenCV, Pillow and torch release the interpreter lock.
"""

import logging
import os
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, Literal, get_args

import pyarrow as pa
import pyarrow.compute as pc

from catalog import ClusterError, UsageError
from curation.errors import UnknownRunnerError
from curation.stages.stage import TRANSIENT, Stage

Runner = Literal["daft", "threads"]
BATCH_ROWS = 16

_QUIET = {
    "DO_NOT_TRACK": "true",
    "SCARF_NO_ANALYTICS": "true",
    "DAFT_ANALYTICS_ENABLED": "0",
    "DAFT_PROGRESS_BAR": "0",
}  # otherwise Daft reports its import to two servers and draws progress bars


class Chain:
    """Stages run one after the other on a batch; `run` gives `asset_sha256` and every stored column.

    Workers set up their own stages at their first batch, one worker at a time.
    """

    _setup_lock = threading.Lock()

    def __init__(self, stages: Sequence[Stage]) -> None:
        self.stages = tuple(stages)
        self._is_set_up = False

    @property
    def outputs(self) -> pa.Schema:
        """Columns that `run` gives: all but the transient ones."""
        fields = [field for stage in self.stages for field in stage.outputs]
        kept = [field for field in fields if field.name not in TRANSIENT]
        assert len({field.name for field in kept}) == len(kept), "two stages give the same column"
        return pa.schema([pa.field("asset_sha256", pa.string()), *kept])

    def setup(self) -> None:
        """Set up every stage, once."""
        with Chain._setup_lock:
            if not self._is_set_up:
                for stage in self.stages:
                    stage.setup()
                self._is_set_up = True

    def run(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Run all stages; a row has nulls from the first stage on that lacks an input for it."""
        self.setup()
        columns = {name: batch.column(name) for name in batch.schema.names}
        for stage in self.stages:
            columns |= _outputs_of(stage, columns, batch.num_rows)
        outputs = self.outputs
        return pa.RecordBatch.from_arrays([columns[name] for name in outputs.names], schema=outputs)


def _outputs_of(stage: Stage, columns: dict[str, pa.Array], n_rows: int) -> dict[str, pa.Array]:
    """Run one stage on the rows that have all its inputs and put nulls into the others."""
    names = ("asset_sha256", *stage.inputs)
    batch = pa.RecordBatch.from_arrays([columns[name] for name in names], names=list(names))
    is_ready = pa.array([True] * n_rows)
    for name in stage.inputs:
        is_ready = pc.and_(is_ready, pc.is_valid(columns[name]))
    ready = batch.filter(is_ready)
    if ready.num_rows == 0:
        return {field.name: pa.nulls(n_rows, field.type) for field in stage.outputs}
    results = stage.run(ready)
    assert results.num_rows == ready.num_rows, f"stage {stage.name} lost rows"
    place = pc.if_else(is_ready, pc.subtract(pc.cumulative_sum(is_ready.cast("int64")), 1), None)
    return {field.name: results.column(field.name).take(place) for field in stage.outputs}


def apply(
    stages: Sequence[Stage],
    rows: pa.Table,
    *,
    runner: str = "daft",
    cluster: str = "",
    workers: int | None = None,
    batch_rows: int = BATCH_ROWS,
) -> Iterator[pa.RecordBatch]:
    """Give the stored columns of `stages` for all `rows`, batch by batch, in no particular order.

    `rows` has `asset_sha256` and what the first stage reads. `workers` (default: the cores) is the number of
    batches at work at the same time; Daft always takes the cores, or those of the Ray cluster at the address
    `cluster`. Raises `UnknownRunnerError`, `ClusterError`; an exception in a stage ends the iteration.
    """
    if runner not in get_args(Runner):
        raise UnknownRunnerError(runner, get_args(Runner))
    if cluster and runner != "daft":
        raise UsageError(f"only the runner daft works on a cluster, not {runner}")
    if rows.num_rows == 0:
        return iter(())
    if runner == "threads":
        return _run_on_threads(stages, rows, workers or os.cpu_count() or 1, batch_rows)
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    if cluster:
        return _run_on_cluster(stages, rows, cluster, batch_rows)
    return _run_on_daft(Chain(stages), [rows], batch_rows)


def _run_on_threads(
    stages: Sequence[Stage], rows: pa.Table, workers: int, batch_rows: int
) -> Iterator[pa.RecordBatch]:
    """Keep two batches per worker in flight; threads share one chain, so weights are loaded once."""
    chain = Chain(stages)
    chain.setup()
    in_flight: deque[Future[pa.RecordBatch]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="curation") as pool:
        for batch in rows.combine_chunks().to_batches(max_chunksize=batch_rows):
            in_flight.append(pool.submit(chain.run, batch))
            if len(in_flight) >= 2 * workers:
                yield in_flight.popleft().result()
        while in_flight:
            yield in_flight.popleft().result()


def _run_on_cluster(
    stages: Sequence[Stage], rows: pa.Table, address: str, batch_rows: int
) -> Iterator[pa.RecordBatch]:
    """Let Daft call the chain on the nodes of a Ray cluster."""
    from curation.stages.cluster import join, run_in_parts

    join(address, {name: os.environ[name] for name in _QUIET})
    import daft

    daft.set_runner_ray(noop_if_initialized=True)
    if daft.runners.get_or_infer_runner_type() != "ray":  # Daft keeps its first runner
        raise ClusterError(address, "this process has run stages without it; start another one")
    run = partial(_run_on_daft, Chain(stages), batch_rows=batch_rows)
    yield from run_in_parts(run, rows.combine_chunks(), batch_rows)


def _run_on_daft(chain: Chain, tables: list[pa.Table], batch_rows: int) -> Iterator[pa.RecordBatch]:
    """Let Daft call the chain; only references to bytes and small results pass through it."""
    import daft

    logging.getLogger("tracing").setLevel(logging.WARNING)  # Daft logs every batch at INFO

    kind = daft.DataType.from_arrow_type(pa.struct(list(chain.outputs)))

    class DaftChain:
        """The chain as a Daft function: columns in, one struct column out."""

        def __init__(self, chain: Chain, names: list[str]) -> None:
            self.chain, self.names = chain, names

        @daft.method.batch(return_dtype=kind, batch_size=batch_rows)
        def run(self, *columns: Any) -> pa.Array:  # daft.Series has no types
            arrays = [column.to_arrow() for column in columns]
            batch = pa.RecordBatch.from_arrays(arrays, names=self.names)
            return self.chain.run(batch).to_struct_array()

    actor = daft.cls(
        DaftChain, use_process=False
    )  # a max_concurrency would fork a process per chain
    frame, names = daft.from_arrow(tables), tables[0].column_names
    called = actor(chain, names).run(*(daft.col(name) for name in names))
    for batch in frame.select(called.alias("result")).to_arrow_iter():
        yield from _flat(batch, chain.outputs)


def _flat(batch: pa.RecordBatch, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Unpack the struct column of one Daft batch (Daft widens strings and lists) to `schema`."""
    structs = batch.column("result")
    chunks = structs.chunks if isinstance(structs, pa.ChunkedArray) else [structs]
    for chunk in chunks:
        arrays = [chunk.field(name).cast(schema.field(name).type) for name in schema.names]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)
