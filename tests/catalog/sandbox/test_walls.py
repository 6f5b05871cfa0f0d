"""Each wall of the sandbox holds alone, with those before it taken away."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from catalog import SnapshotNotFoundError, Workspace, open_catalog
from catalog.sandbox import Limits, QueryJob
from catalog.sandbox.walls import landlock
from tests.catalog.pictures import bring
from tests.catalog.sandbox.running import SMALL, Sandbox, sandbox_of

needs_landlock = pytest.mark.skipif(landlock.version() == 0, reason="this kernel has no Landlock")
# All but the wall that is tested.
ONLY_DUCKDB = ("statements", "landlock", "user", "limits")
ONLY_LANDLOCK = ("statements", "duckdb", "user", "limits")
ONLY_LIMITS = ("statements", "duckdb", "user", "landlock")


@pytest.fixture(scope="module")
def home(empty_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    target = tmp_path_factory.mktemp("walls") / "home"
    shutil.copytree(empty_home, target)
    workspace = Workspace.at(target)
    bring(workspace, range(10))
    with open_catalog(workspace) as catalog:
        catalog.commit()
    with closing(sqlite3.connect(workspace.frontier)) as database:
        database.execute("CREATE TABLE secrets AS SELECT 'sesame' AS word")
        database.commit()
    return workspace


@pytest.fixture(scope="module")
def sandbox(home: Workspace) -> Iterator[Sandbox]:
    with sandbox_of(home) as started:
        yield started


def test_the_tables_can_be_read(sandbox: Sandbox) -> None:
    assert sandbox.rows("SELECT count(*), max(photo_id) FROM v_photos") == [(10, "p9")]
    assert sandbox.rows("SELECT $n + 1 AS n, $who AS who", n=41, who="ada") == [(42, "ada")]


def test_a_past_snapshot_can_be_read(sandbox: Sandbox, home: Workspace) -> None:
    with open_catalog(home) as catalog:
        newest = catalog.snapshot()
    assert sandbox.rows("SELECT count(*) FROM photos", as_of=newest - 1) == [(0,)]
    with pytest.raises(SnapshotNotFoundError, match="newest: "):
        sandbox.ask("SELECT 1", as_of=10_000)


def test_all_walls_hold_on_this_machine(sandbox: Sandbox) -> None:
    still_open = {name for name, closed in sandbox.pool.closed.items() if not closed}
    if landlock.version() == 0:
        still_open -= {"files_outside_cannot_be_read", "programs_cannot_be_started"}
    # Root that may not become nobody, because nobody may not read the files, is not counted by the kernel.
    assert still_open <= ({"processes_cannot_be_started"} if os.geteuid() == 0 else set())


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT content FROM read_text('/etc/passwd')",
        "FROM read_blob('/proc/self/environ')",
        "FROM glob('/etc/*')",
        "COPY (SELECT 1) TO '{home}/stolen.csv'",
        "ATTACH '{home}/stolen.db' AS evil",
        "SET enable_external_access = true",
        "SET lock_configuration = false",
        "INSTALL httpfs",
        "LOAD httpfs",
        "DROP TABLE photos",
    ],
)
def test_duckdb_alone_refuses(sandbox: Sandbox, home: Workspace, sql: str) -> None:
    outcome, body = sandbox.ask(sql.format(home=home.home), without=ONLY_DUCKDB)
    assert outcome.state == "failed", outcome
    assert b"root:" not in body


@needs_landlock
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT content FROM read_text('/etc/passwd')",
        "FROM read_blob('/proc/self/environ')",
        "FROM sqlite_scan('{home}/frontier.sqlite', 'secrets')",
        "FROM sqlite_scan('{home}/lake/catalog.sqlite', 'ducklake_snapshot')",
        "COPY (SELECT 1) TO '{home}/stolen.csv'",
        "COPY (SELECT 1) TO '{home}/lake/data/evil.parquet'",
        "ATTACH '{home}/stolen.db' AS evil",
    ],
)
def test_landlock_alone_refuses(sandbox: Sandbox, home: Workspace, sql: str) -> None:
    outcome, body = sandbox.ask(sql.format(home=home.home), without=ONLY_LANDLOCK)
    assert outcome.state == "failed", outcome
    assert b"root:" not in body
    assert b"sesame" not in body


@pytest.mark.parametrize(
    "sql",
    [
        "COPY (SELECT 1 AS a) TO '{home}/stolen.csv'",
        "COPY (SELECT 1 AS a) TO '{home}/lake/data/evil.parquet'",
    ],
)
def test_limits_alone_let_no_byte_be_written(sandbox: Sandbox, home: Workspace, sql: str) -> None:
    outcome, _ = sandbox.ask(sql.format(home=home.home), without=ONLY_LIMITS)
    assert outcome.state == "failed", outcome
    written = [path for path in home.home.rglob("*") if path.name.startswith(("stolen", "evil"))]
    assert [path.stat().st_size for path in written] == [0] * len(written)
    for path in written:
        path.unlink()


def test_without_any_wall_the_tests_above_would_fail(sandbox: Sandbox, home: Workspace) -> None:
    every = (*ONLY_DUCKDB, *ONLY_LANDLOCK)
    assert sandbox.ask("FROM read_text('/etc/passwd')", without=every)[0].state == "done"
    sql = f"FROM sqlite_scan('{home.frontier}', 'secrets')"
    assert b"sesame" in sandbox.ask(sql, without=every)[1]


def test_a_statement_that_takes_too_long_is_killed(sandbox: Sandbox) -> None:
    limits = Limits(timeout_s=0.5, memory_mb=256, threads=1)
    outcome, _ = sandbox.ask(
        "SELECT levenshtein(repeat('a', 500000), repeat('b', 500000))", limits=limits
    )
    assert outcome.state == "timed_out"
    assert outcome.duration_ms < 5_000
    assert sandbox.rows("SELECT 1") == [(1,)]


def test_a_statement_that_wants_too_much_memory_fails(sandbox: Sandbox) -> None:
    outcome, _ = sandbox.ask("SELECT repeat(repeat('x', 1000000), 3000)")
    assert (outcome.state, outcome.kind) in {("failed", "out_of_memory"), ("failed", "crashed")}
    assert "memory" in str(outcome.error).lower()


def test_a_long_result_is_cut_at_the_row_limit(sandbox: Sandbox) -> None:
    outcome, body = sandbox.ask("SELECT i FROM range(100000000) t(i)")
    assert outcome.report["n_rows"] == SMALL.max_rows
    assert outcome.report["truncated"] is True
    assert len(pa_rows(body)) == SMALL.max_rows


def test_a_large_result_is_cut_at_the_byte_limit(sandbox: Sandbox) -> None:
    outcome, body = sandbox.ask("SELECT repeat('x', 10000) AS x FROM range(1000)")
    assert outcome.report["truncated"] is True
    assert 50 < len(pa_rows(body)) < 110
    assert len(body) < SMALL.max_bytes + 2**16


def pa_rows(body: bytes) -> list[object]:
    import pyarrow as pa

    found: list[object] = pa.ipc.open_file(pa.py_buffer(body)).read_all().to_pylist()
    return found


def test_one_row_that_is_too_large_is_an_error(sandbox: Sandbox) -> None:
    outcome, _ = sandbox.ask("SELECT repeat('x', 2000000)")
    assert outcome.kind == "refused"
    assert "larger than a result may be" in str(outcome.error)


def test_columns_of_one_name_and_of_rare_types_come_through(sandbox: Sandbox) -> None:
    sql = "SELECT 1 AS a, 2 AS a, INTERVAL 1 DAY AS i, '101'::BIT AS b, union_value(k := 1) AS u, 1::HUGEINT AS h"
    outcome, body = sandbox.ask(sql)
    assert [column["name"] for column in outcome.report["columns"]] == [
        "a",
        "a_1",
        "i",
        "b",
        "u",
        "h",
    ]  # type: ignore[attr-defined]  # a list
    assert pa_rows(body) == [{"a": 1, "a_1": 2, "i": "1 day", "b": "101", "u": "1", "h": 1}]


def test_a_commit_is_seen_by_the_next_statement(sandbox: Sandbox, home: Workspace) -> None:
    before = sandbox.rows("SELECT count(*) FROM photos")[0][0]
    bring(home, range(100, 103), job="crawl:later")
    with open_catalog(home) as catalog:
        catalog.commit()
    assert sandbox.rows("SELECT count(*) FROM photos") == [(int(str(before)) + 3,)]
    copies = [path for path in (home.lake / "frozen").glob("*/*") if path.is_dir()]
    assert len(copies) <= 2


@pytest.mark.slow
def test_a_catalog_of_plain_files_is_read_behind_the_same_walls(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "safelight.toml").write_text('[catalog]\nstore = "parquet"\n')
    workspace = Workspace.at(tmp_path / "plain")
    bring(workspace, range(4))
    with open_catalog(workspace) as catalog:
        catalog.commit()
        newest = catalog.snapshot()
    with sandbox_of(workspace) as plain:
        assert plain.rows("SELECT count(*), max(photo_id) FROM v_photos") == [(4, "p3")]
        assert plain.rows("SELECT count(*) FROM photos", as_of=newest - 1) == [(0,)]
        outcome, _ = plain.ask("FROM read_text('/etc/passwd')", without=ONLY_DUCKDB)
        assert outcome.state == "failed"


def test_a_template_that_is_killed_is_started_again(sandbox: Sandbox) -> None:
    os.kill(sandbox.pool.template_pid, 9)
    states = [sandbox.runner.run(_try(sandbox)) for _ in range(2)]
    assert states[-1] == "done"


async def _try(sandbox: Sandbox) -> str:
    from io import BytesIO

    from catalog.errors import SandboxError

    try:
        return (await sandbox.pool.run(QueryJob("SELECT 1"), SMALL, BytesIO())).state
    except SandboxError:
        return "error"


def test_warming_up_leaves_no_file_to_be_closed_twice() -> None:
    code = (
        "import duckdb; from catalog.sandbox.sql.template import warm_up; warm_up(duckdb.connect())"
    )
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Exception ignored" not in done.stderr
