"""The progress of a crawl: its counts, and the line that shows them."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from catalog import counted
from crawler.fetch.pauses import HostPause, pauses_text
from crawler.listing.call_failure import CallFailure

if TYPE_CHECKING:
    from crawler.session.records import FetchResult

_SHORT_PAUSE_S = 10.0  # shorter pauses are not reported


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
    call_failure: CallFailure | None = None

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

    def ended(self) -> int:
        """Count the pictures that need nothing more in this session."""
        return self.done + self.failed + self.repeats + self.unchanged

    def total(self) -> int | None:
        """Count all pictures of the session; None while the source is listed."""
        is_open = self.listing or self.read
        return None if is_open else self.ended() + self.queued + self.in_flight

    def line(self, now: float) -> str:
        """Describe the progress in one line; the rates are averages over the session.

        >>> CrawlProgress(done=50, bytes=2_000_000, queued=150, listing=False, started=0.0).line(10.0)
        '50 done, 150 queued, 0 failed, 5.0 images/s, 0.2 MB/s, ETA 0:30'
        """
        texts = []
        if self.call_failure:
            texts.append(self.call_failure.line())
        if self.queued or self.in_flight or self.ended() or self.read or not texts:
            texts.insert(0, self._counts_text(now))
        if self.commit_failure:
            texts.append(self.commit_failure.line(now))
        return "; ".join(texts)

    def _counts_text(self, now: float) -> str:
        elapsed = max(now - self.started, 1e-3)
        if self.read:
            return f"{self.read} rows read, {self.read / elapsed:.0f} rows/s"
        images, megabytes = self.done / elapsed, self.bytes / elapsed / 1e6
        ended = self.ended() / elapsed
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


def error_list(errors: Mapping[str, int]) -> str:
    """Write errors with their counts.

    >>> error_list({"http_404": 3, "timeout": 1})
    'http_404 3, timeout 1'
    """
    return ", ".join(f"{error} {count}" for error, count in errors.items())
