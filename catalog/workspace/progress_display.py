"""Displays of progress by rich: a bar for each task on a terminal, plain lines or JSON records elsewhere.

Counts, rates and times left are rich's in every display. A rate leaves out the first step of a task, which contains
its start; so after one step no ETA is shown. Where there is no terminal, lines come at most every 5 s, in long work
every 30 s, and about the innermost task only.
"""

import contextlib
import logging
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TaskID
from rich.table import Column
from rich.text import Text

from catalog.number_formats import format_bytes, format_count
from catalog.workspace.logs import logs_json

log = logging.getLogger(__name__)

LINE_S = 5.0  # nothing is silent for longer
LONGEST_LINE_S = 30.0  # the pause between two lines grows up to this, a tenth of the time so far
ANNOUNCE_S = 0.2  # what is refused at once is answered by its error alone
_TICK_S = 0.25
_FRAMES_PER_S = 5
_RATE_S = 300.0  # rates are those of the last five minutes: steps may take minutes


class ProgressDisplay(Protocol):
    """Where tasks are shown; safe to use from several threads."""

    def begin(
        self,
        description: str,
        total: float | None,
        unit: str,
        text: Callable[[], str] | None,
        *,
        announce: bool,
    ) -> int:
        """Show a task from now on; return its id."""

    def advance(self, task_id: int, n: float) -> None:
        """Count `n` more units."""

    def update(
        self, task_id: int, changed: Mapping[str, Any], fields: Mapping[str, object] | None
    ) -> None:
        """Change completed, total or description, and the fields of a JSON record."""

    def end(self, task_id: int, *, is_finished: bool) -> None:
        """Remove a task, if it is still shown; a finished one that took long leaves a line."""

    def close(self) -> None:
        """Show nothing from now on."""


def open_display(stream: TextIO, started: float) -> ProgressDisplay:
    """Choose the display for `stream`; `started` (`time.monotonic`) is when the program began to show progress."""
    if logs_json():
        return LogDisplay(_write_record, started)
    console = _Console(file=stream, force_terminal=stream.isatty())
    if console.is_terminal and not console.is_dumb_terminal:
        return TerminalDisplay(console)
    return LogDisplay(_write_line, started)


def _write_line(text: str, _fields: Mapping[str, object]) -> None:
    with contextlib.suppress(OSError, ValueError):  # nobody reads it any more: the work goes on
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


def _write_record(text: str, fields: Mapping[str, object]) -> None:
    log.info("%s", text, extra=dict(fields))


class _Console(Console):
    """A console that leaves the cursor visible: a process that is killed cannot give it back."""

    def show_cursor(self, show: bool = True) -> bool:  # noqa: ARG002 - rich's signature
        return False


class _Tasks:
    """The tasks and rich's arithmetic over them."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._lock = threading.RLock()
        self._open: list[int] = []  # in the order of their beginning

    def advance(self, task_id: int, n: float) -> None:
        self._progress.advance(TaskID(task_id), n)

    def update(
        self, task_id: int, changed: Mapping[str, Any], fields: Mapping[str, object] | None
    ) -> None:
        more: dict[str, Any] = {} if fields is None else {"fields": fields}
        self._progress.update(TaskID(task_id), **changed, **more)

    def _add(
        self, description: str, total: float | None, unit: str, text: Callable[[], str] | None
    ) -> int:
        task_id = self._progress.add_task(description, total=total, unit=unit, text=text, fields={})
        self._open.append(task_id)
        return task_id

    def _task(self, task_id: int) -> Task:
        return next(task for task in self._progress.tasks if task.id == task_id)

    def _remove(self, task_id: int) -> None:
        self._open.remove(task_id)
        self._progress.remove_task(TaskID(task_id))


class TerminalDisplay(_Tasks):
    """A bar or spinner for each open task at the lower end of a terminal; the bars vanish with their tasks."""

    def __init__(self, console: Console) -> None:
        bar = BarColumn(table_column=Column(min_width=4, max_width=32))
        self._console = console
        # Standard output stays as it is: it may be read by a program.
        super().__init__(
            Progress(
                SpinnerColumn(), _Description(), bar, _Status(),
                console=console, transient=True, redirect_stdout=False, expand=True,
                refresh_per_second=_FRAMES_PER_S, speed_estimate_period=_RATE_S,
            )
        )  # fmt: skip

    def begin(
        self,
        description: str,
        total: float | None,
        unit: str,
        text: Callable[[], str] | None,
        *,
        announce: bool,  # noqa: ARG002 - a bar is shown at once
    ) -> int:
        """Show a task from now on."""
        with self._lock:
            task_id = self._add(description, total, unit, text)
            self._progress.start()
            return task_id

    def end(self, task_id: int, *, is_finished: bool) -> None:
        """Remove a bar; the line of a long task stays above the others."""
        with self._lock:
            if task_id not in self._open:
                return
            task = self._task(task_id)
            if is_finished and _deserves_line(task):
                self._console.print(Text(_last_line(task)))
            self._remove(task_id)
            if not self._open:
                self._progress.stop()

    def close(self) -> None:
        """Take all bars away."""
        with self._lock:
            self._open.clear()
            self._progress.stop()


class _Description(ProgressColumn):
    """The description of a task, as it is: no markup."""

    def render(self, task: Task) -> Text:
        return Text(task.description, no_wrap=True)


class _Status(ProgressColumn):
    """Counts, rate and ETA of a task, or its own text."""

    def __init__(self) -> None:
        super().__init__(Column(no_wrap=True, overflow="ellipsis"))

    def render(self, task: Task) -> Text:
        return Text(status(task))


class LogDisplay(_Tasks):
    """Lines of text now and then, written by a thread of its own: a task that does not advance is shown, too."""

    def __init__(
        self,
        write: Callable[[str, Mapping[str, object]], None],
        started: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(Progress(disable=True, get_time=clock, speed_estimate_period=_RATE_S))
        self._write, self._clock = write, clock
        self._started = self._written = started
        self._shown: set[int] = set()
        self._announced: dict[int, float] = {}  # task to the time of its first line
        self._ended = threading.Event()

    def begin(
        self,
        description: str,
        total: float | None,
        unit: str,
        text: Callable[[], str] | None,
        *,
        announce: bool,
    ) -> int:
        """Write the task's line when it is due."""
        with self._lock:
            task_id = self._add(description, total, unit, text)
            if announce:
                self._announced[task_id] = self._clock() + ANNOUNCE_S
            if len(self._open) == 1:
                self._ended = threading.Event()
                threading.Thread(target=self._run, args=[self._ended], daemon=True).start()
            return task_id

    def end(self, task_id: int, *, is_finished: bool) -> None:
        """Write the last line of a task that had one or took long."""
        with self._lock:
            if task_id not in self._open:
                return
            task, is_announced = self._task(task_id), self._announced.pop(task_id, None) is not None
            if is_finished and (is_announced or task_id in self._shown or _deserves_line(task)):
                self._written = self._clock()
                self._write(_last_line(task), _fields(task))
            self._remove(task_id)
            if not self._open:
                self._ended.set()

    def close(self) -> None:
        """Write nothing from now on."""
        with self._lock:
            self._open.clear()
            self._announced.clear()
            self._ended.set()

    def write_if_due(self) -> None:
        """Write the line of the innermost task if the last one is old enough, and what was to be announced."""
        with self._lock:
            now = self._clock()
            for task_id, due in self._announced.items():
                if now >= due and task_id not in self._shown and status(self._task(task_id)):
                    self._write_task(task_id)
            pause = min(LONGEST_LINE_S, max(LINE_S, (now - self._started) / 10))
            if self._open and now - self._written >= pause:
                self._write_task(self._open[-1])

    def _write_task(self, task_id: int) -> None:
        self._written = self._clock()
        self._shown.add(task_id)
        task = self._task(task_id)
        self._write(_line(task), _fields(task))

    def _run(self, ended: threading.Event) -> None:
        while not ended.wait(_TICK_S):
            self.write_if_due()


def status(task: Task) -> str:
    """Say how far a task is: its own text, or counts, percent, rate and ETA as far as they are defined."""
    if own := task.fields["text"]:
        return str(own())
    parts = [_counts(task), f"{task.percentage:.0f}%" if task.total else "", _rate(task)]
    left = task.time_remaining
    if task.total is None:
        parts.append(_clock(task.elapsed or 0))
    elif not task.finished:
        parts.append("ETA unknown" if left is None else f"ETA {_clock(left)}")
    return ", ".join(filter(None, parts))


def _counts(task: Task) -> str:
    unit = task.fields["unit"]
    if task.total is None:
        return _amount(task.completed, unit) if task.completed else ""
    whole = _amount(task.total, unit)
    return f"{_amount(task.completed, '' if unit != 'bytes' else unit)} of {whole}"


def _amount(n: float, unit: str) -> str:
    return format_bytes(n) if unit == "bytes" else f"{format_count(n)} {unit}".rstrip()


def _rate(task: Task) -> str:
    if not task.speed or task.finished:
        return ""
    is_bytes = task.fields["unit"] == "bytes"
    return f"{format_bytes(task.speed)}/s" if is_bytes else f"{task.speed:,.1f}/s"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _deserves_line(task: Task) -> bool:
    """Say whether a task took long and counted something, so that a line of it is worth keeping."""
    return (task.elapsed or 0) >= LINE_S and (task.completed > 0 or task.fields["text"] is not None)


def _line(task: Task) -> str:
    return ": ".join(filter(None, (task.description, status(task))))


def _last_line(task: Task) -> str:
    if task.fields["text"]:
        return _line(task)
    counts = _amount(task.completed, task.fields["unit"]) if task.completed else "done"
    return f"{task.description}: {counts} in {_clock(task.elapsed or 0)}"


def _fields(task: Task) -> dict[str, object]:
    own: dict[str, object] = dict(task.fields["fields"])
    return own or {"task": task.description, "completed": task.completed, "total": task.total}
