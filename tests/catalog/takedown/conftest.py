"""Workspaces with rows about pictures in every table, before and after a takedown."""

import shutil
from pathlib import Path

import pytest

from catalog import Workspace, find_release, open_catalog, rows, write_segment
from catalog.takedown import takedown as steps
from crawler.frontier.frontier import Frontier
from crawler.frontier.items import Cursor, ListedPhoto
from tests.catalog.pictures import MOMENT
from tests.catalog.published import published
from tests.catalog.takedown.taking_down import ORDER, take_down


@pytest.fixture(scope="session")
def template(empty_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 pictures of four photographers, cameras@1.0.0, and rows about pictures in every derived table."""
    home = tmp_path_factory.mktemp("template") / "home"
    shutil.copytree(empty_home, home)
    workspace = Workspace.at(home)
    published(workspace, size=700)
    with open_catalog(workspace) as catalog:
        found = catalog.query(
            "SELECT asset_sha256, photographer FROM photos ORDER BY 1"
        ).to_pydict()
    shas, names = found.values()
    by_asset = {
        "exif": {"exif_source": "file", "camera": "acme", "raw_json": "{}"},
        "health": {"stage": "decode@1"},
        "phashes": {"algorithm": "pdq@1", "value": "ff"},
        "embeddings": {"model_id": "m", "vector": [1.0]},
        "predictions": {"model_id": "m", "task": "iso"},
        "decisions": {"run_id": "r", "rule": "x"},
        "curated_items": {"run_id": "r"},
    }
    named = {"decisions": "evidence", "curated_items": "photographer"}
    tables = {
        name: rows(
            name,
            [
                {"asset_sha256": sha, **more, **({named[name]: who} if name in named else {})}
                for sha, who in zip(shas, names, strict=True)
            ],
        )
        for name, more in by_asset.items()
    }
    numbered = list(enumerate(shas))
    tables |= {
        "faces": rows("faces", [{"face_id": f"f{i}", "asset_sha256": s} for i, s in numbered]),
        "issues": rows("issues", [{"issue_id": f"i{i}", "asset_sha256": s} for i, s in numbered]),
        "labels": rows(
            "labels",
            [
                {"label_id": f"l{i}", "subject_kind": "face", "subject_id": f"f{i}", "value": "x"}
                for i, _ in numbered
            ],
        ),
        "fetches": rows(
            "fetches",
            [
                {
                    "fetch_id": f"t{n}",
                    "photo_id": f"p{n}",
                    "url": f"https://images.test/{n % 4}/{n}.jpg",
                }
                for n in range(24)
            ],
        ),
        "models": rows(
            "models",
            [{"model_id": "m", "dataset_digest": find_release(workspace, "cameras").digest}],
        ),
    }
    write_segment(workspace, tables, job="everything")
    with open_catalog(workspace) as catalog:
        catalog.commit()
    return home


@pytest.fixture
def filled(template: Path, tmp_path: Path) -> Workspace:
    """A copy of the template that the test may change."""
    shutil.copytree(template, tmp_path / "filled")
    return Workspace.at(tmp_path / "filled")


@pytest.fixture(scope="session")
def taken(template: Path, tmp_path_factory: pytest.TempPathFactory) -> steps.Takedown:
    """The takedown of everything by Ansel 3, with a report that names him beside it; no test changes it."""
    home = tmp_path_factory.mktemp("taken") / "home"
    shutil.copytree(template, home)
    (home / "reports" / "old.html").write_text("a picture by Ansel 3 and one by ansel 3")
    workspace = Workspace.at(home)
    with Frontier(workspace.frontier) as frontier:
        frontier.open_crawl("c", "test", {})
        photo = {"photographer": "Ansel 3", "title": "Secret"}
        listed = ListedPhoto("p99", photo, "https://images.test/3/99.jpg", "images.test")
        frontier.add("c", [listed], Cursor())
    late = {"photo_id": "p98", "source": "t", "photographer": "Ansel 3", "fetched_at": MOMENT}
    write_segment(workspace, {"photos": rows("photos", [late])}, job="late")
    return take_down(workspace, ORDER)
