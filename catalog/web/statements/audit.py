"""The audit trail: every statement as a line of `logs/queries.jsonl` at once, and as a row of table `queries` soon.

The lines wait in the file until they are handed over as a segment; how far that has come stands beside it. A server
that dies between the two hands the same lines over again, and the commit drops rows whose `query_id` is there already.
"""

import json
import logging
import os
import time
from collections.abc import Mapping
from datetime import datetime

from catalog.packs.spool import write_segment
from catalog.tables.rows import rows
from catalog.workspace.files import write_text
from catalog.workspace.workspace import Workspace

log = logging.getLogger(__name__)

EVERY_S = 60.0
EVERY_ROWS = 500
_MAX_BYTES = 64 * 2**20


class Audit:
    """The trail of one workspace. Its methods block for the time of a small write."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._file = workspace.logs / "queries.jsonl"
        self._mark = workspace.logs / "queries.jsonl.handed-over"
        self._waiting = 0
        self._since = time.monotonic()

    def write(self, record: Mapping[str, object]) -> None:
        """Add one statement that has ended; the keys are columns of table `queries`, times ISO text."""
        line = json.dumps(record).encode() + b"\n"
        descriptor = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, line)
        finally:
            os.close(descriptor)
        self._waiting += 1

    def is_due(self) -> bool:
        """Say whether enough waits, or for long enough, to be handed over."""
        late = time.monotonic() - self._since >= EVERY_S
        return self._waiting >= EVERY_ROWS or (self._waiting > 0 and late)

    def hand_over(self) -> int:
        """Write what waits as a segment, which the next commit takes; return its rows."""
        self._waiting, self._since = 0, time.monotonic()
        start = self._handed_over()
        records, end = self._read(start)
        if records:
            write_segment(
                self._workspace, {"queries": rows("queries", records)}, job="serve:queries"
            )
            log.info("handed %d statements over to the tables", len(records))
        if end != start:
            write_text(self._mark, str(end))
        if end > _MAX_BYTES:
            self._file.replace(self._file.with_suffix(".old.jsonl"))
            write_text(self._mark, "0")
        return len(records)

    def _handed_over(self) -> int:
        try:
            return int(self._mark.read_text("utf-8"))
        except (FileNotFoundError, ValueError):
            return 0

    def _read(self, start: int) -> tuple[list[dict[str, object]], int]:
        """Read whole lines from `start`; a line that is not one of ours is skipped and counted."""
        try:
            with self._file.open("rb") as lines:
                lines.seek(start)
                body = lines.read()
        except FileNotFoundError:
            return [], 0
        whole = body[: body.rfind(b"\n") + 1]
        found = [record for line in whole.splitlines() if (record := _record(line))]
        if bad := whole.count(b"\n") - len(found):
            log.warning("%d lines of %s are no statements; left out", bad, self._file.name)
        return found, start + len(whole)


def _record(line: bytes) -> dict[str, object] | None:
    try:
        record = json.loads(line)
        record["asked_at"] = datetime.fromisoformat(record["asked_at"])
    except (ValueError, TypeError, KeyError):
        return None
    return dict(record)
