"""Items that failed for good: list them and queue them again, chosen by a user's SQL predicate."""

import json
import sqlite3
from urllib.parse import quote

from crawler.errors import PredicateError
from crawler.fetch.failures import TOMBSTONED, ErrorClass
from crawler.frontier.database import FrontierDatabase
from crawler.frontier.items import DeadLetter

_RETRYABLE = (
    " WHERE crawl_id = ?1 AND state IN ('failed', 'dead') AND (?2 IS NULL OR error_class = ?2)"
    " AND CASE WHEN ?3 IS NULL THEN error IS NOT ?4 ELSE seq IN (SELECT value FROM json_each(?3)) END"
    " AND NOT (error IS ?4 AND url = '' AND photo = '{}')"
)


class DeadLetters(FrontierDatabase):
    """The failed and dead items of a crawl."""

    def retry(
        self, crawl_id: str, error_class: ErrorClass | None = None, where: str | None = None
    ) -> int:
        """Queue failed and dead items of a class (null: all) again, with the full number of attempts.

        `where` is an SQL predicate over `dead_letters`; raises `PredicateError` when it is not one. Without it, blocked
        items are not queued. Items that a takedown blanked are never queued.
        """
        sql = (
            "UPDATE items SET state = 'queued', base = attempts, not_before = 0, refusal = NULL, hops = 0,"
            f" stage = CASE WHEN refusal IS NULL THEN stage ELSE 0 END{_RETRYABLE}"
        )
        return self._write(sql, self._choice(crawl_id, error_class, where))

    def count_retryable(
        self, crawl_id: str, error_class: ErrorClass | None = None, where: str | None = None
    ) -> int:
        """Count the items that `retry` would queue."""
        sql = f"SELECT count(*) FROM items{_RETRYABLE}"
        [(n,)] = self._read(sql, *self._choice(crawl_id, error_class, where))
        return int(n)

    def _choice(
        self, crawl_id: str, error_class: ErrorClass | None, where: str | None
    ) -> tuple[str, str | None, str | None, str]:
        chosen = None if where is None else json.dumps(self._select(crawl_id, where))
        return crawl_id, error_class, chosen, TOMBSTONED

    def dead_letters(self, crawl_id: str, where: str | None = None) -> list[DeadLetter]:
        """List the failed and dead photos of a crawl for which the SQL predicate `where` is true."""
        chosen = json.dumps(self._select(crawl_id, where or "true"))
        sql = (
            "SELECT photo_id, url, attempts, error_class, error FROM dead_letters"
            " WHERE seq IN (SELECT value FROM json_each(?)) ORDER BY seq"
        )
        return [DeadLetter(*row) for row in self._read(sql, chosen)]

    def _select(self, crawl_id: str, where: str) -> list[int]:
        """Evaluate a user's predicate on a connection that can read nothing but the dead letters."""
        db = sqlite3.connect(f"file:{quote(str(self._path))}?mode=ro", uri=True, timeout=60)
        db.set_authorizer(_authorize)
        sql = f"SELECT seq FROM dead_letters WHERE crawl_id = ? AND ({where}\n)"
        try:
            return [seq for (seq,) in db.execute(sql, (crawl_id,))]
        except sqlite3.Error as error:
            raise PredicateError(where, str(error)) from error
        finally:
            db.close()


def _authorize(action: int, first: str | None, *_: str | None) -> int:
    """Allow functions, and reading items and dead_letters; deny everything else."""
    if action in (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE):
        return sqlite3.SQLITE_OK if first != "load_extension" else sqlite3.SQLITE_DENY
    readable = action == sqlite3.SQLITE_READ and first in ("items", "dead_letters")
    return sqlite3.SQLITE_OK if readable else sqlite3.SQLITE_DENY
