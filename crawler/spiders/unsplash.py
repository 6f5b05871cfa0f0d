"""The spider of source `unsplash`: pages, then for each new photo its detail and its download call.

A page is acknowledged in the transaction that brings its photos into the frontier. Each call's answer
is kept there at once, so a killed spider repeats only the calls that were under way. The key goes to the API base
only. robots.txt is not asked for: these are calls of a keyed API that its operator invites, and its quota binds us.
"""

import json
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

from scrapy.http import Request, Response

from crawler.blocklist import tombstone_row
from crawler.failures import Failure, status_failure
from crawler.frontier import DESCRIBED, LISTED, Cursor, Item, Listed, Settlement
from crawler.hosts import host_of
from crawler.limits import retry_after_s
from crawler.records import photo_id
from crawler.sources.unsplash import PER_PAGE, UnsplashSource, key_hash
from crawler.spiders.listing import ListingSpider

# A photo under way comes before the next page: so a small quota brings whole photos.
DOWNLOAD, DETAIL, PAGE = 2, 1, 0
_GONE = frozenset({404, 410})
_GIVE_UP_AFTER = 5  # photos in a row that the API failed on: then it is the API, not the photos


class UnsplashSpider(ListingSpider):
    """List photos into the frontier; `discovery` says how it ended."""

    name = "unsplash"

    def __init__(self, source: UnsplashSource, *about: Any, key: str, **more: Any) -> None:
        super().__init__(source, *about, **more)
        self._source: UnsplashSource = source
        self._key = key
        self._begun: set[str] = set()
        self._failed_in_a_row = 0
        self.calls = {"page": 0, "detail": 0, "download": 0}  # and check, once there is one

    async def start(self) -> AsyncIterator[Request]:
        """Go on with photos under way, then with the next page."""
        for request in self._jobs():
            yield request
        cursor = self._frontier.cursor(self._crawl_id)
        if cursor.finished:
            following = self._checks()
        elif self._source.listing == "ids":
            following = self._list_ids(cursor)
        else:
            following = iter([self._page(cursor)])
        for request in following:
            yield request

    def _page(self, cursor: Cursor) -> Request:
        count = min(PER_PAGE, self._room(cursor) or PER_PAGE)
        url = self._source.page_url(cursor.page, count)
        return self._call(url, self.parse_page, PAGE, page=cursor.page)

    def _list_ids(self, cursor: Cursor) -> Iterator[Request]:
        """List the photos of a file of ids; no page need be asked for."""
        ids = self._source.ids()
        ahead = replace(cursor, seen=len(ids), finished=True)
        self._frontier.add(
            self._crawl_id, [self._listed({"id": name}) for name in ids], ahead, skip_held=True
        )
        return self._jobs()

    def parse_page(self, response: Response, page: int) -> Iterator[Request]:
        """Bring a page into the frontier, then ask for its new photos and for the next page."""
        self._count("page", response)
        if response.status != 200:
            raise self.end("failed", f"the API answered {response.status} to {response.url}")
        found = _photos(response)
        if found is None:
            raise self.end("failed", f"the API gave no list of photos to {response.url}")
        cursor = self._frontier.cursor(self._crawl_id)
        photos = found[: self._room(cursor)]
        seen = cursor.seen + len(photos)
        limited = self._source.limit is not None and seen >= self._source.limit
        last = not photos or limited or self._is_last(response, page)
        ahead = replace(cursor, page=page + 1, seen=seen, finished=last)
        self._frontier.add(
            self._crawl_id, [self._listed(photo) for photo in photos], ahead, skip_held=True
        )
        yield from self._jobs()
        if last:
            yield from self._checks()
        else:
            yield self._page(ahead)
        self._heed_quota(response)

    def _is_last(self, response: Response, page: int) -> bool:
        return self._source.listing != "random" and _is_last(response, page)

    def _room(self, cursor: Cursor) -> int | None:
        limit = self._source.limit
        return None if limit is None else max(0, limit - cursor.seen)

    def _listed(self, said: dict[str, Any]) -> Listed:
        row = self._source.photo(said)
        key = photo_id(self._source.name, str(said["id"]))
        # An object that carries EXIF is as good as the answer of the detail call.
        stage = DESCRIBED if row["source_exif_json"] else LISTED
        return Listed(key, row, stage=stage, version=str(said.get("updated_at") or ""))

    def _checks(self) -> Iterator[Request]:
        """Ask about the photos that a complete new listing lacks: they may have been deleted."""
        if self._source.holds_all:
            for item in self._frontier.vanished(self._crawl_id):
                url = self._source.detail_url(str(item.photo["source_photo_id"]))
                yield self._call(url, self.parse_check, DETAIL, item=item)

    def parse_check(self, response: Response, item: Item) -> Iterator[Request]:
        """Keep that a photo was deleted at its source, or that it is still there though not listed."""
        self._count("check", response)
        if response.status in _GONE:
            assert self._write is not None, "the spider's process gives it"
            row = tombstone_row("photo", item.photo_id, "deleted_at_source", self._crawl_id)
            self._write({"tombstones": [row]})
            settled = Settlement(item.seq, item.photo_id, "failed", item.attempts)
            why = replace(settled, error_class="final", error="deleted_at_source")
            self._frontier.settle([why])
        elif response.status == 200 and isinstance(said := _json(response), dict) and "id" in said:
            cursor = self._frontier.cursor(self._crawl_id)
            self._frontier.add(self._crawl_id, [self._listed(said)], cursor, skip_held=True)
            yield from self._jobs()
        self._heed_quota(response)

    def _jobs(self) -> Iterator[Request]:
        for item in self._frontier.unprepared(self._crawl_id):
            if item.photo_id not in self._begun:
                self._begun.add(item.photo_id)
                yield self._download(item, "") if item.stage == DESCRIBED else self._detail(item)

    def _detail(self, item: Item) -> Request:
        url = self._source.detail_url(str(item.photo["source_photo_id"]))
        return self._call(url, self.parse_detail, DETAIL, item=item)

    def parse_detail(self, response: Response, item: Item) -> Iterator[Request]:
        """Keep the EXIF of a photo, then report its download."""
        self._count("detail", response)
        if said := self._object(response, item, "id"):
            self._frontier.describe(self._crawl_id, item.photo_id, self._source.photo(said))
            yield self._download(item, (said.get("links") or {}).get("download_location") or "")
        self._heed_quota(response)

    def _download(self, item: Item, location: str) -> Request:
        url = self._source.download_url(str(item.photo["source_photo_id"]), location)
        return self._call(url, self.parse_download, DOWNLOAD, item=item)

    def parse_download(self, response: Response, item: Item) -> None:
        """Keep the address of a photo's bytes."""
        self._count("download", response)
        if said := self._object(response, item, "url"):
            url = str(said["url"])
            self._frontier.locate(self._crawl_id, item.photo_id, url, host_of(url))
        self._heed_quota(response)

    def _object(self, response: Response, item: Item, wanted: str) -> dict[str, Any] | None:
        """Return the object that was asked for, or note that the API refuses this photo."""
        failure = None
        if response.status == 200:
            said = _json(response)
            if isinstance(said, dict) and said.get(wanted):
                self._failed_in_a_row = 0
                return said
            failure = Failure("transient", "api_bad_answer", response.url, 200)
        self._refuse(item, failure or status_failure(response.status, f"API: {response.url}"))
        return None

    def _refuse(self, item: Item, failure: Failure) -> None:
        self._frontier.refuse(self._crawl_id, item.photo_id, failure)
        self._failed_in_a_row += failure.error_class == "transient"
        if self._failed_in_a_row >= _GIVE_UP_AFTER:
            raise self.end("failed", f"the API keeps failing: {failure.error}")

    def _call(self, url: str, callback: Any, priority: int, **about: Any) -> Request:
        headers = {"Authorization": f"Client-ID {self._key}", "Accept-Version": "v1"}
        return Request(
            url,
            callback,
            headers=headers,
            priority=priority,
            dont_filter=True,
            errback=self.unreachable,
            cb_kwargs=about,
            meta={"handle_httpstatus_all": True},
        )

    def _count(self, kind: str, response: Response) -> None:
        """Count a call and keep its quota; end on a used-up quota or a refused key."""
        self.calls[kind] = self.calls.get(kind, 0) + 1
        limited = _is_limited(response)
        remaining = 0 if limited else _number(response, "X-Ratelimit-Remaining")
        blocked = time.time() + self._wait_s(response) if remaining == 0 else None
        per_hour = _number(response, "X-Ratelimit-Limit")
        self._frontier.note_quota(key_hash(self._key), per_hour, remaining, blocked)
        if limited:
            raise self.end("quota", "", blocked or 0.0)
        if response.status == 401:
            raise self.end("failed", "the API refuses the key (401)")

    def _heed_quota(self, response: Response) -> None:
        """Stop before the call that would be refused."""
        if _number(response, "X-Ratelimit-Remaining") == 0 and not self._done():
            raise self.end("quota", "", time.time() + self._wait_s(response))

    def _done(self) -> bool:
        cursor = self._frontier.cursor(self._crawl_id)
        vanished = self._source.holds_all and self._frontier.vanished(self._crawl_id)
        return cursor.finished and not vanished and not self._frontier.unprepared(self._crawl_id)

    def _wait_s(self, response: Response) -> float:
        said = _header(response, "Retry-After")
        return retry_after_s(said) or self._limits.quota_wait_s


def _is_limited(response: Response) -> bool:
    """Say whether the API wants no more calls for now, in any of the ways to say so."""
    later = response.status == 503 and bool(_header(response, "Retry-After"))
    quota = response.status == 403 and b"Rate Limit Exceeded" in response.body
    return response.status == 429 or later or quota


def _json(response: Response) -> Any:
    try:
        return json.loads(response.body)
    except ValueError:
        return None


def _photos(response: Response) -> list[dict[str, Any]] | None:
    """Return the photos of a page; null when the answer is no list of objects with an id."""
    said = _json(response)
    found = said.get("results") if isinstance(said, dict) else said
    if not isinstance(found, list):
        return None
    return [one for one in found if isinstance(one, dict) and one.get("id")]


def _is_last(response: Response, page: int) -> bool:
    link = _header(response, "Link")
    if link:
        return 'rel="next"' not in link
    total = _number(response, "X-Total")
    return total is not None and page * PER_PAGE >= total


def _header(response: Response, name: str) -> str:
    return (response.headers.get(name) or b"").decode("latin-1")


def _number(response: Response, header: str) -> int | None:
    text = _header(response, header)
    return int(text) if text.isdecimal() else None
