"""A takedown leaves neither bytes nor names behind."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from catalog import (
    ReleaseError,
    SnapshotNotFoundError,
    Workspace,
    find_release,
    list_releases,
    open_catalog,
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
from tests.catalog.published import body, bring_random, items
from tests.catalog.takedown.taking_down import GONE, ORDER, bytes_left, take_down


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


def test_takedowns_of_one_order_within_a_second_have_a_folder_each(tmp_path: Path) -> None:
    made = [steps._new_folder(tmp_path / "takedowns", "6e9cfd8555ff") for _ in range(20)]
    assert sorted((tmp_path / "takedowns").iterdir()) == made


@pytest.mark.long
@pytest.mark.parametrize("after", ["_begin", "_write_tombstones", "_remove"])
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


@pytest.mark.long
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
