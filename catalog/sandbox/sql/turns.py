"""Whose statement runs next: a few at once, a bounded number waiting, and long ones do not keep short ones waiting.

Each statement has a slot until its deadline. When all slots are held by statements that have run for a while, those
that wait get a trial one after another: a short time in one more slot, whose end they reach or not. One that is stopped
there begins anew when a slot is free. So a short statement is answered soon, whatever the others do.
Of those that wait, the one whose owner has the fewest statements running is next.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from itertools import count

from catalog.errors import TooManyWaitError

TRIAL_S = 2.0
"""Time of a trial."""
LONG_S = 1.0
"""Statements that have run so long may be overtaken by trials."""


@dataclass(eq=False)
class Ticket:
    """The place of one statement: waiting, in a slot, in a trial, or gone."""

    owner: str
    number: int
    tried: bool = False
    since: float = 0.0
    """When it got its slot, on the clock of the loop."""
    granted: asyncio.Future[bool] = field(default_factory=asyncio.Future)
    """True for a slot, False for a trial."""


class Turns:
    """The slots of one pool; all on one event loop."""

    def __init__(self, max_running: int, max_waiting: int) -> None:
        self._max_running, self._max_waiting = max_running, max_waiting
        self._running: set[Ticket] = set()
        self._waiting: list[Ticket] = []
        self._trial: Ticket | None = None
        self._look_again: asyncio.TimerHandle | None = None
        self._numbers = count()

    def admit(self, owner: str) -> Ticket:
        """Take a statement in; raises `TooManyWaitError` when so many are there that it would have to wait too long.

        An owner who has none yet is let in also then: one who fills the queue does not shut out others.
        """
        tickets = [*self._running, *self._waiting, *filter(None, [self._trial])]
        is_full = len(tickets) >= self._max_running + self._max_waiting
        if is_full and (not owner or any(ticket.owner == owner for ticket in tickets)):
            raise TooManyWaitError(len(tickets) - len(self._running))
        ticket = Ticket(owner, next(self._numbers))
        self._waiting.append(ticket)
        self._hand_out()
        return ticket

    def wait_again(self, ticket: Ticket) -> None:
        """Let a statement whose trial is over wait for a slot."""
        self._trial = None
        ticket.tried, ticket.granted = True, asyncio.Future()
        self._waiting.append(ticket)
        self._hand_out()

    def leave(self, ticket: Ticket) -> None:
        """Give up a place, whichever it is; does nothing the second time."""
        self._running.discard(ticket)
        if ticket in self._waiting:
            self._waiting.remove(ticket)
        if self._trial is ticket:
            self._trial = None
        self._hand_out()

    def _hand_out(self) -> None:
        now = asyncio.get_running_loop().time()
        while self._waiting and len(self._running) < self._max_running:
            ticket = self._next(self._waiting)
            ticket.since = now
            self._running.add(ticket)
            self._grant(ticket, slot=True)
        untried = [ticket for ticket in self._waiting if not ticket.tried]
        if untried and self._trial is None:
            self._hand_out_trial(untried, now)

    def _hand_out_trial(self, untried: list[Ticket], now: float) -> None:
        """Begin a trial when all slots are held by long statements; look again when that may be so."""
        if self._look_again is not None:
            self._look_again.cancel()
        youngest = max((ticket.since for ticket in self._running), default=now)
        if now - youngest < LONG_S:
            loop = asyncio.get_running_loop()
            self._look_again = loop.call_at(youngest + LONG_S + 0.01, self._hand_out)
            return
        self._trial = self._next(untried)
        self._grant(self._trial, slot=False)

    def _grant(self, ticket: Ticket, *, slot: bool) -> None:
        self._waiting.remove(ticket)
        if not ticket.granted.done():
            ticket.granted.set_result(slot)

    def _next(self, waiting: list[Ticket]) -> Ticket:
        running = Counter(ticket.owner for ticket in self._running)
        return min(waiting, key=lambda ticket: (running[ticket.owner], ticket.number))
