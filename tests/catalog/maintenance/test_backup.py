"""The drill: back up while a crawl commits, wreck the home, restore, and get the same answers."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from catalog import AssetReader, Workspace, open_catalog
from catalog.commands.catalog import catalog as command
from catalog.errors import BackupError
from catalog.maintenance.backup import backup, restore
from catalog.maintenance.maintain import maintain
from catalog.maintenance.verify import verify_catalog
from catalog.stores import RetentionPolicy
from tests.catalog.conftest import at_address
from tests.catalog.pictures import bring, picture
from tests.catalog.postgres_server import PostgresServer

ANSWER = "SELECT photo_id, asset_sha256, pack_offset FROM photos JOIN assets ON sha256 = asset_sha256 ORDER BY ALL"

CRAWL = """
import sys
from catalog import Workspace, open_catalog
from tests.catalog.pictures import bring
workspace = Workspace.at(sys.argv[1])
for number in range(100, 1000, 3):
    bring(workspace, range(number, number + 3), job="crawl:b")
    print(number, flush=True)
    with open_catalog(workspace) as catalog:
        catalog.commit()
"""


def filled(workspace: Workspace) -> Workspace:
    with open_catalog(workspace) as catalog:
        for first in (0, 3):
            bring(workspace, range(first, first + 4))
            catalog.commit()
    bring(workspace, range(20, 22))  # acknowledged, not committed
    release = workspace.releases / "night" / "1.0.0"
    release.mkdir(parents=True)
    (release / "manifest.json").write_text(json.dumps({"lake_snapshot_id": 2}))
    return workspace


def answers(workspace: Workspace, as_of: int | None = None) -> list[dict[str, object]]:
    with open_catalog(workspace, as_of=as_of) as catalog:
        return catalog.records(ANSWER)


@pytest.mark.slow
def test_a_backup_during_commits_brings_a_wrecked_home_back(
    any_workspace: Workspace, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    home = filled(any_workspace)
    dest = tmp_path / "backup"
    crawl = subprocess.Popen(
        [sys.executable, "-c", CRAWL, str(home.home)], stdout=subprocess.PIPE, text=True
    )
    assert crawl.stdout is not None
    crawl.stdout.readline()
    acknowledged = int(crawl.stdout.readline())  # the segment before this one is safe
    done = backup(home, dest)
    assert crawl.poll() is None, "the crawl ended before the backup did"
    crawl.kill()
    crawl.wait()
    expected = answers(home, as_of=done.snapshot_id)
    again = backup(home, dest)  # the same folder: only what is new is copied
    assert again.files_copied < again.files
    expected = answers(home, as_of=again.snapshot_id)

    new = wreck(home, request)
    restored = restore(dest, new)
    assert restored.snapshot_id == again.snapshot_id
    assert answers(new) == expected
    with open_catalog(new) as catalog, AssetReader(new) as reader:
        assert verify_catalog(catalog) == []
        catalog.commit()  # what waited in the spool
        found = {str(row["photo_id"]) for row in catalog.records("SELECT photo_id FROM photos")}
        assert {f"p{n}" for n in [*range(7), 20, 21, *range(100, acknowledged + 3)]} <= found
        place = catalog.records("SELECT * FROM assets WHERE sha256 = ?", [picture(21)[0]])[0]
        offset, length = int(str(place["pack_offset"])), int(str(place["pack_length"]))
        assert reader.read(str(place["pack"]), offset, length) == picture(21)[1]
        assert verify_catalog(catalog) == []
    assert (new.releases / "night" / "1.0.0" / "manifest.json").exists()


def wreck(workspace: Workspace, request: pytest.FixtureRequest) -> Workspace:
    """Lose the home (and the database), and give an empty one to restore into."""
    settings = workspace.home / "safelight.toml"
    if not settings.exists():
        shutil.rmtree(workspace.home)
        return Workspace.at(workspace.home)
    shutil.rmtree(workspace.home)
    server: PostgresServer = request.getfixturevalue("postgres")
    return at_address(workspace.home, server.new_database())


@pytest.mark.slow
def test_a_backup_moves_a_workspace_from_sqlite_to_postgres_and_back(
    workspace: Workspace, postgres: PostgresServer, tmp_path: Path
) -> None:
    filled(workspace)
    expected = answers(workspace)
    backup(workspace, tmp_path / "one")
    there = at_address(tmp_path / "there", postgres.new_database())
    restore(tmp_path / "one", there)
    with open_catalog(there) as catalog:
        assert catalog.records(ANSWER) == expected
        assert catalog.commit() == {"assets": 2, "photos": 2}
        bring(there, range(5, 9))
        assert catalog.commit() == {"assets": 2, "photos": 2}
        snapshot = catalog.snapshot()
    report = backup(there, tmp_path / "two")
    assert report.left_out == ("home/safelight.toml: it holds a password",)
    back = Workspace.at(tmp_path / "back")
    restore(tmp_path / "two", back)
    with open_catalog(back) as catalog:
        assert catalog.snapshot() == snapshot
        assert catalog.records("SELECT count(*) AS n FROM photos") == [{"n": 11}]
    assert answers(back, as_of=2) == answers(workspace, as_of=2)
    assert maintain(back, RetentionPolicy(keep_snapshots=1, grace_hours=0)).tables.files_merged > 0


def test_a_damaged_backup_is_refused_before_anything_is_restored(
    workspace: Workspace, tmp_path: Path
) -> None:
    filled(workspace)
    backup(workspace, tmp_path / "backup")
    pack = next((tmp_path / "backup" / "home" / "packs").iterdir())
    body = pack.read_bytes()
    pack.write_bytes(body[:99] + bytes([body[99] ^ 1]) + body[100:])
    new = Workspace.at(tmp_path / "new")
    with pytest.raises(BackupError, match=f"{pack.name} is not what was backed up"):
        restore(tmp_path / "backup", new)
    assert [path for path in new.home.rglob("*") if path.is_file()] == []
    pack.unlink()
    with pytest.raises(BackupError, match=f"{pack.name} is missing"):
        restore(tmp_path / "backup", new)


def test_a_home_in_use_is_not_restored_into_and_other_folders_are_no_backups(
    workspace: Workspace, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter.txt").write_text("dear")
    with pytest.raises(BackupError, match="neither empty nor a backup"):
        backup(workspace, tmp_path / "other")
    with pytest.raises(BackupError, match="no backup"):
        restore(tmp_path / "other", Workspace.at(tmp_path / "new"))
    home = ["--home", str(workspace.home)]
    done = CliRunner().invoke(command, ["backup", str(tmp_path / "backup"), *home])
    assert "snapshot 1: 1 file," in done.output
    refused = CliRunner().invoke(command, ["restore", str(tmp_path / "backup"), *home])
    assert isinstance(refused.exception, BackupError)
    assert "is not empty" in str(refused.exception)
