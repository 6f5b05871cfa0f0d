"""One queue of items for each host: claim, release and settle items, and pause hosts."""

import json
import time
from collections.abc import Collection, Iterable, Sequence

from crawler.fetch.hosts import host_of
from crawler.fetch.pauses import HostPause
from crawler.frontier.catalog_memory import CatalogMemory
from crawler.frontier.items import (
    ALL_HOSTS,
    ITEM_COLUMNS,
    HostPartition,
    Item,
    Settlement,
    read_item,
)
from crawler.frontier.schema import part_of


class HostQueues(CatalogMemory):
    """The queues from which workers claim items. Hosts take turns, so a slow host does not delay the others."""

    def claim(
        self,
        crawl_id: str,
        limit: int,
        now: float,
        *,
        partition: HostPartition = ALL_HOSTS,
        busy: Collection[str] = (),
        each: int = 64,
    ) -> list[Item]:
        """Claim up to `limit` items that are due at `now` (Unix seconds); their state becomes in_flight.

        Hosts take turns; each gives up to `each` items. Skipped are hosts that are `busy`, paused or outside
        `partition`.
        """
        items: list[Item] = []
        with self._transaction():
            for host in self._hosts_in_turn(crawl_id, limit, now, partition, busy):
                if len(items) == limit:
                    break
                most = min(each, limit - len(items))
                items += self._claim_of(crawl_id, host, most, now, partition.owner)
        return items

    def _hosts_in_turn(
        self,
        crawl_id: str,
        limit: int,
        now: float,
        partition: HostPartition,
        busy: Collection[str],
    ) -> list[str]:
        sql = (
            "SELECT q.host, coalesce(h.closed_until, 0) FROM host_queues q LEFT JOIN hosts h USING (host)"
            " WHERE q.crawl_id = ? AND q.queued > 0 AND q.turn <= ? AND q.part % ? = ?"
            " AND q.host NOT IN (SELECT value FROM json_each(?)) ORDER BY q.turn LIMIT ?"
        )
        of_worker = (partition.count, partition.index)
        rows = self._read(sql, crawl_id, now, *of_worker, json.dumps(list(busy)), limit)
        later = [(until, crawl_id, host) for host, until in rows if until > now]
        turn = "UPDATE host_queues SET turn = ? WHERE crawl_id = ? AND host = ?"
        self._db.executemany(turn, later)
        return [host for host, until in rows if until <= now]

    def _claim_of(self, crawl_id: str, host: str, limit: int, now: float, owner: str) -> list[Item]:
        where = "crawl_id = ? AND host = ? AND state = 'queued' AND stage = 2"
        rows = self._db.execute(
            "UPDATE items SET state = 'in_flight', owner = ? WHERE seq IN (SELECT seq FROM items"
            f" WHERE {where} AND not_before <= ? ORDER BY not_before, seq LIMIT ?) RETURNING {ITEM_COLUMNS}",
            (owner, crawl_id, host, now, limit),
        ).fetchall()
        (due,) = self._read(f"SELECT min(not_before) FROM items WHERE {where}", crawl_id, host)[0]
        turn = "UPDATE host_queues SET turn = max(?, ?) WHERE crawl_id = ? AND host = ?"
        self._db.execute(turn, (now, due or now, crawl_id, host))
        return sorted((read_item(row) for row in rows), key=lambda item: item.seq)

    def next_due(self, crawl_id: str) -> float | None:
        """Return when the next host has its turn, in Unix seconds; null when nothing can be claimed."""
        sql = "SELECT min(turn) FROM host_queues WHERE crawl_id = ? AND queued > 0"
        due: float | None = self._read(sql, crawl_id)[0][0]
        return due

    def in_flight(self, owner: str | None = None) -> list[Item]:
        """Return the items in flight, of every crawl, or of one worker."""
        sql = (
            f"SELECT {ITEM_COLUMNS} FROM items WHERE state = 'in_flight' AND (?1 IS NULL OR owner = ?1)"
            " ORDER BY seq"
        )
        return [read_item(row) for row in self._read(sql, owner)]

    def requeue_redirect(self, item: Item, url: str) -> None:
        """Queue an item in flight at the address that it was redirected to, for the worker of that host."""
        sql = (
            "UPDATE items SET url = ?, host = ?, part = ?, hops = hops + 1, state = 'queued', not_before = 0"
            " WHERE seq = ? AND state = 'in_flight'"
        )
        host = host_of(url)
        self._write(sql, (url, host, part_of(host), item.seq))

    def release(self, items: Iterable[Item]) -> None:
        """Return claimed items to the queue as if they had not been claimed."""
        sql = "UPDATE items SET state = 'queued' WHERE seq = ? AND state = 'in_flight'"
        with self._transaction():
            self._db.executemany(sql, [(item.seq,) for item in items])

    def settle(self, settlements: Sequence[Settlement], assets: Iterable[str] = ()) -> None:
        """Update items whose segment is on disk, and remember the SHA-256 of new files, in one transaction."""
        sql = (
            "UPDATE items SET state = ?, attempts = ?, not_before = ?, error_class = ?, error = ?, error_detail = ?,"
            " http_status = ?, etag = coalesce(?, etag), modified = coalesce(?, modified), settled_at = ?, hops = 0"
            " WHERE seq = ?"
        )
        now, assets = time.time(), list(assets)
        rows = [
            (
                *(s.state, s.attempts, s.not_before, s.error_class, s.error, s.detail),
                *(s.http_status, s.etag, s.modified, now, s.seq),
            )
            for s in settlements
        ]
        photos = [
            key for s in settlements if s.state == "done" for key in (s.photo_id, s.content_id)
        ]
        with self._transaction():
            self._db.executemany(sql, rows)
            self.add_held(filter(None, photos), assets)
            self._db.executemany(
                "DELETE FROM claimed_assets WHERE sha256 = ?", [(sha,) for sha in assets]
            )

    def done_photos(self) -> list[str]:
        """Return the photo_id of every item that is done."""
        return [photo for (photo,) in self._read("SELECT photo_id FROM items WHERE state = 'done'")]

    def repeats_in_a_row(self, crawl_id: str) -> int:
        """Return how many of the last fetched pictures, newest first, repeat bytes of an earlier one."""
        sql = "SELECT error FROM items WHERE +crawl_id = ? AND state = 'done' ORDER BY seq DESC LIMIT 1000"
        newest = [error for (error,) in self._read(sql, crawl_id)]
        return next((n for n, error in enumerate(newest) if error != "repeat"), len(newest))

    # Pauses of hosts (Retry-After)

    def pause_host(self, host: str, until: float) -> None:
        """Let no process send a request to a host before a time (Unix seconds)."""
        sql = "INSERT INTO hosts VALUES (?1, ?2) ON CONFLICT DO UPDATE SET closed_until = max(closed_until, ?2)"
        self._write(sql, (host, until))

    def paused_hosts(self) -> dict[str, float]:
        """Return the hosts that are paused now, with the end of their pause (Unix seconds)."""
        return dict(self._read("SELECT * FROM hosts WHERE closed_until > ?", time.time()))

    def pauses(self, crawl_id: str, most: int = 100) -> list[HostPause]:
        """Return the paused hosts for which pictures of a crawl wait, the longest pause first."""
        sql = (
            "SELECT h.host, h.closed_until, q.queued FROM hosts h JOIN host_queues q USING (host)"
            " WHERE q.crawl_id = ? AND q.queued > 0 AND h.closed_until > ? ORDER BY h.closed_until DESC LIMIT ?"
        )
        return [HostPause(*row) for row in self._read(sql, crawl_id, time.time(), most)]
