"""Try again after a while: longer each time, never sooner than the server asks."""

import asyncio
import random
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

from catalog.errors import ReleaseError

Answer = TypeVar("Answer")

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


async def wait_for_turn(error: TransientError, failures: int) -> None:
    """Wait before the next attempt; raises the error itself after too many, or when the wait would be too long."""
    if error.retry_after_s > LONGEST_RETRY_AFTER_S:
        hours = min(error.retry_after_s / 3600, 9999.0)
        raise ReleaseError(f"{error}, and asks for a pause of {hours:.1f} hours; try again then")
    if failures >= ATTEMPTS:
        raise error
    longest = min(FIRST_WAIT_S * 2 ** (failures - 1), LONGEST_WAIT_S)
    await asyncio.sleep(max(error.retry_after_s, random.uniform(longest / 2, longest)))  # noqa: S311 - spreads load, no secret


async def patiently(once: Callable[[], Awaitable[Answer]]) -> Answer:
    """Run `once` until it is not interrupted."""
    failures = 0
    while True:
        try:
            return await once()
        except TransientError as error:
            failures += 1
            await wait_for_turn(error, failures)
