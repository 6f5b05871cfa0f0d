"""Crawls in the frontier: their settings, their listings, and the API calls that prepare a photo for fetching."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from crawler.fetch.failures import Failure
from crawler.frontier.catalog_memory import CatalogMemory
from crawler.frontier.items import (
    DESCRIBED,
    ITEM_COLUMNS,
    READY,
    CrawlRecord,
    Cursor,
    FetchHistory,
    Item,
    ListedPhoto,
    read_item,
    to_json,
)
from crawler.frontier.schema import part_of


class CrawlListings(CatalogMemory):
    """The crawls of a workspace and the photos that their sources list."""

    def open_crawl(
        self,
        crawl_id: str,
        source: str,
        config: Mapping[str, object],
        changed: Mapping[str, object] | None = None,
    ) -> None:
        """Record a crawl, its source and the settings that it changes; a crawl that exists keeps its listing."""
        row = (crawl_id, source, to_json(config), to_json(asdict(Cursor())), time.time())
        sql = (
            "INSERT INTO crawls VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
            " used_at = excluded.used_at, changed = excluded.changed, config = excluded.config"
        )
        self._write(sql, (*row, to_json(changed or {})))

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

    def has_crawl(self, crawl_id: str) -> bool:
        """Say whether a crawl was opened in this file."""
        return bool(self._read("SELECT 1 FROM crawls WHERE crawl_id = ?", crawl_id))

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

    # The listing of a crawl

    def cursor(self, crawl_id: str) -> Cursor:
        """Return the position of a crawl's listing."""
        (text,) = self._read("SELECT cursor FROM crawls WHERE crawl_id = ?", crawl_id)[0]
        return Cursor(**json.loads(text))

    def relist(self, crawl_id: str) -> None:
        """Start the listing again; the items stay."""
        self._set_cursor(crawl_id, Cursor(listing=self.cursor(crawl_id).listing + 1))

    def add(
        self,
        crawl_id: str,
        listed: Sequence[ListedPhoto],
        cursor: Cursor,
        *,
        skip_held: bool = False,
    ) -> int:
        """Add one page of photos and set the cursor behind it, in one transaction; return how many photos are new.

        With `skip_held` a photo that any crawl has fetched is done at once. A photo whose history (`add_history`) says
        that this crawl fetched it from the listed address is done, too; with another address it is fetched with its
        ETag.
        """
        with self._transaction():
            new = sum(
                self._add(crawl_id, photo, cursor.listing, skip_held=skip_held) for photo in listed
            )
            self._set_cursor(crawl_id, cursor)
        return new

    def _add(self, crawl_id: str, photo: ListedPhoto, listing: int, *, skip_held: bool) -> bool:
        """Add a photo, or record that it is still listed; a changed version is queued again."""
        sql = "SELECT seq, version, state FROM items WHERE crawl_id = ? AND photo_id = ?"
        rows = self._read(sql, crawl_id, photo.photo_id)
        if not rows:
            return self._insert(crawl_id, photo, listing, skip_held=skip_held)
        seq, version, state = rows[0]
        if version == photo.version or state == "in_flight":
            self._db.execute("UPDATE items SET listing = ? WHERE seq = ?", (listing, seq))
            return False
        address = (photo.url, photo.host, part_of(photo.host))
        self._db.execute(
            "UPDATE items SET listing = ?, url = ?, host = ?, part = ?, photo = ?, version = ?, stage = ?,"
            " state = 'queued', base = attempts, not_before = 0, hops = 0 WHERE seq = ?",
            (listing, *address, to_json(photo.photo), photo.version, photo.stage, seq),
        )
        return True

    def _insert(self, crawl_id: str, photo: ListedPhoto, listing: int, *, skip_held: bool) -> bool:
        """Add the item of a photo that the crawl lists for the first time; say whether it must be fetched."""
        history = self._take_history(crawl_id, photo.photo_id)
        is_held = _is_same(photo, history) or (skip_held and self.holds_photo(photo.photo_id))
        self._db.execute(
            "INSERT INTO items (crawl_id, photo_id, url, host, part, photo, version, stage, state, listing,"
            " attempts, base, settled_at, etag, modified)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(crawl_id, photo.photo_id, photo.url, photo.host, part_of(photo.host)),
                *(to_json(photo.photo), photo.version, photo.stage),
                *("done" if is_held else "queued", listing),
                *(history.attempts, history.attempts, history.settled_at),
                *(history.etag, history.modified),
            ),
        )
        return not is_held

    def vanished(self, crawl_id: str) -> list[Item]:
        """Return the fetched photos that the newest listing lacks; none while that listing has not ended."""
        sql = f"SELECT {ITEM_COLUMNS} FROM items WHERE crawl_id = ? AND listing < ? AND state = 'done' ORDER BY seq"
        cursor = self.cursor(crawl_id)
        rows = self._read(sql, crawl_id, cursor.listing) if cursor.finished else []
        return [read_item(row) for row in rows]

    def recrawl(self, crawl_id: str, before: float, *, stage: int = READY) -> int:
        """Queue photos again that were last settled before a time (Unix seconds); return how many.

        `stage` is READY when the addresses are still valid, LISTED when the source's API must be called again.
        """
        sql = (
            "UPDATE items SET state = 'queued', base = attempts, not_before = 0, hops = 0, stage = ?"
            " WHERE crawl_id = ? AND state = 'done' AND settled_at < ? AND url <> ''"
        )
        return self._write(sql, (stage, crawl_id, before))

    def held_by_others(self, crawl_id: str) -> list[str]:
        """Return the photos that a crawl listed but did not fetch, because another crawl had fetched them."""
        sql = "SELECT photo_id FROM items WHERE crawl_id = ? AND state = 'done' AND attempts = 0"
        return [name for (name,) in self._read(sql, crawl_id)]

    def _set_cursor(self, crawl_id: str, cursor: Cursor) -> None:
        sql = "UPDATE crawls SET cursor = ? WHERE crawl_id = ?"
        self._write(sql, (to_json(asdict(cursor)), crawl_id))

    # The API calls for one photo

    def unprepared(self, crawl_id: str) -> list[Item]:
        """Return the items that still need calls of the source's API, in order of listing."""
        sql = f"SELECT {ITEM_COLUMNS} FROM items WHERE crawl_id = ? AND state = 'queued' AND stage < ? ORDER BY seq"
        return [read_item(row) for row in self._read(sql, crawl_id, READY)]

    def describe(self, crawl_id: str, photo_id: str, photo: Mapping[str, object]) -> None:
        """Store the columns of a photo that the source's detail call returned."""
        sql = "UPDATE items SET photo = ?, stage = ? WHERE crawl_id = ? AND photo_id = ? AND stage < ?"
        self._write(sql, (to_json(photo), DESCRIBED, crawl_id, photo_id, READY))

    def locate(self, crawl_id: str, photo_id: str, url: str, host: str) -> None:
        """Store the address of a photo's bytes; from now on the item can be claimed."""
        sql = (
            "UPDATE items SET url = ?, host = ?, part = ?, stage = ?"
            " WHERE crawl_id = ? AND photo_id = ? AND stage < ?"
        )
        self._write(sql, (url, host, part_of(host), READY, crawl_id, photo_id, READY))

    def refuse(self, crawl_id: str, photo_id: str, failure: Failure) -> None:
        """Store why the source refuses a photo; the claimed item carries this failure."""
        sql = "UPDATE items SET refusal = ?, stage = ? WHERE crawl_id = ? AND photo_id = ? AND stage < ?"
        self._write(sql, (to_json(asdict(failure)), READY, crawl_id, photo_id, READY))


def _is_same(photo: ListedPhoto, history: FetchHistory) -> bool:
    """Say whether a photo was fetched from the address at which it is listed; false when it has a version.

    A photo that is named by its address was fetched from there, wherever the server redirected to.
    """
    is_named_by_url = photo.photo.get("source_photo_id") == photo.url
    has_same_url = bool(history.url) and (is_named_by_url or history.url == photo.url)
    return has_same_url and bool(photo.host) and not photo.version
