"""Rate limit of sign-in attempts, per address and for all addresses together.

A limit that is used up refuses an attempt before its token is compared, so that the refusal says nothing about the
token. An attempt with a right token is given back.
"""

import ipaddress
import time
from collections.abc import Callable
from dataclasses import dataclass, field

MAX_ADDRESSES = 10_000


@dataclass
class LeakyBucket:
    """Rate limit of `burst` attempts at once and one more every `every_s` seconds (a leaky bucket as a meter)."""

    burst: int
    every_s: float
    empty_at: float = 0.0
    """When the whole burst is available again, on the clock of the limit."""

    def wait_s(self, now: float) -> float:
        """Return the seconds until the next attempt is allowed; 0 when it is."""
        return max(0.0, self.empty_at - now - (self.burst - 1) * self.every_s)

    def take(self, now: float) -> None:
        """Count one attempt."""
        self.empty_at = max(self.empty_at, now) + self.every_s

    def give_back(self) -> None:
        """Count one attempt less."""
        self.empty_at -= self.every_s


@dataclass
class SignInLimit:
    """Attempts per address and of all addresses together. Not safe for several threads."""

    address_burst: int = 5
    address_every_s: float = 10.0
    overall: LeakyBucket = field(default_factory=lambda: LeakyBucket(60, 1.0))
    clock: Callable[[], float] = time.monotonic
    _buckets: dict[str, LeakyBucket] = field(default_factory=dict)

    def take(self, address: str) -> float:
        """Count an attempt; return 0, or the seconds to wait when it is refused (and not counted)."""
        now, bucket = self.clock(), self._bucket(address)
        wait_s = max(bucket.wait_s(now), self.overall.wait_s(now))
        if wait_s == 0:
            bucket.take(now)
            self.overall.take(now)
        return wait_s

    def give_back(self, address: str) -> None:
        """Count an attempt less: its token was right."""
        self._bucket(address).give_back()
        self.overall.give_back()

    def _bucket(self, address: str) -> LeakyBucket:
        key = _network(address)
        if key not in self._buckets:
            self._evict()
            self._buckets[key] = LeakyBucket(self.address_burst, self.address_every_s)
        return self._buckets[key]

    def _evict(self) -> None:
        """Bound the number of addresses: drop those whose bucket is empty, then the oldest."""
        if len(self._buckets) < MAX_ADDRESSES:
            return
        now = self.clock()
        self._buckets = {key: b for key, b in self._buckets.items() if b.empty_at > now}
        while len(self._buckets) >= MAX_ADDRESSES:
            del self._buckets[next(iter(self._buckets))]


def _network(address: str) -> str:
    """Return the network that counts as one client: an IPv4 address, or an IPv6 /64, which one customer owns.

    >>> _network("2001:db8::1:2"), _network("192.0.2.7"), _network("::ffff:192.0.2.7")
    ('2001:db8::/64', '192.0.2.7', '192.0.2.7')
    """
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))
