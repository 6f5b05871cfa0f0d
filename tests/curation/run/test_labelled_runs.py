import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from catalog import Workspace, open_catalog
from catalog.releases.from_run import publish_run
from curation.commands.curate import curate as command
from curation.errors import BadPlanError, NoLabelsError
from curation.report.report import write_report
from curation.review.label_audit import audit_labels
from curation.run.plan import CurationPlan
from curation.run.run import curate
from curation.run.summary import CurationSummary
from curation.settings import CurateSettings
from tests.curation.labelled_catalog import bring, kinds, tinted
from tests.curation.small_catalog import Shot, SmallEmbedder, jpeg

QUIET = CurateSettings(runner="threads", workers=1, faces="off")
PLAN = CurationPlan(labels=("kind", "age"))
MISLABELLED = 6
CONTRADICTED = 9


def run(workspace: Workspace, plan: CurationPlan = PLAN) -> CurationSummary:
    return curate(workspace, plan, QUIET, embedder=SmallEmbedder())


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    made = Workspace.at(tmp_path_factory.mktemp("home"))
    shots = kinds(36)
    labelled = [
        (shot, {**label_of_task, "age": str(20 + place)})
        for place, (shot, label_of_task) in enumerate(shots)
    ]
    labelled[MISLABELLED] = (labelled[MISLABELLED][0], {"kind": "night", "age": "26"})
    copy = Shot("copy.jpg", jpeg(tinted(CONTRADICTED, "night"), quality=60), None)
    nobody = Shot("nobody.jpg", jpeg(tinted(99, "day")), None)
    bring(made, [*labelled, (copy, {"kind": "day"}), (nobody, {"colour": "red"})])
    return made


@pytest.fixture(scope="module")
def summary(workspace: Workspace) -> CurationSummary:
    return run(workspace)


def sha(place: int) -> str:
    return kinds(1, place)[0][0].sha256


def test_pictures_without_exif_are_kept_for_their_labels(summary: CurationSummary) -> None:
    assert summary.dropped == {"near_duplicate": 1, "no_label": 1}
    assert summary.n_kept == 36


def test_splits_are_stratified_by_labels(workspace: Workspace, summary: CurationSummary) -> None:
    with open_catalog(workspace) as catalog:
        rows = catalog.records(
            "SELECT i.split, l.value, count(*) AS n FROM curated_items i JOIN curated_labels l USING "
            "(run_id, asset_sha256) WHERE l.task = 'kind' GROUP BY ALL ORDER BY ALL"
        )
    counts = {(row["split"], row["value"]): int(str(row["n"])) for row in rows}
    assert {split for split, _ in counts} == {"train", "validation", "test"}
    for split in ("train", "validation", "test"):
        assert abs(counts[split, "day"] - counts[split, "night"]) <= 2


def test_the_release_has_the_labels_as_columns(
    workspace: Workspace, summary: CurationSummary
) -> None:
    release = publish_run(workspace, "kinds")
    index = release.index()
    assert index.schema.field("age").type == "int32"
    assert set(index["kind"].to_pylist()) == {"day", "night"}
    ages = dict(zip(index["asset_sha256"].to_pylist(), index["age"].to_pylist(), strict=True))
    assert ages[sha(3)] == 23
    counted = release.manifest["class_counts"]["kind"]
    assert sum(n for classes in counted.values() for n in classes.values()) == 36
    assert "pictures labelled by kind, age" in (release.path / "README.md").read_text("utf-8")
    assert publish_run(workspace, "kinds").version == release.version


def test_the_audit_ranks_wrong_labels_and_the_report_shows_them(
    workspace: Workspace, summary: CurationSummary
) -> None:
    audit = audit_labels(workspace)
    worst = {(issue.kind, issue.asset_sha256) for issue in audit.issues[:2]}
    (torn,) = [issue for issue in audit.issues if issue.kind == "label_conflict"]
    assert torn.detail["values"] == ["day", "night"]
    assert sha(CONTRADICTED) in torn.detail["pictures"]  # type: ignore[operator]  # a list
    assert ("label_doubtful", sha(MISLABELLED)) in worst
    audit_labels(workspace)
    with open_catalog(workspace) as catalog:
        (issues,) = catalog.records("SELECT count(*) AS n FROM issues WHERE kind LIKE 'label%'")
    assert issues["n"] == len(audit.issues), "a second audit adds nothing"
    html = write_report(workspace).read_text("utf-8")
    assert "Doubtful labels" in html
    assert "kind: night, rather day" in html


def test_the_command_prints_the_worst(workspace: Workspace, summary: CurationSummary) -> None:
    home = ["--home", str(workspace.home)]
    command_result = CliRunner().invoke(command, ["audit", summary.run_id, "--top", "3", *home])
    assert "labelled by kind: 36" in command_result.output
    assert "label_conflict: 1" in command_result.output
    assert "kind: night, rather day" in command_result.output


def splits_of(workspace: Workspace, run_id: str) -> dict[str, str]:
    with open_catalog(workspace) as catalog:
        rows = catalog.records(
            "SELECT asset_sha256, split FROM curated_items WHERE run_id = ?", [run_id]
        )
    return {str(row["asset_sha256"]): str(row["split"]) for row in rows}


@pytest.mark.slow
def test_old_pictures_keep_their_split_until_a_person_ties_two_splits_together(
    tmp_path: Path,
) -> None:
    made = Workspace.at(tmp_path)
    bring(made, kinds(12))
    before = splits_of(made, run(made).run_id)
    bring(made, kinds(4, start=12))
    grown = splits_of(made, run(made).run_id)
    assert {sha: grown[sha] for sha in before} == before
    side = {split: sha for sha, split in before.items()}
    both = [shot for shot, _ in kinds(12) if shot.sha256 in (side["train"], side["test"])]
    bring(made, [(shot, {"person": "ann"}) for shot in both])
    tied = run(made)
    after = splits_of(made, tied.run_id)
    assert {sha for sha in grown if after[sha] != grown[sha]} == {side["test"]}
    assert after[side["test"]] == "train"
    assert tied.flagged["split_changed"] == 1
    with open_catalog(made) as catalog:
        (row,) = catalog.records("SELECT * FROM decisions WHERE reason = 'split_changed'")
    assert row["asset_sha256"] == side["test"]
    assert json.loads(str(row["evidence"]))["tied_to"] == {"train": side["train"]}


@pytest.mark.slow
def test_a_new_label_is_a_new_run(tmp_path: Path) -> None:
    made = Workspace.at(tmp_path)
    bring(made, kinds(4))
    assert run(made).is_new
    assert not run(made).is_new
    bring(made, [(kinds(1)[0][0], {"age": "3"})])
    assert run(made).is_new
    with pytest.raises(NoLabelsError, match="has no labels with classes") as output:
        audit_labels(made, run(made, CurationPlan(find_labels=False)).run_id)
    assert "age (" not in str(output.value), "one value of one picture is nothing to sort by"
    assert 'kind (2 values). Name those to be used in a plan, such as {"labels": ["kind"]}' in str(
        output.value
    )


def test_an_audit_advises_no_label_that_is_not_there() -> None:
    output = str(NoLabelsError("r", {}))
    assert "The catalog has none either" in output
    assert "(camera settings are not audited here)" in output
    assert "--plan" not in output
    assert "safelight curate review" in output
    same = str(NoLabelsError("r", {"folder": 1}))
    assert "In the catalog folder has one value, so no label can be wrong" in same
    assert "--plan" not in same


def test_a_plan_names_labels_that_can_be_columns() -> None:
    assert CurationPlan.from_json(json.dumps({"labels": ["age"]})).labels == ("age",)
    for bad in (["split"], ["Age!"], ["age", "age"], ["sha256"]):
        with pytest.raises(BadPlanError, match="labels names tasks once each"):
            CurationPlan.from_json(json.dumps({"labels": bad}))
