"""From a URL to a prediction, through the commands that a user types."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog import Workspace, open_catalog
from crawler.demo.plan import DemoPlan
from crawler.demo.score import score

ROOT = Path(__file__).parents[1]
PHOTOS = 40


def safelight(home: Path, *words: str) -> str:
    """Run one command and return what it printed."""
    environment = os.environ | {
        "SAFELIGHT_UNSPLASH_KEY": "demo",
        "SAFELIGHT_CONTACT": "tests@localhost",
    }
    done = subprocess.run(
        [sys.executable, "-m", "safelight", "--home", str(home), *words],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def example(home: Path, name: str) -> str:
    """Run one example on the workspace, as a user would."""
    command = [sys.executable, str(ROOT / "examples" / name)]
    environment = os.environ | {"SAFELIGHT_HOME": str(home), "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, env=environment, check=True, capture_output=True, text=True
    ).stdout


@pytest.fixture
def site() -> Iterator[str]:
    command = [sys.executable, "-m", "safelight", "demo", "site", "--count", str(PHOTOS)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()


@pytest.mark.timeout(400)  # some 25 s on an idle machine, minutes on a busy one
def test_from_a_url_to_a_prediction(workspace: Workspace, site: str, tmp_path: Path) -> None:
    home = workspace.home
    crawl = ("crawl", "run", "unsplash", "--api-base", site, "--training-basis", "ours")
    assert "finished" in safelight(home, *crawl)
    safelight(home, "curate", "run", "--runner", "threads")
    assert "demo@1.0.0" in safelight(home, "dataset", "publish", "demo")
    safelight(
        home, "train", "run", "exif", "--preset", "smoke", "--epochs", "1", "--policies", "split"
    )
    with open_catalog(workspace) as catalog:
        result = score(catalog, DemoPlan(photos=PHOTOS))
        rows = catalog.records("SELECT * FROM predictions")
        models = catalog.records("SELECT model_id FROM models")
        photo = catalog.records("SELECT * FROM v_photos LIMIT 1")[0]
    assert result.precision >= 0.9
    assert result.recall >= 0.6
    assert sum(caught for caught, _ in result.damage.values()) == sum(
        n for _, n in result.damage.values()
    )
    assert rows
    for row in rows:
        assert abs(sum(row["probabilities"]) - 1) < 1e-6  # type: ignore[call-overload]  # a list column
    assert len(models) == 1
    assert json.loads(
        safelight(home, "catalog", "sql", "SELECT count(*) AS n FROM photos", "--format", "json")
    )
    assert photo["source"] == "unsplash"
    assert "photographs, median ISO" in example(home, "query_catalog.py")
    assert "demo@1.0.0" in example(home, "read_release.py")
    again = safelight(home, *crawl)
    assert "rows added: crawls 1" in again
    assert "demo@1.0.0" in safelight(home, "dataset", "publish", "demo")
