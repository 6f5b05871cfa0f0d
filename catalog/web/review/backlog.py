"""The backlog of the review for the command line: open items, counted and listed as the pages do."""

from dataclasses import dataclass

from catalog.errors import ReviewError
from catalog.web.review.decision_request import QueueFilter
from catalog.web.review.queues import SAMPLE, find_queue
from catalog.web.review.review_session import ReviewSession
from catalog.workspace.workspace import Workspace


@dataclass(frozen=True)
class QueueCount:
    """One queue: open items, all items, and the open items by reason, most first."""

    queue: str
    title: str
    waiting: int
    total: int
    reasons: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class WaitingItem:
    """One open item of a queue: a group, a picture or an issue."""

    item: str
    reasons: tuple[str, ...]
    title: str


def count_review_items(workspace: Workspace) -> list[QueueCount]:
    """Count the open items of every queue of the current run."""
    session = ReviewSession(workspace)
    try:
        queues = session.overview()["queues"]
    finally:
        session.close()
    assert isinstance(queues, list)
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
        for each in queues
    ]


def list_review_items(
    workspace: Workspace, queue: str, only: str = "", limit: int = 30
) -> list[WaitingItem]:
    """List the open items of a queue, in its order; `only` takes items with one reason. Raises `ReviewError`."""
    selection = QueueFilter(find_queue(queue), only)
    if selection.queue.name == SAMPLE:
        raise ReviewError("the sample is drawn on its page: /review/sample")
    session = ReviewSession(workspace)
    try:
        page = session.page(selection, after="", limit=limit, everything=False, by="local")
    finally:
        session.close()
    items = page["items"]
    assert isinstance(items, list)
    return [
        WaitingItem(
            str(each["item"]), tuple(map(str, each["reasons"])), str(each.get("title") or "")
        )
        for each in items
    ]
