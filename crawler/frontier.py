"""The durable queue between discovery and bytes: one SQLite file for a workspace.

An item is one photo wanted by one crawl. Its state only changes inside a transaction, and every
operation finds its rows through an index. A picture counts as done when its segment is on disk,
never before, so a kill at any moment costs at most the items in flight.

Two processes write: the session, and its spider, which adds items and moves their `stage` on.
"""

import json
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from crawler.failures import ErrorClass, Failure

Row = dict[str, object]
State = Literal["queued", "in_flight", "done", "failed", "dead"]

# Stages of a queued item: an API source first lists it, then describes it, then says where its bytes are.
LISTED, DESCRIBED, READY = 0, 1, 2

_SCHEMA = """
CREATE TABLE IF NOT EXISTS crawls (
  crawl_id TEXT PRIMARY KEY, source TEXT NOT NULL, config TEXT NOT NULL,
  cursor TEXT NOT NULL, used_at REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS items (
  seq INTEGER PRIMARY KEY, crawl_id TEXT NOT NULL, photo_id TEXT NOT NULL,
  url TEXT NOT NULL, host TEXT NOT NULL, photo TEXT NOT NULL, version TEXT NOT NULL,
  stage INTEGER NOT NULL, state TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
  base INTEGER NOT NULL DEFAULT 0, not_before REAL NOT NULL DEFAULT 0,
  error_class TEXT, error TEXT, refusal TEXT,
  UNIQUE (crawl_id, photo_id)
);
CREATE INDEX IF NOT EXISTS items_due ON items (crawl_id, state, stage, not_before, seq);
CREATE TABLE IF NOT EXISTS counts (
  crawl_id TEXT, state TEXT, n INTEGER NOT NULL, PRIMARY KEY (crawl_id, state)
) WITHOUT ROWID;
CREATE TRIGGER IF NOT EXISTS item_added AFTER INSERT ON items BEGIN
  INSERT INTO counts VALUES (NEW.crawl_id, NEW.state, 1)
    ON CONFLICT DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER IF NOT EXISTS item_moved AFTER UPDATE OF state ON items WHEN OLD.state <> NEW.state BEGIN
  UPDATE counts SET n = n - 1 WHERE crawl_id = OLD.crawl_id AND state = OLD.state;
  INSERT INTO counts VALUES (NEW.crawl_id, NEW.state, 1)
    ON CONFLICT DO UPDATE SET n = n + 1;
END;
CREATE TABLE IF NOT EXISTS held_photos (photo_id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS held_assets (sha256 TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS quotas (
  key_hash TEXT PRIMARY KEY, per_hour INTEGER, remaining INTEGER,
  seen_at REAL NOT NULL, blocked_until REAL NOT NULL DEFAULT 0, calls INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
"""

_ITEM = "seq, crawl_id, photo_id, url, host, photo, stage, attempts, base, refusal"


@dataclass(frozen=True)
class Cursor:
    """How far a listing is: the next page, the photos seen so far, files passed over, the end.

    `token` is what an API wants for its next page when a number does not do. `listing` counts the listings
    of this crawl: each relisting has the next number.
    """

    page: int = 1
    seen: int = 0
    skipped: int = 0
    finished: bool = False
    token: str = ""
    listing: int = 1


@dataclass(frozen=True)
class Listed:
    """A photo that a source listed; `photo` holds columns of its photos row as JSON values.

    A changed `version` (size and time of a file, say) queues a known photo again.
    """

    photo_id: str
    photo: Row
    url: str = ""
    host: str = ""
    version: str = ""
    stage: int = READY


@dataclass(frozen=True)
class Item:
    """A photo whose bytes are wanted; `attempts` counts the ended ones, `base` those before a retry."""

    seq: int
    crawl_id: str
    photo_id: str
    url: str
    host: str
    photo: Row
    stage: int
    attempts: int
    base: int
    refusal: Failure | None


@dataclass(frozen=True)
class Settlement:
    """What became of an item in flight after its row was written."""

    seq: int
    photo_id: str
    state: State
    attempts: int
    not_before: float = 0.0
    error_class: ErrorClass | None = None
    error: str | None = None


@dataclass(frozen=True)
class CrawlRecord:
    """A crawl that the frontier knows, with its number of items by state."""

    crawl_id: str
    source: str
    config: Row
    cursor: Cursor
    used_at: float
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def open(self) -> bool:
        """Whether there is work left: an unfinished listing, or items not settled."""
        waiting = self.counts.get("queued", 0) + self.counts.get("in_flight", 0)
        return waiting > 0 or not self.cursor.finished


@dataclass(frozen=True)
class QuotaRecord:
    """What an API last said about the quota of one key; times are Unix seconds."""

    per_hour: int | None
    remaining: int | None
    seen_at: float
    blocked_until: float
    calls: int


class Frontier:
    """The queue; safe to use from several threads and, through SQLite, from several processes."""

    def __init__(self, path: Path, *, durable: bool = True) -> None:
        """Open or make the file; without `durable` a power cut may undo the last transactions."""
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path, timeout=60, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        with self._transaction():
            for statement in _statements(_SCHEMA):
                self._db.execute(statement)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; nothing is lost if this is never called."""
        with self._lock:
            self._db.close()

    # Crawls and their listings

    def open_crawl(self, crawl_id: str, source: str, config: Mapping[str, object]) -> None:
        """Note a crawl; nothing but its time of use changes if it is known."""
        row = (crawl_id, source, _dump(config), _dump(asdict(Cursor())), time.time())
        sql = "INSERT INTO crawls VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET used_at = excluded.used_at"
        self._write(sql, row)

    def crawls(self) -> list[CrawlRecord]:
        """Return every crawl, last used first."""
        with self._lock:
            rows = self._db.execute("SELECT * FROM crawls ORDER BY used_at DESC").fetchall()
            return [
                CrawlRecord(c, s, json.loads(g), Cursor(**json.loads(k)), u, self.counts(c))
                for c, s, g, k, u in rows
            ]

    def cursor(self, crawl_id: str) -> Cursor:
        """Return how far the listing of a crawl is."""
        (text,) = self._read("SELECT cursor FROM crawls WHERE crawl_id = ?", crawl_id)[0]
        return Cursor(**json.loads(text))

    def relist(self, crawl_id: str) -> None:
        """Let the listing begin again; what is known stays known."""
        self._set_cursor(crawl_id, Cursor())

    def add(
        self, crawl_id: str, listed: Sequence[Listed], cursor: Cursor, *, skip_held: bool = False
    ) -> int:
        """Put one page of photos and the cursor behind it in at once; return how many are new.

        With `skip_held` a photo that any crawl has brought in counts as done.
        """
        with self._transaction():
            new = sum(self._add(crawl_id, photo, skip_held) for photo in listed)
            self._set_cursor(crawl_id, cursor)
        return new

    def _add(self, crawl_id: str, photo: Listed, skip_held: bool) -> int:
        state = "done" if skip_held and self._holds(photo.photo_id) else "queued"
        row = (crawl_id, photo.photo_id, photo.url, photo.host, _dump(photo.photo), photo.version)
        done = self._db.execute(
            "INSERT INTO items (crawl_id, photo_id, url, host, photo, version, stage, state)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET url = excluded.url,"
            " photo = excluded.photo, version = excluded.version, state = 'queued', base = attempts,"
            " not_before = 0 WHERE version <> excluded.version AND state <> 'in_flight'",
            (*row, photo.stage, state),
        )
        return done.rowcount if state == "queued" else 0

    def _holds(self, photo_id: str) -> bool:
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
        sql = "UPDATE items SET url = ?, host = ?, stage = ? WHERE crawl_id = ? AND photo_id = ? AND stage < ?"
        self._write(sql, (url, host, READY, crawl_id, photo_id, READY))

    def refuse(self, crawl_id: str, photo_id: str, failure: Failure) -> None:
        """Keep why the source will not give a photo; claiming it brings the failure along."""
        sql = "UPDATE items SET refusal = ?, stage = ? WHERE crawl_id = ? AND photo_id = ? AND stage < ?"
        self._write(sql, (_dump(asdict(failure)), READY, crawl_id, photo_id, READY))

    # Fetching

    def claim(self, crawl_id: str, limit: int, now: float) -> list[Item]:
        """Take up to `limit` items that are due at `now` (Unix seconds); they are in flight then."""
        sql = (
            "UPDATE items SET state = 'in_flight' WHERE seq IN (SELECT seq FROM items"
            " WHERE crawl_id = ? AND state = 'queued' AND stage = ? AND not_before <= ?"
            f" ORDER BY not_before, seq LIMIT ?) RETURNING {_ITEM}"
        )
        with self._transaction():
            rows = self._db.execute(sql, (crawl_id, READY, now, limit)).fetchall()
        return sorted((_item(row) for row in rows), key=lambda item: item.seq)

    def release(self, items: Iterable[Item]) -> None:
        """Give claimed items back as if they had not been claimed."""
        sql = "UPDATE items SET state = 'queued' WHERE seq = ? AND state = 'in_flight'"
        with self._transaction():
            self._db.executemany(sql, [(item.seq,) for item in items])

    def settle(self, settlements: Sequence[Settlement], assets: Iterable[str] = ()) -> None:
        """Mark items whose segment is on disk, and remember the SHA-256 of new files, at once."""
        sql = (
            "UPDATE items SET state = ?, attempts = ?, not_before = ?, error_class = ?, error = ?"
            " WHERE seq = ?"
        )
        marks = [
            (s.state, s.attempts, s.not_before, s.error_class, s.error, s.seq) for s in settlements
        ]
        photos = [s.photo_id for s in settlements if s.state == "done"]
        with self._transaction():
            self._db.executemany(sql, marks)
            self.hold(photos, assets)

    def next_due(self, crawl_id: str) -> float | None:
        """Return when the next queued item is due, in Unix seconds; null when none can be claimed."""
        sql = "SELECT min(not_before) FROM items WHERE crawl_id = ? AND state = 'queued' AND stage = ?"
        due: float | None = self._read(sql, crawl_id, READY)[0][0]
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

    def retry(self, crawl_id: str, error_class: ErrorClass | None) -> int:
        """Queue failed and dead items of a class (null: all) again, with fresh patience."""
        sql = (
            "UPDATE items SET state = 'queued', base = attempts, not_before = 0, refusal = NULL,"
            " stage = CASE WHEN refusal IS NULL THEN stage ELSE 0 END"
            " WHERE crawl_id = ? AND state IN ('failed', 'dead') AND (? IS NULL OR error_class = ?)"
        )
        return self._write(sql, (crawl_id, error_class, error_class))

    # What the catalog holds

    def in_flight(self) -> list[Item]:
        """Return the items in flight, of every crawl."""
        # One index search per crawl: a scan over all items would grow with the catalog.
        sql = (
            f"SELECT {_ITEM} FROM crawls JOIN items USING (crawl_id)"
            " WHERE state = 'in_flight' AND stage = ? ORDER BY seq"
        )
        return [_item(row) for row in self._read(sql, READY)]

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

    def new_assets(self, shas: Iterable[str]) -> set[str]:
        """Return those of the SHA-256 hashes that the catalog does not hold."""
        sql = "SELECT 1 FROM held_assets WHERE sha256 = ?"
        return {sha for sha in set(shas) if not self._read(sql, sha)}

    # API quotas

    def quota(self, key_hash: str) -> QuotaRecord | None:
        """Return what is known about the quota of a key."""
        sql = "SELECT per_hour, remaining, seen_at, blocked_until, calls FROM quotas WHERE key_hash = ?"
        found = self._read(sql, key_hash)
        return QuotaRecord(*found[0]) if found else None

    def note_quota(
        self,
        key_hash: str,
        per_hour: int | None,
        remaining: int | None,
        blocked_until: float | None = None,
    ) -> None:
        """Count one API call and keep what its answer said about the quota."""
        sql = (
            "INSERT INTO quotas VALUES (?1, ?2, ?3, ?4, coalesce(?5, 0), 1) ON CONFLICT DO UPDATE SET"
            " per_hour = coalesce(?2, per_hour), remaining = coalesce(?3, remaining), seen_at = ?4,"
            " blocked_until = coalesce(?5, blocked_until), calls = calls + 1"
        )
        self._write(sql, (key_hash, per_hour, remaining, time.time(), blocked_until))

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


def _statements(script: str) -> Iterator[str]:
    # executescript would commit in between; a trigger holds semicolons of its own.
    statement = ""
    for line in script.splitlines():
        statement += line + "\n"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _item(row: tuple[Any, ...]) -> Item:
    seq, crawl_id, photo_id, url, host, photo, *numbers, refusal = row
    failure = Failure(**json.loads(refusal)) if refusal else None
    stage, attempts, base = numbers
    return Item(
        seq, crawl_id, photo_id, url, host, json.loads(photo), stage, attempts, base, failure
    )
