"""Source `spider`: a user's Scrapy spider, in one file, whose items contain addresses of pictures.

The spider reads pages within the limits of a crawl; the session fetches the pictures. Items are added to the frontier
in small pages, so nothing is lost when the spider stops. A spider has no cursor: after a stop it starts again, and no
photo is fetched twice.
"""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

from crawler.errors import CrawlError
from crawler.fetch.addresses import name_of, normalised
from crawler.fetch.hosts import host_of
from crawler.frontier.items import ListedPhoto, Row
from crawler.listing.source_contract import (
    BaseSource,
    CrawlContext,
    Discovery,
    FetchBytes,
    http_byte_fetcher,
)
from crawler.listing.vocabulary import LABELS, photo_id
from crawler.settings import CrawlSettings
from crawler.sources.urls import NO_BASIS, dataset_label

# Keys of an item that become columns without change.
_TEXTS = ("page_url", "photographer", "photographer_url", "licence", "attribution", "title")
KEYS = frozenset({*_TEXTS, "image_url", "id", "tags", "labels", "posted_at", "training_basis"})


@dataclass(frozen=True)
class UserSpiderSource(BaseSource):
    """The spider `class_name` of `file` (the only one when empty), called with `arguments`."""

    file: str
    class_name: str = ""
    arguments: Mapping[str, str] = field(default_factory=dict)
    limit: int | None = None
    training_basis: str | None = None
    name: ClassVar[str] = "spider"
    robots_policy: ClassVar[str] = "obeyed"
    over_http: ClassVar[bool] = True
    spider: ClassVar[str] = ""  # the file names it

    def check(self) -> None:
        """Raise `ContactMissingError`, or `CrawlError` when there is no such file."""
        super().check()
        if not Path(self.file).is_file():
            raise CrawlError(f"{self.file} is not a file with a spider")

    def secrets(self) -> Mapping[str, str]:
        """Return nothing."""
        return {}

    @property
    def api_address(self) -> str:
        """Empty: the spider may request any host, within the limits of the crawl."""
        return ""

    async def discover(self, context: CrawlContext) -> Discovery:
        """Run the spider from its beginning to its end."""
        from crawler.listing.spider_child import run_spider

        if context.frontier.cursor(context.crawl_id).finished:
            return Discovery("finished")
        return await run_spider(self, context, program="crawler.spiders.user")

    def byte_fetcher(self, settings: CrawlSettings) -> AbstractAsyncContextManager[FetchBytes]:
        """Fetch over HTTP."""
        return http_byte_fetcher(settings)

    def to_listed_photo(self, item: Mapping[str, Any], spider: str) -> ListedPhoto | None:
        """Map an item to a photo of source `spider:NAME`; null without an address or with an invalid time."""
        address = normalised(str(item.get("image_url") or ""))
        try:
            posted = _moment(item.get("posted_at"))
        except ValueError:
            return None
        if address is None:
            return None
        source, name = f"spider:{spider}", str(item.get("id") or name_of(address))
        basis = self.training_basis or item.get("training_basis") or None
        photo: Row = {key: str(item[key]) for key in _TEXTS if item.get(key)}
        photo |= {
            "source": source,
            "source_photo_id": name,
            "posted_at": posted,
            "tags": [str(tag) for tag in item.get("tags") or []],
            "training_allowed": basis is not None,
            "training_basis": str(basis or NO_BASIS),
            LABELS: _labels(item.get("labels") or {}),
        }
        url = address.geturl()
        return ListedPhoto(photo_id(source, name), photo, url=url, host=host_of(url))


def _labels(labels: Mapping[str, Any]) -> list[Row]:
    return [label for task, value in labels.items() if (label := dataset_label(str(task), value))]


def _moment(value: object) -> str | None:
    """Write a time as ISO text; raises `ValueError` for an invalid one."""
    if not value:
        return None
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return moment.isoformat()
