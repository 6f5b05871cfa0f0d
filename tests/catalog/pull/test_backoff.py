"""Trying again: how often, how long after, and what ends it."""

import asyncio
import time

import pytest

from catalog import ReleaseError
from catalog.pull import backoff
from catalog.pull.backoff import TransientError, retrying


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST_WAIT_S", 0.01)


class Server:
    """Fails so many times, then answers."""

    def __init__(self, *failures: Exception) -> None:
        self.failures, self.asked_at = list(failures), list[float]()

    async def answer(self) -> str:
        self.asked_at.append(time.monotonic())
        if self.failures:
            raise self.failures.pop(0)
        return "here"


def ask(server: Server) -> str:
    return asyncio.run(retrying()(server.answer))


def test_waits_grow_and_are_not_shorter_than_half() -> None:
    server = Server(*[TransientError("busy")] * 4)
    assert ask(server) == "here"
    waits = [b - a for a, b in zip(server.asked_at, server.asked_at[1:], strict=False)]
    assert all(
        wait >= 0.01 * 2**n / 2 for n, wait in enumerate(waits)
    )  # longer only on a slow machine


def test_the_last_error_is_raised_after_so_many_attempts() -> None:
    server = Server(*[TransientError(f"busy {n}") for n in range(20)])
    with pytest.raises(TransientError, match=f"busy {backoff.ATTEMPTS - 1}"):
        ask(server)
    assert len(server.asked_at) == backoff.ATTEMPTS


def test_nobody_is_asked_sooner_than_they_wish() -> None:
    server = Server(TransientError("busy", retry_after_s=0.4))
    assert ask(server) == "here"
    assert server.asked_at[1] - server.asked_at[0] >= 0.4


def test_a_pause_of_hours_is_an_error_at_once() -> None:
    server = Server(TransientError("closed", retry_after_s=7200))
    with pytest.raises(ReleaseError, match=r"closed, and asks for a pause of 2\.0 hours"):
        ask(server)
    assert len(server.asked_at) == 1


@pytest.mark.parametrize("error", [ReleaseError("no such file"), ValueError("a bug")])
def test_other_errors_are_not_tried_again(error: Exception) -> None:
    server = Server(error)
    with pytest.raises(type(error), match=str(error)):
        ask(server)
    assert len(server.asked_at) == 1


def test_a_wait_ends_when_it_is_cancelled() -> None:
    async def cancelled_soon() -> None:
        task = asyncio.create_task(
            retrying()(Server(TransientError("busy", retry_after_s=60)).answer)
        )
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    started = time.monotonic()
    asyncio.run(cancelled_soon())
    assert time.monotonic() - started < 30


def test_only_failures_in_a_row_count() -> None:
    """A file that comes in a piece an attempt is not given up, however many attempts it takes."""

    async def pieces() -> int:
        came = 0
        async for attempt in retrying():
            with attempt:
                attempt.retry_state.attempt_number = 1  # as `Fetcher` does with each piece
                came += 1
                if came < 3 * backoff.ATTEMPTS:
                    raise TransientError("broke off")
        return came

    assert asyncio.run(pieces()) == 3 * backoff.ATTEMPTS
