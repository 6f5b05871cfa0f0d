"""What people have decided in the review, and what of it holds: read from the tables, and known at once when it is new.

A decision answers an item when it was made about this item in this queue while the item looked as it does now. Its
evidence, a JSON object, says so: queue, item and version; of a sample also seed and size; of a split also the group
that it leaves, which the next run will find (left and left_version).
"""

import json
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from catalog.lake.manual import ManualDecision

CLOSING = frozenset({"keep", "drop", "split", "merge", "right", "wrong"})
"""What settles an item; to choose a keeper leaves it open."""

Key = tuple[str, str]
"""A queue (with seed and size for a sample) and an item."""


class Book:
    """All words of people, by item; undone ones are known as such."""

    def __init__(self) -> None:
        self._made: dict[str, ManualDecision] = {}
        self._last_word: dict[str, tuple[datetime, str]] = {}
        self._about: dict[Key, dict[str, str]] = defaultdict(dict)
        self._left: dict[Key, dict[str, str]] = defaultdict(dict)
        self._dropped: dict[str, set[str]] = defaultdict(set)

    def add(self, decisions: Iterable[ManualDecision]) -> None:
        """Take decisions, undos and redos in; those that are known already change nothing."""
        for made in decisions:
            if made.undoes is not None:
                word = (made.decided_at, made.kind)
                self._last_word[made.undoes] = max(word, self._last_word.get(made.undoes, word))
            elif made.decision_id not in self._made:
                self._made[made.decision_id] = made
                self._index(made)

    def find(self, decision_id: str) -> ManualDecision | None:
        """Give a decision that holds; None when there is none of this name, or it was taken back."""
        made = self._made.get(decision_id)
        return made if made and self._holds(decision_id) else None

    def about(self, queue: str, item: str, version: str) -> list[ManualDecision]:
        """List what holds about an item as it looks now, oldest first; a split also speaks of what it left."""
        found = (each.get((queue, item), {}) for each in (self._about, self._left))
        listed = [self._made[name] for of in found for name, seen in of.items() if seen == version]
        return sorted(filter(self._is_held, listed), key=_when)

    def is_closed(self, queue: str, item: str, version: str) -> bool:
        """Say whether somebody has settled an item."""
        return any(made.kind in CLOSING for made in self.about(queue, item, version))

    def is_dropped(self, sha256: str) -> bool:
        """Say whether a person has dropped a picture, wherever that was."""
        return any(map(self._holds, self._dropped.get(sha256, ())))

    def last(self, queue: str, decided_by: str) -> ManualDecision | None:
        """Give the newest decision of a person in a queue that holds."""
        names = [n for (known, _), found in self._about.items() if known == queue for n in found]
        listed = map(self._made.__getitem__, names)
        mine = (m for m in listed if m.decided_by == decided_by and self._is_held(m))
        return max(mine, key=_when, default=None)

    def _index(self, made: ManualDecision) -> None:
        said = read_evidence(made)
        if said:
            key = queue_key(str(said["queue"]), said.get("seed"), said.get("size"))
            self._about[key, str(said["item"])][made.decision_id] = str(said.get("version"))
            if "left" in said:  # the group that the next run will find in its place
                self._left[key, str(said["left"])][made.decision_id] = str(said["left_version"])
        if made.kind == "drop":
            for sha256 in made.assets:
                self._dropped[sha256].add(made.decision_id)

    def _holds(self, decision_id: str) -> bool:
        return self._last_word.get(decision_id, (None, ""))[1] != "undo"

    def _is_held(self, made: ManualDecision) -> bool:
        return self._holds(made.decision_id)


def queue_key(queue: str, seed: object = None, size: object = None) -> str:
    """Name a queue; verdicts on one sample do not count for another.

    >>> queue_key("duplicates"), queue_key("sample", 3, 100)
    ('duplicates', 'sample:3:100')
    """
    return queue if seed is None else f"{queue}:{seed}:{size}"


def read_evidence(made: ManualDecision) -> dict[str, object]:
    """Read which item a decision is about; empty when it was not made in a queue."""
    try:
        said = json.loads(made.about.evidence or "")
    except ValueError:
        return {}
    is_item = isinstance(said, dict) and {"queue", "item"} <= set(said)
    return dict(said) if is_item else {}


def _when(made: ManualDecision) -> tuple[datetime, str]:
    return made.decided_at, made.decision_id
