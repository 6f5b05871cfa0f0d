"""Several worker processes: every host knows one of them, and one that dies costs nothing."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from catalog import Workspace, open_catalog
from crawler.report.audit import audit
from crawler.session.crawl import CrawlOptions, crawl
from crawler.session.progress import CrawlProgress
from crawler.settings import CrawlSettings
from crawler.sources.urls import UrlListSource
from tests.factories import jpeg
from tests.fakes.albums import Album, serve

QUICK = CrawlSettings(allow_private=True, unit_s=0.3, backoff_s=0.05, unit_images=16)


@pytest.fixture(autouse=True)
def _contact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAFELIGHT_CONTACT", "tests@example.org")


def albums(count: int, pictures: int) -> list[Album]:
    return [
        Album({f"/{n}.jpg": jpeg(seed=100 * host + n) for n in range(pictures)})
        for host in range(count)
    ]


def list_of(folder: Path, *served: Album) -> UrlListSource:
    addresses = [f"{album.url}{path}" for album in served for path in sorted(album.pictures)]
    path = folder / "list.txt"
    path.write_text("\n".join(addresses))
    return UrlListSource(str(path))


def fetched(workspace: Workspace) -> list[dict[str, object]]:
    with open_catalog(workspace) as catalog:
        return catalog.records("SELECT url, outcome, error, asset_sha256 FROM fetches ORDER BY url")


@pytest.mark.long
def test_two_processes_bring_everything_once(workspace: Workspace, tmp_path: Path) -> None:
    hosts = albums(6, 5)
    progress_by_worker: list[CrawlProgress] = []
    with serve(*hosts):
        options = CrawlOptions(workers=2, report=progress_by_worker.append)
        summary = crawl(workspace, list_of(tmp_path, *hosts), QUICK, options)
    assert (summary.status, summary.done, summary.failed) == ("finished", 30, 0)
    assert summary.bytes == sum(len(b or b"") for album in hosts for b in album.pictures.values())
    assert all(set(album.asked.values()) == {1} for album in hosts)
    assert [progress.done for progress in progress_by_worker] == sorted(
        progress.done for progress in progress_by_worker
    )
    assert audit(workspace).problems == []
    assert len(list(workspace.logs.glob("worker-*.log"))) == 2


@pytest.mark.slow
def test_equal_bytes_on_two_workers_are_held_once(workspace: Workspace, tmp_path: Path) -> None:
    same = {f"/{n}.jpg": jpeg(seed=n) for n in range(4)}
    hosts = [Album(same) for _ in range(8)]
    with serve(*hosts):
        summary = crawl(workspace, list_of(tmp_path, *hosts), QUICK, CrawlOptions(workers=3))
    assert (summary.done, summary.rows["photos"], summary.rows["assets"]) == (32, 32, 4)
    found = audit(workspace)
    assert (found.problems, found.assets) == ([], 4)


@pytest.mark.slow
def test_a_redirect_goes_to_the_worker_of_its_host(workspace: Workspace, tmp_path: Path) -> None:
    hosts = albums(8, 1)
    with serve(*hosts):
        for here, there in zip(hosts, hosts[1:] + hosts[:1], strict=True):
            here.pictures["/moved.jpg"] = b""
            here.redirects["/moved.jpg"] = f"{there.url}/0.jpg"
        summary = crawl(workspace, list_of(tmp_path, *hosts), QUICK, CrawlOptions(workers=2))
    assert (summary.done, summary.failed, summary.rows["assets"]) == (16, 0, 8)
    assert all(album.asked["/moved.jpg"] == 1 for album in hosts)


@pytest.mark.slow
def test_redirects_between_workers_have_an_end(workspace: Workspace, tmp_path: Path) -> None:
    hosts = albums(8, 0)
    with serve(*hosts):
        for here, there in zip(hosts, hosts[1:] + hosts[:1], strict=True):
            here.pictures["/round.jpg"] = b""
            here.redirects["/round.jpg"] = f"{there.url}/round.jpg"
        summary = crawl(workspace, list_of(tmp_path, *hosts), QUICK, CrawlOptions(workers=2))
    assert summary.failed == 8
    assert set(summary.errors) <= {"too_many_redirects", "redirect_loop"}


@pytest.mark.slow
def test_a_worker_that_is_killed_is_replaced_and_nothing_is_lost(
    workspace: Workspace, tmp_path: Path
) -> None:
    hosts = albums(6, 12)
    for album in hosts:
        album.slowness_s = 0.1
    killed: list[int] = []

    def kill_one() -> None:
        while sum(album.asked.total() for album in hosts) < 20:
            time.sleep(0.01)
        found = subprocess.run(
            ["pgrep", "-P", str(os.getpid()), "-f", "crawler.session.workers --worker"],
            capture_output=True,
            text=True,
            check=True,
        )
        killed.append(int(found.stdout.split()[0]))
        os.kill(killed[0], signal.SIGKILL)

    with serve(*hosts):
        killer = threading.Thread(target=kill_one)
        killer.start()
        source = list_of(tmp_path, *hosts)
        summary = crawl(workspace, source, QUICK, CrawlOptions(workers=2))
        killer.join()
    assert killed
    assert (summary.status, summary.failed) == ("finished", 0)
    rows = fetched(workspace)
    assert len([row for row in rows if row["outcome"] == "done"]) == 72
    assert len({row["url"] for row in rows}) == 72
    assert sum(album.asked.total() for album in hosts) <= 72 + 2 * 16 + len(hosts) * 3  # robots.txt
    assert audit(workspace).problems == []


@pytest.mark.slow
def test_a_signal_drains_the_workers_within_thirty_seconds(
    workspace: Workspace, tmp_path: Path
) -> None:
    hosts = albums(4, 30)
    for album in hosts:
        album.slowness_s = 0.2
    with serve(*hosts):
        list_of(tmp_path, *hosts)
        environment = os.environ | {"SAFELIGHT_HOME": str(workspace.home)}
        command = ["-m", "safelight", "crawl", "run", "urls", str(tmp_path / "list.txt")]
        process = subprocess.Popen(
            [sys.executable, *command, "--allow-private", "--workers", "2"],
            cwd=Path(__file__).resolve().parents[3],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        while sum(album.asked.total() for album in hosts) < 12:
            assert process.poll() is None
            time.sleep(0.01)
        process.terminate()
        started = time.monotonic()
        text, _ = process.communicate(timeout=30)
    assert process.returncode == 3, text
    assert time.monotonic() - started < 30
    done = [row for row in fetched(workspace) if row["outcome"] == "done"]
    assert 0 < len(done) < 120
    assert audit(workspace).problems == []
