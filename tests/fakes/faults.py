"""What may go wrong with a picture, how the catalog must show it, and which picture of a site it is planned for.

This table is the one place that says what a fault must lead to. The rough site reads how often a fault
shows itself, the tests read what must be in the rows.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

# Hosts of the rough site by the part that they play; each is a port of its own.
EVEN, ODD, BUSY, SLOW, SHY, TLS = "even", "odd", "busy", "slow", "shy", "tls"
ROLES = (EVEN, ODD, BUSY, SLOW, SHY, TLS)
GOOD = (EVEN, ODD)


@dataclass(frozen=True)
class Fault:
    """One kind of trouble. `times` attempts fail with `error` before the picture comes; None: all of them.

    Without an `error` the picture is to come in at the first attempt. One attempt makes `requests` to the site.
    """

    kind: str
    error: str | None = None
    error_class: str = "final"
    times: int | None = None
    host: str = EVEN
    requests: int = 1

    @property
    def kept(self) -> bool:
        """Say whether the picture is in the catalog in the end."""
        return self.error is None or self.times is not None

    def attempts(self, most: int) -> int:
        """Return how many rows a picture has when an attempt is repeated up to `most` times."""
        if self.kept:
            return 1 + (self.times or 0)
        return most if self.error_class == "transient" else 1


def _transient(kind: str, error: str, times: int | None = None, host: str = EVEN) -> Fault:
    return Fault(kind, error, "transient", times, host)


def _private(kind: str, requests: int) -> Fault:
    return Fault(kind, "private_address", "suspicious", requests=requests)


FAULTS: Mapping[str, Fault] = {
    fault.kind: fault
    for fault in (
        _transient("429_seconds", "http_429", 1, BUSY),
        _transient("429_date", "http_429", 1, BUSY),
        _transient("503_seconds", "http_503", 2, BUSY),
        _transient("503_date", "http_503", 1, BUSY),
        Fault("api_quota"),
        Fault("api_503"),
        _transient("drip", "too_slow", 1, SLOW),
        _transient("stall", "timeout", 1, SLOW),
        _transient("truncated", "truncated_body", 1, ODD),
        _transient("reset", "network_error", 2, ODD),
        _transient("500_forever", "http_500"),
        Fault("zero_bytes", "empty"),
        Fault("html", "not_an_image", host=ODD),
        Fault("wrong_type"),
        Fault("redirect_chain", host=ODD, requests=4),
        Fault("redirect_far", "too_many_redirects", requests=6),
        Fault("redirect_loop", "redirect_loop", requests=3),
        Fault("redirect_host", requests=2),
        Fault("huge_length", "too_big", host=ODD),
        Fault("png_bomb"),
        Fault("gzip_bomb", "too_big"),
        Fault("many_pixels", host=ODD),
        Fault("bad_tls", "tls_error", host=TLS, requests=0),
        Fault("no_dns", "robots_unavailable", "transient", requests=0),
        _private("private", 0),
        _private("metadata", 0),
        _private("mapped", 0),
        _private("private_redirect", 1),
        _private("metadata_redirect", 1),
        _private("mapped_redirect", 1),
        Fault("listed_twice"),
        Fault("no_detail", "http_404", requests=0),
        Fault("gone_404", "http_404", host=ODD),
        Fault("gone_410", "http_410"),
        Fault("disallowed", "robots_disallowed", host=SHY, requests=0),
        Fault("noai", "opted_out"),
        Fault("noimageai", "opted_out", host=ODD),
        Fault("tdm", "opted_out"),
    )
}


@dataclass(frozen=True)
class FaultPlan:
    """Which of the `names` of a site have which fault; a name has one at most."""

    names: tuple[str, ...]
    ids: Mapping[str, tuple[str, ...]]

    @classmethod
    def spread(
        cls, names: Sequence[str], share: float, kinds: Iterable[str] = FAULTS, seed: int = 7
    ) -> "FaultPlan":
        """Give every kind the same `share` of the names (in [0, 1], at least one), scattered by the seed."""
        each = max(1, round(len(names) * share))
        shuffled = iter(random.Random(seed).sample(names, len(names)))
        ids = {kind: tuple(next(shuffled) for _ in range(each)) for kind in kinds}
        return cls(tuple(names), ids)

    @cached_property
    def fault_of(self) -> Mapping[str, Fault]:
        """Return the fault of every name that has one."""
        return {name: FAULTS[kind] for kind, ids in self.ids.items() for name in ids}

    def kept(self) -> set[str]:
        """Return the names that must be in the catalog in the end."""
        return {n for n in self.names if n not in self.fault_of or self.fault_of[n].kept}

    def host_of(self, name: str) -> str:
        """Return the role of the host that has the picture; sound ones are on every host but `tls`."""
        if fault := self.fault_of.get(name):
            return fault.host
        place = self._sound[name]
        return {0: SLOW, 4: SHY, 8: BUSY}.get(place % 12, GOOD[place % 2])

    @cached_property
    def _sound(self) -> Mapping[str, int]:
        sound = (name for name in self.names if name not in self.fault_of)
        return {name: place for place, name in enumerate(sound)}
