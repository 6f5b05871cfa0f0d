"""What every spider of a source has: it lists photos into the frontier, and says how that ended."""

from collections.abc import Callable, Mapping
from typing import Any

import scrapy
from scrapy.exceptions import CloseSpider

from crawler.frontier import Frontier, Row
from crawler.settings import CrawlSettings
from crawler.source import Discovery

Write = Callable[[Mapping[str, list[Row]]], None]


class ListingSpider(scrapy.Spider):
    """List photos into the frontier of crawl `crawl_id`; `calls` counts answers by kind."""

    def __init__(
        self,
        source: Any,
        frontier: Frontier,
        crawl_id: str,
        settings: CrawlSettings,
        write: Write | None = None,
    ) -> None:
        """`write` takes rows that come in without a file: table -> rows."""
        super().__init__()
        self._source, self._frontier, self._crawl_id = source, frontier, crawl_id
        self._write = write
        self._limits = settings
        self.calls: dict[str, int] = {}
        self._ended: Discovery | None = None

    @property
    def discovery(self) -> Discovery:
        """How the listing ended, judged by what is in the frontier."""
        if self._ended:
            return self._ended
        left = len(self._frontier.unprepared(self._crawl_id))
        if self._frontier.cursor(self._crawl_id).finished and not left:
            return Discovery("finished")
        return Discovery("failed", f"the listing broke off, {left} photos are not ready to fetch")

    def end(self, status: Any, problem: str = "", wait_until: float = 0.0) -> CloseSpider:
        """Note how the listing ended, the first time, and return what to raise."""
        self._ended = self._ended or Discovery(status, problem, wait_until)
        return CloseSpider(status)

    def unreachable(self, failure: Any) -> None:
        """End the listing: Scrapy's own retries did not help."""
        raise self.end("failed", f"the API cannot be reached: {failure.getErrorMessage()}")
