"""Labels that the catalog has reach splits, class tables and the release without a plan of one's own."""

import json
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from catalog import Workspace
from catalog.releases.from_run import publish_run
from curation.commands.curate import curate as command
from curation.run.label_selection import column_names, is_class, select_labels
from curation.run.plan import CurationPlan
from curation.run.run import curate
from curation.run.summary import CurationSummary
from curation.settings import CurateSettings
from tests.curation.labelled_catalog import bring, kinds, tinted
from tests.curation.small_catalog import Shot, SmallEmbedder, exif, jpeg, scene

QUIET = CurateSettings(runner="threads", workers=1, faces="off")


def run(workspace: Workspace, plan: CurationPlan | None = None) -> CurationSummary:
    return curate(workspace, plan, QUIET, embedder=SmallEmbedder())


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Pictures without EXIF: a class, a scale, a caption, a column with an odd name, tags and a number each."""
    made = Workspace.at(tmp_path_factory.mktemp("home"))
    shots = []
    for place, (shot, label_of_task) in enumerate(kinds(30)):
        more = {"age": str(20 + place * 3 // 2), "caption": f"a {place} b", "width": str(place % 3)}
        shots.append(
            (shot, {**label_of_task, **more, "Hair Colour": ("red", "black")[place // 15]})
        )
    nobody = Shot("nobody.jpg", jpeg(tinted(99, "day")), None)
    bring(made, [*shots, (nobody, {})])
    return made


@pytest.fixture(scope="module")
def summary(faces: Workspace) -> CurationSummary:
    return run(faces)


def test_labels_without_a_plan_are_strata_and_classes(summary: CurationSummary) -> None:
    plan = summary.plan
    assert plan["labels"] == ["age", "hair_colour", "kind", "label_width"]
    assert plan["label_columns"] == ["caption"]
    assert summary.dropped == {"no_label": 1}
    assert set(summary.classes["setting"]) == {"age", "hair_colour", "kind", "label_width"}
    output = "\n".join(map(str, summary.labels))
    assert "kind: 30 pictures, 2 classes" in output
    assert "hair_colour (from 'Hair Colour'): 30 pictures, 2 classes" in output
    assert "caption: 30 pictures, 30 values, no classes: a column only" in output


def test_the_release_and_its_card_have_them(faces: Workspace, summary: CurationSummary) -> None:
    release = publish_run(faces, "faces")
    index, counts = release.index(), release.manifest["class_counts"]
    assert set(index["hair_colour"].to_pylist()) == {"red", "black"}
    assert index.schema.field("age").type == "int32"
    assert index["caption"].null_count == 0
    assert "caption" not in counts
    assert set(counts["label_width"]["train"]) == {"0", "1", "2", "missing"}, "digits are classes"
    parts = counts["age"]["train"]
    assert len(parts) == 6
    assert sum(n for classes in counts["age"].values() for n in classes.values()) == 30
    assert parts == {
        row["class"]: row["n"]
        for row in summary.classes.iter_rows(named=True)
        if (row["split"], row["setting"]) == ("train", "age")
    } | {name: 0 for name in parts if parts[name] == 0}
    card = (release.path / "README.md").read_text("utf-8")
    assert "| kind | train | day |" in card
    assert "f_number | train" not in card
    assert "Three bins a setting" not in card


def test_curate_run_prints_them_and_no_settings(faces: Workspace, summary: CurationSummary) -> None:
    from curation.commands.curate import print_summary

    home = ["--home", str(faces.home)]
    assert "is_new" not in CliRunner().invoke(command, ["runs", *home]).output
    output = CliRunner().invoke(_printing(print_summary, summary)).output
    assert "kind: 30 pictures, 2 classes" in output
    assert "f_number" not in output.split("train ", 1)[1]


def _printing(function: object, summary: CurationSummary) -> object:
    import click

    @click.command()
    def show() -> None:
        function(summary)  # type: ignore[operator]  # it prints a summary

    return show


def test_a_plan_says_otherwise(faces: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text(json.dumps({"labels": []}))
    nothing = run(faces, CurationPlan.read(path))
    assert nothing.n_kept == 0
    assert nothing.dropped["no_usable_setting"] == 31
    only = run(faces, CurationPlan(labels=("kind",)))
    assert [each.label for each in only.labels] == ["kind"]


def test_photographs_keep_their_settings_and_get_the_label_beside_them(tmp_path: Path) -> None:
    made = Workspace.at(tmp_path)
    shots = [
        (Shot(f"{n}.jpg", jpeg(scene(n)), exif(n)), {"breed": ("pug", "husky")[n % 2]})
        for n in range(12)
    ]
    no_exif = (Shot("plain.jpg", jpeg(scene(50)), None), {"breed": "pug"})
    nothing = (Shot("none.jpg", jpeg(scene(51)), None), {"folder": "2019/trip"})
    trips = [(shot, {"folder": f"2020/trip {n}"}) for n, (shot, _) in enumerate(shots)]
    bring(made, [*shots, no_exif, nothing])
    bring(made, trips)
    result = run(made)
    assert result.dropped == {"no_usable_setting": 1}
    assert set(result.classes["setting"]) == {"f_number", "iso", "exposure_time", "breed"}
    release = publish_run(made, "dogs")
    assert "folder" not in release.index().column_names, "twelve trips are no classes"
    assert sum(release.manifest["class_counts"]["breed"]["train"].values()) > 0
    assert "and the labels breed" in (release.path / "README.md").read_text("utf-8")


def test_folders_that_are_too_many_for_classes_are_named_with_the_option_that_helps(
    tmp_path: Path,
) -> None:
    made = Workspace.at(tmp_path)
    shots = [Shot(f"{n}.jpg", jpeg(scene(n)), None) for n in range(24)]
    bring(made, [(shot, {"folder": f"{n % 3}/day {n}"}) for n, shot in enumerate(shots)])
    result = run(made)
    assert result.dropped == {"no_usable_setting": 24}
    assert (
        "label folder has 24 values, not 2 to 20, so it is no class and keeps no picture"
        in result.notes[0]
    )
    assert "--class-level N" in result.notes[0]


def labels(**columns: list[str | None]) -> pl.DataFrame:
    rows = [
        {"asset_sha256": str(n), "task": task, "value": value, "answers": 1}
        for task, values in columns.items()
        for n, value in enumerate(values)
        if value is not None
    ]
    return pl.DataFrame(rows)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["cat", "dog"] * 20, True),
        (["cat"] * 40, False),  # one value tells nothing apart
        ([f"photo {n}" for n in range(40)], False),  # free text
        ([f"photo {n}" for n in range(30)] + ["untitled"] * 10, False),  # mostly free text
        ([f"breed {n % 12}" for n in range(40)], True),
        ([str(n) for n in range(500)], False),  # a number for each picture
        ([str(n * 7919 % 100_003) for n in range(500)], True),  # a scale
        ([f"{n / 7:.4f}" for n in range(500)], True),  # scores
        ([str(n % 10) for n in range(40)], True),  # digits
        (["yes", None, None, "no"] * 10, True),
    ],
)
def test_what_is_a_class(values: list[str | None], expected: bool) -> None:
    assert is_class(pl.Series(values, dtype=pl.String)) is expected


def test_a_label_with_several_values_for_one_picture_is_left_out_with_its_reason() -> None:
    values = labels(kind=["a", "b"] * 20, tags=["x", "y"] * 20)
    values = values.with_columns(
        answers=pl.when(pl.col("task") == "tags").then(pl.lit(3)).otherwise(pl.lit(1))
    )
    selection = select_labels(values)
    assert (selection.classes, selection.columns) == (("kind",), ())
    assert selection.left_out == {"tags": "100% of its pictures have several values"}


def test_at_most_eight_labels_are_classes() -> None:
    selection = select_labels(labels(**{f"t{n:02}": ["a", "b"] * 10 for n in range(11)}))
    assert len(selection.classes) == 8
    assert selection.columns == ("t08", "t09", "t10")


def test_names_of_columns_are_plain_and_different() -> None:
    odd = ("Breed", "breed", "7", "图", "split", "Länge (cm)")
    assert list(column_names(odd).values()) == [
        *("breed", "breed_2", "label_7", "label", "label_split", "l_nge_cm"),
    ]


def test_plans_without_labels_have_the_hash_that_they_always_had() -> None:
    text = CurationPlan(find_labels=False).to_json()
    assert not {"label_columns", "label_classes", "label_tasks", "find_labels"} & set(
        json.loads(text)
    )
    assert CurationPlan.from_json(text) == CurationPlan(find_labels=False)
    assert CurationPlan.from_json(CurationPlan().to_json()) == CurationPlan()
