"""A server at work lets go of what a takedown in another process removes."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog import Workspace, open_catalog
from tests.catalog.takedown.taking_down import bytes_left
from tests.catalog.web import made_review as made
from tests.catalog.web.serving import Server, serving

ROOT = Path(__file__).parents[3]
GONE, STAYS = made.BROKEN, made.WORST
SQL = "SELECT p.photographer, p.title, asset_sha256 FROM photos p ORDER BY photo_id"


@pytest.fixture
def served(workspace: Workspace) -> Iterator[tuple[Workspace, Server]]:
    made.make_review(workspace.home)
    with serving(workspace.home, timeout_s=20, max_rows=1_000, max_result_mb=2) as started:
        yield workspace, started


def _take_down(home: Path) -> str:
    command = [sys.executable, "-P", "-m", "safelight", "--home", str(home), "catalog", "takedown"]
    command += ["--sha256", GONE.upper(), "--reason", "asked", "--yes"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.long
def test_results_pictures_and_review_pages_of_a_running_server_forget_it(
    served: tuple[Workspace, Server],
) -> None:
    workspace, server = served
    done = server.query(SQL)
    result = f"/api/queries/{done['query_id']}"
    assert GONE in server.get(f"{result}/result.csv").body.decode()
    kept = {}
    for sha in (GONE, STAYS):
        for path in (f"/api/assets/{sha}", f"/api/assets/{sha}/thumbnail"):
            answer = server.get(path)
            assert (answer.status, answer.headers["cache-control"]) == (200, "private, no-cache")
            kept[path] = answer.headers["etag"]
            assert server.get(path, **{"If-None-Match": kept[path]}).status == 304
    queue = "/api/review/queues/settings?everything=true"
    assert GONE in server.get(queue).body.decode()
    _take_down(workspace.home)
    for path, etag in kept.items():
        assert server.get(path, **{"If-None-Match": etag}).status == (404 if GONE in path else 304)
        assert server.get(path).status == (404 if GONE in path else 200), "repacked"
    assert server.get(f"{result}/rows").status in (404, 410)
    assert server.get(f"{result}/result.csv").status in (404, 410)
    assert GONE not in server.get(queue).body.decode()
    again = server.query(SQL)
    assert again["state"] == "done", again
    assert GONE not in server.get(f"/api/queries/{again['query_id']}/result.csv").body.decode()
    with open_catalog(workspace) as catalog:
        [title] = catalog.query("SELECT count(*) FROM photos WHERE asset_sha256 = ?", [GONE])[0]
    assert title.as_py() == 0
    position = made.SHAS.index(GONE)
    needles = [f"<b>Picture {position}</b>".encode(), made.BODIES[GONE][-200:-100]]
    assert bytes_left(workspace, needles) == []
