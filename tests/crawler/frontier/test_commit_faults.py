"""A crawl whose commits fail goes on, tries again, ends by itself, and says what happened."""

import json
import os
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from click.testing import CliRunner
from filelock import FileLock

from catalog import Workspace, open_catalog
from crawler.frontier.frontier import Frontier
from safelight import cli
from tests.catalog.buckets import KEYS, Bucket
from tests.catalog.postgres_server import PostgresServer, postgres_server, why_not
from tests.crawler import commit_faults as faults
from tests.crawler.commit_faults import PICTURES, Place

ROUNDS = int(os.environ.get("SAFELIGHT_FAULT_ROUNDS", "1"))
"""How often each fault is tried, at random moments, on each kind of place."""


@pytest.fixture(autouse=True)
def contact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAFELIGHT_CONTACT", "tests@example.org")


def safelight(workspace: Workspace, *arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(cli, ["--home", str(workspace.home), *arguments])
    code = getattr(done.exception, "exit_code", 1) if done.exception else 0
    return code, f"{done.output}{done.exception or ''}"


@pytest.mark.slow
def test_a_crawl_goes_on_while_the_folder_of_the_tables_is_away(
    workspace: Workspace, tmp_path: Path
) -> None:
    with faults.crawl_of(Place(workspace), tmp_path) as (victim, site):
        faults.begun(site, victim)
        faults.move_the_tables(Place(workspace))
        code, text = victim.finish()
    assert code == 0, text
    assert "commit failed once: " in text
    assert "the commit succeeded after " in text
    faults.check_all_is_there(workspace, site)


@pytest.mark.slow
def test_work_that_cannot_be_committed_has_an_exit_code_and_is_not_lost(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAFELIGHT_LOCK_TIMEOUT_S", "0.5")
    with faults.crawl_of(Place(workspace), tmp_path, commit_retry_s=1) as (victim, site):
        faults.begun(site, victim)
        with FileLock(workspace.lake / "writer.lock"):
            code, text = victim.finish()
        assert code == 4, text
        assert "not in the catalog: " in text
        assert (
            "finish with: safelight catalog commit, then go on with: safelight crawl resume" in text
        )
        said = safelight(workspace, "crawl", "status")[1]
        assert said.count("segments in the spool") == 1, said
        assert safelight(workspace, "catalog", "commit")[0] == 0
        text = safelight(workspace, "crawl", "resume")[1]
        faults.check_all_is_there(workspace, site)


@pytest.mark.long
def test_after_a_kill_before_the_commit_status_resume_and_verify_tell_the_truth(
    workspace: Workspace, tmp_path: Path
) -> None:
    with (
        FileLock(workspace.lake / "writer.lock"),
        faults.crawl_of(Place(workspace), tmp_path) as (victim, site),
        Frontier(workspace.frontier) as frontier,
    ):
        faults.begun(site, victim, PICTURES)
        while [record.counts for record in frontier.crawls()] != [{"done": PICTURES}]:
            assert victim.process.poll() is None
            time.sleep(0.1)
        victim.process.kill()
    code, said = safelight(workspace, "crawl", "status")
    assert "not committed" in said
    assert "safelight catalog commit" in said
    code, said = safelight(workspace, "crawl", "verify")
    assert "segments in the spool" in said
    assert "not in the catalog" not in said
    code, said = safelight(workspace, "crawl", "resume")
    assert (code, f"photos {PICTURES}" in said) == (0, True), said
    faults.check_all_is_there(workspace, site)
    assert safelight(workspace, "crawl", "resume")[0] == 1  # nothing is left to do


@pytest.mark.slow
def test_a_damaged_segment_is_named_and_ends_the_session_at_once(
    workspace: Workspace, tmp_path: Path
) -> None:
    with faults.crawl_of(Place(workspace), tmp_path, commit_retry_s=600) as (victim, site):
        faults.begun(site, victim)
        damaged = workspace.spool / ("0" * 64)
        (damaged.parent / ".made").mkdir()
        about = {"job": "crawl:x", "rows": 1, "pack": None}
        (damaged.parent / ".made" / "segment.json").write_text(json.dumps(about))
        (damaged.parent / ".made" / "photos.parquet").write_bytes(b"PAR1 and no more PAR1")
        (damaged.parent / ".made").rename(damaged)
        code, text = victim.finish()
        assert code == 4, text
        assert str(damaged) in text
        assert "Move this folder out of the spool" in text
        damaged.rename(tmp_path / "damaged")
        safelight(workspace, "crawl", "resume")
        faults.check_all_is_there(workspace, site)


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[PostgresServer]:
    """A server that these tests may stop."""
    if reason := why_not():
        pytest.skip(reason)
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        with postgres_server(Path(folder) / "server") as server:
            yield server


@pytest.fixture(scope="module")
def template(own_postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    address = own_postgres.new_database()
    workspace = Workspace.at(tmp_path_factory.mktemp("template") / "home")
    (workspace.home / "safelight.toml").write_text(f'[catalog]\nstore = "{address}"\n')
    open_catalog(workspace).close()
    return address.rsplit("/", maxsplit=1)[1]


FAULTS = {
    "stop_the_database": ("postgres folder", "postgres bucket"),
    "end_connections": ("postgres folder", "postgres bucket"),
    "refuse_everything": ("sqlite bucket", "postgres bucket"),
    "break_once": ("sqlite bucket", "postgres bucket"),
    "hold_the_lock": ("sqlite folder", "sqlite bucket", "postgres folder", "postgres bucket"),
    "move_the_tables": ("sqlite folder", "postgres folder"),
}


@pytest.fixture
def place(
    where: str,
    empty_home: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> Place:
    """Give a workspace with empty tables that keeps them `where` a test says."""
    monkeypatch.setenv("SAFELIGHT_LOCK_TIMEOUT_S", str(faults.LOCK_TIMEOUT_S))
    workspace = faults.copy_of(empty_home, tmp_path / "home")
    server, bucket, address = None, None, ""
    if where.endswith("bucket"):
        for name, value in KEYS.items():
            monkeypatch.setenv(name, value)
        bucket = request.getfixturevalue("bucket")
        assert isinstance(bucket, Bucket)
        bucket.keep(workspace)
    if where.startswith("postgres"):
        server = request.getfixturevalue("own_postgres")
        address = server.new_database(like=request.getfixturevalue("template"))
        (workspace.lake / "catalog.sqlite").unlink()
        with (workspace.home / "safelight.toml").open("a") as settings:
            settings.write(f'[catalog]\nstore = "{address}"\n')
    return Place(workspace, address, server, bucket)


@pytest.mark.slow
@pytest.mark.parametrize("round_", range(ROUNDS))
@pytest.mark.parametrize(
    ("fault", "where"), [(fault, where) for fault, listed in FAULTS.items() for where in listed]
)
def test_a_crawl_survives_every_fault_on_every_place(
    fault: str, where: str, round_: int, place: Place, tmp_path: Path
) -> None:
    rng = random.Random(f"{fault} {where} {round_}")
    several = ["--workers", "2"] if round_ % 5 == 4 else []
    with faults.crawl_of(place, tmp_path, *several) as (victim, site):
        faults.begun(site, victim)
        time.sleep(rng.random() * 4)
        harm = threading.Thread(target=getattr(faults, fault), args=[place])
        harm.start()
        code, text = victim.finish(240)
        harm.join()
    print(f"ROUND {fault} | {where} | code {code} | {'commit failed' in text}")  # noqa: T201 - counted by hand
    assert code == 0, text
    faults.check_all_is_there(place.workspace, site)
