"""A flipped bit in the database or its log is named, and nothing is said of a writer that was killed."""

import random
import subprocess
import sys

import pytest
from click.testing import CliRunner

from catalog import CommitError, Workspace, open_catalog
from catalog.commands.catalog import catalog as command
from catalog.lake.choose_store import open_store
from catalog.maintenance.maintain import maintain
from catalog.maintenance.verify import Verification, verify_workspace
from catalog.stores.ducklake.wal import read_wal
from tests.catalog.maintenance.damage import NOW, SEED, commits, flip
from tests.catalog.pictures import bring


def test_a_lost_commit_and_a_cut_log_are_named(workspace: Workspace) -> None:
    commits(workspace, range(1))
    saved = [path for path in workspace.lake.glob("catalog.sqlite*") if path.is_file()]
    copies = {path: path.read_bytes() for path in saved}
    commits(workspace, range(1, 2))
    for path in workspace.lake.glob("catalog.sqlite*"):
        path.unlink()
    for path, body in copies.items():
        path.write_bytes(body)
    problems = verify_workspace(workspace).problems
    assert any("has lost commits" in line for line in problems), problems


_KILLED = """
import os, signal, sys
from pathlib import Path
from catalog import Workspace, open_catalog
from tests.catalog.pictures import bring
workspace = Workspace.at(sys.argv[1])
with open_catalog(workspace) as catalog:
    reader = catalog.store.connect()
    reader.execute("BEGIN")
    reader.execute("FROM lake.photos").fetchall()  # the log stays
    for number in range(50, 53):
        bring(workspace, range(number * 3, number * 3 + 3))
        if number == 52 and sys.argv[2] == "before the checksums":
            catalog.store._metadata.pages.record = lambda _: os.kill(os.getpid(), signal.SIGKILL)
        catalog.commit()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param(text, marks=pytest.mark.long)
        for text in ("before the checksums", "after the checksums")
    ],
)
def test_a_killed_writer_is_no_problem_and_a_flip_after_it_is(
    workspace: Workspace, moment: str
) -> None:
    done = subprocess.run([sys.executable, "-c", _KILLED, str(workspace.home), moment], check=False)
    assert done.returncode == -9
    found = verify_workspace(workspace)
    assert found.problems == []
    assert len(found.notes) == (moment == "before the checksums")
    commits(workspace, range(60, 61))
    assert verify_workspace(workspace) == Verification([], [], 12)
    flip(workspace.lake / "catalog.sqlite", random.Random(SEED))
    assert verify_workspace(workspace).problems
    commits(workspace, range(61, 62))
    assert verify_workspace(workspace).problems, "a later commit hides it"


@pytest.mark.long
def test_a_flipped_bit_in_the_log_of_a_killed_writer_names_the_log(workspace: Workspace) -> None:
    subprocess.run([sys.executable, "-c", _KILLED, str(workspace.home), "after"], check=False)
    log = workspace.lake / "catalog.sqlite-wal"
    flip(log, random.Random(SEED))
    problems = verify_workspace(workspace).problems
    assert any(line.startswith("catalog.sqlite-wal is damaged") for line in problems), problems
    assert any("has lost commits" in line for line in problems), problems


@pytest.mark.long
def test_a_flipped_bit_in_a_page_that_the_log_replaces_is_named(workspace: Workspace) -> None:
    commits(workspace, range(2))
    subprocess.run([sys.executable, "-c", _KILLED, str(workspace.home), "after"], check=False)
    log = read_wal(workspace.lake / "catalog.sqlite-wal")
    assert log
    path = workspace.lake / "catalog.sqlite"
    raw = path.read_bytes()
    replaced = [page for page in sorted(log.pages) if page * 4096 <= len(raw) and page > 1]
    assert replaced
    at = replaced[0] * 4096 - 2_000
    path.write_bytes(raw[:at] + bytes([raw[at] ^ 4]) + raw[at + 1 :])
    problems = verify_workspace(workspace).problems
    assert [line.partition(":")[0] for line in problems] == ["catalog.sqlite is damaged"]
    commits(workspace, range(70, 71))  # writes the page again
    assert verify_workspace(workspace).problems == []


def test_a_flipped_bit_of_the_log_is_named(workspace: Workspace) -> None:
    store = open_store(workspace)
    reader = store.connect()
    reader.execute("BEGIN")
    reader.execute("FROM lake.photos").fetchall()  # what it reads stays in the log
    commits(workspace, range(2))
    log = workspace.lake / "catalog.sqlite-wal"
    assert verify_workspace(workspace).problems == []
    flip(log, random.Random(SEED))
    problems = verify_workspace(workspace).problems
    assert any(line.startswith("catalog.sqlite-wal is damaged") for line in problems), problems
    store.release(reader)


def test_a_first_commit_that_fails_in_a_copied_home_is_not_taken_for_damage(
    workspace: Workspace,
) -> None:
    # A copy of a home without rows: its first commit notes the new place of the data, of which no snapshot tells.
    bring(workspace, range(3))
    (rows,) = workspace.spool.glob("*/photos.parquet")
    whole = rows.read_bytes()
    rows.write_bytes(whole[:50])
    with open_catalog(workspace) as catalog, pytest.raises(CommitError):
        catalog.commit()
    assert verify_database(workspace) == []
    rows.write_bytes(whole)
    commits(workspace, range(1, 3))
    maintain(workspace, NOW)
    assert verify_workspace(workspace).problems == []


def verify_database(workspace: Workspace) -> list[str]:
    with open_catalog(workspace) as catalog:
        return [*catalog.store.check_database()]


def test_maintenance_of_a_damaged_database_is_refused(workspace: Workspace) -> None:
    commits(workspace, range(2))
    flip(workspace.lake / "catalog.sqlite", random.Random(SEED + 5))
    said = CliRunner().invoke(command, ["maintain", "--home", str(workspace.home)])
    assert said.exit_code == 1
    assert "catalog.sqlite is damaged" in str(said.exception)
    assert open_store(workspace).check_files().orphans == ()
