"""`train monitor` follows a log while it grows and reads it afterwards."""

import json
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from catalog import MissingPartError, Workspace
from tests.training.conftest import Trained
from training.commands import tensorboard
from training.commands.monitor import find_log, follow
from training.commands.monitor_page import PageWriter
from training.commands.tensorboard import TAGS, EventWriter
from training.commands.train import train
from training.errors import NoTrainingError
from training.fit.run_log import RunLog, read_log


def epoch(number: int, validation: float) -> dict[str, float]:
    return {
        "epoch": number, "epochs": 3, "train_loss": 1.0 / number, "validation_loss": validation,
        "learning_rate": 1e-3, "examples_per_s": 120.0, "wait_share": 0.25, "seconds": 2.0,
    }  # fmt: skip


def step(number: int, epoch_: int) -> dict[str, float]:
    return {
        "epoch": epoch_, "epochs": 3, "step": number, "steps": 40, "loss": 0.9, "eta_s": 65.0,
        "learning_rate": 1e-3, "examples_per_s": 118.0, "wait_share": 0.2,
    }  # fmt: skip


def test_a_finished_training_is_shown_with_its_epochs(trained: Trained) -> None:
    arguments = ["monitor", trained.folder.name[:8], "--home", str(trained.workspace.home)]
    result = CliRunner().invoke(train, arguments, catch_exceptions=False)
    lines = result.output.splitlines()
    assert lines[0].split()[:3] == ["epoch", "loss", "validation"]
    assert [line.split()[0] for line in lines[2:4]] == ["1/2", "2/2"]
    assert lines[-1] == f"model {trained.folder.name} is finished"
    losses = [
        row["train_loss"]
        for row in read_log(trained.folder / "log.jsonl")
        if row["event"] == "epoch"
    ]
    assert [line.split()[1] for line in lines[2:4]] == [f"{loss:.4f}" for loss in losses]


def test_new_epochs_appear_as_they_end_and_each_once(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "model" / "log.jsonl")
    log.write("epoch", epoch(1, 1.2))

    def wait(_seconds: float) -> None:
        done = len(read_log(tmp_path / "model" / "log.jsonl"))
        log.write("epoch", epoch(done + 1, 1.1 + 0.2 * (done == 2)))
        if done == 2:
            (tmp_path / "model" / "config.json").write_text("{}")

    lines = list(follow(tmp_path / "model" / "log.jsonl", once=False, wait=wait))
    assert [line.split()[0] for line in lines[2:-1]] == ["1/3", "2/3", "3/3"]
    assert [("*" in line) for line in lines[2:-1]] == [True, True, False]
    assert lines[-1] == "model model is finished"


def test_a_resumed_epoch_counts_once_and_half_a_line_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "model" / "log.jsonl"
    log = RunLog(path)
    for record in (epoch(1, 1.2), epoch(2, 1.1), epoch(2, 1.0)):
        log.write("epoch", record)
    log.write("step", step(7, 3))
    with path.open("a") as file:
        file.write('{"event": "ep')
    lines = list(follow(path, once=True))
    assert [line.split()[0] for line in lines[2:4]] == ["1/3", "2/3"]
    assert "1.0000" in lines[3]
    assert "epoch 3/3, step 7/40, loss 0.9000, 118 images/s, 65 s left" in lines[-1]
    assert "stopped" not in lines[-1]


def test_a_training_without_news_is_called_stopped(tmp_path: Path) -> None:
    path = tmp_path / "model" / "log.jsonl"
    RunLog(path)
    path.write_text(json.dumps({"event": "step", "time": time.time() - 600, **step(7, 1)}) + "\n")
    [line] = follow(path, once=True)
    assert "it has stopped, the same command continues it" in line


def test_steps_are_logged_once_a_second_at_most(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "log.jsonl")
    assert log.is_due()
    log.write("step", step(1, 1))
    assert not log.is_due()


def test_without_a_training_it_says_how_to_begin_one(workspace: Workspace) -> None:
    with pytest.raises(NoTrainingError, match=r"no training yet; .*train run RECIPE"):
        find_log(workspace, "")
    with pytest.raises(NoTrainingError, match="of a model 'abc'"):
        find_log(workspace, "abc")


def test_tensorboard_gets_each_record_once(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    path = tmp_path / "models" / "model" / "log.jsonl"
    log = RunLog(path)
    log.write("epoch", epoch(1, 1.2))

    def wait(_seconds: float) -> None:
        log.write("step", step(5, 2))
        log.write("epoch", epoch(2, 1.1))
        (path.parent / "config.json").write_text("{}")

    writer = EventWriter(tmp_path / "events" / "model")
    list(follow(path, once=False, wait=wait, also=writer.write))
    events = EventAccumulator(str(tmp_path / "events" / "model"))
    events.Reload()
    assert set(events.Tags()["scalars"]) == {*TAGS.values(), "loss/step"}
    losses = [(each.step, each.value) for each in events.Scalars("loss/validation")]
    assert losses == [(1, pytest.approx(1.2)), (2, pytest.approx(1.1))]
    assert [(each.step, each.value) for each in events.Scalars("loss/step")] == [
        (45, pytest.approx(0.9))
    ]


def test_without_the_part_its_command_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tensorboard, "find_spec", lambda _: None)
    with pytest.raises(MissingPartError, match=r"safelight\[tensorboard\]"):
        EventWriter(tmp_path)


def test_the_page_shows_a_running_training_and_stops_reloading_when_it_is_finished(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "models" / "abc123"
    log = RunLog(folder / "log.jsonl")
    (folder / "checkpoints" / "epoch-0002").mkdir(parents=True)
    for record in (epoch(1, 1.2), epoch(2, float("nan")), epoch(3, 0.8)):
        log.write("epoch", record)
    log.write("step", step(7, 4))
    writer = PageWriter(folder / "log.jsonl")
    writer.write(read_log(folder / "log.jsonl"))
    html = writer.path.read_text("utf-8")
    assert 'http-equiv="refresh"' in html
    for text in ("running", "4 of 3, step 7 of 40", "1 min 5 s", "20% of the time", "epoch-0002"):
        assert text in html
    assert html.count("<circle") == 5  # one validation loss is no number
    (folder / "config.json").write_text("{}")
    writer.write(read_log(folder / "log.jsonl"))
    html = writer.path.read_text("utf-8")
    assert "finished" in html
    assert "refresh" not in html


def test_monitor_writes_the_page_beside_the_log(trained: Trained) -> None:
    words = ["monitor", trained.folder.name, "--page", "--home", str(trained.workspace.home)]
    result = CliRunner().invoke(train, words, catch_exceptions=False)
    assert f"page: {trained.folder / 'monitor.html'}" in result.output
    page = trained.folder / "monitor.html"
    try:
        assert "2 of 2 is done" in page.read_text("utf-8")
    finally:
        page.unlink()  # other tests look at what a training leaves
