"""The tables of the frontier file, and the migration of files that older code wrote.

Every operation reads its rows through an index of exactly these rows: items that wait, that are in flight, that failed.
So an operation costs the same with a thousand items and with ten million.
"""

import sqlite3
import zlib
from collections.abc import Iterator, Mapping

PARTS = 4096

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
CREATE TABLE IF NOT EXISTS counts (
  crawl_id TEXT, state TEXT, n INTEGER NOT NULL, PRIMARY KEY (crawl_id, state)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS host_queues (
  crawl_id TEXT, host TEXT, part INTEGER NOT NULL, queued INTEGER NOT NULL, turn REAL NOT NULL,
  PRIMARY KEY (crawl_id, host)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS hosts (
  host TEXT PRIMARY KEY, closed_until REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS held_photos (photo_id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS held_assets (sha256 TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS claimed_assets (sha256 TEXT PRIMARY KEY, owner TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS learned (
  crawl_id TEXT, photo_id TEXT, attempts INTEGER NOT NULL, url TEXT, settled_at REAL NOT NULL, etag TEXT, modified TEXT,
  PRIMARY KEY (crawl_id, photo_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS wishes (name TEXT PRIMARY KEY, at REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS quotas (
  key_hash TEXT PRIMARY KEY, per_hour INTEGER, remaining INTEGER,
  seen_at REAL NOT NULL, blocked_until REAL NOT NULL DEFAULT 0, calls INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
"""

# Columns that older files lack, by table.
_LATER_OF_CRAWLS = {"changed": "TEXT NOT NULL DEFAULT '{}'"}
_LATER_OF_QUOTAS = {"in_flight": "INTEGER NOT NULL DEFAULT 0"}
_LATER = {
    "part": "INTEGER NOT NULL DEFAULT 0",
    "listing": "INTEGER NOT NULL DEFAULT 1",
    "owner": "TEXT NOT NULL DEFAULT ''",
    "hops": "INTEGER NOT NULL DEFAULT 0",
    "settled_at": "REAL NOT NULL DEFAULT 0",
    "error_detail": "TEXT",
    "http_status": "INTEGER",
    "etag": "TEXT",
    "modified": "TEXT",
}

_WAITS = "{row}.state = 'queued' AND {row}.stage = 2"
_OLD, _NEW = _WAITS.format(row="OLD"), _WAITS.format(row="NEW")

_INDICES = f"""
DROP INDEX IF EXISTS items_due;
CREATE INDEX IF NOT EXISTS items_waiting ON items (crawl_id, host, not_before, seq)
  WHERE state = 'queued' AND stage = 2;
CREATE INDEX IF NOT EXISTS items_unprepared ON items (crawl_id, seq) WHERE state = 'queued' AND stage < 2;
CREATE INDEX IF NOT EXISTS items_in_flight ON items (seq) WHERE state = 'in_flight';
CREATE INDEX IF NOT EXISTS items_given_up ON items (crawl_id, seq) WHERE state IN ('failed', 'dead');
CREATE INDEX IF NOT EXISTS host_turns ON host_queues (crawl_id, turn) WHERE queued > 0;
CREATE TRIGGER IF NOT EXISTS item_added AFTER INSERT ON items BEGIN
  INSERT INTO counts VALUES (NEW.crawl_id, NEW.state, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER IF NOT EXISTS item_moved AFTER UPDATE OF state ON items WHEN OLD.state <> NEW.state BEGIN
  UPDATE counts SET n = n - 1 WHERE crawl_id = OLD.crawl_id AND state = OLD.state;
  INSERT INTO counts VALUES (NEW.crawl_id, NEW.state, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER IF NOT EXISTS item_waits AFTER INSERT ON items WHEN {_NEW} BEGIN
  INSERT INTO host_queues VALUES (NEW.crawl_id, NEW.host, NEW.part, 1, NEW.not_before)
    ON CONFLICT DO UPDATE SET queued = queued + 1, turn = min(turn, excluded.turn);
END;
CREATE TRIGGER IF NOT EXISTS item_came_back AFTER UPDATE OF state, stage, host ON items
WHEN {_NEW} AND NOT ({_OLD} AND OLD.host = NEW.host) BEGIN
  INSERT INTO host_queues VALUES (NEW.crawl_id, NEW.host, NEW.part, 1, NEW.not_before)
    ON CONFLICT DO UPDATE SET queued = queued + 1, turn = min(turn, excluded.turn);
END;
CREATE TRIGGER IF NOT EXISTS item_went AFTER UPDATE OF state, stage, host ON items
WHEN {_OLD} AND NOT ({_NEW} AND OLD.host = NEW.host) BEGIN
  UPDATE host_queues SET queued = queued - 1 WHERE crawl_id = OLD.crawl_id AND host = OLD.host;
END;
CREATE VIEW IF NOT EXISTS dead_letters AS
  SELECT seq, crawl_id, photo_id, url, host, state, attempts, error_class, error, error_detail, http_status,
    datetime(settled_at, 'unixepoch') AS failed_at
  FROM items WHERE state IN ('failed', 'dead');
"""


def part_of(host: str) -> int:
    """Return the part of the frontier that a host belongs to, 0 to PARTS - 1: a stable hash of its name."""
    return zlib.crc32(host.encode()) % PARTS


def prepare(db: sqlite3.Connection) -> None:
    """Create missing tables, columns and indices; the caller holds a transaction."""
    for statement in _statements(_SCHEMA):
        db.execute(statement)
    existing = _add_columns(db, "items", _LATER)
    _add_columns(db, "crawls", _LATER_OF_CRAWLS)
    _add_columns(db, "quotas", _LATER_OF_QUOTAS)
    for statement in _statements(_INDICES):
        db.execute(statement)
    if existing and "part" not in existing:
        _fill_queues(db)


def _add_columns(db: sqlite3.Connection, table: str, later: Mapping[str, str]) -> set[str]:
    """Add the columns that a table lacks; return those that it had."""
    existing = {row[1] for row in db.execute(f"PRAGMA table_info({table})")}
    for name, kind in later.items():
        if name not in existing:
            db.execute(f"ALTER TABLE {table} ADD COLUMN {name} {kind}")
    return existing


def _fill_queues(db: sqlite3.Connection) -> None:
    """Count the waiting items of a file whose hosts had no queues."""
    hosts = [host for (host,) in db.execute("SELECT DISTINCT host FROM items").fetchall()]
    db.executemany("UPDATE items SET part = ? WHERE host = ?", [(part_of(h), h) for h in hosts])
    db.execute("DELETE FROM host_queues")
    db.execute(
        "INSERT INTO host_queues SELECT crawl_id, host, part, count(*), min(not_before) FROM items"
        " WHERE state = 'queued' AND stage = 2 GROUP BY crawl_id, host, part"
    )


def _statements(script: str) -> Iterator[str]:
    # executescript would commit in between, and a trigger contains semicolons.
    statement = ""
    for line in script.splitlines():
        statement += line + "\n"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
