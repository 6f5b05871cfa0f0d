"""From a URL to a prediction, through the commands that a user types."""

import json
import runpy
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from catalog import Workspace, open_catalog
from photosite.plan.plan import DemoPlan
from photosite.score import score
from safelight import cli

ROOT = Path(__file__).parents[1]
PHOTOS = 40


@pytest.fixture
def safelight(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """Run one command as the program does, without starting Python anew, and return what it printed."""
    monkeypatch.setenv("SAFELIGHT_UNSPLASH_KEY", "demo")
    monkeypatch.setenv("SAFELIGHT_CONTACT", "tests@localhost")

    def run(*words: str) -> str:
        with pytest.raises(SystemExit) as ended:
            cli(["--home", str(workspace.home), *words], prog_name="safelight")
        assert ended.value.code == 0, capfd.readouterr().err[-2000:]
        return capfd.readouterr().out

    return run


@pytest.fixture
def example(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[[str], str]:
    """Run one example on the workspace and return what it printed."""
    monkeypatch.setenv("SAFELIGHT_HOME", str(workspace.home))

    def run(name: str) -> str:
        runpy.run_path(str(ROOT / "examples" / name), run_name="__main__")
        return capfd.readouterr().out

    return run


@pytest.fixture
def site() -> Iterator[str]:
    command = [sys.executable, "-m", "safelight", "demo", "site", "--count", str(PHOTOS)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()


@pytest.mark.long
@pytest.mark.timeout(400)  # some 25 s on an idle machine, minutes on a busy one
def test_from_a_url_to_a_prediction(
    workspace: Workspace,
    site: str,
    safelight: Callable[..., str],
    example: Callable[[str], str],
) -> None:
    crawl = ("crawl", "run", "unsplash", "--api-base", site, "--training-basis", "ours")
    assert "finished" in safelight(*crawl)
    safelight("curate", "run", "--runner", "threads")
    assert "demo@1.0.0" in safelight("dataset", "publish", "demo")
    safelight("train", "run", "exif", "--preset", "smoke", "--epochs", "1", "--policies", "split")
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
        safelight("catalog", "sql", "SELECT count(*) AS n FROM photos", "--format", "json")
    )
    assert photo["source"] == "unsplash"
    assert "photographs, median ISO" in example("query_catalog.py")
    assert "demo@1.0.0" in example("read_release.py")
    assert "pictures, median ISO" in example("load_release.py")
    assert "the most frequent class alone" in example("train_own_model.py")
    again = safelight(*crawl)
    assert "rows added: crawls 1" in again
    assert "demo@1.0.0" in safelight("dataset", "publish", "demo")
