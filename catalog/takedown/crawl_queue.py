"""What the crawler keeps of photos outside of the catalog, as takedown and purge see it.

The frontier belongs to the crawler, which the catalog may not import: the command hands over what speaks for it.
"""

from collections.abc import Callable, Collection
from typing import Protocol

import click

from catalog.errors import CatalogError
from catalog.workspace.workspace import Workspace


class CrawlQueue(Protocol):
    """The queue of crawls: what waits there, and what it remembers of what came in."""

    def count(self, kind: str, value: str, photos: Collection[str]) -> int:
        """Count the items about these photos, or that match by themselves; changes nothing."""

    def forget(
        self, kind: str, value: str, photos: Collection[str], assets: Collection[str]
    ) -> int:
        """Forget names, addresses and titles; what waits is given up. Return how many items there were."""

    def give_up(self, photos: Collection[str], assets: Collection[str]) -> int:
        """Note that what came in was deleted for good; what the items say about it stays."""


class _NoQueue:
    """The queue of a workspace that has never crawled."""

    def count(self, kind: str, value: str, photos: Collection[str]) -> int:  # noqa: ARG002 - the protocol's
        return 0

    def forget(
        self,
        kind: str,  # noqa: ARG002 - the protocol's
        value: str,  # noqa: ARG002 - the protocol's
        photos: Collection[str],  # noqa: ARG002 - the protocol's
        assets: Collection[str],  # noqa: ARG002 - the protocol's
    ) -> int:
        return 0

    def give_up(self, photos: Collection[str], assets: Collection[str]) -> int:  # noqa: ARG002 - the protocol's
        return 0


OpenQueue = Callable[[Workspace], CrawlQueue]


def open_queue(workspace: Workspace, opener: OpenQueue | None) -> CrawlQueue:
    """Open the queue of a workspace; raises `CatalogError` where there is one and nobody speaks for it."""
    if not workspace.frontier.exists():
        return _NoQueue()
    if opener is None:
        raise CatalogError(
            f"{workspace.frontier.name} of this workspace names photos, too; "
            "pass opener=crawler.FrontierQueue, or use the command safelight"
        )
    return opener(workspace)


def queue_opener() -> OpenQueue | None:
    """Return what the command `safelight` was given to open queues with."""
    given = click.get_current_context().find_root().obj
    return given if callable(given) else None
