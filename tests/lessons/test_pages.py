"""Every lesson runs from top to bottom, exercises included, draws its plots, holds its claims and stands in the index.

Both are in one file, so that with several workers each page runs once.
"""

import ast
import csv
import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import matplotlib.cbook
import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression, LogisticRegression

import safelight
from tests.lessons.conftest import Lesson
from tests.lessons.pages import LESSONS, PAGES, blocks, page

Names = Callable[..., dict[str, Any]]


def lesson_parameter(path: Path) -> Any:
    """Mark the lesson that starts commands, which takes longer than the eleven others together."""
    marks = [pytest.mark.slow] if path.stem.startswith("12") else []
    return pytest.param(path, id=path.stem, marks=marks)


@pytest.mark.parametrize("path", [lesson_parameter(path) for path in PAGES])
def test_a_lesson_runs_small_and_draws_its_plots(path: Path, small_lesson: Lesson) -> None:
    _, folder = small_lesson(int(path.stem[:2]))
    drawn = {file.name for file in folder.glob("*.png")}
    assert drawn == set(re.findall(r'save(?:fig)?\(\s*"([\w.-]+\.png)"', path.read_text("utf-8")))
    assert len(drawn) >= 1
    assert all(name.startswith(path.stem[:3]) for name in drawn)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_lesson_says_what_it_teaches_and_checks_its_answers(path: Path) -> None:
    text = path.read_text("utf-8")
    assert text.startswith(f"# {int(path.stem[:2])}. ")
    assert "**You learn**" in text
    assert "**Time:**" in text
    assert "**What to see.**" in text
    exercises = text.split("## Exercises")[1]
    answers = re.findall(
        r"<details>\n<summary>Answer</summary>\n(.*?)</details>", exercises, re.DOTALL
    )
    assert len(answers) == len(re.findall(r"^\*\*\d\.\*\*", exercises, re.MULTILINE)) >= 2
    assert all("assert" in answer for answer in answers)


def test_the_index_names_every_lesson_once_and_links_lead_somewhere() -> None:
    index = (LESSONS / "index.md").read_text("utf-8")
    rows = re.findall(r"^\| \d+ \| \[[^\]]+\]\(([\w-]+\.md)\)", index, re.MULTILINE)
    assert rows == [path.name for path in PAGES]
    for path in [LESSONS / "index.md", *PAGES]:
        prose = re.sub(r"```.*?```", "", path.read_text("utf-8"), flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)#:\s]+)\)", prose):
            assert (path.parent / target).exists(), f"{path.name}: {target}"


def test_a_lesson_opens_as_a_notebook_with_every_block_in_a_cell() -> None:
    jupytext = pytest.importorskip(
        "jupytext", reason="needs jupytext: pip install 'safelight[course]'"
    )
    for path in PAGES:
        notebook = jupytext.read(path)
        cells = [cell.source.strip() for cell in notebook.cells if cell.cell_type == "code"]
        assert cells == [block.strip() for block in blocks(path)]
    assert "nbformat" in sys.modules


def check_weights(names: dict[str, Any]) -> None:
    """Compare both ways of lesson 2 with scikit-learn's answer."""
    peer = LinearRegression(fit_intercept=False).fit(names["train"], names["train_target"])
    assert np.abs(names["closed_form"] - peer.coef_).max() < 1e-3
    assert np.abs(names["weights"] - peer.coef_).max() < 1e-3


def test_weights_of_linear_regression_equal_the_closed_form(small_lesson: Lesson) -> None:
    names, _ = small_lesson(2)
    check_weights(names)
    assert names["cut"] == len(names["train"])
    on_test = {name: error[names["cut"] :].mean() for name, error in names["errors"].items()}
    assert on_test["yesterday's price"] < on_test["mean of training"]


def test_real_prices_by_one_variable(names_of: Names, tmp_path: Path) -> None:
    """Three shares of the table that matplotlib brings with it; lines with missing prices are left out."""
    with Path(matplotlib.cbook.get_sample_data("Stocks.csv", asfileobj=False)).open() as file:
        lines = [line for line in csv.reader(file) if line and not line[0].startswith("#")]
    rows = [[line[i] for i in (0, 3, 1, 2)] for line in lines]  # Date, MSFT, IBM, AAPL
    with (tmp_path / "prices.csv").open("w", newline="") as file:
        csv.writer(file).writerows([*rows, ["2030-01-01", "1", "", "2"]])
    names = names_of(2, LESSON="small", PRICES=str(tmp_path / "prices.csv"))
    assert names["names"] == ["MSFT", "IBM", "AAPL"]
    assert np.isfinite(names["prices"]).all()
    check_weights(names)


@pytest.mark.parametrize("digits", [(0, 1), (3, 8)])
def test_gradients_of_logistic_regression_equal_numeric_ones(
    small_lesson: Lesson, digits: tuple[int, int]
) -> None:
    names, _ = small_lesson(3)
    rows, labels, *_ = names["two_digits"](*digits)
    weights = np.random.default_rng(9).normal(0, 0.3, rows.shape[1])
    numeric = names["numeric_gradient"](lambda w: names["loss"](w, rows, labels), weights)
    assert np.allclose(names["gradient"](weights, rows, labels), numeric, atol=1e-7)


def test_losses_of_numpy_and_torch_are_equal(small_lesson: Lesson) -> None:
    names, _ = small_lesson(4)
    assert len(names["losses"]) == len(names["torch_losses"]) == 100
    assert np.abs(np.subtract(names["losses"], names["torch_losses"])).max() < 1e-4
    peer = LogisticRegression(C=1e6, max_iter=60).fit(names["train"], names["train_labels"])
    logits = torch.from_numpy(names["train"] @ peer.coef_.T + peer.intercept_)
    loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(names["train_labels"])).item()
    weights = np.vstack([peer.coef_.T[:-1], peer.coef_.T[-1:] + peer.intercept_])
    own = names["loss"](weights, names["train"], names["train_labels"])
    assert own == pytest.approx(loss, abs=1e-4)


def test_slopes_of_activations_equal_numeric_ones(small_lesson: Lesson) -> None:
    names, _ = small_lesson(5)
    assert set(names["activations"]) == {"sigmoid", "tanh", "lecun_tanh", "relu", "selu"}
    z = np.random.default_rng(4).normal(0, 2, 500)
    for function, slope in names["activations"].values():
        assert np.allclose((function(z + 1e-6) - function(z - 1e-6)) / 2e-6, slope(z), atol=1e-6)


def test_only_matching_initialisers_keep_the_spread_of_selu(small_lesson: Lesson) -> None:
    spread = small_lesson(6)[0]["spread"]
    kept = spread["selu", "lecun normal"]
    assert kept.min() > 0.5
    assert kept.max() < 2
    assert spread["selu", "plain normal"].max() > 2
    assert len(spread) == 5 * 7
    assert all(len(layers) == 20 for layers in spread.values())


def test_no_speaker_is_on_both_sides_and_a_tone_is_at_its_frequency(small_lesson: Lesson) -> None:
    names, _ = small_lesson(10)
    for speaker in np.unique(names["speakers"]):
        assert len(np.unique(names["by_speaker"][names["speakers"] == speaker])) == 1
    assert names["right_random"].mean() > 0.6
    tone = np.sin(2 * np.pi * 1000 * np.arange(2000) / 8000)
    assert names["spectrogram"](tone).mean(axis=1).argmax() == 1000 * 256 // 8000


def test_series_says_when_nothing_beats_the_price_of_yesterday(
    names_of: Names, small_lesson: Lesson, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names, _ = small_lesson(11)
    assert names["verdicts"]["walk"] == []
    assert "linear" in names["verdicts"]["memory"]
    capsys.readouterr()
    with Path(matplotlib.cbook.get_sample_data("goog.npz", asfileobj=False)).open("rb") as file:
        days = np.load(file)["price_data"]
    lines = [f"{day['date']},{day['adj_close']}" for day in days]
    (tmp_path / "share.csv").write_text("\n".join(["Date,share", *lines, "2026-01-01,", ""]))
    real = names_of(11, LESSON="small", PRICES=str(tmp_path / "share.csv"))
    assert len(real["series"]["share"]) == len(days)
    verdict = real["verdicts"]["share"]
    assert ("nothing beats yesterday's price" in capsys.readouterr().out) == (verdict == [])


def test_a_forecast_knows_only_the_past(small_lesson: Lesson) -> None:
    names, _ = small_lesson(11)
    inputs, targets = names["examples"](names["made_series"](300, 0.4, 7))
    before = names["walk_forward"](names["linear"], inputs, targets)
    changed = targets.copy()
    changed[200:] = 1.0  # the future: forecasts up to there may not know it
    after = names["walk_forward"](names["linear"], inputs, changed)
    assert np.array_equal(before[: 200 - len(targets) // 2], after[: 200 - len(targets) // 2])


def commands_of_scaling_up() -> list[list[str]]:
    """Read the words behind `safelight` of every command that lesson 12 runs or shows."""
    shown = re.findall(
        r"^(?:safelight|torchrun .*-m safelight) (--home .+)$",
        page(12).read_text("utf-8"),
        re.MULTILINE,
    )
    calls = [
        node
        for block in blocks(page(12))
        for node in ast.walk(ast.parse(block))
        if isinstance(node, ast.Call)
    ]
    run = [
        [word.value for word in call.args if isinstance(word, ast.Constant)]
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id == "command"
    ]
    return [shlex.split(line)[2:] for line in shown] + run


def test_every_command_and_option_of_scaling_up_exists() -> None:
    words_of_commands = commands_of_scaling_up()
    assert len(words_of_commands) >= 8
    for words in words_of_commands:
        command: click.Command = safelight.cli
        for word in words:
            if isinstance(command, click.Group):
                next_command = command.get_command(click.Context(command), word)
                assert next_command, words
                command = next_command
            elif word.startswith("--"):
                assert word in {flag for option in command.params for flag in option.opts}, words


@pytest.mark.slow
def test_scaling_up_trains_on_the_release_it_made(small_lesson: Lesson) -> None:
    names, folder = small_lesson(12)
    assert names["difference"] < 1e-4
    assert names["row"]["model_id"] == names["model"]
    assert (folder / "lesson-12" / "releases" / "digits" / "1.0.0" / "manifest.json").exists()
