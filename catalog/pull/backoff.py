"""Try again after a while: longer each time, never sooner than the server asks."""

import random
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NoReturn

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential,
)

from catalog.errors import ReleaseError

ATTEMPTS = 6
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0
LONGEST_RETRY_AFTER_S = 600.0
_SECONDS = re.compile(r"[0-9]+(\.[0-9]*)?")


class TransientError(ReleaseError):
    """The connection broke or the server is busy: trying again may help."""

    def __init__(self, why: str, retry_after_s: float = 0.0) -> None:
        super().__init__(why)
        self.retry_after_s = retry_after_s


def retry_after(header: str | None, now: datetime | None = None) -> float:
    """Read a Retry-After header (seconds, or a date) as seconds from now; 0 without one that makes sense.

    >>> retry_after("7"), retry_after("soon"), retry_after("Thu, 01 Jan 1970 00:00:00 GMT"), retry_after("nan")
    (7.0, 0.0, 0.0, 0.0)
    """
    text = (header or "").strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    try:
        then = parsedate_to_datetime(text)
    except (
        ValueError,
        TypeError,
        LookupError,
        OverflowError,
    ):  # what it raises depends on the garbage
        return 0.0
    then = then if then.tzinfo else then.replace(tzinfo=UTC)
    return max(0.0, (then - (now or datetime.now(UTC))).total_seconds())


def retrying() -> AsyncRetrying:
    """Make what tries again after a `TransientError`: call it with a function, or go through its attempts.

    Raises the last error after `ATTEMPTS` in a row, and `ReleaseError` when the server asks for a longer pause than
    `LONGEST_RETRY_AFTER_S`.
    """
    return AsyncRetrying(
        retry=retry_if_exception_type(TransientError),
        wait=_wait_s,
        stop=_is_over,
        retry_error_callback=_give_up,
    )


def _wait_s(state: RetryCallState) -> float:
    """Give a wait that doubles with each attempt, half of it drawn: clients that failed together come back apart."""
    longest = wait_exponential(multiplier=FIRST_WAIT_S, max=LONGEST_WAIT_S)(state)
    return max(_asked_pause_s(state), random.uniform(longest / 2, longest))  # noqa: S311 - spreads load, no secret


def _is_over(state: RetryCallState) -> bool:
    return stop_after_attempt(ATTEMPTS)(state) or _asks_for_too_long(state)


def _asks_for_too_long(state: RetryCallState) -> bool:
    return _asked_pause_s(state) > LONGEST_RETRY_AFTER_S


def _asked_pause_s(state: RetryCallState) -> float:
    return _error_of(state).retry_after_s


def _give_up(state: RetryCallState) -> NoReturn:
    error = _error_of(state)
    if _asks_for_too_long(state):
        hours = min(error.retry_after_s / 3600, 9999.0)
        raise ReleaseError(f"{error}, and asks for a pause of {hours:.1f} hours; try again then")
    raise error


def _error_of(state: RetryCallState) -> TransientError:
    error = state.outcome.exception() if state.outcome else None
    assert isinstance(error, TransientError), "nothing else is tried again"
    return error
