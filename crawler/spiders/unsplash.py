"""The spider of source `unsplash`: pages, then for each new photo its detail call and its download call.

One transaction stores a page's photos and the cursor behind it. The response of each call is stored at once, so a
killed spider repeats only the calls in flight. The key is sent to the API base only. robots.txt is not read: the API's
operator issues the key for these calls, and the quota limits them.
"""

import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

from scrapy.http import Request, Response

from catalog import tombstone
from crawler.fetch.addresses import normalised
from crawler.fetch.failures import TRANSIENT_STATUSES, Failure
from crawler.fetch.hosts import host_of
from crawler.fetch.rate_limits import retry_after_s
from crawler.frontier.items import DESCRIBED, LISTED, Cursor, Item, ListedPhoto, Settlement
from crawler.listing.vocabulary import photo_id
from crawler.sources.unsplash import PER_PAGE, UnsplashSource, key_hash
from crawler.spiders.api_responses import read_response, require, unreachable
from crawler.spiders.listing import ListingSpider
from crawler.spiders.quota_limiter import QuotaLimiter, QuotaUsedUpError

# A started photo comes before the next page, so a small quota completes photos.
DOWNLOAD, DETAIL, PAGE = 2, 1, 0
_GONE = frozenset({404, 410})
_GIVE_UP_AFTER = (
    5  # photos in a row on which the API failed: then the API is the cause, not the photos
)


class UnsplashSpider(ListingSpider):
    """List photos into the frontier; `discovery` says how it ended."""

    name = "unsplash"

    def __init__(self, source: UnsplashSource, *args: Any, key: str, **kwargs: Any) -> None:
        super().__init__(source, *args, **kwargs)
        self._source: UnsplashSource = source
        self._key = key
        self._started: set[str] = set()
        self._suspects: list[tuple[Item, Failure]] = []
        self.quota_limiter = QuotaLimiter(self._frontier, key_hash(key), self._limits.quota_wait_s)
        self.calls = {"page": 0, "detail": 0, "download": 0}  # and check, after the first one

    async def start(self) -> AsyncIterator[Request]:
        """Continue the started photos, then request the next page."""
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
        """List the photos of a file of ids, without a page call."""
        ids = self._source.ids()
        ahead = replace(cursor, seen=len(ids), finished=True)
        self._frontier.add(
            self._crawl_id,
            [self._to_listed_photo({"id": name}) for name in ids],
            ahead,
            skip_held=True,
        )
        return self._jobs()

    async def parse_page(self, response: Response, page: int) -> AsyncIterator[Request]:
        """Add a page to the frontier, then request its new photos and the next page."""
        self._count("page", response)
        cursor = self._frontier.cursor(self._crawl_id)
        assert response.request, "Scrapy sets the request"
        is_last_try = not self.may_try_again(response.request)
        answer = read_response(
            response, lambda objects: self._read_page(objects, response, page, lenient=is_last_try)
        )
        if isinstance(answer, Failure):
            async for request in self._try_again(response.request, answer):
                yield request
            return
        listed, skipped = answer
        photos = listed[: self._room(cursor)]
        seen = cursor.seen + len(photos)
        limited = self._source.limit is not None and seen >= self._source.limit
        last = not listed or limited or self._is_last(response, page)
        ahead = replace(
            cursor, page=page + 1, seen=seen, skipped=cursor.skipped + skipped, finished=last
        )
        self._frontier.add(self._crawl_id, photos, ahead, skip_held=True)
        for request in (*self._jobs(), *(self._checks() if last else [self._page(ahead)])):
            yield request

    def _read_page(
        self, answer: Any, response: Response, page: int, *, lenient: bool
    ) -> tuple[list[ListedPhoto], int]:
        """Return the photos of a page and the number of entries that are not photos.

        Such an entry, or an empty page before the end, causes a retry; the last attempt (`lenient`) accepts it.
        """
        objects: list[Any] = answer["results"] if isinstance(answer, dict) else answer
        require(isinstance(objects, list), "no list of photos")
        photos: list[ListedPhoto] = []
        for photo in objects:
            try:
                photos.append(self._to_listed_photo(photo))
            except (AttributeError, LookupError, TypeError, ValueError):
                require(lenient, "an entry that is no photo")
        total = _number(response, "X-Total") or 0
        missing = not objects and self._source.listing != "random" and (page - 1) * PER_PAGE < total
        require(lenient or not missing, "an empty page before the end of the list")
        require(photos or not objects, "no photo in the list")
        return photos, len(objects) - len(photos)

    def _is_last(self, response: Response, page: int) -> bool:
        return self._source.listing != "random" and _is_last(response, page)

    def _room(self, cursor: Cursor) -> int | None:
        limit = self._source.limit
        return None if limit is None else max(0, limit - cursor.seen)

    def _to_listed_photo(self, photo: dict[str, Any]) -> ListedPhoto:
        require(isinstance(photo, dict) and photo.get("id"), "no photo")
        row = self._source.photo(photo)
        key = photo_id(self._source.name, str(photo["id"]))
        # An object with EXIF makes the detail call unnecessary.
        stage = DESCRIBED if row["source_exif_json"] else LISTED
        return ListedPhoto(key, row, stage=stage, version=str(photo.get("updated_at") or ""))

    def _checks(self) -> Iterator[Request]:
        """Request the photos that a complete new listing lacks: they may have been deleted."""
        if self._source.holds_all:
            for item in self._frontier.vanished(self._crawl_id):
                url = self._source.detail_url(str(item.photo["source_photo_id"]))
                yield self._call(url, self.parse_check, DETAIL, item=item)

    async def parse_check(self, response: Response, item: Item) -> AsyncIterator[Request]:
        """Record that a photo was deleted at its source, or that it still exists although it is not listed."""
        self._count("check", response)
        if response.status in _GONE:
            assert self._write is not None, "the process of the spider sets it"
            key = ("photo", item.photo_id, "deleted_at_source")
            row = tombstone(*key, blocks=False, crawl_id=self._crawl_id)
            self._write({"tombstones": [row]})
            settlement = Settlement(item.seq, item.photo_id, "failed", item.attempts)
            settlement = replace(settlement, error_class="final", error="deleted_at_source")
            self._frontier.settle([settlement])
            return
        answer = read_response(response, self._to_listed_photo)
        if isinstance(answer, Failure):
            async for request in self._try_again(response.request, answer):
                yield request
            return
        cursor = self._frontier.cursor(self._crawl_id)
        self._frontier.add(self._crawl_id, [answer], cursor, skip_held=True)
        for request in self._jobs():
            yield request

    def _jobs(self) -> Iterator[Request]:
        for item in self._frontier.unprepared(self._crawl_id):
            if item.photo_id not in self._started:
                self._started.add(item.photo_id)
                yield self._download(item, "") if item.stage == DESCRIBED else self._detail(item)

    def _detail(self, item: Item) -> Request:
        url = self._source.detail_url(str(item.photo["source_photo_id"]))
        return self._call(url, self.parse_detail, DETAIL, item=item)

    async def parse_detail(self, response: Response, item: Item) -> AsyncIterator[Request]:
        """Store the EXIF of a photo, then make its download call."""
        self._count("detail", response)
        answer = read_response(response, lambda photo: self._read_detail(photo, item))
        if isinstance(answer, Failure):
            async for request in self._try_again(response.request, answer):
                yield request
            return
        self._clear_suspects()
        row, location = answer
        self._frontier.describe(self._crawl_id, item.photo_id, row)
        yield self._download(item, location)

    def _read_detail(self, photo: Any, item: Item) -> tuple[dict[str, object], str]:
        row = self._source.photo(photo)
        # An id from a file may be another name of the photo; an id from a listing may not.
        same = row["source_photo_id"] == item.photo["source_photo_id"]
        require(same or self._source.listing == "ids", "another photo")
        return row, str((photo.get("links") or {}).get("download_location") or "")

    def _download(self, item: Item, location: str) -> Request:
        url = self._source.download_url(str(item.photo["source_photo_id"]), location)
        return self._call(url, self.parse_download, DOWNLOAD, item=item)

    async def parse_download(self, response: Response, item: Item) -> AsyncIterator[Request]:
        """Store the address of a photo's bytes."""
        self._count("download", response)
        answer = read_response(response, _read_address)
        if isinstance(answer, Failure):
            async for request in self._try_again(response.request, answer):
                yield request
            return
        self._clear_suspects()
        self._frontier.locate(self._crawl_id, item.photo_id, answer, host_of(answer))

    async def failed(self, failure: Any) -> AsyncIterator[Request]:
        """Retry a call without a complete response; end the listing when the quota is used up."""
        if failure.check(QuotaUsedUpError):
            raise self.end("quota", "", failure.value.until)
        self.quota_limiter.record_response(None, None, None, sound=False)
        async for request in self._try_again(failure.request, unreachable(failure)):
            yield request

    async def _try_again(self, request: Request | None, failure: Failure) -> AsyncIterator[Request]:
        """Repeat a call after a pause, or fail its page or photo."""
        assert request is not None, "Scrapy sets the request"
        if failure.error_class == "transient" and self.may_try_again(request):
            if again := await self.try_again(request, failure):
                yield again
        elif "page" in request.cb_kwargs:
            if failure.error_class != "transient":
                raise self.end("failed", f"the API answered {failure.http_status} to {request.url}")
            raise self.end("failed", f"the API keeps failing: {failure.error}: {failure.detail}")
        elif request.callback != self.parse_check:
            self._give_up(request.cb_kwargs["item"], failure)

    def _give_up(self, item: Item, failure: Failure) -> None:
        """Refuse a photo; after a transient failure only when the API has responded for another photo."""
        if failure.error_class != "transient":
            self._frontier.refuse(self._crawl_id, item.photo_id, failure)
            return
        self._suspects.append((item, failure))
        if len(self._suspects) >= _GIVE_UP_AFTER:
            raise self.end("failed", f"the API keeps failing: {failure.error}")

    def _clear_suspects(self) -> None:
        """Refuse the photos on which the API failed, now that it has responded for another one."""
        for item, failure in self._suspects:
            self._frontier.refuse(self._crawl_id, item.photo_id, failure)
        self._suspects = []

    def closed(self, reason: str) -> None:
        """Refuse the remaining suspects when the listing has finished; otherwise the next session retries them."""
        if reason == "finished" and self._ended is None:
            self._clear_suspects()

    def _call(self, url: str, callback: Any, priority: int, **arguments: Any) -> Request:
        headers = {"Authorization": f"Client-ID {self._key}", "Accept-Version": "v1"}
        return Request(
            url,
            callback,
            headers=headers,
            priority=priority,
            dont_filter=True,
            errback=self.failed,
            cb_kwargs=arguments,
            meta={"handle_httpstatus_all": True},
        )

    def _count(self, kind: str, response: Response) -> None:
        """Count a call and record its quota; end the listing on a used-up quota or a refused key."""
        self.calls[kind] = self.calls.get(kind, 0) + 1
        limited = _is_limited(response)
        remaining = 0 if limited else _number(response, "X-Ratelimit-Remaining")
        blocked = time.time() + self._wait_s(response) if remaining == 0 else None
        per_hour = _number(response, "X-Ratelimit-Limit")
        self.quota_limiter.record_response(
            per_hour, remaining, blocked, sound=response.status == 200
        )
        if response.status == 200:
            self.report_success()
        if limited:
            raise self.end("quota", "", blocked or 0.0)
        if response.status == 401:
            raise self.end("failed", "the API refuses the key (401)")

    def _wait_s(self, response: Response) -> float:
        retry_after = _header(response, "Retry-After")
        return retry_after_s(retry_after) or self._limits.quota_wait_s


def _is_limited(response: Response) -> bool:
    """Say whether the API refuses further calls for now, in any of its forms."""
    transient = response.status >= 500 or response.status in TRANSIENT_STATUSES
    later = transient and bool(_header(response, "Retry-After"))
    quota = response.status == 403 and b"Rate Limit Exceeded" in response.body
    return response.status == 429 or later or quota


def _read_address(answer: Any) -> str:
    address = str(answer["url"])
    require(normalised(address), "no address of a picture")
    return address


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
