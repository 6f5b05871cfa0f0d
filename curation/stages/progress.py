"""The one progress line of a long step: on a terminal it rewrites itself, in a log it comes now and then."""

import sys
import time
from collections.abc import Callable
from typing import TextIO

_TERMINAL_S, _LOG_S = 0.5, 10.0


class ProgressLine:
    """Counts pictures of one step and writes the line to a stream (standard error unless told otherwise)."""

    def __init__(
        self,
        step: str,
        total: int,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.step, self.total, self.done = step, total, 0
        self._stream, self._clock = stream or sys.stderr, clock
        self._is_terminal = self._stream.isatty()
        self._started = clock()
        self._next = self._started + (0 if self._is_terminal else _LOG_S)
        self._was_written = False

    def add(self, count: int) -> None:
        """Count pictures that are done; write the line if it is time for one."""
        self.done += count
        if self._clock() >= self._next:
            self._next = self._clock() + (_TERMINAL_S if self._is_terminal else _LOG_S)
            self._write()

    def end(self) -> None:
        """Write the last line, if there was one before."""
        if self._was_written:
            self._write()
            if self._is_terminal:
                self._stream.write("\n")
                self._stream.flush()

    def line(self) -> str:
        """Say it in one line; the rate is the average since the start.

        >>> times = iter([0.0, 10.0])
        >>> progress = ProgressLine("decode", 200, clock=lambda: next(times))
        >>> progress.done = 50
        >>> progress.line()
        'decode: 50 of 200 pictures, 5.0 a second, ETA 0:30'
        """
        rate = self.done / max(self._clock() - self._started, 1e-3)
        left = round((self.total - self.done) / rate) if rate else 0
        clock = f"{left // 60}:{left % 60:02}" if rate else "unknown"
        return (
            f"{self.step}: {self.done} of {self.total} pictures, {rate:.1f} a second, ETA {clock}"
        )

    def _write(self) -> None:
        self._was_written = True
        text = self.line()
        self._stream.write(f"\r{text}\x1b[K" if self._is_terminal else f"{text}\n")
        self._stream.flush()
