"""Asking again: unchanged pictures cost no bytes, changes and deletions show, and what is blocked stays out."""

import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from catalog import Workspace, open_catalog
from crawler.errors import (
    BlockRefusedError,
    NotBlockedError,
    NothingToCompareError,
    NotRunningError,
)
from crawler.listing.vocabulary import photo_id
from crawler.report.audit import audit
from crawler.report.changes import changes
from crawler.session.blocklist import Kind, block, normalise_value, unblock
from crawler.session.crawl import CrawlOptions, crawl
from crawler.session.session import StopRequest
from crawler.session.session_lock import request_stop
from crawler.session.summary import CrawlSummary
from crawler.settings import CrawlSettings
from crawler.sources import FolderSource
from crawler.sources.urls import UrlListSource
from safelight import cli
from tests.factories import jpeg
from tests.fakes.albums import Album, serve

QUICK = CrawlSettings(allow_private=True, unit_s=0.3, backoff_s=0.05)


@pytest.fixture(autouse=True)
def _contact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAFELIGHT_CONTACT", "tests@example.org")


@pytest.fixture
def album() -> Album:
    return Album({f"/{n}.jpg": jpeg(seed=n) for n in range(6)})


def source_of(folder: Path, album: Album) -> UrlListSource:
    path = folder / "list.txt"
    path.write_text("\n".join(f"{album.url}{name}" for name in sorted(album.pictures)))
    return UrlListSource(str(path))


def again(workspace: Workspace, source: UrlListSource) -> CrawlSummary:
    return crawl(workspace, source, QUICK, CrawlOptions(recrawl_s=0.0))


def test_unchanged_pictures_cost_no_bytes_and_changes_show(
    workspace: Workspace, tmp_path: Path, album: Album
) -> None:
    with serve(album):
        source = source_of(tmp_path, album)
        first = crawl(workspace, source, QUICK)
        second = crawl(workspace, source, QUICK)
        asked = album.asked.total()
        album.pictures["/1.jpg"] = jpeg(seed=77)
        album.pictures["/2.jpg"] = None
        del album.pictures["/3.jpg"]
        third = again(workspace, source)
    assert (first.done, second.done, second.unchanged) == (6, 0, 0)
    assert asked == 7  # six pictures and robots.txt; the second run asked for nothing
    assert (third.done, third.unchanged, third.failed) == (1, 3, 2)
    assert album.statuses[304] == 3
    with open_catalog(workspace) as catalog:
        [gone] = catalog.records("SELECT count(*) AS n, any_value(reason) AS r FROM tombstones")
        photos = catalog.records("SELECT count(*) AS n, count(DISTINCT photo_id) AS d FROM photos")
        outcomes = catalog.records(
            "SELECT outcome, count(*) AS n FROM fetches GROUP BY 1 ORDER BY 1"
        )
    assert gone == {"n": 2, "r": "deleted_at_source"}
    assert photos == [{"n": 7, "d": 6}]  # the changed picture has two rows
    assert {row["outcome"]: row["n"] for row in outcomes} == {
        "done": 7,
        "failed": 2,
        "unchanged": 3,
    }
    found = changes(workspace)
    assert (found.added, len(found.changed), len(found.deleted)) == (0, 1, 2)
    assert found.changed[0].source_photo_id.endswith("/1.jpg")
    assert audit(workspace).problems == []


def test_blocked_pictures_hold_no_slot_of_their_host(
    workspace: Workspace, tmp_path: Path, album: Album
) -> None:
    with serve(album):
        for name in ("/0.jpg", "/1.jpg", "/2.jpg"):
            block(workspace, "url_prefix", album.url + name, "a request")
        one_at_a_time = replace(QUICK, limit_loopback=True, rate=50.0, per_host=1)
        source = source_of(tmp_path, album)
        stop = StopRequest()
        limit = threading.Timer(20.0, stop.request)
        limit.start()
        summary = crawl(workspace, source, one_at_a_time, CrawlOptions(stop=stop))
        limit.cancel()
    assert (summary.status, summary.done, summary.failed) == ("finished", 3, 3)
    assert album.asked.total() == 4  # three pictures and robots.txt


@pytest.mark.slow
def test_a_lost_frontier_asks_nobody_for_what_the_catalog_holds(
    workspace: Workspace, tmp_path: Path, album: Album
) -> None:
    album.redirects["/moved.jpg"] = "/5.jpg"
    album.pictures["/moved.jpg"] = b""
    del album.pictures["/0.jpg"]
    with serve(album):
        source = source_of(tmp_path, album)
        Path(source.path).write_text(Path(source.path).read_text() + f"\n{album.url}/0.jpg")
        first = crawl(workspace, source, QUICK)
        assert (first.done, first.failed) == (6, 1)
        lose_frontier(workspace)
        album.asked.clear()
        again = crawl(workspace, source, QUICK)
        assert album.asked == {
            "/robots.txt": 1,
            "/0.jpg": 1,
        }  # only the one that is not held
        assert (again.done, again.failed, again.listed) == (0, 1, 7)
        later = crawl(workspace, source, QUICK, CrawlOptions(recrawl_s=0.0))
        assert (later.unchanged, later.done) == (6, 0)  # it learned the ETags, too
    with open_catalog(workspace) as catalog:
        [row] = catalog.records("SELECT count(*) AS n, max(attempt) AS most FROM fetches")
        photos = catalog.records("SELECT count(*) AS n FROM photos")
    assert row == {"n": 7 + 1 + 6, "most": 2}  # each attempt has its row: numbers go on
    assert photos == [{"n": 6}]
    assert audit(workspace).problems == []


@pytest.mark.slow
def test_a_lost_frontier_asks_for_what_is_listed_at_another_address(
    workspace: Workspace, tmp_path: Path, album: Album
) -> None:
    path = tmp_path / "list.csv"
    with serve(album):
        source = UrlListSource(str(path), id_col="id")
        path.write_text(f"url,id\n{album.url}/1.jpg,a\n{album.url}/2.jpg,b\n")
        crawl(workspace, source, QUICK)
        lose_frontier(workspace)
        path.write_text(f"url,id\n{album.url}/1.jpg,a\n{album.url}/3.jpg,b\n")
        again = crawl(workspace, source, QUICK)
    assert (again.done, album.asked["/1.jpg"], album.asked["/3.jpg"]) == (1, 1, 1)


def lose_frontier(workspace: Workspace) -> None:
    for path in workspace.home.glob("frontier.sqlite*"):
        path.unlink()


def test_changes_since_a_snapshot(workspace: Workspace, tmp_path: Path, album: Album) -> None:
    with pytest.raises(NothingToCompareError, match="no crawl has ended"):
        changes(workspace)
    with open_catalog(workspace) as catalog:
        empty = catalog.snapshot()
    with serve(album):
        crawl(workspace, source_of(tmp_path, album), QUICK)
    assert changes(workspace, empty).added == 6
    with pytest.raises(NothingToCompareError, match="snapshot 999 does not exist"):
        changes(workspace, 999)
    said = CliRunner().invoke(cli, ["--home", str(workspace.home), "crawl", "changes"])
    assert "6 photos came, 0 changed, 0 deleted" in said.output


def test_what_is_blocked_stays_out(workspace: Workspace, tmp_path: Path, album: Album) -> None:
    bodies = {name: body or b"" for name, body in album.pictures.items()}
    import hashlib

    with serve(album):
        source = source_of(tmp_path, album)
        block(workspace, "url_prefix", f"{album.url}/1", "asked")
        block(workspace, "sha256", hashlib.sha256(bodies["/2.jpg"]).hexdigest(), "asked")
        summary = crawl(workspace, source, QUICK)
    assert (summary.done, summary.errors) == (4, {"tombstoned": 2})
    assert album.asked["/1.jpg"] == 0
    with open_catalog(workspace) as catalog:
        rows = catalog.records(
            "SELECT error_detail FROM fetches WHERE error = 'tombstoned' ORDER BY 1"
        )
    assert [row["error_detail"] for row in rows] == ["sha256", "url_prefix"]
    assert audit(workspace).assets == 4


@pytest.mark.slow
def test_photographers_and_photos_are_blocked_in_folders_too(
    workspace: Workspace, tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in ("a.jpg", "b.jpg"):
        (photos / name).write_bytes(jpeg(seed=ord(name[0])))
    runner, home = CliRunner(), ["--home", str(workspace.home)]
    order = [*home, "crawl", "block", "photo", photo_id("folder", "a.jpg"), "--reason", "asked"]
    assert "later crawls leave out photo" in runner.invoke(cli, order).output
    assert crawl(workspace, FolderSource(str(photos))).errors == {"tombstoned": 1}
    block(workspace, "photographer", "ann lens", "asked")
    by_ann = FolderSource(str(photos), author="Ann Lens")
    assert crawl(workspace, by_ann).errors == {"tombstoned": 2}


@pytest.mark.parametrize(
    ("kind", "value", "why"),
    [
        ("url_prefix", "", "empty"),
        ("url_prefix", "https://", "scheme and host"),
        ("url_prefix", "photos.example/a", "scheme and host"),
        ("photographer", "  ", "empty"),
        ("photo", "no-such-id", "32 hex digits"),
        ("sha256", "z" * 64, "64 hex digits"),
    ],
)
def test_what_would_block_nothing_or_everything_is_refused(
    tmp_path: Path, kind: Kind, value: str, why: str
) -> None:
    for act in (block, unblock):
        with pytest.raises(BlockRefusedError, match=why):
            act(Workspace.at(tmp_path), kind, value, "asked")
    assert (
        normalise_value("url_prefix", "http://a.example") == "http://a.example/"
    )  # not a.example.org too


@pytest.mark.slow
def test_a_block_is_lifted_by_a_newer_row_and_may_be_made_again(
    workspace: Workspace, tmp_path: Path, album: Album
) -> None:
    runner, home = CliRunner(), ["--home", str(workspace.home), "crawl"]
    with serve(album):
        source = source_of(tmp_path, album)
        crawl(workspace, source, QUICK)
        about = ["url_prefix", f"{album.url}/1", "--reason", "asked"]
        assert "; 1 known photo matches" in runner.invoke(cli, [*home, "block", *about]).output
        assert again(workspace, source).errors == {"tombstoned": 1}
        said = runner.invoke(cli, [*home, "unblock", *about]).output
        assert "may bring in url_prefix" in said
        assert "crawl retry --where" in said
        options = CrawlOptions(retry="all", where="error = 'tombstoned'", relist=False)
        assert crawl(workspace, source, QUICK, options).unchanged == 1
        assert block(workspace, "url_prefix", about[1], "asked") == 1
        assert again(workspace, source).errors == {"tombstoned": 1}
    with pytest.raises(NotBlockedError, match="of this kind there is: nothing"):
        unblock(workspace, "photographer", "Ann", "asked")
    assert changes(workspace).deleted == []  # a lifted block is no deletion


def test_another_process_may_ask_to_stop(workspace: Workspace, tmp_path: Path) -> None:
    slow = Album({f"/{n}.jpg": jpeg(seed=n) for n in range(60)})
    slow.slowness_s = 0.3
    with pytest.raises(NotRunningError, match="no crawl is running"):
        request_stop(workspace)

    def stop_soon() -> None:
        while slow.asked.total() < 5:
            time.sleep(0.01)
        CliRunner().invoke(cli, ["--home", str(workspace.home), "crawl", "stop"])

    with serve(slow):
        thread = threading.Thread(target=stop_soon)
        thread.start()
        settings = CrawlSettings(allow_private=True, concurrency=4)
        summary = crawl(workspace, source_of(tmp_path, slow), settings)
        thread.join()
        assert summary.status == "stopped"
        assert 0 < summary.done < 60
        slow.slowness_s = 0.0
        rest = crawl(workspace, source_of(tmp_path, slow), settings)
    assert (rest.status, summary.done + rest.done) == ("finished", 60)
