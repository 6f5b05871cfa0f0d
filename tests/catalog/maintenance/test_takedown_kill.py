"""A takedown that is killed anywhere is ended by running it again."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from catalog import Workspace, open_catalog
from catalog.maintenance.verify import verify_catalog
from crawler.frontier.frontier import Frontier
from crawler.frontier.items import Cursor, ListedPhoto
from crawler.report.audit import audit
from tests.catalog.published import published

KILLS = int(os.environ.get("SAFELIGHT_TEST_TAKEDOWN_KILLS", "4"))
ROOT = Path(__file__).parents[3]


def start(home: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.catalog.killed_takedown", str(home), "ansel 3"]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.fixture
def home(workspace: Workspace) -> Path:
    published(workspace, size=700)
    with Frontier(workspace.frontier) as frontier:
        frontier.open_crawl("c", "test", {})
        known = [
            ListedPhoto(f"p{n}", {"photographer": f"Ansel {n % 4}"}, f"https://images.test/{n}")
            for n in range(24)
        ]
        frontier.add("c", known, Cursor())
    return workspace.home


@pytest.mark.slow
@pytest.mark.timeout(120 + 90 * KILLS)
def test_a_kill_at_any_moment_is_healed_by_the_next_run(home: Path, tmp_path: Path) -> None:
    shutil.copytree(home, tmp_path / "timed")
    began = start(tmp_path / "timed")
    assert began.stdout
    assert began.stdout.readline() == "begun\n"
    start_s = time.monotonic()
    assert began.wait() == 0
    takes_s = time.monotonic() - start_s
    draw = random.Random(7)
    for kill in range(KILLS):
        copy = tmp_path / str(kill)
        shutil.copytree(home, copy)
        killed = start(copy)
        assert killed.stdout
        assert killed.stdout.readline() == "begun\n"
        time.sleep(draw.uniform(0, takes_s))
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        again = start(copy)
        _, said = again.communicate()
        assert again.returncode == 0, (kill, said)
        workspace = Workspace.at(copy)
        with open_catalog(workspace) as catalog:
            assert verify_catalog(catalog) == []
            [left] = catalog.records(
                "SELECT count(*) AS n FROM photos WHERE photographer = 'Ansel 3'"
            )
        assert left == {"n": 0}
        assert audit(workspace).problems == []
        shutil.rmtree(copy)
