"""Run stages on a Ray cluster: join it by its address, and compute again what a dead node took with it.

Daft gives the tasks of a dead node to another one, but finished rows lie in the memory of the node that made them
until they are fetched. So rows are sent in parts, and those of a part that are missing after a loss are sent again.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from catalog import AssetNotFoundError, ClusterError, __version__, first_line, join_ray
from curation.errors import NodesKeepDyingError

log = logging.getLogger(__name__)

MOST_LOSSES = 3
_ANSWER_S = 120.0
_BATCHES_OF_TASK, _TASKS_OF_CPU = 2, 8

Run = Callable[[list[pa.Table]], Iterator[pa.RecordBatch]]
"""Give the results of tables, each of them a task."""


@dataclass(frozen=True)
class Node:
    """A machine of the cluster: its address, and the cores that it lends."""

    address: str
    n_cpus: int


Nodes = Mapping[str, Node]
"""The nodes that live, by their ids."""


def join(address: str, environment: Mapping[str, str]) -> None:
    """Join the cluster at `address` until this process ends; its processes get `environment`.

    Raises `ClusterError`, and `UsageError` where the current folder would hide our packages from them.
    """
    if ray.is_initialized():
        return
    join_ray(address, environment)
    nodes = alive()
    _check_versions(address, nodes)
    cpus = sum(node.n_cpus for node in nodes.values())
    log.info("stages run on the Ray cluster %s (nodes %d, cores %d)", address, len(nodes), cpus)


def alive() -> Nodes:
    """Ask the cluster which nodes live."""
    nodes = ray.nodes()  # type: ignore[no-untyped-call]
    return {
        node["NodeID"]: Node(node["NodeManagerAddress"], int(node["Resources"].get("CPU", 0)))
        for node in nodes
        if node["Alive"]
    }


def _check_versions(address: str, nodes: Nodes) -> None:
    """Raise `ClusterError` when a node has another Safelight, or none: its rows would not be those of this one."""
    calls = {_ask_version(name): node for name, node in nodes.items()}
    answered, _ = ray.wait(list(calls), num_returns=len(calls), timeout=_ANSWER_S)
    for call in answered:
        with suppress(ray.exceptions.RayError):  # the node died meanwhile, which the stages outlive
            if (version := ray.get(call)) != __version__:
                installed = f"Safelight {version}" if version else "no Safelight that Python finds"
                message = f"node {calls[call].address} has {installed}, this machine {__version__}"
                raise ClusterError(address, message)


def _ask_version(node: str) -> "ray.ObjectRef[str]":
    def version() -> str:  # sent whole, as the module around it may be missing there
        try:
            from catalog import __version__ as found
        except ImportError:
            return ""
        return found

    on_node = NodeAffinitySchedulingStrategy(node, soft=False)
    return ray.remote(version).options(num_cpus=0, scheduling_strategy=on_node).remote()


def run_in_parts(
    run: Run, rows: pa.Table, batch_rows: int, nodes: Callable[[], Nodes] = alive
) -> Iterator[pa.RecordBatch]:
    """Give the results of all `rows` once, whichever nodes die; a part is eight tasks for each core.

    Raises `NodesKeepDyingError` when a part is lost more than `MOST_LOSSES` times, and what a stage raises.
    """
    task_rows, start = batch_rows * _BATCHES_OF_TASK, 0
    while start < rows.num_rows:
        cores = sum(node.n_cpus for node in nodes().values())
        size = task_rows * _TASKS_OF_CPU * max(1, cores)
        yield from _run_part(run, rows.slice(start, size), task_rows, nodes)
        start += size


def _run_part(
    run: Run, part: pa.Table, task_rows: int, nodes: Callable[[], Nodes]
) -> Iterator[pa.RecordBatch]:
    left, losses = part, 0
    while left.num_rows:
        finished: list[pa.Array] = []
        nodes_before, n_before = nodes(), losses
        try:
            for batch in run([left.slice(n, task_rows) for n in range(0, len(left), task_rows)]):
                finished.append(batch.column("asset_sha256"))
                yield batch
        except ray.exceptions.RayError as error:
            losses += 1
            _check_loss(error, losses, lost_nodes := _gone(nodes_before, nodes()))
            _log_loss(error, lost_nodes)
        names = pa.chunked_array(finished, pa.string())
        left = left.filter(pc.invert(pc.is_in(left["asset_sha256"], names)))
        assert losses > n_before or not len(left), f"Daft gave no result for {len(left)} rows"


def _gone(before: Nodes, after: Nodes) -> list[str]:
    """List the addresses of the nodes that died."""
    return sorted({node.address for name, node in before.items() if name not in after})


def _check_loss(error: Exception, losses: int, gone: Sequence[str]) -> None:
    """Raise what a stage raised, and `NodesKeepDyingError` when there were too many losses."""
    cause = error.cause if isinstance(error, ray.exceptions.RayTaskError) else error
    if isinstance(cause, AssetNotFoundError):
        raise AssetNotFoundError(f"{cause}; each node must see it at the same path") from error
    if not (gone or isinstance(cause, ray.exceptions.RayError)):
        raise cause from error
    if losses > MOST_LOSSES:
        raise NodesKeepDyingError(first_line(error), losses) from error


def _log_loss(error: Exception, gone: Sequence[str]) -> None:
    what = f"the node {', '.join(gone)} died" if gone else f"a process died: {first_line(error)}"
    log.warning("%s; pictures whose results it had not handed over are computed again", what)
