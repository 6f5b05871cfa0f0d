"""Source `unsplash`: the official API, or a site with the same API.

Lists contain no EXIF, so each photo costs two calls: its detail (EXIF), and its `download_location`, which the API
terms require for each used picture and which returns the address of the bytes. One Scrapy spider makes all calls in a
process of its own (`crawler/spiders/`), so the quota is kept in one place.
"""

import hashlib
import json
import os
import time
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal
from urllib.parse import quote, urlencode, urlsplit

from crawler.errors import CrawlError, KeyMissingError
from crawler.fetch.hosts import allow_host
from crawler.frontier.items import Row
from crawler.listing.api_objects import count_of, moment_of, text_of
from crawler.listing.source_contract import (
    BaseSource,
    CrawlContext,
    Discovery,
    FetchBytes,
    http_byte_fetcher,
)
from crawler.settings import CrawlSettings

API_BASE = "https://api.unsplash.com"
KEY_VARIABLE = "SAFELIGHT_UNSPLASH_KEY"
PER_PAGE = 30  # the API's maximum
LICENCE = "Unsplash License (https://unsplash.com/license)"
BASIS = "unsplash_api_terms"  # these terms restrict the training of models

_ID_LENGTH = 11  # of an id at the end of a page's address

Listing = Literal["all", "search", "topic", "collection", "user", "user-likes", "random", "ids"]
_PATHS: Mapping[str, str] = {
    "all": "/photos",
    "search": "/search/photos",
    "topic": "/topics/{}/photos",
    "collection": "/collections/{}/photos",
    "user": "/users/{}/photos",
    "user-likes": "/users/{}/likes",
    "random": "/photos/random",
}
# The listings that accept each filter; the API silently ignores other filters.
_TAKES: Mapping[str, frozenset[str]] = {
    "order_by": frozenset({"all", "search", "topic", "user", "user-likes"}),
    "orientation": frozenset({"search", "topic", "collection", "user", "random"}),
    "color": frozenset({"search"}),
    "content_filter": frozenset({"search", "random"}),
}


@dataclass(frozen=True)
class UnsplashSource(BaseSource):
    """One listing of the API; `value` is the search text, the name of topic, collection or user, or a file of ids.

    A random listing draws `limit` photos, different ones in each run.
    """

    listing: Listing = "all"
    value: str = ""
    limit: int | None = None
    api_base: str = API_BASE
    training_basis: str | None = None
    order_by: str | None = None
    orientation: str | None = None
    color: str | None = None
    content_filter: str | None = None
    name: ClassVar[str] = "unsplash"
    robots_policy: ClassVar[str] = "obeyed"
    over_http: ClassVar[bool] = True
    spider: ClassVar[str] = "crawler.spiders.unsplash:UnsplashSpider"

    @property
    def config(self) -> Mapping[str, Any]:
        """Every field except unused filters."""
        return {
            name: value
            for name, value in asdict(self).items()
            if value is not None or name not in _TAKES
        }

    def secrets(self) -> Mapping[str, str]:
        """Return the API key, which is not part of the settings."""
        return {"key": api_key()}

    @property
    def api_address(self) -> str:
        """The address of the API."""
        return self.api_base

    def check(self) -> None:
        """Raise `ContactMissingError`, `KeyMissingError`, or `CrawlError` for an impossible listing."""
        super().check()
        api_key()
        for name, listings in _TAKES.items():
            if getattr(self, name) and self.listing not in listings:
                raise CrawlError(
                    f"{name} works with these listings only: {', '.join(sorted(listings))}"
                )
        if self.listing == "random" and self.limit is None:
            raise CrawlError("a random listing needs the number of photos")
        if self.listing == "ids":
            self.ids()

    def adjust(self, settings: CrawlSettings) -> CrawlSettings:
        """Allow the private network of the user's API base."""
        return allow_host(settings, self.api_base)

    @property
    def holds_all(self) -> bool:
        """Whether a photo that a complete new listing lacks may have been deleted."""
        return self.limit is None and self.listing not in ("random", "ids")

    def ids(self) -> list[str]:
        """Read the ids of listing `ids`, one a line; an address of a photo's page ends in its id.

        Raises `CrawlError`.
        """
        try:
            lines = Path(self.value).read_text("utf-8").split()
        except (OSError, ValueError) as error:
            raise CrawlError(f"{self.value} cannot be read: {error}") from error
        ids = list(dict.fromkeys(filter(None, map(_id, lines))))
        return ids[: self.limit]

    def page_url(self, page: int, count: int = PER_PAGE) -> str:
        """Return the address of one page of the listing; `count` is for random photos only."""
        query: dict[str, str | int] = {"query": self.value} if self.listing == "search" else {}
        if self.listing == "random":
            query |= {"count": count}
        else:
            query |= {"page": page, "per_page": PER_PAGE}
        query |= {name: str(getattr(self, name)) for name in _TAKES if getattr(self, name)}
        path = _PATHS[self.listing].format(quote(self.value, safe=""))
        return f"{self.api_base.rstrip('/')}{path}?{urlencode(query)}"

    def detail_url(self, source_photo_id: str) -> str:
        """Return the address of the object of one photo, with EXIF."""
        return f"{self.api_base.rstrip('/')}/photos/{quote(source_photo_id, safe='')}"

    def download_url(self, source_photo_id: str, location: str) -> str:
        """Return the address that reports a download: always below the API base, because the key is sent to it."""
        query = urlsplit(location).query
        return f"{self.detail_url(source_photo_id)}/download{'?' + query if query else ''}"

    def photo(self, photo: Mapping[str, Any]) -> Row:
        """Map a photo object of the API to columns of a photos row, without geographic positions."""
        user = photo.get("user") or {}
        author = text_of(user.get("name")) or text_of(user.get("username"))
        profile = text_of((user.get("links") or {}).get("html"))
        exif = dict(photo.get("exif") or {})
        return {
            "source": self.name,
            "source_photo_id": str(photo["id"]),
            "page_url": text_of((photo.get("links") or {}).get("html")),
            "photographer": author,
            "photographer_url": profile,
            "licence": LICENCE,
            "attribution": f"Photo by {author or 'unknown'} ({profile or 'no page'}) on Unsplash",
            "title": text_of(photo.get("description")) or text_of(photo.get("alt_description")),
            "tags": _tags(photo.get("tags")),
            "posted_at": moment_of(photo.get("created_at")),
            "updated_at": moment_of(photo.get("updated_at")),
            "listed_width": count_of(photo.get("width")),
            "listed_height": count_of(photo.get("height")),
            "training_allowed": self.training_basis is not None,
            "training_basis": self.training_basis or BASIS,
            "source_exif_json": json.dumps(exif, sort_keys=True) if any(exif.values()) else None,
        }

    async def discover(self, context: CrawlContext) -> Discovery:
        """Run the spider until the listing ends, the quota is used up, or the session stops."""
        from crawler.listing.spider_child import run_spider

        cursor = context.frontier.cursor(context.crawl_id)
        vanished = self.holds_all and context.frontier.vanished(context.crawl_id)
        if cursor.finished and not vanished and not context.frontier.unprepared(context.crawl_id):
            return Discovery("finished")
        quota = context.frontier.quota(key_hash(api_key()))
        if quota and quota.blocked_until > time.time():
            return Discovery("quota", wait_until=quota.blocked_until)
        return await run_spider(self, context)

    def byte_fetcher(self, settings: CrawlSettings) -> AbstractAsyncContextManager[FetchBytes]:
        """Fetch over HTTP."""
        return http_byte_fetcher(settings)


def _tags(tags: object) -> list[str]:
    objects = tags if isinstance(tags, list) else []
    return [str(tag["title"]) for tag in objects if isinstance(tag, dict) and tag.get("title")]


def _id(line: str) -> str:
    """Read `abc`, `https://unsplash.com/photos/abc` or the newer `https://unsplash.com/photos/red-sea-abc`.

    >>> _id("https://unsplash.com/photos/red-sea-eOLpJytrbsQ"), _id("a_-45678901")
    ('eOLpJytrbsQ', 'a_-45678901')
    """
    last = urlsplit(line).path.rstrip("/").rpartition("/")[2]
    return last[-_ID_LENGTH:] if "/" in line else last


def api_key() -> str:
    """Return the key from the environment; raises `KeyMissingError` without one."""
    if key := os.environ.get(KEY_VARIABLE, "").strip():
        return key
    raise KeyMissingError(KEY_VARIABLE)


def key_hash(key: str) -> str:
    """Return a hash that identifies a key without revealing it."""
    return hashlib.sha256(key.encode()).hexdigest()[:16]
