"""Durable files: written aside, flushed to disk, then renamed into place in one step."""

import errno
import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def link(source: Path, target: Path) -> None:
    """Make `target` the same file as `source`, or a copy of it where the file system cannot link."""
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".{target.name}.{os.getpid()}")
    aside.unlink(missing_ok=True)
    try:
        os.link(source, aside)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.EMLINK):
            raise
        shutil.copyfile(source, aside)
        flush(aside)
    aside.replace(target)
    aside.unlink(missing_ok=True)  # a link onto itself leaves both names


CHUNK = 2**20


def sha256_file(path: Path) -> str:
    """Hash a file in pieces; returns hex."""
    with path.open("rb") as raw:
        return hashlib.file_digest(raw, "sha256").hexdigest()


def flush(path: Path) -> None:
    """Force a file or folder to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def wrong_sums(folder: Path) -> Iterator[str]:
    """Compare a folder with its SHA256SUMS; yield one line for each file that is missing, changed or a stranger."""
    names = set()
    for line in (folder / "SHA256SUMS").read_text("utf-8").splitlines():
        digest, name = line.split("  ", maxsplit=1)
        names.add(name)
        path = folder / name
        if not path.exists():
            yield f"{name} is missing"
        elif sha256_file(path) != digest:
            yield f"{name} is not what was published"
    beside = {"SHA256SUMS", "manifest.json.sig"}
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    yield from (f"{name} does not belong here" for name in sorted(there - names - beside))


@contextmanager
def folder_aside(parent: Path) -> Iterator[Path]:
    """Give a fresh hidden folder below `parent`; whatever is left of it afterwards is removed."""
    aside = parent / f".tmp-{uuid.uuid4().hex}"
    aside.mkdir(parents=True)
    try:
        yield aside
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def settle(aside: Path, final: Path) -> bool:
    """Flush a finished folder and rename it to `final`; False when `final` already exists."""
    for path in sorted(aside.rglob("*")):
        flush(path)
    flush(aside)
    if final.exists():
        return False
    final.parent.mkdir(parents=True, exist_ok=True)
    try:
        aside.rename(final)
    except OSError:
        if final.exists():  # another process was quicker with the same content
            return False
        raise
    flush(final.parent)
    return True


def write_text(path: Path, text: str) -> None:
    """Replace a text file in one step."""
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    aside.write_text(text, "utf-8")
    flush(aside)
    aside.replace(path)


def create_file(path: Path, body: bytes) -> bool:
    """Write a new file in one step; False, and nothing changed, when there is one of this name already."""
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    aside.write_bytes(body)
    flush(aside)
    try:
        path.hardlink_to(aside)
    except FileExistsError:
        return False
    finally:
        aside.unlink()
    flush(path.parent)
    return True
