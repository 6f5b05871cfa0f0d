"""Middlewares of Scrapy's downloader: the quota of an API key, and retries that respect Retry-After."""

from typing import Any, Self

from scrapy import Request, Spider
from scrapy.crawler import Crawler
from scrapy.downloadermiddlewares.retry import RetryMiddleware
from scrapy.http import Response

from crawler.spiders.quota_limiter import QuotaLimiter


class QuotaMiddleware:
    """Hold each request until the spider's `quota_limiter` lets it pass; a spider without one is not limited."""

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Make the middleware, as Scrapy requires."""
        return cls(crawler)

    async def process_request(self, request: Request, spider: Any = None) -> None:  # noqa: ARG002 - Scrapy's signature
        """Wait until the quota allows the call; raises `QuotaUsedUpError`."""
        limiter: QuotaLimiter | None = getattr(self._crawler.spider, "quota_limiter", None)
        if limiter:
            await limiter.acquire(request.priority)


class RetryAfterMiddleware(RetryMiddleware):
    """Scrapy's retries, except for responses with Retry-After: Scrapy would retry them too early.

    The spider sees such a response; an API spider pauses or ends its listing until then.
    """

    def process_response(
        self,
        request: Request,
        response: Response,
        spider: Spider | None = None,  # noqa: ARG002 - Scrapy passes it, but newer versions take it no more
    ) -> Request | Response:
        """Retry a failed response that has no Retry-After."""
        if response.headers.get("Retry-After"):
            return response
        return super().process_response(request, response)
