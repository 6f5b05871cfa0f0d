"""`--json`: every command that reports something has it, and with it stdout is strict JSON and nothing else."""

import json
import math
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import click
import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from click.testing import CliRunner, Result

import safelight
from catalog import Workspace, emit_json, json_lines_option, json_option, writes_json
from catalog.commands.json_output import plain_json
from catalog.packs.assets import list_packs
from tests import factories
from tests.catalog.published import published
from tests.test_command import each_command

ROOT = Path(__file__).parents[1]
EXEMPT = {
    "catalog shell": "it is a dialogue; a statement for programs is `catalog sql --json`",
    "serve": "it serves until it is ended, and its API answers in JSON",
    "init": "it asks where, and prints what a person types next",
    "demo site": "it serves until it is ended; the first line is its address",
    "demo run": "it shows a person what each step of the pipeline prints",
}


def _leaves() -> dict[str, click.Command]:
    """Return every command that is not a group, by what is typed behind `safelight`."""
    contexts = each_command(safelight.cli, "safelight")
    leaves = [each for each in contexts if not isinstance(each.command, click.Group)]
    return {each.command_path.removeprefix("safelight "): each.command for each in leaves}


def _has_json(command: click.Command) -> bool:
    return any("--json" in parameter.opts for parameter in command.params)


def test_every_command_has_json_or_a_reason_not_to() -> None:
    leaves = _leaves()
    assert len(leaves) > 95
    without = {name for name, command in leaves.items() if not _has_json(command)}
    assert without == set(EXEMPT)


def test_no_command_has_json_twice() -> None:
    flags = [
        (name, sum("--json" in each.opts for each in command.params))
        for name, command in _leaves().items()
    ]
    assert not [name for name, n in flags if n > 1]


def strict(text: str) -> Any:
    """Read one document; NaN and infinities, which Python's reader takes, are refused."""

    def refuse(name: str) -> None:
        raise ValueError(f"{name} is not JSON")

    return json.loads(text, parse_constant=refuse)


def call(home: Path, *words: str | Path) -> Result:
    return CliRunner().invoke(safelight.cli, ["--home", str(home), "--quiet", *map(str, words)])


def document(home: Path, *words: str | Path) -> Any:
    """Run a command with --json; return its document."""
    result = call(home, *words, "--json")
    assert result.exit_code == 0, (result.stderr, result.exception)
    return strict(result.stdout)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three pictures and a file that is not one; a name is not UTF-8."""
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(3):
        (folder / f"写真 {number}.jpg").write_bytes(factories.jpeg(seed=number))
    (folder / "torn.jpg").write_bytes(b"\xff\xd8nothing")
    return folder


@pytest.fixture(scope="module")
def home(empty_home: Path, pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a crawl of `pictures` and a release of other pictures."""
    folder = tmp_path_factory.mktemp("json") / "home"
    shutil.copytree(empty_home, folder)
    published(Workspace.at(folder), count=8, size=500)
    summary = document(folder, "crawl", "run", "folder", pictures)
    counts = {name: summary[name] for name in ("status", "done", "failed", "errors")}
    assert counts == {"status": "finished", "done": 3, "failed": 1, "errors": {"not_an_image": 1}}
    assert summary["rows"]["photos"] == 3
    return folder


def _release(rows: list[dict[str, Any]]) -> Any:
    return [rows[0][name] for name in ("name", "version", "n_items", "revoked", "has_data")]


# What is typed, a value of the document, and what the text has in its place.
READING = [
    ("catalog tables", lambda d: {r["name"]: r["rows"] for r in d}["photos"], 11, r"photos +table +11 "),
    ("catalog describe", lambda d: d[0]["columns"][0]["name"], "crawl_id", r"crawls \(table\): "),
    ("catalog describe v_photos", lambda d: d["kind"], "view", r"v_photos \(view\): "),
    ("catalog snapshots", lambda d: d[0]["message"][:6], "crawl:", r"safelight +crawl:"),
    ("catalog commit", lambda d: d, {"rows": {}}, "nothing waits in the spool"),
    ("catalog verify --quick", lambda d: (d["ok"], d["rehashed"]), (True, False), "nothing wrong"),
    ("catalog maintain --dry-run", lambda d: d["tables"]["files_removed"], 0, "would be removed: 0"),
    ("catalog sql 'SELECT 1 AS x'", lambda d: d, [{"x": 1}], r"x\n-\n1"),
    ("crawl status", lambda d: d["crawls"][0]["counts"], {"done": 3, "failed": 1}, "3 done, 0 queued"),
    ("crawl plan folder PICTURES", lambda d: d["files"], 4, "4 files, "),
    ("crawl plan generated-faces --limit 9", lambda d: d["draws"], 9, "9 draws at most"),
    ("crawl retry --dry-run", lambda d: d[0]["error"], "not_an_image", "final/not_an_image\t1\ttorn.jpg"),
    ("crawl retry --where 'http_status = 1'", lambda d: d["retried"], 0, "nothing to try again"),
    ("crawl changes --since 1", lambda d: d["added"], 11, "since snapshot 1: 11 photos came"),
    ("crawl basis --history", lambda d: d, [], "nothing recorded yet"),
    ("crawl report", lambda d: Path(d["path"]).suffix, ".html", r"\.html$"),
    ("curate runs", lambda d: d, [], "no curation runs yet"),
    ("curate purge --older-than 9", lambda d: d["is_done"], False, "would delete 0 pictures"),
    ("dataset list", _release, ["cameras", "1.0.0", 8, None, True], r"cameras@1\.0\.0 +8 "),
    ("dataset show cameras", lambda d: d["splits"], {"test": 2, "train": 4, "validation": 2}, "cameras"),
    ("dataset verify cameras", lambda d: (d["ok"], d["problems"]), (True, []), "8 pictures, nothing wrong"),
    ("dataset diff cameras cameras", lambda d: d["same_content"], True, "cameras@1.0.0"),
    ("train recipes", lambda d: "exif" in [r["name"] for r in d], True, r"^exif +"),
    ("models list", lambda d: d[0]["name"], "lite0", "lite0: comes with Safelight"),
]  # fmt: skip


def _typed(words: str, pictures: Path) -> list[str]:
    import shlex

    return [str(pictures) if word == "PICTURES" else word for word in shlex.split(words)]


@pytest.mark.parametrize(("words", "read", "value", "text"), READING, ids=[r[0] for r in READING])
def test_a_command_writes_one_document_and_without_the_option_its_text(
    home: Path, pictures: Path, words: str, read: Any, value: object, text: str
) -> None:
    typed = _typed(words, pictures)
    as_json, as_text = call(home, *typed, "--json"), call(home, *typed)
    assert (as_json.exit_code, as_text.exit_code) == (0, 0), as_json.stderr
    assert read(strict(as_json.stdout)) == value
    assert as_json.stderr == as_text.stderr
    assert re.search(text, as_text.stdout, re.MULTILINE)
    assert as_text.stdout[0] not in "[{"


def test_verify_of_the_crawl_counts_what_it_read(home: Path) -> None:
    result = call(home, "crawl", "verify", "--json")  # the other pictures have no crawl
    assert strict(result.stdout)["ok"] is (result.exit_code == 0)


@pytest.mark.long
def test_commands_that_change_something_say_what(
    workspace: Workspace, pictures: Path, tmp_path: Path
) -> None:
    home, lock = workspace.home, tmp_path / "safelight.lock"
    published(workspace, count=8, size=500)
    blocked = document(home, "crawl", "block", "photo", "a" * 32, "--reason", "r")
    assert blocked == {"kind": "photo", "value": "a" * 32, "is_blocked": True, "photos": 0}
    assert not document(home, "crawl", "unblock", "photo", "a" * 32, "--reason", "r")["is_blocked"]
    [first, *_] = document(home, "catalog", "sql", "SELECT sha256 FROM assets ORDER BY ALL")
    decision = document(home, "curate", "decide", first["sha256"], "drop", "--reason", "r")
    assert decision["assets"] == [first["sha256"]]
    assert datetime.fromisoformat(decision["decided_at"]).utcoffset() == timedelta(0)
    undone = document(home, "curate", "undo", decision["decision_id"])
    assert undone == {"undone": decision["decision_id"], "holds": False}

    locked = document(home, "dataset", "lock", "cameras", "--lock-file", lock)
    assert [each["name"] for each in locked["locked"]] == ["cameras"]
    assert document(home, "dataset", "unlock", "cameras", "--lock-file", lock)["unlocked"]
    key = document(home, "dataset", "keygen", tmp_path / "key")["private_key"]
    signed = document(home, "dataset", "sign", "cameras", "--key", key)
    assert Path(signed["signature"]).is_file()
    renewed = document(home, "dataset", "card", "cameras")
    assert (renewed["name"], renewed["n_items"], renewed["bytes"] > 4000) == ("cameras", 8, True)
    exported = document(
        home, "dataset", "export", "cameras", "--format", "imagefolder", "--to", tmp_path / "out"
    )
    assert sum(exported["splits"].values()) == 8
    other = tmp_path / "other"
    pulled = document(
        other, "dataset", "pull", "cameras@1.0.0",
        "--from", workspace.releases, "--lock-file", lock,
    )  # fmt: skip
    assert [each["version"] for each in pulled["releases"]] == ["1.0.0"]
    again = document(other, "dataset", "pull", "--locked", "--lock-file", lock)
    assert [each["fetched_bytes"] for each in again["releases"]] == [0]
    revoked = document(home, "dataset", "revoke", "cameras@1.0.0", "--reason", "wrong")
    assert (revoked["reason"], revoked["successor"]) == ("wrong", None)

    backup = document(home, "catalog", "backup", tmp_path / "backup")
    restored = document(tmp_path / "restored", "catalog", "restore", tmp_path / "backup")
    assert (backup["files"], restored["files"]) == (restored["files"], backup["files_copied"])
    searched = document(
        home, "catalog", "takedown", "--sha256", first["sha256"], "--reason", "r", "--dry-run"
    )
    assert searched["matches"]["assets"] == [first["sha256"]]
    done = document(
        home, "catalog", "takedown", "--sha256", first["sha256"], "--reason", "r", "--yes"
    )
    assert (done["rows_removed"]["assets"], Path(done["proof"]).is_file()) == (1, True)
    assert "words" not in done, "they name people"


@pytest.mark.slow
def test_a_curation_run_is_described_from_its_counts_to_its_release(
    workspace: Workspace, tmp_path: Path
) -> None:
    home, folder = workspace.home, tmp_path / "photos"
    for number in range(6):
        path = folder / f"trip {number % 3}" / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(factories.jpeg(size=(320, 240), seed=number, iso=100 << number))
    document(home, "crawl", "run", "folder", folder)
    run = document(home, "curate", "run")
    assert (run["is_new"], run["n_input"]) == (True, 6)
    assert run["n_kept"] + sum(run["dropped"].values()) == 6
    assert {row["split"] for row in run["classes"]} <= {"train", "validation", "test"}
    assert [audit["policy"] for audit in run["audits"]][:1] == ["split"]
    again = document(home, "curate", "run")
    assert (again["run_id"], again["is_new"]) == (run["run_id"], False)
    [listed] = document(home, "curate", "runs")
    assert (listed["run_id"], listed["is_current"]) == (run["run_id"], True)
    queues = {
        each["queue"]: each["waiting"] for each in document(home, "curate", "review")["queues"]
    }
    assert "duplicates" in queues
    assert Path(document(home, "curate", "report")["path"]).is_file()
    release = document(home, "dataset", "publish", "mine")
    assert (release["n_items"], release["is_new"]) == (run["n_kept"], True)
    assert not document(home, "dataset", "publish", "mine")["is_new"]


def test_an_error_leaves_stdout_empty_and_its_exit_code_as_it_is(
    workspace: Workspace, capfd: pytest.CaptureFixture[str]
) -> None:
    for words, code in (
        (["dataset", "show", "nothing", "--json"], 1),
        (["catalog", "tables", "--json", "--nonsense"], 2),
    ):
        with pytest.raises(SystemExit) as stopped:
            safelight.main(["--home", str(workspace.home), *words])
        out, err = capfd.readouterr()
        assert (stopped.value.code, out) == (code, "")
        assert re.search("^[eE]rror: ", err, re.MULTILINE)


def test_a_check_that_fails_writes_its_document_and_then_the_error(
    workspace: Workspace, capfd: pytest.CaptureFixture[str]
) -> None:
    published(workspace, count=4, size=500)
    [pack] = list(workspace.home.rglob(list_packs(workspace)[0]))
    pack.unlink()
    with pytest.raises(SystemExit) as stopped:
        safelight.main(["--home", str(workspace.home), "-q", "catalog", "verify", "--json"])
    out, err = capfd.readouterr()
    found = strict(out)
    assert (stopped.value.code, found["ok"]) == (1, False)
    assert found["problems"]
    assert err.startswith(f"error: {len(found['problems'])} problem")
    assert err.count("\n") == 1


@click.command()
@json_option
def noisy() -> None:
    """Print, emit, print."""
    print("a library prints")  # noqa: T201 - that is the test
    click.echo("next: something")
    if not emit_json(
        {
            "share": math.nan,
            "path": Path(b"p\xff.jpg".decode("utf-8", "surrogateescape")),
            "名": "写真",
        }
    ):
        click.echo("text")


def test_what_is_printed_beside_the_document_goes_to_stderr() -> None:
    result = CliRunner().invoke(noisy, ["--json"])
    assert strict(result.stdout) == {"share": None, "path": "p\udcff.jpg", "名": "写真"}
    assert "写真" in result.stdout, "readable as it is"
    assert result.stderr == "a library prints\nnext: something\n"
    plain = CliRunner().invoke(noisy, [])
    assert (plain.stdout, plain.stderr) == ("a library prints\nnext: something\ntext\n", "")
    assert not writes_json(), "there is no command here"


def test_a_stream_is_one_object_a_line() -> None:
    @click.command()
    @json_lines_option
    def stream() -> None:
        """Emit two."""
        for number in range(2):
            emit_json({"n": number, "text": "two\nlines"})

    lines = CliRunner().invoke(stream, ["--json"]).stdout.splitlines()
    assert [strict(line)["n"] for line in lines] == [0, 1]
    assert "one object a line" in CliRunner().invoke(stream, ["--help"]).stdout


def test_values_become_what_json_has() -> None:
    lisbon = timezone(timedelta(hours=1))
    values = {
        "zone": datetime(2026, 7, 1, 12, tzinfo=lisbon),
        "naive": datetime(2026, 7, 1, 12),  # noqa: DTZ001 - of a table, where all are UTC
        "utc": datetime(2026, 7, 1, 12, tzinfo=UTC),
        "day": date(2026, 7, 1),
        "frame": pl.DataFrame({"x": [1.5, math.inf]}),
        "table": pa.table({"x": [1]}),
        "numbers": [np.int64(3), np.float32(math.nan), np.bool_(True), *np.arange(2)],
        "set": {3, 1},
        "lazy": (each for each in "ab"),
        7: None,
    }
    assert plain_json(values) == {
        "zone": "2026-07-01T11:00:00+00:00",
        "naive": "2026-07-01T12:00:00+00:00",
        "utc": "2026-07-01T12:00:00+00:00",
        "day": "2026-07-01",
        "frame": [{"x": 1.5}, {"x": None}],
        "table": [{"x": 1}],
        "numbers": [3, None, True, 0, 1],
        "set": [1, 3],
        "lazy": ["a", "b"],
        "7": None,
    }
    with pytest.raises(TypeError, match="bytes has no form in JSON"):
        plain_json({"raw": b"\0"})


def test_sql_writes_no_nan(home: Path) -> None:
    [row] = document(home, "catalog", "sql", "SELECT 'nan'::DOUBLE AS x, [1.0, 'inf'::DOUBLE] AS y")
    assert row == {"x": None, "y": [1.0, None]}


def _examples(kind: str) -> Iterator[str]:
    page = (ROOT / "docs" / "reference" / "command-line.md").read_text("utf-8")
    blocks: Sequence[tuple[str, str]] = re.findall(
        r"^```(\w*)\n(.*?)^```", page, re.DOTALL | re.MULTILINE
    )
    return (text for name, text in blocks if name == kind)


def _run(program: list[str], home: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run an example with `safelight` as a command of the shell, in an empty folder."""
    command = folder / "safelight"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m safelight "$@"\n')
    command.chmod(0o755)
    environment = {
        "PATH": f"{folder}:/usr/bin:/bin",
        "PYTHONPATH": str(ROOT),
        "SAFELIGHT_HOME": str(home),
    }
    return subprocess.run(
        program, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.skipif(shutil.which("jq") is None, reason="needs jq")
def test_the_examples_with_jq_run(home: Path, tmp_path: Path) -> None:
    examples = [each for each in _examples("bash") if "jq" in each]
    assert len(examples) >= 2
    shown = [_run(["bash", "-eo", "pipefail", "-c", each], home, tmp_path) for each in examples]
    assert [each.returncode for each in shown] == [0] * len(shown), [s.stderr for s in shown]
    assert [each.stdout for each in shown] == ["cameras@1.0.0 8\n", "not_an_image 1\n"]


def test_the_example_in_python_runs(home: Path, tmp_path: Path) -> None:
    [example] = _examples("python")
    shown = _run([sys.executable, "-P", "-c", example], home, tmp_path)
    assert shown.stdout == "11 photos\n", shown.stderr
