"""A takedown leaves neither bytes nor names behind, and nothing brings them back."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from filelock import FileLock

from catalog import (
    CatalogError,
    ReleaseError,
    SnapshotNotFoundError,
    UsageError,
    Workspace,
    find_release,
    list_releases,
    open_catalog,
    read_blocked,
    rows,
    write_segment,
)
from catalog.maintenance.maintain import upkeep_lock
from catalog.maintenance.verify import verify_catalog
from catalog.pull.pull import PullOrder, pull
from catalog.releases.revocations import read_revocations
from catalog.releases.verify import verify_release
from catalog.takedown import takedown as steps
from catalog.takedown.search import find
from catalog.takedown.takedown import TakedownRequest, preview
from crawler import FrontierQueue
from crawler.frontier.frontier import Frontier
from crawler.frontier.items import Cursor, FetchHistory, ListedPhoto
from crawler.report.audit import audit
from crawler.session.blocklist import unblock
from crawler.session.crawl import crawl
from crawler.settings import CrawlSettings
from crawler.sources import FolderSource
from tests import factories
from tests.catalog.pictures import MOMENT
from tests.catalog.published import body, bring_random, items, published

GONE = [n for n in range(24) if n % 4 == 3]
ORDER = TakedownRequest("photographer", "ansel 3", "the author asked for it")


def take_down(workspace: Workspace, order: TakedownRequest) -> steps.Takedown:
    return steps.take_down(workspace, order, FrontierQueue)


@pytest.fixture(scope="module")
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


def bytes_left(workspace: Workspace, needles: list[bytes], but: tuple[str, ...] = ()) -> list[str]:
    """Name the files below a workspace that hold one of `needles`, looking inside Parquet files too."""
    found = []
    for path in workspace.home.rglob("*"):
        name = path.relative_to(workspace.home).as_posix()
        if not path.is_file() or name.startswith(but):
            continue
        content = path.read_bytes()
        if path.suffix == ".parquet":
            content += repr(pq.read_table(path).to_pylist()).encode()
        if any(needle in content for needle in needles):
            found.append(name)
    return found


def test_neither_bytes_nor_names_are_left_anywhere(
    filled: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    with open_catalog(filled) as catalog:
        before = catalog.snapshot()
    done = take_down(filled, TakedownRequest(**{**ORDER.__dict__, "purge_releases": True}))
    assert (len(done.matches.photos), len(done.matches.assets), done.still_found) == (6, 6, 0)
    assert "could not be shrunk" not in caplog.text, "no connection of our own may stand in the way"
    needles = [body(n, 700)[:64] for n in GONE]
    needles += [repr(body(n, 700)[:64])[2:-1].encode() for n in GONE]
    needles += [b"https://images.test/3/", b"https://photos.test/3/", b"Ansel 3"]
    assert bytes_left(filled, needles, but=("reports/takedowns",)) == []
    tables = [table for table in done.rows_removed if "blanked" not in table]
    assert set(tables) == {
        *("assets", "photos", "exif", "health", "phashes", "embeddings", "predictions"),
        *("curated_items", "faces", "issues", "labels"),
    }
    with open_catalog(filled) as catalog:
        assert verify_catalog(catalog) == []
        counts = "SELECT (SELECT count(*) FROM assets) AS a, (SELECT count(*) FROM photos) AS p"
        assert catalog.records(counts) == [{"a": 18, "p": 18}]
        kept = catalog.records("SELECT count(url) AS urls, count(*) AS n FROM fetches")
        assert kept == [{"urls": 18, "n": 24}], "that they were fetched stays as proof"
        assert min(each.snapshot_id for each in catalog.snapshots()) > before
    with pytest.raises(SnapshotNotFoundError):
        open_catalog(filled, as_of=before)


@pytest.fixture(scope="module")
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


def test_the_proof_says_what_was_found_removed_and_not_reached(taken: steps.Takedown) -> None:
    done = taken
    said = json.loads((done.folder / "takedown.json").read_text())
    assert said["state"] == "finished"
    assert said["found"]["assets"] == sorted(done.matches.assets)
    assert said["rows_removed"]["photos"] == 7, "with the one that waited in the spool"
    text = (done.folder / "takedown.md").read_text()
    assert "cameras@1.0.0 held 6 of the files" in text
    assert "revoked, use cameras@1.1.0" in text
    assert "looked for again at the end: 0 found" in text
    assert "reports/old.html still names it" in text
    assert "model m was trained on these pictures" in text
    assert "its shards still lie here: delete them with --purge-releases" in text


def test_releases_get_a_successor_and_are_refused_from_then_on(
    taken: steps.Takedown, tmp_path: Path
) -> None:
    filled = Workspace.at(taken.folder.parents[2])
    successor = find_release(filled, "cameras")
    assert (successor.version, successor.manifest["n_items"]) == ("1.1.0", 18)
    assert verify_release(successor) == []
    assert (
        "in place of 1.0.0, which was revoked: the author asked"
        in (successor.path / "README.md").read_text()
    )
    (revocation,) = read_revocations(filled.releases)
    assert (revocation.version, revocation.successor) == ("1.0.0", "1.1.0")
    with open_catalog(filled) as catalog:
        found = catalog.records("SELECT dataset, version, successor FROM revocations")
    assert found == [{"dataset": "cameras", "version": "1.0.0", "successor": "1.1.0"}]
    with pytest.raises(ReleaseError, match="the author asked for it"):
        pull(Workspace.at(tmp_path / "b"), PullOrder("cameras@1.0.0", str(filled.home)))


@pytest.mark.slow
def test_a_purged_release_tells_why_it_is_empty(filled: Workspace) -> None:
    take_down(filled, TakedownRequest("photo", "p3", "asked", purge_releases=True))
    old = find_release(filled, "cameras@1.0.0")
    assert old.deleted_data
    with pytest.raises(ReleaseError, match="a takedown deleted the pictures"):
        old.index()
    assert find_release(filled, "cameras").manifest["n_items"] == 23
    again = take_down(filled, TakedownRequest("photo", "p7", "asked", purge_releases=True))
    assert [str(r) for r in again.matches.releases] == ["cameras@1.1.0"]
    assert [r.version for r in list_releases(filled)] == ["1.2.0", "1.1.0", "1.0.0"]


@pytest.mark.slow
def test_a_release_that_loses_every_picture_has_no_successor(workspace: Workspace) -> None:
    shas = bring_random(workspace, range(3, 4), 100)
    from catalog import publish

    publish(workspace, "one", items(range(3, 4), shas), plan={}, run_id="r")
    done = take_down(workspace, ORDER)
    assert done.successors == {"one@1.0.0": ""}
    assert [r.version for r in list_releases(workspace)] == ["1.0.0"]


def test_a_preview_finds_by_name_address_hash_and_id_and_changes_nothing(template: Path) -> None:
    workspace = Workspace.at(template)
    with open_catalog(workspace) as catalog:
        sha = catalog.records("SELECT asset_sha256 AS s FROM photos WHERE photo_id = 'p5'")[0]["s"]
        before = catalog.snapshot()
        cases: list[tuple[steps.Kind, str, int]] = [
            ("photographer", "ANSEL 3", 6),
            ("url_prefix", "https://photos.test/2/", 6),
            ("sha256", str(sha), 1),
            ("photo", "p5", 1),
            ("photographer", "nobody", 0),
        ]
        for kind, value, n in cases:
            found = find(catalog, kind, value)
            assert (len(found.photos), len(found.assets)) == (n, n), value
            assert len(found.releases) == min(n, 1)
    assert preview(workspace, ORDER)[0].models == ("m",)
    with open_catalog(workspace) as catalog:
        assert catalog.snapshot() == before


@pytest.mark.slow
def test_copies_are_reported_and_taken_when_asked(filled: Workspace) -> None:
    with open_catalog(filled) as catalog:
        sha = "SELECT asset_sha256 FROM photos WHERE photo_id IN ('p3', 'p4') ORDER BY photo_id"
        pair = catalog.query(sha)[0].to_pylist()
    group = [{"run_id": "r", "group_id": "g", "asset_sha256": each} for each in pair]
    write_segment(filled, {"duplicate_groups": rows("duplicate_groups", group)}, job="dup")
    order = TakedownRequest("photo", "p3", "asked")
    assert preview(filled, order)[0].copies == (pair[1],)
    done = take_down(filled, TakedownRequest("photo", "p3", "asked", with_copies=True))
    assert set(done.matches.assets) == set(pair)
    assert set(done.matches.photos) == {"p3", "p4"}


_SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "after",
    [
        pytest.param("_begin", marks=_SLOW),
        pytest.param("_write_tombstones", marks=_SLOW),
        "_remove",
    ],
)
def test_a_takedown_that_was_killed_is_ended_by_the_next(
    filled: Workspace, after: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = getattr(steps, after)

    def killed(*given: object) -> None:
        whole(*given)
        raise KeyboardInterrupt

    monkeypatch.setattr(steps, after, killed)
    with pytest.raises(KeyboardInterrupt):
        take_down(filled, ORDER)
    monkeypatch.undo()
    done = take_down(filled, ORDER)
    assert (len(done.matches.assets), done.still_found) == (6, 0)
    assert done.successors == {"cameras@1.0.0": "cameras@1.1.0"}
    assert len(list((filled.reports / "takedowns").iterdir())) == 1
    with open_catalog(filled) as catalog:
        assert verify_catalog(catalog) == []


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


def test_logs_are_masked_in_place_and_reports_go_when_asked(workspace: Workspace) -> None:
    bring_random(workspace, range(8), 100)
    log = workspace.logs / "queries.jsonl"
    told = '{"sql": "x = \'ansel 3\' or y = \'Ansel 30\'", "u": "https://images.test/3/7.jpg"}\n'
    log.write_text(told)
    report = workspace.reports / "page.html"
    report.write_text("<p>ANSEL 3</p>")
    other = workspace.reports / "other.html"
    other.write_text("<p>Ansel 30</p>")
    order = TakedownRequest("photographer", "Ansel 3", "asked", purge_reports=True)
    done = take_down(workspace, order)
    masked = told.replace("ansel 3'", "*******'").replace("https://images.test/3/7.jpg", "*" * 27)
    assert log.read_text() == masked
    assert (report.exists(), other.exists()) == (False, True)
    assert not any("page.html" in line for line in done.left)
    assert "words" not in json.loads((done.folder / "takedown.json").read_text())


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


def test_a_takedown_deletes_no_file_that_a_verification_or_a_backup_still_needs(
    filled: Workspace,
) -> None:
    packs = sorted(filled.packs.iterdir())
    with ThreadPoolExecutor(1) as pool:
        with upkeep_lock(filled):
            waiting = pool.submit(take_down, filled, ORDER)
            with pytest.raises(TimeoutError):
                waiting.result(timeout=3)
            assert sorted(filled.packs.iterdir()) == packs
        waiting.result(timeout=100)
    assert sorted(filled.packs.iterdir()) != packs
