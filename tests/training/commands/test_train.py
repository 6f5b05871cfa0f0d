import csv
import io
import json
import logging
import re
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner, Result

from catalog import TOO_FEW, show_progress
from tests.display import ListDisplay
from tests.training.conftest import Trained
from tests.training.made_release import make_item
from training.commands.printing import summary, table
from training.commands.train import train
from training.data.photo_settings import CLASSES, class_ranges
from training.evaluation.findings import best_baseline_finding
from training.evaluation.saved_head import setting_head
from training.evaluation.verdicts import headline
from training.export.model_card import _scores
from training.recipes import RECIPES


def call(trained: Trained, *arguments: str) -> Result:
    return CliRunner().invoke(train, [*arguments, "--home", str(trained.workspace.home)])


def test_recipes_are_listed_with_one_line_each() -> None:
    result = CliRunner().invoke(train, ["recipes"])
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.output.splitlines()] == sorted(RECIPES)
    assert {"exif", "copy_detection"} <= set(RECIPES)
    assert all("smoke" in line for line in result.output.splitlines())


@pytest.mark.slow
def test_a_repeated_run_says_that_nothing_is_left_to_do(trained: Trained) -> None:
    words = ("run", "exif", "--preset", "smoke", "--epochs", "2", "--dataset", "made")
    display = ListDisplay()
    with show_progress(display):
        result = call(trained, *words)
    assert result.exit_code == 0, result.output
    assert display.around["report"] == ("train exif",), "the training ends with its report"
    assert logging.getLogger("training").level == logging.NOTSET, "log lines come with -v only"
    assert f"split: model {trained.folder.name} exists, nothing to train" in result.output
    assert "balanced accuracy" in result.output
    report = Path(result.output.splitlines()[-1].removeprefix("report: "))
    lead = report.read_text("utf-8").partition('<p class="lead">')[2].partition("</p>")[0]
    assert lead in result.output, "the command line says what the report says"


def test_unknown_policies_are_refused(trained: Trained) -> None:
    result = call(trained, "run", "exif", "--policies", "split,lucky")
    assert "takes split and random_split" in str(result.exception)


LEARNING = (
    ("run",),
    ("search", "--over", "hidden=4,8"),
    ("complexity", "--over", "hidden=4,8"),
    ("benchmark", "--vary", "hidden=4,8"),
)


@pytest.mark.parametrize("words", LEARNING)
def test_every_command_that_trains_a_recipe_takes_a_label_or_says_who_does(
    trained: Trained, words: tuple[str, ...]
) -> None:
    command, *others = words
    named = call(trained, command, "classify", *others, "--label", "breed", "--preset", "smoke")
    assert "there is no label 'breed'" in str(named.exception), named.output
    fixed = call(trained, command, "faces", *others, "--label", "age", "--preset", "smoke")
    assert "faces always learns the same labels" in str(fixed.exception), fixed.output
    assert "these take one: classify, " in str(fixed.exception)


def test_evaluate_says_that_the_figures_are_the_stored_ones(trained: Trained) -> None:
    result = call(trained, "evaluate", trained.folder.name)
    assert result.exit_code == 0, result.output
    stored = pl.read_parquet(trained.folder / "metrics.parquet")
    assert f"{len(stored)} figures, equal to the stored ones" in result.output


@pytest.fixture
def pictures(tmp_path: Path) -> tuple[str, str]:
    """Two files; the name of the second holds what CSV must quote."""
    paths = tmp_path / "picture.jpg", tmp_path / 'a, "b" 写真.jpg'
    for number, path in enumerate(paths, 1):
        path.write_bytes(make_item(number)[1])
    return str(paths[0]), str(paths[1])


def test_predict_shows_people_ranges_and_shares(
    trained: Trained, pictures: tuple[str, str]
) -> None:
    lines = call(trained, "predict", trained.folder.name, *pictures).output.splitlines()
    assert lines[0].split() == ["file", "setting", "most", "probable", "low", "medium", "high"]
    assert len(lines) == 2 + 2 * 3
    assert all(line.startswith(pictures[0]) for line in lines[2:5])
    assert all(line.endswith(" %") for line in lines[2:])
    bins = json.loads((trained.folder / "config.json").read_text("utf-8"))["bins"]
    assert any(text in lines[4] for text in class_ranges(bins, "exposure_time"))
    assert re.search(r"1/\d+ s|\d s", lines[4]), "an exposure time is no decimal fraction"


def test_predict_gives_programs_the_same_rows_as_json_lines_and_csv(
    trained: Trained, pictures: tuple[str, str]
) -> None:
    words = ("predict", trained.folder.name, *pictures, "--format")
    objects = [json.loads(line) for line in call(trained, *words, "json").output.splitlines()]
    keys = ["file", "model_id", "task", "predicted", "low", "medium", "high"]
    assert [list(each) for each in objects] == [keys] * 6
    assert [each["file"] for each in objects] == [pictures[0]] * 3 + [pictures[1]] * 3
    assert {each["model_id"] for each in objects} == {trained.folder.name}
    rows = list(csv.DictReader(io.StringIO(call(trained, *words, "csv").output)))
    assert [{k: str(v) for k, v in each.items()} for each in objects] == rows
    for each in objects:
        shares = {name: each[name] for name in ("low", "medium", "high")}
        assert sum(shares.values()) == pytest.approx(1)
        assert shares[each["predicted"]] == max(shares.values())


@pytest.mark.parametrize("style", ["table", "json", "csv"])
def test_predict_goes_on_after_a_file_that_is_no_picture(
    trained: Trained, pictures: tuple[str, str], tmp_path: Path, style: str
) -> None:
    (tmp_path / "page.jpg").write_bytes(b"<html>")
    words = (pictures[0], str(tmp_path / "page.jpg"), pictures[1])
    result = call(trained, "predict", trained.folder.name, *words, "--format", style)
    assert f"{tmp_path / 'page.jpg'} cannot be decoded" in result.stderr
    assert "1 of 3 files cannot be decoded" in str(result.exception)
    assert result.stdout.count("picture.jpg") == 3
    assert "写真" in result.stdout
    assert "html" not in result.stdout


def metrics_over(n_groups: int) -> pl.DataFrame:
    """Figures of a model and a baseline that rest on so many groups, with the intervals that are stored."""
    names = ("model", "majority")
    return pl.DataFrame(
        {
            "split": "split:test", "task": "iso", "slice": "all", "metric": "balanced_accuracy",
            "predictor": name, "value": 0.5, "low": 0.45, "high": 0.55, "n": 90, "n_groups": n_groups,
        }
        for name in names
    )  # fmt: skip


@pytest.mark.parametrize(("n_groups", "is_told"), [(2, False), (9, False), (10, True)])
def test_the_command_line_shows_an_interval_only_where_the_report_judges(
    n_groups: int, *, is_told: bool
) -> None:
    found = metrics_over(n_groups)
    text = table({"split": found})
    assert ("[0.450, 0.550]" in text) == is_told
    assert (TOO_FEW in text) != is_told
    judged = best_baseline_finding(found, "split", setting_head("iso"))
    assert judged
    assert (judged.verdict == TOO_FEW) != is_told
    assert ("[" in f"{judged.model}{judged.baseline}") == is_told
    assert (TOO_FEW in headline([judged], "Here")) != is_told


def test_tables_of_figures_have_their_counts_on_the_right() -> None:
    found = metrics_over(9)
    narrow = found.with_columns(split=pl.lit("random_split:test"), n=pl.lit(12345))
    lines = table({"split": found, "random_split": narrow}).splitlines()
    texts = {1: "pictures", 3: " 90", 4: "12345"}
    assert len({lines[n].index(text) + len(text) for n, text in texts.items()}) == 1


def test_models_of_sounds_count_sounds(tmp_path: Path) -> None:
    metrics_over(12).write_parquet(tmp_path / "metrics.parquet")
    heads = [
        {
            "name": "iso",
            "kind": "ordinal",
            "family": "classes",
            "title": "ISO",
            "classes": list(CLASSES),
        }
    ]
    for kind, things in (("log_mel", "sounds"), ("whole_picture", "pictures")):
        facts = {"heads": heads, "view": {"kind": kind}}
        (tmp_path / "config.json").write_text(json.dumps(facts), "utf-8")
        header = summary({"split": tmp_path}).splitlines()[1].split()
        assert header[-2:] == [things, "groups"]


def test_model_cards_keep_to_the_same_rule() -> None:
    heads = [{"name": "iso", "metric": "balanced_accuracy"}]
    few, enough = ("\n".join(_scores(heads, metrics_over(n).to_dicts())) for n in (9, 10))
    assert "| 0.500 |" in few
    assert "| 0.500 [0.450, 0.550] |" in enough
