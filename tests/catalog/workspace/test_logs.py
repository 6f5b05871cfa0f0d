"""Logs carry the id of their run and never a secret."""

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog import Workspace
from catalog.workspace.logs import JsonLines, TextLines, redacted, start_logging

ROOT = Path(__file__).resolve().parents[3]
KEY = "k3y-0f-a-t3st"


def record(message: str, *values: object, **extra: object) -> logging.LogRecord:
    return logging.getLogger("here").makeRecord(
        "here", logging.INFO, "file.py", 1, message, values, None, extra=extra
    )


@pytest.fixture
def root_logger() -> Iterator[logging.Logger]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield root
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"https://a.org/p?client_id={KEY}&w=1", "https://a.org/p?client_id=***&w=1"),
        (f"{{'Authorization': 'Client-ID {KEY}'}}", "{'Authorization': 'Client-ID ***'}"),
        (f"{{b'Authorization': [b'Client-ID {KEY}']}}", "{b'Authorization': [b'Client-ID ***']}"),
        (f"authorization: {KEY}", "authorization: ***"),
        (f"Authorization: Bearer {KEY}", "Authorization: Bearer ***"),
        ("ftp and https://me:pass@a.org/x", "ftp and https://a.org/x"),
        ("nothing to hide, page=2", "nothing to hide, page=2"),
    ],
)
def test_secrets_are_taken_out_wherever_they_stand(text: str, left: str) -> None:
    assert redacted(text, {}) == left
    assert redacted(left, {}) == left


def test_the_keys_of_the_environment_are_never_written() -> None:
    environment = {
        "SAFELIGHT_UNSPLASH_KEY": KEY,
        "SAFELIGHT_OTHER_TOKEN": "tok",
        "HOME": "/home/me",
    }
    assert redacted(f"odd {KEY}, tok, /home/me", environment) == "odd ***, tok, /home/me"


def test_a_record_is_one_json_object_on_one_line() -> None:
    at = record("fetched %d\nfrom %s", 3, "ü", host="a.org", took=float("nan"), n=2, run_id="mine")
    text = JsonLines("r1").format(at)
    assert "\n" not in text
    line = json.loads(text)
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "info",
        "logger": "here",
        "message": "fetched 3\nfrom ü",
        "run_id": "r1",
        "host": "a.org",
        "took": "nan",
        "n": 2,
    }


def test_an_exception_is_text_without_secrets() -> None:
    try:
        raise ValueError(f"client_id={KEY}")
    except ValueError:
        made = record("broke", url=f"http://x/?token={KEY}")
        made.exc_info = sys.exc_info()
    for text in (JsonLines("r1").format(made), TextLines("%(message)s").format(made)):
        assert "ValueError: client_id=***" in text
        assert KEY not in text
    assert "Traceback" in json.loads(JsonLines("r1").format(made))["exception"]


def test_the_run_id_is_inherited_or_made(root_logger: logging.Logger) -> None:
    environment: dict[str, str] = {}
    made = start_logging("json", environment=environment)
    before = len(root_logger.handlers)
    assert environment == {"SAFELIGHT_RUN_ID": made, "SAFELIGHT_LOG_FORMAT": "json"}
    assert start_logging(environment=environment) == made
    assert len(root_logger.handlers) == before  # the second start replaced the first
    assert start_logging(environment={}) != made
    assert start_logging(environment={"SAFELIGHT_RUN_ID": "given"}) == "given"


def test_an_error_of_the_command_is_a_line_of_the_log(tmp_path: Path) -> None:
    Workspace.at(tmp_path)
    words = ["--home", str(tmp_path), "--log-format", "json", "crawl", "resume"]
    done = subprocess.run(
        [sys.executable, "-m", "safelight", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    *before, line = map(json.loads, done.stderr.splitlines())
    assert all(each["level"] == "info" and each["task"] == "crawl" for each in before), before
    assert (line["level"], "no crawl to go on with" in line["message"]) == ("error", True)
