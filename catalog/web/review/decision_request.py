"""A decision request of the review: the queue and item that it names, and what it means for the catalog."""

from collections.abc import Sequence
from dataclasses import dataclass

from catalog.errors import DecisionError
from catalog.web.review.decision_log import queue_key
from catalog.web.review.evidence import Item
from catalog.web.review.queues import SAMPLE, Entry, Queue, version_of

_KINDS = {
    "group": ("right", "keeper", "split", "merge"),
    "bridge": ("right", "merge"),
    "finding": ("right", "wrong", "keep", "drop"),
    "issue": ("right", "wrong", "keep", "drop"),
}
_VERDICTS = ("right", "wrong")
_DEFAULT_REASONS = {"right": "accepted", "wrong": "finding_is_wrong"}


@dataclass(frozen=True)
class QueueFilter:
    """A queue and its filter: only items with one reason, or for the sample its seed and size."""

    queue: Queue
    only: str = ""
    seed: int = 0
    size: int = 100

    @property
    def key(self) -> str:
        """Name of the queue in the decision log."""
        is_sample = self.queue.name == SAMPLE
        return queue_key(self.queue.name, *((self.seed, self.size) if is_sample else ()))

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of decisions that are possible in this queue."""
        return _VERDICTS if self.queue.name == SAMPLE else _KINDS[self.queue.shows]


@dataclass(frozen=True)
class DecisionRequest:
    """A decision as it was sent: an item, a kind, and which pictures of the item it is about."""

    item: str
    kind: str
    pictures: tuple[str, ...]
    reason: str
    decided_by: str

    @property
    def reason_or_default(self) -> str:
        """The reason as it was sent, else one that says what the kind means."""
        return self.reason or _DEFAULT_REASONS.get(self.kind, "reviewed")


def decision_evidence(
    selection: QueueFilter, entry: Entry, item: Item, request: DecisionRequest
) -> dict[str, object]:
    """Return the evidence of a decision: see `decision_log`."""
    evidence: dict[str, object] = {
        "queue": selection.queue.name,
        "item": entry.item,
        "version": entry.version,
    }
    remaining = sorted(_members(item) - set(request.pictures))
    if request.kind == "split" and len(remaining) > 1:
        evidence |= {"left": remaining[0], "left_version": version_of(remaining)}
    if selection.queue.name == SAMPLE:
        evidence |= {"seed": selection.seed, "size": selection.size}
    return evidence


def decision_assets(queue: Queue, item: Item, request: DecisionRequest) -> Sequence[str]:
    """Return the pictures that a decision is about: those that were sent.

    Raises `DecisionError` when one does not belong to the item.
    """
    shas = _shas(item)
    members = _members(item)
    allowed = members if request.kind in ("keeper", "split") else members | set(shas)
    if foreign := sorted(set(request.pictures) - allowed):
        raise DecisionError(f"picture {foreign[0]} is not one of this item's")
    if request.kind == "merge" and queue.shows == "bridge":
        return [shas[0], *(str(piece) for piece in item["pieces"])]  # type: ignore[attr-defined]
    if request.kind == "merge":
        return [shas[0], *request.pictures]
    if request.kind in _VERDICTS or not request.pictures:
        return shas[:1] if request.kind not in ("keeper", "split") else []
    return request.pictures


def _members(item: Item) -> set[str]:
    members = item["members"]
    assert isinstance(members, list)
    return set(map(str, members))


def _shas(item: Item) -> list[str]:
    pictures = item["pictures"]
    assert isinstance(pictures, list)
    return [str(picture["sha256"]) for picture in pictures]
