"""Progress of long work: bars on a terminal, plain lines in a log, records in a JSON log.

The work calls `progress_task` or `track`; nothing is shown unless the program wants it (`show_progress`), as the
command `safelight` does. rich, which draws and estimates, is loaded with the first task that is shown.
"""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from catalog.workspace.progress_display import ProgressDisplay

Item = TypeVar("Item")


class _Session:
    """When a program began to show progress, and its display once a task needs one."""

    def __init__(self, display: "ProgressDisplay | None") -> None:
        self._started = time.monotonic()
        self._display = display

    def display(self) -> "ProgressDisplay":
        if self._display is None:
            from catalog.workspace.progress_display import open_display

            self._display = open_display(sys.stderr, self._started)
        return self._display

    def close(self) -> None:
        """Take away what an error has left open: its traceback holds generators that would end their tasks."""
        if self._display:
            self._display.close()


_sessions: list[_Session] = []  # the last one counts; empty: nothing is shown


class ProgressTask:
    """One task of a known or unknown length; without a display its methods do nothing."""

    def __init__(self, display: "ProgressDisplay | None" = None, task_id: int = 0) -> None:
        self._display, self._id = display, task_id

    def advance(self, n: float = 1) -> None:
        """Count `n` more units as done."""
        if self._display:
            self._display.advance(self._id, n)

    def update(
        self,
        *,
        completed: float | None = None,
        total: float | None = None,
        description: str | None = None,
        fields: Mapping[str, object] | None = None,
    ) -> None:
        """Set what is not None; `fields` become fields of the records of a JSON log."""
        if self._display:
            changed = {"completed": completed, "total": total, "description": description}
            given = {name: value for name, value in changed.items() if value is not None}
            self._display.update(self._id, given, fields)


@contextmanager
def show_progress(display: "ProgressDisplay | None" = None) -> Iterator[None]:
    """Show the tasks of the block in `display`; by default on standard error, bars on a terminal, lines elsewhere."""
    session = _Session(display)
    _sessions.append(session)
    try:
        yield
    finally:
        _sessions.remove(session)
        session.close()


@contextmanager
def progress_task(
    description: str,
    total: float | None = None,
    unit: str = "",
    *,
    text: Callable[[], str] | None = None,
    announce: bool = False,
) -> Iterator[ProgressTask]:
    """Show the block as one task; a task inside another is shown below it.

    `total` is in `unit` (a plural, or "bytes"); None means unknown: a spinner with the elapsed time. `text` gives a
    status of its own in place of counts, rate and ETA; any thread may call it. With `announce` a log gets its first
    line within a second and a last one in any case, however short the task; one that is refused at once leaves none,
    and one whose `text` is empty is not announced before it has one.
    """
    if not _sessions:
        yield ProgressTask()
        return
    display = _sessions[-1].display()
    task_id = display.begin(description, total, unit, text, announce=announce)
    try:
        yield ProgressTask(display, task_id)
    except BaseException:
        display.end(task_id, is_finished=False)
        raise
    display.end(task_id, is_finished=True)


def track(
    items: Iterable[Item], description: str, total: float | None = None, unit: str = ""
) -> Iterator[Item]:
    """Yield each of `items`, one unit of a task each; `total` defaults to their number where they have one.

    No items are no task.
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    if total == 0:
        yield from items
        return
    with progress_task(description, total, unit) as task:
        for item in items:
            yield item
            task.advance()
