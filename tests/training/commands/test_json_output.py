"""`--json` of the commands of training: one document, or a line for each record where they stream."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import safelight
from catalog.commands.json_output import plain_json
from catalog.web.models.model_library import HeadFigure
from tests import factories
from tests.test_json_output import call, document, strict
from tests.training.conftest import Trained
from tests.training.evaluation.test_model_comparison import Saved
from training.commands.documents import comparison_document
from training.commands.monitor import follow_records
from training.evaluation.model_comparison import compare_models
from training.fit.run_log import RunLog


def test_the_leaderboard_has_scores_intervals_and_verdicts(trained: Trained) -> None:
    boards = document(trained.workspace.home, "train", "leaderboard")
    assert {board["task"] for board in boards} == {"iso", "f_number", "exposure_time"}
    entries = [entry for board in boards for entry in board["entries"]]
    assert trained.folder.name in {entry["model_id"] for entry in entries}
    for entry in entries:
        names = {field.name for field in dataclasses.fields(HeadFigure)}
        assert entry["figure"].keys() - names == {"split_policy"}, "as the HTTP API names them"
        assert isinstance(entry["figure"]["verdict"], str)
        assert entry["parameters"] > 0


def test_evaluate_gives_the_rows_of_metrics(trained: Trained) -> None:
    result = document(trained.workspace.home, "train", "evaluate", trained.folder.name)
    assert result["model_id"] == trained.folder.name
    assert result["difference"] < 1e-6
    assert sum(row["is_stored"] for row in result["metrics"]) == result["n_stored"]


def test_rank_names_pictures_with_their_scores(trained: Trained) -> None:
    words = ("train", "rank", trained.folder.name, "SELECT sha256 FROM assets LIMIT 4")
    ranking = document(trained.workspace.home, *words, "--by", "iso=low", "--most", "2")
    assert (ranking["task"], ranking["n_ranked"], len(ranking["pictures"])) == ("iso", 4, 2)
    scores = [each["score"] for each in ranking["pictures"]]
    assert scores == sorted(scores, reverse=True)


def test_predict_writes_a_line_for_each_answer_as_its_format_does(
    trained: Trained, tmp_path: Path
) -> None:
    (tmp_path / "a.jpg").write_bytes(factories.jpeg(size=(320, 240)))
    words = ("predict", trained.folder.name, tmp_path / "a.jpg")
    short, long = (
        call(trained.workspace.home, *words, *more) for more in (["--json"], ["--format", "json"])
    )
    assert short.exit_code == 0, short.stderr
    assert short.stdout == long.stdout
    assert {strict(line)["task"] for line in short.stdout.splitlines()} == {
        "iso", "f_number", "exposure_time",
    }  # fmt: skip


def test_monitor_writes_the_records_of_the_log_and_how_it_ended(trained: Trained) -> None:
    words = ("train", "monitor", trained.folder.name, "--json")
    lines = [strict(line) for line in call(trained.workspace.home, *words).stdout.splitlines()]
    epochs = [line["epoch"] for line in lines if line["event"] == "epoch"]
    assert epochs == [1, 2]
    assert lines[0]["time"].endswith("+00:00")
    assert lines[-1] == {"event": "end", "model_id": trained.folder.name, "is_finished": True}


def test_records_of_a_training_come_once_each_while_it_runs(tmp_path: Path) -> None:
    path = tmp_path / "model" / "log.jsonl"
    log = RunLog(path)
    log.write("epoch", {"epoch": 1})

    def wait(_seconds: float) -> None:
        log.write("epoch", {"epoch": 2})
        (path.parent / "config.json").write_text("{}")

    records = list(follow_records(path, once=False, wait=wait))
    assert [record.get("epoch") for record in records] == [1, 2, None]
    assert records[-1]["is_finished"] is True
    [_, _, once] = follow_records(path, once=True)
    assert once["event"] == "end"


def test_encoders_are_added_exported_and_removed_with_json(trained: Trained) -> None:
    home = trained.workspace.home
    exported = document(home, "models", "export", trained.folder.name)
    assert exported["quantised"] is None
    assert all(Path(file).is_file() for file in exported["files"])
    listed: list[dict[str, Any]] = document(home, "models", "list")
    assert [each["name"] for each in listed if each["is_built_in"]] == ["lite0"]


@pytest.mark.slow
def test_a_run_that_exists_is_described_as_it_was_when_it_was_trained(trained: Trained) -> None:
    words = ("train", "run", "exif", "--preset", "smoke", "--epochs", "2", "--dataset", "made")
    result = CliRunner().invoke(
        safelight.cli, ["--home", str(trained.workspace.home), *words, "--json"]
    )
    assert result.exit_code == 0, result.stderr
    found = strict(result.stdout)
    assert found["models"]["split"] == trained.folder.name
    assert set(found["existed"]) == {"split", "random_split"}
    assert {each["task"] for each in found["findings"]} == {"iso", "f_number", "exposure_time"}
    assert found["headline"] in Path(found["report"]).read_text("utf-8")
    assert json.dumps(found["findings"])


def test_a_comparison_names_heads_scores_and_differences() -> None:
    result = compare_models([Saved("first"), Saved("other", 0.1, 9.0)])
    compared = plain_json(comparison_document(result, Path("page.html")))
    assert (compared["models"], compared["page"]) == (["first", "other"], "page.html")
    first, other = (
        next(
            each for each in compared["heads"] if (each["model_id"], each["task"]) == (name, "age")
        )
        for name in ("first", "other")
    )
    assert first["lead"] is None
    assert other["lead"]["value"] > 0, "its error is larger"
    assert (other["higher_is_better"], other["lead"].keys()) == (False, first["model"].keys())


VARIED = "learning_rate=0.001,0.002"
SMOKE = ("--dataset", "made", "--preset", "smoke", "--epochs", "1")


@pytest.fixture
def copied(trained: Trained, tmp_path: Path) -> Path:
    """A workspace with the trained models, to which a test may add others."""
    return Path(shutil.copytree(trained.workspace.home, tmp_path / "home"))


@pytest.mark.slow
def test_studies_write_their_tables_and_where_the_files_lie(trained: Trained, copied: Path) -> None:
    compared = document(copied, "train", "benchmark", "exif", "--vary", VARIED, *SMOKE)
    assert len(compared["models"]) == 2
    assert sorted(compared["variations"].values()) == [
        ["learning_rate=0.001"],
        ["learning_rate=0.002"],
    ]
    sizes = document(copied, "train", "complexity", "exif", "--over", VARIED, *SMOKE)
    assert {point["model_id"] for point in sizes["points"]} == set(compared["models"])
    limits = document(
        copied, "train", "limits", trained.folder.name, "--edits", "crop", "--most", "4"
    )
    assert {row["kind"] for row in limits["figures"]} == {"unchanged", "crop"}
    for study, name in ((sizes, "points.parquet"), (limits, "limits.parquet")):
        assert Path(study["table"]).name == name
        assert Path(study["table"]).is_file()


@pytest.mark.slow
def test_a_search_writes_its_trials_the_best_first(copied: Path) -> None:
    pytest.importorskip("optuna", reason="needs optuna: pip install 'safelight[search]'")
    found = document(copied, "train", "search", "exif", "--over", VARIED, "--trials", "2", *SMOKE)
    losses = [trial["validation_loss"] for trial in found["trials"]]
    assert (found["n_new"], losses) == (2, sorted(losses))
    assert found["best_options"] == [f"learning_rate={found['trials'][0]['set_learning_rate']}"]
