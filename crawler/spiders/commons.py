"""The spider of source `commons`: one API call after the other; each page is stored together with its cursor.

The API names the next page with a token, which the cursor stores together with the categories that are left. robots.txt
is not read: these are calls of an API for programs, and the spider keeps the API's own rules (a contact in the
User-Agent, `maxlag`, `Retry-After`).
"""

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from scrapy.http import Request, Response

from catalog import command_name
from crawler.fetch.failures import Failure
from crawler.fetch.hosts import host_of
from crawler.fetch.pauses import HostPause
from crawler.fetch.rate_limits import retry_after_s
from crawler.frontier.items import Cursor, ListedPhoto
from crawler.sources.commons import CommonsSource, ListingPosition
from crawler.spiders.api_responses import is_unresolved, read_response, require, unreachable
from crawler.spiders.listing import ListingSpider

_LONGEST_PAUSE_S = 30.0  # a longer pause ends the listing of this session
_MAX_FAILURES = 8  # pauses and failures in a row
_BUSY = frozenset({"maxlag", "ratelimited", "readonly"})
_BROKEN = "internal_api_error"
_RESULT_KEYS = frozenset({"query", "continue", "batchcomplete"})  # a part of a list has one of them


class CommonsSpider(ListingSpider):
    """List files into the frontier; `discovery` says how it ended."""

    name = "commons"

    def __init__(self, source: CommonsSource, *args: Any, **kwargs: Any) -> None:
        super().__init__(source, *args, **kwargs)
        self._source: CommonsSource = source
        self._n_failures = 0
        self.calls = {"page": 0}

    async def start(self) -> AsyncIterator[Request]:
        """Request the page at the cursor."""
        cursor = self._frontier.cursor(self._crawl_id)
        if not cursor.finished:
            yield self._call(self._source.position(cursor.token))

    def _call(self, position: ListingPosition) -> Request:
        return Request(
            self._source.url(position),
            self.parse,
            errback=self.failed,
            dont_filter=True,
            cb_kwargs={"position": position},
            meta={"handle_httpstatus_all": True, "dont_retry": True},
        )

    async def failed(self, failure: Any) -> AsyncIterator[Request]:
        """Repeat a call whose connection failed."""
        error, attempts = unreachable(failure), self._limits.max_attempts
        most = attempts - 1 if is_unresolved(failure) else self._most_failures()
        await self._wait_or_end(self._backoff_s(), error, error.detail, most)
        yield failure.request.copy()

    async def parse(self, response: Response, position: ListingPosition) -> AsyncIterator[Request]:
        """Add a page to the frontier and request the next one."""
        self.calls["page"] += 1
        answer = read_response(response, lambda answer: self._read(answer, position))
        if isinstance(answer, Failure):
            await self._failed_call(response, answer)
            yield self._call(position)
            return
        self._n_failures = 0
        self.report_success()
        cursor, photos = answer
        self._frontier.add(self._crawl_id, photos, cursor)
        if not cursor.finished:
            yield self._call(self._source.position(cursor.token))

    async def _failed_call(self, response: Response, failure: Failure) -> None:
        """Wait after a transient failure; end the listing on any other."""
        if failure.error_class != "transient":
            raise self.end("failed", f"the API refuses: {failure.error}: {failure.detail}")
        retry_after = (response.headers.get("Retry-After") or b"").decode("latin-1")
        wait_s = retry_after_s(retry_after) or self._backoff_s()
        why = f"{failure.error}: {failure.detail}"
        await self._wait_or_end(wait_s, failure, why, self._most_failures())

    def _backoff_s(self) -> float:
        wait_s: float = self._limits.backoff_s * 2**self._n_failures
        return min(wait_s, _LONGEST_PAUSE_S)

    def _most_failures(self) -> int:
        return max(_MAX_FAILURES, self._limits.max_attempts)

    async def _wait_or_end(self, wait_s: float, failure: Failure, why: str, most: int) -> None:
        self._n_failures += 1
        if self._n_failures > most:
            raise self.end("failed", f"the API keeps failing: {why}")
        if wait_s > _LONGEST_PAUSE_S:
            pause = HostPause(host_of(self._source.api_base), time.time() + wait_s)
            then = f"then go on with: {command_name()} crawl resume"
            raise self.end("quota", f"paused by the host: {pause.text()}; {then}", pause.until)
        self.report_failure(failure, wait_s)
        await self.pause(wait_s)

    def _read(self, answer: Any, position: ListingPosition) -> tuple[Cursor, list[ListedPhoto]]:
        """Return the photos of a page and the cursor behind it."""
        require(isinstance(answer, dict), "no object")
        if error := answer.get("error"):
            self._raise_error(str(error.get("code")), str(error.get("info") or ""))
        require(answer.keys() & _RESULT_KEYS, "neither a part of a list nor its end")
        return self._page(answer, position)

    def _raise_error(self, code: str, info: str) -> None:
        """Raise for an error object of the API: `WrongShapeError` to retry, or `CloseSpider`."""
        require(code not in _BUSY and not code.startswith(_BROKEN), f"the API is busy: {code}")
        raise self.end("failed", f"the API refuses: {code}: {info}")

    def _page(
        self, answer: dict[str, Any], position: ListingPosition
    ) -> tuple[Cursor, list[ListedPhoto]]:
        cursor = self._frontier.cursor(self._crawl_id)
        query, continuation = answer.get("query") or {}, answer.get("continue")
        listed = [
            self._source.to_listed_photo(page)
            for page in query.get("pages") or []
            if _has_info(page)
        ]
        photos = [photo for photo in listed if photo]
        if self._source.limit is not None:
            photos = photos[: max(0, self._source.limit - cursor.seen)]
        following = self._next_position(position, query, continuation)
        ahead = replace(
            cursor,
            page=cursor.page + 1,
            seen=cursor.seen + len(photos),
            skipped=cursor.skipped
            + _count_missing(query, position, continuation)
            + listed.count(None),
            token=following.text() if following else "",
        )
        full = self._source.limit is not None and ahead.seen >= self._source.limit
        return replace(ahead, finished=full or following is None), photos

    def _next_position(
        self, position: ListingPosition, query: dict[str, Any], continuation: Any
    ) -> ListingPosition | None:
        depth = int(position.queue[0][1])
        if position.phase == "subcategories":
            names = [str(member["title"]) for member in query.get("categorymembers") or []]
            new = [name for name in dict.fromkeys(names) if not _is_visited(name, position)]
            position = replace(
                position,
                queue=[*position.queue, *([name, depth - 1] for name in new)],
                visited=[*position.visited, *new],
            )
        if continuation:
            return replace(position, continuation=continuation)
        if position.phase == "files" and depth > 0:
            return replace(position, phase="subcategories", continuation=None)
        left = position.queue[1:]
        return replace(position, queue=left, phase="files", continuation=None) if left else None


def _has_info(page: dict[str, Any]) -> bool:
    return bool(page.get("imageinfo"))


def _count_missing(query: dict[str, Any], position: ListingPosition, continuation: Any) -> int:
    """Count files without information; 0 when it continues in the next response, or began in the one before."""
    if "iicontinue" in (continuation or {}) or "iicontinue" in (position.continuation or {}):
        return 0
    return sum(not _has_info(page) for page in query.get("pages") or [])


def _is_visited(name: str, position: ListingPosition) -> bool:
    return name in position.visited or name.removeprefix("Category:") in position.visited
