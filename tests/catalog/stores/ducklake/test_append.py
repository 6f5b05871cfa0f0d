"""Rows that we write into DuckLake's own tables are those that DuckLake would have written."""

import random
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from catalog import CommitError, Workspace, open_catalog, rows, write_segment
from catalog.stores.ducklake import commits
from catalog.stores.ducklake.keys import Moment
from catalog.stores.ducklake.sqlite_append import Appender
from catalog.tables.contract import TABLES, Table
from tests.catalog.writing import writing

MOMENT = datetime(2026, 1, 2, 3, 4, 5)  # noqa: DTZ001 - the catalog's columns have no zone
REALS = [1.5, 1e-7, 1e20, -0.0, float("inf"), float("nan"), 123456789.123, 0.1]
TEXTS = ["", "ascii", "über '\"\\ 写真", "z" * 5000, "2.0", "\x7f"]
SAME = (
    "ducklake_data_file",
    "ducklake_table_stats",
    "ducklake_snapshot",
    "ducklake_snapshot_changes",
    "ducklake_column_mapping",
    "ducklake_name_mapping",
)


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


def database(workspace: Workspace, table: str) -> list[dict[str, object]]:
    address = f"file:{workspace.lake / 'catalog.sqlite'}?mode=ro"
    with closing(sqlite3.connect(address, uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        found = [dict(row) for row in connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2, 3")]
    for row in found:
        if "changes_made" in row:  # DuckLake lists new tables in the order of its memory
            row["changes_made"] = sorted(row["changes_made"].split(","))
    return found


class Stopped:
    """A clock for the ledger: the same rows give the same file."""

    @staticmethod
    def now(_: tzinfo) -> datetime:
        return MOMENT


@pytest.fixture(autouse=True)
def stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commits, "datetime", Stopped)


def by_ducklake(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Appender, "append", lambda *_: None)


def without(listed: list[dict[str, object]], *names: str) -> list[dict[str, object]]:
    return [{name: value for name, value in row.items() if name not in names} for row in listed]


@pytest.fixture
def appended(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Note for each commit whether it was done here (True) or left to DuckLake."""
    real, noted = Appender.append, list[bool]()

    def append(self: Appender, *args: Any) -> Moment | None:
        done = real(self, *args)
        noted.append(done is not None)
        return done

    monkeypatch.setattr(Appender, "append", append)
    return noted


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_the_rows_are_those_of_ducklake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, appended: list[bool], seed: int
) -> None:
    ours, theirs = Workspace.at(tmp_path / "ours"), Workspace.at(tmp_path / "theirs")
    bring(ours, seed)
    assert appended == [False, True, True], "the first file of a table is left to DuckLake"
    with monkeypatch.context() as patch:
        by_ducklake(patch)
        bring(theirs, seed)
    for table in SAME:
        assert without(database(ours, table), "snapshot_time") == without(
            database(theirs, table), "snapshot_time"
        ), table
    for table in ("ducklake_file_column_stats", "ducklake_table_column_stats"):
        same_or_unknown(database(ours, table), database(theirs, table))


def same_or_unknown(ours: list[dict[str, object]], theirs: list[dict[str, object]]) -> None:
    """A bound may be left open (a text too long to be noted is one reason), and everything else is the same."""
    bounds = ("min_value", "max_value")
    assert len(theirs) > 300
    assert without(ours, *bounds) == without(theirs, *bounds)
    known = 0
    for row, other in zip(ours, theirs, strict=True):
        for name in bounds:
            assert row[name] in {other[name], None}, (row, other)
            known += row[name] is not None
    # One made text in six is too long to be noted.
    assert known > 0.7 * sum(row[name] is not None for row in theirs for name in bounds)


def test_questions_with_limits_find_the_same_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = Workspace.at(tmp_path / "ours"), Workspace.at(tmp_path / "theirs")
    bring(ours, 3, ["exif", "faces"])
    with monkeypatch.context() as patch:
        by_ducklake(patch)
        bring(theirs, 3, ["exif", "faces"])
    asked = [
        f"SELECT count(*) AS n, min(iso) AS low, max({column}) AS high FROM exif WHERE {column} {limit}"
        for column, limits in {
            "iso": ("> 0", "= 1e20", "< 0.05", "IS NULL", "= 'inf'", "= 'nan'"),
            "taken_at": ("> '2026-01-02'", "< '2010-01-01'", "IS NULL"),
            "software": ("= ''", "> 'y'", "LIKE 'z%'", "IS NULL"),
            "flash": ("> 0", "< -2000000000", "IS NULL"),
            "gps_present": ("= true", "= false"),
        }.items()
        for limit in limits
    ]
    with open_catalog(ours) as mine, open_catalog(theirs) as other:
        for sql in asked:
            found = mine.records(sql)
            assert str(found) == str(other.records(sql)), sql
            assert found[0]["n"] or "inf" in sql or "nan" in sql or "1e20" in sql or "<" in sql, sql
        assert mine.snapshot() == other.snapshot()
        assert list(mine.store.check_files(rehash=True).problems) == []


def test_a_bound_that_sqlite_would_cut_is_left_open(
    workspace: Workspace, appended: list[bool]
) -> None:
    for title in ("a", "a\0b"):
        photo = {"photo_id": title, "asset_sha256": title, "title": title}
        write_segment(workspace, {"photos": rows("photos", [photo])}, job="x")
        with open_catalog(workspace) as catalog:
            catalog.commit()
    assert appended == [False, True]
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


def test_a_column_that_was_added_later_has_nulls_before(
    workspace: Workspace, appended: list[bool]
) -> None:
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
    assert appended == [False, True, False, True, True]


def test_two_that_append_in_turns_see_what_the_other_did(
    workspace: Workspace, appended: list[bool]
) -> None:
    with open_catalog(workspace) as one, open_catalog(workspace) as other:
        for number, catalog in enumerate([one, one, other, one, other, other, one]):
            write_segment(workspace, {"labels": label(str(number))}, job="x")
            assert catalog.commit() == {"labels": 1}
        assert one.records("SELECT count(*) AS n FROM labels") == [{"n": 7}]
    assert appended == [False, *[True] * 6]
    assert [row["row_id_start"] for row in database(workspace, "ducklake_data_file")][::2] == [
        *range(7)
    ]


def test_another_snapshot_of_the_same_number_is_refused(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_catalog(workspace) as catalog:
        for number in range(2):
            write_segment(workspace, {"labels": label(str(number))}, job="x")
            catalog.commit()
        real = Appender.append

        def late(self: Appender, connection: Any, files: Any, newest: Moment, about: Any) -> Any:
            return real(
                self, connection, files, replace(newest, snapshot=newest.snapshot - 1), about
            )

        monkeypatch.setattr(Appender, "append", late)
        write_segment(workspace, {"labels": label("late")}, job="x")
        with pytest.raises(CommitError, match="UNIQUE"):
            catalog.commit(retry_s=0)
        monkeypatch.undo()
        assert catalog.commit() == {"labels": 1}
        assert catalog.records("SELECT count(*) AS n FROM labels") == [{"n": 3}]
        assert list(catalog.store.check_files(rehash=True).problems) == []


def label(name: str) -> pa.Table:
    about = {"label_id": name, "subject_kind": "photo", "subject_id": name}
    return rows("labels", [about | {"task": "age", "value": "30"}])
