"""Source `commons`: Wikimedia Commons, by category, by search or by upload date, through its keyless API.

One list call returns address, licence, author and EXIF of fifty files. A Scrapy spider in a process of its own makes
the calls, one after the other, and waits when the servers report lag.
"""

import html
import json
import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal
from urllib.parse import urlencode

from crawler.errors import CrawlError
from crawler.fetch.hosts import allow_host, host_of
from crawler.frontier.items import ListedPhoto, Row
from crawler.listing.api_objects import count_of, moment_of, text_of
from crawler.listing.source_contract import (
    BaseSource,
    CrawlContext,
    Discovery,
    FetchBytes,
    http_byte_fetcher,
)
from crawler.listing.vocabulary import photo_id
from crawler.settings import CrawlSettings

API = "https://commons.wikimedia.org/w/api.php"
PER_PAGE = 50
MAXLAG_S = 5  # required by Wikimedia: stop while a database lags more than this
RASTER = frozenset(f"image/{kind}" for kind in ("jpeg", "png", "webp", "tiff", "gif"))

Listing = Literal["category", "search", "dates"]

# Requested by name, so that the API sends no positions.
_EXT = (
    *("Artist", "LicenseShortName", "LicenseUrl", "Attribution"),
    *("ImageDescription", "ObjectName", "Categories"),
)
_EXIF = {
    "Make": "make",
    "Model": "model",
    "FNumber": "aperture",
    "ISOSpeedRatings": "iso",
    "ExposureTime": "exposure_time",
    "FocalLength": "focal_length",
}
_FREE = re.compile(r"(cc0|cc[ -]by([ -]sa)?)([ -]\d.*)?|pd\b.*|public domain.*", re.IGNORECASE)
_LIMITED = re.compile(r"\b(nc|nd)\b", re.IGNORECASE)


@dataclass(frozen=True)
class ListingPosition:
    """The position of a listing: categories left with the depth below them, visited ones, the API's continuation."""

    queue: Sequence[Sequence[Any]]
    visited: Sequence[str] = ()
    phase: Literal["files", "subcategories"] = "files"
    continuation: Mapping[str, str] | None = None

    def text(self) -> str:
        """Write the position as JSON, for `CommonsSource.position`."""
        return json.dumps([self.queue, self.visited, self.phase, self.continuation])


@dataclass(frozen=True)
class CommonsSource(BaseSource):
    """One listing; `value` is the category or the search text, `start` and `end` bound upload dates (ISO)."""

    listing: Listing
    value: str = ""
    start: str | None = None
    end: str | None = None
    recurse: int = 0
    width: int | None = None
    limit: int | None = None
    api_base: str = API
    training_basis: str | None = None
    name: ClassVar[str] = "commons"
    robots_policy: ClassVar[str] = "obeyed"
    over_http: ClassVar[bool] = True
    spider: ClassVar[str] = "crawler.spiders.commons:CommonsSpider"

    def secrets(self) -> Mapping[str, str]:
        """Return nothing: the API needs no key."""
        return {}

    @property
    def api_address(self) -> str:
        """The address of the API."""
        return self.api_base

    def check(self) -> None:
        """Raise `ContactMissingError`, or `CrawlError` for a listing by date without its dates."""
        super().check()
        if self.listing == "dates" and not (self.start and self.end):
            raise CrawlError("a listing by date needs --from and --to")

    def adjust(self, settings: CrawlSettings) -> CrawlSettings:
        """Make one call at a time and fetch two pictures at once, as Wikimedia requires."""
        slow = replace(settings, per_host=min(settings.per_host, 2), api_concurrency=1)
        return allow_host(slow, self.api_base)

    def position(self, token: str) -> ListingPosition:
        """Return the position of a cursor's token, or the first one without a token."""
        if not token:
            return ListingPosition([[self.value, self.recurse]], [self.value])
        return ListingPosition(*json.loads(token))

    def url(self, position: ListingPosition) -> str:
        """Return the address of the next call."""
        query: dict[str, str | int] = {
            "action": "query",
            "format": "json",
            "formatversion": 2,
            "maxlag": MAXLAG_S,
        }
        if position.phase == "subcategories":
            query |= {"list": "categorymembers", "cmtype": "subcat", "cmlimit": 500}
            query |= {"cmtitle": _category(position.queue[0][0])}
        else:
            query |= {"prop": "imageinfo", "iiextmetadatafilter": "|".join(_EXT)}
            query |= {"iiprop": "url|size|sha1|mime|metadata|extmetadata|timestamp|user"}
            query |= {"iiurlwidth": self.width} if self.width else {}
            query |= self._generator(str(position.queue[0][0]))
        return f"{self.api_base}?{urlencode(query | dict(position.continuation or {}))}"

    def _generator(self, value: str) -> dict[str, str | int]:
        query: dict[str, str | int]
        if self.listing == "category":
            query = {"generator": "categorymembers", "gcmtitle": _category(value)}
            return query | {"gcmtype": "file", "gcmlimit": PER_PAGE}
        if self.listing == "search":
            query = {"generator": "search", "gsrsearch": f"filetype:bitmap {value}"}
            return query | {"gsrnamespace": 6, "gsrlimit": PER_PAGE}
        query = {"generator": "allimages", "gaisort": "timestamp", "gaidir": "ascending"}
        query |= {"gaistart": _moment(self.start), "gaiend": _moment(self.end)}
        return query | {"gailimit": PER_PAGE}

    def count_url(self) -> str | None:
        """Return the address of the call that counts the files; null when the API cannot count them."""
        query: dict[str, str | int] = {"action": "query", "format": "json", "formatversion": 2}
        if self.listing == "category":
            query |= {"prop": "categoryinfo", "titles": _category(self.value)}
        elif self.listing == "search":
            search = f"filetype:bitmap {self.value}"
            query |= {"list": "search", "srsearch": search, "srnamespace": 6, "srlimit": 1}
        else:
            return None
        return f"{self.api_base}?{urlencode(query | {'maxlag': MAXLAG_S})}"

    def to_listed_photo(self, page: Mapping[str, Any]) -> ListedPhoto | None:
        """Map a file of the API to a photo; null without a visible picture of a supported format."""
        info = (page.get("imageinfo") or [{}])[0]
        if info.get("mime") not in RASTER or not info.get("url"):
            return None
        url = str((info.get("thumburl") if self.width else None) or info["url"])
        row = self.photo(page, info)
        key = photo_id(self.name, str(row["source_photo_id"]))
        return ListedPhoto(
            key, row, url=url, host=host_of(url), version=str(info.get("sha1") or "")
        )

    def photo(self, page: Mapping[str, Any], info: Mapping[str, Any]) -> Row:
        """Map a file to columns of a photos row, without geographic positions."""
        metadata = info.get("extmetadata") or {}
        artist = str((metadata.get("Artist") or {}).get("value") or "")
        author = plain(artist) or text_of(info.get("user"))
        licence, terms = (
            _metadata_text(metadata, "LicenseShortName"),
            _metadata_text(metadata, "LicenseUrl"),
        )
        allowed, basis = training(licence)
        title = _metadata_text(metadata, "ImageDescription") or _metadata_text(
            metadata, "ObjectName"
        )
        return {
            "source": self.name,
            "source_photo_id": str(page["pageid"]),
            "page_url": text_of(info.get("descriptionurl")),
            "photographer": author,
            "photographer_url": _link(artist),
            "licence": f"{licence} ({terms})" if licence and terms else licence,
            "attribution": _metadata_text(metadata, "Attribution")
            or f"{author or 'unknown author'}, {licence or 'unknown licence'}, via Wikimedia Commons",
            "title": title or str(page.get("title", "")).removeprefix("File:"),
            "tags": [
                tag for tag in (_metadata_text(metadata, "Categories") or "").split("|") if tag
            ],
            "posted_at": moment_of(info.get("timestamp")),
            "listed_width": count_of(info.get("width")),
            "listed_height": count_of(info.get("height")),
            "training_allowed": allowed or self.training_basis is not None,
            "training_basis": self.training_basis or basis,
            "redistribution_allowed": True if allowed else None,
            "source_exif_json": _exif_json(info.get("metadata") or []),
        }

    async def discover(self, context: CrawlContext) -> Discovery:
        """Run the spider until the listing ends or the session stops."""
        from crawler.listing.spider_child import run_spider

        if context.frontier.cursor(context.crawl_id).finished:
            return Discovery("finished")
        return await run_spider(self, context)

    def byte_fetcher(self, settings: CrawlSettings) -> AbstractAsyncContextManager[FetchBytes]:
        """Fetch over HTTP."""
        return http_byte_fetcher(settings)


def training(licence: str | None) -> tuple[bool, str]:
    """Say whether a licence allows training a model, and give the basis: the licence itself.

    Creative Commons licences without a clause against commerce or changes allow it, and so does the public domain. An
    unknown licence does not.

    >>> training("CC BY-SA 4.0"), training("CC BY-NC 2.0"), training("GFDL")
    ((True, 'CC BY-SA 4.0'), (False, 'licence_limits_use: CC BY-NC 2.0'), (False, 'licence_unknown: GFDL'))
    """
    if not licence:
        return False, "licence_missing"
    if _LIMITED.search(licence):
        return False, f"licence_limits_use: {licence}"
    if _FREE.fullmatch(licence.strip()):
        return True, licence
    return False, f"licence_unknown: {licence}"


def plain(markup: str) -> str:
    """Extract the text of HTML.

    >>> plain('<a href="//x.example/u">Ann&nbsp;Lens</a>,<br> 2020')
    'Ann Lens, 2020'
    """
    text = html.unescape(re.sub(r"<(script|style)\b.*?</\1>|<[^>]*>", " ", markup, flags=re.DOTALL))
    return re.sub(r"\s+([,.;:])", r"\1", " ".join(text.split()))


def _metadata_text(extmetadata: Mapping[str, Any], name: str) -> str | None:
    return plain(str((extmetadata.get(name) or {}).get("value") or "")) or None


def _link(markup: str) -> str | None:
    match = re.search(r'href="((?:https?:)?//[^"]+)"', markup)
    if not match:
        return None
    address = html.unescape(match[1])
    return f"https:{address}" if address.startswith("//") else address


def _exif_json(metadata: Sequence[Mapping[str, Any]]) -> str | None:
    exif = {}
    for tag in metadata:
        ours = _EXIF.get(str(tag.get("name")))
        if ours and (value := _first(tag.get("value"))):
            exif[ours] = value
    return json.dumps(exif, sort_keys=True) if exif else None


def _first(value: object) -> str:
    """Return the value of a tag; of a list of names and values, the first value."""
    if isinstance(value, list):
        value = next((entry.get("value") for entry in value if isinstance(entry, dict)), "")
    return "" if value is None else str(value).strip()


def _category(name: str) -> str:
    return name if name.startswith("Category:") else f"Category:{name}"


def _moment(text: str | None) -> str:
    return text if text and "T" in text else f"{text}T00:00:00Z"
