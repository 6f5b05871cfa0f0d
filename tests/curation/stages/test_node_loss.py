"""One of two nodes of a Ray cluster is killed while the stages run."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pytest
from pyarrow import parquet

from catalog import Workspace, open_catalog
from curation.stages.engine import apply
from curation.stages.stage import with_outputs
from tests.curation.small_catalog import Shot, exif, fill, jpeg, scene, sound_shots

ray = pytest.importorskip("ray", reason="the extra [cluster] is not installed")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

ROOT = Path(__file__).resolve().parents[3]
STAGES = ("health", "quality", "phashes", "embeddings")
DECIDED = ("curation_runs", "decisions", "curated_items", "duplicate_groups")
UNLIKE = {"started_at", "finished_at", "decided_at", "vector"}  # times, and what is compared beside


@dataclass
class TwoNodes:
    """A cluster of two nodes with a core each, on this machine."""

    cluster: Any
    second: Any

    def decoders(self, node: Any) -> list[psutil.Process]:
        """List the decoder processes below a node."""
        (raylet,) = node.all_processes["raylet"]
        below = psutil.Process(raylet.process.pid).children(recursive=True)
        return [process for process in below if "decoder_start.py" in " ".join(words(process))]

    def kill_second(self) -> None:
        """Kill the processes of the second node with SIGKILL."""
        self.cluster.remove_node(self.second, allow_graceful=False)


def words(process: psutil.Process) -> list[str]:
    try:
        result: list[str] = process.cmdline()
    except psutil.Error:
        return []
    return result


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> Iterator[TwoNodes]:
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # where the nodes find Safelight, and this file
    monkeypatch.setenv("SAFELIGHT_CURATE_FACES", "off")
    monkeypatch.setenv("RAY_agent_register_timeout_ms", "120000")  # these two for busy machines
    monkeypatch.setenv("DAFT_RAY_WORKER_STARTUP_TIMEOUT", "400")
    head = {"num_cpus": 1, "include_dashboard": False}
    with ExitStack() as stack:
        cluster = patiently(lambda: Cluster(True, connect=False, head_node_args=head))
        stack.callback(cluster.shutdown)
        second = patiently(lambda: cluster.add_node(wait=False, num_cpus=1))
        cluster.wait_for_nodes(timeout=120)
        yield TwoNodes(cluster, second)


def patiently(start: Callable[[], Any]) -> Any:
    """Start a node; Ray gives one up that takes more than 30 s, as on a machine that is busy with other tests."""
    for _ in range(3):
        with suppress(Exception):  # Ray raises no type of its own
            return start()
    return start()


@contextmanager
def started(words: Sequence[str], folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Start Python in a folder; what it says goes to the file `said` there."""
    with (folder / "said").open("w") as text:
        command = [sys.executable, *words]
        process = subprocess.Popen(command, cwd=folder, stdout=text, stderr=text, text=True)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def wait_until(is_so: Callable[[], object], process: subprocess.Popen[str], text: Path) -> None:
    end = time.monotonic() + 450
    while not is_so():
        assert process.poll() is None, text.read_text()
        assert time.monotonic() < end, text.read_text()
        time.sleep(0.05)


def test_the_rows_are_those_of_one_machine_though_a_node_is_killed(
    workspace: Workspace, tmp_path: Path, nodes: TwoNodes
) -> None:
    broken = [Shot(f"cut{i}.jpg", jpeg(scene(900 + i))[:-900], exif(i)) for i in range(5)]
    fill(workspace, [*sound_shots(155), *broken])
    alone = Workspace(shutil.copytree(workspace.home, tmp_path / "alone"))
    text = tmp_path / "said"
    run = ("-P", "-m", "safelight", "-v", "--home", str(workspace.home), "curate", "run")
    with started([*run, "--cluster", nodes.cluster.address], tmp_path) as command:
        wait_until(lambda: nodes.decoders(nodes.cluster.head_node), command, text)
        wait_until(lambda: nodes.decoders(nodes.second), command, text)
        theirs = nodes.decoders(nodes.second)
        nodes.kill_second()
        assert command.wait(450) == 0, text.read_text()
    assert f"stages run on the Ray cluster {nodes.cluster.address} (nodes 2, cores 2)" in (
        text.read_text()
    )
    assert not any(process.is_running() for process in theirs)
    subprocess.run(
        [sys.executable, *run[:5], str(alone.home), "curate", "run"], check=True, timeout=400
    )
    for table in (*STAGES, *DECIDED):
        ours, native = (rows_of(each, table) for each in (workspace, alone))
        assert (table, ours) == (table, native)
    assert np.allclose(vectors(workspace), vectors(alone), atol=1e-5)
    assert len(rows_of(workspace, "health")) == 160


def rows_of(workspace: Workspace, table: str) -> list[str]:
    with open_catalog(workspace) as catalog:
        result = catalog.records(f"SELECT * FROM {table}")
    return sorted(str({k: v for k, v in row.items() if k not in UNLIKE}) for row in result)


def vectors(workspace: Workspace) -> Any:
    with open_catalog(workspace) as catalog:
        result = catalog.records("SELECT vector FROM embeddings ORDER BY asset_sha256")
    return np.asarray([row["vector"] for row in result], np.float32)


class Hoard:
    """Stage: on the head it waits until the other node was killed; that one finishes tasks nobody fetches yet."""

    name, version, inputs = "hoard", "1", ("x",)
    outputs = pa.schema([pa.field("y", pa.int64()), pa.field("padding", pa.binary())])

    def __init__(self, folder: str, second: str) -> None:
        self.folder, self.second = Path(folder), second

    def setup(self) -> None:
        """Need nothing."""

    def run(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Give rows that are too large to travel with the reply of a task."""
        numbers = batch.column("x").to_pylist()
        if ray.get_runtime_context().get_node_id() == self.second:
            with (self.folder / "ran").open("a") as ran:
                ran.write(f"{numbers[0]}\n")
        end = time.monotonic() + 400
        while not (self.folder / "killed").exists() and time.monotonic() < end:
            if ray.get_runtime_context().get_node_id() == self.second:
                break
            time.sleep(0.05)
        columns = {"y": [2 * n for n in numbers], "padding": [os.urandom(20_000)] * len(numbers)}
        return with_outputs(batch, self.outputs, columns)


def main(folder: str, second: str, address: str) -> None:
    """Run the stage above over 192 rows; runs in a process of its own, as Daft changes its runner once."""
    n = 192
    given = pa.table({"asset_sha256": [f"{i:04d}" for i in range(n)], "x": list(range(n))})
    batches = list(apply([Hoard(folder, second)], given, cluster=address, batch_rows=8))
    parquet.write_table(pa.Table.from_batches(batches), Path(folder) / "rows.parquet")


def test_finished_rows_that_die_with_their_node_are_computed_again(
    tmp_path: Path, nodes: TwoNodes
) -> None:
    ran, text = tmp_path / "ran", tmp_path / "said"
    ran.touch()
    code = f"import sys; from {__name__} import main; main(*sys.argv[1:])"
    words = ("-c", code, str(tmp_path), nodes.second.node_id, nodes.cluster.address)
    with started(words, tmp_path) as driver:
        wait_until(lambda: len(ran.read_text().splitlines()) >= 12, driver, text)
        nodes.kill_second()
        (tmp_path / "killed").touch()
        assert driver.wait(450) == 0, text.read_text()
    assert "died; pictures whose results it had not handed over are computed again" in (
        text.read_text()
    )
    result = parquet.read_table(tmp_path / "rows.parquet").sort_by("asset_sha256")
    assert result["y"].to_pylist() == [2 * i for i in range(192)]
