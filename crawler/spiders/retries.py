"""Scrapy's retries, but none before the time that an answer names: they come at once, or after a guess."""

from scrapy import Request, Spider
from scrapy.downloadermiddlewares.retry import RetryMiddleware
from scrapy.http import Response


class PatientRetry(RetryMiddleware):
    """Leave an answer with Retry-After to the spider, which ends the listing until then."""

    def process_response(
        self,
        request: Request,
        response: Response,
        spider: Spider | None = None,  # noqa: ARG002 - Scrapy's signature, of which it wants no more
    ) -> Request | Response:
        """Retry what says nothing of a time."""
        if response.headers.get("Retry-After"):
            return response
        return super().process_response(request, response)
