import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from catalog import AssetReader, Workspace, open_catalog, rows, write_segment
from crawler.commands.crawl import crawl as command
from crawler.errors import CrawlNotFoundError, NothingToResumeError, SessionRunningError
from crawler.fetch.fetcher import FetchResponse
from crawler.frontier.frontier import Frontier
from crawler.frontier.items import Item
from crawler.listing.source_contract import CrawlContext, Discovery
from crawler.report.audit import audit
from crawler.session.commit_unit import commit_unit
from crawler.session.crawl import CrawlOptions, crawl, find_crawl, resume, retry
from crawler.session.records import make_crawl_id
from crawler.session.session_lock import open_frontier
from crawler.settings import CrawlSettings
from crawler.sources import FolderSource
from tests.factories import jpeg

QUICK = CrawlSettings(backoff_s=0.01, drain_s=1.0)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    top = tmp_path / "photos"
    top.mkdir()
    for number in range(12):
        (top / f"{number:02}.jpg").write_bytes(jpeg(seed=number))
    return top


def test_retry_gives_dead_pictures_new_attempts(workspace: Workspace, photos: Path) -> None:
    (photos / "04.jpg").write_bytes(b"")
    first = crawl(workspace, FolderSource(str(photos)), QUICK)
    assert (first.done, first.failed) == (11, 1)
    (photos / "04.jpg").write_bytes(jpeg())
    with pytest.raises(NothingToResumeError):
        resume(workspace, QUICK)
    second = retry(workspace, QUICK, CrawlOptions(retry="final"))
    assert (second.crawl_id, second.done, second.status) == (first.crawl_id, 1, "finished")
    with open_catalog(workspace) as catalog:
        row = catalog.records("SELECT max(attempt) AS n FROM fetches")[0]
    assert row["n"] == 2
    assert audit(workspace).problems == []


def test_only_one_session_at_a_time(workspace: Workspace, photos: Path) -> None:
    with (
        open_frontier(workspace, QUICK),
        pytest.raises(SessionRunningError, match="another crawl is running"),
    ):
        crawl(workspace, FolderSource(str(photos)), replace(QUICK, turn_s=0.0))


def test_a_second_session_waits_for_its_turn(
    workspace: Workspace, photos: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with ThreadPoolExecutor(1) as pool:
        with open_frontier(workspace, QUICK):
            second = pool.submit(crawl, workspace, FolderSource(str(photos)), QUICK)
            while "waiting for its end" not in caplog.text:
                assert not second.done()
                time.sleep(0.01)
            with Frontier(workspace.frontier) as frontier:
                assert frontier.crawls() == []
        assert second.result(60).status == "finished"


def test_a_segment_without_its_marks_is_found_again(workspace: Workspace, photos: Path) -> None:
    """The worst moment to die: pictures are on disk, the frontier does not know."""
    source = FolderSource(str(photos))
    lost: list[int] = []

    def die_before_marking(frontier: Frontier, items: list[Item]) -> None:
        from crawler.session.worker import examine_response

        unit = [
            examine_response(
                item, FetchResponse(item.url, (photos / item.url).read_bytes()), 10**8, source
            )
            for item in items
        ]
        with Forgetful(workspace.frontier) as forgetful:
            lost.append(len(commit_unit(workspace, forgetful, QUICK, unit).settled))

    with Frontier(workspace.frontier) as frontier:
        key = _listed(frontier, workspace, source)
        die_before_marking(frontier, frontier.claim(key, 5, now=1.0))
        frontier.claim(key, 2, now=1.0)  # and two more were in work
    summary = resume(workspace, QUICK)
    assert lost == [5]
    assert (summary.done, summary.status) == (7, "finished")
    assert summary.rows["photos"] == 12
    assert audit(workspace).problems == []


class Forgetful(Frontier):
    """A frontier that dies before it marks anything."""

    def settle(self, *_: object, **__: object) -> None:
        return None


def _listed(frontier: Frontier, workspace: Workspace, source: FolderSource) -> str:
    import asyncio

    key = make_crawl_id(source.name, source.config)
    frontier.open_crawl(key, source.name, source.config)
    context = CrawlContext(workspace, frontier, key, QUICK, lambda: False)
    assert asyncio.run(source.discover(context)) == Discovery("finished")
    return key


def test_a_lost_frontier_costs_no_row(workspace: Workspace, photos: Path) -> None:
    crawl(workspace, FolderSource(str(photos)), QUICK)
    packs = sorted(workspace.packs.iterdir())
    for path in workspace.home.glob("frontier.sqlite*"):
        path.unlink()
    again = crawl(workspace, FolderSource(str(photos)), QUICK)
    # Whether a file of one's own has changed, only its bytes tell: it is read again, which is an attempt.
    assert {name: n for name, n in again.rows.items() if n} == {"crawls": 1, "fetches": 12}
    assert sorted(workspace.packs.iterdir()) == packs
    assert audit(workspace).problems == []


def test_a_crawl_is_found_by_the_beginning_of_its_id(tmp_path: Path) -> None:
    with Frontier(tmp_path / "f.sqlite") as frontier:
        frontier.open_crawl("abc1", "folder", {})
        frontier.open_crawl("abd2", "folder", {})
        known = frontier.crawls()
    assert find_crawl(known, "abc").crawl_id == "abc1"
    assert find_crawl(known, None).crawl_id == "abd2"
    for unknown in ("zz", "ab"):
        with pytest.raises(CrawlNotFoundError, match="does not exist"):
            find_crawl(known, unknown)


def test_verify_finds_every_kind_of_harm(workspace: Workspace, photos: Path) -> None:
    crawl(workspace, FolderSource(str(photos)), QUICK)
    _flip_a_byte(next(workspace.packs.iterdir()))
    (workspace.packs / "stray.parquet").touch()
    (workspace.spool / "waiting").mkdir()
    _forget_a_photo(workspace)
    found = audit(workspace)
    problems = "; ".join(found.problems)
    for problem in ("other bytes", "but not in the catalog"):
        assert problem in problems
    assert [note.split(":")[0] for note in found.notes] == [
        "segments in the spool",
        "packs that belong to no picture",
    ]
    for pack in workspace.packs.iterdir():
        pack.unlink()
    assert (
        len([problem for problem in audit(workspace).problems if "cannot be read" in problem]) == 12
    )


def test_rows_of_a_dataset_about_two_photos_of_one_file_are_no_repeated_key(
    workspace: Workspace,
) -> None:
    told = {"asset_sha256": "a" * 64, "exif_source": "dataset"}
    exif = rows("exif", [told | {"photo_id": "p1"}, told | {"photo_id": "p2"}])
    write_segment(workspace, {"exif": exif}, job="crawl:a")
    with open_catalog(workspace) as catalog:
        catalog.commit()
    assert audit(workspace).problems == []


def test_photos_that_wait_in_the_spool_are_not_lost(workspace: Workspace, photos: Path) -> None:
    crawl(workspace, FolderSource(str(photos)), QUICK)
    with open_catalog(workspace) as catalog:
        brought = rows("photos", catalog.query("SELECT * FROM photos").to_pylist())
        assets = rows("assets", catalog.query("SELECT * FROM assets").to_pylist())
    shutil.rmtree(workspace.lake)  # as if it had been killed before its first commit
    with AssetReader(workspace) as reader:
        images = [
            (row["sha256"], reader.read(row["pack"], row["pack_offset"], row["pack_length"]))
            for row in assets.to_pylist()
        ]
    write_segment(workspace, {"photos": brought, "assets": assets}, job="crawl:a", images=images)
    found = audit(Workspace.at(workspace.home))
    assert found.problems == []
    assert any(note.startswith("segments in the spool: 1") for note in found.notes)


def _flip_a_byte(pack: Path) -> None:
    body = bytearray(pack.read_bytes())
    place = body.find(b"Exif")
    body[place] ^= 1
    pack.write_bytes(body)


def _forget_a_photo(workspace: Workspace) -> None:
    with Frontier(workspace.frontier) as frontier:
        frontier._write("UPDATE items SET photo_id = 'unknown' WHERE seq = 1", ())


def test_pictures_in_flight_after_a_kill_are_no_problem(workspace: Workspace, photos: Path) -> None:
    with Frontier(workspace.frontier) as frontier:
        key = _listed(frontier, workspace, FolderSource(str(photos)))
        frontier.claim(key, 2, now=1.0)  # and then it is killed
    found = audit(workspace)
    assert found.problems == []
    [note] = found.notes
    assert note.startswith("pictures in flight: 2; a session is at work, or was killed")
    said = CliRunner().invoke(command, ["verify", "--home", str(workspace.home)])
    assert said.exit_code == 0
    assert "crawl resume" in said.output
