import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

from click.testing import CliRunner

import safelight
from catalog import UsageError, Workspace
from tests.catalog.published import bring_random

REPO = Path(__file__).parents[2]
COMMAND = "from photosite.cli import demo; demo()"


def test_the_site_prints_its_address_first_and_stops_when_told(tmp_path: Path) -> None:
    words = [sys.executable, "-c", COMMAND, "site", "--count", "3", "--workers", "0"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=REPO)
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        with urllib.request.urlopen(f"{address}/robots.txt", timeout=10) as answer:
            assert answer.status == 200
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.stdout.close() if process.stdout else None


def test_the_demo_refuses_a_workspace_with_other_pictures(workspace: Workspace) -> None:
    bring_random(workspace, range(1), 100)
    words = ["demo", "run", "--home", str(workspace.home)]
    done = CliRunner().invoke(safelight.cli, words)
    assert isinstance(done.exception, UsageError)
    assert "holds 1 photo of your own" in str(done.exception)
    assert "safelight demo run --home demo-workspace" in str(done.exception)
    assert not list(workspace.reports.iterdir())
