"""Remove items from the frontier when their pictures are taken out of the catalog for good."""

import json
import time
from collections.abc import Collection, Iterator

from crawler.frontier.database import FrontierDatabase
from crawler.frontier.items import Row


class ItemRemoval(FrontierDatabase):
    """Blanks items and deletes crawls, so that the file does not name what was removed."""

    def named_items(self) -> Iterator[tuple[int, str, str, Row]]:
        """Give seq, photo_id, address and photo of every item that is not blank."""
        sql = "SELECT seq, photo_id, url, photo FROM items WHERE photo <> '{}' OR url <> ''"
        for seq, photo_id, url, photo in self._read(sql):
            yield seq, photo_id, url, json.loads(photo)

    def remove(
        self, items: Collection[int], photos: Collection[str], assets: Collection[str]
    ) -> None:
        """Blank items, mark them as failed, and forget photos and files; a repetition changes nothing."""
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
        """Mark items as failed with error `tombstoned`, and forget that photos and files are held."""
        sql = (
            "UPDATE items SET state = 'failed', error_class = 'final', error = 'tombstoned', error_detail = NULL"
            " WHERE seq = ?"
        )
        with self._transaction():
            self._db.executemany(sql, [(seq,) for seq in items])
            for table, column, keys in (
                ("held_photos", "photo_id", photos),
                ("learned", "photo_id", photos),
                ("held_assets", "sha256", assets),
                ("claimed_assets", "sha256", assets),
            ):
                self._db.executemany(
                    f"DELETE FROM {table} WHERE {column} = ?", [(key,) for key in keys]
                )

    def delete_crawl(self, crawl_id: str) -> None:
        """Delete a crawl with all its items: its settings name what must not be named any more."""
        with self._transaction():
            for table in ("items", "counts", "host_queues", "learned", "crawls"):
                self._db.execute(f"DELETE FROM {table} WHERE crawl_id = ?", (crawl_id,))

    def delete_blank_items(self) -> None:
        """Delete the blank items, so that a listing can add their photos again."""
        is_blank = "error = 'tombstoned' AND state = 'failed' AND url = '' AND photo = '{}'"
        with self._transaction():
            crawls = self._read(f"SELECT DISTINCT crawl_id FROM items WHERE {is_blank}")
            self._db.execute(f"DELETE FROM items WHERE {is_blank}")
            for (crawl_id,) in crawls:
                self._recount(crawl_id)

    def _recount(self, crawl_id: str) -> None:
        self._db.execute("DELETE FROM counts WHERE crawl_id = ?", (crawl_id,))
        self._db.execute(
            "INSERT INTO counts SELECT crawl_id, state, count(*) FROM items WHERE crawl_id = ?"
            " GROUP BY crawl_id, state",
            (crawl_id,),
        )
