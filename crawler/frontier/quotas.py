"""The quota of each API key in the frontier, shared by all processes that use the key (see `fetch/quota.py`)."""

import time
from dataclasses import astuple, replace

from crawler.fetch.quota import NEW_KEY, Permit, QuotaRecord, left_after, permit
from crawler.frontier.database import FrontierDatabase

_COLUMNS = "per_hour, remaining, seen_at, blocked_until, calls, in_flight"


class ApiQuotas(FrontierDatabase):
    """The quotas by hash of the API key."""

    def quota(self, key_hash: str) -> QuotaRecord | None:
        """Return the stored quota of a key; null for a new key."""
        rows = self._read(f"SELECT {_COLUMNS} FROM quotas WHERE key_hash = ?", key_hash)
        return QuotaRecord(*rows[0]) if rows else None

    def reserve_call(self, key_hash: str, *, unlimited: bool = False) -> Permit:
        """Count one more call as in flight when the quota allows it; it is on disk before the call is made.

        After a pause the number of calls left is unknown: one call is made alone, and its response tells the number.
        """
        with self._transaction():
            quota, now = self.quota(key_hash) or NEW_KEY, time.time()
            if 0 < quota.blocked_until <= now:
                quota = replace(quota, blocked_until=0.0, remaining=None)
            decision = permit(quota, now, unlimited=unlimited)
            if decision == "go":
                self._write_quota(key_hash, replace(quota, in_flight=quota.in_flight + 1))
        return decision

    def abandon_calls(self, key_hash: str) -> None:
        """Count the calls in flight of a process that has ended as used."""
        with self._transaction():
            quota = self.quota(key_hash)
            if quota and quota.in_flight:
                left = quota.remaining and max(0, quota.remaining - quota.in_flight)
                self._write_quota(key_hash, replace(quota, remaining=left, in_flight=0))

    def record_response(
        self,
        key_hash: str,
        per_hour: int | None,
        remaining: int | None,
        blocked_until: float | None = None,
        *,
        at_once: int = 1,
    ) -> None:
        """Count one call in flight as ended, and store the quota that its response states (see `left_after`)."""
        with self._transaction():
            quota = self.quota(key_hash) or NEW_KEY
            updated = replace(
                quota,
                per_hour=quota.per_hour if per_hour is None else per_hour,
                remaining=left_after(quota, remaining, at_once),
                seen_at=time.time(),
                blocked_until=max(quota.blocked_until, blocked_until or 0.0),
                calls=quota.calls + 1,
                in_flight=max(0, quota.in_flight - 1),
            )
            self._write_quota(key_hash, updated)

    def block_key(self, key_hash: str, until: float) -> None:
        """Let no call be made with a key before a time (Unix seconds)."""
        sql = "UPDATE quotas SET blocked_until = max(blocked_until, ?) WHERE key_hash = ?"
        self._write(sql, (until, key_hash))

    def _write_quota(self, key_hash: str, quota: QuotaRecord) -> None:
        sql = f"INSERT OR REPLACE INTO quotas (key_hash, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)"
        self._write(sql, (key_hash, *astuple(quota)))
