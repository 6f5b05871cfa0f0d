"""How many calls of an API a key has left, calls in flight included.

An API says with each response how many calls are left. Those in flight are not all counted in that, so a new call is
made only when more are left than are in flight. While nobody knows what is left, one call is made alone and asks.
"""

from dataclasses import dataclass
from typing import Literal

Permit = Literal["go", "wait", "used_up"]


@dataclass(frozen=True)
class QuotaRecord:
    """What an API last said about the quota of one key, and the calls in flight; times are Unix seconds."""

    per_hour: int | None
    remaining: int | None
    seen_at: float
    blocked_until: float
    calls: int
    in_flight: int = 0


NEW_KEY = QuotaRecord(None, None, 0.0, 0.0, 0)


def permit(quota: QuotaRecord, now: float, *, unlimited: bool = False) -> Permit:
    """Say whether one more call may be made; `unlimited` says that the API names no quota.

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
    """Return the calls left after a response that says `said`; `at_once` calls were in flight together at most.

    Responses overtake each other, so the lowest number counts. One that is higher than overtaking explains is the
    beginning of a new hour. A response that says nothing cost a call.
    """
    if quota.remaining is None:
        return stated
    if stated is None:
        return max(0, quota.remaining - 1)
    return stated if stated > quota.remaining + at_once else min(stated, quota.remaining)
