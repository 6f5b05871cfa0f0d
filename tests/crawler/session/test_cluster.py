"""Workers as Ray actors do what worker processes do."""

import os
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from catalog import ClusterError, Workspace
from crawler.errors import FrontierLostError
from crawler.report.audit import audit
from crawler.session.crawl import CrawlOptions, crawl
from crawler.session.progress import CrawlProgress
from tests.crawler.session.test_workers import QUICK, albums, fetched, list_of
from tests.fakes.albums import serve

pytest.importorskip("ray", reason="the extra [cluster] is not installed")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture(autouse=True)
def _contact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAFELIGHT_CONTACT", "tests@example.org")
    # Actors import our packages from here, wherever Ray starts them.
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[3]))


def test_two_actors_bring_everything_once(workspace: Workspace, tmp_path: Path) -> None:
    hosts = albums(6, 5)
    progress_by_worker: list[CrawlProgress] = []
    with serve(*hosts):
        options = CrawlOptions(workers=2, cluster="local", report=progress_by_worker.append)
        summary = crawl(workspace, list_of(tmp_path, *hosts), QUICK, options)
    assert (summary.status, summary.done, summary.failed) == ("finished", 30, 0)
    assert all(set(album.asked.values()) == {1} for album in hosts)
    assert audit(workspace).problems == []


def test_an_actor_that_is_killed_is_replaced_and_nothing_is_lost(
    workspace: Workspace, tmp_path: Path
) -> None:
    import ray

    hosts = albums(6, 12)
    for album in hosts:
        album.slowness_s = 0.1
    killed: list[int] = []

    def kill_one() -> None:
        while sum(album.asked.total() for album in hosts) < 20:
            time.sleep(0.05)
        killed.append(next(pid for pid in descendants(os.getpid()) if is_worker(pid)))
        os.kill(killed[0], 9)

    with serve(*hosts):
        killer = threading.Thread(target=kill_one)
        killer.start()
        options = CrawlOptions(workers=2, cluster="local")
        summary = crawl(workspace, list_of(tmp_path, *hosts), QUICK, options)
        killer.join()
    assert killed
    assert not ray.is_initialized()
    assert (summary.status, summary.failed) == ("finished", 0)
    done = [row for row in fetched(workspace) if row["outcome"] == "done"]
    assert len(done) == len({row["url"] for row in done}) == 72
    assert audit(workspace).problems == []


def test_a_lost_frontier_actor_is_named_with_its_log(workspace: Workspace, tmp_path: Path) -> None:
    hosts = albums(6, 12)
    for album in hosts:
        album.slowness_s = 0.1

    def kill_frontier() -> None:
        while sum(album.asked.total() for album in hosts) < 10:
            time.sleep(0.05)
        pid = next(
            p
            for p in descendants(os.getpid())
            if b"ray::FrontierActor" in Path(f"/proc/{p}/cmdline").read_bytes()
        )
        os.kill(pid, 9)

    with serve(*hosts):
        killer = threading.Thread(target=kill_frontier)
        killer.start()
        with pytest.raises(FrontierLostError, match=r"its log is below (/\S+/logs)") as found:
            crawl(
                workspace,
                list_of(tmp_path, *hosts),
                QUICK,
                CrawlOptions(workers=2, cluster="local"),
            )
        killer.join()
    text = str(found.value)
    assert "\n" not in text


def test_an_address_where_nothing_listens_ends_the_session_in_one_line(
    workspace: Workspace, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    hosts, address = albums(1, 1), f"127.0.0.1:{port}"
    with serve(*hosts):
        with pytest.raises(ClusterError, match=f"{address} cannot be used: .*refused") as found:
            crawl(workspace, list_of(tmp_path, *hosts), QUICK, CrawlOptions(cluster=address))
        summary = crawl(workspace, list_of(tmp_path, *hosts), QUICK)
    assert "\n" not in str(found.value)
    assert (summary.status, summary.done) == ("finished", 1)


def descendants(pid: int) -> list[int]:
    """List the processes below one of ours."""
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
    children = [int(line) for line in found.stdout.split()]
    return children + [below for child in children for below in descendants(child)]


def is_worker(pid: int) -> bool:
    return b"ray::WorkerActor" in Path(f"/proc/{pid}/cmdline").read_bytes()
