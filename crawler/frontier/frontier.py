"""The durable queue between discovery and bytes: one SQLite file for a workspace.

An item is one photo wanted by one crawl. Its state only changes inside a transaction. A picture counts as done when its
segment is on disk, never before, so a kill at any moment costs at most the items in flight. Items wait in one
queue for each host, and hosts take turns, so a slow or closed host holds up nobody else.

Several processes write: the session, its workers, each with hosts of its own, and its spider, which adds items and
moves their `stage` on.
"""

import json
import sqlite3
import threading
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, astuple, replace
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from crawler.errors import PredicateError
from crawler.fetch.failures import TOMBSTONED, ErrorClass, Failure
from crawler.fetch.hosts import host_of
from crawler.fetch.pauses import HostPause
from crawler.fetch.quota import NEW_KEY, Permit, QuotaRecord, left_after, permit
from crawler.frontier.items import (
    _ITEM,
    ALL_HOSTS,
    DESCRIBED,
    READY,
    CrawlRecord,
    Cursor,
    DeadLetter,
    Item,
    Learned,
    Listed,
    Row,
    Settlement,
    Share,
    _dump,
    _item,
)
from crawler.frontier.schema import part_of, prepare

_QUOTA = "per_hour, remaining, seen_at, blocked_until, calls, in_flight"


class Frontier:
    """The queue; safe to use from several threads and, through SQLite, from several processes."""

    def __init__(self, path: Path, *, durable: bool = True) -> None:
        """Open or make the file; without `durable` a power cut may undo the last transactions."""
        self._lock, self._path = threading.RLock(), path.resolve()
        self._db = sqlite3.connect(path, timeout=60, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        with self._transaction():
            prepare(self._db)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; nothing is lost if this is never called."""
        with self._lock:
            self._db.close()

    # Crawls and their listings

    def open_crawl(
        self,
        crawl_id: str,
        source: str,
        config: Mapping[str, object],
        changed: Mapping[str, object] | None = None,
    ) -> None:
        """Note a crawl, its source and the settings that its order changes; a known one keeps its listing."""
        row = (crawl_id, source, _dump(config), _dump(asdict(Cursor())), time.time())
        sql = (
            "INSERT INTO crawls VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
            " used_at = excluded.used_at, changed = excluded.changed, config = excluded.config"
        )
        self._write(sql, (*row, _dump(changed or {})))

    def crawls(self) -> list[CrawlRecord]:
        """Return every crawl, last used first."""
        with self._lock:
            names = "crawl_id, source, config, cursor, used_at, changed"
            rows = self._db.execute(f"SELECT {names} FROM crawls ORDER BY used_at DESC").fetchall()
            return [
                CrawlRecord(
                    *(c, s, json.loads(g), Cursor(**json.loads(k)), u, self.counts(c)),
                    json.loads(changed),
                )
                for c, s, g, k, u, changed in rows
            ]

    def cursor(self, crawl_id: str) -> Cursor:
        """Return how far the listing of a crawl is."""
        (text,) = self._read("SELECT cursor FROM crawls WHERE crawl_id = ?", crawl_id)[0]
        return Cursor(**json.loads(text))

    def relist(self, crawl_id: str) -> None:
        """Let the listing begin again; what is known stays known."""
        self._set_cursor(crawl_id, Cursor(listing=self.cursor(crawl_id).listing + 1))

    def add(
        self, crawl_id: str, listed: Sequence[Listed], cursor: Cursor, *, skip_held: bool = False
    ) -> int:
        """Put one page of photos and the cursor behind it in at once; return how many are new.

        With `skip_held` a photo that any crawl has brought in counts as done, and so does one of which `learn` was told
        that this crawl brought it in from the address that is listed; from another one it is asked for with its ETag.
        """
        with self._transaction():
            new = sum(
                self._add(crawl_id, photo, cursor.listing, skip_held=skip_held) for photo in listed
            )
            self._set_cursor(crawl_id, cursor)
        return new

    def _add(self, crawl_id: str, photo: Listed, listing: int, *, skip_held: bool) -> int:
        """Add a photo, or note that it is still listed; a changed version is wanted again."""
        sql = "SELECT seq, version, state FROM items WHERE crawl_id = ? AND photo_id = ?"
        known = self._read(sql, crawl_id, photo.photo_id)
        part, said = part_of(photo.host), _dump(photo.photo)
        if not known:
            before = self._take_learned(crawl_id, photo.photo_id)
            held = _is_same(photo, before) or (skip_held and self.holds(photo.photo_id))
            self._db.execute(
                "INSERT INTO items (crawl_id, photo_id, url, host, part, photo, version, stage, state, listing,"
                " attempts, base, settled_at, etag, modified)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(crawl_id, photo.photo_id, photo.url, photo.host, part, said),
                    *(photo.version, photo.stage, "done" if held else "queued", listing),
                    *(before.attempts, before.attempts, before.settled_at),
                    *(before.etag, before.modified),
                ),
            )
            return not held
        seq, version, state = known[0]
        if version == photo.version or state == "in_flight":
            self._db.execute("UPDATE items SET listing = ? WHERE seq = ?", (listing, seq))
            return 0
        self._db.execute(
            "UPDATE items SET listing = ?, url = ?, host = ?, part = ?, photo = ?, version = ?, stage = ?,"
            " state = 'queued', base = attempts, not_before = 0, hops = 0 WHERE seq = ?",
            (*(listing, photo.url, photo.host, part, said, photo.version), photo.stage, seq),
        )
        return 1

    def knows(self, crawl_id: str) -> bool:
        """Say whether a crawl was opened in this file."""
        return bool(self._read("SELECT 1 FROM crawls WHERE crawl_id = ?", crawl_id))

    def learn(self, crawl_id: str, photos: Iterable[Learned]) -> None:
        """Be told what the catalog knows of the photos of a crawl, before they are listed again."""
        sql = "INSERT OR REPLACE INTO learned VALUES (?, ?, ?, ?, ?, ?, ?)"
        rows = (
            (crawl_id, p.photo_id, p.attempts, p.url, p.settled_at, p.etag, p.modified)
            for p in photos
        )
        with self._transaction():
            self._db.executemany(sql, rows)

    def _take_learned(self, crawl_id: str, photo_id: str) -> Learned:
        sql = (
            "DELETE FROM learned WHERE crawl_id = ? AND photo_id = ?"
            " RETURNING photo_id, attempts, url, settled_at, etag, modified"
        )
        found = self._read(sql, crawl_id, photo_id)
        return Learned(*found[0]) if found else Learned(photo_id)

    def vanished(self, crawl_id: str) -> list[Item]:
        """Return the photos brought in that the newest listing, when it has ended, no longer holds."""
        sql = f"SELECT {_ITEM} FROM items WHERE crawl_id = ? AND listing < ? AND state = 'done' ORDER BY seq"
        cursor = self.cursor(crawl_id)
        found = self._read(sql, crawl_id, cursor.listing) if cursor.finished else []
        return [_item(row) for row in found]

    def recrawl(self, crawl_id: str, before: float, *, stage: int = READY) -> int:
        """Queue photos again that were last settled before a time (Unix seconds); return how many.

        `stage` is READY when their address still holds, LISTED when the source must be asked for it again.
        """
        sql = (
            "UPDATE items SET state = 'queued', base = attempts, not_before = 0, hops = 0, stage = ?"
            " WHERE crawl_id = ? AND state = 'done' AND settled_at < ? AND url <> ''"
        )
        return self._write(sql, (stage, crawl_id, before))

    def held_by_others(self, crawl_id: str) -> list[str]:
        """Return the photos that a crawl listed and never asked for, because another one had brought them in."""
        sql = "SELECT photo_id FROM items WHERE crawl_id = ? AND state = 'done' AND attempts = 0"
        return [name for (name,) in self._read(sql, crawl_id)]

    def holds(self, photo_id: str) -> bool:
        """Say whether any crawl has brought a photo in."""
        return bool(self._read("SELECT 1 FROM held_photos WHERE photo_id = ?", photo_id))

    def _set_cursor(self, crawl_id: str, cursor: Cursor) -> None:
        sql = "UPDATE crawls SET cursor = ? WHERE crawl_id = ?"
        self._write(sql, (_dump(asdict(cursor)), crawl_id))

    # The API job of one photo

    def unprepared(self, crawl_id: str) -> list[Item]:
        """Return the items that still need calls of the source's API, in order of listing."""
        sql = f"SELECT {_ITEM} FROM items WHERE crawl_id = ? AND state = 'queued' AND stage < ? ORDER BY seq"
        return [_item(row) for row in self._read(sql, crawl_id, READY)]

    def describe(self, crawl_id: str, photo_id: str, photo: Mapping[str, object]) -> None:
        """Keep what the source's detail call said about a photo."""
        sql = "UPDATE items SET photo = ?, stage = ? WHERE crawl_id = ? AND photo_id = ? AND stage < ?"
        self._write(sql, (_dump(photo), DESCRIBED, crawl_id, photo_id, READY))

    def locate(self, crawl_id: str, photo_id: str, url: str, host: str) -> None:
        """Keep the address of a photo's bytes: from now on it can be claimed."""
        sql = (
            "UPDATE items SET url = ?, host = ?, part = ?, stage = ?"
            " WHERE crawl_id = ? AND photo_id = ? AND stage < ?"
        )
        self._write(sql, (url, host, part_of(host), READY, crawl_id, photo_id, READY))

    def refuse(self, crawl_id: str, photo_id: str, failure: Failure) -> None:
        """Keep why the source will not give a photo; claiming it brings the failure along."""
        sql = "UPDATE items SET refusal = ?, stage = ? WHERE crawl_id = ? AND photo_id = ? AND stage < ?"
        self._write(sql, (_dump(asdict(failure)), READY, crawl_id, photo_id, READY))

    # Fetching

    def claim(
        self,
        crawl_id: str,
        limit: int,
        now: float,
        *,
        share: Share = ALL_HOSTS,
        busy: Collection[str] = (),
        each: int = 64,
    ) -> list[Item]:
        """Take up to `limit` items that are due at `now` (Unix seconds); they are in flight then.

        Hosts take turns, each gives up to `each` items; those that are `busy`, closed or another worker's are
        passed over.
        """
        found: list[Item] = []
        with self._transaction():
            hosts = self._hosts_in_turn(crawl_id, limit, now, share, busy)
            for host in hosts:
                if len(found) == limit:
                    break
                most = min(each, limit - len(found))
                found += self._claim_of(crawl_id, host, most, now, share.owner)
        return found

    def _hosts_in_turn(
        self, crawl_id: str, limit: int, now: float, share: Share, busy: Collection[str]
    ) -> list[str]:
        sql = (
            "SELECT q.host, coalesce(h.closed_until, 0) FROM host_queues q LEFT JOIN hosts h USING (host)"
            " WHERE q.crawl_id = ? AND q.queued > 0 AND q.turn <= ? AND q.part % ? = ?"
            " AND q.host NOT IN (SELECT value FROM json_each(?)) ORDER BY q.turn LIMIT ?"
        )
        rows = self._read(
            sql, crawl_id, now, share.count, share.index, json.dumps(list(busy)), limit
        )
        later = [(until, crawl_id, host) for host, until in rows if until > now]
        turn = "UPDATE host_queues SET turn = ? WHERE crawl_id = ? AND host = ?"
        self._db.executemany(turn, later)
        return [host for host, until in rows if until <= now]

    def _claim_of(self, crawl_id: str, host: str, limit: int, now: float, owner: str) -> list[Item]:
        where = "crawl_id = ? AND host = ? AND state = 'queued' AND stage = 2"
        rows = self._db.execute(
            "UPDATE items SET state = 'in_flight', owner = ? WHERE seq IN (SELECT seq FROM items"
            f" WHERE {where} AND not_before <= ? ORDER BY not_before, seq LIMIT ?) RETURNING {_ITEM}",
            (owner, crawl_id, host, now, limit),
        ).fetchall()
        (due,) = self._read(f"SELECT min(not_before) FROM items WHERE {where}", crawl_id, host)[0]
        turn = "UPDATE host_queues SET turn = max(?, ?) WHERE crawl_id = ? AND host = ?"
        self._db.execute(turn, (now, due or now, crawl_id, host))
        return sorted((_item(row) for row in rows), key=lambda item: item.seq)

    def close_host(self, host: str, until: float) -> None:
        """Let nobody ask a host before a time (Unix seconds), whatever happens to this process."""
        sql = "INSERT INTO hosts VALUES (?1, ?2) ON CONFLICT DO UPDATE SET closed_until = max(closed_until, ?2)"
        self._write(sql, (host, until))

    def closed_hosts(self) -> dict[str, float]:
        """Return the hosts that may not be asked now, with the end of their pause (Unix seconds)."""
        return dict(self._read("SELECT * FROM hosts WHERE closed_until > ?", time.time()))

    def pauses(self, crawl_id: str, most: int = 100) -> list[HostPause]:
        """Return the closed hosts for which pictures of a crawl wait, the longest pause first."""
        sql = (
            "SELECT h.host, h.closed_until, q.queued FROM hosts h JOIN host_queues q USING (host)"
            " WHERE q.crawl_id = ? AND q.queued > 0 AND h.closed_until > ? ORDER BY h.closed_until DESC LIMIT ?"
        )
        return [HostPause(*row) for row in self._read(sql, crawl_id, time.time(), most)]

    def hand_over(self, item: Item, url: str) -> None:
        """Queue an item in flight again at the address that it was redirected to, for the worker of that host."""
        sql = (
            "UPDATE items SET url = ?, host = ?, part = ?, hops = hops + 1, state = 'queued', not_before = 0"
            " WHERE seq = ? AND state = 'in_flight'"
        )
        host = host_of(url)
        self._write(sql, (url, host, part_of(host), item.seq))

    def release(self, items: Iterable[Item]) -> None:
        """Give claimed items back as if they had not been claimed."""
        sql = "UPDATE items SET state = 'queued' WHERE seq = ? AND state = 'in_flight'"
        with self._transaction():
            self._db.executemany(sql, [(item.seq,) for item in items])

    def settle(self, settlements: Sequence[Settlement], assets: Iterable[str] = ()) -> None:
        """Mark items whose segment is on disk, and remember the SHA-256 of new files, at once."""
        sql = (
            "UPDATE items SET state = ?, attempts = ?, not_before = ?, error_class = ?, error = ?, error_detail = ?,"
            " http_status = ?, etag = coalesce(?, etag), modified = coalesce(?, modified), settled_at = ?, hops = 0"
            " WHERE seq = ?"
        )
        now, assets = time.time(), list(assets)
        marks = [
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
            self._db.executemany(sql, marks)
            self.hold(filter(None, photos), assets)
            self._db.executemany(
                "DELETE FROM claimed_assets WHERE sha256 = ?", [(sha,) for sha in assets]
            )

    def next_due(self, crawl_id: str) -> float | None:
        """Return when the next host has its turn, in Unix seconds; null when nothing can be claimed."""
        sql = "SELECT min(turn) FROM host_queues WHERE crawl_id = ? AND queued > 0"
        due: float | None = self._read(sql, crawl_id)[0][0]
        return due

    def counts(self, crawl_id: str) -> dict[str, int]:
        """Return the number of items by state."""
        sql = "SELECT state, n FROM counts WHERE crawl_id = ? AND n > 0"
        return dict(self._read(sql, crawl_id))

    def errors(self, crawl_id: str) -> dict[str, int]:
        """Return the number of failed and dead items by error."""
        sql = (
            "SELECT error, count(*) FROM items WHERE crawl_id = ? AND state IN ('failed', 'dead')"
            " GROUP BY error ORDER BY count(*) DESC, error"
        )
        return dict(self._read(sql, crawl_id))

    def retry(
        self, crawl_id: str, error_class: ErrorClass | None = None, where: str | None = None
    ) -> int:
        """Queue failed and dead items of a class (null: all) again, with fresh patience.

        `where` is an SQL predicate over `dead_letters`; raises `PredicateError` when it is none. Without it items
        that somebody blocked are left alone; those that a takedown blanked always are.
        """
        chosen = None if where is None else json.dumps(self._chosen(crawl_id, where))
        sql = (
            "UPDATE items SET state = 'queued', base = attempts, not_before = 0, refusal = NULL, hops = 0,"
            " stage = CASE WHEN refusal IS NULL THEN stage ELSE 0 END"
            " WHERE crawl_id = ?1 AND state IN ('failed', 'dead') AND (?2 IS NULL OR error_class = ?2)"
            " AND CASE WHEN ?3 IS NULL THEN error IS NOT ?4 ELSE seq IN (SELECT value FROM json_each(?3)) END"
            " AND NOT (error IS ?4 AND url = '' AND photo = '{}')"
        )
        return self._write(sql, (crawl_id, error_class, chosen, TOMBSTONED))

    def dead_letters(self, crawl_id: str, where: str | None = None) -> list[DeadLetter]:
        """List the photos that were given up, those for which the SQL predicate `where` holds."""
        chosen = json.dumps(self._chosen(crawl_id, where or "true"))
        sql = (
            "SELECT photo_id, url, attempts, error_class, error FROM dead_letters"
            " WHERE seq IN (SELECT value FROM json_each(?)) ORDER BY seq"
        )
        return [DeadLetter(*row) for row in self._read(sql, chosen)]

    def _chosen(self, crawl_id: str, where: str) -> list[int]:
        """Evaluate somebody's predicate on a connection that can only read the dead letters."""
        db = sqlite3.connect(f"file:{quote(str(self._path))}?mode=ro", uri=True, timeout=60)
        db.set_authorizer(_only_dead_letters)
        sql = f"SELECT seq FROM dead_letters WHERE crawl_id = ? AND ({where}\n)"
        try:
            return [seq for (seq,) in db.execute(sql, (crawl_id,))]
        except sqlite3.Error as error:
            raise PredicateError(where, str(error)) from error
        finally:
            db.close()

    def repeats_in_a_row(self, crawl_id: str) -> int:
        """Return how many of the last pictures brought in, newest first, were repeats of known ones."""
        sql = "SELECT error FROM items WHERE +crawl_id = ? AND state = 'done' ORDER BY seq DESC LIMIT 1000"
        newest = [error for (error,) in self._read(sql, crawl_id)]
        return next((n for n, error in enumerate(newest) if error != "repeat"), len(newest))

    # What the catalog holds

    def in_flight(self, owner: str | None = None) -> list[Item]:
        """Return the items in flight, of every crawl, or of one worker."""
        sql = f"SELECT {_ITEM} FROM items WHERE state = 'in_flight' AND (?1 IS NULL OR owner = ?1) ORDER BY seq"
        return [_item(row) for row in self._read(sql, owner)]

    def done_photos(self) -> list[str]:
        """Return the photo_id of every item that is done."""
        return [photo for (photo,) in self._read("SELECT photo_id FROM items WHERE state = 'done'")]

    def hold(self, photos: Iterable[str], assets: Iterable[str]) -> None:
        """Remember photos and files that the catalog holds."""
        with self._transaction():
            for table, keys in (("held_photos", photos), ("held_assets", assets)):
                self._db.executemany(
                    f"INSERT OR IGNORE INTO {table} VALUES (?)", [(k,) for k in keys]
                )

    def forget_held(self) -> None:
        """Forget what the catalog holds, to be told again."""
        with self._transaction():
            self._db.execute("DELETE FROM held_photos")
            self._db.execute("DELETE FROM held_assets")

    def held(self) -> tuple[int, int]:
        """Return how many photos and how many files are remembered."""
        return self._read(
            "SELECT (SELECT count(*) FROM held_photos), (SELECT count(*) FROM held_assets)"
        )[0]

    def claim_assets(self, shas: Iterable[str], owner: str = "") -> tuple[set[str], set[str]]:
        """Say which files the catalog lacks: those that are `owner`'s to write, those another is writing."""
        wanted = set(shas)
        ours: set[str] = set()
        theirs: set[str] = set()
        with self._transaction():
            for sha in wanted:
                if self._read("SELECT 1 FROM held_assets WHERE sha256 = ?", sha):
                    continue
                self._db.execute("INSERT OR IGNORE INTO claimed_assets VALUES (?, ?)", (sha, owner))
                [(who,)] = self._read("SELECT owner FROM claimed_assets WHERE sha256 = ?", sha)
                (ours if who == owner else theirs).add(sha)
        return ours, theirs

    def release_assets(self, owner: str | None = None) -> None:
        """Forget the claims on files of a worker that is gone, or of all."""
        self._write("DELETE FROM claimed_assets WHERE ?1 IS NULL OR owner = ?1", (owner,))

    # What was taken out of the catalog for good

    def named_items(self) -> Iterator[tuple[int, str, str, Row]]:
        """Give seq, photo_id, address and photo of every item that was not blanked."""
        sql = "SELECT seq, photo_id, url, photo FROM items WHERE photo <> '{}' OR url <> ''"
        for seq, photo_id, url, photo in self._read(sql):
            yield seq, photo_id, url, json.loads(photo)

    def remove(
        self, items: Collection[int], photos: Collection[str], assets: Collection[str]
    ) -> None:
        """Blank items and count them as given up; forget what is known of photos and files; twice is harmless."""
        sql = (
            "UPDATE items SET photo = '{}', url = '', host = '', etag = NULL, modified = NULL,"
            " refusal = NULL, hops = 0 WHERE seq = ?"
        )
        with self._transaction():
            self.give_up(items, photos, assets)
            self._db.executemany(sql, [(seq,) for seq in items])
            self._db.execute("DELETE FROM host_queues WHERE queued <= 0")
            self._db.execute("DELETE FROM hosts WHERE closed_until < ?", (time.time(),))

    def give_up(
        self, items: Collection[int], photos: Collection[str], assets: Collection[str]
    ) -> None:
        """Count items as left out, whatever they were, and forget that photos and files are held."""
        sql = (
            "UPDATE items SET state = 'failed', error_class = 'final', error = 'tombstoned', error_detail = NULL"
            " WHERE seq = ?"
        )
        with self._transaction():
            self._db.executemany(sql, [(seq,) for seq in items])
            for table, column, gone in (
                ("held_photos", "photo_id", photos),
                ("learned", "photo_id", photos),
                ("held_assets", "sha256", assets),
                ("claimed_assets", "sha256", assets),
            ):
                self._db.executemany(
                    f"DELETE FROM {table} WHERE {column} = ?", [(key,) for key in gone]
                )

    def forget_crawl(self, crawl_id: str) -> None:
        """Delete a crawl with all its items: its settings name what must not be named any more."""
        with self._transaction():
            for table in ("items", "counts", "host_queues", "learned", "crawls"):
                self._db.execute(f"DELETE FROM {table} WHERE crawl_id = ?", (crawl_id,))

    def forget_blanked(self) -> None:
        """Delete the items that were blanked: a listing may bring them again as if it had never named them."""
        blanked = "error = 'tombstoned' AND state = 'failed' AND url = '' AND photo = '{}'"
        with self._transaction():
            crawls = self._read(f"SELECT DISTINCT crawl_id FROM items WHERE {blanked}")
            self._db.execute(f"DELETE FROM items WHERE {blanked}")
            for (crawl_id,) in crawls:
                self._count_again(crawl_id)

    def _count_again(self, crawl_id: str) -> None:
        self._db.execute("DELETE FROM counts WHERE crawl_id = ?", (crawl_id,))
        self._db.execute(
            "INSERT INTO counts SELECT crawl_id, state, count(*) FROM items WHERE crawl_id = ?"
            " GROUP BY crawl_id, state",
            (crawl_id,),
        )

    def compact(self) -> None:
        """Write the file anew: pages of what was deleted keep their text otherwise."""
        with self._lock:
            self._db.execute("VACUUM")
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    # Wishes of other processes

    def wish(self, name: str) -> None:
        """Leave a wish, such as stop, for the session that runs."""
        self._write("INSERT OR REPLACE INTO wishes VALUES (?, ?)", (name, time.time()))

    def wished(self, name: str) -> bool:
        """Say whether somebody left this wish."""
        return bool(self._read("SELECT 1 FROM wishes WHERE name = ?", name))

    def forget_wishes(self) -> None:
        """Take all wishes away: a session that begins has none."""
        self._write("DELETE FROM wishes", ())

    # API quotas

    def quota(self, key_hash: str) -> QuotaRecord | None:
        """Return what is known about the quota of a key."""
        found = self._read(f"SELECT {_QUOTA} FROM quotas WHERE key_hash = ?", key_hash)
        return QuotaRecord(*found[0]) if found else None

    def reserve_call(self, key_hash: str, *, unlimited: bool = False) -> Permit:
        """Count one more call as in flight when the quota allows it; it is on disk before the call is made.

        When a pause has ended, nobody knows what is left: one call is made alone and asks.
        """
        with self._transaction():
            known, now = self.quota(key_hash) or NEW_KEY, time.time()
            if 0 < known.blocked_until <= now:
                known = replace(known, blocked_until=0.0, remaining=None)
            found = permit(known, now, unlimited=unlimited)
            if found == "go":
                self._keep_quota(key_hash, replace(known, in_flight=known.in_flight + 1))
        return found

    def abandon_calls(self, key_hash: str) -> None:
        """Count the calls in flight of a process that is gone as used."""
        with self._transaction():
            known = self.quota(key_hash)
            if known and known.in_flight:
                left = known.remaining and max(0, known.remaining - known.in_flight)
                self._keep_quota(key_hash, replace(known, remaining=left, in_flight=0))

    def note_quota(
        self,
        key_hash: str,
        per_hour: int | None,
        remaining: int | None,
        blocked_until: float | None = None,
        *,
        at_once: int = 1,
    ) -> None:
        """Count one call in flight as ended and keep what its response said about the quota (see `left_after`)."""
        with self._transaction():
            known = self.quota(key_hash) or NEW_KEY
            noted = replace(
                known,
                per_hour=known.per_hour if per_hour is None else per_hour,
                remaining=left_after(known, remaining, at_once),
                seen_at=time.time(),
                blocked_until=max(known.blocked_until, blocked_until or 0.0),
                calls=known.calls + 1,
                in_flight=max(0, known.in_flight - 1),
            )
            self._keep_quota(key_hash, noted)

    def block_key(self, key_hash: str, until: float) -> None:
        """Let no call be made with a key before a time (Unix seconds)."""
        sql = "UPDATE quotas SET blocked_until = max(blocked_until, ?) WHERE key_hash = ?"
        self._write(sql, (until, key_hash))

    def _keep_quota(self, key_hash: str, known: QuotaRecord) -> None:
        sql = f"INSERT OR REPLACE INTO quotas (key_hash, {_QUOTA}) VALUES (?, ?, ?, ?, ?, ?, ?)"
        self._write(sql, (key_hash, *astuple(known)))

    # SQLite

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            if self._db.in_transaction:  # part of a larger one
                yield
                return
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _read(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._db.execute(sql, values).fetchall()

    def _write(self, sql: str, values: Sequence[object]) -> int:
        with self._transaction():
            return self._db.execute(sql, values).rowcount


def _is_same(photo: Listed, before: Learned) -> bool:
    """Say whether a listed photo came in from the address at which it is listed; a version could have changed.

    A photo that is named by its address came from there wherever it was redirected to.
    """
    named = photo.photo.get("source_photo_id") == photo.url
    at = bool(before.url) and (named or before.url == photo.url)
    return at and bool(photo.host) and not photo.version


def _only_dead_letters(action: int, first: str | None, *_: str | None) -> int:
    """Allow reading items and dead_letters, and functions; a predicate has no other business."""
    if action in (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE):
        return sqlite3.SQLITE_OK if first != "load_extension" else sqlite3.SQLITE_DENY
    readable = action == sqlite3.SQLITE_READ and first in ("items", "dead_letters")
    return sqlite3.SQLITE_OK if readable else sqlite3.SQLITE_DENY
