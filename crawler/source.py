"""What a source of pictures is to a session: it lists photos into the frontier and brings their bytes."""

import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

from catalog import Workspace, __version__
from crawler.errors import ContactMissingError
from crawler.fetcher import Answer
from crawler.frontier import Frontier, Item
from crawler.settings import CrawlSettings

CONTACT_VARIABLE = "SAFELIGHT_CONTACT"

Bring = Callable[[Item], Awaitable[Answer]]


@dataclass(frozen=True)
class Desk:
    """What a listing works with; `stopping` says whether the session was asked to stop."""

    workspace: Workspace
    frontier: Frontier
    crawl_id: str
    settings: CrawlSettings
    stopping: Callable[[], bool]


@dataclass(frozen=True)
class Discovery:
    """How a listing ended; after `quota` it may go on at `wait_until` (Unix seconds)."""

    status: Literal["finished", "stopped", "quota", "failed"]
    problem: str = ""
    wait_until: float = 0.0
    calls: Mapping[str, int] | None = None


class Source(Protocol):
    """One kind of source with its settings."""

    name: ClassVar[str]
    robots_policy: ClassVar[str]

    @property
    def config(self) -> Mapping[str, str | int | None]:
        """Settings that say what is crawled, without secrets; `type(self)(**config)` is the same source."""

    def check(self) -> None:
        """Raise a `CrawlError` when a crawl cannot start (a missing key, folder or contact)."""

    def adjust(self, settings: CrawlSettings) -> CrawlSettings:
        """Change settings as the source's address asks for."""

    async def discover(self, desk: Desk) -> Discovery:
        """List photos into the frontier from its cursor on, page by page."""

    def bringer(self, settings: CrawlSettings) -> AbstractAsyncContextManager[Bring]:
        """Open what brings in bytes; it makes one attempt and does not raise."""


def user_agent() -> str:
    """Say who crawls and how to reach them; raises `ContactMissingError` without a contact."""
    contact = os.environ.get(CONTACT_VARIABLE, "").strip()
    if not contact:
        raise ContactMissingError
    return f"safelight/{__version__} (+{contact})"
