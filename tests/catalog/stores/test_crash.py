"""`kill -9` at random moments of commits and maintenance: the home opens, nothing acknowledged is lost or doubled."""

import multiprocessing
import random
import time

import pytest

from catalog import Workspace, open_catalog
from catalog.maintenance.maintain import maintain
from catalog.maintenance.verify import verify_catalog
from catalog.stores import RetentionPolicy
from tests.catalog.killed_writer import ROWS, acknowledged, write_until_killed

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(
    ["tests.catalog.killed_writer", "catalog.maintenance.verify", "duckdb"]
)


def kill_once(workspace: Workspace, segments: int, after_s: float) -> None:
    """Start a writer, and kill it some time after it has acknowledged so many segments."""
    before = len(acknowledged(workspace.home))
    writer = _processes.Process(target=write_until_killed, args=(workspace.home,))
    writer.start()
    while len(acknowledged(workspace.home)) < before + segments:
        assert writer.is_alive(), f"the writer ended by itself with {writer.exitcode}"
        time.sleep(0.002)
    time.sleep(after_s)
    assert writer.is_alive(), f"the writer ended by itself with {writer.exitcode}"
    writer.kill()
    writer.join(20)


def check(workspace: Workspace) -> int:
    """Open the home after a kill, commit what waits, and compare with what was acknowledged."""
    expected = {f"p{first + n}" for first in acknowledged(workspace.home) for n in range(ROWS)}
    with open_catalog(workspace) as catalog:
        catalog.commit()
        found = [row["photo_id"] for row in catalog.records("SELECT photo_id FROM photos")]
        assets = catalog.records("SELECT count(*) AS n, count(DISTINCT sha256) AS d FROM assets")[0]
        ledger = catalog.records(
            "SELECT count(*) AS n, count(DISTINCT segment_id) AS d FROM segments"
        )[0]
    assert sorted(found) == sorted(set(found)), "a row is there twice"
    assert expected - set(found) == set(), "an acknowledged segment is lost"
    assert assets["n"] == assets["d"] == len(found)
    assert ledger["n"] == ledger["d"] == len(found) // ROWS
    return len(found)


def crash(workspace: Workspace, kills: int, most_segments: int) -> None:
    moments = random.Random(20261122)
    for _ in range(kills):
        # A commit takes some tenths of a second: the kill comes anywhere in it, or in the next one.
        kill_once(workspace, moments.randint(1, most_segments), moments.uniform(0, 0.4))
        check(workspace)
    maintain(workspace, RetentionPolicy(grace_hours=0))
    with open_catalog(workspace) as catalog:
        assert verify_catalog(catalog) == []


@pytest.mark.long
def test_a_few_kills_lose_and_double_nothing(workspace: Workspace) -> None:
    crash(workspace, kills=3, most_segments=2)


@pytest.mark.long
def test_a_few_kills_on_postgres_lose_and_double_nothing(postgres_workspace: Workspace) -> None:
    crash(postgres_workspace, kills=2, most_segments=2)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_sixty_kills_lose_and_double_nothing(any_workspace: Workspace) -> None:
    crash(any_workspace, kills=60, most_segments=6)
