"""A new table has statistics that say "empty"; with rows they are those that DuckLake would have written itself."""

import pytest

from catalog import Workspace, open_catalog, rows, write_segment
from catalog.stores.ducklake.store import DuckLakeStore
from catalog.tables.tables_by_name import TABLES

FACES = {"face_id": "f1", "asset_sha256": "a1", "landmarks": [1.0, 2.5]}
_META = "__ducklake_metadata_lake"


@pytest.fixture(params=["workspace", "postgres_workspace"])
def any_home(request: pytest.FixtureRequest) -> Workspace:
    home: Workspace = request.getfixturevalue(request.param)
    return home


def asked(workspace: Workspace, sql: str) -> list[tuple[object, ...]]:
    """Ask DuckLake's own database."""
    with open_catalog(workspace) as catalog:
        assert isinstance(catalog.store, DuckLakeStore)
        connection = catalog.store.connect()
        try:
            return list(connection.execute(sql).fetchall())
        finally:
            catalog.store.release(connection)


def test_every_new_table_is_known_to_be_empty(any_home: Workspace) -> None:
    found = asked(
        any_home,
        f"SELECT table_name, record_count, next_row_id FROM {_META}.ducklake_table_stats"
        f" JOIN {_META}.ducklake_table USING (table_id) WHERE end_snapshot IS NULL",
    )
    assert sorted(found) == sorted((name, 0, 0) for name in TABLES)


def test_the_first_rows_make_the_statistics_true(any_home: Workspace) -> None:
    write_segment(any_home, {"faces": rows("faces", [FACES])}, job="faces")
    with open_catalog(any_home) as catalog:
        catalog.commit()
    found = asked(
        any_home,
        "SELECT column_name, contains_null, min_value, max_value"
        f" FROM {_META}.ducklake_table_column_stats JOIN {_META}.ducklake_table t USING (table_id)"
        f" JOIN {_META}.ducklake_column c USING (table_id, column_id) WHERE table_name = 'faces'"
        " AND column_name IN ('face_id', 'element', 'score')",
    )
    said = {str(name): (bool(null), low, high) for name, null, low, high in found}
    assert said["face_id"] == (False, "f1", "f1")
    assert said["element"] == (False, "1.0", "2.5")
    assert said["score"][0], "a value that was not given is a null"
    with open_catalog(any_home) as catalog:
        assert catalog.records("SELECT count(*) AS n, min(face_id) AS f FROM faces") == [
            {"n": 1, "f": "f1"}
        ]
