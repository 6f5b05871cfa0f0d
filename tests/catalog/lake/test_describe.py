"""Every table, view and column says what it means."""

import re

import pytest
from click.testing import CliRunner

import safelight
from catalog import TABLES, TableNotFoundError, Workspace, describe, open_catalog
from catalog.lake.describe import describe_one
from catalog.tables.views import COLUMNS, VIEWS
from docs.tables import PAGE, page

_ASKED_FOR = """crawls fetches segments assets photos exif faces labels embeddings phashes duplicate_groups issues
curation_runs decisions datasets dataset_items dataset_stats models metrics predictions tombstones
v_photos v_exif_bins v_funnel v_class_balance v_duplicates v_licences v_errors_by_host v_leaderboard
v_worst_predictions"""


def test_every_table_and_column_has_a_meaning(workspace: Workspace) -> None:
    with open_catalog(workspace) as catalog:
        described = describe(catalog)
    assert {each.name for each in described} == {*TABLES, *VIEWS} >= set(_ASKED_FOR.split())
    bare = [
        f"{each.name}.{column.name}"
        for each in described
        for column in each.columns
        if not column.meaning
    ]
    assert bare == []
    assert all(each.meaning for each in described)


def test_the_page_of_tables_is_the_one_that_the_code_describes(workspace: Workspace) -> None:
    with open_catalog(workspace) as catalog:
        assert PAGE.read_text("utf-8") == page(describe(catalog)), "run: python -m docs.tables"


def test_no_meaning_is_written_for_a_column_that_is_not_there(workspace: Workspace) -> None:
    with open_catalog(workspace) as catalog:
        named = {each.name: {column.name for column in each.columns} for each in describe(catalog)}
    lost = [f"{v}.{c}" for v, meanings in COLUMNS.items() for c in meanings if c not in named[v]]
    assert lost == []


def test_the_comments_in_the_lake_are_those_of_the_contracts(workspace: Workspace) -> None:
    with open_catalog(workspace) as catalog:
        described = {
            (each.name, column.name): column.comment
            for each in describe(catalog)
            if each.kind == "table"
            for column in each.columns
        }
        stored = catalog.records(
            "SELECT table_name, column_name, comment FROM duckdb_columns() "
            "WHERE database_name = 'lake' AND schema_name = 'main' AND table_name NOT LIKE 'v!_%' ESCAPE '!'"
        )
    assert {(r["table_name"], r["column_name"]): r["comment"] for r in stored} == described


def test_types_are_those_that_other_engines_read(workspace: Workspace) -> None:
    with open_catalog(workspace) as catalog:
        kinds = {
            column.kind
            for each in describe(catalog)
            if each.kind == "table"
            for column in each.columns
        }
    assert kinds <= {
        *("VARCHAR", "BOOLEAN", "INTEGER", "BIGINT", "DOUBLE", "TIMESTAMP"),
        *("VARCHAR[]", "DOUBLE[]", "FLOAT[]"),
    }


def test_a_wrong_name_gets_the_nearest_right_one(workspace: Workspace) -> None:
    with (
        open_catalog(workspace) as catalog,
        pytest.raises(TableNotFoundError, match="did you mean photos"),
    ):
        describe_one(catalog, "photo")


def test_the_command_shows_columns_with_units_and_the_sql_of_views(workspace: Workspace) -> None:
    def said(*words: str) -> str:
        done = CliRunner().invoke(
            safelight.cli, ["--home", str(workspace.home), "catalog", "describe", *words]
        )
        assert done.exit_code == 0, done.output
        return done.output

    assert "unique by asset_sha256, exif_source, photo_id" in said("exif")
    assert re.search(r"exposure_time +DOUBLE +s +shutter time", said("exif"))
    assert "FROM dataset_stats" in said("v_class_balance")
    assert "v_funnel (view)" in said()
