"""Reports of runs with any heads: classes of any number, values, retrieval, and several of them in one run."""

import dataclasses
import hashlib
import html
import json
import re
from pathlib import Path

import polars as pl
import pytest

from catalog import TOO_FEW
from tests.report_layout import page_width, tables_wider_than_their_box
from tests.training import made_runs, saved_files
from tests.training.made_runs import (
    AGE,
    BREED,
    BREEDS,
    COPIES,
    DECADE,
    INDOORS,
    ISO,
    PRICE,
    SPECIES,
    MadeRun,
)
from training.commands.printing import summary
from training.recipes import RECIPES
from training.report import tables
from training.report.report import command, report_on, write_table
from training.report.saved_run import RunIncompleteError, SavedRun, read_run


@dataclasses.dataclass(frozen=True)
class Pages:
    """A saved run with its report and its panel, which a run without predictions does not have."""

    run: SavedRun
    report: str
    panel: str


def write(home: Path, made: MadeRun) -> Pages:
    release = made_runs.release(home / "release", made.heads, n=60)
    run = read_run(made_runs.saved_run(home, release.table, made), home / "models")
    report = report_on(run, release).read_text("utf-8")
    panel = run.folder / "panel.html"
    return Pages(run, report, panel.read_text("utf-8") if panel.is_file() else "")


def made_run(home: Path, made: MadeRun) -> SavedRun:
    """Save a run without pictures and read it."""
    index = made_runs.release(home / "release", made.heads, n=12).table
    return read_run(made_runs.saved_run(home, index, made), home / "models")


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Pages:
    heads = [ISO, BREED, AGE, SPECIES, COPIES]
    return write(tmp_path_factory.mktemp("mixed"), MadeRun(heads, parts=["face_only"]))


def text_of(page: str) -> str:
    """The words of a page without its marks."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def test_the_headline_and_one_sentence_for_each_head(mixed: Pages) -> None:
    text = text_of(mixed.report)
    where = "On photographers and cameras never seen in training"
    assert f"{where}, the model beats its best baseline for ISO, breed, age and species." in text
    assert "It finds more than EfficientNet-Lite0: 0.810 [0.790, 0.830] of the copies" in text
    assert (
        f"{where}, age: mean absolute error 6.3 [5.7, 6.9] years over 300 photos in 41 groups, below the "
        "error of the training median; best baseline (simple features) 8.7 [8.1, 9.2] years; so: better."
    ) in text
    assert (
        f"{where}, breed: 0.50 [0.46, 0.54] balanced accuracy over 300 photos in 41 groups, above chance; "
        "best baseline (metadata only) 0.38 [0.34, 0.42]; so: better."
    ) in text
    assert (
        f"{where}, copies: 0.810 [0.790, 0.830] recall at precision 0.9 over 1,200 queries" in text
    )


def test_the_table_gives_each_head_its_metric_beside_every_predictor(mixed: Pages) -> None:
    model = mixed.report.split('<tr class="model">')[1].split("</tr>", maxsplit=1)[0]
    assert re.findall(r"<b>([\d.]+)</b>", model)[::2] == ["0.63", "0.50", "6.3", "0.33", "0.810"]
    header = mixed.report.split('<table class="wide">')[1].split("</tr>")[0]
    assert "Age: mean absolute error, years" in header
    assert "Copies: recall at precision 0.9" in header
    rows = re.findall(r'<th class="nowrap">([^<]+)</th>', mixed.report.split('class="wide"')[1])
    assert rows[:8] == [
        "full model", "face only", "EfficientNet-Lite0", "PDQ", "simple features", "metadata only",
        "training median", "training prior",
    ]  # fmt: skip
    assert "RMSE 7.9, R² 0.68" in model


@pytest.mark.long
def test_a_report_has_the_sections_of_its_families_only(mixed: Pages, tmp_path: Path) -> None:
    everywhere = {"Model beside its baselines", "What the split does to the result", "Training"}
    classes = {"Which classes are confused", "Calibration", "Class balance"}
    values = {"Predicted against true values"}
    predicted = {"Is the information in the picture?", "Best and worst photographs", "Slices"}
    copies = {"Which copies are found"}
    expected = [
        (AGE, everywhere | values | predicted | {"Balance of the values"}),
        (COPIES, everywhere | copies),
    ]
    for head, sections in expected:
        page = write(tmp_path / head["name"], MadeRun([head], policies=["split"])).report
        titles = set(re.findall(r"<h2>([^<]+)</h2>", page)) - {"Repeat this run"}
        assert titles == sections
    titles = set(re.findall(r"<h2>([^<]+)</h2>", mixed.report)) - {"Repeat this run"}
    assert titles == everywhere | classes | values | predicted | copies


def test_class_names_are_escaped_everywhere(mixed: Pages) -> None:
    for page in (mixed.report, mixed.panel):
        assert "<b>bold" not in page
        assert "&lt;b&gt;bold&lt;/b&gt;" in page
        assert "cats &amp; dogs" in page
        assert "<script" not in page
    assert "either|or" in mixed.panel


def test_wide_tables_scroll_inside_their_box(mixed: Pages) -> None:
    tables_of_page = mixed.report.count("<table")
    assert tables_of_page > 8
    assert len(re.findall(r'<div class="scroll"><table', mixed.report)) == tables_of_page
    assert ".scroll { overflow-x: auto" in mixed.report


@pytest.mark.parametrize("window_px", [pytest.param(1280, marks=pytest.mark.long), 400])
def test_no_page_has_to_be_scrolled_sideways(mixed: Pages, window_px: int) -> None:
    for page in (mixed.report, mixed.panel):
        assert page_width(page, window_px) == window_px


@pytest.mark.long
def test_tables_of_three_heads_fit_their_boxes(tmp_path: Path) -> None:
    page = write(tmp_path, MadeRun([ISO, BREED, AGE], parts=["thumbnail_only"])).report
    assert tables_wider_than_their_box(page) == []


def test_of_many_classes_the_most_frequent_are_shown_and_the_others_counted(mixed: Pages) -> None:
    assert "Of more than 12 classes" in text_of(mixed.report)
    section = mixed.report.split("class shares of Species")[1].split("</table>")[0]
    names = re.findall(r"<tr><th>([^<]+)</th>", section.split("<tbody>")[1])
    assert len(names) == 14
    assert names[12:] == ["other (18)", "missing"]
    counts = [int(count) for count in re.findall(r"</th><td>(\d+)</td>", section)]
    assert sum(counts) == 20, "every training picture is in one line"


def test_balance_counts_the_labels_of_the_release_with_their_weights(mixed: Pages) -> None:
    section = mixed.report.split("class shares of Breed")[1].split("</table>")[0]
    index = pl.DataFrame(made_runs.release(mixed.run.folder / "r", mixed_heads(), n=60).table)
    train = index.filter(pl.col("split") == "train")
    for name in BREEDS:
        cells = section.split(html.escape(name))[1].split("</tr>")[0]
        rows = train.filter(pl.col("breed") == name)
        labelled = train.drop_nulls("breed")
        weighted = rows["weight"].sum() / labelled["weight"].sum()
        expected = [rows.height, round(100 * rows.height / labelled.height), round(100 * weighted)]
        assert [int(n) for n in re.findall(r">(\d+)(?: %)?</td>", cells)] == expected
    ages = mixed.report.split("distribution of the values of Age")[1].split("</table>")[0]
    assert f"{train['age'].max():.3g} years" in ages


def mixed_heads() -> list[made_runs.Row]:
    return [ISO, BREED, AGE, SPECIES, COPIES]


def test_labels_that_the_release_does_not_hold_are_counted_in_the_predictions(
    tmp_path: Path,
) -> None:
    made = MadeRun([BREED, AGE], policies=["split"])
    release = made_runs.release(tmp_path / "release", made.heads, n=30)
    run = read_run(made_runs.saved_run(tmp_path, release.table, made), tmp_path / "models")
    bare = saved_files.FolderRelease(release.folder, release.table.drop_columns(["breed", "age"]))
    page = report_on(run, bare).read_text("utf-8")
    assert "The release has no column of Breed, Age: there the test pictures are counted." in text_of(page)  # fmt: skip
    section = page.split("class shares of Breed")[1].split("</table>")[0]
    tested = run.main.predictions.filter(pl.col("task") == "breed").drop_nulls("target")
    counts = [int(count) for count in re.findall(r"</th><td>(\d+)</td>", section)]
    assert sum(counts[:-1]) == tested.height
    assert "weighted</th>" not in section.replace("unweighted</th>", "")


def test_the_panel_shows_rings_with_names_and_values_against_the_truth(mixed: Pages) -> None:
    tile = mixed.panel.split('<article class="tile"')[1].split("</article>")[0]
    rings = re.findall(r'<svg class="ring-chart".*?</svg>', tile)
    assert [re.findall(r'data-task="(\w+)"', ring)[0] for ring in rings] == ["iso", "breed", "species"]  # fmt: skip
    assert len(re.findall('class="sector"', rings[1])) == 5
    species = rings[2]
    assert len(re.findall('class="sector"', species)) == 6, "the five largest classes and the rest"
    shares = [float(n) for n in re.findall(r'data-probabilities="([^"]+)"', species)[0].split()]
    assert shares[:5] == sorted(shares[:5], reverse=True)
    assert sum(shares) == pytest.approx(1, abs=1e-3)
    assert "25 others" in tile
    (value,) = re.findall(r'<svg class="value-plot".*?</svg>', tile)
    assert re.search(r'data-value="[\d.]+" data-target="[\d.]+"', value)
    assert '<li class="true">' in tile
    assert "Bold: true class." in mixed.panel
    assert "Bar: 90 % interval; dot: prediction; line: true value" in mixed.panel
    assert re.search(r"loss \d\.\d\d", tile)


def test_a_run_of_values_ranks_by_error_and_marks_what_is_outside_the_interval(
    tmp_path: Path,
) -> None:
    pages = write(tmp_path, MadeRun([AGE], policies=["split"]))
    best, worst, outside, _ = (
        [float(n) for n in re.findall(r"off by ([\d.]+) years", section)]
        for section in pages.panel.split('<section class="view"')[1:]
    )
    assert best == sorted(best)
    assert worst == sorted(worst, reverse=True)
    assert best[-1] < worst[-1]
    rows = pages.run.main.predictions.drop_nulls("target_value")
    missed = rows.filter(~pl.col("target_value").is_between("low", "high"))
    assert len(outside) == min(5, missed.height)
    share = 1 - missed.height / rows.height
    assert f"{share * 100:.0f} % of {rows.height} true values are inside" in text_of(pages.report)


def test_a_head_without_a_baseline_is_named_and_none_of_its_figures_are_shown(
    tmp_path: Path,
) -> None:
    made = MadeRun([BREED, PRICE], policies=["split"], without_baseline=["price"])
    pages = write(tmp_path, made)
    text = text_of(pages.report)
    assert "No baseline was saved for Price, so its figures are not shown" in text
    figures = pages.run.main.metrics.filter(
        (pl.col("task") == "price") & (pl.col("metric") == "mae")
    )
    for value in figures["value"]:
        assert f"{value:,.0f}" not in text
        assert f"{value:.0f}" not in text
    assert "no baseline was saved, so no figure" in summary({"split": pages.run.main.folder})
    assert write_table(pages.run.folder).count("Price") == 0
    nothing = dataclasses.replace(made, heads=[PRICE])
    page = write(tmp_path / "alone", nothing).report
    assert "No head has both a model and a baseline figure" in page
    assert "Model beside its baselines" not in page


def test_fewer_than_ten_groups_give_no_verdict_for_any_family(tmp_path: Path) -> None:
    made = MadeRun([BREED, AGE, COPIES], policies=["split"], n_groups=9)
    run = made_run(tmp_path, made)
    rows = tables.conclusions(run)
    assert [one["finding"].verdict for one in rows["findings"]] == [TOO_FEW] * 3
    assert all("[" not in str(one["finding"].model) for one in rows["findings"])
    assert (
        f"rests on {TOO_FEW.removesuffix(' to tell')} to tell for breed and age" in rows["headline"]
    )
    assert f"{TOO_FEW} how sure that is" in rows["headline"]
    assert rows["information"] == [f"{name}: {TOO_FEW}." for name in ("Breed", "Age")]


def test_two_classes_have_their_chance_and_a_line_from_one_half(tmp_path: Path) -> None:
    pages = write(tmp_path, MadeRun([INDOORS, DECADE], policies=["split"]))
    text = text_of(pages.report)
    assert "balanced accuracy; chance 0.50" in text
    ring = re.findall(r'<svg class="ring-chart".*?</svg>', pages.panel)[0]
    assert re.findall(r'data-class="(\w+)"', ring) == ["outdoors", "indoors"]


def test_the_report_of_an_embedder_of_older_code_is_made_from_its_card(tmp_path: Path) -> None:
    made = MadeRun([COPIES], policies=["split"], recipe="copy_detection")
    release = made_runs.release(tmp_path / "release", made.heads, n=12)
    folder = made_runs.saved_run(tmp_path, release.table, made)
    model = tmp_path / "models" / "model-split"
    about = {"recipe": "copy_detection", "dataset": "photos", "version": "1.0.0"}
    about |= {"dataset_digest": "cd" * 32, "rows_judged": 77, "config": {"epochs": 2, "seed": 0}}
    card = {"name": "copy_detection", "candidate_cosine": 0.64, "about": about}
    (model / "model.json").write_text(json.dumps(card))
    (model / "config.json").unlink()
    (folder / "run.json").unlink()
    with pytest.raises(RunIncompleteError, match=r"run\.json is missing"):
        read_run(folder, tmp_path / "models")
    named = folder.rename(folder.with_name(run_id_of(model.name)))
    run = read_run(named, tmp_path / "models")
    assert [head.family for head in run.heads] == ["retrieval"]
    text = text_of(report_on(run, release).read_text("utf-8"))
    assert "It finds more than EfficientNet-Lite0" in text
    assert "1,200 edited copies of 77 test pictures" in text
    assert "cosine of at least 0.64" in text
    assert "with 1 edit 0.9 0.750 [0.730, 0.770]" in text
    assert not (named / "panel.html").exists()
    assert summary({"split": model}).splitlines()[3].split()[:3] == ["all", "0.9", "0.810"]


def run_id_of(model_id: str) -> str:
    """The name of the run folder that older code made for an embedder."""
    return hashlib.sha256(json.dumps({"split": model_id}).encode()).hexdigest()[:20]


def test_the_terminal_prints_one_table_for_each_family(tmp_path: Path) -> None:
    run = made_run(tmp_path, MadeRun([ISO, AGE, COPIES], policies=["split"]))
    classes, values, copies = summary({"split": run.main.folder}).split("\n\n")
    assert classes.splitlines()[0] == "balanced accuracy (accuracy: of the model)"
    assert values.splitlines()[0] == "mean absolute error, less is better (R²: of the model)"
    assert values.splitlines()[3].split()[:5] == ["split", "age", "(years)", "6.3", "[5.7,"]
    assert copies.startswith("recall of edited copies of held-out groups")


def test_the_markdown_has_one_table_for_each_family_and_escapes(tmp_path: Path) -> None:
    made = MadeRun([BREED | {"title": "a|b"}, AGE], policies=["split"])
    classes, values = write_table(made_run(tmp_path, made).folder).split("\n\n")
    assert "| a\\|b | **0.50 [0.46, 0.54]** |" in classes
    assert values.splitlines()[0].startswith(
        "| split | head | mean absolute error | best baseline |"
    )
    assert "**6.3 [5.7, 6.9] years**" in values
    assert len({line.replace("\\|", "").count("|") for line in classes.splitlines()}) == 1


def test_changes_of_layers_and_the_wait_for_data_are_shown(mixed: Pages) -> None:
    assert "How much each layer changed" in mixed.report
    assert "12 % of the time waiting for data" in text_of(mixed.report)


def test_a_label_is_part_of_the_command(tmp_path: Path) -> None:
    run = made_run(tmp_path, MadeRun([BREED], policies=["split"], recipe="exif"))
    config = dataclasses.asdict(RECIPES["exif"].presets["smoke"]) | {"label": "dog breed"}
    model = dataclasses.replace(run.main, config={**run.main.config, "config": config})
    again = dataclasses.replace(run, models={"split": model})
    assert "--preset smoke --label 'dog breed' --policies split" in command(again)


def test_class_shares_of_training_are_read_by_head(tmp_path: Path) -> None:
    model = made_run(tmp_path, MadeRun([BREED], policies=["split"])).main
    older = dataclasses.replace(model, config={"prior": {"breed": [0.2] * 5}, "rows_judged": 7})
    assert (older.calibrated("breed", "prior"), older.calibrated("x", "prior")) == ([0.2] * 5, None)
    assert older.calibrated("copies", "rows_judged") == 7
    config = {"calibration": {"breed": {"prior": [0.1] * 5}}}
    assert dataclasses.replace(model, config=config).calibrated("breed", "prior") == [0.1] * 5


def test_a_head_without_a_labelled_test_picture_is_named(tmp_path: Path) -> None:
    pages = write(tmp_path, MadeRun([BREED, AGE], policies=["split"]))
    metrics = pages.run.main.metrics.filter(pl.col("task") != "age")
    model = dataclasses.replace(pages.run.main, metrics=metrics)
    rows = tables.conclusions(dataclasses.replace(pages.run, models={"split": model}))
    assert (rows["untested"], rows["unmeasured"]) == (["Age"], [])


def test_a_saved_command_is_printed_as_it_is(tmp_path: Path) -> None:
    line = "safelight train run classify --dataset photos@1.0.0 --label breed"
    run = made_run(tmp_path, MadeRun([BREED], policies=["split"], more={"command": line}))
    assert command(run) == line
