"""The check of statements, without a sandbox around it."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from catalog.errors import QueryError
from catalog.sandbox.sql.allowed import allowed_by
from catalog.sandbox.sql.statements import check_statement
from catalog.tables.questions import QUESTIONS
from catalog.tables.tables_by_name import TABLES
from catalog.tables.views import VIEWS
from tests.catalog.sandbox.tables import allowed_there, result_of, small_catalog
from tests.catalog.web.hostile import HOSTILE

REVIEWED = Path(__file__).with_name("functions.txt")
_STOPPED_BY_LIMITS = {"memory", "time", "floods"}


def test_no_hostile_statement_passes_the_check() -> None:
    connection, passed = small_catalog(), []
    for kind, sql in HOSTILE:
        with suppress(QueryError):
            check_statement(connection, sql, allowed_there())
            if kind not in _STOPPED_BY_LIMITS:
                passed.append(sql)
    assert passed == []


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM photos;",
        "FROM lake.main.photos, lake.labels, main.v_photos LIMIT 1",
        'FROM "PHOTOS" AS "odd name" WHERE "odd name".iso IN (100, 400)',
        "WITH \"monthly share\" AS (FROM photos) FROM \"monthly share\" ORDER BY ALL DESC NULLS LAST",
        "WITH RECURSIVE t(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM t WHERE i < 5) FROM t",
        "SELECT COLUMNS('a.*'), [x + 1 for x in [1, 2] if x > 1], {'a': 1}.a, MAP {'k': 1}, 1::DECIMAL(9, 2) "
        "FROM photos",
        "SELECT list_transform([1], lambda x: x + 1), source COLLATE nocase, try(1 / 0), grouping(source) "
        "FROM photos GROUP BY ROLLUP (source)",
        "SELECT row_number() OVER (PARTITION BY source ORDER BY iso), lag(iso) OVER w "
        "FROM photos WINDOW w AS (ORDER BY iso)",
        "SELECT * EXCLUDE (iso) REPLACE ('x' AS source) FROM photos QUALIFY row_number() OVER (ORDER BY iso) = 1",
        "SELECT count(*) FILTER (iso > 100), quantile_cont(iso, 0.5), histogram(iso), mode(licence) FROM photos",
        "SELECT now(), current_date, random(), uuid(), extract(year FROM taken), taken AT TIME ZONE 'UTC' FROM photos",
        "FROM photos p ASOF JOIN photos q ON p.iso >= q.iso AND p.source = q.source",
        "FROM photos, LATERAL (SELECT iso + 1 AS next) USING SAMPLE 50 PERCENT (bernoulli, 7)",
        "FROM range(3) t(i), unnest([1, 2]) u(j), json_each('[1]')",
        "(SELECT 1 AS a) UNION BY NAME (SELECT 2 AS b)",
        "TABLE labels",
        "DESCRIBE photos",
        "DESCRIBE",
        "SHOW TABLES",
        "SHOW ALL TABLES",
        "SUMMARIZE FROM photos",
        "SELECT table_name, table_comment FROM information_schema.tables",
        "EXPLAIN FROM photos",
        "explain /* why */ analyze\n-- so\nFROM photos",
        "EXPLAIN (ANALYZE, FORMAT json) FROM photos",
        "UNPIVOT photos ON source, licence",
        "SELECT 'read_text(''x'')' AS text -- FROM read_text('x')",
        "SELECT $$; DROP TABLE photos$$ /* ; IMPORT DATABASE 'x' */",
    ],
)  # fmt: skip
def test_reading_statements_of_every_form_pass_and_run_as_they_are(sql: str) -> None:
    connection = small_catalog()
    checked = check_statement(connection, sql, allowed_there())
    result_of(connection, *checked.before, checked.sql)


@pytest.mark.parametrize(
    "sql",
    [
        "PIVOT photos ON source",
        "PIVOT photos ON source USING count(*) -- a comment last",
        "PIVOT photos ON iso USING count(*) GROUP BY source;",
        "PIVOT photos ON source, licence USING count(*), sum(iso) AS s",
        "PIVOT photos ON source || '-' || licence USING max(iso) ORDER BY ALL LIMIT 3",
        "PIVOT photos ON source IN ('folder', 'urls') USING count(*) GROUP BY licence",
        "WITH p AS (FROM photos WHERE iso > 50) PIVOT p ON lower(source) USING count(*)",
        "WITH p AS (FROM photos), q AS (FROM p) SELECT * FROM (PIVOT q ON source USING count(*))",
        "WITH p AS (PIVOT photos ON year(taken) USING count(*) GROUP BY source) FROM p JOIN photos USING (source)",
        "FROM (PIVOT photos ON source USING count(*)) JOIN (PIVOT labels ON kind USING max(value)) "
        "USING (asset_sha256)",
        "PIVOT (WITH source AS (FROM labels) FROM source) ON kind USING first(value)",
        "PIVOT photos--\r\nON/* ON */source /**/USING count(*)",
        "PIVOT_WIDER photos ON source USING count(*)",
        "(PIVOT photos ON licence USING count(*)) UNION ALL BY NAME (PIVOT photos ON source USING count(*))",
    ],
)
def test_a_pivot_without_values_gives_what_duckdb_gives(sql: str) -> None:
    connection = small_catalog()
    checked = check_statement(connection, sql, allowed_there())
    assert result_of(connection, *checked.before, checked.sql) == result_of(small_catalog(), sql)


def test_a_pivot_whose_values_come_from_a_subquery_is_explained() -> None:
    sql = "PIVOT photos ON source IN (SELECT 'folder') USING count(*)"
    with pytest.raises(QueryError, match=r"write the values of this PIVOT out: .* IN \('a', 'b'\)"):
        check_statement(small_catalog(), sql, allowed_there())


def test_the_check_opens_no_file(tmp_path: Path) -> None:
    (tmp_path / "schema.sql").write_text("the-canary-sings;")
    (tmp_path / "load.sql").write_text("")
    for sql in (
        f"IMPORT DATABASE '{tmp_path}'",
        f"PRAGMA import_database('{tmp_path}')",
        f"PIVOT photos ON source USING count(*); IMPORT DATABASE '{tmp_path}'",
        f"EXPLAIN IMPORT DATABASE '{tmp_path}'",
        f"/* x */ IMPORT/**/DATABASE '{tmp_path}'",
    ):
        with pytest.raises(QueryError) as caught:
            check_statement(small_catalog(), sql, allowed_there())
        assert "canary" not in str(caught.value), sql
        assert "schema.sql" not in str(caught.value), sql


def test_shipped_questions_and_views_pass() -> None:
    relations = frozenset([*TABLES, *VIEWS])
    allowed = replace(allowed_there(), relations=relations)
    for sql in [*(q.sql for q in QUESTIONS.values()), *(sql for _, sql in VIEWS.values())]:
        check_statement(small_catalog(), sql, allowed)


def test_every_function_of_this_duckdb_was_looked_at() -> None:
    """After an upgrade of DuckDB: look at what is new, hide what reads more than the data, write the list anew."""
    assert sorted(allowed_by(duckdb.connect()).functions) == REVIEWED.read_text("utf-8").split()
