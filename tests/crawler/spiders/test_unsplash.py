import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from scrapy import Request
from scrapy.exceptions import CloseSpider
from scrapy.http import TextResponse
from twisted.python.failure import Failure

from crawler.frontier.frontier import Frontier
from crawler.listing.source_contract import Discovery
from crawler.listing.vocabulary import photo_id
from crawler.settings import CrawlSettings
from crawler.sources.unsplash import UnsplashSource, key_hash
from crawler.spiders.quota_limiter import QuotaUsedUpError
from crawler.spiders.unsplash import UnsplashSpider

BASE = "https://api.example"
CRAWL, KEY = "c1", "secret"


@pytest.fixture
def frontier(tmp_path: Path) -> Iterator[Frontier]:
    with Frontier(tmp_path / "f.sqlite") as opened:
        opened.open_crawl(CRAWL, "unsplash", {})
        yield opened


def spider(frontier: Frontier, limit: int | None = None) -> UnsplashSpider:
    source = UnsplashSource(api_base=BASE, limit=limit)
    quick = CrawlSettings(backoff_s=0.0001)
    return UnsplashSpider(source, frontier, CRAWL, quick, key=KEY)


def answer(request: Request, said: object, status: int = 200, **headers: str) -> TextResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = said if isinstance(said, str) else json.dumps(said)
    return TextResponse(
        request.url, status=status, headers=named, body=body.encode(), request=request
    )


def feed(request: Request, said: object, status: int = 200, **headers: str) -> list[Request]:
    """Hand an answer to the callback of a request; return the requests that it makes."""
    callback: Any = request.callback

    async def collect() -> list[Request]:
        made = callback(answer(request, said, status, **headers), **request.cb_kwargs)
        return [one async for one in made]

    return asyncio.run(collect())


def exhaust(request: Request, said: object, status: int = 200, **headers: str) -> list[Request]:
    """Give the same answer to a call until it is not made again."""
    made = [request]
    while made and made[0].url == request.url:
        made = feed(made[0], said, status, **headers)
    return made


def listed(*names: str) -> list[dict[str, object]]:
    location = {"download_location": "https://elsewhere.example/x/download?ixid=7"}
    return [{"id": name, "user": {"username": "ann"}, "links": location} for name in names]


def start(spider: UnsplashSpider) -> list[Request]:
    async def collect() -> list[Request]:
        return [request async for request in spider.start()]

    return asyncio.run(collect())


def test_a_photo_costs_a_page_a_detail_and_a_download(frontier: Frontier) -> None:
    one = spider(frontier)
    [page] = start(one)
    assert page.url == f"{BASE}/photos?page=1&per_page=30"
    [detail, following] = feed(page, listed("a/b c"))
    assert detail.url == f"{BASE}/photos/a%2Fb%20c"
    assert following.url.endswith("page=2&per_page=30")
    assert detail.priority > following.priority
    [download] = feed(detail, listed("a/b c")[0] | {"exif": {"iso": 100}})
    # The path is that of our API base whatever the answer says: the key goes along.
    assert download.url == f"{BASE}/photos/a%2Fb%20c/download?ixid=7"
    assert download.headers["Authorization"] == b"Client-ID secret"
    assert feed(download, {"url": "https://images.example/1.jpg?ixid=7"}) == []
    assert feed(following, []) == []
    [item] = frontier.claim(CRAWL, 9, time.time())
    assert (item.url, item.host) == ("https://images.example/1.jpg?ixid=7", "images.example")
    assert item.photo["source_exif_json"] == '{"iso": 100}'
    assert one.discovery == Discovery("finished")
    assert one.calls == {"page": 2, "detail": 1, "download": 1}


@pytest.mark.parametrize(
    "headers",
    [{"X_Total": "2"}, {"Link": '<https://api.example/photos?page=1>; rel="first"'}],
)
def test_the_last_page_is_known_by_its_headers(frontier: Frontier, headers: dict[str, str]) -> None:
    [page] = start(spider(frontier))
    assert len(feed(page, listed("a", "b"), **headers)) == 2
    assert frontier.cursor(CRAWL).finished


def test_a_limit_cuts_the_list(frontier: Frontier) -> None:
    [page] = start(spider(frontier, limit=2))
    assert len(feed(page, {"total": 9, "results": listed("a", "b", "c")})) == 2
    assert (frontier.cursor(CRAWL).seen, frontier.cursor(CRAWL).finished) == (2, True)


def test_photos_already_held_cost_nothing_but_the_page(frontier: Frontier) -> None:
    frontier.add_held([photo_id("unsplash", "a")], [])
    [page] = start(spider(frontier))
    assert feed(page, listed("a"), X_Total="1") == []
    assert frontier.counts(CRAWL) == {"done": 1}


def test_a_killed_spider_repeats_only_the_calls_under_way(frontier: Frontier) -> None:
    [page] = start(spider(frontier))
    first, _ = feed(page, listed("a", "b"), X_Total="2")
    feed(first, listed("a")[0])
    requests = start(spider(frontier))
    assert [request.url.rpartition("photos/")[2] for request in requests] == ["a/download", "b"]


def test_a_used_up_quota_ends_the_listing_and_no_photo(frontier: Frontier) -> None:
    one = spider(frontier)
    [page] = start(one)
    detail, *_ = feed(page, listed("a"))
    with pytest.raises(CloseSpider):
        feed(detail, "Rate Limit Exceeded", 403, X_Ratelimit_Limit="50")
    assert one.discovery.status == "quota"
    assert frontier.counts(CRAWL) == {"queued": 1}
    quota = frontier.quota(key_hash(KEY))
    assert quota
    assert (quota.per_hour, quota.remaining, quota.in_flight) == (50, 0, 0)
    assert quota.blocked_until == pytest.approx(one.discovery.wait_until, abs=5)
    assert quota.blocked_until > time.time() + 500


def test_a_refused_key_or_listing_ends_as_failed(frontier: Frontier) -> None:
    for status, text in ((401, "refuses the key"), (404, "answered 404")):
        one = spider(frontier)
        [page] = start(one)
        with pytest.raises(CloseSpider):
            feed(page, {"errors": []}, status)
        assert one.discovery.status == "failed"
        assert text in one.discovery.problem
        assert KEY not in one.discovery.problem


NO_ANSWERS: list[tuple[int, object]] = [
    (200, "<html><body>Service is being deployed</body></html>"),
    (200, ""),
    (200, '{"id": "a", "exif": {"is'),
    (200, "null"),
    (200, "[" * 100_000),
    (200, "\xff\xfe\x00"),
    (200, {}),
    (200, {"errors": ["try later"]}),
    (200, {"id": "another", "links": {}}),
    (200, {"id": "a", "user": "ann"}),
    (200, {"id": "a", "user": {"name": 7}}),
    (200, {"id": "a", "exif": [1]}),
    (200, {"id": "a", "links": ["x"]}),
    (200, {"id": "a", "width": "wide"}),
    (200, ["a"]),
    (204, ""),
    (302, ""),
    (500, ""),
    (503, "<html>"),
    (521, ""),
    (599, ""),
]


@pytest.mark.parametrize(("status", "said"), NO_ANSWERS)
def test_a_call_without_an_answer_is_made_again(
    frontier: Frontier, status: int, said: object
) -> None:
    [page] = start(spider(frontier))
    [detail] = feed(page, listed("a"), X_Total="1")
    for _ in range(3):  # max_attempts is 4
        [detail] = feed(detail, said, status)
        assert detail.url.endswith("/photos/a")
    [download] = feed(detail, listed("a")[0])
    for answer_to_download in (said, {"url": 7}, {"url": "not an address"}):
        [download] = feed(download, answer_to_download, status)
    assert feed(download, {"url": "https://images.example/a.jpg"}) == []
    [item] = frontier.claim(CRAWL, 9, time.time())
    assert (item.refusal, item.url) == (None, "https://images.example/a.jpg")


@pytest.mark.parametrize(
    ("status", "said"),
    [
        *NO_ANSWERS[:8],
        (200, ["a"]),
        (200, [{"id": "a"}, {"errors": []}]),
        (200, [{"id": "a", "user": "ann"}]),
        (200, []),  # but X-Total says that there is one
        (204, ""),
        (500, ""),
    ],
)
def test_a_page_without_an_answer_is_asked_for_again(
    frontier: Frontier, status: int, said: object
) -> None:
    one = spider(frontier)
    [page] = start(one)
    for _ in range(3):
        [page] = feed(page, said, status, X_Total="1")
    assert len(feed(page, listed("a"), X_Total="1")) == 1
    assert one._ended is None
    assert frontier.cursor(CRAWL).finished


def test_a_page_that_never_comes_ends_the_listing_and_says_why(frontier: Frontier) -> None:
    one = spider(frontier)
    [page] = start(one)
    with pytest.raises(CloseSpider):
        exhaust(page, "<html>")
    assert one.discovery.status == "failed"
    assert "the API keeps failing: api_bad_answer" in one.discovery.problem
    assert "<html>" in one.discovery.problem
    assert not frontier.cursor(CRAWL).finished


def test_what_stays_odd_in_a_page_is_passed_over_and_counted(frontier: Frontier) -> None:
    [page] = start(spider(frontier))
    made = exhaust(page, [*listed("a"), {"errors": ["x"]}, "b"], X_Total="3")
    assert [request.url.rpartition("/")[2] for request in made] == ["a"]
    assert (frontier.cursor(CRAWL).seen, frontier.cursor(CRAWL).skipped) == (1, 2)


def test_a_photo_that_the_api_refuses_is_a_failure_of_that_photo(frontier: Frontier) -> None:
    one = spider(frontier)
    [page] = start(one)
    first, second, third = feed(page, listed("a", "b", "c"), X_Total="3")
    assert feed(first, {"errors": []}, 404) == []
    assert exhaust(second, "no json") == []
    assert len(frontier.unprepared(CRAWL)) == 2  # it may be the API, not the photo
    feed(third, listed("c")[0])
    refusals = [item.refusal for item in frontier.claim(CRAWL, 9, 1.0)]
    assert [(f.error_class, f.error) for f in refusals if f] == [
        ("final", "http_404"),
        ("transient", "api_bad_answer"),
    ]


def test_the_last_photos_on_which_the_api_fails_are_given_up(frontier: Frontier) -> None:
    one = spider(frontier)
    [page] = start(one)
    [detail] = feed(page, listed("a"), X_Total="1")
    assert exhaust(detail, "", 503) == []
    one.closed("shutdown")
    assert len(frontier.unprepared(CRAWL)) == 1
    one.closed("finished")
    assert frontier.unprepared(CRAWL) == []
    assert one.discovery.status == "finished"


def test_an_api_that_keeps_failing_ends_the_listing_and_loses_no_photo(frontier: Frontier) -> None:
    one = spider(frontier)
    [page] = start(one)
    details = feed(page, listed(*"abcdef"), X_Total="6")
    for request in details[:4]:
        assert exhaust(request, "", 503) == []
    with pytest.raises(CloseSpider):
        exhaust(details[4], "", 503)
    assert one.discovery.problem == "the API keeps failing: http_503"
    one.closed("failed")
    assert len(frontier.unprepared(CRAWL)) == 6


def test_an_unreachable_api_is_asked_again_and_then_ends_the_listing(frontier: Frontier) -> None:
    one = spider(frontier)
    [request] = start(one)
    for _ in range(3):
        [request] = fail(one, request, ConnectionRefusedError("connection refused"))
    with pytest.raises(CloseSpider):
        fail(one, request, ConnectionRefusedError("connection refused"))
    assert "connection refused" in one.discovery.problem


def test_a_used_up_quota_at_the_gate_ends_the_listing(frontier: Frontier) -> None:
    one = spider(frontier)
    [page] = start(one)
    with pytest.raises(CloseSpider):
        fail(one, page, QuotaUsedUpError(99.0))
    assert one.discovery == Discovery("quota", wait_until=99.0)


def fail(spider: UnsplashSpider, request: Request, error: Exception) -> list[Request]:
    """Tell the spider that a call had no response; return the requests that it makes."""
    failure = Failure(error)
    failure.request = request

    async def collect() -> list[Request]:
        return [one async for one in spider.failed(failure)]

    return asyncio.run(collect())


def test_a_listing_that_broke_off_is_not_called_finished(frontier: Frontier) -> None:
    assert spider(frontier).discovery.status == "failed"
