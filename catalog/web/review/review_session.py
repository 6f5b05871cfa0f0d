"""The desk at which people of one server review: the tables, held open while somebody works, and what is decided.

A decision is durable (a segment in the spool) when its answer is sent, and every page knows it at once; the tables get
it within seconds, many in one commit. So a click waits for no commit, however long a crawl holds the writer lock.
"""

import json
import logging
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from catalog.errors import BusyError, DecisionError, ReviewError
from catalog.lake import manual
from catalog.lake.lake import Catalog, open_catalog
from catalog.lake.manual import About, ManualDecision
from catalog.packs.spool import waiting_segments
from catalog.web.review.decision_log import Book, queue_key
from catalog.web.review.evidence import Item
from catalog.web.review.items import details
from catalog.web.review.precision import Estimate, estimate
from catalog.web.review.queues import QUEUES, Entry, Queue, current_run, entries, version_of
from catalog.workspace.caches import removal_mark
from catalog.workspace.workspace import Workspace

log = logging.getLogger(__name__)

IDLE_S = 8.0
"""After so long without a request the tables are let go: the next look sees what others have committed."""
COMMIT_S = 3.0
_MOST_ORDERS, _MOST_SHOWN = 64, 500
_KINDS = {
    "group": ("right", "keeper", "split", "merge"),
    "bridge": ("right", "merge"),
    "finding": ("right", "wrong", "keep", "drop"),
    "issue": ("right", "wrong", "keep", "drop"),
}
SAMPLE = "sample"
_VERDICTS = ("right", "wrong")
_MEANING = {"right": "accepted", "wrong": "finding_is_wrong"}

Found = TypeVar("Found")


@dataclass(frozen=True)
class Asked:
    """A queue as somebody looks at it: only items with one reason, or the sample drawn with a seed."""

    queue: Queue
    only: str = ""
    seed: int = 0
    size: int = 100

    @property
    def key(self) -> str:
        """Name under which decisions are kept."""
        sampled = self.queue.name == SAMPLE
        return queue_key(self.queue.name, *((self.seed, self.size) if sampled else ()))

    @property
    def kinds(self) -> tuple[str, ...]:
        """What may be decided here."""
        return _VERDICTS if self.queue.name == SAMPLE else _KINDS[self.queue.shows]


@dataclass(frozen=True)
class Wanted:
    """A decision as it was sent: an item, what is decided, and about which of its pictures."""

    item: str
    kind: str
    pictures: tuple[str, ...]
    reason: str
    decided_by: str


class Desk:
    """One workspace under review. Its methods block: call them in a thread."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._lock = threading.Lock()
        self._catalog: Catalog | None = None
        self._run: str | None = None
        self._orders: dict[Asked, list[Entry]] = {}
        self._shown: dict[tuple[str, str], Item] = {}
        self._book = Book()
        self._used = 0.0
        self._waiting = 0
        self._committed = time.monotonic()
        self._mark = removal_mark(workspace)

    def overview(self) -> Item:
        """Count what waits in every queue but the sample."""
        return self._look(self._overview)

    def page(self, asked: Asked, *, after: str, limit: int, everything: bool, by: str) -> Item:
        """Give the next items of a queue after the item `after` (empty: from the start), and how far the work is."""

        def look(catalog: Catalog) -> Item:
            left = self._after(asked, after)
            if not everything:
                left = [entry for entry in left if not self._is_closed(asked, entry)]
            if len(self._shown) > _MOST_SHOWN:
                self._shown.clear()
            shown = details(catalog, asked.queue, self._run, left[:limit]) if self._run else []
            self._shown |= {(asked.queue.name, str(item["item"])): item for item in shown}
            items = [item | self._decided(asked, item) for item in shown]
            more = {"items": items, "is_end": len(left) <= limit}
            return self._progress(asked, by) | more

        return self._look(look)

    def decide(self, asked: Asked, wanted: Wanted) -> Item:
        """Write a decision down; gives its name and how far the work is. Raises `ReviewError`, `DecisionError`."""

        def look(catalog: Catalog) -> Item:
            entry = self._entry(asked, wanted.item)
            made = self._prepared(catalog, asked, entry, self._item(catalog, asked, entry), wanted)
            self._write(made)
            state = self._decided(asked, {"item": entry.item, "version": entry.version})
            named = {"item": entry.item, "decision_id": made.decision_id}
            return self._progress(asked, wanted.decided_by) | state | named

        return self._look(look)

    def undo(self, asked: Asked, decision_id: str, *, by: str) -> Item:
        """Take a decision back; gives how far the work is. Raises `ReviewError` when there is none that holds."""

        def look(_catalog: Catalog) -> Item:
            if self._book.find(decision_id) is None:
                raise ReviewError("there is no such decision, or it is taken back already")
            self._write(manual.prepare_undo(decision_id, decided_by=by))
            return self._progress(asked, by)

        return self._look(look)

    def commit(self) -> int:
        """Bring waiting decisions into the tables; give how many there were, none when others hold the lock."""
        with self._lock:
            waiting, self._waiting = self._waiting, 0
            self._committed = time.monotonic()
        if not waiting:
            return 0
        try:
            with open_catalog(self._workspace) as catalog:
                catalog.commit()
        except BusyError:
            log.warning("%d decisions wait: another process is writing", waiting)
            with self._lock:
                self._waiting += waiting
            return 0
        log.info("committed %d decisions", waiting)
        return waiting

    def is_due(self) -> bool:
        """Say whether decisions have waited for long enough."""
        return self._waiting > 0 and time.monotonic() - self._committed >= COMMIT_S

    def rest(self) -> None:
        """Let the tables go when nobody has asked for a while."""
        if self._lock.acquire(blocking=False):
            try:
                if time.monotonic() - self._used > IDLE_S:
                    self._let_go()
            finally:
                self._lock.release()

    def close(self) -> None:
        """Commit what waits and let the tables go."""
        self.commit()
        with self._lock:
            self._let_go()

    def _look(self, function: Callable[[Catalog], Found]) -> Found:
        with self._lock:
            if (mark := removal_mark(self._workspace)) != self._mark:
                self._let_go()
                self._book = Book()
                self._mark = mark
            if self._catalog is None:
                self._open()
            assert self._catalog is not None
            try:
                return function(self._catalog)
            finally:
                self._used = time.monotonic()

    def _open(self) -> None:
        catalog = open_catalog(self._workspace)
        try:
            self._take_over(catalog)
            self._run = current_run(catalog)
            self._book.add(manual.history(catalog))
        except BaseException:
            catalog.close()
            raise
        self._catalog = catalog

    def _take_over(self, catalog: Catalog) -> None:
        """Commit decisions of a server that was killed."""
        if any(
            segment.job.startswith(manual.PREFIX) for segment in waiting_segments(self._workspace)
        ):
            try:
                catalog.commit()
            except BusyError:
                self._waiting += 1  # later, with ours

    def _let_go(self) -> None:
        if self._catalog is not None:
            self._catalog.close()
        self._catalog = None
        self._orders.clear()
        self._shown.clear()

    def _order(self, asked: Asked) -> list[Entry]:
        if asked not in self._orders:
            if len(self._orders) >= _MOST_ORDERS:
                self._orders.clear()
            assert self._catalog is not None
            given = (self._catalog, asked.queue, self._run)
            self._orders[asked] = (
                entries(*given, only=asked.only, seed=asked.seed, size=asked.size)  # type: ignore[arg-type]
                if self._run
                else []
            )
        return self._orders[asked]

    def _after(self, asked: Asked, after: str) -> list[Entry]:
        order = self._order(asked)
        places = (place for place, entry in enumerate(order, 1) if entry.item == after)
        return order[next(places, 0) if after else 0 :]

    def _entry(self, asked: Asked, item: str) -> Entry:
        for entry in self._order(asked):
            if entry.item == item:
                return entry
        raise ReviewError(f"nothing of this name is in the queue {asked.queue.name}")

    def _item(self, catalog: Catalog, asked: Asked, entry: Entry) -> Item:
        """Give an item as it was shown."""
        key = (asked.queue.name, entry.item)
        if key not in self._shown:
            for found in details(catalog, asked.queue, str(self._run), [entry]):
                self._shown[key] = found
        if key not in self._shown:
            raise ReviewError("what this item is about is gone by now; load the page again")
        return self._shown[key]

    def _is_closed(self, asked: Asked, entry: Entry) -> bool:
        if self._book.is_closed(asked.key, entry.item, entry.version):
            return True
        return asked.queue.shows == "finding" and self._book.is_dropped(entry.item)

    def _decided(self, asked: Asked, item: Item) -> Item:
        about = self._book.about(asked.key, str(item["item"]), str(item["version"]))
        entry = Entry(str(item["item"]), (), str(item["version"]))
        return {
            "decisions": [_told(made) for made in about],
            "is_closed": self._is_closed(asked, entry),
        }

    def _progress(self, asked: Asked, by: str) -> Item:
        order = self._order(asked)
        last = self._book.last(asked.key, by)
        about: Item = {
            "queue": asked.queue.name,
            "run_id": self._run,
            "total": len(order),
            "open": sum(not self._is_closed(asked, entry) for entry in order),
            "last": _told(last) if last else None,
        }
        if asked.queue.name == SAMPLE:
            about["estimate"] = vars(self._estimate(asked))
        return about

    def _estimate(self, asked: Asked) -> Estimate:
        """Judge the sample by the last verdict on each group."""
        verdicts = [
            found[-1].kind
            for entry in self._order(asked)
            if (found := self._book.about(asked.key, entry.item, entry.version))
        ]
        return estimate(verdicts)

    def _overview(self, _catalog: Catalog) -> Item:
        counted = [Asked(queue) for queue in QUEUES.values() if queue.name != SAMPLE]
        return {"run_id": self._run, "queues": list(map(self._counts, counted))}

    def _counts(self, asked: Asked) -> Item:
        order = self._order(asked)
        is_open = [not self._is_closed(asked, entry) for entry in order]
        reasons: dict[str, list[bool]] = {}
        for entry, waits in zip(order, is_open, strict=True):
            for reason in entry.reasons:
                reasons.setdefault(reason, []).append(waits)
        return {
            "queue": asked.queue.name,
            "title": asked.queue.title,
            "about": asked.queue.about,
            "total": len(order),
            "open": sum(is_open),
            "reasons": [
                {"reason": name, "total": len(waits), "open": sum(waits)}
                for name, waits in sorted(reasons.items())
            ],
        }

    def _prepared(
        self, catalog: Catalog, asked: Asked, entry: Entry, item: Item, wanted: Wanted
    ) -> ManualDecision:
        """Check a decision against what the item holds."""
        if wanted.kind not in asked.kinds:
            raise DecisionError(
                f"in the queue {asked.queue.name} a decision is one of {', '.join(asked.kinds)}"
            )
        evidence = {"queue": asked.queue.name, "item": entry.item, "version": entry.version}
        sampled = {"seed": asked.seed, "size": asked.size} if asked.queue.name == SAMPLE else {}
        rest = sorted(_members(item) - set(wanted.pictures))
        if wanted.kind == "split" and len(rest) > 1:
            evidence |= {"left": rest[0], "left_version": version_of(rest)}
        group = entry.item if asked.queue.shows == "group" else None
        return manual.prepare(
            catalog,
            wanted.kind,
            _assets(asked.queue, item, wanted),
            reason=wanted.reason or _MEANING.get(wanted.kind, "reviewed"),
            decided_by=wanted.decided_by,
            about=About(group, self._run, json.dumps({**evidence, **sampled})),
        )

    def _write(self, made: ManualDecision) -> None:
        manual.write_down(self._workspace, made)
        self._book.add([made])
        self._waiting += 1


def new_seed() -> int:
    """Draw a seed for a sample, short enough to be cited."""
    return secrets.randbelow(1_000_000)


def _assets(queue: Queue, item: Item, wanted: Wanted) -> Sequence[str]:
    """Say which pictures a decision is about: those that were sent, if they are of the item."""
    shown = _shas(item)
    members = _members(item)
    allowed = members if wanted.kind in ("keeper", "split") else members | set(shown)
    if strange := sorted(set(wanted.pictures) - allowed):
        raise DecisionError(f"picture {strange[0]} is not one of this item's")
    if wanted.kind == "merge" and queue.shows == "bridge":
        return [shown[0], *(str(piece) for piece in item["pieces"])]  # type: ignore[attr-defined]
    if wanted.kind == "merge":
        return [shown[0], *wanted.pictures]
    if wanted.kind in _VERDICTS or not wanted.pictures:
        return shown[:1] if wanted.kind not in ("keeper", "split") else []
    return wanted.pictures


def _members(item: Item) -> set[str]:
    found = item["members"]
    assert isinstance(found, list)
    return set(map(str, found))


def _shas(item: Item) -> list[str]:
    found = item["pictures"]
    assert isinstance(found, list)
    return [str(picture["sha256"]) for picture in found]


def _told(made: ManualDecision) -> Item:
    return {
        "decision_id": made.decision_id,
        "kind": made.kind,
        "pictures": list(made.assets),
        "reason": made.reason,
        "decided_by": made.decided_by,
        "decided_at": made.decided_at.isoformat(),
    }
