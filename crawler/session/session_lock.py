"""The lock that lets one session run in a workspace at a time, and the request to stop that session."""

import contextlib
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from catalog import Catalog, Workspace, open_catalog
from crawler.errors import NotRunningError, SessionRunningError, StopTimeoutError
from crawler.frontier.frontier import Frontier
from crawler.session.commit_unit import reconcile
from crawler.settings import CrawlSettings

log = logging.getLogger(__name__)

STOP = "stop"
"""Name of the request to stop in the frontier."""

_STOP_WITHIN_S = 60.0
_POLL_S = 0.1


@contextmanager
def open_frontier(
    workspace: Workspace, settings: CrawlSettings
) -> Iterator[tuple[Frontier, Catalog, dict[str, int]]]:
    """Open frontier and catalog for a session and reconcile them; waits while another session runs.

    Sessions run one after the other, because the limits of hosts and API keys are kept within a session. The third
    value counts, by table, the rows that a killed session had left in the spool. Raises `SessionRunningError` after
    `turn_s`.
    """
    lock = _acquire_lock(workspace, settings.turn_s)
    with contextlib.ExitStack() as stack:
        stack.callback(lock.release)
        frontier = stack.enter_context(Frontier(workspace.frontier))
        catalog = stack.enter_context(open_catalog(workspace))
        gained = catalog.commit()
        reconcile(frontier, catalog, settings)
        yield frontier, catalog, gained


def _acquire_lock(workspace: Workspace, timeout_s: float) -> FileLock:
    lock = _lock_of(workspace)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if timeout_s > 0:
            log.warning("another crawl is running in %s; waiting for its end", workspace.home)
        try:
            lock.acquire(timeout=timeout_s)
        except Timeout as error:
            raise SessionRunningError(workspace.home) from error
    return lock


def request_stop(workspace: Workspace, *, wait: bool = True) -> None:
    """Ask the session that runs in a workspace to stop; with `wait` return when it has ended.

    Raises `NotRunningError` when no session runs, `StopTimeoutError` when it still runs after a minute.
    """
    lock = _lock_of(workspace)
    if _is_free(lock):
        raise NotRunningError(workspace.home)
    with Frontier(workspace.frontier) as frontier:
        frontier.add_request(STOP)
        until = time.monotonic() + _STOP_WITHIN_S
        # A session that starts now deletes the request: it was meant for the session before.
        while wait and frontier.has_request(STOP) and not _is_free(lock):
            if time.monotonic() > until:
                raise StopTimeoutError(workspace.home, _STOP_WITHIN_S)
            time.sleep(_POLL_S)


def _lock_of(workspace: Workspace) -> FileLock:
    return FileLock(f"{workspace.frontier}.lock")


def _is_free(lock: FileLock) -> bool:
    try:
        with lock.acquire(timeout=0):
            return True
    except Timeout:
        return False
