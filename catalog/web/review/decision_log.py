"""The log of decisions that people made in the review, and which of them are still valid.

A decision applies to an item of a queue while the version of the item is unchanged. The evidence of the decision, a
JSON object, records this: queue, item and version; for the sample also seed and size; for a split also the remaining
group as the next run will name it (left and left_version).
"""

import json
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from catalog.lake.manual import ManualDecision

CLOSING = frozenset({"keep", "drop", "split", "merge", "right", "wrong"})
"""Kinds that close an item; the choice of a keeper leaves it open."""

Key = tuple[str, str]
"""A queue (with seed and size for the sample) and an item."""


class DecisionLog:
    """All decisions, undos and redos of people, by item."""

    def __init__(self) -> None:
        self._decisions: dict[str, ManualDecision] = {}
        self._latest_undo: dict[str, tuple[datetime, str]] = {}
        self._by_item: dict[Key, dict[str, str]] = defaultdict(dict)
        self._by_remaining_group: dict[Key, dict[str, str]] = defaultdict(dict)
        self._dropped: dict[str, set[str]] = defaultdict(set)

    def add(self, decisions: Iterable[ManualDecision]) -> None:
        """Add decisions, undos and redos; those that were added before change nothing."""
        for decision in decisions:
            if decision.undoes is not None:
                entry = (decision.decided_at, decision.kind)
                latest = self._latest_undo.get(decision.undoes, entry)
                self._latest_undo[decision.undoes] = max(entry, latest)
            elif decision.decision_id not in self._decisions:
                self._decisions[decision.decision_id] = decision
                self._index(decision)

    def find(self, decision_id: str) -> ManualDecision | None:
        """Return a valid decision; None when it does not exist or is undone."""
        decision = self._decisions.get(decision_id)
        return decision if decision and self._is_valid(decision_id) else None

    def about(self, queue: str, item: str, version: str) -> list[ManualDecision]:
        """List the valid decisions about this version of an item, oldest first.

        A split is also a decision about the group that remains after it.
        """
        indexes = (self._by_item, self._by_remaining_group)
        versions = (index.get((queue, item), {}) for index in indexes)
        decisions = [
            self._decisions[decision_id]
            for by_id in versions
            for decision_id, decided_version in by_id.items()
            if decided_version == version and self._is_valid(decision_id)
        ]
        return sorted(decisions, key=_time_order)

    def is_closed(self, queue: str, item: str, version: str) -> bool:
        """Say whether a valid decision closes this version of an item."""
        return any(decision.kind in CLOSING for decision in self.about(queue, item, version))

    def is_dropped(self, sha256: str) -> bool:
        """Say whether a valid decision drops a picture, in any queue."""
        return any(map(self._is_valid, self._dropped.get(sha256, ())))

    def last(self, queue: str, decided_by: str) -> ManualDecision | None:
        """Return the newest valid decision of a person in a queue."""
        ids = [i for (name, _), by_id in self._by_item.items() if name == queue for i in by_id]
        valid = (self._decisions[i] for i in ids if self._is_valid(i))
        own = (decision for decision in valid if decision.decided_by == decided_by)
        return max(own, key=_time_order, default=None)

    def _index(self, decision: ManualDecision) -> None:
        evidence, decision_id = read_evidence(decision), decision.decision_id
        if evidence:
            key = queue_key(str(evidence["queue"]), evidence.get("seed"), evidence.get("size"))
            self._by_item[key, str(evidence["item"])][decision_id] = str(evidence.get("version"))
            if "left" in evidence:
                remaining = self._by_remaining_group[key, str(evidence["left"])]
                remaining[decision_id] = str(evidence["left_version"])
        if decision.kind == "drop":
            for sha256 in decision.assets:
                self._dropped[sha256].add(decision_id)

    def _is_valid(self, decision_id: str) -> bool:
        return self._latest_undo.get(decision_id, (None, ""))[1] != "undo"


def queue_key(queue: str, seed: object = None, size: object = None) -> str:
    """Name a queue; a sample has its own name per seed and size, so verdicts on one do not count for another.

    >>> queue_key("duplicates"), queue_key("sample", 3, 100)
    ('duplicates', 'sample:3:100')
    """
    return queue if seed is None else f"{queue}:{seed}:{size}"


def read_evidence(decision: ManualDecision) -> dict[str, object]:
    """Read the evidence of a decision; empty when it was not made in a queue."""
    try:
        evidence = json.loads(decision.about.evidence or "")
    except ValueError:
        return {}
    is_item = isinstance(evidence, dict) and {"queue", "item"} <= set(evidence)
    return dict(evidence) if is_item else {}


def _time_order(decision: ManualDecision) -> tuple[datetime, str]:
    return decision.decided_at, decision.decision_id
