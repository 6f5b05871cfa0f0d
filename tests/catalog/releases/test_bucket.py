"""A workspace that keeps packs, tables and releases in a bucket works like any other, and survives the same kills."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from catalog import (
    AssetReader,
    ReleaseError,
    Workspace,
    find_release,
    list_packs,
    list_releases,
    open_catalog,
    publish,
)
from catalog.lake.choose_store import open_store
from catalog.maintenance.maintain import maintain, orphan_packs
from catalog.maintenance.verify import verify_catalog
from catalog.packs.objects import open_objects
from catalog.packs.spool import waiting_segments
from catalog.releases.bucket import copy, send
from catalog.releases.verify import verify_release
from catalog.stores import RetentionPolicy
from tests.catalog.buckets import KEYS, ROOT, Bucket
from tests.catalog.pictures import bring, picture
from tests.catalog.releases.test_publish import PLAN, items
from tests.catalog.stores.test_frozen import read_elsewhere

COUNT = "SELECT count(*) AS n, count(DISTINCT photo_id) AS d FROM photos"


def committed(workspace: Workspace, numbers: range) -> None:
    bring(workspace, numbers)
    with open_catalog(workspace) as catalog:
        catalog.commit()


def names(workspace: Workspace, folder: str) -> list[str]:
    return [stored.name for stored in open_objects(workspace).listed(folder)]


def test_packs_and_rows_lie_in_the_bucket_only(in_bucket: Workspace) -> None:
    committed(in_bucket, range(5))
    with open_catalog(in_bucket) as catalog, AssetReader(in_bucket) as reader:
        found = catalog.records("SELECT * FROM assets")
        places = [
            (str(r["pack"]), int(str(r["pack_offset"])), int(str(r["pack_length"]))) for r in found
        ]
        bodies = reader.read_many(places[::-1])[::-1]
        assert bodies == [reader.read(*place) for place in places]
        assert [hashlib.sha256(body).hexdigest() for body in bodies] == [r["sha256"] for r in found]
        assert verify_catalog(catalog) == []
    assert list_packs(in_bucket) == [places[0][0]]
    assert {name.split("/")[3] for name in names(in_bucket, "lake")} == {
        "assets",
        "photos",
        "segments",
    }
    assert list(in_bucket.packs.iterdir()) == []
    assert list(in_bucket.lake.rglob("*.parquet")) == []
    assert waiting_segments(in_bucket) == []


@pytest.mark.slow
def test_what_is_lost_or_strange_in_the_bucket_is_found_and_swept(in_bucket: Workspace) -> None:
    for number in range(3):
        committed(in_bucket, range(number, number + 1))
    objects = open_objects(in_bucket)
    objects.delete(f"packs/{list_packs(in_bucket)[0]}")
    objects.create("packs/stray.parquet", b"left by a kill")
    objects.create("lake/data/main/photos/stray.parquet", b"left by a kill")
    with open_catalog(in_bucket) as catalog:
        problems = verify_catalog(catalog)
        orphans = [*catalog.store.check_files().orphans, *(p.name for p in orphan_packs(catalog))]
    assert [line.split(" is ")[-1][:9] for line in problems] == ["missing; "]
    assert [name.rpartition("/")[2] for name in orphans] == ["stray.parquet", "stray.parquet"]
    done = maintain(in_bucket, RetentionPolicy(keep_snapshots=1, grace_hours=0))
    assert (done.packs_removed, done.tables.files_merged, done.tables.files_removed) == (1, 9, 10)
    with open_catalog(in_bucket) as catalog:
        assert catalog.records(COUNT) == [{"n": 3, "d": 3}]
        assert len(verify_catalog(catalog)) == 1  # the lost pack


def test_a_frozen_copy_carries_what_a_reader_needs(in_bucket: Workspace, tmp_path: Path) -> None:
    committed(in_bucket, range(3))
    frozen = open_store(in_bucket).freeze(tmp_path / "frozen")
    with open_catalog(in_bucket, as_of=frozen.snapshot_id - 1) as past:
        assert past.records(COUNT) == [{"n": 0, "d": 0}]
    assert read_elsewhere(frozen) == [[3, "p2"]]
    assert frozen.data_paths[0].startswith("s3://pictures/")
    assert not [value for value in KEYS.values() if value in repr(frozen)]


def test_no_key_is_written_or_logged(
    in_bucket: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    committed(in_bucket, range(3))
    publish(in_bucket, "cameras", items(range(3)), plan=PLAN, run_id="r")
    written = [path for path in in_bucket.home.rglob("*") if path.is_file()]
    secret = KEYS["AWS_SECRET_ACCESS_KEY"]
    assert [path for path in written if secret.encode() in path.read_bytes()] == []
    assert secret not in caplog.text


def test_a_release_in_a_bucket_is_found_read_and_checked_elsewhere(
    in_bucket: Workspace, bucket: Bucket, tmp_path: Path
) -> None:
    committed(in_bucket, range(12))
    made = publish(in_bucket, "cameras", items(range(9)), plan=PLAN, run_id="r")
    again = publish(in_bucket, "cameras", items(range(9)), plan=PLAN, run_id="r")
    more = publish(in_bucket, "cameras", items(range(12)), plan=PLAN, run_id="r")
    assert [made.version, again.version, more.version] == ["1.0.0", "1.0.0", "1.1.0"]
    assert verify_release(made) == []

    prefix = json.loads(
        (in_bucket.home / "safelight.toml").read_text().split("url = ")[1].split()[0]
    )
    elsewhere = bucket.keep(
        Workspace.at(tmp_path / "elsewhere"), prefix.removeprefix("s3://pictures/")
    )
    listed = list_releases(elsewhere)
    assert [(r.version, r.digest) for r in listed] == [
        ("1.1.0", more.digest),
        ("1.0.0", made.digest),
    ]
    assert not any(elsewhere.releases.iterdir())  # listing brings nothing
    found = find_release(elsewhere, "cameras@1.0.0")
    assert found.digest == made.digest
    assert pq.read_table(found.path / "data").num_rows == 9
    assert [path.name for path in (elsewhere.releases / "cameras").iterdir()] == ["1.0.0"]


def test_damage_in_the_bucket_is_named_and_never_brought(
    in_bucket: Workspace, tmp_path: Path
) -> None:
    committed(in_bucket, range(8))
    made = publish(in_bucket, "cameras", items(range(8)), plan=PLAN, run_id="r")
    shard = made.manifest["shards"][0]["path"]
    body = bytearray(made.shard(shard).read_bytes())
    body[made.index().to_pylist()[0]["offset"]] ^= 0xFF
    (tmp_path / "bad").write_bytes(body)
    open_objects(in_bucket).put(f"releases/cameras/1.0.0/{shard}", tmp_path / "bad")
    assert f"{shard} is not what was published" in verify_release(made)
    made.path.rename(tmp_path / "away")
    with pytest.raises(ReleaseError, match=f"damaged: {shard}"):
        find_release(in_bucket, "cameras")
    assert not made.path.exists()


@pytest.mark.slow
def test_a_release_without_its_manifest_is_invisible_and_completed_by_the_next_publish(
    in_bucket: Workspace, tmp_path: Path
) -> None:
    committed(in_bucket, range(8))
    made = publish(in_bucket, "cameras", items(range(8)), plan=PLAN, run_id="r")
    before = {path.name: path.read_bytes() for path in made.path.rglob("*") if path.is_file()}
    objects = open_objects(in_bucket)
    objects.delete("releases/cameras/1.0.0/manifest.json")  # as if killed before the last file
    made.path.rename(tmp_path / "away")
    assert list_releases(in_bucket) == []
    time.sleep(1.1)  # the manifest says when: a new one would differ
    again = publish(in_bucket, "cameras", items(range(8)), plan=PLAN, run_id="r")
    assert {p.name: p.read_bytes() for p in again.path.rglob("*") if p.is_file()} == before
    assert verify_release(again) == []


@pytest.mark.slow
def test_two_machines_never_share_a_version(in_bucket: Workspace, tmp_path: Path) -> None:
    committed(in_bucket, range(8))
    first = publish(in_bucket, "cameras", items(range(6)), plan=PLAN, run_id="r")
    objects = open_objects(in_bucket)
    copy(objects, tmp_path / "sending", "cameras", "1.0.0")
    objects.delete("releases/cameras/1.0.0/manifest.json")  # the other machine is still sending
    second = publish(in_bucket, "cameras", items(range(8)), plan=PLAN, run_id="r")
    send(objects, tmp_path / "sending", "cameras", "1.0.0")
    assert (first.version, second.version) == ("1.0.0", "1.1.0")
    assert [verify_release(release) for release in list_releases(in_bucket)] == [[], []]


WRITER = """
import sys
from catalog import Workspace, open_catalog
from tests.catalog.pictures import bring
workspace = Workspace.at(sys.argv[1])
for number in range(0, int(sys.argv[2]), 4):
    bring(workspace, range(number, number + 4), job="crawl:k")
    with open_catalog(workspace) as catalog:
        catalog.commit()
    print(number, flush=True)
"""


def start_writer(home: Path, until: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", WRITER, str(home), str(until)]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env={**os.environ, **KEYS}
    )


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_writers_killed_on_their_way_to_the_bucket_lose_nothing(in_bucket: Workspace) -> None:
    for kill in range(12):
        writer = start_writer(in_bucket.home, 24)
        assert writer.stdout is not None
        writer.stdout.readline()  # its first commit is done: the next one is under way
        time.sleep(0.05 * kill)
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait(10)
    assert start_writer(in_bucket.home, 24).wait(200) == 0
    with open_catalog(in_bucket) as catalog:
        catalog.commit()
        assert catalog.records(COUNT) == [{"n": 24, "d": 24}]
        assert verify_catalog(catalog) == []


def test_a_pack_sent_before_a_kill_waits_for_its_rows(in_bucket: Workspace) -> None:
    bring(in_bucket, range(3))
    segment = waiting_segments(in_bucket)[0]
    open_objects(in_bucket).put(f"packs/{segment.pack}", segment.folder / "pack.parquet")
    with open_catalog(in_bucket) as catalog:  # here the writer was killed
        assert verify_catalog(catalog) == []  # the segment still waits and mentions it
        assert catalog.commit() == {"assets": 3, "photos": 3}
    assert picture(0)[1] in read_pictures(in_bucket)


def read_pictures(workspace: Workspace) -> list[bytes]:
    with open_catalog(workspace) as catalog, AssetReader(workspace) as reader:
        found = catalog.query("SELECT pack, pack_offset, pack_length FROM assets")
        return reader.read_many([tuple(row.values()) for row in found.to_pylist()])


@pytest.mark.long
def test_a_bucket_that_fails_for_a_moment_is_asked_again(
    in_bucket: Workspace, bucket: Bucket
) -> None:
    committed(in_bucket, range(5))
    with open_catalog(in_bucket) as catalog:
        bucket.fail(500, count=4, part="lake/data")  # DuckDB itself would give up
        assert catalog.records("SELECT count(*) AS n FROM (FROM photos LIMIT 9)") == [{"n": 5}]
        bucket.fail(403, seconds=1)
        bring(in_bucket, range(5, 8))
        assert catalog.commit() == {"assets": 3, "photos": 3}
        bucket.fail(500, count=2)
        assert open_objects(in_bucket).size(f"packs/{list_packs(in_bucket)[0]}")
