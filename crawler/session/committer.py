"""Commit the spool while a session runs: a failed commit is retried with growing waits, while fetching continues.

Fetched pictures are durable in the spool, so commits may fail for as long as the disk has room. A failure is reported:
the progress line shows it, `commit_retry_s` bounds it, and the session ends with an exit code of its own when the spool
could not be committed.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Mapping

from catalog import BusyError, CommitError, Workspace, count_waiting, is_transient
from crawler.session.progress import CommitFailure
from crawler.settings import CrawlSettings

log = logging.getLogger(__name__)

_POLL_S = 0.1
_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 60.0
_MOST_LASTING_FAILURES = 3  # so many failures in a row with an error that is not transient


class Committer:
    """The commits of one session; its methods may be called from several threads."""

    def __init__(
        self,
        commit: Callable[[], Mapping[str, int]],
        workspace: Workspace,
        settings: CrawlSettings,
        is_stopping: Callable[[], bool] = lambda: False,
        is_immediate: Callable[[], bool] = lambda: False,
    ) -> None:
        """`commit` tries once and returns the number of new rows by table.

        `is_stopping` says whether the session is to stop, `is_immediate` whether it is to stop at once.
        """
        self._commit, self._workspace, self._settings = commit, workspace, settings
        self._is_stopping, self._is_immediate = is_stopping, is_immediate
        self._lock = threading.Lock()
        self._next = time.monotonic() + settings.publish_s
        self.rows: dict[str, int] = {}
        self.commit_failure: CommitFailure | None = None

    def commit(self) -> bool:
        """Try to commit the spool once; say whether it succeeded. A failure is in `commit_failure`."""
        with self._lock:
            try:
                gained = self._commit()
            except (BusyError, CommitError) as error:
                self._note(error)
                return False
            except Exception as error:
                self._note(error)
                raise
            self._succeed(gained)
            return True

    def commit_until_done(self, act: Callable[[], None] = lambda: None) -> bool:
        """Commit and call `act`, repeatedly until both succeed or `has_given_up`; say whether they succeeded.

        `act` reads the catalog, so it may fail for the same reason. A session that is to stop waits `drain_s`.
        """
        started = time.monotonic()
        while not self.has_given_up():
            if self.commit() and self._succeeds(act):
                return True
            while time.monotonic() < self._next and not self.has_given_up():
                late = time.monotonic() - started > self._settings.drain_s
                if self._is_immediate() or (late and self._is_stopping()):
                    return False
                time.sleep(_POLL_S)
        return False

    def _succeeds(self, act: Callable[[], None]) -> bool:
        try:
            act()
        except Exception as error:
            if not is_transient(error):
                raise
            with self._lock:
                self._note(error)
            return False
        return True

    async def run(self) -> None:
        """Commit periodically until cancelled; a commit that has started always ends first."""
        while True:
            await asyncio.sleep(_POLL_S)
            if time.monotonic() >= self._next and not self.has_given_up():
                self._next = time.monotonic() + self._settings.publish_s
                work = asyncio.create_task(asyncio.to_thread(self.commit))
                try:
                    await asyncio.shield(work)
                finally:
                    await work

    def has_given_up(self) -> bool:
        """Say whether the error is lasting, or retries have failed for `commit_retry_s`."""
        commit_failure = self.commit_failure
        if commit_failure is None:
            return False
        late = time.monotonic() - commit_failure.since > self._settings.commit_retry_s
        return late or (
            not commit_failure.is_transient and commit_failure.failures >= _MOST_LASTING_FAILURES
        )

    def waiting(self) -> int:
        """Count the segments in the spool."""
        return count_waiting(self._workspace)

    def _note(self, error: Exception) -> None:
        before = self.commit_failure
        failures = before.failures + 1 if before else 1
        now = time.monotonic()
        wait_s = min(_FIRST_WAIT_S * 2.0 ** min(failures - 1, 10), _LONGEST_WAIT_S)
        self._next = now + wait_s
        reason = error.reason if isinstance(error, CommitError) else str(error)
        commit_failure = CommitFailure(
            *(failures, before.since if before else now, self._next),
            " ".join(reason.split()),
            self.waiting(),
            is_transient(error),
        )
        self.commit_failure = commit_failure
        if before is None:
            log.warning("%s", commit_failure.line(now))

    def _succeed(self, gained: Mapping[str, int]) -> None:
        if self.commit_failure:
            log.warning("the commit succeeded after %d failures", self.commit_failure.failures)
        self.commit_failure = None
        self._next = time.monotonic() + self._settings.publish_s
        self.count_rows(gained)

    def count_rows(self, gained: Mapping[str, int]) -> None:
        """Add the new rows of a commit."""
        for table, n in gained.items():
            self.rows[table] = self.rows.get(table, 0) + n
