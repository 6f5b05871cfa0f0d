import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from catalog import Workspace, open_catalog
from curation.commands.curate import curate as commands
from curation.report import similar as module
from curation.report.similar import NotEmbeddedError, similar
from curation.run.run import curate
from curation.settings import CurateSettings
from tests.curation.small_catalog import Shot, exif, fill, jpeg, scene, sound_shots

THREADS = CurateSettings(runner="threads", workers=1)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a workspace with six scenes and a darker shot of the first, curated with the default embedder."""
    made = Workspace.at(tmp_path_factory.mktemp("similar"))
    dark = scene(0).point(lambda tone: tone * 0.97)
    fill(made, [*sound_shots(6), Shot("dark.jpg", jpeg(dark), exif(40))])
    curate(made, None, THREADS)
    return made.home


def sha_of(home: Path, name: str) -> str:
    with open_catalog(Workspace.at(home)) as catalog:
        sql = "SELECT asset_sha256 FROM photos WHERE source_photo_id LIKE ?"
        return str(catalog.records(sql, [f"%{name}"])[0]["asset_sha256"])


def test_the_most_similar_picture_comes_first_and_never_the_picture_itself(home: Path) -> None:
    dark = sha_of(home, "dark.jpg")
    rows = similar(dark[:12], home, limit=3)
    assert rows.height == 3
    assert dark not in rows["asset_sha256"].to_list()
    assert rows["cosine"].to_list() == sorted(rows["cosine"].to_list(), reverse=True)
    back = similar(rows["asset_sha256"][0], home, limit=1)
    assert back["asset_sha256"].to_list() == [dark]


def test_a_file_that_is_not_in_the_catalog_is_compared_too(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "new.jpg"
    path.write_bytes(jpeg(scene(3), quality=91))
    rows = similar(path, home, limit=2)
    assert rows["asset_sha256"][0] == sha_of(home, "003.jpg")
    assert rows["cosine"][0] > 0.97 > rows["cosine"][1]


def test_the_vectors_are_read_from_the_catalog_where_there_is_no_index(home: Path) -> None:
    dark = sha_of(home, "dark.jpg")
    before = similar(dark, home)
    for path in (home / "derived" / "similarity").glob("*.arrow"):
        path.unlink()
    assert similar(dark, home).equals(before)


@pytest.mark.parametrize(
    ("picture", "error"),
    [("000000000000", "no picture of the catalog"), ("missing.jpg", "cannot be read")],
)
def test_what_cannot_be_compared_is_named(home: Path, picture: str, error: str) -> None:
    with pytest.raises(NotEmbeddedError, match=error):
        similar(picture, home)


def test_a_file_that_is_not_a_picture_is_refused(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "page.jpg"
    path.write_bytes(b"<html>")
    with pytest.raises(module.NotEmbeddedError, match="not a picture: not_an_image"):
        similar(path, home)


def test_the_command_prints_a_table_or_json(home: Path) -> None:
    dark = sha_of(home, "dark.jpg")
    run = CliRunner().invoke
    table = run(commands, ["similar", dark, "--limit", "2", "--home", str(home)])
    assert table.exit_code == 0, table.output
    assert len(table.output.strip().splitlines()) == 2
    rows = run(commands, ["similar", dark, "--limit", "2", "--format", "json", "--home", str(home)])
    assert [len(row["asset_sha256"]) for row in json.loads(rows.output)] == [64, 64]
