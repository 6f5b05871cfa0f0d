"""The rate limit of each host: a token bucket, a number of concurrent requests, Retry-After and Crawl-delay.

What a host states (Retry-After, Crawl-delay) can lower its rate but not raise it. A Crawl-delay is kept from the end of
one request to the start of the next, with one request at a time, so it is kept whatever the latency of a request.
"""

import asyncio
import random
import re
import time
from collections.abc import Callable, Mapping
from datetime import datetime

from catalog import retry_after
from crawler.fetch.hosts import host_of, is_loopback
from crawler.settings import CrawlSettings

# A pause that a host states is kept, but not for longer than this.
LONGEST_PAUSE_S = 24 * 3600.0


# After so many network failures in a row a host gets one request at a time, with growing pauses.
_MAX_FAILURES, _LONGEST_FAILURE_PAUSE_S = 3, 60.0


class HostLimiter:
    """The limits of one host. `rate` is requests a second; infinity means no token bucket."""

    def __init__(
        self, rate: float, at_once: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._interval = 1.0 / rate
        self._at_once, self.active, self._failures = at_once, 0, 0
        self._clock = clock
        self._delay_s = 0.0
        self._next = self._floor = self._last_request = -float("inf")

    def set_min_delay(self, delay_s: float) -> None:
        """Keep at least `delay_s` between two requests, one at a time, from now on (Crawl-delay)."""
        self._delay_s = max(self._delay_s, min(delay_s, LONGEST_PAUSE_S))
        self._interval = max(self._interval, self._delay_s)
        self._next = max(self._next, self._last_request + self._interval)

    def pause_for(self, delay_s: float) -> None:
        """Allow no request for `delay_s` (Retry-After)."""
        self._floor = max(self._floor, self._clock() + min(delay_s, LONGEST_PAUSE_S))

    @property
    def paused_s(self) -> float:
        """The rest of the host's pause, in seconds."""
        return max(0.0, self._floor - self._clock())

    def try_acquire(self) -> bool:
        """Take a slot and a token when both are free now; say whether they were."""
        alone = self._delay_s > 0 or self._failures >= _MAX_FAILURES
        slots = 1 if alone else self._at_once
        if self.active >= slots or self.wait_s() > 0:
            return False
        self.active += 1
        self._take_token()
        return True

    def release(self, *, reached: bool) -> None:
        """Free the slot; `reached` says whether the host responded at all."""
        self.active -= 1
        self._delay_next()
        self._failures = 0 if reached else self._failures + 1
        if self._failures >= _MAX_FAILURES:
            self.pause_for(min(2.0 ** (self._failures - _MAX_FAILURES), _LONGEST_FAILURE_PAUSE_S))

    async def acquire(self) -> None:
        """Wait for a slot and a token."""
        while not self.try_acquire():  # noqa: ASYNC110  # waits for a time, not for an event
            await asyncio.sleep(max(0.01, min(self.wait_s(), 1.0)))

    async def reacquire(self) -> None:
        """Free the slot and wait for another slot and token, because the limits changed after `acquire`."""
        self.active -= 1
        try:
            await self.acquire()
        except BaseException:
            self.active += 1  # the caller still holds a slot and will release it
            raise

    async def wait_for_token(self) -> None:
        """Wait for one more token and keep the slot (a redirect within the host)."""
        self._delay_next()
        while (wait := self.wait_s()) > 0:  # noqa: ASYNC110  # waits for a time, not for an event
            await asyncio.sleep(wait)
        self._take_token()

    def take_token_now(self) -> None:
        """Spend a token for a request that is sent now, even when the bucket is empty."""
        self._last_request = self._clock()
        self._next = max(self._next, self._last_request + self._interval)

    def wait_s(self) -> float:
        """Seconds until a token is free."""
        return max(self._next, self._floor) - self._clock()

    def _delay_next(self) -> None:
        if self._delay_s:
            self._next = max(self._next, self._clock() + self._delay_s)

    def _take_token(self) -> None:
        self._last_request = self._clock()
        self._next = max(self._last_request, self._next) + self._interval


class HostPermit:
    """One slot of one host at a time, from `HostLimits` to `release`, handed along with the request that it admits.

    Who receives a permit releases it. A permit gives each slot back once, so a second release changes nothing.
    """

    def __init__(self, limiter: HostLimiter) -> None:
        self.limiter, self._holds_slot = limiter, True

    def release(self, *, reached: bool) -> None:
        """Free the slot; `reached` says whether the host responded at all."""
        if self._holds_slot:
            self._holds_slot = False
            self.limiter.release(reached=reached)

    async def move(self, limiter: HostLimiter) -> None:
        """Free the slot of a host that responded, and wait for a slot and a token of another one (a redirect)."""
        self.release(reached=True)
        self.limiter = limiter
        await limiter.acquire()
        self._holds_slot = True


class HostLimits:
    """One limiter for each host. Loopback hosts have no limits unless `limit_loopback` is set."""

    def __init__(self, settings: CrawlSettings) -> None:
        self._settings = settings
        self._limiters: dict[str, HostLimiter] = {}

    def restore_pauses(self, paused: Mapping[str, float]) -> None:
        """Continue pauses of earlier sessions: host -> end of the pause in Unix seconds."""
        for host, until in paused.items():
            self.limiter(host).pause_for(until - time.time())

    def try_acquire(self, host: str) -> "HostPermit | None":
        """Take a slot and a token of a host when both are free now."""
        limiter = self.limiter(host)
        return HostPermit(limiter) if limiter.try_acquire() else None

    async def acquire(self, host: str) -> "HostPermit":
        """Wait for a slot and a token of a host."""
        limiter = self.limiter(host)
        await limiter.acquire()
        return HostPermit(limiter)

    def limiter(self, host: str) -> HostLimiter:
        """Return the limiter of a host (see `host_of`)."""
        if host not in self._limiters:
            # A frontier of older code may spell one host in several ways.
            name = host_of(f"http://{host}") or host
            self._limiters[host] = self._limiters.get(name) or self._new_limiter(name)
            self._limiters[name] = self._limiters[host]
        return self._limiters[host]

    def _new_limiter(self, host: str) -> HostLimiter:
        settings = self._settings
        free = not settings.limit_loopback and is_loopback(_without_port(host))
        rate = float("inf") if free else settings.rate
        at_once = settings.concurrency if free else settings.per_host
        return HostLimiter(rate, at_once)


def _without_port(host: str) -> str:
    """Take the port off a host's name.

    >>> _without_port("[::1]:80"), _without_port("a.example")
    ('[::1]', 'a.example')
    """
    return re.sub(r":\d+$", "", host)


class ByteBudget:
    """A bound on the bytes of all bodies in transfer. The oldest body may always grow, so there is no deadlock."""

    def __init__(self, total: int) -> None:
        self._total, self._used = total, 0
        self._bodies: dict[object, int] = {}
        self._freed = asyncio.Condition()

    async def grow(self, body: object, size: int) -> None:
        """Wait until a body may grow by `size` bytes."""
        self._bodies.setdefault(body, 0)
        if self._used + size > self._total:
            async with self._freed:
                await self._freed.wait_for(lambda: self._may_grow(body, size))
        self._bodies[body] += size
        self._used += size

    def _may_grow(self, body: object, size: int) -> bool:
        return self._used + size <= self._total or body is next(iter(self._bodies))

    async def free(self, body: object) -> None:
        """Release the bytes of a body."""
        self._used -= self._bodies.pop(body, 0)
        async with self._freed:
            self._freed.notify_all()


def retry_after_s(value: str | None, now: datetime | None = None) -> float:
    """Read a Retry-After header, seconds or an HTTP date; 0 when absent, past or unreadable.

    >>> retry_after_s("120"), retry_after_s("soon")
    (120.0, 0.0)
    """
    return min(retry_after(value, now), LONGEST_PAUSE_S)


def backoff_s(attempt: int, settings: CrawlSettings, floor_s: float = 0.0) -> float:
    """Return the wait after the `attempt`-th failure: doubled each time, spread by up to a quarter."""
    plain: float = min(settings.backoff_s * 2 ** (attempt - 1), settings.max_backoff_s)
    return max(floor_s, plain * random.uniform(0.75, 1.25))  # noqa: S311  # spreads load, guards nothing
