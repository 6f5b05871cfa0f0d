"""The base class of spiders: it lists photos into the frontier, retries calls, and says how the listing ended."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

import scrapy
from scrapy import Request
from scrapy.exceptions import CloseSpider

from catalog import counted
from crawler.fetch.failures import Failure
from crawler.fetch.rate_limits import backoff_s
from crawler.frontier.frontier import Frontier
from crawler.frontier.items import Row
from crawler.listing.call_failure import CallFailure
from crawler.listing.source_contract import Discovery
from crawler.settings import CrawlSettings
from crawler.spiders.api_responses import call_failure

Write = Callable[[Mapping[str, list[Row]]], None]

log = logging.getLogger(__name__)

_ATTEMPT = "attempt"  # of a request, from 1 on
_POLL_S = 0.1


class ListingSpider(scrapy.Spider):
    """List photos into the frontier of crawl `crawl_id`; `calls` counts responses by kind."""

    def __init__(
        self,
        source: Any,
        frontier: Frontier,
        crawl_id: str,
        settings: CrawlSettings,
        write: Write | None = None,
        report_call: Callable[[CallFailure | None], None] = lambda _: None,
    ) -> None:
        """`write` stores rows without files: table -> rows; for `report_call` see `CrawlContext`."""
        super().__init__()
        self._source, self._frontier, self._crawl_id = source, frontier, crawl_id
        self._write, self._report_call = write, report_call
        self._is_failing = False
        self._limits = settings
        self.calls: dict[str, int] = {}
        self._ended: Discovery | None = None

    @property
    def discovery(self) -> Discovery:
        """How the listing ended, according to the frontier."""
        if self._ended:
            return self._ended
        left = len(self._frontier.unprepared(self._crawl_id))
        if self._frontier.cursor(self._crawl_id).finished and not left:
            return Discovery("finished")
        return Discovery(
            "failed", f"the listing broke off, {counted(left, 'photo', 'is')} not ready to fetch"
        )

    def end(self, status: Any, problem: str = "", wait_until: float = 0.0) -> CloseSpider:
        """Record how the listing ended, once, and return the exception to raise."""
        self._ended = self._ended or Discovery(status, problem, wait_until)
        return CloseSpider(status)

    def may_try_again(self, request: Request) -> bool:
        """Say whether a call has attempts left."""
        return int(request.meta.get(_ATTEMPT, 1)) < self._limits.max_attempts

    async def try_again(self, request: Request, failure: Failure) -> Request | None:
        """Wait as before a retry of a picture, and return the call again; null when the listing ends meanwhile."""
        attempt = int(request.meta.get(_ATTEMPT, 1))
        log.info("attempt %d of %s failed: %s", attempt, request.url, failure.error)
        wait_s = backoff_s(attempt, self._limits)
        self.report_failure(failure, wait_s)
        await self.pause(wait_s)
        if self._is_closing():
            return None
        return request.replace(meta={**request.meta, _ATTEMPT: attempt + 1})

    def report_failure(self, failure: Failure, wait_s: float) -> None:
        """Report a call that is made again after `wait_s`."""
        self._is_failing = True
        self._report_call(call_failure(failure, wait_s))

    def report_success(self) -> None:
        """Report that the API has answered, if a call before failed."""
        if self._is_failing:
            self._is_failing = False
            self._report_call(None)

    async def pause(self, wait_s: float) -> None:
        """Wait, but not beyond the end of the listing."""
        until = time.monotonic() + wait_s
        while (left := until - time.monotonic()) > 0 and not self._is_closing():  # noqa: ASYNC110  # there is no event to wait for
            await asyncio.sleep(min(_POLL_S, left))

    def _is_closing(self) -> bool:
        crawler = getattr(self, "crawler", None)
        return self._ended is not None or (crawler is not None and not crawler.crawling)
