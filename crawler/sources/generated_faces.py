"""Source `generated-faces`: an address that returns another generated face at each request.

Each request is a draw. A photo is named by its bytes, because all photos have one address: a face that was drawn before
is a repeat, not a new photo. The listing ends after a number of draws, or after a number of repeats in a row.
"""

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import ClassVar

from catalog import command_name
from crawler.errors import CrawlError
from crawler.fetch.addresses import normalised
from crawler.fetch.failures import ErrorClass
from crawler.fetch.hosts import allow_host, host_of
from crawler.frontier.items import Cursor, ListedPhoto, Row
from crawler.listing.source_contract import (
    BaseSource,
    CrawlContext,
    Discovery,
    FetchBytes,
    http_byte_fetcher,
)
from crawler.listing.vocabulary import LABELS, photo_id
from crawler.settings import CrawlSettings
from crawler.sources.urls import NO_BASIS

ENDPOINT = "https://thispersondoesnotexist.com/"
GENERATOR = "StyleGAN2"
PAGE = 5  # draws queued at once; at most so many follow the last repeat
_GIVE_UP_AFTER = 20  # failed draws
_POLL_S = 0.1


@dataclass(frozen=True)
class GeneratedFacesSource(BaseSource):
    """Draws from `endpoint`: at most `limit`, fewer when `stop_after_repeats` repeats come in a row."""

    endpoint: str = ENDPOINT
    generator: str = GENERATOR
    limit: int = 1000
    stop_after_repeats: int = 20
    training_basis: str | None = None
    name: ClassVar[str] = "generated-faces"
    robots_policy: ClassVar[str] = "obeyed"
    over_http: ClassVar[bool] = True
    rejected: ClassVar[ErrorClass] = "transient"  # the next request returns other bytes

    def check(self) -> None:
        """Raise `ContactMissingError`, or `CrawlError` when the endpoint is not an HTTP address."""
        super().check()
        if normalised(self.endpoint) is None:
            raise CrawlError(f"{self.endpoint} is not an HTTP address")

    def adjust(self, settings: CrawlSettings) -> CrawlSettings:
        """Send at most one request a second: the endpoint generates one picture a second."""
        slow = replace(settings, rate=min(settings.rate, 1.0), per_host=1)
        return allow_host(slow, self.endpoint)

    def content_name(self, sha256: str) -> str:
        """Name a photo by its bytes."""
        return sha256

    async def discover(self, context: CrawlContext) -> Discovery:
        """Add draws in small pages, as long as new faces come."""
        while True:
            cursor = context.frontier.cursor(context.crawl_id)
            if cursor.finished:
                return Discovery("finished")
            if context.is_stopping():
                return Discovery("stopped")
            counts = context.frontier.counts(context.crawl_id)
            n_failed = counts.get("failed", 0) + counts.get("dead", 0)
            if n_failed >= _GIVE_UP_AFTER:
                return Discovery(
                    "failed", f"{n_failed} draws failed; see: {command_name()} crawl status"
                )
            repeats = context.frontier.repeats_in_a_row(context.crawl_id)
            if cursor.seen >= self.limit or repeats >= self.stop_after_repeats:
                context.frontier.add(context.crawl_id, [], replace(cursor, finished=True))
            elif counts.get("queued", 0) + counts.get("in_flight", 0) == 0:
                self._draw(context, cursor)
            else:
                await asyncio.sleep(_POLL_S)

    def _draw(self, context: CrawlContext, cursor: Cursor) -> None:
        last = min(cursor.seen + PAGE, self.limit)
        draws = [self._to_listed_photo(number) for number in range(cursor.seen + 1, last + 1)]
        context.frontier.add(
            context.crawl_id, draws, replace(cursor, page=cursor.page + 1, seen=last)
        )

    def _to_listed_photo(self, number: int) -> ListedPhoto:
        draw = f"draw-{number:06d}"
        photo: Row = {
            "source": self.name,
            "source_photo_id": draw,  # replaced by the SHA-256 of the bytes
            "page_url": self.endpoint,
            "synthetic": True,
            "generator": self.generator,
            "training_allowed": self.training_basis is not None,
            "training_basis": self.training_basis or NO_BASIS,
            LABELS: [{"task": "real_or_fake", "value": "fake", "label_source": "dataset"}],
        }
        key = photo_id(self.name, draw)
        return ListedPhoto(key, photo, url=self.endpoint, host=host_of(self.endpoint))

    def byte_fetcher(self, settings: CrawlSettings) -> AbstractAsyncContextManager[FetchBytes]:
        """Fetch over HTTP."""
        return http_byte_fetcher(settings)
