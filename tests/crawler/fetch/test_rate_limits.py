import asyncio
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from crawler.fetch.hosts import allow_host, host_of, is_refused
from crawler.fetch.rate_limits import ByteBudget, HostLimiter, HostLimits, backoff_s, retry_after_s
from crawler.settings import CrawlSettings

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


def entries(limiter: HostLimiter, count: int) -> list[float]:
    """Enter a gate so many times at once; return when each got in, in seconds from the start."""

    async def acquire(started: float) -> float:
        await limiter.acquire()
        inside = asyncio.get_running_loop().time() - started
        limiter.release(reached=True)
        return inside

    async def all_of_them() -> list[float]:
        started = asyncio.get_running_loop().time()
        return sorted(await asyncio.gather(*(acquire(started) for _ in range(count))))

    return asyncio.run(all_of_them())


def test_a_gate_spaces_entries_by_its_rate() -> None:
    times = entries(HostLimiter(50.0, 10), 5)
    assert times[-1] >= 0.079
    assert all(later - earlier >= 0.015 for earlier, later in pairwise(times))


def test_a_crawl_delay_slows_a_gate_and_never_speeds_it_up() -> None:
    limiter = HostLimiter(1000.0, 10)
    limiter.set_min_delay(0.05)
    limiter.set_min_delay(0.001)
    assert entries(limiter, 3)[-1] >= 0.099


def test_a_crawl_delay_runs_from_the_end_of_one_request_to_the_start_of_the_next() -> None:
    now = [0.0]
    limiter = HostLimiter(1000.0, 4, clock=lambda: now[0])
    limiter.set_min_delay(2.0)
    assert limiter.try_acquire()
    now[0] = 5.0
    assert not limiter.try_acquire()  # the first is still on its way, however long it takes
    limiter.release(reached=True)
    assert not limiter.try_acquire()
    assert limiter.wait_s() == 2.0
    now[0] = 7.0
    assert limiter.try_acquire()


def test_who_enters_again_waits_until_the_one_inside_has_left() -> None:
    async def visit() -> float:
        limiter, loop = HostLimiter(1000.0, 2), asyncio.get_running_loop()
        await limiter.acquire()
        await limiter.acquire()
        limiter.set_min_delay(0.05)
        loop.call_later(0.1, lambda: limiter.release(reached=True))
        started = loop.time()
        await limiter.reacquire()
        return loop.time() - started

    assert asyncio.run(visit()) >= 0.149


def test_who_gives_up_entering_again_still_holds_a_seat() -> None:
    async def visit() -> HostLimiter:
        limiter = HostLimiter(1000.0, 1)
        await limiter.acquire()
        limiter.set_min_delay(60.0)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await limiter.reacquire()
        return limiter

    limiter = asyncio.run(visit())
    assert limiter.active == 1


def test_retry_after_closes_a_gate() -> None:
    limiter, started = HostLimiter(float("inf"), 10), time.monotonic()
    limiter.pause_for(0.1)
    limiter.pause_for(0.01)
    entries(limiter, 1)
    assert time.monotonic() - started >= 0.099


def test_no_more_than_so_many_are_inside() -> None:
    inside = most = 0

    async def visit(limiter: HostLimiter) -> None:
        nonlocal inside, most
        await limiter.acquire()
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0.01)
        inside -= 1
        limiter.release(reached=True)

    async def all_of_them() -> None:
        limiter = HostLimiter(float("inf"), 3)
        await asyncio.gather(*(visit(limiter) for _ in range(9)))

    asyncio.run(all_of_them())
    assert most == 3


def test_each_host_has_a_gate_of_its_own() -> None:
    limits = HostLimits(CrawlSettings(rate=10.0))
    assert limits.limiter("a.example:443") is limits.limiter("a.example:443")
    assert entries(limits.limiter("b.example"), 3)[-1] >= 0.199
    assert entries(limits.limiter("127.0.0.1:8000"), 9)[-1] < 0.1


def test_loopback_is_limited_when_it_is_asked_for() -> None:
    limits = HostLimits(CrawlSettings(rate=10.0, limit_loopback=True))
    assert entries(limits.limiter("127.0.0.1:8000"), 3)[-1] >= 0.199


def test_a_host_that_asked_for_a_pause_is_left_alone_by_the_next_session() -> None:
    limits = HostLimits(CrawlSettings())
    limits.restore_pauses({"127.0.0.1:1": time.time() + 0.2, "a.example": time.time() - 5})
    assert not limits.limiter("127.0.0.1:1").try_acquire()
    assert limits.limiter("a.example").try_acquire()
    assert entries(limits.limiter("127.0.0.1:1"), 1)[0] >= 0.15


def test_a_host_that_does_not_answer_is_asked_less_and_less() -> None:
    now = [0.0]
    limiter = HostLimiter(float("inf"), 4, clock=lambda: now[0])
    for _ in range(3):
        assert limiter.try_acquire()
        limiter.release(reached=False)
    assert limiter.paused_s == 1.0
    now[0] = 1.5
    assert limiter.try_acquire()
    assert not limiter.try_acquire()  # one at a time now
    limiter.release(reached=False)
    assert limiter.paused_s == 2.0
    now[0] = 4.0
    assert limiter.try_acquire()
    limiter.release(reached=True)  # it is back
    assert all(limiter.try_acquire() for _ in range(4))
    assert not limiter.try_acquire()


def test_a_host_is_named_by_what_politeness_is_owed_to() -> None:
    assert host_of("HTTPS://Ann:pw@Photos.Example:443/a") == "photos.example"
    assert host_of("http://photos.example:8080/") == "photos.example:8080"
    assert host_of("http://[2001:db8::1]:81/") == "[2001:db8::1]:81"
    assert host_of("http://x:99999999/") == ""


def test_bodies_share_a_budget_and_the_oldest_always_goes_on() -> None:
    async def run() -> list[str]:
        budget, order = ByteBudget(100), []

        async def body(name: str, size: int) -> None:
            await budget.grow(name, size)
            await asyncio.sleep(0.01)
            await budget.grow(name, size)
            order.append(name)
            await budget.free(name)

        await asyncio.gather(body("big", 80), body("small", 10), body("other", 60))
        return order

    order = asyncio.run(run())
    assert sorted(order) == ["big", "other", "small"]
    assert order.index("big") < order.index("other")


@pytest.mark.parametrize(
    ("networks", "address", "refused"),
    [
        ("", "127.0.0.1", True),
        ("127.0.0.0/8", "127.0.0.1", False),
        ("127.0.0.0/8", "10.0.0.1", True),
        ("127.0.0.0/8", "::ffff:127.0.0.1", False),
        ("127.0.0.0/8", "169.254.169.254", True),
        ("", "8.8.8.8", False),
        ("", "photos.example", False),
    ],
)
def test_private_networks_are_refused_unless_named(
    networks: str, address: str, refused: bool
) -> None:
    assert is_refused(address, CrawlSettings(allow_networks=networks)) is refused


def test_the_users_own_private_address_is_allowed_and_no_other() -> None:
    here = allow_host(CrawlSettings(), "http://127.0.0.1:8000/api")
    assert not is_refused("127.0.0.1", here)
    assert is_refused("10.0.0.1", here)
    near = allow_host(CrawlSettings(), "http://10.0.0.7/api")
    assert not is_refused("10.0.0.7", near)
    assert is_refused("10.0.0.8", near)
    assert allow_host(CrawlSettings(), "https://api.example") == CrawlSettings()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, 0.0),
        ("7", 7.0),
        ("-7", 0.0),
        ("tomorrow", 0.0),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(NOW - timedelta(seconds=90), usegmt=True), 0.0),
        ("99999999", 86400.0),
        ("nan", 0.0),
    ],
)
def test_retry_after_is_read_as_seconds_or_a_date(value: str | None, expected: float) -> None:
    assert retry_after_s(value, NOW) == expected


@given(attempt=st.integers(1, 40), floor=st.floats(0, 1e4))
def test_backoff_grows_is_bounded_and_never_below_the_floor(attempt: int, floor: float) -> None:
    settings = CrawlSettings(backoff_s=2.0, max_backoff_s=600.0)
    wait = backoff_s(attempt, settings, floor)
    assert wait >= floor
    assert wait <= max(floor, 750.0)
    assert wait >= min(1.5 * 2 ** (attempt - 1), 450.0)
