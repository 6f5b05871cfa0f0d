"""Whose statement is next."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from catalog.errors import TooManyWaitError
from catalog.sandbox.sql import turns
from catalog.sandbox.sql.turns import Ticket, Turns


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(20):
            await test()

    asyncio.run(bounded())


def waits(ticket: Ticket) -> bool:
    return not ticket.granted.done()


def test_what_is_too_much_is_refused_when_it_comes_and_nothing_later() -> None:
    async def test() -> None:
        line = Turns(2, 20)
        tickets = []
        for _ in range(40):
            try:
                tickets.append(line.admit("local"))
            except TooManyWaitError:
                continue
        assert len(tickets) == 22
        assert [not waits(ticket) for ticket in tickets] == [True] * 2 + [False] * 20
        for ticket in tickets:
            assert await ticket.granted is True
            line.leave(ticket)

    run(test)


def test_a_short_one_gets_a_trial_while_long_ones_hold_all_slots() -> None:
    async def test() -> None:
        line = Turns(2, 20)
        long = [line.admit("local") for _ in range(2)]
        others = [line.admit("local") for _ in range(2)]
        begun = asyncio.get_running_loop().time()
        assert await others[0].granted is False
        assert asyncio.get_running_loop().time() - begun >= turns.LONG_S - 0.05
        assert waits(others[1])  # one trial at a time
        line.wait_again(others[0])
        assert await others[1].granted is False
        assert waits(others[0])
        line.leave(long[0])
        assert await others[0].granted is True

    run(test)


def test_who_runs_little_comes_before_who_runs_much() -> None:
    async def test() -> None:
        line = Turns(2, 20)
        ada = [line.admit("ada") for _ in range(6)]
        bob = line.admit("bob")
        line.leave(ada[0])
        assert not waits(bob)
        assert waits(ada[2])

    run(test)


def test_a_full_queue_of_one_does_not_shut_out_another() -> None:
    async def test() -> None:
        line = Turns(1, 2)
        for _ in range(3):
            line.admit("ada")
        with pytest.raises(TooManyWaitError):
            line.admit("ada")
        line.admit("bob")
        with pytest.raises(TooManyWaitError):
            line.admit("bob")

    run(test)


def test_a_place_is_given_up_once() -> None:
    async def test() -> None:
        line = Turns(1, 1)
        first, second = line.admit("a"), line.admit("a")
        line.leave(second)
        line.leave(second)
        line.leave(first)
        line.leave(first)
        assert not waits(line.admit("a"))
        assert waits(line.admit("a"))

    run(test)
