"""Slow down whoever guesses tokens: so many wrong ones an address and all together, then one now and then.

A count that runs full refuses an attempt before its token is looked at, so that what is refused tells nothing. Attempts
that turn out right are given back.
"""

import ipaddress
import time
from collections.abc import Callable
from dataclasses import dataclass, field

MAX_ADDRESSES = 10_000


@dataclass
class Allowance:
    """A number of attempts that grows again with time: `burst` at most, one more every `every_s` seconds."""

    burst: int
    every_s: float
    spent_until: float = 0.0
    """When all is there again, on the clock of the limit."""

    def wait_s(self, now: float) -> float:
        """Return the seconds until the next attempt is allowed; 0 when it is."""
        return max(0.0, self.spent_until - now - (self.burst - 1) * self.every_s)

    def take(self, now: float) -> None:
        """Count one attempt."""
        self.spent_until = max(self.spent_until, now) + self.every_s

    def give_back(self) -> None:
        """Count one attempt less."""
        self.spent_until -= self.every_s


@dataclass
class SignInLimit:
    """Attempts by address and all together. Not safe for several threads."""

    address_burst: int = 5
    address_every_s: float = 10.0
    overall: Allowance = field(default_factory=lambda: Allowance(60, 1.0))
    clock: Callable[[], float] = time.monotonic
    _known: dict[str, Allowance] = field(default_factory=dict)

    def take(self, address: str) -> float:
        """Count an attempt; return 0, or the seconds to wait when it is refused (and not counted)."""
        now, mine = self.clock(), self._of(address)
        wait_s = max(mine.wait_s(now), self.overall.wait_s(now))
        if wait_s == 0:
            mine.take(now)
            self.overall.take(now)
        return wait_s

    def give_back(self, address: str) -> None:
        """Count an attempt less: its token was right."""
        self._of(address).give_back()
        self.overall.give_back()

    def _of(self, address: str) -> Allowance:
        key = _network(address)
        if key not in self._known:
            self._forget()
            self._known[key] = Allowance(self.address_burst, self.address_every_s)
        return self._known[key]

    def _forget(self) -> None:
        """Keep the number of addresses bounded: forget those that are clear again, then the oldest."""
        if len(self._known) < MAX_ADDRESSES:
            return
        now = self.clock()
        self._known = {key: kept for key, kept in self._known.items() if kept.spent_until > now}
        while len(self._known) >= MAX_ADDRESSES:
            del self._known[next(iter(self._known))]


def _network(address: str) -> str:
    """Name whose address this is: of IPv6 one customer has 2^64, so they count as one.

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
