"""Progress as it is seen: on a pseudo-terminal, in a pipe, in a JSON log, and not at all."""

import codecs
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from rich.progress import Progress, TaskID

from catalog import progress_task, show_progress, track
from catalog.workspace.progress_display import LogDisplay, status

ROOT = Path(__file__).parents[3]
_RUN = """
import logging, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in the background
from catalog import progress_task, show_progress, start_logging, track
start_logging(level=logging.INFO)
with show_progress():
    {work}
print("result")
"""


def _code(work: str) -> list[str]:
    lines = "\n".join(f"    {line}" for line in work.splitlines()).strip()
    return [sys.executable, "-c", _RUN.format(work=lines)]


def _piped(work: str, **variables: str) -> tuple[str, str]:
    """Run code with pipes for both outputs; return them."""
    environment = {**os.environ, "FORCE_COLOR": "1", "TTY_COMPATIBLE": "1", **variables}
    done = subprocess.run(
        _code(work), cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout, done.stderr


class Terminal:
    """A child whose standard error is a pseudo-terminal of 80 columns, its standard output a pipe."""

    def __init__(self, work: str, **variables: str) -> None:
        self._ours, theirs = pty.openpty()
        environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", **variables}
        self.child = subprocess.Popen(
            _code(work), cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=theirs, text=True
        )
        os.close(theirs)
        self._decoder, self.written = codecs.getincrementaldecoder("utf-8")(), ""

    def read_until(self, text: str = "", seconds: float = 30) -> str:
        """Read until `text` was written; without one until the end."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not (text and text in self.written):
            if select.select([self._ours], [], [], 0.1)[0]:
                try:
                    self.written += self._decoder.decode(os.read(self._ours, 65536))
                except OSError:  # the child has closed its side
                    return self.written
        return self.written


def _is_cursor_visible(written: str) -> bool:
    switches = re.findall(r"\x1b\[\?25([lh])", written)
    return not switches or switches[-1] == "h"


_BAR = """
for _ in track(range(30), "hash pictures", unit="pictures"):
    time.sleep(0.05)
"""


def test_a_terminal_gets_a_bar_with_counts_and_an_eta_that_is_gone_at_the_end() -> None:
    terminal = Terminal(_BAR)
    written = terminal.read_until()
    assert terminal.child.wait(10) == 0
    assert "hash pictures" in written
    assert "━" in written
    assert re.search(r"\d+ of 30 pictures, \d+%, [\d.]+/s, ETA 0:0\d", written)
    assert written.endswith("\x1b[2K\r")  # the bar is erased: a prompt comes in its place
    assert _is_cursor_visible(written)
    assert terminal.child.stdout is not None
    assert terminal.child.stdout.read() == "result\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_end_in_the_middle_leaves_the_cursor_visible(number: signal.Signals) -> None:
    terminal = Terminal("with progress_task('wait'):\n    time.sleep(60)")
    terminal.read_until("wait")
    terminal.child.send_signal(number)
    assert _is_cursor_visible(
        terminal.read_until()
    )  # read: a child waits for the room in a terminal
    assert terminal.child.wait(10) != 0


def test_log_lines_on_a_terminal_stand_above_the_bar() -> None:
    work = "for i in track(range(8), 'a'):\n    logging.info('line %d', i)\n    time.sleep(0.1)"
    written = Terminal(work).read_until()
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", written)
    lines = [line.rpartition("\r")[2] for line in plain.replace("\r\n", "\n").split("\n")]
    told = [line for line in lines if "line" in line]
    assert len(told) == 8
    assert not [line for line in told if "━" in line]


def test_a_terminal_that_moves_no_cursor_gets_plain_lines() -> None:
    written = Terminal(
        "with progress_task('wait', announce=True):\n    time.sleep(0.9)", TERM="dumb"
    ).read_until()
    assert re.fullmatch(r"wait: 0:0[01]\r\nwait: done in 0:01\r\n", written)


def test_a_pipe_gets_plain_lines_without_escape_codes_even_where_colour_is_forced() -> None:
    work = "with progress_task('read', 3, 'files', announce=True) as task:\n    time.sleep(0.9)\n    task.advance(3)"
    assert _piped(work) == (
        "result\n",
        "read: 0 of 3 files, 0%, ETA unknown\nread: 3 files in 0:01\n",
    )


def test_short_work_leaves_no_line_in_a_pipe() -> None:
    assert _piped("for _ in track(range(3), 'a'):\n    pass") == ("result\n", "")


@pytest.mark.slow
def test_work_that_does_not_advance_is_heard_of_within_about_5_seconds() -> None:
    _, written = _piped("with progress_task('wait'):\n    time.sleep(5.6)")
    assert re.fullmatch(r"wait: 0:0[45]\nwait: done in 0:06\n", written)


def test_a_json_log_gets_records_with_the_counts_as_fields() -> None:
    work = "with progress_task('read', 3, announce=True) as t:\n    time.sleep(0.9)\n"
    work += "    t.update(completed=2, fields={'bytes': 7})"
    _, written = _piped(work, SAFELIGHT_LOG_FORMAT="json")
    first, last = map(json.loads, written.splitlines())
    assert (first["task"], first["completed"], first["total"]) == ("read", 0, 3)
    assert (first["message"], last["bytes"]) == ("read: 0 of 3, 0%, ETA unknown", 7)


def test_a_library_call_shows_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with progress_task("read", 3, announce=True) as task:
        task.advance()
        task.update(total=4)
    assert list(track(iter("ab"), "letters")) == ["a", "b"]
    assert capfd.readouterr() == ("", "")


def test_a_task_that_an_error_left_open_is_taken_away(capfd: pytest.CaptureFixture[str]) -> None:
    before = threading.active_count()
    held = track(range(3), "held")
    with show_progress():
        next(held)  # as the traceback of an error holds it
    time.sleep(0.6)
    assert threading.active_count() == before
    held.close()
    assert capfd.readouterr().err == ""


def test_after_the_block_nothing_is_shown(capfd: pytest.CaptureFixture[str]) -> None:
    with show_progress(), progress_task("inside", announce=True):
        pass
    with progress_task("outside", announce=True):
        pass
    assert "outside" not in capfd.readouterr().err


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Log:
    """A log display with a clock that stands until it is set."""

    def __init__(self) -> None:
        self.clock, self.lines = Clock(), list[str]()
        self.display = LogDisplay(lambda text, _: self.lines.append(text), 0.0, self.clock)

    def at(self, now: float) -> None:
        self.clock.now = now
        self.display.write_if_due()


def test_lines_come_every_5_seconds_and_more_seldom_in_long_work() -> None:
    log, times = Log(), list[int]()
    task = log.display.begin("crawl", None, "", None, announce=False)
    for second in range(1000):
        before = len(log.lines)
        log.at(second)
        times += [second] * (len(log.lines) - before)
    log.display.end(task, is_finished=True)
    gaps = [later - earlier for earlier, later in zip([0, *times], times, strict=False)]
    assert gaps[0] == 5
    assert gaps == sorted(gaps)
    assert gaps[-1] == 30


def test_tasks_that_are_short_each_are_not_silent_together() -> None:
    log = Log()
    for second in range(0, 12, 3):
        task = log.display.begin(f"part {second}", 1, "", None, announce=False)
        log.at(second + 2)
        log.display.end(task, is_finished=True)
    assert [line.partition(":")[0] for line in log.lines] == [
        "part 3",
        "part 3",
        "part 9",
        "part 9",
    ]


def test_an_announced_task_that_is_refused_at_once_leaves_no_line() -> None:
    log = Log()
    log.display.end(log.display.begin("crawl", None, "", None, announce=True), is_finished=False)
    log.at(1.0)
    assert log.lines == []
    log.display.end(log.display.begin("crawl", None, "", None, announce=True), is_finished=True)
    assert log.lines == ["crawl: done in 0:00"]


def test_an_announced_task_has_no_line_before_its_text_unless_it_takes_long() -> None:
    log, texts = Log(), [""]
    begin = ("crawl: opening", None, "", lambda: texts[-1])
    refused = log.display.begin(*begin, announce=True)
    log.at(1.0)
    log.display.end(refused, is_finished=False)
    assert log.lines == []
    slow = log.display.begin(*begin, announce=True)
    log.at(4.0)
    log.at(6.0)
    assert log.lines == ["crawl: opening"]
    texts.append("3 done")
    log.display.update(slow, {"description": "crawl"}, None)
    log.display.end(slow, is_finished=True)
    assert log.lines[1:] == ["crawl: 3 done"]


def test_the_innermost_task_is_told() -> None:
    log = Log()
    outer = log.display.begin("train", None, "", None, announce=False)
    inner = log.display.begin("epoch", 10, "batches", None, announce=False)
    log.at(5)
    log.display.end(inner, is_finished=True)
    log.at(10)
    log.display.end(outer, is_finished=False)
    assert [line.partition(":")[0] for line in log.lines] == ["epoch", "epoch", "train"]


def test_one_step_gives_no_eta_for_its_time_contains_the_start() -> None:
    clock = Clock()
    progress = Progress(disable=True, get_time=clock)
    task_id = progress.add_task("decode", total=10, unit="pictures", text=None, fields={})
    (task,) = progress.tasks
    assert status(task) == "0 of 10 pictures, 0%, ETA unknown"
    clock.now = 60.0  # the weights were loaded
    progress.advance(task_id)
    assert status(task) == "1 of 10 pictures, 10%, ETA unknown"
    clock.now = 62.0
    progress.advance(TaskID(task_id), 2)
    assert status(task) == "3 of 10 pictures, 30%, 1.0/s, ETA 0:07"


def test_a_task_of_one_item_never_has_an_eta() -> None:
    clock = Clock()
    progress = Progress(disable=True, get_time=clock)
    task_id = progress.add_task("read", total=1, unit="file", text=None, fields={})
    clock.now = 3.0
    assert status(progress.tasks[0]) == "0 of 1 file, 0%, ETA unknown"
    progress.advance(task_id)
    assert "ETA" not in status(progress.tasks[0])


def test_bytes_are_written_with_their_unit() -> None:
    progress = Progress(disable=True)
    progress.add_task(
        "pull", total=40_000_000, unit="bytes", text=None, fields={}, completed=12_300_000
    )
    assert status(progress.tasks[0]).startswith("12.3 MB of 40.0 MB, 31%")
