"""The stages on a Ray cluster give the rows that this machine alone gives, also when a node dies."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest

import safelight
from catalog import AssetNotFoundError, ClusterError, UsageError, Workspace, load_settings
from curation.errors import NodesKeepDyingError
from curation.settings import CurateSettings
from curation.stages.engine import apply
from curation.stages.stage import with_outputs
from tests.curation.small_catalog import fill, sound_shots

ray = pytest.importorskip("ray", reason="the extra [cluster] is not installed")

from curation.stages.cluster import MOST_LOSSES, Node, Nodes, run_in_parts  # noqa: E402 - needs ray

TWO = {"head": Node("10.0.0.1", 1), "second": Node("10.0.0.2", 1)}
BATCH = 2


@pytest.fixture
def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


@pytest.fixture
def filled(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("SAFELIGHT_CURATE_FACES", "off")
    fill(workspace, sound_shots(3))
    return workspace


def said_by(workspace: Workspace, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Run `safelight curate run`, which must end with code 1, and give the one line that it says."""
    with pytest.raises(SystemExit, match=r"^1$"):
        safelight.main(["--home", str(workspace.home), "curate", "run", *words])
    text = capsys.readouterr().err
    assert text.count("\n") == 1
    return text


def test_an_address_where_nothing_listens_is_one_line(
    filled: Workspace, closed_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    text = said_by(filled, capsys, "--cluster", f"127.0.0.1:{closed_port}")
    assert text.startswith(f"error: the Ray cluster 127.0.0.1:{closed_port} cannot be used: ")
    assert "refused" in text
    assert "--cluster" in text


def test_without_ray_the_command_names_the_extra(
    filled: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "curation.stages.cluster")
    monkeypatch.setenv("SAFELIGHT_CURATE_CLUSTER", "local")
    assert "pip install 'safelight[cluster]'" in said_by(filled, capsys)


@pytest.mark.parametrize("address", ["nonsense", "127.0.0.1:70000", "ray://127.0.0.1:1"])
def test_an_impossible_address_is_refused(address: str) -> None:
    with pytest.raises(ClusterError, match="cannot be used"):
        list(apply([], rows(1), cluster=address))


def test_a_folder_that_hides_ours_from_the_nodes_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "curation.py").write_text("")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"curation\.py there hides Safelight's own curation"):
        list(apply([], rows(1), cluster="local"))


def test_the_settings_name_the_cluster(workspace: Workspace) -> None:
    assert load_settings(CurateSettings, "curate", workspace).cluster == ""
    (workspace.home / "safelight.toml").write_text('[curate]\ncluster = "10.0.0.1:6379"\n')
    assert load_settings(CurateSettings, "curate", workspace).cluster == "10.0.0.1:6379"


def test_threads_do_not_work_on_a_cluster() -> None:
    with pytest.raises(UsageError, match="only the runner daft works on a cluster, not threads"):
        apply([], rows(1), runner="threads", cluster="local")


def rows(n: int) -> pa.Table:
    return pa.table({"asset_sha256": [f"{i:04d}" for i in range(n)]})


class Cluster:
    """Answers tasks in order; at each number in `losses` of tasks handed over, the rest of the tasks is lost."""

    def __init__(self, *losses: int, error: Exception | None = None, deadly: bool = True) -> None:
        self.losses, self.n_tasks, self.nodes = list(losses), 0, dict(TWO)
        self.sizes: list[int] = []
        self.error = error or ray.exceptions.ObjectLostError("0" * 56, None, "")
        self.deadly = deadly

    def alive(self) -> Nodes:
        return dict(self.nodes)

    def run(self, tasks: list[pa.Table]) -> Iterator[pa.RecordBatch]:
        self.sizes.append(len(tasks))
        for task in tasks:
            if self.losses and self.n_tasks == self.losses[0]:
                self.losses.pop(0)
                if self.deadly:
                    self.nodes.pop("second", None)
                raise self.error
            self.n_tasks += 1
            yield from task.to_batches(max_chunksize=BATCH)

    def names(self, n: int) -> list[str]:
        result = pa.Table.from_batches(run_in_parts(self.run, rows(n), BATCH, self.alive))
        names: list[str] = result["asset_sha256"].to_pylist()
        return names


def test_rows_go_out_in_parts_of_eight_tasks_for_each_core() -> None:
    cluster = Cluster()
    assert cluster.names(150) == [f"{i:04d}" for i in range(150)]
    assert cluster.sizes == [16, 16, 6]


@pytest.mark.parametrize("losses", [(0,), (5,), (5, 5, 5), (3, 16, 20, 30), (15, 15, 37)])
def test_what_is_lost_is_computed_again_and_nothing_comes_twice(
    losses: tuple[int, ...], caplog: pytest.LogCaptureFixture
) -> None:
    cluster = Cluster(*losses)
    assert sorted(cluster.names(150)) == [f"{i:04d}" for i in range(150)]
    assert cluster.losses == []
    assert len(caplog.records) == len(losses)
    assert caplog.records[0].message.startswith("the node 10.0.0.2 died; ")


def test_a_part_that_is_lost_again_and_again_is_given_up() -> None:
    cluster = Cluster(*[4] * (MOST_LOSSES + 1), deadly=False)
    with pytest.raises(NodesKeepDyingError, match=f"lost results {MOST_LOSSES + 1} times"):
        cluster.names(40)


def test_what_a_stage_raises_is_raised_as_it_is() -> None:
    wrapped = ray.exceptions.RayTaskError("run", "Traceback ...", KeyError("a bug"))
    with pytest.raises(KeyError, match="a bug"):
        Cluster(3, error=wrapped, deadly=False).names(40)


class Double:
    """Stage: the last digit of the name to twice that; `broken` raises."""

    name, version, inputs = "double", "1", ()
    outputs = pa.schema([pa.field("y", pa.int64())])

    def __init__(self, *, broken: bool = False) -> None:
        self.broken = broken

    def setup(self) -> None:
        """Need nothing."""

    def run(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Compute one batch."""
        if self.broken:
            raise AssetNotFoundError("pack 7 is missing")
        digits = [2 * int(name[-1]) for name in batch.column("asset_sha256").to_pylist()]
        return with_outputs(batch, self.outputs, {"y": digits})


def on_this_machine() -> None:
    """Run twice on a local cluster; Daft does not change its runner, so this has a process of its own."""
    result = pa.Table.from_batches(apply([Double()], rows(100), cluster="local"))
    expected = pa.Table.from_batches(apply([Double()], rows(100), runner="threads"))
    assert result.sort_by("asset_sha256") == expected.sort_by("asset_sha256").combine_chunks()
    with pytest.raises(AssetNotFoundError, match=r"^pack 7 is missing; each node must see it"):
        list(apply([Double(broken=True)], rows(100), cluster="local"))


def after_this_machine_alone() -> None:
    """Ask for a cluster when Daft has begun without one."""
    assert len(list(apply([Double()], rows(3)))) == 1
    with pytest.raises(ClusterError, match="this process has run stages without it"):
        list(apply([Double()], rows(3), cluster="local"))


def beside_another_version() -> None:
    """Start nodes that find another Safelight than this process."""
    other = Path("other") / "catalog"
    other.mkdir(parents=True, exist_ok=True)
    (other / "__init__.py").write_text('__version__ = "0.0.1"')
    os.environ["PYTHONPATH"] = str(other.parent.resolve())
    with pytest.raises(ClusterError, match=r"has Safelight 0\.0\.1, this machine ") as raised:
        list(apply([Double()], rows(3), cluster="local"))
    assert "\n" not in str(raised.value)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("act", [on_this_machine, after_this_machine_alone, beside_another_version])
def test_in_a_process_of_its_own(act: Callable[[], None], tmp_path: Path) -> None:
    root = str(Path(__file__).resolve().parents[3])
    environment = os.environ | {"PYTHONPATH": root, "RAY_agent_register_timeout_ms": "120000"}
    words = [sys.executable, "-c", f"import {__name__} as test; test.{act.__name__}()"]
    for _ in range(3):  # Ray gives a node up that takes more than 30 s to start
        result = subprocess.run(
            words, cwd=tmp_path, env=environment, timeout=280, check=False, capture_output=True
        )
        if b"timed out during startup" not in result.stderr:
            break
    assert result.returncode == 0, result.stderr.decode()
