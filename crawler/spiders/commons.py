"""The spider of source `commons`: one call of the API after the other, each page acknowledged with its cursor.

The API names the next page with a token of its own, which the cursor keeps; a recursive walk keeps the categories that
are left there too. robots.txt is not asked for: these are calls of an API made for programs, and its own rules
(a contact in the User-Agent, `maxlag`, `Retry-After`) are kept.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

from scrapy.http import Request, Response

from crawler.frontier import Listed
from crawler.limits import retry_after_s
from crawler.sources.commons import CommonsSource, Walk
from crawler.spiders.listing import ListingSpider

_LONGEST_PAUSE_S = 30.0  # a longer one ends the session's listing; it goes on afterwards
_PATIENCE = 8  # pauses and failures in a row
_BUSY = frozenset({"maxlag", "ratelimited", "readonly"})


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
        await self._pause(self._limits.backoff_s * 2**self._refused, failure.getErrorMessage())
        yield failure.request.copy()

    async def parse(self, response: Response, walk: Walk) -> AsyncIterator[Request]:
        """Bring a page into the frontier and ask for the next one."""
        self.calls["page"] += 1
        said = _object(response)
        if said is None or "error" in said:
            await self._refusal(response, (said or {}).get("error") or {})
            yield self._call(walk)
            return
        self._refused = 0
        following = self._keep(said, walk)
        if following:
            yield self._call(following)

    async def _refusal(self, response: Response, error: dict[str, Any]) -> None:
        """Wait when the servers are busy; end on anything else."""
        code = str(error.get("code") or response.status)
        if response.status == 200 and code not in _BUSY:
            detail = error.get("info") or "an answer that is no JSON object"
            raise self.end("failed", f"the API refuses: {code}: {detail}")
        if response.status not in (200, 429) and response.status < 500:
            raise self.end("failed", f"the API answered {response.status} to {response.url}")
        said = (response.headers.get("Retry-After") or b"").decode("latin-1")
        await self._pause(retry_after_s(said) or self._limits.backoff_s * 2**self._refused, code)

    async def _pause(self, wait_s: float, why: str) -> None:
        self._refused += 1
        if self._refused > _PATIENCE:
            raise self.end("failed", f"the API keeps failing: {why}")
        if wait_s > _LONGEST_PAUSE_S:
            raise self.end("quota", "", time.time() + wait_s)
        await asyncio.sleep(wait_s)

    def _keep(self, said: dict[str, Any], walk: Walk) -> Walk | None:
        """Keep a page and the cursor behind it; return the rest of the walk, or null at its end."""
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
        ahead = replace(ahead, finished=full or following is None)
        self._add(photos, ahead)
        return None if ahead.finished else following

    def _add(self, photos: Sequence[Listed], ahead: Any) -> None:
        self._frontier.add(self._crawl_id, photos, ahead)

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


def _object(response: Response) -> dict[str, Any] | None:
    if response.status != 200:
        return None
    try:
        said = json.loads(response.body)
    except ValueError:
        return None
    return said if isinstance(said, dict) else None


def _whole(page: dict[str, Any]) -> bool:
    return bool(page.get("imageinfo"))


def _lacking(query: dict[str, Any], walk: Walk, at: Any) -> int:
    """Count files without information, unless it comes in the next answer, or came in the one before."""
    if "iicontinue" in (at or {}) or "iicontinue" in (walk.at or {}):
        return 0
    return sum(not _whole(page) for page in query.get("pages") or [])


def _met(name: str, walk: Walk) -> bool:
    return name in walk.met or name.removeprefix("Category:") in walk.met
