"""The durable queue between listing and fetching: one SQLite file for a workspace.

An item is one photo of one crawl. Its state changes only inside a transaction. A picture counts as done when its
segment is on disk, never before, so a kill at any moment costs at most the items in flight. Items wait in one
queue for each host, and hosts take turns, so a slow or paused host does not delay the others.

Several processes write: the session, its workers, each with hosts of its own, and its spider, which adds items and
advances their `stage`. Each concept of the queue has a module of its own beside this one.
"""

import time

from crawler.frontier.crawls import CrawlListings
from crawler.frontier.dead_letters import DeadLetters
from crawler.frontier.host_queues import HostQueues
from crawler.frontier.item_removal import ItemRemoval
from crawler.frontier.quotas import ApiQuotas


class Frontier(CrawlListings, HostQueues, DeadLetters, ItemRemoval, ApiQuotas):
    """The queue; safe to use from several threads and, through SQLite, from several processes."""

    def add_request(self, name: str) -> None:
        """Leave a request of another process, such as stop, for the running session."""
        self._write("INSERT OR REPLACE INTO wishes VALUES (?, ?)", (name, time.time()))

    def has_request(self, name: str) -> bool:
        """Say whether another process left this request."""
        return bool(self._read("SELECT 1 FROM wishes WHERE name = ?", name))

    def clear_requests(self) -> None:
        """Delete all requests; a session starts without any."""
        self._write("DELETE FROM wishes", ())
