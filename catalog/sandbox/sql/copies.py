"""Frozen copies of the catalog for children to read: one of the newest snapshot, a few of older ones.

A child never sees the live catalog: it could lock it, and reading SQLite's journal needs the right to write. Each
server has a folder of its own below `lake/frozen/`, held by a file lock; folders that nobody holds are left-overs and
are deleted.
"""

import fcntl
import os
import shutil
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from catalog.errors import SnapshotNotFoundError
from catalog.lake.choose_store import open_store
from catalog.sandbox.sql.neutral_folder import NeutralFolder, remove_left
from catalog.stores import Frozen
from catalog.workspace.workspace import Workspace

KEPT = 4
"""Copies of older snapshots."""


@dataclass
class Copy:
    """A frozen copy and how many children read it."""

    frozen: Frozen
    folder: Path
    place: str
    """The folder below which children find the copy, and the data that lies on this machine."""
    readers: int = 0
    outdated: bool = False

    @property
    def readable(self) -> list[str]:
        """What a child must be able to read: the copy and the data that lies on this machine."""
        local = [path for path in self.frozen.data_paths if Path(path).exists()]
        return [f"{self.place}/frozen/{self.folder.name}", *local]

    @property
    def remote(self) -> bool:
        """Say whether data lies behind a network."""
        return any("://" in path for path in self.frozen.data_paths)


class FrozenCopies:
    """Make copies when they are needed and delete them when they are not. Safe to use from several threads."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._store = open_store(workspace)
        self._parent = workspace.lake / "frozen"
        self._folder = self._parent / uuid.uuid4().hex
        self._folder.mkdir(parents=True)
        self._held = os.open(self._folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC)
        fcntl.flock(self._held, fcntl.LOCK_EX)
        self._lock = threading.Lock()
        folders = {"frozen": self._folder}
        if local := self._store.data_folder:
            local.mkdir(parents=True, exist_ok=True)
            folders["data"] = local
        self._place = NeutralFolder(self._folder, folders)
        self._newest: Copy | None = None
        self._older: dict[int, Copy] = {}
        self._stamp: tuple[tuple[int, int], ...] = ()
        self._sweep()

    def newest(self) -> Copy:
        """Give a copy of the newest snapshot: the one there is unless somebody has committed since."""
        with self._lock:
            stamp = self._look()
            if self._is_gone(self._newest) or not stamp or stamp != self._stamp:
                self._renew(stamp)
            assert self._newest is not None
            return self._newest

    def at(self, snapshot_id: int) -> Copy:
        """Give a copy of an older snapshot; raises `SnapshotNotFoundError`."""
        newest = self.newest()
        with self._lock:
            if snapshot_id == newest.frozen.snapshot_id:
                return newest
            if self._is_gone(self._older.get(snapshot_id)):
                self._check(snapshot_id)
                self._older[snapshot_id] = self._freeze(snapshot_id)
            while len(self._older) > KEPT:
                self._retire(self._older.pop(next(iter(self._older))))
            return self._older[snapshot_id]

    @contextmanager
    def reading(self, copy: Copy) -> Iterator[None]:
        """Keep a copy from being deleted."""
        with self._lock:
            copy.readers += 1
        try:
            yield
        finally:
            with self._lock:
                copy.readers -= 1
                self._delete_unused(copy)

    def close(self) -> None:
        """Delete all copies."""
        os.close(self._held)
        self._place.remove()
        shutil.rmtree(self._folder, ignore_errors=True)

    @staticmethod
    def _is_gone(copy: Copy | None) -> bool:
        """Say whether there is no copy: a takedown deletes those that may hold what it removes."""
        return copy is None or not copy.folder.exists()

    def _look(self) -> tuple[tuple[int, int], ...]:
        """Look at the files of a SQLite catalog, which every commit changes; empty for other stores: they are asked."""
        stamps = []
        for name in ("catalog.sqlite", "catalog.sqlite-wal"):
            with suppress(FileNotFoundError):
                status = (self._workspace.lake / name).stat()
                stamps.append((status.st_mtime_ns, status.st_size))
        return tuple(stamps)

    def _renew(self, stamp: tuple[tuple[int, int], ...]) -> None:
        """Freeze again when there is a newer snapshot."""
        connection = self._store.connect()
        try:
            snapshot_id = self._store.snapshot(connection)
        finally:
            self._store.release(connection)
        newest = self._newest
        if newest is None or self._is_gone(newest) or newest.frozen.snapshot_id != snapshot_id:
            before, self._newest = self._newest, self._freeze(None)
            for copy in [before, *self._older.values()]:
                if copy is not None:
                    self._retire(copy)
            self._older.clear()
        self._stamp = stamp

    def _freeze(self, as_of: int | None) -> Copy:
        folder = self._folder / uuid.uuid4().hex
        frozen = self._store.freeze(folder, as_of, seen_at=self._place.path)
        copy = Copy(frozen, folder, str(self._place.path))
        for path in folder.rglob("*"):
            path.chmod(0o555 if path.is_dir() else 0o444)
        folder.chmod(0o555)
        return copy

    def _check(self, snapshot_id: int) -> None:
        connection = self._store.connect()
        try:
            snapshot_ids = [snapshot.snapshot_id for snapshot in self._store.snapshots(connection)]
        finally:
            self._store.release(connection)
        if snapshot_id not in snapshot_ids:
            raise SnapshotNotFoundError(snapshot_id, snapshot_ids)

    def _retire(self, copy: Copy) -> None:
        copy.outdated = True
        self._delete_unused(copy)

    def _delete_unused(self, copy: Copy) -> None:
        if copy.outdated and copy.readers == 0 and copy.folder.exists():
            copy.folder.chmod(0o755)
            shutil.rmtree(copy.folder, ignore_errors=True)

    def _sweep(self) -> None:
        """Delete the folders of servers that are no more."""
        for folder in self._parent.iterdir():
            if folder == self._folder:
                continue
            with suppress(OSError), (folder / "lock").open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                remove_left(folder)
                for path in folder.iterdir():
                    if not path.is_symlink():
                        path.chmod(0o755)
                shutil.rmtree(folder, ignore_errors=True)
