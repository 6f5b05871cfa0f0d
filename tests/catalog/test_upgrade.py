"""A workspace of older code gains the tables, columns and views of this code when it is opened."""

import hashlib
import json

import pyarrow.parquet as pq
import pytest

from catalog import Workspace, open_catalog
from tests.catalog.each_store import each_store  # noqa: F401 - the fixture `workspace` of this module
from tests.catalog.pictures import bring
from tests.catalog.writing import writing


@pytest.fixture
def old(workspace: Workspace) -> Workspace:
    """A workspace with three photos whose lake lacks a table, two columns and a view."""
    bring(workspace, range(3))
    with open_catalog(workspace) as catalog:
        catalog.commit()
    if (workspace.lake / "plain").exists():
        write_older_files(workspace)
        return workspace
    with writing(workspace) as connection:
        connection.execute("DROP TABLE lake.tombstones")
        connection.execute("ALTER TABLE lake.photos DROP COLUMN synthetic")
        connection.execute("ALTER TABLE lake.assets DROP COLUMN duration_s")
        connection.execute("CREATE OR REPLACE VIEW lake.v_licences AS SELECT 1 AS old")
    (workspace.lake / "schema.sha256").write_text("of older code")
    return workspace


def write_older_files(workspace: Workspace) -> None:
    """Add a snapshot as older code would have written it: other tables, other columns in the files."""
    plain = workspace.lake / "plain"
    newest = json.loads(max(plain.glob("snapshots/*.json")).read_text())
    del newest["sha256"]  # older code wrote none
    schema = json.loads((plain / f"schemas/{newest['schema']}.json").read_text())
    del schema["tables"]["tombstones"]
    schema["views"]["v_licences"][1] = "SELECT 1 AS old"
    for table, column in (("photos", "synthetic"), ("assets", "duration_s")):
        columns = schema["tables"][table]["columns"]
        columns.remove(next(found for found in columns if found[0] == column))
        for file in newest["files"][table]:
            path = plain / file["name"]
            pq.write_table(pq.read_table(path).drop_columns([column]), path)
            file["bytes"] = path.stat().st_size
    body = json.dumps(schema)
    digest = hashlib.sha256(body.encode()).hexdigest()
    (plain / f"schemas/{digest}.json").write_text(body)
    for file in (one for files in newest["files"].values() for one in files):
        file["schema"] = digest
    newest |= {"snapshot_id": newest["snapshot_id"] + 1, "schema": digest}
    document = plain / f"snapshots/{newest['snapshot_id']:010d}.json"
    document.write_text(json.dumps(newest))


def test_tables_columns_and_views_are_brought_up_to_date(old: Workspace) -> None:
    with open_catalog(old) as catalog:
        assert catalog.records("SELECT count(*) AS n FROM tombstones") == [{"n": 0}]
        found = catalog.records("SELECT count(*) AS n, count(synthetic) AS s FROM photos")
        assert found == [{"n": 3, "s": 0}]
        assert "licence" in catalog.query("SELECT * FROM v_licences").column_names
        said = catalog.records(
            "SELECT comment FROM duckdb_columns() WHERE column_name = 'duration_s'"
        )
        assert said == [{"comment": "length of a sound; null for pictures [s]"}]
    bring(old, range(3, 5))
    with open_catalog(old) as catalog:
        assert catalog.commit() == {"assets": 2, "photos": 2}


def test_a_workspace_of_this_code_is_not_touched(workspace: Workspace) -> None:
    with open_catalog(workspace) as catalog:
        before = catalog.snapshot()
    with open_catalog(workspace) as catalog:
        assert catalog.snapshot() == before


def test_old_snapshots_stay_readable(old: Workspace) -> None:
    with open_catalog(old) as catalog:
        newest = catalog.snapshot()
    with open_catalog(old, as_of=newest - 1) as past:
        assert past.records("SELECT * FROM v_licences") == [{"old": 1}]
