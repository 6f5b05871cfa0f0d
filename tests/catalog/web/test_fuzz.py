"""The API keeps to its own description whatever is sent, and never fails: schemathesis on a running server."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog import Workspace, open_catalog
from tests.catalog.pictures import bring
from tests.catalog.web.serving import Server, serving

_RUN = "from schemathesis.cli import schemathesis; schemathesis()"


@pytest.fixture(scope="module")
def server(empty_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("fuzz") / "home"
    shutil.copytree(empty_home, home)
    bring(Workspace.at(home), range(20))
    with open_catalog(Workspace.at(home)) as catalog:
        catalog.commit()
    with serving(home, timeout_s=1, max_timeout_s=2, threads=1) as started:
        yield started


def fuzz(server: Server, folder: Path, *options: str) -> str:
    """Run schemathesis; return what it says, shortened, or nothing when all is well."""
    address = f"http://127.0.0.1:{server.port}/api/openapi.json"
    done = subprocess.run(
        [sys.executable, "-c", _RUN, "run", address, "--no-color", *options],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    told = "\n".join(line[:300] for line in done.stdout.splitlines())
    return "" if done.returncode == 0 else told[-8_000:] + done.stderr[-2_000:]


def test_a_short_fuzz_finds_nothing(server: Server, tmp_path: Path) -> None:
    options = ("--phases=coverage,stateful", "--checks=all", "--max-examples=2", "--max-time=8")
    assert fuzz(server, tmp_path, "--generation-deterministic", *options) == ""
    assert server.rows("SELECT count(*) FROM photos", timeout_s=2) == [[20]]


@pytest.mark.slow
@pytest.mark.timeout(700)
def test_a_long_fuzz_finds_nothing(server: Server, tmp_path: Path) -> None:
    assert fuzz(server, tmp_path, "--checks=all", "--max-examples=100", "--max-time=240") == ""
    assert server.rows("SELECT count(*) FROM photos", timeout_s=2) == [[20]]
