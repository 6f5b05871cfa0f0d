"""A host's slot is given back once, however the request ends: by the attempt that received the permit."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import pytest

from crawler.fetch.fetcher import FetchResponse, HttpFetcher, open_fetcher
from crawler.fetch.hosts import host_of
from crawler.fetch.rate_limits import HostLimiter, HostPermit
from crawler.settings import CrawlSettings
from tests.fakes.fault_site import FaultSite

SETTINGS = CrawlSettings(allow_private=True, grace_s=0.3, deadline_s=5.0, max_bytes=1000)
Use = Callable[[HttpFetcher], Awaitable[FetchResponse]]


@pytest.fixture(scope="module")
def near() -> Iterator[FaultSite]:
    with FaultSite() as site:
        yield site


@pytest.fixture(scope="module")
def far() -> Iterator[FaultSite]:
    with FaultSite() as site:
        yield site


def slots_in_use(use: Use, *sites: FaultSite) -> tuple[FetchResponse, list[int]]:
    """Return the response of `use`, and how many slots of each site are still in use after it."""

    async def run() -> tuple[FetchResponse, list[int]]:
        async with open_fetcher(SETTINGS, "safelight/test (+tests@example.org)") as fetcher:
            response = await use(fetcher)
            limiters = [fetcher.limits.limiter(host_of(site.url)) for site in sites]
            return response, [limiter.active for limiter in limiters]

    return asyncio.run(run())


def fetch_with_permit(url: str) -> Use:
    async def use(fetcher: HttpFetcher) -> FetchResponse:
        permit = fetcher.limits.try_acquire(host_of(url))
        assert permit
        assert permit.limiter.active == 1
        return await fetcher.fetch(url, permit=permit)

    return use


def fetch_alone(url: str) -> Use:
    async def use(fetcher: HttpFetcher) -> FetchResponse:
        return await fetcher.fetch(url)

    return use


@pytest.mark.parametrize("fetch", [fetch_with_permit, fetch_alone])
@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("fine", None),
        ("to/x?url=/fine", None),
        ("status/500", "http_500"),
        ("silence", "timeout"),
        ("cut", "truncated_body"),
        ("loop/a", "redirect_loop"),
        ("to/x?url=http://[", "bad_url"),
    ],
)
def test_the_slot_is_free_after_a_body_and_after_a_failure(
    near: FaultSite, fetch: Callable[[str], Use], path: str, error: str | None
) -> None:
    response, in_use = slots_in_use(fetch(f"{near.url}/{path}"), near)
    assert (response.failure.error if response.failure else None) == error
    assert in_use == [0]


@pytest.mark.parametrize("fetch", [fetch_with_permit, fetch_alone])
def test_a_redirect_frees_the_slots_of_both_hosts(
    near: FaultSite, far: FaultSite, fetch: Callable[[str], Use]
) -> None:
    response, in_use = slots_in_use(fetch(f"{near.url}/to/x?url={far.url}/fine"), near, far)
    assert response.body == b"fine"
    assert in_use == [0, 0]


def test_a_redirect_holds_one_slot_at_a_time(near: FaultSite, far: FaultSite) -> None:
    async def use(fetcher: HttpFetcher) -> FetchResponse:
        here, there = (fetcher.limits.limiter(host_of(site.url)) for site in (near, far))
        attempt = asyncio.create_task(fetcher.fetch(f"{near.url}/to/x?url={far.url}/silence"))
        while not there.active:  # noqa: ASYNC110 - a slot has no event
            await asyncio.sleep(0.01)
        assert (here.active, there.active) == (0, 1)
        return await attempt

    response, in_use = slots_in_use(use, near, far)
    assert response.failure
    assert in_use == [0, 0]


def test_a_redirect_to_a_host_in_a_pause_frees_the_first_slot_only(
    near: FaultSite, far: FaultSite
) -> None:
    async def use(fetcher: HttpFetcher) -> FetchResponse:
        fetcher.limits.limiter(host_of(far.url)).pause_for(60)
        return await fetch_with_permit(f"{near.url}/to/x?url={far.url}/fine")(fetcher)

    response, in_use = slots_in_use(use, near, far)
    assert response.failure
    assert response.failure.error == "host_busy"
    assert in_use == [0, 0]


def test_a_redirect_to_a_host_of_another_worker_frees_the_slot(
    near: FaultSite, far: FaultSite
) -> None:
    async def use(fetcher: HttpFetcher) -> FetchResponse:
        fetcher.is_ours = lambda _: False
        return await fetch_with_permit(f"{near.url}/to/x?url={far.url}/fine")(fetcher)

    response, in_use = slots_in_use(use, near, far)
    assert response.elsewhere == f"{far.url}/fine"
    assert in_use == [0, 0]


def test_an_unexpected_exception_frees_the_slot(near: FaultSite, far: FaultSite) -> None:
    def broken(host: str) -> bool:
        raise RuntimeError(host)

    async def use(fetcher: HttpFetcher) -> FetchResponse:
        fetcher.is_ours = broken
        with pytest.raises(RuntimeError):
            await fetch_with_permit(f"{near.url}/to/x?url={far.url}/fine")(fetcher)
        return FetchResponse("")

    assert slots_in_use(use, near, far)[1] == [0, 0]


@pytest.mark.parametrize("fetch", [fetch_with_permit, fetch_alone])
def test_a_cancelled_attempt_frees_the_slot(near: FaultSite, fetch: Callable[[str], Use]) -> None:
    async def use(fetcher: HttpFetcher) -> FetchResponse:
        limiter = fetcher.limits.limiter(host_of(near.url))
        attempt = asyncio.ensure_future(fetch(f"{near.url}/silence")(fetcher))
        await asyncio.sleep(0.1)
        assert limiter.active == 1
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt
        return FetchResponse("")

    assert slots_in_use(use, near)[1] == [0]


def test_a_permit_gives_its_slot_back_once() -> None:
    limiter = HostLimiter(float("inf"), 3)
    assert all(limiter.try_acquire() for _ in range(2))
    permit = HostPermit(limiter)
    permit.release(reached=True)
    permit.release(reached=True)
    assert limiter.active == 1
