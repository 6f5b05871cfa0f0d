"""Workspaces of older code open, are upgraded, answer, take commits and can be curated."""

import tarfile
from pathlib import Path

import pytest

from catalog import QUESTIONS, SafelightError, Workspace, open_catalog, rows, write_segment
from catalog.errors import NewerWorkspaceError
from catalog.lake.choose_store import open_store
from catalog.maintenance.verify import verify_catalog
from catalog.tables.tables_by_name import TABLES
from catalog.tables.views import VIEWS
from tests.catalog.writing import writing

ARCHIVES = Path(__file__).parents[1] / "old_catalogs"
OLD = sorted(path.name for path in ARCHIVES.glob("*.tar.xz"))


@pytest.fixture(params=OLD)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Workspace:
    with tarfile.open(ARCHIVES / request.param) as archive:
        archive.extractall(tmp_path, filter="data")
    return Workspace.at(tmp_path / request.param.removesuffix(".tar.xz"))


def test_an_old_workspace_is_upgraded_answers_and_takes_what_waits_in_its_spool(
    old: Workspace,
) -> None:
    with open_catalog(old) as catalog:
        listed = {str(row["name"]): row["rows"] for row in catalog.tables()}
        assert set(listed) == {*TABLES, *VIEWS}
        assert listed["v_photos"] == 3
        assert catalog.commit() == {"assets": 2, "exif": 2, "photos": 2}
        found = catalog.records(
            "SELECT photo_id, round(f_number, 1) AS f, iso, synthetic FROM v_photos ORDER BY photo_id"
        )
        assert found == [
            {
                "photo_id": f"old:{n}",
                "f": round(2.8 + n / 10, 1),
                "iso": 100.0 * (n + 1),
                "synthetic": None,
            }
            for n in range(5)
        ]
        write_segment(old, {"photos": rows("photos", [{"photo_id": "new"}])}, job="crawl:new")
        assert catalog.commit() == {"photos": 1}
        assert verify_catalog(catalog) == []
    with open_catalog(old, as_of=2) as past:  # before the upgrade
        assert past.records("SELECT count(*) AS n FROM photos") == [{"n": 3}]


def test_predictions_of_older_code_are_read_beside_those_of_any_head(tmp_path: Path) -> None:
    with tarfile.open(ARCHIVES / "predictions.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    workspace = Workspace.at(tmp_path / "predictions")
    value = {"model_id": "m", "asset_sha256": "a", "task": "age", "split": "test", "value": 30.0}
    value |= {"target_value": 34.0, "kind": "regression", "answer": '{"value": 30.0}'}
    with open_catalog(workspace) as catalog:
        write_segment(workspace, {"predictions": rows("predictions", [value])}, job="train:m")
        catalog.commit()
        worst = QUESTIONS["worst_errors"]
        values: dict[str, object] = {each.name: each.default for each in worst.parameters}
        answers = catalog.records(worst.sql, values)
        classes = [row["true_class"] for row in answers if row["task"] == "iso"]
        assert classes == ["high", "medium", "low"], "rows without a kind are low, medium and high"
        assert [row["error"] for row in answers if row["task"] == "age"] == [4.0]
        listed = catalog.records("SELECT heads FROM v_worst_predictions")
        assert [row["heads"] for row in listed] == [1, 1, 1, 1]


@pytest.mark.slow
def test_an_old_workspace_can_be_curated(old: Workspace) -> None:
    from curation.run.run import curate

    summary = curate(old)
    with open_catalog(old) as catalog:
        decided = catalog.records("SELECT DISTINCT run_id FROM health, curation_runs")
        assert decided == [{"run_id": summary.run_id}]
        assert catalog.records("SELECT count(*) AS n FROM health") == [{"n": 5}]


def test_a_workspace_of_newer_code_is_refused_with_both_versions(workspace: Workspace) -> None:
    with writing(workspace) as connection:
        connection.execute("BEGIN")
        connection.execute("ALTER TABLE lake.photos ADD COLUMN mood VARCHAR")
        connection.execute("CREATE TABLE lake.dreams (dream_id VARCHAR)")
        connection.execute(
            "CALL ducklake_set_commit_message('lake', 'safelight', 'upgrade', "
            'extra_info => \'{"code_version": "9.1.0"}\')'
        )
        connection.execute("COMMIT")
    (workspace.lake / "schema.sha256").write_text("of newer code")
    with pytest.raises(
        NewerWorkspaceError, match=r"9\.1\.0.*dreams\.dream_id, photos\.mood"
    ) as caught:
        open_catalog(workspace)
    assert isinstance(caught.value, SafelightError)
    with open_store(workspace).lock(timeout_s=1):  # and lets go of the lock
        pass
