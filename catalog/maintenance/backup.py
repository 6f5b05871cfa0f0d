"""Back up a workspace while it is in use, and restore it elsewhere.

    dest/
      manifest.json       what it is of, and each file with SHA-256 and size
      catalog.sqlite      the catalog at one moment (catalog.duckdb from PostgreSQL)
      home/               lake/data/, packs/, releases/, models/, spool/, safelight.toml, as in the workspace

Table files, packs and releases never change, so a second backup into the same folder copies only what is new. The
catalog is copied first, then the files that it names: a commit in between adds files and takes none away, and
maintenance waits for the backup. The manifest is written last: without it there is no backup.
"""

import hashlib
import json
import logging
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from catalog.errors import BackupError
from catalog.lake.choose_store import open_store
from catalog.lake.lake import open_catalog
from catalog.maintenance.maintain import upkeep_lock
from catalog.maintenance.verify import verify_catalog
from catalog.packs.objects import open_objects
from catalog.packs.spool import waiting_segments
from catalog.plurals import counted
from catalog.program_name import command_name
from catalog.stores import Frozen
from catalog.stores.ducklake.store import DuckLakeStore
from catalog.version import __version__
from catalog.workspace.files import CHUNK, flush, folder_aside, write_text
from catalog.workspace.logs import redacted
from catalog.workspace.progress import track
from catalog.workspace.workspace import Workspace

log = logging.getLogger(__name__)

FORMAT = "safelight-backup/1"
_MANIFEST = "manifest.json"
_IMMUTABLE = ("home/lake/data/", "home/packs/", "home/releases/", "home/spool/")
_Known = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class BackupReport:
    """What a backup holds, and what of it was copied this time."""

    snapshot_id: int
    files: int
    bytes: int
    files_copied: int
    bytes_copied: int
    left_out: tuple[str, ...]


def backup(workspace: Workspace, dest: Path, *, with_frontier: bool = True) -> BackupReport:
    """Write a backup of `workspace` into the folder `dest`, or bring an older one there up to date.

    Crawls and curation may go on meanwhile; the writer lock is held for the copy of the catalog only. Raises
    `BackupError` when `dest` holds something else, `BusyError` when the lock cannot be had.
    """
    open_catalog(workspace).close()
    with upkeep_lock(workspace), folder_aside(workspace.spool) as moment:
        work = _Backup(workspace, dest, _known_files(dest))
        # Before the catalog: a picture that the frontier holds for done must be in the catalog or the spool.
        if with_frontier and workspace.frontier.exists():
            work.add(_sqlite_copy(workspace.frontier, moment), "home/frontier.sqlite")
        store = _ducklake(workspace)
        with store.lock():
            frozen = store.freeze(moment / "catalog")
            segments = [
                _linked(segment.folder, moment / "spool") for segment in waiting_segments(workspace)
            ]
        if (objects := open_objects(workspace)).remote:
            work.leave_out(f"{objects.address('')}: let the bucket keep versions of its files")
        contents = list(_contents(workspace, store, frozen, segments))
        for source, name in track(contents, "copy files", unit="files"):
            work.add(source, name)
        copy = next((moment / "catalog").iterdir())
        work.add(copy, copy.name)
        about = {
            "catalog": copy.name,
            "schema_mark": store.mark(),
            "snapshot_id": frozen.snapshot_id,
        }
        return work.finish(about)


def restore(source: Path, workspace: Workspace) -> BackupReport:
    """Make an empty workspace what a backup holds, with every file checked, and verify it.

    The catalog goes where the settings of `workspace` say: a backup from PostgreSQL may become a SQLite file and the
    other way round. Raises `BackupError` on a workspace that is not empty and on a file that is not as it was.
    """
    about = _read_manifest(source)
    _refuse_used(workspace)
    _ducklake(workspace)
    workspace.make()
    with folder_aside(workspace.home) as aside:
        files = about["files"]
        for name, entry in track(files.items(), "copy files", unit="files"):
            target = aside / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if _copied(source / name, target) != entry["sha256"]:
                raise BackupError(
                    f"{source / name} is not what was backed up; nothing was restored"
                )
        _ducklake(workspace).adopt(aside / about["catalog"], about["schema_mark"])
        for path in sorted((aside / "home").rglob("*")):
            if path.is_file():
                final = workspace.home / path.relative_to(aside / "home")
                final.parent.mkdir(parents=True, exist_ok=True)
                path.rename(final)
    with open_catalog(workspace) as catalog:
        if problems := verify_catalog(catalog, rehash=False):
            raise BackupError(
                f"restored, but with {counted(len(problems), 'problem')}: {problems[0]}"
            )
        snapshot_id = catalog.snapshot()
    size = sum(entry["bytes"] for entry in about["files"].values())
    n = len(about["files"])
    return BackupReport(snapshot_id, n, size, n, size, tuple(about["left_out"]))


class _Backup:
    """Files on their way into a backup folder."""

    def __init__(self, workspace: Workspace, dest: Path, before: _Known) -> None:
        self._workspace = workspace
        self._dest = dest
        self._before = before
        self._files: _Known = {}
        self._copied: list[int] = []
        self._left_out: list[str] = []

    def add(self, source: Path, name: str) -> None:
        """Copy a file, unless the backup has it already: files that never change are known by name and size."""
        target, size = self._dest / name, source.stat().st_size
        entry = self._before.get(name, {})
        if name.startswith(_IMMUTABLE) and entry.get("bytes") == size and target.exists():
            self._files[name] = entry
            return
        if name.endswith(".toml") and redacted(source.read_text("utf-8")) != source.read_text(
            "utf-8"
        ):
            self.leave_out(f"{name}: it holds a password")
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = target.with_name(f".{target.name}.new")
        self._files[name] = {"sha256": _copied(source, aside), "bytes": size}
        aside.replace(target)
        self._copied.append(size)

    def leave_out(self, line: str) -> None:
        """Note what is not in the backup, and why."""
        self._left_out.append(line)

    def finish(self, about: dict[str, object]) -> BackupReport:
        """Write the manifest and remove what it does not name."""
        whole = about | {
            "format": FORMAT,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "code_version": __version__,
            "left_out": self._left_out,
            "files": dict(sorted(self._files.items())),
        }
        os.sync()
        write_text(self._dest / _MANIFEST, json.dumps(whole, indent=1))
        flush(self._dest)
        for path in self._dest.rglob("*"):
            name = path.relative_to(self._dest).as_posix()
            if path.is_file() and name not in {_MANIFEST, *self._files}:
                path.unlink()
        total = sum(entry["bytes"] for entry in self._files.values())
        return BackupReport(
            int(str(about["snapshot_id"])),
            len(self._files),
            total,
            len(self._copied),
            sum(self._copied),
            tuple(self._left_out),
        )


def _contents(
    workspace: Workspace, store: DuckLakeStore, frozen: Frozen, segments: list[Path]
) -> Iterator[tuple[Path, str]]:
    """List every file of a workspace at the moment of the frozen catalog, with its name in the backup."""
    home, paths, folders = workspace.home, list[Path](), [workspace.models]
    if not open_objects(workspace).remote:
        tables, packs = store.named_files(frozen)
        paths += [workspace.lake / "data" / name for name in tables]
        paths += [workspace.packs / name for name in packs]
        folders.append(workspace.releases)
    for folder in folders:
        paths += [p for p in sorted(folder.rglob("*")) if p.is_file() and ".tmp-" not in str(p)]
    paths += [path for path in [home / "safelight.toml"] if path.exists()]
    for path in paths:
        yield path, f"home/{path.relative_to(home).as_posix()}"
    for segment in segments:
        for path in sorted(segment.iterdir()):
            yield path, f"home/spool/{segment.name}/{path.name}"
        pack = json.loads((segment / "segment.json").read_text("utf-8"))["pack"]
        if pack and (workspace.packs / pack).exists():  # moved by a commit that was cut off
            yield workspace.packs / pack, f"home/packs/{pack}"


def _linked(segment: Path, folder: Path) -> Path:
    """Hold a segment of the spool by hard links, so that a commit may clear it away."""
    shutil.copytree(segment, folder / segment.name, copy_function=_link_or_copy)
    return folder / segment.name


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        shutil.copyfile(source, target)


def _copied(source: Path, target: Path) -> str:
    """Copy a file and return the SHA-256 of what was read; raises `BackupError` when it is not there."""
    content = hashlib.sha256()
    try:
        with source.open("rb") as raw, target.open("wb") as out:
            while piece := raw.read(CHUNK):
                content.update(piece)
                out.write(piece)
    except FileNotFoundError as error:
        raise BackupError(
            f"{source} is missing; check with: {command_name()} catalog verify"
        ) from error
    return content.hexdigest()


def _sqlite_copy(file: Path, folder: Path) -> Path:
    """Copy a SQLite database that is in use."""
    target = folder / file.name
    with (
        closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=60)) as live,
        closing(sqlite3.connect(target)) as copy,
    ):
        live.backup(copy)
    return target


def _known_files(dest: Path) -> _Known:
    """List what an older backup in `dest` holds; raises `BackupError` when something else is there."""
    if not dest.exists() or not any(dest.iterdir()):
        dest.mkdir(parents=True, exist_ok=True)
        return {}
    if not (dest / _MANIFEST).exists() and not (dest / "home").is_dir():
        raise BackupError(f"{dest} is neither empty nor a backup; give another folder")
    return dict(_read_manifest(dest)["files"]) if (dest / _MANIFEST).exists() else {}


def _read_manifest(source: Path) -> dict[str, Any]:
    try:
        about: dict[str, Any] = json.loads((source / _MANIFEST).read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise BackupError(f"{source} is no backup: it has no {_MANIFEST}") from error
    except ValueError as error:
        raise BackupError(f"{source / _MANIFEST} is damaged: {error}") from error
    if about.get("format") != FORMAT:
        raise BackupError(f"{source} has format {about.get('format')!r}; this code reads {FORMAT}")
    return about


def _refuse_used(workspace: Workspace) -> None:
    used = [p for p in workspace.home.rglob("*") if p.is_file() and p.name != "safelight.toml"]
    if used:
        raise BackupError(
            f"{workspace.home} is not empty ({used[0].name}); restore into a new home"
        )


def _ducklake(workspace: Workspace) -> DuckLakeStore:
    store = open_store(workspace)
    if not isinstance(store, DuckLakeStore):
        raise BackupError("this store is a folder of files: copy it while nothing writes")
    return store
