"""Photos that somebody had taken down or blocked are no failures: nothing advises to try them again, nothing tries."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from catalog import Workspace, open_catalog
from catalog.takedown.takedown import TakedownRequest, take_down
from crawler import FrontierQueue
from crawler.commands.crawl import crawl
from crawler.commands.summary import failure_hints
from tests.factories import jpeg


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three photographs and a file that is none."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.jpg").write_bytes(jpeg(seed=number))
    (folder / "broken.jpg").write_bytes(b"not a picture")
    return folder


def call(workspace: Workspace, *words: str) -> str:
    done = CliRunner().invoke(crawl, [*words, "--home", str(workspace.home)])
    assert done.exit_code == 0, done.output
    return done.output


def take_down_one(workspace: Workspace) -> None:
    with open_catalog(workspace) as catalog:
        [row] = catalog.records("SELECT photo_id FROM photos WHERE source_photo_id = '0.jpg'")
    take_down(workspace, TakedownRequest("photo", str(row["photo_id"]), "asked"), FrontierQueue)


@pytest.mark.long
def test_a_taken_down_photo_is_left_out_and_not_failed(workspace: Workspace, photos: Path) -> None:
    call(workspace, "run", "folder", str(photos))
    take_down_one(workspace)
    said = call(workspace, "run", "folder", str(photos))
    assert "left out: 1 photo, blocked or taken down on request" in said
    assert "failed earlier and not tried again: 1 (not_an_image 1); try them with" in said
    status = call(workspace, "status")
    assert "1 failed" in status
    assert "1 left out (blocked or taken down)" in status
    assert "tombstoned" not in status


@pytest.mark.long
def test_where_only_taken_down_photos_are_left_no_retry_is_advised(
    workspace: Workspace, photos: Path
) -> None:
    (photos / "broken.jpg").unlink()
    call(workspace, "run", "folder", str(photos))
    take_down_one(workspace)
    assert "crawl retry" not in call(workspace, "run", "folder", str(photos))


@pytest.mark.long
def test_a_retry_of_everything_leaves_taken_down_photos_alone(
    workspace: Workspace, photos: Path
) -> None:
    call(workspace, "run", "folder", str(photos))
    take_down_one(workspace)
    said = call(workspace, "retry", "--class", "all")
    assert "failed: not_an_image 1" in said
    assert "left out: 1 photo" in said
    # By SQL a blocked photo may be tried, for its block may have been lifted; what a takedown blanked may not.
    again = call(workspace, "retry", "--where", "true")
    assert "failed: not_an_image 1\n" in again


def test_an_error_without_a_setting_behind_it_has_no_hint() -> None:
    assert list(failure_hints({"http_404": 3, "private_address": 0})) == []
    [line] = failure_hints({"private_address": 1})
    assert "--allow-private" in line
    assert "allow_networks" in line
