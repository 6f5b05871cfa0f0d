"""What the frontier remembers of the catalog: photos and files that it holds, and the fetches of a lost crawl."""

from collections.abc import Iterable

from crawler.frontier.database import FrontierDatabase
from crawler.frontier.items import FetchHistory


class CatalogMemory(FrontierDatabase):
    """Photos and files that the catalog holds, files that a worker is writing, and earlier fetches of photos."""

    def holds_photo(self, photo_id: str) -> bool:
        """Say whether any crawl has fetched a photo."""
        return bool(self._read("SELECT 1 FROM held_photos WHERE photo_id = ?", photo_id))

    def add_held(self, photos: Iterable[str], assets: Iterable[str]) -> None:
        """Remember photos and files that the catalog holds."""
        with self._transaction():
            for table, keys in (("held_photos", photos), ("held_assets", assets)):
                self._db.executemany(
                    f"INSERT OR IGNORE INTO {table} VALUES (?)", [(k,) for k in keys]
                )

    def clear_held(self) -> None:
        """Forget which photos and files the catalog holds; `add_held` fills the tables again."""
        with self._transaction():
            self._db.execute("DELETE FROM held_photos")
            self._db.execute("DELETE FROM held_assets")

    def held_counts(self) -> tuple[int, int]:
        """Return how many photos and how many files are remembered."""
        return self._read(
            "SELECT (SELECT count(*) FROM held_photos), (SELECT count(*) FROM held_assets)"
        )[0]

    def claim_assets(self, shas: Iterable[str], owner: str = "") -> tuple[set[str], set[str]]:
        """Return which files the catalog lacks: those that `owner` is to write, those that another worker writes."""
        ours: set[str] = set()
        theirs: set[str] = set()
        with self._transaction():
            for sha in set(shas):
                if self._read("SELECT 1 FROM held_assets WHERE sha256 = ?", sha):
                    continue
                self._db.execute("INSERT OR IGNORE INTO claimed_assets VALUES (?, ?)", (sha, owner))
                [(who,)] = self._read("SELECT owner FROM claimed_assets WHERE sha256 = ?", sha)
                (ours if who == owner else theirs).add(sha)
        return ours, theirs

    def release_assets(self, owner: str | None = None) -> None:
        """Delete the claims on files of a worker that has ended, or of all workers."""
        self._write("DELETE FROM claimed_assets WHERE ?1 IS NULL OR owner = ?1", (owner,))

    def add_history(self, crawl_id: str, photos: Iterable[FetchHistory]) -> None:
        """Store what the catalog says about earlier fetches of a crawl, before its photos are listed again."""
        sql = "INSERT OR REPLACE INTO learned VALUES (?, ?, ?, ?, ?, ?, ?)"
        rows = (
            (crawl_id, p.photo_id, p.attempts, p.url, p.settled_at, p.etag, p.modified)
            for p in photos
        )
        with self._transaction():
            self._db.executemany(sql, rows)

    def _take_history(self, crawl_id: str, photo_id: str) -> FetchHistory:
        sql = (
            "DELETE FROM learned WHERE crawl_id = ? AND photo_id = ?"
            " RETURNING photo_id, attempts, url, settled_at, etag, modified"
        )
        rows = self._read(sql, crawl_id, photo_id)
        return FetchHistory(*rows[0]) if rows else FetchHistory(photo_id)
