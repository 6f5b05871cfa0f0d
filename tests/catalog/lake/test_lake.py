"""Segments are committed exactly once, whoever commits them and whenever they are killed."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from catalog import (
    AssetReader,
    BusyError,
    QueryError,
    SegmentError,
    SnapshotNotFoundError,
    Workspace,
    open_catalog,
)
from catalog.lake.lake import writer_lock
from catalog.packs.spool import waiting_segments, write_segment
from catalog.stores import engine
from catalog.tables.rows import rows
from catalog.tables.tables_by_name import TABLES
from catalog.tables.views import VIEWS
from tests.catalog.each_store import each_store  # noqa: F401 - the fixture `workspace` of this module
from tests.catalog.pictures import bring, picture

COUNT = "SELECT count(*) AS n, count(DISTINCT photo_id) AS d FROM photos"


def test_a_commit_adds_rows_and_pictures(workspace: Workspace) -> None:
    shas = bring(workspace, range(5))
    with open_catalog(workspace) as catalog, AssetReader(workspace) as reader:
        assert catalog.commit() == {"assets": 5, "photos": 5}
        for row in catalog.records("SELECT * FROM assets"):
            place = (str(row["pack"]), int(str(row["pack_offset"])), int(str(row["pack_length"])))
            assert reader.read(*place) == dict(picture(n) for n in range(5))[str(row["sha256"])]
        assert {row["sha256"] for row in catalog.records("SELECT sha256 FROM assets")} == set(shas)
    assert waiting_segments(workspace) == []


def test_the_same_rows_again_add_nothing(workspace: Workspace) -> None:
    with open_catalog(workspace) as catalog:
        bring(workspace, range(3))
        catalog.commit()
        bring(workspace, range(5), job="crawl:b")  # three known, two new, in one new segment
        assert catalog.commit() == {"assets": 2, "photos": 2}
        assert catalog.commit() == {}
        assert catalog.records(COUNT) == [{"n": 5, "d": 5}]


def test_rows_that_repeat_inside_one_commit_count_once(workspace: Workspace) -> None:
    bring(workspace, range(4))
    bring(workspace, range(2, 6), job="crawl:b")
    with open_catalog(workspace) as catalog:
        assert catalog.commit() == {"assets": 6, "photos": 6}


def test_a_key_with_a_null_in_it_is_still_unique(workspace: Workspace) -> None:
    with open_catalog(workspace) as catalog:
        for job in ("a", "b"):
            write_segment(workspace, {"photos": rows("photos", [{"photo_id": "x"}])}, job=job)
            catalog.commit()
        assert catalog.records(COUNT) == [{"n": 1, "d": 1}]


def test_a_replayed_segment_is_only_cleared_away(workspace: Workspace) -> None:
    bring(workspace, range(3))
    kept = workspace.home / "kept"
    shutil.copytree(
        waiting_segments(workspace)[0].folder, kept / waiting_segments(workspace)[0].segment_id
    )
    with open_catalog(workspace) as catalog:
        catalog.commit()
        shutil.copytree(
            kept, workspace.spool, dirs_exist_ok=True
        )  # as if the kill came before the clearing
        assert catalog.commit() == {}
        assert catalog.records("SELECT count(*) AS n FROM segments") == [{"n": 1}]
    assert waiting_segments(workspace) == []


def test_a_commit_killed_after_moving_the_pack_can_be_repeated(workspace: Workspace) -> None:
    bring(workspace, range(3))
    segment = waiting_segments(workspace)[0]
    (segment.folder / "pack.parquet").rename(workspace.packs / str(segment.pack))
    with open_catalog(workspace) as catalog:
        assert catalog.commit() == {"assets": 3, "photos": 3}


WRITER = """
import sys
from catalog import Workspace, open_catalog
from tests.catalog.each_store import each_store  # noqa: F401 - the fixture `workspace` of this module
from tests.catalog.pictures import bring
home, first = sys.argv[1], int(sys.argv[2])
workspace = Workspace.at(home)
for number in range(first, first + 40, 4):
    bring(workspace, range(number, number + 4), job=f"crawl:{first}")
    with open_catalog(workspace) as catalog:
        catalog.commit()
print("done", flush=True)
"""


def start_writer(home: Path, first: int) -> "subprocess.Popen[str]":
    root = Path(__file__).parents[3]
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(home), str(first)],
        cwd=root,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_two_writers_lose_nothing(workspace: Workspace) -> None:
    open_catalog(workspace).close()
    writers = [start_writer(workspace.home, first) for first in (0, 100)]
    assert [writer.wait(100) for writer in writers] == [0, 0]
    with open_catalog(workspace) as catalog:
        assert catalog.records(COUNT) == [{"n": 80, "d": 80}]


@pytest.mark.slow
def test_a_writer_killed_at_any_moment_leaves_whole_commits(workspace: Workspace) -> None:
    open_catalog(workspace).close()
    for kill in range(4):
        writer = start_writer(workspace.home, 0)
        time.sleep(1.2 + 0.37 * kill)
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait(10)
    assert start_writer(workspace.home, 0).wait(100) == 0
    with open_catalog(workspace) as catalog:
        catalog.commit()
        assert catalog.records(COUNT) == [{"n": 40, "d": 40}]
        assert catalog.records("SELECT count(*) AS n, count(DISTINCT sha256) AS d FROM assets") == [
            {"n": 40, "d": 40}
        ]


def test_a_locked_catalog_says_so(workspace: Workspace) -> None:
    code = "import sys; from catalog.lake.lake import writer_lock; from catalog import Workspace\n"
    code += (
        "with writer_lock(Workspace.at(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(workspace.home)],
        cwd=Path(__file__).parents[3],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    assert holder.stdin is not None
    holder.stdout.readline()
    with pytest.raises(BusyError, match="another process"), writer_lock(workspace, timeout_s=0.1):
        pass
    holder.stdin.close()
    assert holder.wait(10) == 0


def test_a_past_snapshot_can_be_read(workspace: Workspace) -> None:
    with open_catalog(workspace) as catalog:
        before = catalog.snapshot()
        bring(workspace, range(2))
        catalog.commit()
        newest = catalog.snapshots()[0]
        assert newest.snapshot_id == catalog.snapshot() > before
        assert newest.message == "crawl:a"
    with open_catalog(workspace, as_of=before) as past:
        assert past.records(COUNT) == [{"n": 0, "d": 0}]
    with pytest.raises(SnapshotNotFoundError, match="newest: "):
        open_catalog(workspace, as_of=10_000)


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE photos",
        "SELECT 1; SELECT 2",
        "INSERT INTO photos SELECT * FROM photos",
        "ATTACH 'x'",
        "",
    ],
)
def test_only_one_reading_statement_is_run(workspace: Workspace, sql: str) -> None:
    with open_catalog(workspace) as catalog, pytest.raises(QueryError, match="exactly one SELECT"):
        catalog.query(sql)


def test_a_large_answer_comes_bit_by_bit(workspace: Workspace) -> None:
    with open_catalog(workspace) as catalog:
        parts = list(catalog.batches("SELECT range AS n FROM range(?) ORDER BY n", (20_000,), 2048))
        assert len(parts) > 5
        assert [n for part in parts for n in part["n"].to_pylist()] == list(range(20_000))
        with pytest.raises(QueryError, match="nothing_of_that_name"):
            list(catalog.batches("SELECT nothing_of_that_name"))
        with pytest.raises(QueryError):
            list(catalog.batches("DROP TABLE photos"))


def test_a_wrong_query_is_explained_in_one_line(workspace: Workspace) -> None:
    with open_catalog(workspace) as catalog, pytest.raises(QueryError, match="photoz") as caught:
        catalog.query("SELECT * FROM photoz")
    assert "\n" not in str(caught.value)


def test_every_table_and_column_is_documented_in_the_lake(workspace: Workspace) -> None:
    with open_catalog(workspace) as catalog:
        tables = catalog.records(
            "SELECT table_name, comment FROM duckdb_tables() WHERE database_name = 'lake'"
        )
        columns = catalog.records(
            "SELECT table_name, column_name, comment FROM duckdb_columns() WHERE database_name = 'lake'"
        )
        views = catalog.records(
            "SELECT view_name, comment FROM duckdb_views() WHERE database_name = 'lake'"
        )
    named = [*(row["table_name"] for row in tables), *(row["view_name"] for row in views)]
    assert sorted(map(str, named)) == sorted(
        [*TABLES, *VIEWS]
    )  # without DuckLake, tables are views
    stored = [row for row in columns if row["table_name"] in TABLES]
    assert len(stored) == sum(len(table.schema) for table in TABLES.values())
    assert [row for row in [*tables, *stored, *views] if not row["comment"]] == []


def test_keys_are_columns_and_types_are_portable() -> None:
    for table in TABLES.values():
        assert set(table.key) <= set(table.schema.names)
        assert not [
            f
            for f in table.schema
            if str(f.type) in ("int8", "int16", "uint8", "uint16", "uint32", "uint64")
        ]


def test_every_view_answers(workspace: Workspace) -> None:
    bring(workspace, range(3))
    with open_catalog(workspace) as catalog:
        catalog.commit()
        listed = {row["name"]: row["rows"] for row in catalog.tables()}
    assert listed["v_photos"] == 3
    assert set(VIEWS) <= set(listed)


def test_an_image_without_a_row_place_is_refused(workspace: Workspace) -> None:
    with pytest.raises(SegmentError, match="no picture"):
        write_segment(
            workspace, {"assets": rows("assets", [{"sha256": "0"}])}, job="x", images=[("1", b"a")]
        )
    assert waiting_segments(workspace) == []
    assert list(workspace.spool.iterdir()) == []


@pytest.mark.parametrize(
    ("table", "record"),
    [("photos", {"photoid": "x"}), ("nope", {}), ("photos", {"listed_width": "wide"})],
)
def test_rows_that_do_not_fit_are_refused(table: str, record: dict[str, object]) -> None:
    with pytest.raises(SegmentError):
        rows(table, [record])


def test_a_moved_workspace_still_opens(workspace: Workspace, tmp_path: Path) -> None:
    bring(workspace, range(3))
    with open_catalog(workspace) as catalog:
        catalog.commit()
    moved = Workspace.at(shutil.move(workspace.home, tmp_path / "elsewhere"))
    with open_catalog(moved) as catalog:
        assert catalog.records(COUNT) == [{"n": 3, "d": 3}]


def test_an_instance_that_has_had_many_catalogs_goes(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_idle", [])
    monkeypatch.setattr(engine, "MOST_USES", 3)
    idle = []
    for _ in range(4):
        with open_catalog(workspace) as catalog:
            catalog.records("SELECT 1")
        idle.append(len(engine._idle))
    assert idle == [1, 1, 0, 1]
