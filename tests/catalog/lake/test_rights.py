"""What people record about photos that are here: what holds, what came before, and who said so."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings, strategies as st

from catalog import (
    Rights,
    RightsError,
    Workspace,
    open_catalog,
    record_rights,
    rights_history,
    undo_rights,
)
from catalog.lake.permission import Permission, basis_command, of_index
from crawler.commands.crawl import crawl as command
from tests.curation.small_catalog import Shot, fill, jpeg, scene

MINE = Rights(training_allowed=True, training_basis="I took them")
HELD = "SELECT source_photo_id, training_allowed, training_basis, licence, attribution FROM v_photos ORDER BY 1"


@pytest.fixture
def photos(workspace: Workspace) -> Workspace:
    """Three photos of a source that gives no licence and no reason."""
    fill(workspace, [Shot(f"{n}.jpg", jpeg(scene(n)), None, f"ann {n}") for n in range(3)])
    return workspace


def held(workspace: Workspace, column: str) -> list[object]:
    with open_catalog(workspace) as catalog:
        return [row[column] for row in catalog.records(HELD)]


def call(workspace: Workspace, *words: str) -> str:
    ended = CliRunner().invoke(command, ["basis", "--home", str(workspace.home), *words])
    return ended.output + (str(ended.exception) if ended.exception else "")


def test_a_basis_reaches_the_photos_that_a_predicate_names_and_no_others(photos: Workspace) -> None:
    sold = Rights(training_allowed=False, training_basis="sold")
    made = record_rights(photos, "photographer IN ('ann 0', 'ann 2')", sold, recorded_by="kim")
    assert (made.matched, made.changed) == (2, 2)
    assert held(photos, "training_basis") == ["sold", None, "sold"]
    assert held(photos, "training_allowed") == [False, True, False]
    [said] = rights_history(photos)
    assert (said["recorded_by"], said["photos"], said["holds"]) == ("kim", 2, True)
    with open_catalog(photos) as catalog:
        rows = catalog.records("SELECT DISTINCT training_basis FROM photos")
    assert rows == [{"training_basis": None}], "what the crawl wrote stays as it was"


def test_the_last_word_counts_for_each_value_and_each_word_can_be_taken_back(
    photos: Workspace,
) -> None:
    record_rights(photos, "true", MINE)
    record_rights(photos, "true", Rights(licence="CC0"))
    no = record_rights(photos, "photographer = 'ann 1'", Rights(False, "she said no"))
    assert held(photos, "training_allowed") == [True, False, True]
    assert held(photos, "licence") == ["CC0"] * 3
    assert undo_rights(photos, no.statement_id.removeprefix("rights:")[:8]) == (
        no.statement_id,
        False,
    )
    assert held(photos, "training_basis") == ["I took them"] * 3
    assert undo_rights(photos, no.statement_id)[1]
    assert held(photos, "training_basis")[1] == "she said no"
    assert [bool(row["holds"]) for row in rights_history(photos)] == [True] * 3


def test_the_same_statement_again_writes_nothing(photos: Workspace) -> None:
    assert record_rights(photos, "true", MINE, dry_run=True).changed == 3
    assert rights_history(photos) == []
    record_rights(photos, "true", MINE)
    again = record_rights(photos, "true", MINE)
    assert (again.statement_id, again.matched, again.changed) == ("", 3, 0)
    assert len(rights_history(photos)) == 1


@pytest.mark.parametrize(
    "where", ["no_such_column = 1", "true; DROP TABLE photos", "1 = ", "true) UNION SELECT 1, (2"]
)
def test_a_predicate_that_is_none_names_the_columns(photos: Workspace, where: str) -> None:
    with pytest.raises(RightsError, match=r"does not work: .*Columns: photo_id, source"):
        record_rights(photos, where, MINE)
    assert rights_history(photos) == []


def test_a_comment_in_a_predicate_hides_nothing(photos: Workspace) -> None:
    made = record_rights(photos, "photographer = 'ann 1' -- only she", MINE)
    assert made.changed == 1


@pytest.mark.parametrize(
    "said",
    [
        {"training_allowed": True, "training_basis": "  "},
        {"licence": ""},
        {},
        {"training_basis": "why"},
    ],
)
def test_blank_and_half_statements_are_refused(said: dict[str, object]) -> None:
    with pytest.raises(RightsError):
        Rights(**said)  # type: ignore[arg-type]  # some are wrong on purpose


def test_the_command_records_lists_and_takes_back(photos: Workspace) -> None:
    assert "say which photos with --where" in call(photos, "--training-basis", "x")
    assert "a blank text is no reason" in call(photos, "--where", "true", "--training-basis", " ")
    assert "3 photos fit, 3 would change" in call(
        photos, "--where", "true", "--licence", "CC0", "--dry-run"
    )
    told = call(photos, "--where", "true", "--no-training", "sold", "--by", "kim")
    assert "recorded for 3 of 3 photos that fit" in told
    name = told.split(":", 2)[1][:12]
    assert f"--home {photos.home} --undo rights:{name}" in told
    listed = call(photos, "--history")
    assert "kim  3 photos" in listed
    assert "no training: 'sold'; where true" in listed
    assert "is taken back" in call(photos, "--undo", name)
    assert "(taken back)" in call(photos, "--history")
    assert "0 statements begin with 'zz'" in call(photos, "--undo", "zz")


def test_an_old_workspace_gets_the_table(workspace: Workspace, tmp_path: Path) -> None:
    with open_catalog(workspace) as catalog:
        assert catalog.records("SELECT * FROM rights UNION ALL SELECT * FROM rights") == []
        assert catalog.records("SELECT * FROM v_rights") == []


def test_no_statement_means_not_allowed() -> None:
    import pyarrow as pa

    index = pa.table(
        {"training_allowed": [True, None, False], "training_basis": ["mine", None, "terms"]}
    )
    found = of_index(index)
    assert found.sentence() == "1 of 3 may be trained on, because not stated (1), terms (1)"
    assert of_index(pa.table({"sha256": ["a"]})).sentence().startswith("0 of 1")
    assert Permission(2, 2).advice("true") == "2 of 2 may be trained on"


@settings(max_examples=25)
@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20))
def test_an_advised_command_can_be_pasted_into_a_shell(value: str) -> None:
    import shlex

    words = shlex.split(basis_command(f"source = '{value}'"))
    assert words[4:] == [f"source = '{value}'", "--training-basis", "WHY YOU MAY"]
