"""Two crawls, one curation and five readers on one home at once: no error, no lost commit, no partial commit seen."""

import multiprocessing
import subprocess
import sys
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from catalog import Workspace, open_catalog
from catalog.maintenance.verify import verify_catalog
from tests.catalog.many_processes import (
    ROWS,
    WHOLE,
    crawl_pictures,
    curate_pictures,
    read_until,
)
from tests.factories import jpeg

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["tests.catalog.many_processes", "tests.catalog.killed_writer"])


def started(*calls: tuple[Callable[..., None], *tuple[object, ...]]) -> list[BaseProcess]:
    # Daemons: a test that fails leaves none behind.
    processes = [_processes.Process(target=work, args=given, daemon=True) for work, *given in calls]
    for process in processes:
        process.start()
    return processes


def ended(processes: list[BaseProcess]) -> list[int | None]:
    for process in processes:
        process.join(250)
    return [process.exitcode for process in processes]


def at_once(workspace: Workspace, segments: int, runs: int) -> None:
    home, stop = workspace.home, workspace.home / "stop"
    readers = started(*[(read_until, home, stop)] * 5)
    writers = started(
        (crawl_pictures, home, 0, segments),
        (crawl_pictures, home, 100_000, segments),
        (curate_pictures, home, runs),
    )
    assert ended(writers) == [0, 0, 0]
    stop.touch()
    assert ended(readers) == [0] * 5
    with open_catalog(workspace) as catalog:
        found = catalog.records(WHOLE)[0]
        assert found["photos"] == 2 * segments * ROWS
        assert catalog.records("SELECT count(*) AS n FROM curation_runs") == [{"n": runs}]
        assert verify_catalog(catalog) == []


@pytest.mark.long
@pytest.mark.timeout(300)  # nine processes: slow where others work too
def test_two_crawls_a_curation_and_five_readers_at_once(workspace: Workspace) -> None:
    at_once(workspace, segments=4, runs=2)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_crawls_a_curation_and_five_readers_for_long(any_workspace: Workspace) -> None:
    at_once(any_workspace, segments=25, runs=6)


READER = """
import sys
from pathlib import Path
from catalog import Workspace, open_catalog
workspace, stop = Workspace.at(sys.argv[1]), Path(sys.argv[2])
while not stop.exists():
    with open_catalog(workspace) as catalog:
        lost = "SELECT count(*) AS n FROM {} ANTI JOIN assets ON sha256 = asset_sha256"
        for table in ("photos", "health", "curated_items"):
            assert catalog.records(lost.format(table)) == [{"n": 0}], table
        catalog.records("SELECT count(*) FROM v_photos")
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_commands_themselves_at_once(workspace: Workspace, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        for n in range(40):
            seed = n if folder == "one" else 30 + n  # ten pictures are in both
            (tmp_path / folder / f"{n}.jpg").write_bytes(jpeg(seed=seed, size=(320, 240)))
    home, stop = ["--home", str(workspace.home)], tmp_path / "stop"
    safelight = [sys.executable, "-m", "safelight"]
    readers = [
        subprocess.Popen([sys.executable, "-c", READER, str(workspace.home), str(stop)])
        for _ in range(5)
    ]
    try:
        run(*safelight, "crawl", "run", "folder", str(tmp_path / "one"), *home)
        writers = [
            subprocess.Popen([*safelight, "crawl", "run", "folder", str(tmp_path / name), *home])
            for name in ("one", "two")  # the second one to come waits for the first
        ]
        writers.append(subprocess.Popen([*safelight, "curate", "run", *home]))
        assert [writer.wait(300) for writer in writers] == [0, 0, 0]
    finally:
        stop.touch()
    assert [reader.wait(60) for reader in readers] == [0] * 5
    run(*safelight, "catalog", "verify", *home)
    with open_catalog(workspace) as catalog:
        assert catalog.records("SELECT count(*) AS n FROM assets") == [{"n": 70}]
        assert catalog.records("SELECT count(*) AS n FROM curation_runs") == [{"n": 1}]


def run(*command: str) -> None:
    subprocess.run(command, check=True, timeout=200)
