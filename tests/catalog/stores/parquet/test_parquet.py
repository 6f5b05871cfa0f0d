"""What only the plain-Parquet store does: its files, its choice, its maintenance, two writers without a common lock."""

import hashlib
import json
import logging
import os
import signal
import time
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from catalog import (
    CatalogError,
    UsageError,
    Workspace,
    open_catalog,
    publish,
    rows,
    write_segment,
)
from catalog.errors import NewerWorkspaceError
from catalog.lake.choose_store import CatalogSettings, open_store
from catalog.maintenance.maintain import maintain
from catalog.maintenance.verify import verify_catalog
from catalog.packs.objects import open_objects
from catalog.packs.spool import waiting_segments
from catalog.releases.verify import verify_release
from catalog.stores import MaintenanceResult, RetentionPolicy, engine
from catalog.stores.ducklake.store import DuckLakeStore
from catalog.stores.parquet.store import ParquetStore
from tests.catalog.buckets import KEYS, Bucket
from tests.catalog.lake.test_lake import COUNT, start_writer
from tests.catalog.pictures import bring
from tests.catalog.releases.test_publish import PLAN, items


def store_of(workspace: Workspace) -> ParquetStore:
    store = open_store(workspace)
    assert isinstance(store, ParquetStore)
    return store


def commit(workspace: Workspace, numbers: range) -> None:
    bring(workspace, numbers)
    with open_catalog(workspace) as catalog:
        catalog.commit()


def newest(workspace: Workspace) -> dict[str, list[dict[str, object]]]:
    document = max((workspace.lake / "plain" / "snapshots").glob("[0-9]*.json"))
    found: dict[str, list[dict[str, object]]] = json.loads(document.read_text())["files"]
    return found


def test_a_snapshot_can_be_followed_by_hand(plain_workspace: Workspace) -> None:
    commit(plain_workspace, range(3))
    commit(plain_workspace, range(5))
    files = newest(plain_workspace)["photos"]
    tables = [pq.read_table(plain_workspace.lake / "plain" / str(f["name"])) for f in files]
    assert [len(table) for table in tables] == [f["rows"] for f in files] == [3, 2]
    assert tables[0]["photo_id"].to_pylist() == ["p0", "p1", "p2"]
    assert not (plain_workspace.lake / "catalog.sqlite").exists()


def test_many_small_files_become_one_and_nothing_changes(
    plain_workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catalog.stores.parquet.store.MERGE_AT", 3)
    for number in range(5):
        commit(plain_workspace, range(number, number + 2))
    assert len(newest(plain_workspace)["photos"]) < 4
    with open_catalog(plain_workspace) as catalog:
        assert catalog.records(COUNT) == [{"n": 6, "d": 6}]
        assert list(store_of(plain_workspace).check_files(rehash=True).problems) == []
        assert catalog.snapshot() == 5


@pytest.mark.slow
def test_maintenance_merges_forgets_and_sweeps(plain_workspace: Workspace) -> None:
    for number in range(4):
        commit(plain_workspace, range(number, number + 1))
    plain = plain_workspace.lake / "plain"
    (plain / "photos" / "stray.parquet").write_bytes(b"left by a kill")
    (plain / "snapshots" / ".0000000009.json.tmp").write_bytes(b"left by a kill")
    with open_catalog(plain_workspace) as catalog:
        assert verify_catalog(catalog) == []
        assert len(catalog.store.check_files().orphans) == 2

    dry = maintain(
        plain_workspace, RetentionPolicy(keep_snapshots=1, grace_hours=0, dry_run=True)
    ).tables
    # What the newest snapshot names would be merged first, so a dry run finds less.
    assert (dry.snapshots_expired, dry.files_removed) == (4, 2)
    assert len(list(plain.glob("photos/*.parquet"))) == 5
    assert maintain(plain_workspace).tables.files_removed == 0  # all is younger than a day
    done = maintain(plain_workspace, RetentionPolicy(keep_snapshots=1, grace_hours=0)).tables
    assert (done.snapshots_expired, done.files_removed) == (5, 2 + 3 * 4)
    assert len(list(plain.glob("photos/*.parquet"))) == 1
    with open_catalog(plain_workspace) as catalog:
        assert [s.message for s in catalog.snapshots()] == ["merge small files"]
        assert catalog.records(COUNT) == [{"n": 4, "d": 4}]
        assert verify_catalog(catalog) == []
    assert (
        maintain(plain_workspace, RetentionPolicy(keep_days=0, grace_hours=0)).tables
        == MaintenanceResult()
    )


def test_a_snapshot_that_a_run_was_made_from_is_kept(plain_workspace: Workspace) -> None:
    commit(plain_workspace, range(1))
    with open_catalog(plain_workspace) as catalog:
        run = rows("curation_runs", [{"run_id": "r", "input_snapshot": catalog.snapshot()}])
        write_segment(plain_workspace, {"curation_runs": run}, job="curate:r")
        catalog.commit()
    commit(plain_workspace, range(3))
    maintain(plain_workspace, RetentionPolicy(keep_snapshots=1, grace_hours=0))
    with open_catalog(plain_workspace, as_of=1) as past:
        assert past.records(COUNT) == [{"n": 1, "d": 1}]


def test_a_release_is_published_from_plain_files(plain_workspace: Workspace) -> None:
    commit(plain_workspace, range(8))
    made = publish(plain_workspace, "cameras", items(range(8)), plan=PLAN, run_id="r")
    assert verify_release(made) == []
    with open_catalog(plain_workspace) as catalog:
        assert catalog.records("SELECT dataset, n_items FROM datasets") == [
            {"dataset": "cameras", "n_items": 8}
        ]


def test_lost_and_cut_files_are_named(plain_workspace: Workspace) -> None:
    commit(plain_workspace, range(3))
    plain = plain_workspace.lake / "plain"
    lost, cut = next(plain.glob("photos/*")), next(plain.glob("assets/*"))
    lost.unlink()
    cut.write_bytes(cut.read_bytes()[:-1])
    size = cut.stat().st_size
    assert sorted(store_of(plain_workspace).check_files().problems) == [
        f"table file {cut} has {size} bytes, not {size + 1}",
        f"table file {lost} is missing",
    ]


def test_a_writer_that_was_overtaken_begins_again(
    plain_workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two machines with one bucket have no common lock: the number of the next snapshot decides."""
    open_catalog(plain_workspace).close()
    bring(plain_workspace, range(4))
    slow, other = store_of(plain_workspace), store_of(plain_workspace)
    publish = ParquetStore._publish

    def overtaken(self: ParquetStore, *given: object) -> bool:
        monkeypatch.setattr(ParquetStore, "_publish", publish)
        (mine,) = waiting_segments(plain_workspace)
        bring(plain_workspace, range(2, 6), job="crawl:b")
        theirs = [segment for segment in waiting_segments(plain_workspace) if segment != mine]
        assert other.commit(theirs) == {"assets": 4, "photos": 4}
        return publish(self, *given)  # type: ignore[arg-type]  # passed on as it came

    monkeypatch.setattr(ParquetStore, "_publish", overtaken)
    assert slow.commit(waiting_segments(plain_workspace)) == {"assets": 2, "photos": 2}
    with open_catalog(plain_workspace) as catalog:
        assert catalog.records(COUNT) == [{"n": 6, "d": 6}]


def test_segments_of_older_code_have_null_in_newer_columns(plain_workspace: Workspace) -> None:
    open_catalog(plain_workspace).close()
    write_segment(plain_workspace, {"photos": rows("photos", [{"photo_id": "x"}])}, job="a")
    path = waiting_segments(plain_workspace)[0].folder / "photos.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["synthetic", "title"]), path)
    with open_catalog(plain_workspace) as catalog:
        assert catalog.commit() == {"photos": 1}
        found = catalog.records("SELECT photo_id, synthetic FROM photos")
    assert found == [{"photo_id": "x", "synthetic": None}]


def test_a_workspace_of_newer_code_is_refused(plain_workspace: Workspace) -> None:
    open_catalog(plain_workspace).close()
    plain = plain_workspace.lake / "plain"
    (document,) = plain.glob("snapshots/*.json")
    snapshot = json.loads(document.read_text())
    del snapshot["sha256"]
    schema = json.loads((plain / f"schemas/{snapshot['schema']}.json").read_text())
    schema["tables"]["photos"]["columns"].append(["mood", "VARCHAR", "what it feels like"])
    digest = hashlib.sha256(json.dumps(schema).encode()).hexdigest()
    (plain / f"schemas/{digest}.json").write_text(json.dumps(schema))
    document.write_text(json.dumps(snapshot | {"schema": digest, "code_version": "9.1.0"}))
    with pytest.raises(NewerWorkspaceError, match=r"9\.1\.0.*photos\.mood"):
        open_catalog(plain_workspace)


@pytest.fixture
def no_extension(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that has no package of an extension and cannot reach DuckDB's repository."""
    monkeypatch.setattr(engine, "is_packaged", lambda _: None)
    unreachable = {
        "custom_extension_repository": "http://127.0.0.1:1",
        "extension_directory": str(tmp_path / "extensions"),
    }
    monkeypatch.setattr(engine, "_CONFIG", engine._CONFIG | unreachable)
    monkeypatch.setattr(engine, "_idle", [])


def test_a_new_workspace_does_without_ducklake_where_it_cannot_be_had(
    tmp_path: Path, no_extension: None, caplog: pytest.LogCaptureFixture
) -> None:
    workspace = Workspace.at(tmp_path / "home")
    commit(workspace, range(3))
    commit(workspace, range(5))
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "pip install duckdb-extension-ducklake" in warnings[0]
    with open_catalog(workspace) as catalog:
        assert catalog.records("SELECT count(*) AS n FROM v_photos") == [{"n": 5}]


def test_it_stays_what_it_is_when_ducklake_can_be_had(plain_workspace: Workspace) -> None:
    commit(plain_workspace, range(3))
    (plain_workspace.home / "safelight.toml").unlink()
    with open_catalog(plain_workspace) as catalog:
        assert isinstance(catalog.store, ParquetStore)
        assert catalog.records(COUNT) == [{"n": 3, "d": 3}]


def test_a_ducklake_never_becomes_another_store(workspace: Workspace, no_extension: None) -> None:
    assert isinstance(open_store(workspace), DuckLakeStore)
    with pytest.raises(CatalogError, match="ducklake"):
        open_catalog(workspace)
    with pytest.raises(UsageError, match="DuckLake store"):
        open_store(workspace, CatalogSettings(store="parquet"))
    assert not (workspace.lake / "plain").exists()


def test_plain_files_never_become_a_database(plain_workspace: Workspace) -> None:
    open_catalog(plain_workspace).close()
    with pytest.raises(UsageError, match="plain-Parquet store"):
        open_store(plain_workspace, CatalogSettings(store="postgres://u:hush@127.0.0.1/x"))


def test_it_needs_no_extension_of_duckdb(plain_workspace: Workspace, no_extension: None) -> None:
    commit(plain_workspace, range(3))
    with open_catalog(plain_workspace) as catalog:
        assert catalog.records(COUNT) == [{"n": 3, "d": 3}]
    assert duckdb.sql("SELECT 1").fetchall() == [(1,)]


@pytest.mark.slow
def test_plain_files_may_lie_in_a_bucket(
    plain_workspace: Workspace, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    bucket.keep(plain_workspace)  # the setting `store` is gone with this: the bucket has none yet
    monkeypatch.setenv("SAFELIGHT_CATALOG_STORE", "parquet")
    commit(plain_workspace, range(3))
    commit(plain_workspace, range(5))
    monkeypatch.delenv("SAFELIGHT_CATALOG_STORE")
    with open_catalog(plain_workspace) as catalog:
        assert isinstance(catalog.store, ParquetStore)
        assert catalog.records(COUNT) == [{"n": 5, "d": 5}]
        assert verify_catalog(catalog) == []
    assert list(plain_workspace.lake.rglob("*.parquet")) == []
    assert len(open_objects(plain_workspace).listed("lake/plain/snapshots")) == 3


@pytest.mark.slow
def test_writers_killed_at_many_moments_lose_nothing(plain_workspace: Workspace) -> None:
    open_catalog(plain_workspace).close()
    for kill in range(12):
        writer = start_writer(plain_workspace.home, 0)
        time.sleep(0.8 + 0.09 * kill)
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait(10)
    assert start_writer(plain_workspace.home, 0).wait(100) == 0
    with open_catalog(plain_workspace) as catalog:
        catalog.commit()
        assert catalog.records(COUNT) == [{"n": 40, "d": 40}]
        maintain(plain_workspace, RetentionPolicy(grace_hours=0))
        assert verify_catalog(catalog) == []
