"""The progress of a crawl, and its line: rewritten in place on a terminal, repeated periodically in a log."""

import logging
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, TextIO

from catalog import counted
from crawler.fetch.pauses import HostPause, pauses_text

if TYPE_CHECKING:
    from crawler.session.records import FetchResult

_TERMINAL_S, _LOG_S = 0.5, 10.0
_SHORT_PAUSE_S = 10.0  # shorter pauses are not reported
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CommitFailure:
    """Commits of the spool that failed one after the other, the last for `reason`.

    `since` and `next` are times of `time.monotonic`: the first failure, and the next try.
    """

    failures: int
    since: float
    next: float
    reason: str
    waiting: int
    is_transient: bool

    def line(self, now: float) -> str:
        """Describe the failure in one line.

        >>> CommitFailure(3, 0.0, 20.0, "disk full", 7, True).line(12.0)
        'commit failed 3 times: disk full; retrying in 8 s; 7 segments wait in the spool'
        """
        times = "once" if self.failures == 1 else f"{self.failures} times"
        about = f"commit failed {times}: {self.reason[:200]}"
        again = f"retrying in {max(self.next - now, 0):.0f} s"
        return f"{about}; {again}; {counted(self.waiting, 'segment', 'waits')} in the spool"


@dataclass
class CrawlProgress:
    """The counts of a session or a worker so far.

    `failed` and `errors` count pictures that failed for good, `retries` failed attempts that will be repeated,
    `repeats` and `unchanged` pictures without new bytes. `read` are rows of a source without pictures, `pauses` the
    hosts (and the API) that the session waits for.
    """

    COUNTS: ClassVar = ("done", "failed", "bytes", "in_flight", "retries", "repeats", "unchanged")
    done: int = 0
    failed: int = 0
    bytes: int = 0
    queued: int = 0
    listing: bool = True
    started: float = field(default_factory=time.monotonic)
    in_flight: int = 0
    retries: int = 0
    repeats: int = 0
    unchanged: int = 0
    read: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    pauses: list[HostPause] = field(default_factory=list)
    source: str = ""
    crawl_id: str = ""
    commit_failure: CommitFailure | None = None

    def count(self, result: "FetchResult", state: str) -> None:
        """Count one ended attempt whose item is now in `state`."""
        if result.failure is None:
            self.done += result.outcome == "done"
            self.repeats += result.outcome == "repeat"
            self.unchanged += result.outcome == "unchanged"
            self.bytes += len(result.body)
        elif state == "queued":
            self.retries += 1
        else:
            self.failed += 1
            self.errors[result.failure.error] = self.errors.get(result.failure.error, 0) + 1

    def add(self, other: "CrawlProgress") -> None:
        """Add the counts of one worker."""
        for name in self.COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for error, n in other.errors.items():
            self.errors[error] = self.errors.get(error, 0) + n

    def line(self, now: float) -> str:
        """Describe the progress in one line; the rates are averages over the session.

        >>> CrawlProgress(done=50, bytes=2_000_000, queued=150, listing=False, started=0.0).line(10.0)
        '50 done, 150 queued, 0 failed, 5.0 images/s, 0.2 MB/s, ETA 0:30'
        """
        commit_failure = f"; {self.commit_failure.line(now)}" if self.commit_failure else ""
        return f"{self._counts_text(now)}{commit_failure}"

    def _counts_text(self, now: float) -> str:
        elapsed = max(now - self.started, 1e-3)
        if self.read:
            return f"{self.read} rows read, {self.read / elapsed:.0f} rows/s"
        images, megabytes = self.done / elapsed, self.bytes / elapsed / 1e6
        ended = (self.done + self.failed + self.repeats + self.unchanged) / elapsed
        left_s = self.queued / ended if ended and not self.listing else None
        # A host whose pause is longer than the rest of the work decides when the crawl ends.
        soon = time.time() + max(left_s or 0.0, _SHORT_PAUSE_S)
        long = [pause for pause in self.pauses if pause.until > soon]
        eta = f"ETA {'unknown' if left_s is None else _clock(left_s)}"
        return (
            f"{self.done} done, {self.queued} queued, {self.failed} failed, "
            f"{images:.1f} images/s, {megabytes:.1f} MB/s, "
            f"{f'waits for {pauses_text(long)}' if long else eta}"
        )


def _clock(seconds: float) -> str:
    whole = round(seconds)
    minutes = f"{whole % 3600 // 60}:{whole % 60:02}"
    return minutes if whole < 3600 else f"{whole // 3600}:{minutes.zfill(5)}"


class CrawlProgressLine:
    """Write the progress line to a stream (default: standard error)."""

    def __init__(
        self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream = stream or sys.stderr
        self._clock = clock
        self._terminal = self._stream.isatty()
        self._next = clock() + (0 if self._terminal else _LOG_S)

    def __call__(self, progress: CrawlProgress) -> None:
        """Write the line when it is due."""
        now = self._clock()
        if now < self._next:
            return
        self._next = now + (_TERMINAL_S if self._terminal else _LOG_S)
        text = progress.line(now)
        self._stream.write(f"\r{text}\x1b[K" if self._terminal else f"{text}\n")
        self._stream.flush()

    def end(self, progress: CrawlProgress) -> None:
        """Write the last line."""
        self._next = 0
        self(progress)
        if self._terminal:
            self._stream.write("\n")
            self._stream.flush()


class ProgressLog:
    """Log the progress periodically, its counts as fields: for JSON logs."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next = clock() + _LOG_S

    def __call__(self, progress: CrawlProgress) -> None:
        """Log the progress when it is due."""
        if self._clock() >= self._next:
            self.end(progress)

    def end(self, progress: CrawlProgress) -> None:
        """Log the progress now."""
        now = self._clock()
        self._next = now + _LOG_S
        counts = ("done", "failed", "bytes", "queued", "listing")
        _log.info(
            "%s", progress.line(now), extra={name: getattr(progress, name) for name in counts}
        )


def error_list(errors: Mapping[str, int]) -> str:
    """Write errors with their counts.

    >>> error_list({"http_404": 3, "timeout": 1})
    'http_404 3, timeout 1'
    """
    return ", ".join(f"{error} {count}" for error, count in errors.items())
