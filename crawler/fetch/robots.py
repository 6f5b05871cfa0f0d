"""The rules of a host for crawlers: robots.txt (RFC 9309) and the opt-outs in response headers.

robots.txt is read once per session and host. A missing file allows everything; an unreachable one allows nothing for
now. It applies to every address that the fetcher requests. API calls with a key are not made here: the key is the
operator's permission, and the API's terms and quota apply to them (`spiders/unsplash.py`).
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol
from urllib.parse import urlsplit

from protego import Protego

AGENT = "safelight"
MAX_ROBOTS_BYTES = 512 * 1024  # RFC 9309 requires at least 500 KiB
_OPT_OUTS = frozenset({"noai", "noimageai", "none"})


class RobotsUnavailableError(Exception):
    """robots.txt cannot be read now, so nothing may be fetched from the host now."""


@dataclass(frozen=True)
class RobotsRules:
    """The rules of one host."""

    parsed: Protego

    def allow(self, url: str) -> bool:
        """Say whether `url` may be requested."""
        return bool(self.parsed.can_fetch(url, AGENT))

    @property
    def delay_s(self) -> float:
        """The Crawl-delay between two requests, in seconds; 0 without one."""
        return float(self.parsed.crawl_delay(AGENT) or 0)


class RobotsCache:
    """The rules of each host, read once. `read` returns status and text of an address."""

    def __init__(self, read: Callable[[str], Awaitable[tuple[int, str]]]) -> None:
        self._read = read
        self._rules: dict[str, asyncio.Task[RobotsRules]] = {}

    def state(self, url: str) -> Literal["new", "loading", "loaded"]:
        """Say whether the rules for `url` are loaded, loading, or not requested yet."""
        task = self._rules.get(_origin(url))
        return "new" if task is None else "loaded" if task.done() else "loading"

    async def rules(self, url: str) -> RobotsRules:
        """Return the rules for `url`; raises `RobotsUnavailableError` when they cannot be read."""
        origin = _origin(url)
        if origin not in self._rules:
            self._rules[origin] = asyncio.create_task(self._load(origin))
        try:
            # Shielded: a caller that is cancelled must not cancel the request of the others.
            return await asyncio.shield(self._rules[origin])
        except RobotsUnavailableError:
            self._rules.pop(origin, None)  # read it again at the next attempt
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
    """Response headers, in which a name may occur more than once."""

    def getall(self, name: str, default: Sequence[str]) -> Sequence[str]:
        """Return every value of a header."""


def opt_out(headers: ResponseHeaders) -> str | None:
    """Return the response header that refuses machine learning, or null.

    `X-Robots-Tag: noai` applies to all crawlers, `otherbot: noai` only to otherbot. `TDM-Reservation: 1` is the
    opt-out of text and data mining.
    """
    for line in headers.getall("X-Robots-Tag", ()):
        if _OPT_OUTS & _directives(line):
            return f"X-Robots-Tag: {line}"
    if any(value.strip() == "1" for value in headers.getall("TDM-Reservation", ())):
        return "TDM-Reservation: 1"
    return None


def _directives(line: str) -> set[str]:
    """List the directives of one X-Robots-Tag line that apply to us."""
    applies, directives = True, set()
    for part in line.lower().split(","):
        named, colon, directive = part.rpartition(":")
        if colon and not named.strip().startswith(("max-", "unavailable_after")):
            applies = named.strip() in (AGENT, "*")
        if applies:
            directives.add(directive.strip())
    return directives
