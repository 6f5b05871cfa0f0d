"""Files that a commit adds: filters find the rows that Polars finds, whatever a file lacks or its columns hold."""

import random
from datetime import datetime, timedelta

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from catalog import Workspace, open_catalog, rows, write_segment
from catalog.tables.table_type import Table
from catalog.tables.tables_by_name import TABLES
from tests.catalog.writing import writing

MOMENT = datetime(2026, 1, 2, 3, 4, 5)  # noqa: DTZ001 - the catalog's columns have no zone
REALS = [1.5, 1e-7, 1e20, -0.0, float("inf"), float("nan"), 123456789.123, 0.1]
TEXTS = ["", "ascii", "über '\"\\ 写真", "z" * 5000, "2.0", "\x7f"]


def made(field: pa.Field, dice: random.Random) -> object:
    kind = field.type
    if pa.types.is_list(kind):
        return [made(kind.value_field, dice) for _ in range(dice.randrange(3))]
    if pa.types.is_string(kind):
        return dice.choice(TEXTS)
    if pa.types.is_boolean(kind):
        return dice.random() < 0.5
    if pa.types.is_integer(kind):
        return dice.randrange(-(2**31), 2**31)
    if pa.types.is_floating(kind):
        return dice.choice(REALS)
    return MOMENT + timedelta(days=dice.randrange(-9999, 9999), microseconds=dice.choice([0, 120]))


def filled(table: Table, count: int, dice: random.Random) -> pa.Table:
    """Make rows with distinct keys; some columns of this file are all null, some half."""
    empty = {field.name: dice.choice([0, 0, 0.5, 1]) for field in table.schema}
    records = []
    for number in range(count):
        record = {
            field.name: None if dice.random() < empty[field.name] else made(field, dice)
            for field in table.schema
        }
        for name in table.key:
            if pa.types.is_string(table.schema.field(name).type):
                record[name] = f"{dice.random()} {number}"
        records.append(record)
    return rows(table.name, records)


def bring(workspace: Workspace, seed: int, only: list[str] | None = None) -> None:
    dice = random.Random(seed)
    for _ in range(3):
        for name in only or TABLES:
            if name != "segments":
                tables = {name: filled(TABLES[name], dice.randrange(1, 40), dice)}
                write_segment(workspace, tables, job=name)
        with open_catalog(workspace) as catalog:
            catalog.commit()


LIMITS = {
    "iso": ("> 0", "= 1e20", "< 0.05", "IS NULL", "= 'inf'", "= 'nan'"),
    "taken_at": ("> '2026-01-02'", "< '2010-01-01'", "IS NULL"),
    "software": ("= ''", "> 'y'", "LIKE 'z%'", "IS NULL"),
    "flash": ("> 0", "< -2000000000", "IS NULL"),
    "gps_present": ("= true", "= false"),
}
FEW = (
    "iso = 1e20",
    "iso < 0.05",
    "iso = 'inf'",
    "iso = 'nan'",
    "taken_at < '2010-01-01'",
    "flash < -2000000000",
)


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_filters_find_the_rows_that_a_scan_without_statistics_finds(
    workspace: Workspace, seed: int
) -> None:
    bring(workspace, seed, ["exif", "faces"])
    filters = [f"{column} {limit}" for column, limits in LIMITS.items() for limit in limits]
    with open_catalog(workspace) as catalog, duckdb.connect() as memory:
        memory.register("read", catalog.query("FROM exif"))
        memory.execute("CREATE TABLE exif AS FROM read")  # the rows without what files say of them
        for condition in filters:
            sql = f"SELECT count(*) AS n, min(iso) AS low, max(software) AS high FROM exif WHERE {condition}"
            found = catalog.records(sql)
            assert str(found) == str(memory.sql(sql).to_arrow_table().to_pylist()), sql
            assert found[0]["n"] or condition in FEW, sql
        assert list(catalog.store.check_files(rehash=True).problems) == []


def test_a_text_with_a_null_character_is_found(workspace: Workspace) -> None:
    for title in ("a", "a\0b"):
        photo = {"photo_id": title, "asset_sha256": title, "title": title}
        write_segment(workspace, {"photos": rows("photos", [photo])}, job="x")
        with open_catalog(workspace) as catalog:
            catalog.commit()
    with open_catalog(workspace) as catalog:
        assert catalog.records("SELECT count(*) AS n FROM photos WHERE title > 'a'") == [{"n": 1}]


def test_a_file_that_lacks_a_column_has_nulls_there(workspace: Workspace) -> None:
    for number in range(3):
        segment = write_segment(workspace, {"labels": label(str(number))}, job="x")
        if number:  # as code that did not know this column has written it
            path = workspace.spool / segment / "labels.parquet"
            pq.write_table(pq.read_table(path).drop_columns("task"), path)
        with open_catalog(workspace) as catalog:
            catalog.commit()
            found = catalog.records("SELECT count(*) AS n, count(task) AS known FROM labels")
            assert found == [{"n": number + 1, "known": 1}]


def test_a_column_that_was_added_later_has_nulls_before(workspace: Workspace) -> None:
    with open_catalog(workspace) as catalog:
        for number in range(2):
            write_segment(workspace, {"labels": label(str(number))}, job="x")
            catalog.commit()
    with writing(workspace) as connection:
        connection.execute("ALTER TABLE lake.labels DROP COLUMN task")
    (workspace.lake / "schema.sha256").unlink()
    with open_catalog(workspace) as catalog:  # adds the column, as a newer version does
        for number in range(2, 5):
            write_segment(workspace, {"labels": label(str(number))}, job="x")
            catalog.commit()
            found = catalog.records(
                "SELECT count(*) AS n, count(task) AS known, min(task) AS t FROM labels"
            )
            assert found == [{"n": number + 1, "known": number - 1, "t": "age"}]


def test_two_that_commit_in_turns_see_what_the_other_did(workspace: Workspace) -> None:
    with open_catalog(workspace) as one, open_catalog(workspace) as other:
        for number, catalog in enumerate([one, one, other, one, other, other, one]):
            write_segment(workspace, {"labels": label(str(number))}, job="x")
            assert catalog.commit() == {"labels": 1}
        assert one.records("SELECT count(*) AS n FROM labels") == [{"n": 7}]


def label(name: str) -> pa.Table:
    about = {"label_id": name, "subject_kind": "photo", "subject_id": name}
    return rows("labels", [about | {"task": "age", "value": "30"}])
