"""Ask the tables from the command line: `catalog sql` and `catalog shell`."""

import io
import json
import os
import pty
import re
import select
import shlex
import signal
import subprocess
import sys
import threading
import time
from dataclasses import fields
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

import safelight
from catalog import UsageError, Workspace, open_catalog
from catalog.commands.run_query import typed
from catalog.commands.shell import Shell
from catalog.commands.shell_prompt import CompletionWords, SqlCompleter, is_whole, known_words
from catalog.errors import QuestionNotFoundError
from catalog.lake.saved import question, questions, save_question
from catalog.web.http.settings import ServeSettings
from tests.catalog.pictures import bring

ROOT = Path(__file__).parents[3]


@pytest.fixture
def filled(workspace: Workspace) -> Workspace:
    bring(workspace, range(5))
    with open_catalog(workspace) as catalog:
        catalog.commit()
    return workspace


def run(workspace: Workspace, *words: str, stdin: str | None = None) -> bytes:
    done = CliRunner().invoke(
        safelight.cli, ["--home", str(workspace.home), "catalog", *words], input=stdin
    )
    assert done.exception is None, done.exception
    return done.stdout_bytes


def test_sql_answers_in_every_format(filled: Workspace, tmp_path: Path) -> None:
    sql = "SELECT photo_id FROM photos WHERE photo_id < $last ORDER BY 1"
    words = ("sql", sql, "-p", "last=p2")
    assert run(filled, *words, "--format", "csv") == b"photo_id\np0\np1\n"
    assert json.loads(run(filled, *words, "--format", "json")) == [
        {"photo_id": "p0"},
        {"photo_id": "p1"},
    ]
    assert run(filled, "sql", "-", "--format", "csv", stdin="SELECT 7 AS n;") == b"n\n7\n"
    parquet = run(filled, *words, "--format", "parquet")
    assert pq.read_table(io.BytesIO(parquet)).to_pylist() == [
        {"photo_id": "p0"},
        {"photo_id": "p1"},
    ]
    run(filled, *words, "--format", "arrow", "--output", str(tmp_path / "rows.arrow"))
    with pa.OSFile(str(tmp_path / "rows.arrow")) as file:
        assert pa.ipc.open_file(file).read_all().num_rows == 2


def test_sql_asks_saved_questions_with_their_defaults(filled: Workspace) -> None:
    save_question(
        filled, "how-many", "How many?", "SELECT count(*) AS n FROM photos WHERE source = $source"
    )
    assert (
        run(filled, "sql", "--saved", "how-many", "-p", "source=test", "--format", "csv")
        == b"n\n5\n"
    )
    assert b"yield" not in run(filled, "sql", "--saved", "yield_by_source", "--format", "csv")
    with pytest.raises(UsageError, match="has no parameter nope; it has: source"):
        safelight.cli(
            ["--home", str(filled.home), "catalog", "sql", "--saved", "how-many", "-p", "nope=1"],
            standalone_mode=False,
        )
    with pytest.raises(QuestionNotFoundError, match="known: last_crawl"):
        question(filled, "nope")


def test_sql_runs_in_the_sandbox_when_asked_to(filled: Workspace) -> None:
    words = ("sql", "PIVOT photos ON source USING count(*) GROUP BY licence", "--sandbox")
    assert run(filled, *words, "--format", "csv") == b"licence,test\n,5\n"
    assert list((filled.lake / "frozen").iterdir()) == []


def test_parameters_that_make_no_sense_are_explained() -> None:
    assert typed(["n=1.5", 'text="1"', "list=[1, 2]"]) == {"n": 1.5, "text": "1", "list": [1, 2]}
    with pytest.raises(UsageError, match="is no name=value"):
        typed(["just-a-word"])


def test_a_question_saved_by_hand_needs_no_title(workspace: Workspace) -> None:
    (workspace.home / "queries").mkdir()
    (workspace.home / "queries" / "plain.sql").write_text("SELECT $a -- $b\n")
    found = questions(workspace)["plain"]
    assert (found.title, found.sql) == ("plain", "SELECT $a -- $b")
    assert [parameter.name for parameter in found.parameters] == ["a"]


def told(shell: Shell, *lines: str) -> str:
    return "\n".join(text for line in lines for text in shell.take(line))


def test_the_shell_runs_statements_of_several_lines(filled: Workspace) -> None:
    with Shell(filled) as shell:
        assert told(shell, "SELECT count(*) AS n", "FROM photos") == ""
        assert told(shell, "WHERE source = 'test';").splitlines()[:3] == ["n", "-", "5"]
        assert told(shell, "SELECT nope;").startswith("error: Binder Error")
        assert told(shell, ".mode json") == ""
        assert json.loads(told(shell, "SELECT 1 AS a;")) == [{"a": 1}]
        assert told(shell, "SELECT 2 AS b") == ""
        assert json.loads("\n".join(shell.finish())) == [{"b": 2}]


@pytest.mark.slow
def test_the_shell_knows_its_commands(filled: Workspace) -> None:
    with Shell(filled) as shell:
        assert "v_photos" in told(shell, ".tables")
        assert "aperture as N in f/N" in told(shell, ".schema exif")
        assert "crawl:a" in told(shell, ".snapshots")
        with open_catalog(filled) as catalog:
            newest = catalog.snapshot()
        assert told(
            shell, f".as-of {newest - 1}", ".mode csv", "SELECT count(*) AS n FROM photos;"
        ) == (f"reading snapshot {newest - 1}\nn\n0")
        assert told(shell, ".as-of newest") == f"reading snapshot {newest}"
        assert "licence_mix" in told(shell, ".saved")
        assert told(shell, ".saved licence_mix").startswith("source,licence")
        for wrong in (".nope", ".as-of x", ".mode xml", ".schema", ".schema nope", ".saved nope"):
            assert told(shell, wrong).startswith("error: "), wrong
        assert ".quit" in told(shell, ".help")
        assert not shell.ended
        told(shell, ".quit")
        assert shell.ended


def completed(words: CompletionWords, text: str) -> list[str]:
    found = SqlCompleter(words).get_completions(Document(text), CompleteEvent())
    return [completion.text for completion in found]


def test_the_shell_completes_names(filled: Workspace) -> None:
    words = known_words(filled)
    assert completed(words, "SELECT * FROM v_pho")[0] == "v_photos"
    assert "f_number" in completed(words, "SELECT exif.f_")
    assert {"count", "count_if"} <= set(completed(words, "SELECT cou"))
    assert completed(words, "SELEC") == ["SELECT"]
    assert completed(words, ".sch") == [".schema"]
    assert completed(words, ".schema ass") == ["assets"]
    assert completed(words, ".saved lic") == ["licence_mix"]
    assert completed(words, ".mode c") == ["csv"]
    assert is_whole("SELECT 1;")
    assert is_whole(".tables")
    assert not is_whole("SELECT 1")


def test_the_shell_works_in_a_pipe(filled: Workspace) -> None:
    typed_in = ".mode csv\nSELECT count(*) AS n\nFROM photos;\nSELECT 1 AS last"
    assert run(filled, "shell", stdin=typed_in) == b"n\n5\nlast\n1\n"


def test_the_shell_works_on_a_terminal(filled: Workspace) -> None:
    """One real terminal: what is typed is answered, and stands in the history of the workspace."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "safelight", "--home", str(filled.home), "catalog", "shell"],
        cwd=ROOT,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=dict(os.environ) | {"TERM": "xterm", "COLUMNS": "100", "LINES": "40"},
    )
    os.close(theirs)
    try:
        _until(ours, b"sql>")
        os.write(ours, b"SELECT 40 +\r2 AS answer;\r")
        answer = _until(ours, b"(1 row,")
        assert b"42" in answer
        if b"sql>" not in answer.partition(b"(1 row,")[2]:  # it may have come in the same piece
            _until(ours, b"sql>")  # before that the terminal takes Ctrl+D for a character
        os.write(ours, b"\x04")
        assert process.wait(20) == 0
    finally:
        process.kill()
        os.close(ours)
    assert "+2 AS answer;" in (filled.home / ".shell_history").read_text()


ENDLESS = "SELECT sum(hash(i)) FROM range(200000000000) t(i)"


def test_ctrl_c_stops_a_statement_and_not_the_shell(
    filled: Workspace,
) -> None:
    with Shell(filled) as shell:
        main = threading.get_ident()
        timer = threading.Timer(1.5, lambda: signal.pthread_kill(main, signal.SIGINT))
        timer.start()
        started = time.monotonic()
        assert list(shell.take(f"{ENDLESS};")) == ["interrupted"]
        assert time.monotonic() - started < 10
        assert "(1 row," in list(shell.take("SELECT count(*) FROM photos;"))[-1]


@pytest.mark.long
def test_ctrl_c_stops_the_command(filled: Workspace) -> None:
    command = [sys.executable, "-m", "safelight", "--home", str(filled.home), "catalog", "sql"]
    with subprocess.Popen([*command, ENDLESS], cwd=ROOT, stderr=subprocess.PIPE) as process:
        time.sleep(4)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=20)[1]
    assert (process.returncode, said.strip()) == (1, b"Aborted!")


def _until(terminal: int, wanted: bytes) -> bytes:
    """Read a terminal until it shows something; answers the questions that a terminal is asked."""
    shown, deadline = b"", time.monotonic() + 30
    while wanted not in shown and time.monotonic() < deadline:
        if not select.select([terminal], [], [], 1)[0]:
            continue
        shown += os.read(terminal, 4096)
        if shown.endswith(b"\x1b[6n"):
            os.write(terminal, b"\x1b[1;1R")
    assert wanted in shown, shown[-500:]
    return shown


PAGE = (ROOT / "docs" / "queries.md").read_text("utf-8")
EXAMPLES = re.findall(r"^safelight (catalog sql .*)$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_examples_of_the_page_run(
    filled: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, example: str
) -> None:
    monkeypatch.chdir(tmp_path)
    words = shlex.split(example.replace("--as-of 12", "--as-of 1"))
    run(filled, *words[1:])


def test_the_page_lists_every_setting_with_its_default() -> None:
    listed = dict(re.findall(r"^\| (`[a-z_`, ]+) \| ([^|]*) \|", PAGE, re.MULTILINE))
    told = {
        name.strip("` "): value.strip()
        for names, values in listed.items()
        for name, value in zip(names.split(","), (values or "").split(","), strict=True)
    }
    settings = {
        field.name: str(field.default).removesuffix(".0") or "none"
        for field in fields(ServeSettings)
    }
    assert told == settings
