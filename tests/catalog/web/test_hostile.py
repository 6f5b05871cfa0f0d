"""Statements of strangers end in an error or at a limit, and leave the server as it was."""

import os
import shutil
import socketserver
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from catalog import Workspace, open_catalog
from tests.catalog.pictures import bring
from tests.catalog.web.hostile import HOSTILE
from tests.catalog.web.serving import Server, serving
from tests.catalog.web.watching import Watch, everything_below

SECRET = "the-canary-sings-at-4-am"
FAST_S = 2.0
AT_ONCE = 3


@dataclass
class LimitedServer:
    """A server with small limits, and around it what statements must not reach."""

    server: Server
    names: dict[str, str]
    canaries: list[Path]
    outside: Path
    home: Path
    called: list[bytes] = field(default_factory=list)

    def kept(self) -> dict[str, str]:
        """Hash what statements may not change: all but results, the trail and the frozen copies."""
        mine = everything_below(self.home, self.outside)
        moving = tuple(f"{self.home}/{name}/" for name in ("cache", "logs", "lake/frozen", "spool"))
        return {path: digest for path, digest in mine.items() if not path.startswith(moving)}


@pytest.fixture(scope="module")
def limited(empty_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LimitedServer]:
    base = tmp_path_factory.mktemp("limited")
    home, outside = base / "home", base / "outside"
    shutil.copytree(empty_home, home)
    outside.mkdir()
    bring(Workspace.at(home), range(40))
    with open_catalog(Workspace.at(home)) as catalog:
        catalog.commit()
    names = _canaries(home, outside)
    called: list[bytes] = []

    class Trap(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            called.append(self.request.recv(100))

    trap = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Trap)
    threading.Thread(target=trap.serve_forever, daemon=True).start()
    names["port"] = str(trap.server_address[1])
    limits = {"timeout_s": 0.5, "memory_mb": 256, "max_result_mb": 4, "max_rows": 5_000}
    os.environ["SAFELIGHT_CANARY"] = SECRET
    try:
        with serving(home, **limits, threads=1, max_running=AT_ONCE + 1) as server:
            canaries = [
                Path(names[name]) for name in ("text", "csv", "parquet", "sqlite", "frontier")
            ]
            yield LimitedServer(server, names, canaries, outside, home, called)
    finally:
        del os.environ["SAFELIGHT_CANARY"]
        trap.shutdown()
        trap.server_close()


def _canaries(home: Path, outside: Path) -> dict[str, str]:
    """Lay out files with the secret in them, of every kind that DuckDB opens."""
    (outside / "secret.txt").write_text(SECRET)
    (outside / "secret.csv").write_text(f"secret\n{SECRET}\n")
    pq.write_table(pa.table({"secret": [SECRET]}), outside / "secret.parquet")
    for path in (outside / "secret.sqlite", home / "frontier.sqlite"):
        with closing(sqlite3.connect(path)) as database:
            database.execute("CREATE TABLE secrets AS SELECT ? AS secret", [SECRET])
            database.commit()
    (outside / "out").mkdir(mode=0o777)
    (outside / "out").chmod(0o777)
    return {
        "text": str(outside / "secret.txt"),
        "csv": str(outside / "secret.csv"),
        "parquet": str(outside / "secret.parquet"),
        "sqlite": str(outside / "secret.sqlite"),
        "frontier": str(home / "frontier.sqlite"),
        "catalog": str(home / "lake" / "catalog.sqlite"),
        "data": str(home / "lake" / "data"),
        "out": str(outside / "out"),
        "home": str(home),
    }


def filled(sql: str, names: dict[str, str]) -> str:
    for name, value in names.items():
        sql = sql.replace(f"{{{name}}}", value)
    return sql


def ask(limited: LimitedServer) -> float:
    """Run a good statement; return the seconds it took."""
    started = time.monotonic()
    assert limited.server.rows("SELECT count(*) FROM photos", timeout_s=30) == [[40]]
    return time.monotonic() - started


def attack(limited: LimitedServer, number: int, deadline_s: float) -> str:
    """Send one hostile statement, then a good one; say what went wrong, or nothing."""
    kind, template = HOSTILE[number]
    answer = limited.server.query(filled(template, limited.names))
    output = str(answer)
    if answer["state"] == "done":
        page = limited.server.get(f"/api/queries/{answer['query_id']}/rows?limit=1000")
        output += page.body.decode()
    took = ask(limited)
    wrong = [
        ("was not stopped", answer["state"] == "done" and not answer["truncated"]),
        ("told the secret", SECRET in output),
        (f"made the next statement wait for {took:.1f} s", took > deadline_s),
    ]
    return "; ".join(f"{kind}: {template!r} {what}" for what, is_so in wrong if is_so)


def test_there_are_enough_hostile_statements() -> None:
    assert len(set(HOSTILE)) >= 250
    assert len({kind for kind, _ in HOSTILE}) >= 14


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "numbers",
    [
        pytest.param(range(0, len(HOSTILE), 10), id="a tenth"),
        pytest.param(range(len(HOSTILE)), id="all", marks=pytest.mark.slow),
    ],
)
def test_hostile_statements_reach_nothing_and_the_server_goes_on(
    limited: LimitedServer, numbers: range
) -> None:
    # Two seconds, or what a machine takes that others keep busy.
    deadline_s = max(FAST_S, 4 * max(ask(limited) for _ in range(3)))
    before, rss = limited.kept(), limited.server.rss
    watch = Watch(limited.canaries)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        wrong = [
            failure
            for failure in pool.map(lambda n: attack(limited, n, deadline_s), numbers)
            if failure
        ]
    touched = watch.touched()
    assert wrong == []
    assert touched == set()
    assert limited.kept() == before
    assert limited.called == []
    assert limited.server.rss - rss < 100 * 2**20


def test_harmless_statements_of_every_kind_still_run(limited: LimitedServer) -> None:
    for sql in (
        "SELECT count(*) FROM photos",
        "FROM photos LIMIT 1",
        "VALUES (1), (2)",
        "WITH p AS (FROM photos) SELECT max(photo_id) FROM p",
        "PIVOT photos ON source USING count(*) GROUP BY licence",
        "PIVOT photos ON source IN ('test') USING count(*) GROUP BY licence",
        "UNPIVOT (SELECT 1 AS a, 2 AS b) ON a, b",
        "DESCRIBE photos",
        "SUMMARIZE photos",
        "SHOW TABLES",
        "EXPLAIN SELECT count(*) FROM photos",
        "EXPLAIN ANALYZE SELECT count(*) FROM photos",
        "SELECT table_name, table_comment FROM information_schema.tables LIMIT 3",
        "SELECT column_name, column_comment FROM information_schema.columns WHERE table_name = 'photos'",
        "FROM pg_catalog.pg_tables LIMIT 3",
        "SELECT * FROM range(3) t(i), unnest([1, 2]) u(j);",
        "-- a comment first\nSELECT 'read_text(''x'')' AS text",
    ):
        answer = limited.server.query(sql, timeout_s=10)
        assert answer["state"] == "done", (sql, answer["error"])
