"""The labelling of one server: judgements that are durable when the response is sent, models that learn meanwhile.

A judgement is a segment in the spool; the tables get it within seconds, many in one commit. All pages include it at
once, because the judgements of a task stay in memory.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from catalog.errors import BusyError, LabelError
from catalog.lake.judgements import (
    PREFIX,
    Judgement,
    batch_name,
    check_task,
    in_force,
    new_batch,
    new_judgement,
    new_undo,
    read_batch,
    read_judgements,
    write_judgement,
    write_judgements,
)
from catalog.lake.lake import open_catalog
from catalog.packs.spool import waiting_segments
from catalog.web.labelling.agreement import with_model, with_oneself, with_other
from catalog.web.labelling.candidates import Candidates, read_candidates
from catalog.web.labelling.labelled_task import FEWEST, RETRAIN_EVERY, LabelledTask, Order
from catalog.workspace.caches import removal_mark
from catalog.workspace.workspace import Workspace

log = logging.getLogger(__name__)

Content = dict[str, Any]

COMMIT_S = 3.0
UPCOMING = 8
"""Pictures that a page gets ahead."""
MOST_OPEN = 32
"""Tasks times people whose orders stay in memory."""
NAME = re.compile(r"[\w .-]{1,40}")
_TASKS = """
    SELECT task, list(DISTINCT value ORDER BY value) AS classes, count(DISTINCT asset_sha256) AS labels,
           list(DISTINCT judged_by ORDER BY judged_by) AS people FROM v_judgements GROUP BY task ORDER BY task
"""
_PRESENT = "SELECT sha256 FROM assets WHERE sha256 IN (SELECT unnest(?::VARCHAR[]))"
_SIZE = """
    SELECT (SELECT count(*) FROM assets) AS pictures, (SELECT count(*) FROM embeddings) AS vectors,
           (SELECT run_id FROM v_runs WHERE is_current) AS run_id
"""


class LabelSession:
    """One workspace while people label it. Its methods block: call them in a thread."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._lock = threading.RLock()
        self._candidates: Candidates | None = None
        self._judgements: dict[str, list[Judgement]] = {}
        self._open_tasks: dict[tuple[str, str], LabelledTask] = {}
        self._learning: set[tuple[str, str]] = set()
        self._learner = ThreadPoolExecutor(1, "labels")
        self._removal_mark = removal_mark(workspace)
        self._size: list[dict[str, object]] = []
        self._n_uncommitted = 0
        self._committed_at = time.monotonic()

    def tasks(self) -> Content:
        """List the tasks with labels, with their classes and people."""
        self.commit()
        with open_catalog(self._workspace) as catalog:
            return {"tasks": catalog.records(_TASKS)}

    def page(self, task: str, by: str) -> Content:
        """Return the next pictures of a person, and the progress; new pictures of the catalog are among them."""
        with self._lock:
            self._check_size()
            return self._page(self._task(task, by))

    def judge(self, task: str, picture: str, value: str, by: str) -> Content:
        """Record a label; raises `LabelError` for a picture that is not there."""
        with self._lock:
            opened = self._task(task, by)
            if picture not in opened.candidates.pictures:
                raise LabelError("no picture of this name can be labelled here")
            about = opened.about(picture, value)
            made = new_judgement(picture, task, value, by, **about)
            self._write(made)
            self._judgements[task].append(made)
            return self._page(opened) | {"judgement_id": made.judgement_id}

    def undo(self, task: str, by: str) -> Content:
        """Take back the last label of a person; raises `LabelError` when there is none."""
        with self._lock:
            opened = self._task(task, by)
            own = [each for each in self._judgements[task] if each.judged_by == by]
            if not own:
                raise LabelError("there is nothing to undo")
            self._write(new_undo(own[-1], by))
            self._judgements[task].remove(own[-1])
            return self._page(opened) | {"taken_back": own[-1].asset_sha256}

    def label_pictures(self, task: str, pictures: Sequence[str], value: str, by: str) -> Content:
        """Give pictures that a person selected one label; raises `LabelError` for a picture that is not there."""
        _check_name(by)
        with self._lock, open_catalog(self._workspace) as catalog:
            made = new_batch(sorted(set(pictures)), task, value, by)
            shas = [each.asset_sha256 for each in made]
            present = {str(row["sha256"]) for row in catalog.records(_PRESENT, [shas])}
            if missing := [sha for sha in shas if sha not in present]:
                raise LabelError(f"there is no picture {missing[0]}")
            self._write_batch(task, made)
        return {"batch": batch_name(made), "n": len(made), "task": task, "value": value}

    def undo_pictures(self, batch: str, by: str) -> Content:
        """Take back a label of selected pictures; raises `LabelError` when this person gave none of this name."""
        with self._lock, open_catalog(self._workspace) as catalog:
            catalog.commit()
            labels = read_batch(catalog, batch, by)
            if not labels:
                raise LabelError("you gave no such label, or it is taken back already")
            self._write_batch(labels[0].task, [new_undo(each, by) for each in labels])
        return {"batch": batch, "n": len(labels)}

    def commit(self) -> int:
        """Commit the waiting judgements; return their number, 0 when another process holds the writer lock."""
        with self._lock:
            n, self._n_uncommitted = self._n_uncommitted, 0
            self._committed_at = time.monotonic()
        if not n:
            return 0
        try:
            with open_catalog(self._workspace) as catalog:
                catalog.commit()
        except BusyError:
            log.warning("%d labels wait: another process is writing", n)
            with self._lock:
                self._n_uncommitted += n
            return 0
        return n

    def is_due(self) -> bool:
        """Say whether judgements have waited for `COMMIT_S`."""
        return self._n_uncommitted > 0 and time.monotonic() - self._committed_at >= COMMIT_S

    def close(self) -> None:
        """Commit the waiting judgements; a model that is learning is not waited for."""
        self._learner.shutdown(wait=True, cancel_futures=True)
        self.commit()

    def _write(self, made: Judgement) -> None:
        write_judgement(self._workspace, made)
        self._n_uncommitted += 1

    def _write_batch(self, task: str, made: Sequence[Judgement]) -> None:
        """Write judgements at once; the task is read again when a page needs it."""
        write_judgements(self._workspace, made)
        self._n_uncommitted += len(made)
        self._judgements.pop(task, None)
        for key in [key for key in self._open_tasks if key[0] == task]:
            del self._open_tasks[key]

    def _task(self, task: str, by: str) -> LabelledTask:
        """Return a task of a person, read when it is new or after a takedown."""
        check_task(task)
        _check_name(by)
        if (mark := removal_mark(self._workspace)) != self._removal_mark:
            self._forget()
            self._removal_mark = mark
        if task not in self._judgements:
            self._read(task)
        if (task, by) not in self._open_tasks:
            if len(self._open_tasks) >= MOST_OPEN:
                del self._open_tasks[next(iter(self._open_tasks))]
            assert self._candidates is not None
            opened = LabelledTask(task, by, self._candidates, self._judgements[task])
            opened.order = opened.reordered()
            self._open_tasks[task, by] = opened
        return self._open_tasks[task, by]

    def _check_size(self) -> None:
        """Read everything anew when the catalog has other pictures or vectors than before."""
        with open_catalog(self._workspace) as catalog:
            size = catalog.records(_SIZE)
        if size != self._size:
            self.commit()
            self._forget()
            self._size = size

    def _forget(self) -> None:
        self._candidates = None
        self._judgements.clear()
        self._open_tasks.clear()

    def _read(self, task: str) -> None:
        with open_catalog(self._workspace) as catalog:
            if self._n_uncommitted or self._has_waiting():
                catalog.commit()
            if self._candidates is None:
                self._candidates = read_candidates(catalog)
            self._judgements[task] = in_force(read_judgements(catalog, task))

    def _has_waiting(self) -> bool:
        """Say whether a server that was killed has left judgements."""
        return any(each.job.startswith(PREFIX) for each in waiting_segments(self._workspace))

    def _page(self, opened: LabelledTask) -> Content:
        if opened.is_due():
            self._reorder(opened)
        pictures = opened.candidates.pictures
        shown = [
            {
                "picture": pictures[each.place],
                "why": each.why,
                "expected": opened.expected(each.place),
            }
            for each in opened.upcoming(UPCOMING)
        ]
        return {"pictures": shown, "progress": self._progress(opened)}

    def _reorder(self, opened: LabelledTask) -> None:
        """Make a new order: at once where nothing is left to show, else in the background."""
        key = (opened.task, opened.by)
        if not opened.upcoming(1):
            opened.order = opened.reordered()
        elif key not in self._learning:
            self._learning.add(key)
            copy = LabelledTask(
                *key, opened.candidates, list(opened.judgements), opened.order
            )  # the other may change while it learns
            self._learner.submit(self._learn, copy)

    def _learn(self, copy: LabelledTask) -> None:
        key, order = (copy.task, copy.by), Order()
        try:
            order = copy.reordered()
        except Exception:  # the old order goes on
            log.exception("no new order of %s can be learnt", copy.task)
        with self._lock:
            self._learning.discard(key)
            if order.number and key in self._open_tasks:
                self._open_tasks[key].order = order

    def _progress(self, opened: LabelledTask) -> Content:
        judgements, by, order = opened.judgements, opened.by, opened.order
        n, learnt = len(opened.labels), order.learnt_from
        people = sorted({each.judged_by for each in judgements} | {by})
        return {
            "task": opened.task,
            "by": by,
            "labels": n,
            "counts": opened.counts,
            "pool": len(opened.candidates.pictures),
            "has_vectors": opened.candidates.has_vectors,
            "order": order.number,
            "learnt_from": learnt,
            "until_next": max(FEWEST - n, learnt + RETRAIN_EVERY - n, 0),
            "is_learning": (opened.task, by) in self._learning,
            "with_oneself": vars(with_oneself(judgements, by)),
            "model": vars(with_model(judgements, by)),
            "people": [
                {
                    "name": name,
                    "labels": len({j.asset_sha256 for j in judgements if j.judged_by == name}),
                    "agreement": None if name == by else vars(with_other(judgements, by, name)),
                }
                for name in people
            ],
        }


def _check_name(by: str) -> None:
    if not NAME.fullmatch(by):
        raise LabelError("a name is 1 to 40 letters, digits, spaces, points, - and _")
