"""No call is made for which the quota is too small, whatever overtakes what and whoever is killed."""

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from crawler.fetch.quota import NEW_KEY, QuotaRecord, left_after, permit
from crawler.frontier.frontier import Frontier
from crawler.spiders.quota_limiter import QuotaLimiter, QuotaUsedUpError

KEY = "k"


@pytest.fixture
def frontier(tmp_path: Path) -> Iterator[Frontier]:
    with Frontier(tmp_path / "f.sqlite") as opened:
        yield opened


def test_nobody_knows_what_is_left_until_the_first_response() -> None:
    assert permit(NEW_KEY, 1.0) == "go"
    assert permit(QuotaRecord(None, None, 0.0, 0.0, 0, in_flight=1), 1.0) == "wait"
    assert permit(QuotaRecord(None, None, 0.0, 0.0, 0, in_flight=1), 1.0, unlimited=True) == "go"
    assert permit(QuotaRecord(50, 0, 0.0, 0.0, 9), 1.0) == "used_up"
    assert permit(QuotaRecord(50, 9, 0.0, 2.0, 9), 1.0) == "used_up"


def test_a_response_that_was_overtaken_gives_nothing_back() -> None:
    known = QuotaRecord(50, 7, 0.0, 0.0, 43, in_flight=3)
    assert left_after(known, 9, at_once=4) == 7
    assert left_after(known, 49, at_once=4) == 49  # a new hour
    assert left_after(known, None, at_once=4) == 6


def test_calls_of_a_killed_process_count_as_used(frontier: Frontier) -> None:
    frontier.record_response(KEY, 50, 5)
    assert [frontier.reserve_call(KEY) for _ in range(6)] == ["go"] * 5 + ["wait"]
    frontier.abandon_calls(KEY)  # the next process begins
    assert frontier.reserve_call(KEY) == "used_up"


def test_after_a_pause_one_call_asks_what_is_left(frontier: Frontier) -> None:
    frontier.record_response(KEY, 50, 0, blocked_until=1.0)  # long ago
    assert [frontier.reserve_call(KEY) for _ in range(2)] == ["go", "wait"]
    frontier.record_response(KEY, 50, 49)
    assert [frontier.reserve_call(KEY) for _ in range(2)] == ["go", "go"]


class Api:
    """An API with a quota, whose responses come in any order; it counts the calls that it had to refuse."""

    def __init__(self, quota: int, rng: random.Random) -> None:
        self.left, self.refused, self.record_response = quota, 0, 0
        self._rng = rng

    async def call(self, limiter: QuotaLimiter, priority: int) -> None:
        await limiter.acquire(priority)
        await asyncio.sleep(self._rng.random() / 1000)
        self.refused += self.left == 0
        self.left = max(0, self.left - 1)
        left = self.left
        await asyncio.sleep(self._rng.random() / 1000)
        self.record_response += 1
        limiter.record_response(50, left, None, sound=True)


@settings(max_examples=30, deadline=None)
@given(quota=st.integers(0, 40), wanted=st.integers(1, 60), seed=st.integers(0, 999))
def test_no_call_is_over_the_quota(
    tmp_path_factory: pytest.TempPathFactory, quota: int, wanted: int, seed: int
) -> None:
    api = Api(quota, random.Random(seed))

    async def run(frontier: Frontier) -> list[BaseException | None]:
        limiter = QuotaLimiter(frontier, KEY, 600.0)
        calls = (api.call(limiter, n % 3) for n in range(wanted))
        return await asyncio.gather(*calls, return_exceptions=True)

    with Frontier(tmp_path_factory.mktemp("quota") / "f.sqlite", durable=False) as frontier:
        outcome = asyncio.run(run(frontier))
    # With nothing left and nothing known, the first call finds that out.
    assert api.refused == (quota == 0)
    assert api.record_response == min(wanted, max(1, quota))
    refused = [error for error in outcome if error]
    assert all(isinstance(error, QuotaUsedUpError) for error in refused)
    assert len(refused) == wanted - api.record_response


def test_an_api_without_a_quota_is_asked_at_once_after_the_first_response(
    frontier: Frontier,
) -> None:
    async def run() -> None:
        limiter = QuotaLimiter(frontier, KEY, 600.0)
        await limiter.acquire(0)
        limiter.record_response(None, None, None, sound=False)  # an error page says nothing
        await limiter.acquire(0)
        second = asyncio.create_task(limiter.acquire(0))
        await asyncio.sleep(0.01)
        assert not second.done()
        limiter.record_response(None, None, None, sound=True)
        await asyncio.gather(second, *(limiter.acquire(0) for _ in range(9)))

    asyncio.run(run())
