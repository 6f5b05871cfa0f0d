"""Tables of the command line: as wide as the terminal, whole in a pipe."""

import os
import pty
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import example, given, strategies as st

from catalog import Workspace
from catalog.commands.printing import render
from catalog.commands.text_table import aligned, display_width, shortened
from tests.catalog.pictures import bring

ROOT = Path(__file__).parents[3]
NAME = "a_very_long_folder_of_holidays/IMG_20240102_0001.jpg"


def lines(*rows: list[str], header: list[str], **options: object) -> list[str]:
    return list(aligned(header, rows, **options))  # type: ignore[arg-type]  # options as given


def test_numbers_stand_on_the_right_and_are_never_cut() -> None:
    shown = lines(["12345678901", NAME], ["7", "b"], header=["n", "name"], width=30, numbers=["n"])
    assert shown[0] == "          n  name"
    assert shown[2].startswith("12345678901  a_very")
    assert shown[3] == "          7  b"


def test_a_long_name_keeps_both_of_its_ends() -> None:
    shown = lines([NAME, "x"], header=["file", "kind"], width=30)
    assert len(shown) == 3, "one line a row: nothing is wrapped"
    name = shown[2].split()[0]
    assert name.startswith("a_very")
    assert name.endswith("001.jpg")
    assert "…" in name
    assert max(map(len, shown)) <= 30


def test_short_columns_keep_their_width_when_a_long_one_is_cut() -> None:
    shown = lines([NAME, "all of this", NAME], header=["a", "b", "c"], width=60)
    assert "all of this" in shown[2]
    assert shown[2].count("…") == 2


def test_prose_is_wrapped_and_loses_no_word() -> None:
    prose = "the shutter time that the camera wrote, in seconds, or nothing where it wrote none"
    shown = lines([NAME, prose], header=["name", "meaning"], width=40, prose=["meaning"])
    assert max(map(len, shown)) <= 40
    words = [word for line in shown[2:] for word in line.split() if "…" not in word]
    assert words == prose.split()


def test_columns_that_do_not_fit_are_left_out_and_counted() -> None:
    header = [f"column_{i}" for i in range(30)]
    shown = lines([f"value_{i} of many" for i in range(30)], header=header, width=80)
    assert max(map(display_width, shown)) <= 80
    assert shown[0].startswith("column_0")
    assert shown[0].endswith("column_29") or "29" in shown[0].rpartition(" ")[2]
    n = sum(name.startswith("col") for name in shown[0].split())
    assert shown[-1] == f"({n} of 30 columns fit this terminal; the format vertical shows all)"


def test_without_a_terminal_all_is_there() -> None:
    header = [f"column_{i}" for i in range(30)]
    shown = lines([NAME] * 30, header=header)
    assert shown[2].count(NAME) == 30
    assert len(shown) == 3


TEXTS = st.text(alphabet="ab /写真é\u0301|", max_size=40)


@example([["aa写写写", "", "", "\u0301\u0301 aaa\u0301写写写"]], 21)
@given(st.lists(st.lists(TEXTS, min_size=4, max_size=4), max_size=4), st.integers(20, 90))
def test_no_line_is_wider_than_the_terminal(rows: list[list[str]], width: int) -> None:
    header = ["name", "a_long_name_of_a_column", "n", "meaning"]
    shown = lines(*rows, header=header, width=width, prose=["meaning"])
    said = shown[:-1] if "fit this terminal" in shown[-1] else shown
    assert max(map(display_width, said)) <= width


@given(TEXTS, st.integers(1, 50))
def test_a_cut_text_fits(text: str, width: int) -> None:
    cut = shortened(text, width)
    assert display_width(cut) <= width
    assert cut == text or "…" in cut


def test_markdown_escapes_its_own_signs_and_right_aligns_numbers() -> None:
    rows = pa.table({"name": ["a|b\nc", None], "n": pa.array([1, 2], pa.int64())})
    assert render(rows, "markdown").splitlines() == [
        "| name | n |",
        "| --- | ---: |",
        "| a\\|b c | 1 |",
        "|  | 2 |",
    ]


def test_vertical_shows_each_value_whole() -> None:
    rows = pa.table({"name": [NAME * 9, "写真"], "price": [Decimal("1.50"), None]})
    assert render(rows, "vertical", width=20).splitlines() == [
        "-- row 1",
        f"name   {NAME * 9}",
        "price  1.50",
        "-- row 2",
        "name   写真",
        "price",
    ]


@pytest.mark.parametrize("style", ["table", "markdown", "vertical", "csv"])
def test_columns_of_one_name_are_both_shown(style: str) -> None:
    rows = pa.table([pa.array(["first"]), pa.array(["second"])], names=["a", "a"])
    shown = render(rows, style)
    assert "first" in shown
    assert "second" in shown


@pytest.mark.parametrize("style", ["table", "markdown", "vertical", "csv", "json"])
def test_a_result_without_rows_has_a_shape(style: str) -> None:
    render(pa.table({"a": pa.array([], pa.int64())}), style, width=20)


def test_a_terminal_gets_its_own_width(workspace: Workspace) -> None:
    bring(workspace, range(2))
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "safelight", "--home", str(workspace.home), "catalog", "sql"]
    sql = f"SELECT *, '{NAME}' AS file, 3 AS n FROM photos"
    environment = os.environ | {"COLUMNS": "70"}
    with subprocess.Popen([*command, sql], cwd=ROOT, stdout=theirs, env=environment):
        os.close(theirs)
        shown = b""
        while piece := _read(ours):
            shown += piece
    os.close(ours)
    text = shown.decode().splitlines()
    assert "columns fit this terminal" in text[-1]
    assert max(map(display_width, text)) <= 70


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # the other end is closed: all is read
        return b""
