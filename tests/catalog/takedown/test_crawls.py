"""A takedown reaches what crawls have left outside of the tables, and no crawl brings anything back."""

import shutil
from pathlib import Path

import pytest
from filelock import FileLock

from catalog import CatalogError, UsageError, Workspace, open_catalog, read_blocked
from catalog.maintenance.verify import verify_catalog
from catalog.takedown import takedown as steps
from catalog.takedown.takedown import TakedownRequest
from crawler.frontier.frontier import Frontier
from crawler.frontier.items import Cursor, FetchHistory, ListedPhoto
from crawler.report.audit import audit
from crawler.session.blocklist import unblock
from crawler.session.crawl import crawl
from crawler.settings import CrawlSettings
from crawler.sources import FolderSource
from tests import factories
from tests.catalog.published import body, bring_random
from tests.catalog.takedown.taking_down import ORDER, bytes_left, take_down


def test_a_crawl_at_work_is_not_undermined(filled: Workspace) -> None:
    with (
        FileLock(f"{filled.frontier}.lock"),
        pytest.raises(CatalogError, match="safelight crawl stop"),
    ):
        take_down(filled, ORDER)


def test_what_waits_in_the_spool_and_the_frontier_goes_too(taken: steps.Takedown) -> None:
    assert taken.frontier_items == 1
    assert "p98" in taken.matches.photos
    workspace = Workspace.at(taken.folder.parents[2])
    assert bytes_left(workspace, [b"Secret", b"images.test/3"], but=("releases", "reports")) == []


@pytest.mark.long
def test_a_new_crawl_does_not_bring_it_back(workspace: Workspace, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, seed in (("a", 1), ("b", 2)):
        (folder / f"{name}.jpg").write_bytes(factories.jpeg(seed=seed))
    crawl(workspace, FolderSource(str(folder)), CrawlSettings())
    with open_catalog(workspace) as catalog:
        sha = catalog.records(
            "SELECT asset_sha256 AS s FROM photos WHERE source_photo_id = 'a.jpg'"
        )
    take_down(workspace, TakedownRequest("sha256", str(sha[0]["s"]), "asked"))
    (folder / "again.jpg").write_bytes(factories.jpeg(seed=1))
    (folder / "new.jpg").write_bytes(factories.jpeg(seed=3))
    crawl(workspace, FolderSource(str(folder)), CrawlSettings())
    with open_catalog(workspace) as catalog:
        names = catalog.query("SELECT source_photo_id FROM photos ORDER BY 1")[0].to_pylist()
        errors = catalog.query("SELECT error FROM fetches WHERE outcome = 'failed'")[0].to_pylist()
    assert names == ["b.jpg", "new.jpg"]
    assert errors == ["tombstoned"]


def _folder_of(tmp_path: Path, *names: str) -> FolderSource:
    folder = tmp_path / "photos"
    folder.mkdir(exist_ok=True)
    for seed, name in enumerate(names):
        (folder / name).write_bytes(factories.jpeg(seed=seed))
    return FolderSource(str(folder))


@pytest.mark.long
def test_a_takedown_after_an_unblock_blocks_again_and_verify_is_content(
    workspace: Workspace, tmp_path: Path
) -> None:
    source = _folder_of(tmp_path, "a.jpg", "b.jpg")
    crawl(workspace, source, CrawlSettings())
    with open_catalog(workspace) as catalog:
        [row] = catalog.records("SELECT * FROM photos WHERE source_photo_id = 'a.jpg'")
    sha, photo = str(row["asset_sha256"]), str(row["photo_id"])
    for order in (
        TakedownRequest("sha256", f" {sha.upper()} ", "asked"),
        TakedownRequest("photo", photo, "asked"),
        TakedownRequest("photo", photo, "asked"),
    ):
        take_down(workspace, order)
        assert audit(workspace).problems == []
        with open_catalog(workspace) as catalog:
            assert {("sha256", sha), ("photo", photo)} <= set(read_blocked(catalog))
        for kind, value in (("sha256", sha), ("photo", photo)):
            unblock(workspace, kind, value, "a mistake")  # type: ignore[arg-type]  # literals
        assert crawl(workspace, source, CrawlSettings()).done == 1, "unblocked: it comes in again"
        assert audit(workspace).problems == []


def test_an_address_blocks_as_crawls_write_it(workspace: Workspace) -> None:
    assert TakedownRequest("url_prefix", "HTTPS://Photos.Test", "x").value == "https://photos.test/"
    for empty in ("", "  ", "photos.test/3", "https:"):
        with pytest.raises(UsageError):
            TakedownRequest("url_prefix", empty, "x")


@pytest.mark.long
def test_the_frontier_forgets_crawls_learned_addresses_and_hosts(workspace: Workspace) -> None:
    bring_random(workspace, range(8), 100)
    with Frontier(workspace.frontier) as frontier:
        frontier.open_crawl("all", "test", {"addresses": "list.csv"})
        frontier.open_crawl("one", "test", {"users": ["ANSEL 3"], "limit": None})
        for crawl_id in ("all", "one"):
            listed = [
                ListedPhoto(
                    f"p{n}",
                    {"photographer": f"Ansel {n % 4}"},
                    f"https://images.test/{n % 4}/{n}.jpg",
                    f"{n % 4}.test",
                )
                for n in range(8)
            ]
            frontier.add(crawl_id, listed, Cursor())
        frontier.add_history(
            "all", [FetchHistory("p3", url="https://images.test/3/3.jpg"), FetchHistory("p0")]
        )
        frontier.add_held(["p3", "p0"], [])
    done = take_down(workspace, ORDER)
    assert done.frontier_items == 4
    assert bytes_left(workspace, [b"images.test/3", b"3.test", b"ANSEL 3"], but=("reports",)) == []
    with Frontier(workspace.frontier) as frontier:
        assert [record.crawl_id for record in frontier.crawls()] == ["all"]
        assert frontier.counts("all") == {"queued": 6, "failed": 2}
        assert frontier.errors("all") == {"tombstoned": 2}
        assert (frontier.holds_photo("p3"), frontier.holds_photo("p0")) == (False, True)
        assert len(frontier.claim("all", 100, 1e12)) == 6
    assert take_down(workspace, ORDER).frontier_items == 0


def test_what_a_killed_crawl_left_half_done_goes_too(workspace: Workspace) -> None:
    bring_random(workspace, range(8), 100)
    pack = next(workspace.packs.glob("*.parquet"))
    shutil.copy(pack, workspace.packs / f"{'0' * 64}.parquet")
    data = next((workspace.lake / "data/main/photos").glob("*.parquet"))
    shutil.copy(data, data.with_name("ducklake-01a2264e-6f71-7c5a-a0d8-affc93d2b062.parquet"))
    unfinished = workspace.spool / ".tmp-killed"
    unfinished.mkdir()
    shutil.copy(pack, unfinished / "pack.parquet")
    take_down(workspace, ORDER)
    needles = [body(3, 100)[:64], repr(body(3, 100)[:64])[2:-1].encode(), b"Ansel 3"]
    assert bytes_left(workspace, needles, but=("reports/takedowns",)) == []
    with open_catalog(workspace) as catalog:
        assert verify_catalog(catalog) == []
