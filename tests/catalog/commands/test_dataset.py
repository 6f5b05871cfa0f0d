"""`safelight dataset show` and `diff`, as people read them."""

import json

import pytest
from click.testing import CliRunner

import safelight
from catalog import Workspace, publish
from tests.catalog.published import PLAN, bring_random, items


def run(workspace: Workspace, *words: str) -> str:
    done = CliRunner().invoke(
        safelight.cli, ["--home", str(workspace.home), "dataset", *words], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture
def two(workspace: Workspace) -> Workspace:
    """`cats` 1.0.0, and 1.1.0 with four more pictures: one in each group, so two in train."""
    shas = bring_random(workspace, range(16), 300)
    publish(workspace, "cats", items(range(12), shas[:12]), plan=PLAN, run_id="r")
    publish(workspace, "cats", items(range(16), shas), plan=PLAN, run_id="r2")
    return workspace


def test_a_diff_lists_the_counts_that_changed_and_no_others(two: Workspace) -> None:
    text = run(two, "diff", "cats@1.0.0", "cats@1.1.0")
    counts = json.loads(run(two, "diff", "cats@1.0.0", "cats@1.1.0", "--format", "json"))["counts"]
    same = [row for row in counts if row["old"] == row["new"]]
    changed = [row for row in counts if row["old"] != row["new"]]
    assert same
    assert changed
    rows = [line.split() for line in text.split("\n\n")[1].splitlines()[2:]]
    table = [row for row in rows if row[0] not in ("added", "removed")]
    assert [(int(row[-2]), int(row[-1])) for row in table] == [
        (r["old"], r["new"]) for r in changed
    ]
    assert ["pictures", "train", "6", "8"] in table


def test_a_diff_of_equal_releases_has_no_table(two: Workspace) -> None:
    text = run(two, "diff", "cats@1.0.0", "cats@1.0.0")
    assert text.splitlines()[1:] == ["every split and class has as many pictures as before"]


def test_a_card_is_shown_without_its_front_matter(two: Workspace) -> None:
    card = (two.releases / "cats" / "1.1.0" / "README.md").read_text("utf-8")
    assert card.startswith("---\n")
    text = run(two, "show", "cats")
    assert text.startswith("# ")
    assert "pretty_name:" not in text
    assert card.rstrip().endswith(text.rstrip())
