"""The quota of an API key: how many calls are left, with the calls in flight.

Each response of an API states how many calls are left. That number may not include calls in flight, so a new call is
made only when more calls are left than are in flight. While the number is unknown, one call is made alone to get it.
"""

from dataclasses import dataclass
from typing import Literal

Permit = Literal["go", "wait", "used_up"]


@dataclass(frozen=True)
class QuotaRecord:
    """The quota of one key as the API last stated it, and the calls in flight; times are Unix seconds."""

    per_hour: int | None
    remaining: int | None
    seen_at: float
    blocked_until: float
    calls: int
    in_flight: int = 0


NEW_KEY = QuotaRecord(None, None, 0.0, 0.0, 0)


def permit(quota: QuotaRecord, now: float, *, unlimited: bool = False) -> Permit:
    """Say whether one more call may be made; `unlimited` says that the API states no quota.

    >>> [permit(QuotaRecord(50, 3, 0.0, 0.0, 9, in_flight=n), 1.0) for n in (2, 3)]
    ['go', 'wait']
    """
    if quota.blocked_until > now:
        return "used_up"
    if quota.remaining is None:
        return "go" if unlimited or not quota.in_flight else "wait"
    if quota.remaining > quota.in_flight:
        return "go"
    return "wait" if quota.in_flight else "used_up"


def left_after(quota: QuotaRecord, stated: int | None, at_once: int) -> int | None:
    """Return the calls left after a response that states `stated`; at most `at_once` calls were in flight together.

    Responses arrive out of order, so the lowest number wins. A number that is higher than their order explains starts a
    new hour. A response without a number counts as one call.
    """
    if quota.remaining is None:
        return stated
    if stated is None:
        return max(0, quota.remaining - 1)
    return stated if stated > quota.remaining + at_once else min(stated, quota.remaining)
