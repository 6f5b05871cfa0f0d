"""Maintenance makes a workspace smaller and changes no answer; what a release needs stays."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from catalog import Workspace, open_catalog
from catalog.commands.catalog import catalog as command
from catalog.maintenance.maintain import maintain
from catalog.maintenance.verify import verify_catalog
from catalog.stores import RetentionPolicy
from tests.catalog.pictures import bring, picture
from tests.catalog.writing import writing

NOW = RetentionPolicy(grace_hours=0)
COUNT = "SELECT count(*) AS n, count(DISTINCT photo_id) AS d FROM photos"


def commits(workspace: Workspace, count: int) -> None:
    with open_catalog(workspace) as catalog:
        for number in range(count):
            bring(workspace, range(number, number + 2))
            catalog.commit()


def table_files(workspace: Workspace) -> list[Path]:
    return sorted((workspace.lake / "data").rglob("*.parquet"))


def test_files_are_merged_and_every_snapshot_still_answers(any_workspace: Workspace) -> None:
    commits(any_workspace, 4)
    with open_catalog(any_workspace) as catalog:
        newest = catalog.snapshot()
    done = maintain(any_workspace, NOW)
    assert (done.tables.files_merged, done.tables.files_made) == (12, 3)
    assert done.tables.files_removed == 12
    assert len(table_files(any_workspace)) == 3
    for back, n in enumerate((5, 4, 3, 2)):
        with open_catalog(any_workspace, as_of=newest - back) as past:
            assert past.records(COUNT) == [{"n": n, "d": n}]
    with open_catalog(any_workspace) as catalog:
        assert verify_catalog(catalog) == []
        bring(any_workspace, range(3, 7))  # keys are known although their files are others now
        assert catalog.commit() == {"assets": 2, "photos": 2}


@pytest.mark.slow
def test_old_snapshots_are_forgotten_but_those_of_runs_and_the_newest(workspace: Workspace) -> None:
    commits(workspace, 5)
    with open_catalog(workspace) as catalog:
        known = [snapshot.snapshot_id for snapshot in catalog.snapshots()]
    with writing(workspace) as connection:
        connection.execute(
            "INSERT INTO lake.curation_runs BY NAME SELECT 'r' AS run_id, ? AS input_snapshot",
            [known[3]],
        )
    dry = maintain(workspace, RetentionPolicy(keep_snapshots=2, grace_hours=0, dry_run=True))
    done = maintain(workspace, RetentionPolicy(keep_snapshots=2, grace_hours=0))
    assert dry.tables.snapshots_expired == done.tables.snapshots_expired == len(known) - 2
    with open_catalog(workspace) as catalog:
        left = [snapshot.snapshot_id for snapshot in catalog.snapshots()]
        assert known[3] in left
        assert known[2] not in left
        assert catalog.records(COUNT) == [{"n": 6, "d": 6}]
        assert verify_catalog(catalog) == []
    with open_catalog(workspace, as_of=known[3]) as past:
        assert past.records(COUNT) == [{"n": 3, "d": 3}]
    assert maintain(workspace, RetentionPolicy(keep_days=1)).tables.snapshots_expired == 0


def litter(workspace: Workspace) -> list[Path]:
    """Leave what killed jobs leave, and return the packs and files that must go."""
    (workspace.spool / ".tmp-1").mkdir()
    (workspace.spool / ".tmp-1" / "photos.parquet").write_bytes(b"half")
    left = [workspace.packs / f"{'0' * 64}.parquet"]
    left += [
        workspace.lake / "data" / "main" / "photos" / name for name in ("a.parquet", "b.parquet")
    ]
    for path in left:
        path.write_bytes(b"" if path.name == "a.parquet" else b"PAR1")
    return left


def test_what_nothing_names_is_reported_and_swept_but_not_at_once(workspace: Workspace) -> None:
    commits(workspace, 2)
    maintain(workspace, NOW)
    left = litter(workspace)
    said = CliRunner().invoke(command, ["verify", "--home", str(workspace.home)])
    assert said.exit_code == 0, said.output
    assert "table files that nothing names: 2, such as" in said.output
    assert "packs that nothing names: 1, such as" in said.output
    maintain(workspace)  # all this is younger than a day
    assert all(path.exists() for path in left)
    done = maintain(workspace, NOW)
    assert (done.packs_removed, done.folders_removed, done.tables.files_removed) == (1, 1, 2)
    assert [path for path in left if path.exists()] == []
    with open_catalog(workspace) as catalog:
        assert verify_catalog(catalog) == []


def test_a_pack_whose_segment_waits_is_not_swept(workspace: Workspace) -> None:
    bring(workspace, range(3))
    segment = next(path for path in workspace.spool.iterdir())
    (segment / "pack.parquet").rename(workspace.packs / next_pack(segment))  # a commit killed here
    assert maintain(workspace, NOW).packs_removed == 0
    with open_catalog(workspace) as catalog:
        assert verify_catalog(catalog) == []
        assert catalog.commit() == {"assets": 3, "photos": 3}
        assert verify_catalog(catalog) == []


def next_pack(segment: Path) -> str:
    import json

    return str(json.loads((segment / "segment.json").read_text())["pack"])


@pytest.mark.parametrize("harm", ["missing", "cut", "doubled key", "lost asset", "spool", "pack"])
def test_verify_names_what_is_wrong(workspace: Workspace, harm: str) -> None:
    commits(workspace, 2)
    bring(workspace, range(5, 7))
    file = table_files(workspace)[0]
    expected = {
        "missing": "is missing",
        "cut": "bytes, not",
        "doubled key": "photos: 1 key stands in more than one row",
        "lost asset": "photos: 1 row names an asset that has no row",
        "spool": "in the spool is damaged",
        "pack": "damaged",
    }[harm]
    if harm == "doubled key":
        with writing(workspace) as connection:
            connection.execute("INSERT INTO lake.photos FROM lake.photos LIMIT 1")
    elif harm == "lost asset":
        with writing(workspace) as connection:
            connection.execute(
                "INSERT INTO lake.photos BY NAME SELECT 'x' AS photo_id, 'y' AS asset_sha256"
            )
    elif harm == "spool":
        next(workspace.spool.glob("*/photos.parquet")).write_bytes(b"PAR1")
    elif harm == "pack":
        pack = next(workspace.packs.glob("*.parquet"))
        body = picture(0)[1]
        pack.write_bytes(pack.read_bytes().replace(body, body[::-1]))
    elif harm == "missing":
        file.unlink()
    elif harm == "cut":
        file.write_bytes(file.read_bytes() + b"x")
    with open_catalog(workspace) as catalog:
        problems = verify_catalog(catalog)
    assert any(expected in line for line in problems), problems


def test_the_command_says_what_it_did_in_numbers(workspace: Workspace) -> None:
    commits(workspace, 3)
    home = ["--home", str(workspace.home)]
    dry = CliRunner().invoke(command, ["maintain", "--keep-snapshots", "1", "--dry-run", *home])
    assert "snapshots would be forgotten: 4" in dry.output
    done = CliRunner().invoke(
        command, ["maintain", "--keep-snapshots", "1", "--grace-hours", "0", *home]
    )
    assert "files merged: 9 to 3" in done.output
    assert "table files removed: 9" in done.output
