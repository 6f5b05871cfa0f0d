"""What waits for people, counted and listed as the pages of the review do, for the command line."""

from dataclasses import dataclass

from catalog.errors import ReviewError
from catalog.web.review.queues import find_queue
from catalog.web.review.review_session import SAMPLE, Asked, Desk
from catalog.workspace.workspace import Workspace


@dataclass(frozen=True)
class QueueCount:
    """One queue: items that wait, items in all, and those that wait by reason, most first."""

    queue: str
    title: str
    waiting: int
    total: int
    reasons: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class WaitingItem:
    """One item of a queue that waits: a group, a picture or an issue; `said` is its title."""

    item: str
    reasons: tuple[str, ...]
    said: str


def count_review_items(workspace: Workspace) -> list[QueueCount]:
    """Count what waits in every queue of the current run."""
    desk = Desk(workspace)
    try:
        found = desk.overview()["queues"]
    finally:
        desk.close()
    assert isinstance(found, list)
    return [
        QueueCount(
            each["queue"],
            each["title"],
            each["open"],
            each["total"],
            tuple(
                sorted(
                    ((r["reason"], r["open"]) for r in each["reasons"] if r["open"]),
                    key=lambda pair: (-pair[1], pair[0]),
                )
            ),
        )
        for each in found
    ]


def list_review_items(
    workspace: Workspace, queue: str, only: str = "", limit: int = 30
) -> list[WaitingItem]:
    """List what waits in a queue, in its order; `only` takes items with one reason. Raises `ReviewError`."""
    asked = Asked(find_queue(queue), only)
    if asked.queue.name == SAMPLE:
        raise ReviewError("the sample is drawn on its page: /review/sample")
    desk = Desk(workspace)
    try:
        found = desk.page(asked, after="", limit=limit, everything=False, by="local")["items"]
    finally:
        desk.close()
    assert isinstance(found, list)
    return [
        WaitingItem(
            str(each["item"]), tuple(map(str, each["reasons"])), str(each.get("title") or "")
        )
        for each in found
    ]
