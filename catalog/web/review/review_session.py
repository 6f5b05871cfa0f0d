"""The review session of one server: tables held open while people review, and the decisions that they make.

A decision is durable when its response is sent: it is a segment in the spool, and all pages include it at once. The
tables get it within seconds, many decisions in one commit. So a request never waits for a commit, however long another
process holds the writer lock.
"""

import json
import logging
import secrets
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from catalog.errors import BusyError, DecisionError, ReviewError
from catalog.lake import manual
from catalog.lake.lake import Catalog, open_catalog
from catalog.lake.manual import About, ManualDecision
from catalog.packs.spool import waiting_segments
from catalog.web.review.decision_log import DecisionLog, read_evidence
from catalog.web.review.decision_request import (
    DecisionRequest,
    QueueFilter,
    decision_assets,
    decision_evidence,
)
from catalog.web.review.evidence import Item
from catalog.web.review.items import describe_items
from catalog.web.review.precision import Estimate, estimate_precision
from catalog.web.review.queues import QUEUES, SAMPLE, Entry, current_run, list_entries
from catalog.workspace.caches import removal_mark
from catalog.workspace.workspace import Workspace

log = logging.getLogger(__name__)

IDLE_S = 8.0
"""After so long without a request the tables are closed; the next request sees what others have committed."""
COMMIT_S = 3.0
_MAX_CACHED_QUEUES, _MAX_CACHED_ITEMS = 64, 500
Result = TypeVar("Result")


class ReviewSession:
    """One workspace under review. Its methods block: call them in a thread."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._lock = threading.Lock()
        self._catalog: Catalog | None = None
        self._run_id: str | None = None
        self._entries_cache: dict[QueueFilter, list[Entry]] = {}
        self._items_cache: dict[tuple[str, str], Item] = {}
        self._decision_log = DecisionLog()
        self._last_used = 0.0
        self._n_uncommitted = 0
        self._committed_at = time.monotonic()
        self._removal_mark = removal_mark(workspace)

    def overview(self) -> Item:
        """Count the open items of every queue but the sample."""
        return self._with_catalog(self._overview)

    def page(
        self, selection: QueueFilter, *, after: str, limit: int, everything: bool, by: str
    ) -> Item:
        """Return the items of a queue after the item `after` (empty: from the start), and the progress.

        Items with a closing decision are left out unless `everything` is set.
        """

        def read(catalog: Catalog) -> Item:
            rest = self._entries_after(selection, after)
            if not everything:
                rest = [entry for entry in rest if not self._is_closed(selection, entry)]
            if len(self._items_cache) > _MAX_CACHED_ITEMS:
                self._items_cache.clear()
            items = (
                describe_items(catalog, selection.queue, self._run_id, rest[:limit])
                if self._run_id
                else []
            )
            self._items_cache |= {(selection.queue.name, str(i["item"])): i for i in items}
            items = [item | self._decisions(selection, item) for item in items]
            return self._progress(selection, by) | {"items": items, "is_end": len(rest) <= limit}

        return self._with_catalog(read)

    def decide(self, selection: QueueFilter, request: DecisionRequest) -> Item:
        """Record a decision; return its id and the progress. Raises `ReviewError`, `DecisionError`."""

        def write(catalog: Catalog) -> Item:
            entry = self._entry(selection, request.item)
            item = self._item(catalog, selection, entry)
            decision = self._prepare(catalog, selection, entry, item, request)
            self._write(decision)
            state = self._decisions(selection, {"item": entry.item, "version": entry.version})
            ids = {"item": entry.item, "decision_id": decision.decision_id}
            return self._progress(selection, request.decided_by) | state | ids

        return self._with_catalog(write)

    def undo(self, selection: QueueFilter, decision_id: str, *, by: str) -> Item:
        """Undo a decision; return the progress. Raises `ReviewError` when no valid decision has this id."""

        def write(_catalog: Catalog) -> Item:
            if self._decision_log.find(decision_id) is None:
                raise ReviewError("there is no such decision, or it is taken back already")
            self._write(manual.prepare_undo(decision_id, decided_by=by))
            return self._progress(selection, by)

        return self._with_catalog(write)

    def decide_pictures(self, request: DecisionRequest) -> Item:
        """Record a decision about pictures that a person selected outside of the queues; raises `DecisionError`."""

        def write(catalog: Catalog) -> Item:
            decision = manual.prepare(
                catalog,
                request.kind,
                request.pictures,
                reason=request.reason_or_default,
                decided_by=request.decided_by,
                about=About(None, self._run_id, json.dumps({"selected_in": request.item})),
            )
            self._write(decision)
            return _summary(decision.decision_id, decision.kind, decision)

        return self._with_catalog(write)

    def undo_pictures(self, decision_id: str, *, by: str) -> Item:
        """Undo a decision of this person about selected pictures; raises `ReviewError` when there is none."""

        def write(_catalog: Catalog) -> Item:
            decision = self._decision_log.find(decision_id)
            if decision is None or decision.decided_by != by or read_evidence(decision):
                raise ReviewError(
                    "you made no such decision about selected pictures, or it is taken back already"
                )
            self._write(manual.prepare_undo(decision_id, decided_by=by))
            return _summary(decision_id, "undo", decision)

        return self._with_catalog(write)

    def commit(self) -> int:
        """Commit the waiting decisions; return their number, 0 when another process holds the writer lock."""
        with self._lock:
            n_decisions, self._n_uncommitted = self._n_uncommitted, 0
            self._committed_at = time.monotonic()
        if not n_decisions:
            return 0
        try:
            with open_catalog(self._workspace) as catalog:
                catalog.commit()
        except BusyError:
            log.warning("%d decisions wait: another process is writing", n_decisions)
            with self._lock:
                self._n_uncommitted += n_decisions
            return 0
        log.info("committed %d decisions", n_decisions)
        return n_decisions

    def is_due(self) -> bool:
        """Say whether decisions have waited for `COMMIT_S`."""
        return self._n_uncommitted > 0 and time.monotonic() - self._committed_at >= COMMIT_S

    def close_if_idle(self) -> None:
        """Close the tables after `IDLE_S` without a request."""
        if self._lock.acquire(blocking=False):
            try:
                if time.monotonic() - self._last_used > IDLE_S:
                    self._close_catalog()
            finally:
                self._lock.release()

    def close(self) -> None:
        """Commit the waiting decisions and close the tables."""
        self.commit()
        with self._lock:
            self._close_catalog()

    def _with_catalog(self, function: Callable[[Catalog], Result]) -> Result:
        """Call a function with the open catalog, under the lock; after a takedown all is read anew."""
        with self._lock:
            if (mark := removal_mark(self._workspace)) != self._removal_mark:
                self._close_catalog()
                self._decision_log = DecisionLog()
                self._removal_mark = mark
            if self._catalog is None:
                self._open()
            assert self._catalog is not None
            try:
                return function(self._catalog)
            finally:
                self._last_used = time.monotonic()

    def _open(self) -> None:
        catalog = open_catalog(self._workspace)
        try:
            self._recover(catalog)
            self._run_id = current_run(catalog)
            self._decision_log.add(manual.history(catalog))
        except BaseException:
            catalog.close()
            raise
        self._catalog = catalog

    def _recover(self, catalog: Catalog) -> None:
        """Commit decisions of a server that was killed."""
        if any(
            segment.job.startswith(manual.PREFIX) for segment in waiting_segments(self._workspace)
        ):
            try:
                catalog.commit()
            except BusyError:
                self._n_uncommitted += 1  # the next commit takes them

    def _close_catalog(self) -> None:
        if self._catalog is not None:
            self._catalog.close()
        self._catalog = None
        self._entries_cache.clear()
        self._items_cache.clear()

    def _entries(self, selection: QueueFilter) -> list[Entry]:
        if selection not in self._entries_cache:
            if len(self._entries_cache) >= _MAX_CACHED_QUEUES:
                self._entries_cache.clear()
            self._entries_cache[selection] = self._read_entries(selection)
        return self._entries_cache[selection]

    def _read_entries(self, selection: QueueFilter) -> list[Entry]:
        assert self._catalog is not None
        if not self._run_id:
            return []
        return list_entries(
            self._catalog,
            selection.queue,
            self._run_id,
            only=selection.only,
            seed=selection.seed,
            size=selection.size,
        )

    def _entries_after(self, selection: QueueFilter, after: str) -> list[Entry]:
        queue = self._entries(selection)
        ends = (end for end, entry in enumerate(queue, 1) if entry.item == after)
        return queue[next(ends, 0) if after else 0 :]

    def _entry(self, selection: QueueFilter, item: str) -> Entry:
        for entry in self._entries(selection):
            if entry.item == item:
                return entry
        raise ReviewError(f"nothing of this name is in the queue {selection.queue.name}")

    def _item(self, catalog: Catalog, selection: QueueFilter, entry: Entry) -> Item:
        """Return an item as the page last showed it."""
        key = (selection.queue.name, entry.item)
        if key not in self._items_cache:
            for item in describe_items(catalog, selection.queue, str(self._run_id), [entry]):
                self._items_cache[key] = item
        if key not in self._items_cache:
            raise ReviewError("what this item is about is gone by now; load the page again")
        return self._items_cache[key]

    def _is_closed(self, selection: QueueFilter, entry: Entry) -> bool:
        if self._decision_log.is_closed(selection.key, entry.item, entry.version):
            return True
        return selection.queue.shows == "finding" and self._decision_log.is_dropped(entry.item)

    def _decisions(self, selection: QueueFilter, item: Item) -> Item:
        name, version = str(item["item"]), str(item["version"])
        decisions = self._decision_log.about(selection.key, name, version)
        return {
            "decisions": [_as_json(decision) for decision in decisions],
            "is_closed": self._is_closed(selection, Entry(name, (), version)),
        }

    def _progress(self, selection: QueueFilter, by: str) -> Item:
        queue = self._entries(selection)
        last = self._decision_log.last(selection.key, by)
        progress: Item = {
            "queue": selection.queue.name,
            "run_id": self._run_id,
            "total": len(queue),
            "open": sum(not self._is_closed(selection, entry) for entry in queue),
            "last": _as_json(last) if last else None,
        }
        if selection.queue.name == SAMPLE:
            progress["estimate"] = vars(self._estimate(selection))
        return progress

    def _estimate(self, selection: QueueFilter) -> Estimate:
        """Estimate the precision from the last verdict on each group of the sample."""
        decisions = (
            self._decision_log.about(selection.key, entry.item, entry.version)
            for entry in self._entries(selection)
        )
        return estimate_precision([of_group[-1].kind for of_group in decisions if of_group])

    def _overview(self, _catalog: Catalog) -> Item:
        queues = [QueueFilter(queue) for queue in QUEUES.values() if queue.name != SAMPLE]
        return {"run_id": self._run_id, "queues": list(map(self._counts, queues))}

    def _counts(self, selection: QueueFilter) -> Item:
        queue = self._entries(selection)
        is_open = [not self._is_closed(selection, entry) for entry in queue]
        by_reason: dict[str, list[bool]] = {}
        for entry, entry_is_open in zip(queue, is_open, strict=True):
            for reason in entry.reasons:
                by_reason.setdefault(reason, []).append(entry_is_open)
        return {
            "queue": selection.queue.name,
            "title": selection.queue.title,
            "about": selection.queue.about,
            "total": len(queue),
            "open": sum(is_open),
            "reasons": [
                {"reason": name, "total": len(flags), "open": sum(flags)}
                for name, flags in sorted(by_reason.items())
            ],
        }

    def _prepare(
        self,
        catalog: Catalog,
        selection: QueueFilter,
        entry: Entry,
        item: Item,
        request: DecisionRequest,
    ) -> ManualDecision:
        """Check a request against its item and make a decision of it."""
        if request.kind not in selection.kinds:
            raise DecisionError(
                f"in the queue {selection.queue.name} a decision is one of {', '.join(selection.kinds)}"
            )
        evidence = decision_evidence(selection, entry, item, request)
        group = entry.item if selection.queue.shows == "group" else None
        return manual.prepare(
            catalog,
            request.kind,
            decision_assets(selection.queue, item, request),
            reason=request.reason_or_default,
            decided_by=request.decided_by,
            about=About(group, self._run_id, json.dumps(evidence)),
        )

    def _write(self, decision: ManualDecision) -> None:
        manual.write_down(self._workspace, decision)
        self._decision_log.add([decision])
        self._n_uncommitted += 1


def _summary(decision_id: str, kind: str, decision: ManualDecision) -> Item:
    return {"decision_id": decision_id, "kind": kind, "n": len(decision.assets)}


def new_seed() -> int:
    """Draw a seed for a sample, short enough to be cited."""
    return secrets.randbelow(1_000_000)


def _as_json(decision: ManualDecision) -> Item:
    return {
        "decision_id": decision.decision_id,
        "kind": decision.kind,
        "pictures": list(decision.assets),
        "reason": decision.reason,
        "decided_by": decision.decided_by,
        "decided_at": decision.decided_at.isoformat(),
    }
