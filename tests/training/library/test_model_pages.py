"""The pages and the API about really trained models: what a server sends, to whom, and what it keeps to itself."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import quote, urlsplit

import polars as pl
import pytest

import safelight
from catalog import Workspace, open_catalog, rows, tombstone, write_segment
from catalog.web.app import make_app
from catalog.web.http.settings import ServeSettings
from catalog.web.models.model_library import OPENER
from tests.catalog.web.in_thread import serving
from tests.catalog.web.serving import serving as serving_process
from tests.training.conftest import Trained

HOSTILE = "<img src=x onerror=\"document.title='pwned'\">"
PAGE = {"Accept": "text/html"}


@pytest.fixture
def home(trained: Trained, tmp_path: Path) -> Workspace:
    """A copy of the workspace with a report, which a test may change."""
    shutil.copytree(trained.workspace.home, tmp_path / "home")
    workspace = Workspace.at(tmp_path / "home")
    run = trained.outcome.folder
    (workspace.reports / "training" / run.name / "report.html").write_text(
        "<h1>report</h1><script>alert(1)</script>"
    )
    (workspace.reports / "training" / run.name / "panel.html").write_text("<h1>panel</h1>")
    return workspace


@pytest.fixture
def address(home: Workspace) -> Iterator[str]:
    app = make_app(home, ServeSettings(), open_models=safelight.open_models)
    with serving(app) as address:
        yield address


def ask(address: str, path: str, **headers: str) -> tuple[int, str, dict[str, str]]:
    connection = HTTPConnection(urlsplit(address).netloc, timeout=60)
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        return response.status, response.read().decode(), dict(response.getheaders())
    finally:
        connection.close()


def ids(trained: Trained) -> tuple[str, str]:
    models = trained.outcome.models
    return models["split"].name, models["random_split"].name


def test_the_pages_link_model_release_report_prediction_and_pictures(
    trained: Trained, address: str
) -> None:
    one, other = ids(trained)
    status, text, _ = ask(address, "/models", **PAGE)
    assert status == 200
    for link in (
        f"/models/{one}",
        f"/datasets/made/{trained.release.version}",
        f"/models/{one}/report",
        f"/predict#model={one}",
    ):
        assert f'href="{link}"' in text
    status, text, _ = ask(address, f"/models/{one}", **PAGE)
    worst = pl.read_parquet(trained.folder / "predictions.parquet").filter(
        pl.col("predicted") != pl.col("target")
    )["asset_sha256"][0]
    assert (status, f'href="/pictures/{worst}"' in text) == (200, True)
    assert f'href="/models/{one}"' in ask(address, f"/pictures/{worst}", **PAGE)[1]
    status, text, _ = ask(address, f"/models/{one}/compare/{other}", **PAGE)
    assert (status, "Trained under unequal conditions" in text) == (200, True)
    assert ask(address, f"/models/{one}/compare?other={other}")[0] == 303
    status, text, _ = ask(address, "/models/nothing", **PAGE)
    assert (status, "does not exist; known: " in text) == (404, True)


def test_the_api_gives_what_the_pages_show(trained: Trained, address: str) -> None:
    one, other = ids(trained)
    status, text, headers = ask(address, "/api/models")
    assert (status, headers["Cache-Control"]) == (200, "no-store")
    assert {model["model_id"] for model in json.loads(text)["models"]} == {one, other}
    model = json.loads(ask(address, f"/api/models/{one[:10]}")[1])
    assert model["summary"]["model_id"] == one
    assert len(model["curves"]["columns"]["train_loss"]) == 2
    compared = json.loads(ask(address, f"/api/models/{one}/compare/{other}")[1])
    assert compared["second"]["split_policy"] == "random_split"
    for path, expected in {
        "/api/models/zzz": (404, "no_such_model"),
        f"/api/models/{one}/compare/{one}": (409, "models_not_comparable"),
    }.items():
        status, text, _ = ask(address, path)
        assert (status, json.loads(text)["kind"]) == expected


def test_a_workspace_without_a_model_names_the_command(workspace: Workspace) -> None:
    with serving(
        make_app(workspace, ServeSettings(), open_models=safelight.open_models)
    ) as address:
        status, text, _ = ask(address, "/models", **PAGE)
        assert (status, "train run RECIPE --dataset NAME" in text) == (200, True)
        assert json.loads(ask(address, "/api/models")[1]) == {"models": [], "boards": []}
    with serving(make_app(workspace, ServeSettings())) as address:
        status, text, _ = ask(address, "/models", **PAGE)
        assert (status, "shows no models" in text) == (200, True)
        assert ask(address, "/api/models")[0] == 400


def test_texts_of_hostile_folders_stay_texts(
    trained: Trained, home: Workspace, address: str
) -> None:
    folder = home.models / trained.folder.name
    evil = home.models / "evil'\"&"
    shutil.copytree(folder, evil)
    facts = json.loads((folder / "config.json").read_text("utf-8"))
    facts |= dict.fromkeys(("recipe", "split_policy", "trained_at", "code_version"), HOSTILE)
    facts["config"] |= {HOSTILE: HOSTILE, "seed": HOSTILE, "surrogate": "\ud800"}
    facts["encoders"] = [dict.fromkeys(("name", "kind", "licence", "package", "note"), HOSTILE)]
    for head in facts["heads"]:
        head |= {"title": HOSTILE}
    facts["heads"][0]["classes"] = [HOSTILE] * 3
    metrics = pl.read_parquet(evil / "metrics.parquet")
    slices = pl.when(pl.col("slice") == "all").then("slice").otherwise(pl.lit(HOSTILE))
    metrics = metrics.with_columns(split=pl.lit(f"{HOSTILE}:test"), slice=slices)
    metrics.write_parquet(evil / "metrics.parquet")
    (evil / "config.json").write_text(json.dumps(facts))
    (evil / "README.md").write_text(f"# {HOSTILE}\n\n[link](javascript:alert(1))")
    name = quote(evil.name)
    for path in ("/models", f"/models/{name}", f"/models/{name}/compare/{trained.folder.name}"):
        status, text, _ = ask(address, path, **PAGE)
        assert status == 200, path
        assert "<img src=x" not in text
        assert 'href="javascript' not in text
        assert "&lt;img" in text
    for path in (f"/api/models/{name}", "/api/models"):
        assert ask(address, path)[0] == 200
    (evil / "config.json").write_text("{")
    status, text, _ = ask(address, f"/models/{name}", **PAGE)
    assert (status, "This model cannot be read" in text) == (200, True)
    status, text, _ = ask(address, f"/models/{name}/compare/{trained.folder.name}", **PAGE)
    assert (status, "This model cannot be read" in text) == (409, True)


def shown_anywhere(trained: Trained, address: str, sha256: str) -> list[str]:
    """List the paths about models that name a picture."""
    one, other = ids(trained)
    paths = [
        f"{root}/models/{one}{end}" for root in ("", "/api") for end in ("", f"/compare/{other}")
    ]
    answers = {path: ask(address, path, **PAGE) for path in paths}
    assert {status for status, *_ in answers.values()} == {200}
    return [path for path, (_, text, _) in answers.items() if sha256 in text]


def wrong_picture(trained: Trained) -> str:
    """Return a picture that both models are tested on, and that one gets wrong."""
    tables = [
        pl.read_parquet(path / "predictions.parquet") for path in trained.outcome.models.values()
    ]
    wrong = pl.concat(tables).filter(pl.col("predicted") != pl.col("target"))
    both = set(tables[0]["asset_sha256"]) & set(tables[1]["asset_sha256"])
    return next(sha for sha in wrong["asset_sha256"] if sha in both)


def test_a_blocked_picture_is_shown_nowhere_and_keeps_the_report_back(
    trained: Trained, home: Workspace, address: str
) -> None:
    one, _ = ids(trained)
    gone = wrong_picture(trained)
    assert shown_anywhere(trained, address, gone)
    status, text, headers = ask(address, f"/models/{one}/report")
    assert (status, "<h1>report</h1>" in text) == (200, True)
    assert headers["Content-Security-Policy"].endswith("sandbox")
    panel = ask(address, f"/models/{one}/panel.html")
    assert (panel[0], panel[1]) == (200, "<h1>panel</h1>")
    assert panel[2]["Content-Security-Policy"].endswith("sandbox")
    row = tombstone("sha256", gone, "asked", blocks=True)
    write_segment(home, {"tombstones": rows("tombstones", [row])}, job="block")
    with open_catalog(home) as catalog:
        catalog.commit()
    assert shown_anywhere(trained, address, gone) == []
    for page in ("report", "panel.html"):
        status, text, _ = ask(address, f"/models/{one}/{page}", **PAGE)
        assert (status, "taken down" in text, "<h1>" + page[:5] in text) == (410, True, False)


@pytest.mark.slow
def test_a_picture_that_is_taken_down_while_the_server_runs_is_shown_nowhere(
    trained: Trained, home: Workspace, address: str
) -> None:
    gone = wrong_picture(trained)
    assert shown_anywhere(trained, address, gone)
    command = [sys.executable, "-m", "safelight", "--home", str(home.home), "catalog", "takedown"]
    command += ["--sha256", gone, "--reason", "asked", "--yes"]
    subprocess.run(command, check=True, capture_output=True)
    assert shown_anywhere(trained, address, gone) == []
    page = json.loads(ask(address, f"/api/models/{trained.folder.name}")[1])
    assert page["withheld"] == 1
    text = ask(address, f"/models/{trained.folder.name}", **PAGE)[1]
    assert "Its release is revoked</b> (asked): train it again" in text
    assert '<span class="tag drop">revoked</span>' in ask(address, "/models", **PAGE)[1]


@pytest.mark.slow
def test_strangers_get_nothing_from_a_server_with_tokens(
    trained: Trained, home: Workspace, tmp_path: Path
) -> None:
    tokens, token = tmp_path / "tokens", "correct-horse-battery-staple"
    tokens.write_text(f"ada {token}\n")
    tokens.chmod(0o600)
    one, other = ids(trained)
    with serving_process(home.home, token_file=tokens) as server:
        for path in ("", f"/{one}", f"/{one}/compare/{other}", f"/{one}/report"):
            answer = server.get(f"/models{path}", **PAGE)
            assert (answer.status, answer.headers["location"]) == (303, "/login")
            assert server.get(f"/models{path}").status == 401
            if not path.endswith("report"):
                assert server.get(f"/api/models{path}").status == 401
                answer = server.get(f"/api/models{path}", Authorization=f"Bearer {token}")
                assert (answer.status, one in answer.body.decode()) == (200, True)
    assert safelight.MODELS == OPENER


IMPORTS = """
import sys
from pathlib import Path
from catalog import Workspace
import safelight
library = safelight.open_models(Workspace.at(Path(sys.argv[1])))
library.model(sys.argv[2], set)
library.compare(sys.argv[2], sys.argv[3], set)
print(sorted({name.partition(".")[0] for name in sys.modules} & {"torch", "sklearn", "onnx", "matplotlib"}))
"""


def test_the_pages_load_neither_torch_nor_matplotlib(trained: Trained) -> None:
    words = [sys.executable, "-c", IMPORTS, str(trained.workspace.home), *ids(trained)]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
