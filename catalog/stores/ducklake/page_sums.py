"""Checksums of the pages of the SQLite file, so that a changed bit is found wherever it lies.

`PRAGMA integrity_check` looks at structure: a value that changed inside a row is as good as any to it. SQLite's own
page checksums (https://www.sqlite.org/cksumvfs.html) need an extension that DuckDB does not have. So each writer notes
the checksums of all pages when it has written, which takes a millisecond for each megabyte:

    lake/catalog.pages      line 1: SHA-256 of all that follows, hex
                            line 2: {"snapshot": newest snapshot, "page_bytes": 4096, "damage": [lines],
                                     "behind_log": {page: CRC-32 in the file of a page that the log replaces},
                                     "log": [two salts of the log, its committed frames] or null}
                            then 4 bytes a page: CRC-32 of the page as the file and its log (`wal.py`) together have it

The file is not flushed: after a power cut it may be older than the database, or gone, and its snapshot tells. "damage"
is what was wrong before a commit that has changed pages since. Whoever writes holds the writer lock. Maintenance and
takedowns, which change the file in many steps and make no snapshot at the end, remove the checksums first.
"""

import hashlib
import json
import os
import time
import uuid
import zlib
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from catalog.errors import CatalogError
from catalog.program_name import command_name
from catalog.stores.ducklake.sqlite_check import ask_sqlite
from catalog.stores.ducklake.wal import Wal, read_wal

Sums = npt.NDArray[np.uint32]
_PIECE = 2**20
_NEWEST = """
SELECT a FROM (SELECT max(snapshot_id) AS a FROM ducklake_snapshot), (SELECT max(snapshot_id) AS b
FROM ducklake_snapshot_changes) WHERE a = b"""
_open: OrderedDict[Path, int] = OrderedDict()
"""Open SQLite files of this process. Closing one would drop the locks that DuckDB's SQLite holds on it in this process
(https://www.sqlite.org/howtocorrupt.html, 2.2), so the last few stay open."""
_OPEN_FILES = 16
_CHECKPOINT_S = 1.0


@dataclass(frozen=True)
class _About:
    """Line 2 of `catalog.pages`."""

    snapshot: int
    page_bytes: int
    damage: list[str]
    behind_log: dict[str, int] = field(default_factory=dict)
    log: list[int] | None = None


class PageSums:
    """The checksums of one SQLite file, in `catalog.pages` beside it."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._wal = file.with_name(f"{file.name}-wal")
        self._path = file.with_suffix(".pages")
        self._damage: list[str] | None = None

    @property
    def is_known(self) -> bool:
        """Whether there are checksums to compare the file with, and of the snapshot that it has now."""
        recorded = self._load()
        return recorded is not None and recorded[0].snapshot == self._newest()

    def start_unfollowed_write(self) -> None:
        """Forget the checksums, before the file changes in many steps.

        Raises `CatalogError` when the file is damaged now.
        """
        if wrong := list(self.problems()):
            raise CatalogError(
                f"{wrong[0]}. Nothing was changed. Restore a backup ({command_name()} catalog restore); or, if another "
                f"program changed the file on purpose, delete {self._path} and try again"
            )
        self._path.unlink(missing_ok=True)

    def start_commit(self, newest: int) -> None:
        """Look for damage before the first commit of this object, whose checksums would hide it."""
        if self._damage is None:
            self._damage = list(self.problems(newest))

    def record(self, snapshot: int) -> None:
        """Note all pages, as they are now with the newest snapshot."""
        wal = read_wal(self._wal)
        page_bytes, in_file = self._file_sums()
        behind = {str(n): in_file[n - 1] for n in (wal.pages if wal else ()) if n <= len(in_file)}
        log = [*wal.salts, len(wal.frames)] if wal else None
        about = _About(snapshot, page_bytes, self._damage or [], behind, log)
        self._save(about, _together(in_file, wal))

    def problems(self, newest: int | None = None) -> Iterator[str]:
        """Compare all pages with their checksums; the caller holds the writer lock, and may know the newest snapshot.

        Silent when the checksums are not those of the newest snapshot: a commit was killed before it noted them.
        """
        recorded = self._load()
        if recorded is None:
            return
        about, before = recorded
        yield from about.damage
        newest = newest or self._newest()  # None: too damaged to say
        if newest is not None and newest < about.snapshot:
            yield from self._damaged_log(about.log)
            yield (
                f"{self._file.name} has lost commits: its newest snapshot is {newest}, but snapshot {about.snapshot} "
                f"was committed (the log {self._wal.name} is damaged, or was deleted, or the file is an old copy)"
            )
        elif newest is None or newest == about.snapshot:
            yield from self._damaged_log(about.log)
            yield from self._differences(before)

    def replaced_page_problems(self) -> Iterator[str]:
        """Compare the pages that the log replaces with what the file had, or has got from the log since.

        Nobody reads them, and they are written again when the log is emptied: a commit need not look at them.
        """
        recorded = self._load()
        if recorded is None or not recorded[0].behind_log or self._newest() != recorded[0].snapshot:
            return
        wrong = self._wrong_behind_log(recorded[0].behind_log)
        if wrong:
            time.sleep(_CHECKPOINT_S)  # a reader that ends empties the log, and may be at it
            wrong &= self._wrong_behind_log(recorded[0].behind_log)
        if wrong:
            yield (
                f"{self._file.name} is damaged: pages with a wrong checksum that the log replaces: {len(wrong)} "
                f"({', '.join(map(str, sorted(wrong)[:5]))}). Nothing is lost: "
                f"{command_name()} catalog maintain writes them"
            )

    def _wrong_behind_log(self, behind: dict[str, int]) -> set[int]:
        wal = read_wal(self._wal)
        right = {int(page): {crc} for page, crc in behind.items()}
        for page, body in wal.frames if wal else ():
            right.setdefault(page, set()).add(zlib.crc32(body))
        _, in_file = self._file_sums()
        replaced = {int(page) for page in behind} & (wal.pages.keys() if wal else set())
        return {n for n in replaced if n <= len(in_file) and in_file[n - 1] not in right[n]}

    def _damaged_log(self, noted: list[int] | None) -> Iterator[str]:
        """Compare the log with what was noted: one that begins anew has other salts, and frames are only added."""
        wal = read_wal(self._wal)
        if wal is None:
            return
        is_cut = noted is not None and [*wal.salts] == noted[:2] and len(wal.frames) < noted[2]
        if wal.is_damaged or is_cut:
            yield f"{self._wal.name} is damaged: a checksum in it is wrong"

    def _differences(self, before: Sums) -> Iterator[str]:
        _, now = self._sums()
        if len(before) != len(now):
            yield f"{self._file.name} is damaged: it has {len(now)} pages, not {len(before)}"
        n = min(len(before), len(now))
        wrong = [str(page) for page in np.flatnonzero(before[:n] != now[:n]) + 1]
        if wrong:
            listed = ", ".join(wrong[:5]) + (" ..." if len(wrong) > 5 else "")
            yield f"{self._file.name} is damaged: pages with a wrong checksum: {len(wrong)} ({listed})"

    def _newest(self) -> int | None:
        lines, _ = ask_sqlite(self._file, _NEWEST)
        return int(lines[0]) if lines and lines[0].isdecimal() else None

    def _load(self) -> tuple[_About, Sums] | None:
        try:
            digest, _, body = self._path.read_bytes().partition(b"\n")
            if hashlib.sha256(body).hexdigest().encode() != digest:
                return None
            line, _, sums = body.partition(b"\n")
            return _About(**json.loads(line)), np.frombuffer(sums, "<u4").astype(np.uint32)
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def _save(self, about: _About, sums: Sums) -> None:
        body = json.dumps(asdict(about)).encode() + b"\n" + sums.astype("<u4").tobytes()
        aside = self._path.with_name(f".{self._path.name}.{uuid.uuid4().hex}")
        try:
            aside.write_bytes(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
            aside.replace(self._path)
        except OSError:  # a full disk: the commit stands, its checksums are not known
            with suppress(OSError):
                aside.unlink(missing_ok=True)

    def _sums(self) -> tuple[int, Sums]:
        """Hash the pages of file and log together; returns the bytes of a page and the sums."""
        # The log first: what is moved from it to the file meanwhile is the same page.
        wal = read_wal(self._wal)
        page_bytes, in_file = self._file_sums()
        return page_bytes, _together(in_file, wal)

    def _file_sums(self) -> tuple[int, list[int]]:
        """Hash the pages of the file alone."""
        descriptor = _descriptor(self._file)
        size = int.from_bytes(os.pread(descriptor, 2, 16), "big")
        page_bytes = 65_536 if size == 1 else size if size >= 512 else 4_096
        listed, at = list[int](), 0
        while piece := os.pread(descriptor, _PIECE, at):
            at += len(piece)
            view = memoryview(piece)
            listed += [
                zlib.crc32(view[n : n + page_bytes]) for n in range(0, len(view), page_bytes)
            ]
        return page_bytes, listed


def _together(in_file: list[int], wal: Wal | None) -> Sums:
    """Give the sums of the pages as they are with the log."""
    if wal is None or not wal.database_pages:
        return np.array(in_file, np.uint32)
    listed = (in_file + [0] * wal.database_pages)[: wal.database_pages]
    for number, page in wal.pages.items():
        if number <= len(listed):
            listed[number - 1] = zlib.crc32(page)
    return np.array(listed, np.uint32)


def _descriptor(file: Path) -> int:
    here = file.stat()
    if file in _open:
        about = os.fstat(_open[file])
        if (about.st_dev, about.st_ino) == (here.st_dev, here.st_ino):
            _open.move_to_end(file)
            return _open[file]
        os.close(_open.pop(file))  # another file by now
    _open[file] = os.open(file, os.O_RDONLY)
    if len(_open) > _OPEN_FILES:
        os.close(_open.popitem(last=False)[1])
    return _open[file]
