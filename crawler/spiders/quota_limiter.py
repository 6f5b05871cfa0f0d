"""The limiter of calls with an API key: no call is sent that exceeds the quota.

Each call is recorded in the frontier before it is sent: if the process is killed, the next one counts it as used.
"""

import asyncio
import heapq
import time
from itertools import count

from crawler.frontier.frontier import Frontier

_RETRY_S = 1.0  # another process may have a call in flight, too


class QuotaUsedUpError(Exception):
    """No call may be made with this key before `until` (Unix seconds)."""

    def __init__(self, until: float) -> None:
        super().__init__("the API quota is used up")
        self.until = until


class QuotaLimiter:
    """Allow calls while the quota of `key_hash` lasts, those of the highest priority first."""

    def __init__(self, frontier: Frontier, key_hash: str, quota_wait_s: float) -> None:
        self._frontier, self._key, self._quota_wait_s = frontier, key_hash, quota_wait_s
        self._unlimited = False
        self._max_in_flight = 1
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = count()
        frontier.abandon_calls(key_hash)

    async def acquire(self, priority: int) -> None:
        """Wait until a call may be sent; raises `QuotaUsedUpError`."""
        turn = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (-priority, next(self._numbers), turn))
        self._admit()
        while not turn.done():
            await asyncio.wait([turn], timeout=_RETRY_S)
            self._admit()
        turn.result()

    def record_response(
        self,
        per_hour: int | None,
        remaining: int | None,
        blocked_until: float | None,
        *,
        sound: bool,
    ) -> None:
        """Record the end of a call and the quota in its response.

        Only a `sound` response without a quota shows that the API states none.
        """
        at_once = self._max_in_flight
        self._frontier.record_response(
            self._key, per_hour, remaining, blocked_until, at_once=at_once
        )
        if sound and remaining is None:
            quota = self._frontier.quota(self._key)
            self._unlimited = quota is not None and quota.per_hour is None
        self._admit()

    def _admit(self) -> None:
        self._waiting = [entry for entry in self._waiting if not entry[2].done()]
        heapq.heapify(self._waiting)
        while self._waiting:
            permit = self._frontier.reserve_call(self._key, unlimited=self._unlimited)
            if permit == "used_up":
                self._refuse_all()
            if permit != "go":
                return
            heapq.heappop(self._waiting)[2].set_result(None)
            quota = self._frontier.quota(self._key)
            self._max_in_flight = max(self._max_in_flight, quota.in_flight if quota else 1)

    def _refuse_all(self) -> None:
        quota = self._frontier.quota(self._key)
        until = quota.blocked_until if quota else 0.0
        if until <= time.time():
            until = max(time.time(), quota.seen_at if quota else 0.0) + self._quota_wait_s
            self._frontier.block_key(self._key, until)
        for _, _, turn in self._waiting:
            turn.set_exception(QuotaUsedUpError(until))
        self._waiting = []
