"""How fast one host may be asked: a token bucket, a number of requests at once, and its own wish.

The wish (Retry-After, Crawl-delay) is a floor: it can slow us down, never speed us up.
"""

import asyncio
import contextlib
import ipaddress
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from crawler.settings import CrawlSettings

# A polite crawler lets a host name its pause, but not stop the crawl for longer than this.
LONGEST_WISH_S = 24 * 3600.0


class HostGate:
    """The entrance to one host. `rate` is requests a second; infinity means no bucket."""

    def __init__(
        self, rate: float, at_once: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._interval = 1.0 / rate
        self._seats = asyncio.Semaphore(at_once)
        self._clock = clock
        self._next = self._floor = -float("inf")

    def slow_to(self, delay_s: float) -> None:
        """Keep at least `delay_s` between two requests from now on (Crawl-delay)."""
        self._interval = max(self._interval, min(delay_s, LONGEST_WISH_S))

    def close_for(self, delay_s: float) -> None:
        """Let nobody in for `delay_s` (Retry-After)."""
        self._floor = max(self._floor, self._clock() + min(delay_s, LONGEST_WISH_S))

    @asynccontextmanager
    async def enter(self) -> AsyncIterator[None]:
        """Wait for a seat and a token, then hold the seat."""
        async with self._seats:
            while (wait := self._wait()) > 0:  # noqa: ASYNC110  # waits for a time, not for an event
                await asyncio.sleep(wait)
            self._next = max(self._clock(), self._next) + self._interval
            yield

    def _wait(self) -> float:
        return max(self._next, self._floor) - self._clock()


class HostLimits:
    """One gate for each host; loopback hosts have neither rate nor seats to spare."""

    def __init__(self, settings: CrawlSettings) -> None:
        self._settings = settings
        self._gates: dict[str, HostGate] = {}

    def gate(self, host: str) -> HostGate:
        """Return the gate of a host (`name:port`)."""
        if host not in self._gates:
            settings = self._settings
            here = is_loopback(host.rpartition(":")[0] or host)
            rate = float("inf") if here else settings.rate
            at_once = settings.concurrency if here else settings.per_host
            self._gates[host] = HostGate(rate, at_once)
        return self._gates[host]


def retry_after_s(value: str | None, now: datetime | None = None) -> float:
    """Read a Retry-After header, seconds or an HTTP date; 0 when absent, past or unreadable.

    >>> retry_after_s("120"), retry_after_s("soon")
    (120.0, 0.0)
    """
    if not value:
        return 0.0
    with contextlib.suppress(ValueError):
        return min(max(0.0, float(value)), LONGEST_WISH_S)
    try:
        then = parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    then = then if then.tzinfo else then.replace(tzinfo=UTC)
    wait: float = (then - (now or datetime.now(UTC))).total_seconds()
    return min(max(0.0, wait), LONGEST_WISH_S)


def backoff_s(attempt: int, settings: CrawlSettings, floor_s: float = 0.0) -> float:
    """Return the wait after the `attempt`-th failure: doubled each time, spread by up to a quarter."""
    plain: float = min(settings.backoff_s * 2 ** (attempt - 1), settings.max_backoff_s)
    return max(floor_s, plain * random.uniform(0.75, 1.25))  # noqa: S311  # spreads load, guards nothing


def is_loopback(name: str) -> bool:
    """Say whether a host name or address can only mean this machine.

    >>> is_loopback("localhost"), is_loopback("127.0.0.1"), is_loopback("example.org")
    (True, True, False)
    """
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")


def is_private(address: str) -> bool:
    """Say whether an IP address is not of the public internet; false for names.

    >>> is_private("10.0.0.1"), is_private("::ffff:127.0.0.1"), is_private("8.8.8.8")
    (True, True, False)
    """
    try:
        found = ipaddress.ip_address(address.strip("[]").partition("%")[0])
    except ValueError:
        return False
    found = getattr(found, "ipv4_mapped", None) or found
    return not found.is_global or found.is_multicast
