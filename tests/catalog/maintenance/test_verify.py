"""One flipped bit in any file is named, and nothing is said of a workspace that is in order."""

import json
import random
from dataclasses import asdict

import pytest
from click.testing import CliRunner

from catalog import ReleaseError, Workspace, list_releases, open_catalog
from catalog.commands.catalog import catalog as command
from catalog.lake.choose_store import open_store
from catalog.maintenance.maintain import maintain
from catalog.maintenance.verify import Verification, verify_workspace
from catalog.releases.revocations import (
    Revocation,
    merge_revocations,
    read_revocations,
    revocation_problems,
)
from catalog.stores.file_sums import sum_in_name
from tests.catalog.each_store import on_plain_files
from tests.catalog.maintenance.damage import NOW, SEED, commits, files, flip, named
from tests.catalog.pictures import bring
from tests.catalog.published import published
from tests.catalog.writing import writing


@pytest.mark.long
@pytest.mark.parametrize(
    ("pattern", "flips"),
    [("lake/data/**/*.parquet", 1), ("packs/*", 1), ("lake/catalog.sqlite", 1)],
)
def test_a_flipped_bit_is_named(workspace: Workspace, pattern: str, flips: int) -> None:
    commits(workspace, range(3))
    maintain(workspace, NOW)
    commits(workspace, range(3, 5))
    assert verify_workspace(workspace) == Verification([], [], 15)
    chance = random.Random(SEED)
    for _ in range(flips):
        path = chance.choice(files(workspace, pattern))
        before = flip(path, chance)
        assert named(workspace, path), path
        path.write_bytes(before)
    assert verify_workspace(workspace).problems == []


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_sixty_flips_anywhere_are_named(workspace: Workspace) -> None:
    published(workspace)
    commits(workspace, range(40, 44))
    maintain(workspace, NOW)
    commits(workspace, range(44, 46))
    chance = random.Random(SEED + 1)
    patterns = ("lake/data/**/*.parquet", "packs/*", "releases/*/*/**/*", "lake/catalog.sqlite")
    for number in range(60):
        path = chance.choice(files(workspace, patterns[number % 4]))
        before = flip(path, chance)
        assert verify_workspace(workspace).problems, path
        path.write_bytes(before)
    assert verify_workspace(workspace).problems == []


@pytest.mark.slow
def test_every_file_of_a_release_is_checked_and_a_lost_manifest_is_named(
    workspace: Workspace,
) -> None:
    release = published(workspace, count=8)
    assert verify_workspace(workspace).problems == []
    chance = random.Random(SEED + 2)
    for path in files(workspace, "releases/*/*/**/*"):
        before = flip(path, chance)
        problems = verify_workspace(workspace).problems
        assert any(line.startswith("release cameras@1.0.0: ") for line in problems), path
        path.write_bytes(before)
    (release.path / "manifest.json").unlink()
    assert verify_workspace(workspace).problems == [
        "release cameras@1.0.0: manifest.json is missing"
    ]


@pytest.mark.slow
def test_a_flipped_bit_of_plain_files_is_named(workspace: Workspace) -> None:
    plain = on_plain_files(workspace)
    commits(plain, range(3))
    assert verify_workspace(plain).problems == []
    chance = random.Random(SEED + 3)
    for path in files(plain, "lake/plain/**/*"):
        before = flip(path, chance)
        if path.parent.name != "snapshots" or path.stem.strip("0"):  # the first one is of no file
            assert verify_workspace(plain).problems, path
        path.write_bytes(before)


@pytest.mark.long
def test_a_flip_on_postgres_is_named(postgres_workspace: Workspace) -> None:
    commits(postgres_workspace, range(2))
    assert verify_workspace(postgres_workspace).problems == []
    path = files(postgres_workspace, "lake/data/**/*.parquet")[0]
    flip(path, random.Random(SEED))
    assert named(postgres_workspace, path)


def test_files_of_earlier_versions_are_counted_and_maintenance_records_them(
    workspace: Workspace,
) -> None:
    commits(workspace, range(2))
    with writing(workspace) as connection:  # DuckLake chooses the name, as earlier versions did
        connection.execute(
            "INSERT INTO lake.photos BY NAME SELECT 'x' AS photo_id, 'test' AS source"
        )
    found = verify_workspace(workspace)
    assert found.problems == []
    assert [note.split(":")[0] for note in found.notes] == [
        "the checksums of the pages of catalog.sqlite are not known",
        "table files without a recorded SHA-256",
    ]
    with open_catalog(workspace) as reader:
        before = reader.records("SELECT photo_id FROM photos ORDER BY 1")
        maintain(workspace)  # old names stay for readers
        assert reader.records("SELECT photo_id FROM photos ORDER BY 1") == before
    assert verify_workspace(workspace) == Verification([], [], 6)
    assert any(sum_in_name(path.name) is None for path in files(workspace, "lake/data/**/*"))
    maintain(workspace, NOW)
    assert all(sum_in_name(path.name) for path in files(workspace, "lake/data/**/*"))


def test_served_queries_and_a_stray_file_in_the_spool(workspace: Workspace) -> None:
    bring(workspace, range(3), job="serve:queries")
    assert verify_workspace(workspace) == Verification([], [], 0)
    (workspace.spool / "stray").mkdir()
    (workspace.spool / "stray" / "segment.json").write_text("{")
    problems = verify_workspace(workspace).problems
    assert [line.split(":")[0] for line in problems] == ["spool/stray is no segment"]
    commits(workspace, range(1, 2))
    assert list_releases(workspace) == []


def test_a_damaged_frontier_is_named(workspace: Workspace) -> None:
    from crawler.frontier.frontier import Frontier

    with Frontier(workspace.frontier):
        pass
    assert verify_workspace(workspace).problems == []
    raw = bytearray(workspace.frontier.read_bytes())
    raw[4096:4200] = bytes(104)
    workspace.frontier.write_bytes(raw)
    assert any(
        "frontier.sqlite is damaged" in line for line in verify_workspace(workspace).problems
    )


def test_a_damaged_file_that_waits_to_be_deleted_is_named(workspace: Workspace) -> None:
    commits(workspace, range(2))
    before = files(workspace, "lake/data/**/*.parquet")
    maintain(workspace)  # merged; the old ones stay for readers
    store = open_store(workspace)
    assert list(store.check_files(rehash=True).problems) == []
    assert store.check_files().orphans == ()
    for path in before:
        raw = flip(path, random.Random(SEED))
        (problem,) = store.check_files(rehash=True).problems
        assert path.name in problem
        path.write_bytes(raw)


def test_damaged_revocations_are_named_and_not_written_again(workspace: Workspace) -> None:
    def revoked(version: str) -> Revocation:
        return Revocation("cameras", version, "d" * 64, "why", None, "2026-01-01T00:00:00")

    merge_revocations(workspace.releases, [revoked("1.0.0")])
    assert list(revocation_problems(workspace.releases)) == []
    path = workspace.releases / "revocations.json"
    raw = path.read_bytes()
    for at in range(0, len(raw), 7):
        damaged = bytearray(raw)
        damaged[at] ^= 1 << at % 8
        path.write_bytes(damaged)
        assert list(revocation_problems(workspace.releases)), at
    path.write_bytes(raw.replace(b"why", b"whx"))
    assert named(workspace, path)
    with pytest.raises(ReleaseError, match="is damaged"):
        merge_revocations(workspace.releases, [revoked("1.1.0")])
    path.write_bytes(b"{")
    with pytest.raises(ReleaseError, match="is damaged"):
        read_revocations(workspace.releases)
    path.write_text(json.dumps([asdict(revoked("1.0.0"))]), "utf-8")  # an earlier version wrote it
    assert list(revocation_problems(workspace.releases)) == []
    merge_revocations(workspace.releases, [revoked("1.1.0")])
    assert len(read_revocations(workspace.releases)) == 2
    assert list(revocation_problems(workspace.releases)) == []


def test_verify_says_what_it_checked(workspace: Workspace) -> None:
    published(workspace, count=4, size=700)
    said = CliRunner().invoke(command, ["verify", "--home", str(workspace.home)]).output
    folder = workspace.releases / "cameras" / "1.0.0"
    n_files = sum(path.is_file() for path in folder.rglob("*"))
    n_tables = len(files(workspace, "lake/data/**/*.parquet"))
    database = workspace.lake / "catalog.sqlite"
    n_pages = database.stat().st_size // 4096
    assert said == (
        f"checked {n_pages} database pages, {n_tables} table files, 1 pack, 4 assets, 1 release, {n_files} release "
        "files (every byte hashed): nothing wrong\n"
    )
    quick = CliRunner().invoke(command, ["verify", "--quick", "--home", str(workspace.home)]).output
    assert "no byte was hashed" in quick


def test_one_problem_is_one(workspace: Workspace) -> None:
    published(workspace, count=4, size=700)
    [pack] = files(workspace, "packs/*.parquet")
    flip(pack, random.Random(3))
    done = CliRunner().invoke(command, ["verify", "--home", str(workspace.home)])
    assert done.exit_code == 1
    assert "1 problem found; docs/store.md" in str(done.exception)
