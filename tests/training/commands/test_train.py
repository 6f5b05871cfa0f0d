from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner, Result

from catalog import TOO_FEW
from tests.training.conftest import Trained
from tests.training.made_release import make_item
from training.commands.printing import table
from training.commands.train import train
from training.copies.report import table as copies_table
from training.copies.report import verdict
from training.evaluation.findings import best_baseline_finding
from training.evaluation.verdicts import headline
from training.export.onnx_export import _figures


def call(trained: Trained, *arguments: str) -> Result:
    return CliRunner().invoke(train, [*arguments, "--home", str(trained.workspace.home)])


def test_recipes_are_listed_with_one_line_each() -> None:
    result = CliRunner().invoke(train, ["recipes"])
    assert result.exit_code == 0
    assert result.output.startswith("exif ")
    assert [line.split()[0] for line in result.output.splitlines()] == ["exif", "copy_detection"]


@pytest.mark.slow
def test_a_repeated_run_says_that_nothing_is_left_to_do(trained: Trained) -> None:
    result = call(trained, "run", "exif", "--preset", "smoke", "--epochs", "2", "--dataset", "made")
    assert result.exit_code == 0, result.output
    assert f"split: model {trained.folder.name} exists, nothing to train" in result.output
    assert "balanced accuracy" in result.output
    report = Path(result.output.splitlines()[-1].removeprefix("report: "))
    lead = report.read_text("utf-8").partition('<p class="lead">')[2].partition("</p>")[0]
    assert lead in result.output, "the command line says what the report says"


def test_unknown_policies_are_refused(trained: Trained) -> None:
    result = call(trained, "run", "exif", "--policies", "split,lucky")
    assert "takes split and random_split" in str(result.exception)


def test_evaluate_says_that_the_figures_are_the_stored_ones(trained: Trained) -> None:
    result = call(trained, "evaluate", trained.folder.name)
    assert result.exit_code == 0, result.output
    stored = pl.read_parquet(trained.folder / "metrics.parquet")
    assert f"{len(stored)} figures, equal to the stored ones" in result.output


def test_predict_prints_three_probabilities_a_setting(trained: Trained, tmp_path: Path) -> None:
    path = tmp_path / "picture.jpg"
    path.write_bytes(make_item(1)[1])
    result = call(trained, "predict", trained.folder.name, str(path))
    lines = result.output.splitlines()
    assert lines[0] == str(path)
    assert [line.split()[0] for line in lines[1:]] == ["f_number", "iso", "exposure_time"]


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
    judged = best_baseline_finding(found, "split", "iso")
    assert judged
    assert (judged.verdict == TOO_FEW) != is_told
    assert ("[" in f"{judged.model}{judged.baseline}") == is_told
    assert (TOO_FEW in headline([judged], "Here")) != is_told


def test_embedder_tables_and_model_cards_keep_to_the_same_rule() -> None:
    rows = [
        {"slice": "all", "predictor": name, "metric": f"recall_at_precision_{precision}"}
        | {"value": 0.5, "low": 0.45, "high": 0.55, "n": 90, "n_groups": 2}
        for name in ("model", "efficientnet_lite0", "pdq")
        for precision in (0.9, 0.99)
    ]
    assert not [cell for line in copies_table(rows) for cell in line if "[" in cell]
    assert TOO_FEW in verdict(rows)
    card = _figures(["iso"], metrics_over(2).to_dicts())
    assert "| 0.500 |" in card
