"""The pace of requests as the server sees it, while robots.txt is read, and over redirects."""

import asyncio
import time
from bisect import bisect_left
from collections import Counter

from aiohttp import web

from crawler.fetch.fetcher import FetchResponse, HttpFetcher, open_fetcher
from crawler.settings import CrawlSettings
from tests.fakes.fault_site import FaultSite, Handler

RATE = 4.0
SLOW = CrawlSettings(allow_private=True, limit_loopback=True, rate=RATE)


class SlowRoad(FaultSite):
    """A site whose redirects each take a while: /far/0, /far/1 ..."""

    async def _fault_far(self, _: web.Request, rest: str) -> web.Response:
        await asyncio.sleep(0.3)
        return await super()._fault_far(_, rest)


class TimedSite(FaultSite):
    """A site that notes when it is asked, and takes `robots_s` for its robots.txt."""

    def __init__(self, robots_s: float = 0.0, robots: str = "") -> None:
        super().__init__(robots=robots)
        self.robots_s = robots_s
        self.times: list[tuple[float, str]] = []

    @web.middleware
    async def _counted(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.times.append((time.monotonic(), request.path))
        if request.path == "/robots.txt":
            await asyncio.sleep(self.robots_s)
        return await handler(request)

    def most_within(self, window_s: float) -> int:
        """Return the greatest number of requests in any `window_s` seconds."""
        times = sorted(at for at, _ in self.times)
        return max(bisect_left(times, at + window_s) - first for first, at in enumerate(times))


def together(settings: CrawlSettings, *urls: str) -> list[FetchResponse]:
    async def all_of_them() -> list[FetchResponse]:
        async with open_fetcher(settings, "safelight/test (+tests@example.org)") as fetcher:
            return await asyncio.gather(*map(fetcher.fetch, urls))

    return asyncio.run(all_of_them())


def test_the_rate_holds_while_a_slow_robots_txt_is_read() -> None:
    """Four pictures get a token each while robots.txt is on its way: they must not be asked for at once then."""
    with TimedSite(robots_s=0.9) as site:
        answers = together(SLOW, *[f"{site.url}/fine?{n}" for n in range(5)])
        assert [answer.body for answer in answers] == [b"fine"] * 5
        assert len(site.times) == 6
        assert site.most_within(0.8 / RATE) <= 2


def test_a_quick_robots_txt_is_the_one_request_over_the_rate() -> None:
    with TimedSite() as site:
        together(SLOW, *[f"{site.url}/fine?{n}" for n in range(4)])
        assert site.most_within(0.8 / RATE) <= 2
        assert site.times[-1][0] - site.times[0][0] >= 3 / RATE - 0.1


def test_a_crawl_delay_binds_what_was_let_in_before_it_was_known() -> None:
    rules = "User-agent: *\nCrawl-delay: 0.3\n"
    quick = CrawlSettings(allow_private=True)  # loopback has no rate of its own
    with TimedSite(robots_s=0.2, robots=rules) as site:
        together(quick, *[f"{site.url}/fine?{n}" for n in range(3)])
        pictures = [at for at, path in site.times if path == "/fine"]
        assert pictures[-1] - pictures[0] >= 0.5
        assert site.most_within(0.2) <= 2


def test_a_longer_crawl_delay_than_our_patience_sends_pictures_back() -> None:
    rules = "User-agent: *\nCrawl-delay: 5\n"
    hasty = CrawlSettings(allow_private=True, grace_s=0.5)
    with TimedSite(robots=rules) as site:
        answers = together(hasty, *[f"{site.url}/fine?{n}" for n in range(3)])
    said = Counter(answer.failure.error if answer.failure else "fine" for answer in answers)
    assert said == {"fine": 1, "host_busy": 2}
    waits = [answer.failure.retry_after_s for answer in answers if answer.failure]
    assert all(4 < wait <= 5 for wait in waits)


def test_the_deadline_is_for_all_redirects_together() -> None:
    settings = CrawlSettings(allow_private=True, deadline_s=0.75, max_redirects=20)
    with SlowRoad() as site:
        [answer] = together(settings, f"{site.url}/far/0")
        assert answer.failure
        assert answer.failure.error == "timeout"
        assert site.asked["/far/2"] == 1
        assert site.asked["/far/3"] == 0


def test_a_redirect_inside_a_host_that_closed_meanwhile_is_put_off() -> None:
    async def run(url: str) -> FetchResponse:
        settings = CrawlSettings(allow_private=True, grace_s=0.5)
        async with open_fetcher(settings, "safelight/test (+tests@example.org)") as fetcher:
            going = asyncio.create_task(fetcher.fetch(f"{url}/far/0"))
            await asyncio.sleep(0.15)
            fetcher.limits.limiter(url.split("//")[1]).pause_for(3600)
            return await going

    with SlowRoad() as site:
        answer = asyncio.run(run(site.url))
    assert answer.failure
    assert answer.failure.error == "host_busy"
    assert answer.failure.retry_after_s > 3000


def test_a_request_on_a_connection_that_was_closed_is_not_repeated_by_itself() -> None:
    asked: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            while (await reader.readline()).strip():
                pass
            asked.append(line.decode().split()[1])
            if asked[-1] == "/second":
                break  # the server has just closed what it said to keep
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine")
            await writer.drain()
        writer.close()

    async def run() -> list[FetchResponse]:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        url = f"http://127.0.0.1:{port}"
        settings = CrawlSettings(allow_private=True)
        async with server, open_fetcher(settings, "safelight/test (+t@example.org)") as fetcher:
            return [await fetcher.fetch(f"{url}/{name}") for name in ("first", "second")]

    first, second = asyncio.run(run())
    assert first.body == b"fine"
    assert second.failure
    assert second.failure.error == "disconnected"
    assert asked == ["/robots.txt", "/first", "/second"]


def test_a_seat_that_was_never_taken_is_not_kept() -> None:
    """A redirect to a paused host fails; all slots of the host are free then."""

    async def seats_left(fetcher: HttpFetcher, url: str, host: str) -> int:
        limiter = fetcher.limits.limiter(host)
        limiter.pause_for(0.6)
        answers = await asyncio.gather(*[fetcher.fetch(url) for _ in range(3)])
        assert {a.failure.error for a in answers if a.failure} == {"host_busy"}
        await asyncio.sleep(limiter.paused_s + 0.05)
        return sum(limiter.try_acquire() for _ in range(9))

    async def run(near: str, far: str) -> int:
        settings = CrawlSettings(allow_private=True, grace_s=0.2, concurrency=4)
        async with open_fetcher(settings, "safelight/test (+tests@example.org)") as fetcher:
            return await seats_left(fetcher, f"{near}/to/x?url={far}/fine", far.split("//")[1])

    with FaultSite() as near, FaultSite() as far:
        assert asyncio.run(run(near.url, far.url)) == 4
