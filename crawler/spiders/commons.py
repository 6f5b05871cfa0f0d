"""The spider of source `commons`: one call of the API after the other, each page acknowledged with its cursor.

The API names the next page with a token of its own, which the cursor keeps; a recursive walk keeps the categories that
are left there too. robots.txt is not asked for: these are calls of an API made for programs, and its own rules
(a contact in the User-Agent, `maxlag`, `Retry-After`) are kept.
"""

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from scrapy.http import Request, Response

from crawler.fetch.failures import Failure
from crawler.fetch.hosts import host_of
from crawler.fetch.limits import retry_after_s
from crawler.fetch.pauses import HostPause
from crawler.frontier.items import Cursor, Listed
from crawler.sources.commons import CommonsSource, Walk
from crawler.spiders.api_answers import demand, read_answer, unreachable
from crawler.spiders.listing import ListingSpider

_LONGEST_PAUSE_S = 30.0  # a longer one ends the session's listing; it goes on afterwards
_PATIENCE = 8  # pauses and failures in a row
_BUSY = frozenset({"maxlag", "ratelimited", "readonly"})
_BROKEN = "internal_api_error"
_ANSWERS = frozenset({"query", "continue", "batchcomplete"})  # a part of a list has one of them


class CommonsSpider(ListingSpider):
    """List files into the frontier; `discovery` says how it ended."""

    name = "commons"

    def __init__(self, source: CommonsSource, *about: Any, **more: Any) -> None:
        super().__init__(source, *about, **more)
        self._source: CommonsSource = source
        self._refused = 0
        self.calls = {"page": 0}

    async def start(self) -> AsyncIterator[Request]:
        """Go on where the cursor is."""
        cursor = self._frontier.cursor(self._crawl_id)
        if not cursor.finished:
            yield self._call(self._source.walk(cursor.token))

    def _call(self, walk: Walk) -> Request:
        return Request(
            self._source.url(walk),
            self.parse,
            errback=self.failed,
            dont_filter=True,
            cb_kwargs={"walk": walk},
            meta={"handle_httpstatus_all": True, "dont_retry": True},
        )

    async def failed(self, failure: Any) -> AsyncIterator[Request]:
        """Ask again after a connection that failed."""
        trouble = unreachable(failure)
        await self._wait_or_end(self._backoff_s(), trouble.detail)
        yield failure.request.copy()

    async def parse(self, response: Response, walk: Walk) -> AsyncIterator[Request]:
        """Bring a page into the frontier and ask for the next one."""
        self.calls["page"] += 1
        answer = read_answer(response, lambda said: self._read(said, walk))
        if isinstance(answer, Failure):
            await self._failed_call(response, answer)
            yield self._call(walk)
            return
        self._refused = 0
        cursor, photos = answer
        self._frontier.add(self._crawl_id, photos, cursor)
        if not cursor.finished:
            yield self._call(self._source.walk(cursor.token))

    async def _failed_call(self, response: Response, failure: Failure) -> None:
        """Wait when the call may work later; end on anything else."""
        if failure.error_class != "transient":
            raise self.end("failed", f"the API refuses: {failure.error}: {failure.detail}")
        said = (response.headers.get("Retry-After") or b"").decode("latin-1")
        wait_s = retry_after_s(said) or self._backoff_s()
        await self._wait_or_end(wait_s, f"{failure.error}: {failure.detail}")

    def _backoff_s(self) -> float:
        wait_s: float = self._limits.backoff_s * 2**self._refused
        return min(wait_s, _LONGEST_PAUSE_S)

    async def _wait_or_end(self, wait_s: float, why: str) -> None:
        self._refused += 1
        if self._refused > max(_PATIENCE, self._limits.max_attempts):
            raise self.end("failed", f"the API keeps failing: {why}")
        if wait_s > _LONGEST_PAUSE_S:
            pause = HostPause(host_of(self._source.api_base), time.time() + wait_s)
            then = "then go on with: safelight crawl resume"
            raise self.end("quota", f"wants to be left alone: {pause.text()}; {then}", pause.until)
        await self.pause(wait_s)

    def _read(self, said: Any, walk: Walk) -> tuple[Cursor, list[Listed]]:
        """Return the photos of a page and the cursor behind it."""
        demand(isinstance(said, dict), "no object")
        if error := said.get("error"):
            self._heed_error(str(error.get("code")), str(error.get("info") or ""))
        demand(said.keys() & _ANSWERS, "neither a part of a list nor its end")
        return self._page(said, walk)

    def _heed_error(self, code: str, info: str) -> None:
        """Raise what an error object of the API means: try again, or the end."""
        demand(code not in _BUSY and not code.startswith(_BROKEN), f"the API is busy: {code}")
        raise self.end("failed", f"the API refuses: {code}: {info}")

    def _page(self, said: dict[str, Any], walk: Walk) -> tuple[Cursor, list[Listed]]:
        cursor = self._frontier.cursor(self._crawl_id)
        query, at = said.get("query") or {}, said.get("continue")
        listed = [self._source.listed(page) for page in query.get("pages") or [] if _whole(page)]
        photos = [photo for photo in listed if photo]
        if self._source.limit is not None:
            photos = photos[: max(0, self._source.limit - cursor.seen)]
        following = self._following(walk, query, at)
        ahead = replace(
            cursor,
            page=cursor.page + 1,
            seen=cursor.seen + len(photos),
            skipped=cursor.skipped + _lacking(query, walk, at) + listed.count(None),
            token=following.text() if following else "",
        )
        full = self._source.limit is not None and ahead.seen >= self._source.limit
        return replace(ahead, finished=full or following is None), photos

    def _following(self, walk: Walk, query: dict[str, Any], at: Any) -> Walk | None:
        depth = int(walk.queue[0][1])
        if walk.phase == "subcategories":
            names = [str(member["title"]) for member in query.get("categorymembers") or []]
            new = [name for name in dict.fromkeys(names) if not _met(name, walk)]
            walk = replace(
                walk,
                queue=[*walk.queue, *([name, depth - 1] for name in new)],
                met=[*walk.met, *new],
            )
        if at:
            return replace(walk, at=at)
        if walk.phase == "files" and depth > 0:
            return replace(walk, phase="subcategories", at=None)
        left = walk.queue[1:]
        return replace(walk, queue=left, phase="files", at=None) if left else None


def _whole(page: dict[str, Any]) -> bool:
    return bool(page.get("imageinfo"))


def _lacking(query: dict[str, Any], walk: Walk, at: Any) -> int:
    """Count files without information, unless it comes in the next answer, or came in the one before."""
    if "iicontinue" in (at or {}) or "iicontinue" in (walk.at or {}):
        return 0
    return sum(not _whole(page) for page in query.get("pages") or [])


def _met(name: str, walk: Walk) -> bool:
    return name in walk.met or name.removeprefix("Category:") in walk.met
