"""The report: answers that follow from the figures, everything in one file, nothing left unescaped."""

import dataclasses
import hashlib
import re
import shutil
from io import BytesIO
from pathlib import Path

import polars as pl
import pytest

from catalog import Workspace, open_catalog, publish, rows, write_segment
from tests.report_layout import tables_wider_than_their_box
from tests.training import saved_files
from training.evaluation.saved_head import setting_head
from training.recipes import RECIPES
from training.report.report import command, report_on, write_report, write_table
from training.report.saved_run import RunIncompleteError, SavedRun, read_run
from training.report.tables import flatten, leaks

ISO = setting_head("iso")


def test_the_leak_table_says_what_is_unknown() -> None:
    facts = {"photographers_in_train_and_test": 0, "test_pictures_of_a_trained_photographer": 0}
    facts |= {"cameras_in_train_and_test": 1, "test_pictures_of_a_trained_camera": 4}
    audit = leaks(
        {"split": {**facts, "photographers_known_share": 0.0, "cameras_known_share": 0.5}}
    )
    assert dict(audit["rows"]) == {
        "photographers in train and test": ["unknown"],
        "test pictures of a trained photographer": ["unknown"],
        "cameras in train and test": ["1, known of 50 %"],
        "test pictures of a trained camera": ["4, known of 50 %"],
    }


def test_facts_are_listed_flat_and_missing_ones_as_a_dash() -> None:
    facts = {"a": {"b_c": [1, 2]}, "d": float("nan"), "e": None, "f": True}
    assert flatten(facts) == [("a: b c", "[1, 2]"), ("d", "-"), ("e", "-"), ("f", "true")]


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> saved_files.FolderRelease:
    return saved_files.release(tmp_path_factory.mktemp("release"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, release: saved_files.FolderRelease) -> SavedRun:
    home = tmp_path_factory.mktemp("home")
    return read_run(saved_files.saved_run(home, release.table), home / "models")


@pytest.fixture(scope="module")
def page(run: SavedRun, release: saved_files.FolderRelease) -> str:
    return report_on(run, release).read_text()


def test_the_report_answers_first_and_shows_both_splits_side_by_side(page: str) -> None:
    assert "cannot be told from the best baseline for aperture, ISO and exposure time" in page
    model = page.split('<tr class="model">')[1].split("</tr>", maxsplit=1)[0]
    assert re.findall(r"<b>([\d.]+)</b>", model) == ["0.55", "0.62", "0.36", "0.43", "0.45", "0.52"]
    assert "accuracy 0.65 / 0.70" in model
    assert "On photographers and cameras never seen in training" in page
    assert "Lead over it -0.02 [-0.07, +0.03]" in page
    assert "300 photos, 41 groups" in page
    for heading in ("What the split does", "Leak audit", "Is the information in the picture?", "Best and worst",
                    "Calibration", "Slices", "Class balance", "Training", "Repeat this run"):  # fmt: skip
        assert heading in page


def test_whether_the_information_is_in_the_picture_is_answered_by_rows_with_intervals(
    run: SavedRun, release: saved_files.FolderRelease
) -> None:
    metrics = run.main.metrics
    scene = metrics.filter(pl.col("predictor") == "thumbnail_only")
    metrics = pl.concat([metrics, scene.with_columns(predictor=pl.lit("scene_only"))])
    ranks = metrics.filter(pl.col("metric") == "balanced_accuracy")
    metrics = pl.concat([metrics, ranks.with_columns(metric=pl.lit("spearman"))])
    model = dataclasses.replace(run.main, metrics=metrics)
    page = report_on(dataclasses.replace(run, models={"split": model}), release).read_text()
    section = page.split("Is the information in the picture?</h2>")[1].split("<h2>")[0]
    found = re.findall(r'<tr[^>]*><th class="nowrap">([^<]*)</th>(.*?)</tr>', section)
    rows = dict(reversed(found))  # the table of parts stands before the leads
    parts = ("32-px scene only", "thumbnail only", "native patches only")
    assert {"full model", *parts, "majority class", "training prior"} <= rows.keys()
    interval = r"\[[+-]?\d\.\d\d, [+-]?\d\.\d\d\]"
    for name in ("full model", *parts):
        assert len(re.findall(interval, rows[name])) >= 3, name  # one for each head


def test_the_leak_audit_says_what_it_counts(
    page: str, run: SavedRun, release: saved_files.FolderRelease
) -> None:
    n = len(release.index()) - run.facts["rows_excluded"]
    audit = page.split("<h3>Leak audit</h3>")[1].split("<table>", maxsplit=1)[0]
    assert f"among the {n} pictures of the release that may be\ntrained on" in audit
    assert "also what validation shares with train or test" in audit


def test_no_table_of_the_report_is_wider_than_its_box(page: str) -> None:
    assert tables_wider_than_their_box(page) == []


def test_the_report_stands_alone_and_escapes(page: str) -> None:
    assert "<script" not in page
    assert "nikon &lt;d90&gt;" in page
    assert "nikon <d90>" not in page
    sources = re.findall(r'src="([^"]{5})', page)
    assert len(sources) == 15
    assert set(sources) == {"data:"}


def test_links_are_relative_and_lead_to_files(page: str, run: SavedRun) -> None:
    links = re.findall(r'href="([^"#]+)"', page)
    assert "../../../models/model-split/metrics.parquet" in links
    assert all((run.folder / link).is_file() for link in links)
    assert str(run.folder) not in page


def test_class_shares_follow_the_weights(page: str, release: saved_files.FolderRelease) -> None:
    index = pl.DataFrame(release.table).filter(
        (pl.col("split") == "train") & (pl.col("iso_bin") == 0)
    )
    labelled = pl.DataFrame(release.table).filter(
        (pl.col("split") == "train") & pl.col("iso_bin").is_not_null()
    )
    share = index["weight"].sum() / labelled["weight"].sum()
    row = page.split("up to ISO 200</small></th>", maxsplit=1)[1].split("</tr>", maxsplit=1)[0]
    numbers = re.findall(r">(\d+)(?: %)?</td>", row)
    assert [int(number) for number in numbers] == [
        index.height,
        round(100 * index.height / labelled.height),
        round(100 * share),
    ]


def test_what_older_code_did_not_save_has_no_section(page: str) -> None:
    assert "How much each layer changed" not in page
    assert "waiting for data" not in page
    assert "Predicted against true values" not in page
    assert "Which copies are found" not in page


def test_reproduction_names_command_and_digest(page: str) -> None:
    assert "safelight train run exif --dataset photos@1.0.0" in page
    assert "ab" * 32 in page


def test_the_command_names_the_preset_that_fits(run: SavedRun) -> None:
    smoke = dataclasses.asdict(RECIPES["exif"].presets["smoke"])
    cases = [
        (smoke, "--preset smoke"),
        (smoke | {"epochs": 3, "seed": 5}, "--preset smoke --epochs 3 --seed 5"),
        (
            smoke | {"width": 999, "fused": False},
            "--preset smoke --set fused=false --set width=999",
        ),
        (smoke | {"of_a_newer_version": 1}, ""),
    ]
    for config, options in cases:
        model = dataclasses.replace(run.main, config={"config": config})
        alone = dataclasses.replace(run, models={"split": model})
        expected = f"safelight train run exif --dataset photos@1.0.0 {options} --policies split"
        assert command(alone) == expected.replace("  ", " ")


@pytest.mark.slow
def test_one_policy_and_one_head_make_a_report_and_making_it_again_changes_nothing(
    tmp_path: Path, release: saved_files.FolderRelease
) -> None:
    folder = saved_files.saved_run(tmp_path, release.table, ("random_split",))
    whole = read_run(folder, tmp_path / "models")
    iso = whole.main.predictions.filter(pl.col("task") == "iso")
    run = dataclasses.replace(
        whole,
        facts={**whole.facts, "leak_audit": {"shared": 3}},
        models={"random_split": dataclasses.replace(whole.main, predictions=iso)},
    )
    page = report_on(run, release).read_text()
    assert report_on(run, release).read_text() == page
    assert "Only one split policy was trained" in page
    assert "On a random split, where groups are cut" in page
    assert "<th>shared</th><td>3</td>" in page


def test_the_table_has_one_row_per_split_and_head(run: SavedRun) -> None:
    lines = write_table(run.folder).splitlines()
    assert len(lines) == 2 + 6
    assert (
        "| groups kept apart | ISO | **0.36 [0.31, 0.41]** | 0.38 [0.33, 0.43] (metadata only) |"
        in lines[3]
    )
    assert len({line.count("|") for line in lines}) == 1


def test_an_unfinished_run_is_named(tmp_path: Path, run: SavedRun) -> None:
    home = tmp_path / "home"
    shutil.copytree(run.folder.parents[2], home)
    (home / "models" / "model-split" / "history.parquet").unlink()
    with pytest.raises(RunIncompleteError, match=r"model-split/history\.parquet is missing"):
        read_run(home / "reports" / "training" / "run1", home / "models")


@pytest.mark.slow
def test_a_report_finds_its_published_release(
    tmp_path: Path,
) -> None:
    workspace = Workspace.at(tmp_path)
    items, images = [], []
    for row in saved_files.release(tmp_path / "made", n=24).table.to_pylist():
        out = BytesIO()
        saved_files.picture(int(row["sha256"], 16)).save(out, "JPEG")
        row["asset_sha256"] = hashlib.sha256(out.getvalue()).hexdigest()
        images.append((row["asset_sha256"], out.getvalue()))
        places = ("sha256", "shard", "offset", "length")
        items.append({name: value for name, value in row.items() if name not in places})
    assets = rows(
        "assets", [{"sha256": sha, "bytes": len(body), "format": "JPEG"} for sha, body in images]
    )
    write_segment(workspace, {"assets": assets}, job="crawl:test", images=images)
    with open_catalog(workspace) as catalog:
        catalog.commit()
    release = publish(workspace, "photos", rows("curated_items", items), plan={}, run_id="r")
    folder = saved_files.saved_run(tmp_path, release.index(), ("random_split",))
    assert write_report(folder, workspace) == folder / "report.html"
    assert (folder / "panel.html").read_text().count('<svg class="ring-chart"') >= 3 * 8
