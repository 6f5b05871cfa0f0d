"""The index of keys says what the tables hold, whoever filled them and whatever became of its files."""

import shutil
from functools import cache
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from catalog import Workspace, open_catalog, rows, write_segment
from catalog.packs.spool import KEYS
from catalog.stores.ducklake.keys import read_keys
from catalog.tables.keys import first_ones, hash_keys, no_keys
from catalog.tables.tables_by_name import TABLES
from tests.catalog.pictures import bring, picture
from tests.catalog.writing import writing

COUNT = "SELECT count(*) AS n, count(DISTINCT photo_id) AS d FROM photos"


def counts(workspace: Workspace) -> dict[str, object]:
    with open_catalog(workspace) as catalog:
        return catalog.records(COUNT)[0]


def commit(workspace: Workspace, numbers: range) -> dict[str, int]:
    bring(workspace, numbers)
    with open_catalog(workspace) as catalog:
        return catalog.commit()


def files(workspace: Workspace) -> list[Path]:
    return sorted((workspace.lake / "keys").glob("*.npy"), key=lambda p: int(p.stem.split("-")[0]))


@pytest.mark.parametrize("harm", ["gone", "one gone", "empty", "cut", "of other tables"])
def test_a_lost_or_damaged_index_is_made_anew(
    workspace: Workspace, harm: str, tmp_path: Path
) -> None:
    commit(workspace, range(40))
    commit(workspace, range(38, 43))
    commit(workspace, range(43, 44))
    found = files(workspace)
    assert len(found) > 1
    if harm == "gone":
        shutil.rmtree(workspace.lake / "keys")
    elif harm == "one gone":
        found[0].unlink()
    elif harm == "empty":
        found[-1].write_bytes(b"")
    elif harm == "cut":
        found[0].write_bytes(found[0].read_bytes()[:-16])
    else:
        found[-1].rename(found[-1].with_stem(found[-1].stem + "0"))
    assert commit(workspace, range(20, 50)) == {"assets": 6, "photos": 6}
    assert counts(workspace) == {"n": 50, "d": 50}


def test_rows_that_came_in_behind_its_back_are_known(workspace: Workspace) -> None:
    commit(workspace, range(5))
    with writing(workspace) as connection:
        connection.execute("INSERT INTO lake.assets BY NAME SELECT ? AS sha256", [picture(7)[0]])
    assert commit(workspace, range(3, 9)) == {"assets": 3, "photos": 4}


def test_a_row_that_was_deleted_may_come_again(workspace: Workspace) -> None:
    commit(workspace, range(5))
    with writing(workspace) as connection:
        connection.execute("DELETE FROM lake.photos WHERE photo_id = 'p2'")
    assert commit(workspace, range(2, 6)) == {"assets": 1, "photos": 2}


def test_a_tables_file_goes_into_the_lake_as_it_is(workspace: Workspace) -> None:
    bring(workspace, range(5))
    inode = next(workspace.spool.glob("*/photos.parquet")).stat().st_ino
    with open_catalog(workspace) as catalog:
        catalog.commit()
        found = list((workspace.lake / "data").rglob("photos/*.parquet"))
        assert [path.stat().st_ino for path in found] == [inode]
        bring(workspace, range(4, 8))
        catalog.commit()
    assert len(list((workspace.lake / "data").rglob("photos/*.parquet"))) == 2


TEXTS = st.none() | st.text(st.sampled_from("ab:-,1"), max_size=3)


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=6), min_size=2, max_size=2))
def test_keys_of_two_columns_stand_once_like_in_a_set(
    workspace: Workspace, segments: list[list[tuple[str | None, str | None]]]
) -> None:
    with open_catalog(workspace) as catalog:
        for pairs in segments:
            listed = [
                {"dataset": a, "version": b, "reason": str(n)} for n, (a, b) in enumerate(pairs)
            ]
            write_segment(workspace, {"revocations": rows("revocations", listed)}, job="t")
            catalog.commit()
        found = catalog.records("SELECT dataset, version FROM revocations")
    pairs_found = [(row["dataset"], row["version"]) for row in found]
    assert len(pairs_found) == len(set(pairs_found))
    assert {pair for pairs in segments for pair in pairs} <= set(pairs_found)


def test_runs_are_merged_so_that_few_remain(workspace: Workspace) -> None:
    with open_catalog(workspace) as catalog:
        for number in range(10):
            bring(workspace, range(number, number + 1))
            catalog.commit()
    found = files(workspace)
    assert len(found) <= 5
    assert sum(np.load(path).shape[1] for path in found) == 3 * 10  # assets, photos, segments


@cache
def _duckdb() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()


@settings(deadline=None)
@given(st.lists(st.tuples(st.none() | st.text(), st.none() | st.text()), max_size=20))
def test_keys_are_hashed_alike_with_and_without_sql(
    pairs: list[tuple[str | None, str | None]],
) -> None:
    table = TABLES["revocations"]
    source = pa.table(
        {
            name: pa.array([pair[n] for pair in pairs], pa.string())
            for n, name in enumerate(table.key)
        }
    )
    connection = _duckdb()
    connection.register("source", source)
    expected = read_keys(connection, table, "source")
    found = hash_keys(table, source)
    assert found is not None
    assert np.array_equal(found, expected)
    listed = list(zip(*found.tolist(), strict=True))
    assert first_ones(found).tolist() == [key not in listed[:n] for n, key in enumerate(listed)]


def test_keys_that_are_no_text_are_left_to_sql() -> None:
    assert hash_keys(TABLES["prices"], TABLES["prices"].schema.empty_table()) is None


@pytest.mark.parametrize("harm", ["gone", "empty", "cut", "flipped", "of other rows", "none"])
def test_the_keys_noted_in_a_segment_are_not_trusted_blindly(
    workspace: Workspace, harm: str
) -> None:
    commit(workspace, range(5))
    bring(workspace, range(3, 9))
    (noted,) = workspace.spool.glob(f"*/{KEYS}")
    body = noted.read_bytes()
    if harm == "gone":
        noted.unlink()
    elif harm == "empty":
        noted.write_bytes(b"")
    elif harm == "cut":
        noted.write_bytes(body[:-30])
    elif harm == "flipped":
        noted.write_bytes(body[:150] + bytes([body[150] ^ 1]) + body[151:])
    elif harm == "of other rows":
        np.savez(noted, **{"photos photo_id asset_sha256": no_keys()})
    with open_catalog(workspace) as catalog:
        assert catalog.commit() == {"assets": 4, "photos": 4}
    assert counts(workspace) == {"n": 9, "d": 9}
