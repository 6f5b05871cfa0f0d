import os
from pathlib import Path

import pytest

from catalog import Workspace, open_catalog
from crawler.errors import FolderNotFoundError
from crawler.frontier.frontier import Frontier
from crawler.frontier.items import Cursor
from crawler.listing.file_source import PAGE
from crawler.listing.folder_walk import FolderEntry, walk
from crawler.listing.local_files import read_file
from crawler.listing.vocabulary import photo_id
from crawler.session.crawl import crawl
from crawler.session.records import make_crawl_id
from crawler.session.summary import CrawlSummary
from crawler.settings import CrawlSettings
from crawler.sources import FolderSource
from tests.factories import jpeg


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    top = tmp_path / "photos"
    for name in ("a.jpg", "cats/b.jpg", "cats/young/c.jpg"):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_bytes(jpeg(seed=len(name)))
    (top / "cats/copy.jpg").write_bytes((top / "a.jpg").read_bytes())
    return top


def run(workspace: Workspace, top: Path, settings: CrawlSettings | None = None) -> CrawlSummary:
    return crawl(workspace, FolderSource(str(top)), settings)


def test_pictures_become_photos_labelled_by_their_folders(
    workspace: Workspace, photos: Path
) -> None:
    summary = run(workspace, photos)
    assert (summary.status, summary.listed, summary.done, summary.failed) == (
        "finished",
        4,
        4,
        0,
    )
    assert summary.rows["assets"] == 3  # two files are equal
    with open_catalog(workspace) as catalog:
        found = catalog.records("SELECT * FROM photos ORDER BY source_photo_id")
        labels = catalog.records("SELECT * FROM labels ORDER BY value, subject_id")
        [session] = catalog.records("SELECT * FROM crawls")
    names = ["a.jpg", "cats/b.jpg", "cats/copy.jpg", "cats/young/c.jpg"]
    assert [row["source_photo_id"] for row in found] == names
    assert [row["folder"] for row in found] == [None, "cats", "cats", "cats/young"]
    assert found[0]["photo_id"] == photo_id("folder", "a.jpg")
    assert {
        (row["training_allowed"], row["training_basis"], row["image_url"]) for row in found
    } == {(True, "user_folder", None)}
    assert [row["value"] for row in labels] == ["cats", "cats", "cats/young"]
    assert {(row["task"], row["label_source"]) for row in labels} == {("folder", "folder_name")}
    assert (session["status"], session["n_listed"], session["n_done"]) == ("finished", 4, 4)
    assert session["robots_policy"] == "not_applicable"


def test_every_regular_file_becomes_a_row_or_an_error_row(
    workspace: Workspace, photos: Path
) -> None:
    (photos / "empty.jpg").write_bytes(b"")
    (photos / "notes.txt").write_text("no picture")
    (photos / "huge.jpg").write_bytes(jpeg() + b"\0" * 9000)
    (photos / ".hidden").write_text("x")
    (photos / ".git").mkdir()
    (photos / "link.jpg").symlink_to("/etc/hostname")
    (photos / "linked").symlink_to("/etc", target_is_directory=True)
    os.mkfifo(photos / "pipe.jpg")
    summary = run(workspace, photos, CrawlSettings(max_bytes=9000))
    assert (summary.listed, summary.skipped, summary.done) == (7, 5, 4)
    assert summary.errors == {"empty": 1, "not_an_image": 1, "too_big": 1}
    with open_catalog(workspace) as catalog:
        rows = catalog.records("SELECT url, outcome, error, error_class, host FROM fetches")
    failed = {(row["url"], row["error"]) for row in rows if row["outcome"] == "failed"}
    assert failed == {
        ("empty.jpg", "empty"),
        ("notes.txt", "not_an_image"),
        ("huge.jpg", "too_big"),
    }
    assert {row["host"] for row in rows} == {""}


def test_running_again_adds_no_row_and_a_changed_file_adds_its_own(
    workspace: Workspace, photos: Path
) -> None:
    (photos / "later.jpg").write_bytes(b"")
    run(workspace, photos)
    again = run(workspace, photos)
    assert (again.listed, again.done, again.failed, again.rows) == (5, 0, 0, {"crawls": 1})
    (photos / "later.jpg").write_bytes(jpeg(seed=99))
    repaired = run(workspace, photos)
    assert (repaired.done, repaired.rows["photos"], repaired.rows["fetches"]) == (1, 1, 1)


def test_a_file_that_vanished_or_became_a_link_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/hostname")
    (tmp_path / "folder").mkdir()
    wanted = {"gone": "missing", "link": "unreadable", "folder": "unreadable"}
    for name, error in wanted.items():
        failure = read_file(tmp_path, name, 100).failure
        assert failure
        assert (failure.error_class, failure.error) == ("final", error)


def test_a_name_that_is_not_utf8_is_written_readably_and_still_found(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.jpg")).write_bytes(b"bytes")
    [found] = walk(tmp_path)
    assert found.name == "caf\\xe9.jpg"
    assert FolderSource(str(tmp_path)).to_listed_photo(found).url == found.name
    assert read_file(tmp_path, found.name, 100).body == b"bytes"


def test_pages_hold_every_file(tmp_path: Path) -> None:
    for number in range(PAGE + 3):
        (tmp_path / f"{number}.jpg").touch()
    pages = list(FolderSource(str(tmp_path)).pages("crawl"))
    assert [len(page.photos) for page in pages] == [PAGE, 3]
    assert len({photo.url for page in pages for photo in page.photos}) == PAGE + 3


def test_a_folder_that_is_none_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(FolderNotFoundError, match="not a folder"):
        run(workspace, tmp_path / "nowhere")


def test_an_interrupted_listing_begins_again_and_misses_no_new_file(
    workspace: Workspace, photos: Path
) -> None:
    source = FolderSource(str(photos))
    key = make_crawl_id(source.name, source.config)
    with Frontier(workspace.frontier) as frontier:
        frontier.open_crawl(key, source.name, source.config)
        [page] = source.pages(key)
        frontier.add(key, page.photos, Cursor(page=2, seen=4))
    (photos / "0.jpg").write_bytes(jpeg(seed=50))
    summary = run(workspace, photos)
    assert (summary.status, summary.done) == ("finished", 5)


def test_a_plain_import_keeps_the_id_that_it_had_before_there_were_options(photos: Path) -> None:
    assert FolderSource("/a").config == {"path": "/a"}
    assert FolderSource("/a", 1).config == {"path": "/a", "class_level": 1}


@pytest.mark.parametrize(
    ("level", "name", "said"),
    [
        (1, "good/2019-rome/day 1/a.jpg", {"class": "good", "group": "2019-rome"}),
        (2, "2019-rome/good/a.jpg", {"class": "good", "group": "2019-rome"}),
        (1, "good/a.jpg", {"class": "good"}),
        (2, "good/a.jpg", {}),
        (1, "a.jpg", {}),
        (None, "good/2019-rome/a.jpg", {}),
    ],
)
def test_one_folder_of_the_path_is_the_class_and_another_the_group(
    level: int | None, name: str, said: dict[str, str]
) -> None:
    listed = FolderSource("/photos", level).to_listed_photo(FolderEntry(name))
    labels = listed.photo["labels"]
    assert isinstance(labels, list)
    assert {label["task"]: label["value"] for label in labels} == said


def test_good_and_bad_folders_give_a_labelled_set_with_trips_bursts_and_author(
    workspace: Workspace, tmp_path: Path
) -> None:
    top = tmp_path / "photos"
    taken = {  # pauses: 3 s, 3 s, just over 3 s, an hour, just over an hour; then another folder
        "good/rome/1": "12:00:00",
        "good/rome/2": "12:00:03",
        "good/rome/3": "12:00:06",
        "good/rome/4": "12:00:10",
        "good/rome/5": "13:00:10",
        "good/rome/6": "14:00:11",
        "bad/rome/1": "12:00:01",
    }
    for number, (name, time) in enumerate(taken.items()):
        (top / f"{name}.jpg").parent.mkdir(parents=True, exist_ok=True)
        tags = {"DateTimeOriginal": f"2019:05:01 {time}"}
        (top / f"{name}.jpg").write_bytes(jpeg(tags=tags, seed=number))
    crawl(workspace, FolderSource(str(top), class_level=1, author="Ann Lens"))
    with open_catalog(workspace) as catalog:
        rows = catalog.records(
            "SELECT p.source_photo_id AS name, p.photographer, trip_id, burst_id, c.value AS class, g.value AS grp "
            "FROM photos p JOIN v_bursts USING (photo_id) "
            "JOIN labels c ON c.subject_id = photo_id AND c.task = 'class' "
            "JOIN labels g ON g.subject_id = photo_id AND g.task = 'group' ORDER BY trip_id, name"
        )
    assert [row["class"] for row in rows] == ["bad"] + ["good"] * 6
    assert {(row["grp"], row["photographer"]) for row in rows} == {("rome", "Ann Lens")}
    assert [row["trip_id"] for row in rows] == [1, 2, 2, 2, 2, 2, 3]
    assert [row["burst_id"] for row in rows] == [1, 2, 2, 2, 3, 4, 5]
