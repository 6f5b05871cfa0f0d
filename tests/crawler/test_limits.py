import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.limits import HostGate, HostLimits, backoff_s, retry_after_s
from crawler.settings import CrawlSettings

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


def entries(gate: HostGate, count: int) -> list[float]:
    """Enter a gate so many times at once; return when each got in, in seconds from the start."""

    async def enter(started: float) -> float:
        async with gate.enter():
            return asyncio.get_running_loop().time() - started

    async def all_of_them() -> list[float]:
        started = asyncio.get_running_loop().time()
        return sorted(await asyncio.gather(*(enter(started) for _ in range(count))))

    return asyncio.run(all_of_them())


def test_a_gate_spaces_entries_by_its_rate() -> None:
    times = entries(HostGate(50.0, 10), 5)
    assert times[-1] >= 0.079
    assert all(later - earlier >= 0.015 for earlier, later in pairwise(times))


def test_a_crawl_delay_slows_a_gate_and_never_speeds_it_up() -> None:
    gate = HostGate(1000.0, 10)
    gate.slow_to(0.05)
    gate.slow_to(0.001)
    assert entries(gate, 3)[-1] >= 0.099


def test_retry_after_closes_a_gate() -> None:
    gate = HostGate(float("inf"), 10)
    gate.close_for(0.1)
    gate.close_for(0.01)
    assert entries(gate, 1)[0] >= 0.099


def test_no_more_than_so_many_are_inside() -> None:
    inside = most = 0

    async def visit(gate: HostGate) -> None:
        nonlocal inside, most
        async with gate.enter():
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.01)
            inside -= 1

    async def all_of_them() -> None:
        gate = HostGate(float("inf"), 3)
        await asyncio.gather(*(visit(gate) for _ in range(9)))

    asyncio.run(all_of_them())
    assert most == 3


def test_each_host_has_a_gate_of_its_own() -> None:
    limits = HostLimits(CrawlSettings(rate=10.0))
    assert limits.gate("a.example:443") is limits.gate("a.example:443")
    assert entries(limits.gate("b.example"), 3)[-1] >= 0.199
    assert entries(limits.gate("127.0.0.1:8000"), 9)[-1] < 0.1


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
