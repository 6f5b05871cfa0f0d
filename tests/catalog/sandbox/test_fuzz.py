"""Whatever the check lets through reads tables and views and nothing else, as an independent judge finds.

The judge knows nothing of syntax: it runs what was let through where forbidden things hold a marked text, with nothing
locked, and looks at the rows and at the operators of the plan.
"""

import json
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb
import pytest

from catalog.errors import QueryError
from catalog.sandbox.sql.allowed import Allowed, allowed_by
from catalog.sandbox.sql.statements import Checked, check_statement
from tests.catalog.sandbox.fuzzing import Grammar
from tests.catalog.sandbox.tables import small_catalog

CANARY = "CanaryThatSings"
_READERS = (
    "READ_",
    "GLOB",
    "SNIFF",
    "PARQUET",
    "PANDAS",
    "ARROW",
    "DUCKDB_",
    "PRAGMA",
    "SQLITE",
    "CSV",
    "QUERY",
)
_PERMITTED = ("DUCKDB_TABLES", "DUCKDB_VIEWS", "DUCKDB_COLUMNS", "DUCKDB_SCHEMAS", "DUCKDB_TYPES")
"""Operators below `information_schema`."""
STATEMENT_S = 10.0
FUZZ_S = float(os.environ.get("SAFELIGHT_TEST_FUZZ_S", "600"))  # of the slow test


class Judge:
    """A catalog beside what statements must not reach: files, a variable, a setting, another database."""

    def __init__(self, folder: Path) -> None:
        (folder / "secret.txt").write_text(CANARY)
        (folder / "secret.csv").write_text(f"secret\n{CANARY}\n")
        (folder / "schema.sql").write_text(f"{CANARY};")
        (folder / "load.sql").write_text("")
        self.names = {
            "file": str(folder / "secret.txt"),
            "csv": str(folder / "secret.csv"),
            "folder": str(folder),
            "text": str(folder / "secret.txt"),
            **dict.fromkeys(("data", "home", "out"), str(folder)),
        }
        self.connection = small_catalog()
        for sql in (
            f"SET VARIABLE canary = '{CANARY}'",
            f"SET secret_directory = '{folder}/{CANARY}'",
            f"ATTACH ':memory:' AS canary; CREATE TABLE canary.secrets AS SELECT '{CANARY}' AS secret",
        ):
            self.connection.execute(sql)
        self.allowed: Allowed = allowed_by(self.connection)
        self.counts: Counter[str] = Counter()

    def findings(self, sql: str) -> Iterator[str]:
        """Check a statement; say what is wrong if it was let through and reads what it must not."""
        try:
            checked = check_statement(self.connection, sql, self.allowed)
        except QueryError as error:
            self.counts["refused"] += 1
            if CANARY in str(error):
                yield f"the refusal tells: {error}"
            return
        self.counts["let through"] += 1
        with suppress(duckdb.Error), self._in_time():
            for operator in self._operators(checked):
                if operator.startswith(_READERS) and operator not in _PERMITTED:
                    yield f"the plan holds {operator}"
        with self._in_time():
            said = self._said(checked)
        self.counts["ran"] += not said.startswith("ERROR")
        if CANARY in said and CANARY not in sql:
            yield f"it tells {said[:200]}"

    @contextmanager
    def _in_time(self) -> Iterator[None]:
        """Interrupt a statement that would go on for ever, so that the whole ends when it should."""
        timer = threading.Timer(STATEMENT_S, self.connection.interrupt)
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _operators(self, checked: Checked) -> list[str]:
        """Name the operators of the plan."""
        sql = checked.sql.lstrip("\ufeff\u00a0 ")
        if sql.startswith("EXPLAIN"):
            return []
        self._prepare(checked)
        rows = self.connection.execute(f"EXPLAIN (FORMAT json) {sql}").fetchall()
        waiting, found = json.loads(rows[-1][1]), []
        while waiting:
            node = waiting.pop()
            found.append(str(node["name"]).strip().upper())
            function = str(node.get("extra_info", {}).get("Function", ""))
            found += [function.upper()] if function else []
            waiting += node["children"]
        return found

    def _said(self, checked: Checked) -> str:
        try:
            self._prepare(checked)
            relation = self.connection.sql(checked.sql)
            return (
                "" if relation is None else str(relation.limit(1_000).to_arrow_table().to_pylist())
            )
        except duckdb.Error as error:
            return f"ERROR {error}".replace(checked.sql, "")

    def _prepare(self, checked: Checked) -> None:
        for number, sql in enumerate(checked.before):
            self.connection.execute(f"DROP TYPE IF EXISTS __safelight_pivot_{number}")
            self.connection.execute(sql)


def run_for(judge: Judge, seed: int, seconds: float, at_least: int) -> list[tuple[str, str]]:
    """Make statements for a time; return those that were let through wrongly, and why."""
    grammar, wrong = Grammar(seed, judge.names), []
    end, made = time.monotonic() + seconds, 0
    while made < at_least or time.monotonic() < end:
        sql = grammar.statement()
        wrong += [(sql, why) for why in judge.findings(sql)]
        made += 1
        if len(wrong) >= 5:
            break
    return wrong


def test_what_is_let_through_reads_tables_and_views_only(tmp_path: Path) -> None:
    judge = Judge(tmp_path)
    assert run_for(judge, seed=20261129, seconds=0, at_least=700) == []
    assert judge.counts["ran"] > 40, judge.counts
    assert judge.counts["refused"] > 150, judge.counts


@pytest.mark.slow
@pytest.mark.timeout(FUZZ_S + 300)
def test_minutes_of_statements_read_tables_and_views_only(tmp_path: Path) -> None:
    judge = Judge(tmp_path)
    seed = time.time_ns()
    assert run_for(judge, seed, seconds=FUZZ_S, at_least=1_500) == [], f"seed {seed}"


def test_a_statement_without_end_is_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.catalog.sandbox.test_fuzz.STATEMENT_S", 0.2)
    judge = Judge(tmp_path)
    began = time.monotonic()
    endless = "SELECT sum(a.i * b.i) AS x FROM range(10000000) a(i), range(10000000) b(i)"
    assert list(judge.findings(endless)) == []
    assert judge.counts == {"let through": 1, "ran": 0}
    assert time.monotonic() - began < 60


def test_the_judge_finds_what_a_weaker_check_lets_through(tmp_path: Path) -> None:
    """Without the check nearly every kind of forbidden thing is found: the judge can see."""
    judge = Judge(tmp_path)
    for sql in (
        "FROM read_text('{file}')",
        "FROM '{csv}'",
        "FROM query('FROM read_' || 'text(''{file}'')')",
        "PIVOT (FROM query--\r('FROM read_' || 'text(''{file}'')')) ON size USING first(content)",
        "FROM canary.secrets",
        "SELECT getvariable('canary')",
        "SELECT current_setting('secret_directory')",
        "FROM histogram_values('{csv}', secret)",
        "FROM duckdb_settings()",
    ):
        assert CANARY in judge._said(Checked(sql.format(**judge.names))), sql
    assert "READ_TEXT" in judge._operators(
        Checked("FROM read_text('{file}')".format(**judge.names))
    )
