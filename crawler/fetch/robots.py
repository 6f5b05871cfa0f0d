"""What a host asks of robots: robots.txt (RFC 9309) and the opt-outs in answer headers.

robots.txt is read once a session and host. A missing one allows everything, an unreachable one
nothing for now. It binds every address that the fetcher asks for. API calls made with a key are not fetched here:
the key is the operator's permission, and its terms and quota bind them (`spiders/unsplash.py`).
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol
from urllib.parse import urlsplit

from protego import Protego

AGENT = "safelight"
MAX_ROBOTS_BYTES = 512 * 1024  # RFC 9309 asks for at least 500 KiB
_OPT_OUTS = frozenset({"noai", "noimageai", "none"})


class RobotsUnavailableError(Exception):
    """robots.txt cannot be had now, so nothing may be fetched now."""


@dataclass(frozen=True)
class RobotsRules:
    """The rules of one host."""

    parsed: Protego

    def allow(self, url: str) -> bool:
        """Say whether we may ask for `url`."""
        return bool(self.parsed.can_fetch(url, AGENT))

    @property
    def delay_s(self) -> float:
        """Pause between two requests that the host asks for; 0 when it does not."""
        return float(self.parsed.crawl_delay(AGENT) or 0)


class RobotsCache:
    """The rules of every host met, each read once. `read` gives status and text of an address."""

    def __init__(self, read: Callable[[str], Awaitable[tuple[int, str]]]) -> None:
        self._read = read
        self._rules: dict[str, asyncio.Task[RobotsRules]] = {}

    def state(self, url: str) -> Literal["new", "asked", "known"]:
        """Say whether the rules that bind `url` are read, being read, or not asked for."""
        task = self._rules.get(_origin(url))
        return "new" if task is None else "known" if task.done() else "asked"

    async def rules(self, url: str) -> RobotsRules:
        """Return the rules that bind `url`; raises `RobotsUnavailableError` when they cannot be had."""
        origin = _origin(url)
        if origin not in self._rules:
            self._rules[origin] = asyncio.create_task(self._load(origin))
        try:
            # Shielded: one waiter that gives up must not take the answer from the others.
            return await asyncio.shield(self._rules[origin])
        except RobotsUnavailableError:
            self._rules.pop(origin, None)  # ask again at the next attempt
            raise

    async def _load(self, origin: str) -> RobotsRules:
        status, text = await self._read(f"{origin}/robots.txt")
        if status >= 500 or status == 429:
            raise RobotsUnavailableError(f"robots.txt of {origin} answered {status}")
        return RobotsRules(Protego.parse(text if status == 200 else ""))


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


class ResponseHeaders(Protocol):
    """Answer headers, in which a name may stand more than once."""

    def getall(self, name: str, default: Sequence[str]) -> Sequence[str]:
        """Return every value of a header."""


def opt_out(headers: ResponseHeaders) -> str | None:
    """Return the header by which an answer refuses machine learning, or null.

    `X-Robots-Tag: noai` binds everybody, `otherbot: noai` only otherbot. `TDM-Reservation: 1` is the
    opt-out of text and data mining.
    """
    for line in headers.getall("X-Robots-Tag", ()):
        if _OPT_OUTS & _directives(line):
            return f"X-Robots-Tag: {line}"
    if any(value.strip() == "1" for value in headers.getall("TDM-Reservation", ())):
        return "TDM-Reservation: 1"
    return None


def _directives(line: str) -> set[str]:
    """List the directives of one X-Robots-Tag line that bind us."""
    binds, directives = True, set()
    for part in line.lower().split(","):
        named, colon, directive = part.rpartition(":")
        if colon and not named.strip().startswith(("max-", "unavailable_after")):
            binds = named.strip() in (AGENT, "*")
        if binds:
            directives.add(directive.strip())
    return directives
