"""Where the large files lie: below the workspace, or in a bucket that speaks the S3 protocol.

A bucket has no rename and no fsync: an object is there whole or not at all once its upload has been acknowledged.
Better than a disk: it grows without end and several machines see it. Worse: a picture costs a round trip (some
20 ms at Amazon) instead of 10 microseconds, which is why `read_many` asks for many at once.
"""

import errno
import hashlib
import os
import shutil
import uuid
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from catalog.errors import MissingPartError, StorageError
from catalog.packs.buckets import Access, access_of
from catalog.packs.shards import ImageRange
from catalog.workspace.files import create_file, flush
from catalog.workspace.workspace import Workspace

if TYPE_CHECKING:
    from obstore.store import S3Config, S3Store

OPEN_FILES = 64
PIECE = 16 * 2**20  # bytes of one request when a whole object is fetched


@dataclass(frozen=True)
class Stored:
    """One object: its name below the storage, its size and when it came there (UTC)."""

    name: str
    bytes: int
    modified: datetime


class Objects(Protocol):
    """Files by name, such as `packs/0123.parquet`; names have `/` between their parts on every system."""

    remote: bool

    def address(self, name: str) -> str:
        """Give the path or URL by which DuckDB finds an object; never holds a key."""

    def put(self, name: str, path: Path) -> None:
        """Store the file at `path`, in place of what had the name; durable when this returns.

        The file belongs to the storage from now on: a folder takes it by rename, a bucket leaves it where it is.
        """

    def create(self, name: str, body: bytes) -> bool:
        """Store `body` unless the name is taken (then False); of several callers exactly one is first."""

    def read(self, name: str, offset: int, length: int) -> bytes:
        """Return `length` bytes from `offset`, fewer where the object ends; raises `FileNotFoundError`."""

    def read_many(self, name: str, ranges: Sequence[ImageRange]) -> list[bytes]:
        """Return several ranges of one object, as `read` does each."""

    def fetch(self, name: str, path: Path) -> None:
        """Copy a whole object into the new file `path`; raises `FileNotFoundError`."""

    def listed(self, folder: str) -> list[Stored]:
        """List the objects below `folder`, by name."""

    def size(self, name: str) -> int | None:
        """Return the bytes of an object, None when there is none of this name."""

    def delete(self, name: str) -> None:
        """Remove an object; does nothing when there is none of this name."""

    def close(self) -> None:
        """Let go of open files."""


class LocalObjects:
    """The folders of a workspace. Reads are one `pread`; the last few files stay open."""

    remote = False

    def __init__(self, home: Path) -> None:
        self._home = home
        self._open: OrderedDict[str, int] = OrderedDict()

    def address(self, name: str) -> str:
        """Give the path of an object."""
        return str(self._home / name)

    def put(self, name: str, path: Path) -> None:
        """Rename the file into place; where its folder is on another disk (a link to a shared one), copy it first."""
        final = self._make_folder_of(name)
        flush(path)
        try:
            path.replace(final)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            _copy_across(path, final)
        flush(final.parent)

    def create(self, name: str, body: bytes) -> bool:
        """Store `body` unless the name is taken."""
        return create_file(self._make_folder_of(name), body)

    def _make_folder_of(self, name: str) -> Path:
        """Make the folder of an object, but not `packs` itself: where that is missing a disk may be away."""
        final = self._home / name
        if name.startswith("packs/"):
            (self._home / "packs").stat()
        final.parent.mkdir(parents=True, exist_ok=True)
        return final

    def read(self, name: str, offset: int, length: int) -> bytes:
        """Return `length` bytes from `offset`, fewer where the file ends."""
        return os.pread(self._descriptor(name), length, offset)

    def read_many(self, name: str, ranges: Sequence[ImageRange]) -> list[bytes]:
        """Return several ranges of one file."""
        return [self.read(name, part.offset, part.length) for part in ranges]

    def fetch(self, name: str, path: Path) -> None:
        """Copy a file."""
        with (self._home / name).open("rb") as source, path.open("xb") as target:
            while body := source.read(PIECE):
                target.write(body)

    def listed(self, folder: str) -> list[Stored]:
        """List the files below `folder`, by name."""
        files = []
        for parent, _, names in os.walk(self._home / folder):
            for path in (Path(parent, name) for name in names):
                with suppress(FileNotFoundError):  # another process took it away just now
                    name, about = path.relative_to(self._home).as_posix(), path.stat()
                    written = datetime.fromtimestamp(about.st_ctime, UTC)
                    files.append(Stored(name, about.st_size, written))
        return sorted(files, key=lambda stored: stored.name)

    def size(self, name: str) -> int | None:
        """Return the bytes of a file."""
        try:
            return (self._home / name).stat().st_size
        except FileNotFoundError:
            return None

    def delete(self, name: str) -> None:
        """Remove a file."""
        (self._home / name).unlink(missing_ok=True)

    def close(self) -> None:
        """Close the open files."""
        while self._open:
            os.close(self._open.popitem()[1])

    def _descriptor(self, name: str) -> int:
        if name in self._open:
            self._open.move_to_end(name)
            return self._open[name]
        descriptor = self._open[name] = os.open(self._home / name, os.O_RDONLY)
        if len(self._open) > OPEN_FILES:
            os.close(self._open.popitem(last=False)[1])
        return descriptor


class S3Objects:
    """A bucket behind the S3 protocol, through obstore. Safe to use from several threads."""

    remote = True

    def __init__(self, access: Access) -> None:
        self._url = access.url
        self._store = _store(access)

    def address(self, name: str) -> str:
        """Give the URL of an object."""
        return f"{self._url}/{name}"

    def put(self, name: str, path: Path) -> None:
        """Upload the file, in parts where it is large."""
        import obstore

        with self._explained("upload", name):
            obstore.put(self._store, name, path)

    def create(self, name: str, body: bytes) -> bool:
        """Store `body` unless the name is taken."""
        import obstore
        from obstore.exceptions import AlreadyExistsError

        with self._explained("create", name):
            try:
                obstore.put(self._store, name, body, mode="create")
            except AlreadyExistsError:
                return False
        return True

    def read(self, name: str, offset: int, length: int) -> bytes:
        """Return `length` bytes from `offset` by one ranged request."""
        import obstore
        from obstore.exceptions import GenericError

        if not length:
            return b""
        with self._explained("read", name):
            try:
                body = obstore.get_range(self._store, name, start=offset, length=length)
            except GenericError:
                if (self.size(name) or 0) > offset:
                    raise
                return b""  # a range beyond the end is an error to a bucket, not to a file
        return bytes(body)

    def read_many(self, name: str, ranges: Sequence[ImageRange]) -> list[bytes]:
        """Return several ranges of one object: near ones share a request, the others run side by side."""
        if len(ranges) < 2:
            return [self.read(name, part.offset, part.length) for part in ranges]
        size = self.size(name)
        if size is None:
            raise FileNotFoundError(self.address(name))
        # The library panics on ranges that end beyond the object.
        ends = [min(part.offset + part.length, size) for part in ranges]
        spans = [(p.offset, end) for p, end in zip(ranges, ends, strict=True) if end > p.offset]
        with self._explained("read", name):
            by_span = dict(zip(spans, self._get_ranges(name, spans), strict=True)) if spans else {}
        return [by_span.get((p.offset, end), b"") for p, end in zip(ranges, ends, strict=True)]

    def _get_ranges(self, name: str, spans: Sequence[tuple[int, int]]) -> Iterator[bytes]:
        import obstore

        starts, ends = zip(*spans, strict=True)
        return map(bytes, obstore.get_ranges(self._store, name, starts=starts, ends=ends))

    def fetch(self, name: str, path: Path) -> None:
        """Copy a whole object into the new file `path`, a few pieces at a time."""
        from concurrent.futures import ThreadPoolExecutor

        size = self.size(name)
        if size is None:
            raise FileNotFoundError(self.address(name))
        with path.open("xb") as target, ThreadPoolExecutor(4) as pool:
            parts = range(0, size, PIECE)
            pieces = pool.map(lambda at: self.read(name, at, min(PIECE, size - at)), parts)
            target.writelines(pieces)

    def listed(self, folder: str) -> list[Stored]:
        """List the objects below `folder`, by name."""
        import obstore

        with self._explained("list", folder):
            files = [one for page in obstore.list(self._store, folder) for one in page]
        listed = [Stored(one["path"], one["size"], one["last_modified"]) for one in files]
        return sorted(listed, key=lambda stored: stored.name)

    def size(self, name: str) -> int | None:
        """Return the bytes of an object."""
        import obstore

        with self._explained("look at", name):
            try:
                return int(obstore.head(self._store, name)["size"])
            except FileNotFoundError:
                return None

    def delete(self, name: str) -> None:
        """Remove an object."""
        import obstore

        with self._explained("delete", name):
            obstore.delete(self._store, [name])

    def close(self) -> None:
        """Keep the connections: they are shared by the whole process."""

    @contextmanager
    def _explained(self, what: str, name: str) -> Iterator[None]:
        """Turn the library's errors into one line that says what to look at."""
        from obstore.exceptions import BaseError

        try:
            yield
        except FileNotFoundError as error:
            if "NoSuchBucket" in str(error):
                raise StorageError(what, self.address(name), "there is no such bucket") from None
            raise
        except BaseError as error:
            raise StorageError(what, self.address(name), str(error)) from None


def _copy_across(path: Path, final: Path) -> None:
    """Move a file to another file system; `final` is there whole or not at all."""
    aside = final.with_name(f".tmp-{uuid.uuid4().hex}")
    try:
        shutil.copyfile(path, aside)
        flush(aside)
        aside.replace(final)
    finally:
        aside.unlink(missing_ok=True)
    path.unlink()


def open_objects(workspace: Workspace) -> Objects:
    """Open the storage that safelight.toml names, by default the workspace's own folders.

    Raises `UsageError` on a wrong URL or when the environment has no keys.
    """
    access = access_of(workspace)
    return S3Objects(access) if access else LocalObjects(workspace.home)


def hash_object(objects: Objects, name: str) -> str:
    """Hash a whole object in pieces; returns the SHA-256, hex. Raises `FileNotFoundError`."""
    content, at = hashlib.sha256(), 0
    while piece := objects.read(name, at, PIECE):
        content.update(piece)
        at += len(piece)
    return content.hexdigest()


@lru_cache(maxsize=8)
def _store(access: Access) -> "S3Store":
    """Make the client of a bucket once a process: it holds the open connections."""
    try:
        from obstore.store import S3Store
    except ImportError as error:
        raise MissingPartError("obstore", "s3") from error
    options: S3Config = {
        "region": access.region,
        "access_key_id": access.key_id,
        "secret_access_key": access.secret,
        "virtual_hosted_style_request": not access.endpoint,
    }
    if access.endpoint:
        options["endpoint"] = access.endpoint
    if access.token:
        options["session_token"] = access.token
    return S3Store(
        access.bucket,
        prefix=urlsplit(access.url).path.strip("/"),
        client_options={
            "allow_http": access.endpoint.startswith("http://"),
            "connect_timeout": "10s",
            "timeout": "300s",
        },
        config=options,
    )
