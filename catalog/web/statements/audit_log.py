"""The audit log: every statement is a line of `logs/queries.jsonl` at once, and a row of table `queries` later.

The lines wait in the file until `flush` writes them as a segment. A second file holds the offset of the first line that
is not yet flushed. A server that dies between the two writes the same lines again; the commit drops rows whose
`query_id` is already in the table.
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

FLUSH_S = 60.0
FLUSH_ROWS = 500
_MAX_BYTES = 64 * 2**20


class AuditLog:
    """The audit log of one workspace. Its methods block for the time of a small write."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._file = workspace.logs / "queries.jsonl"
        self._offset_file = workspace.logs / "queries.jsonl.handed-over"
        self._n_waiting = 0
        self._flushed_at = time.monotonic()

    def write(self, record: Mapping[str, object]) -> None:
        """Append one statement that has ended; the keys are columns of table `queries`, times are ISO text."""
        line = json.dumps(record).encode() + b"\n"
        descriptor = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, line)
        finally:
            os.close(descriptor)
        self._n_waiting += 1

    def is_due(self) -> bool:
        """Say whether enough lines wait for a flush, or some have waited long enough."""
        is_late = time.monotonic() - self._flushed_at >= FLUSH_S
        return self._n_waiting >= FLUSH_ROWS or (self._n_waiting > 0 and is_late)

    def flush(self) -> int:
        """Write the waiting lines as a segment for the next commit; return their number."""
        self._n_waiting, self._flushed_at = 0, time.monotonic()
        start = self._read_offset()
        records, end = self._read(start)
        if records:
            write_segment(
                self._workspace, {"queries": rows("queries", records)}, job="serve:queries"
            )
            log.info("wrote %d statements of the audit log to the spool", len(records))
        if end != start:
            write_text(self._offset_file, str(end))
        if end > _MAX_BYTES:
            self._file.replace(self._file.with_suffix(".old.jsonl"))
            write_text(self._offset_file, "0")
        return len(records)

    def _read_offset(self) -> int:
        try:
            return int(self._offset_file.read_text("utf-8"))
        except (FileNotFoundError, ValueError):
            return 0

    def _read(self, start: int) -> tuple[list[dict[str, object]], int]:
        """Read the complete lines from `start` on; a line that is not a statement is skipped and counted."""
        try:
            with self._file.open("rb") as lines:
                lines.seek(start)
                body = lines.read()
        except FileNotFoundError:
            return [], 0
        whole = body[: body.rfind(b"\n") + 1]
        records = [record for line in whole.splitlines() if (record := _record(line))]
        if bad := whole.count(b"\n") - len(records):
            log.warning("skipped %d lines of %s that are not statements", bad, self._file.name)
        return records, start + len(whole)


def _record(line: bytes) -> dict[str, object] | None:
    try:
        record = json.loads(line)
        record["asked_at"] = datetime.fromisoformat(record["asked_at"])
    except (ValueError, TypeError, KeyError):
        return None
    return dict(record)
